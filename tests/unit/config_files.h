// A configuration in a directory of its own, for the tests of daemon/config/. JSON may be written
// with ' for ".
#ifndef TESTS_UNIT_CONFIG_FILES_H
#define TESTS_UNIT_CONFIG_FILES_H

#include "config/config.h"

struct config_files {
	char directory[64];
	char main_file[96]; // DIRECTORY/migrated.json
	struct config config;
	struct problem_list problems;
	bool loaded; // what config_load() answered
};

// A directory with a good migrated.json and an empty entities.d; config_files_done() removes it.
void config_files_init(struct config_files *files);
void config_files_done(struct config_files *files);

// Writes DIRECTORY/NAME ("migrated.json", "entities.d/orders.json").
void config_files_write(const struct config_files *files, const char *name, const char *text);

// The smallest good entity, table and name the same: columns as given ("'code': 'code'").
void config_files_write_entity(const struct config_files *files, const char *name,
			       const char *columns);

void config_files_load(struct config_files *files, char *const *environment);

// Fails unless the problem at `index` says exactly this; `file` is below the directory, or
// "environment".
void assert_problem(const struct config_files *files, size_t index, const char *file,
		    const char *path, const char *message);

// Fails unless loading was good; prints what was not.
void assert_no_problem(const struct config_files *files);

// The text with ' turned into "; the caller frees.
char *double_quoted(const char *text);

#endif

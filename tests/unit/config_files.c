// Configurations in directories of their own. See config_files.h.
#include "tests/unit/testing.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/text.h"
#include "tests/unit/config_files.h"

static const char good_main[] = "{'source': {'conninfo': 'host=/run/a dbname=legacy'},"
				" 'target': {'conninfo': 'host=/run/b dbname=modern'}}";

char *double_quoted(const char *text)
{
	char *copy = text_copy(text);

	for (char *quote = copy; (quote = strchr(quote, '\''));)
		*quote = '"';
	return copy;
}

void config_files_write(const struct config_files *files, const char *name, const char *text)
{
	_cleanup_free_ char *path = text_format("%s/%s", files->directory, name);
	_cleanup_free_ char *json = double_quoted(text);
	FILE *stream = fopen(path, "w");

	if (!stream)
		fail_msg("cannot write %s: %s", path, strerror(errno));
	fputs(json, stream);
	fclose(stream);
}

void config_files_write_entity(const struct config_files *files, const char *name,
			       const char *columns)
{
	_cleanup_free_ char *file = text_format("entities.d/%s.json", name);
	_cleanup_free_ char *json = text_format("{'entity': '%s', 'source': {'table': '%s', 'key': "
						"'id'}, 'target': {'table': '%s', 'key': 'id'}, "
						"'columns': {%s}}",
						name, name, name, columns);

	config_files_write(files, file, json);
}

void config_files_init(struct config_files *files)
{
	_cleanup_free_ char *entities = NULL;

	*files = (struct config_files){ .directory = "/tmp/migrated-test-XXXXXX" };
	assert_non_null(mkdtemp(files->directory));
	snprintf(files->main_file, sizeof files->main_file, "%s/migrated.json", files->directory);
	entities = text_format("%s/entities.d", files->directory);
	assert_int_equal(mkdir(entities, 0700), 0);
	config_files_write(files, "migrated.json", good_main);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status, (void)type, (void)walk;
	return remove(path);
}

void config_files_done(struct config_files *files)
{
	config_done(&files->config);
	problem_list_done(&files->problems);
	nftw(files->directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

void config_files_load(struct config_files *files, char *const *environment)
{
	config_done(&files->config);
	problem_list_done(&files->problems);
	files->loaded = config_load(&files->config, files->main_file, environment,
				    &files->problems);
}

void assert_no_problem(const struct config_files *files)
{
	if (files->problems.count > 0) {
		_cleanup_free_ char *problem = problem_format(&files->problems.problems[0]);

		fail_msg("%zu problems, the first: %s", files->problems.count, problem);
	}
	assert_true(files->loaded);
}

void assert_problem(const struct config_files *files, size_t index, const char *file,
		    const char *path, const char *message)
{
	_cleanup_free_ char *full = strcmp(file, "environment") == 0
					    ? text_copy(file)
					    : text_format("%s/%s", files->directory, file);
	_cleanup_free_ char *quoted = double_quoted(message);

	assert_false(files->loaded);
	if (index >= files->problems.count)
		fail_msg("only %zu problems, expected: %s: %s", files->problems.count,
			 path ? path : file, message);
	const struct problem *problem = &files->problems.problems[index];

	assert_string_equal(problem->message, quoted);
	assert_string_equal(problem->file, full);
	if (path)
		assert_string_equal(problem->path, path);
	else
		assert_null(problem->path);
}

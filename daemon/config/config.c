/*
 * Reading the files: migrated.json, each file of entities.d beside it, and what only shows when all
 * are read.
 */
#include "config/config.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/text.h"
#include "config/conninfo.h"
#include "config/entity_parse.h"
#include "config/graph.h"

#define SUFFIX ".json"

/*
 * What jansson says of a syntax error. It quotes the text it stopped at, which in a file that holds
 * passwords may be one; `secrets` leaves that out, unless it can only be a key.
 */
static void add_syntax_problem(struct problem_list *problems, const char *file,
			       const json_error_t *error, bool secrets)
{
	_cleanup_free_ char *what = text_copy(error->text);
	char *quotation = strstr(what, " near '");

	if (json_error_code(error) == json_error_stack_overflow) {
		problem_add(problems, file, error->line, NULL, "nested too deeply");
		return;
	}
	if (quotation && secrets && json_error_code(error) != json_error_duplicate_key)
		*quotation = '\0';
	problem_add(problems, file, error->line, NULL, "%s", what);
}

/* NULL when it could not be read, which is a problem then. */
static json_t *read_json(const char *file, struct problem_list *problems, bool secrets)
{
	json_error_t error;
	FILE *stream = fopen(file, "re");
	struct stat status;

	if (!stream || fstat(fileno(stream), &status) != 0 || S_ISDIR(status.st_mode)) {
		problem_add(problems, file, 0, NULL, "cannot be read: %s",
			    stream ? "it is a directory" : strerror(errno));
		if (stream)
			fclose(stream);
		return NULL;
	}
	json_t *root = json_loadf(stream, JSON_REJECT_DUPLICATES, &error);

	fclose(stream);
	if (!root)
		add_syntax_problem(problems, file, &error, secrets);
	return root;
}

static int is_entity_file(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return entry->d_name[0] != '.' && length > strlen(SUFFIX) &&
	       strcmp(entry->d_name + length - strlen(SUFFIX), SUFFIX) == 0;
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name); /* in every locale the same */
}

static void load_entity(struct config *config, const char *directory, const char *file_name,
			struct problem_list *problems)
{
	struct entity_set *set = &config->entities;
	_cleanup_free_ char *file = text_format("%s/%s", directory, file_name);
	_cleanup_free_ char *name = text_format("%.*s", (int)(strlen(file_name) - strlen(SUFFIX)),
						file_name);
	json_auto_t *root = read_json(file, problems, false);

	set->entities = memory_grow(set->entities, set->count + 1, sizeof *set->entities);
	entity_parse(root, file, name, problems, &set->entities[set->count]);
	set->entities[set->count++].written = root ? json_dumps(root, JSON_COMPACT) : NULL;
}

static void load_entities(struct config *config, const char *directory,
			  struct problem_list *problems)
{
	struct dirent **entries = NULL;
	int count = scandir(directory, &entries, is_entity_file, compare_names);

	if (count < 0 && errno != ENOENT)
		problem_add(problems, directory, 0, NULL, "cannot be read: %s", strerror(errno));
	else if (count <= 0)
		problem_add(&config->warnings, directory, 0, NULL,
			    "holds no entity (NAME.json), so there is nothing to migrate");
	for (int i = 0; i < count; i++) {
		load_entity(config, directory, entries[i]->d_name, problems);
		free(entries[i]);
	}
	free(entries);
}

/* The directory of entities beside the main file; the caller frees. */
static char *entities_directory(const char *file)
{
	const char *slash = strrchr(file, '/');

	if (!slash)
		return text_copy("entities.d");
	return text_format("%.*s/entities.d", (int)(slash - file), file);
}

#define CONTROL_SCHEMA "migrated"

/* Our own tables are no place to migrate into. */
static void check_target_schemas(const struct config *config, struct problem_list *problems)
{
	for (size_t i = 0; i < config->entities.count; i++) {
		const struct entity *entity = &config->entities.entities[i];

		if (entity->target_schema && strcmp(entity->target_schema, CONTROL_SCHEMA) == 0)
			problem_add(problems, entity->file, 0, "$.target.schema",
				    "\"%s\" is the schema in which migrated keeps its own tables",
				    entity->target_schema);
	}
}

/* A password that every user of the machine may read. */
static void check_readers(struct config *config, json_t *root)
{
	static const char *const sides[] = { "source", "target" };
	struct stat status;

	if (stat(config->file, &status) != 0 || !(status.st_mode & S_IROTH))
		return;
	for (size_t i = 0; i < 2; i++) {
		json_t *side = json_object_get(root, sides[i]);
		const char *conninfo = json_string_value(json_object_get(side, "conninfo"));
		_cleanup_free_ char *path = text_format("$.%s.conninfo", sides[i]);

		if (conninfo && conninfo_has_password(conninfo))
			problem_add(
				&config->warnings, config->file, 0, path,
				"holds a password, and every user may read the file: chmod o-r, "
				"or use a passfile");
	}
}

bool config_load(struct config *config, const char *file, char *const *environment,
		 struct problem_list *problems)
{
	size_t before = problems->count;
	_cleanup_free_ char *directory = entities_directory(file);
	json_auto_t *root = NULL;

	*config = (struct config){ .file = text_copy(file) };
	root = read_json(file, problems, true);
	settings_load(&config->settings, file, root, environment, problems, &config->warnings);
	check_readers(config, root);
	load_entities(config, directory, problems);
	graph_build(&config->entities, problems);
	check_target_schemas(config, problems);
	return problems->count == before;
}

void config_done(struct config *config)
{
	free(config->file);
	settings_done(&config->settings);
	entity_set_done(&config->entities);
	problem_list_done(&config->warnings);
	*config = (struct config){ 0 };
}

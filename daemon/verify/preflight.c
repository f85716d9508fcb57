/*
 * The preflight's flow: a table of steps, asked one after the other; see preflight.h.
 *
 * A step that is refused makes the themes it answers for unknown, and so does a connection that is lost; the other
 * steps go on. At the end every theme that found nothing passes, if its judge has said that it was verified.
 */
#include "verify/preflight.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/text.h"
#include "sql_verify.h"
#include "store/store.h"
#include "verify/internal.h"

#define BIT(theme) (1u << (theme))

/* What each theme is called, and on which sides it must come to a result. */
static const struct {
	const char *check;
	unsigned sides;
} themes[THEME_COUNT] = {
	[THEME_CONNECTION] = { "connection", BIT(SIDE_SOURCE) | BIT(SIDE_TARGET) },
	[THEME_VERSION] = { "version", BIT(SIDE_SOURCE) | BIT(SIDE_TARGET) },
	[THEME_ENCODING] = { "encoding", BIT(SIDE_SOURCE) | BIT(SIDE_TARGET) },
	[THEME_POOLER] = { "pooler", BIT(SIDE_SOURCE) | BIT(SIDE_TARGET) },
	[THEME_SAME_DATABASE] = { "same database", BIT(SIDE_BOTH) },
	[THEME_CONNECTION_LIMIT] = { "connection limit", BIT(SIDE_SOURCE) | BIT(SIDE_TARGET) },
	[THEME_MAPPING] = { "mapping", BIT(SIDE_BOTH) },
	[THEME_PRIVILEGES] = { "privileges", BIT(SIDE_SOURCE) | BIT(SIDE_TARGET) },
	[THEME_ROW_SECURITY] = { "row-level security", BIT(SIDE_SOURCE) | BIT(SIDE_TARGET) },
	[THEME_CONTROL_SCHEMA] = { "control schema", BIT(SIDE_TARGET) },
	[THEME_SOURCE_KEY] = { "source key", BIT(SIDE_SOURCE) },
	[THEME_LEGACY_KEY] = { "legacy key", BIT(SIDE_TARGET) },
	[THEME_FOREIGN_KEYS] = { "foreign keys", BIT(SIDE_TARGET) },
	[THEME_INDEXES] = { "indexes", BIT(SIDE_TARGET) },
	[THEME_TRIGGERS] = { "triggers", BIT(SIDE_TARGET) },
	[THEME_PREPARED] = { "prepared transactions", BIT(SIDE_SOURCE) },
	[THEME_STATISTICS] = { "statistics", BIT(SIDE_SOURCE) },
	[THEME_WATERMARKS] = { "watermarks", BIT(SIDE_SOURCE) },
	[THEME_DISK] = { "disk room", BIT(SIDE_TARGET) },
	[THEME_THROTTLE] = { "throttle", 0 }, /* most often there is none */
};

const char *const side_names[SIDE_COUNT] = { "source", "target", "both" };

enum step_values { NO_VALUES, TABLES, MARK, TRUTH };

/* Either `sql` is asked once, or what `ask` writes for each entity, or nothing (then the judge is called with NULL). */
struct step {
	enum side side;
	unsigned themes; /* unknown when it is refused */
	const char *sql;
	enum step_values values;
	char *(*ask)(const struct preflight *preflight, const struct bound_entity *bound);
	void (*judge)(struct preflight *preflight, const PGresult *result);    /* may be NULL */
	bool (*refused)(struct preflight *preflight, const struct error *err); /* may be NULL */
};

#define SERVER_THEMES (BIT(THEME_VERSION) | BIT(THEME_ENCODING) | BIT(THEME_CONNECTION_LIMIT))
#define ACCESS_THEMES (BIT(THEME_PRIVILEGES) | BIT(THEME_ROW_SECURITY))
#define FOREIGN_KEY_THEMES (BIT(THEME_FOREIGN_KEYS) | BIT(THEME_INDEXES))
#define CONTROL_THEMES (BIT(THEME_CONTROL_SCHEMA) | BIT(THEME_PRIVILEGES))

static const struct step steps[] = {
	{ SIDE_SOURCE, SERVER_THEMES, sql_verify_preflight_server, NO_VALUES, NULL, judge_server,
	  NULL },
	{ SIDE_TARGET, SERVER_THEMES, sql_verify_preflight_server, NO_VALUES, NULL, judge_server,
	  NULL },
	{ SIDE_SOURCE, BIT(THEME_POOLER), sql_verify_preflight_pooler_mark, MARK, NULL,
	  judge_pooler_mark, NULL },
	{ SIDE_TARGET, BIT(THEME_POOLER), sql_verify_preflight_pooler_mark, MARK, NULL,
	  judge_pooler_mark, NULL },
	{ SIDE_SOURCE, 0, sql_verify_preflight_identity, NO_VALUES, NULL, judge_identity, NULL },
	{ SIDE_TARGET, 0, sql_verify_preflight_identity, NO_VALUES, NULL, judge_identity, NULL },
	{ SIDE_BOTH, 0, NULL, NO_VALUES, NULL, judge_same_database, NULL },
	{ SIDE_SOURCE, ACCESS_THEMES, sql_verify_preflight_source_tables, TABLES, NULL,
	  judge_source_tables, NULL },
	{ SIDE_SOURCE, ACCESS_THEMES, NULL, NO_VALUES, ask_read, NULL, judge_read_refused },
	{ SIDE_TARGET, ACCESS_THEMES, sql_verify_preflight_target_tables, TABLES, NULL,
	  judge_target_tables, NULL },
	{ SIDE_TARGET, CONTROL_THEMES, sql_verify_preflight_control_schema, NO_VALUES, NULL,
	  judge_control_schema, NULL },
	{ SIDE_SOURCE, BIT(THEME_SOURCE_KEY), NULL, NO_VALUES, ask_source_key, judge_source_key,
	  NULL },
	{ SIDE_BOTH, 0, NULL, NO_VALUES, NULL, judge_source_keys, NULL },
	{ SIDE_TARGET, BIT(THEME_LEGACY_KEY), sql_verify_preflight_legacy_keys, TABLES, NULL,
	  judge_legacy_keys, NULL },
	{ SIDE_TARGET, FOREIGN_KEY_THEMES, sql_verify_preflight_foreign_keys, TABLES, NULL,
	  judge_foreign_keys, NULL },
	{ SIDE_TARGET, BIT(THEME_TRIGGERS), sql_verify_preflight_triggers, TABLES, NULL,
	  judge_triggers, NULL },
	{ SIDE_SOURCE, BIT(THEME_PREPARED), sql_verify_preflight_prepared, NO_VALUES, NULL,
	  judge_prepared, NULL },
	{ SIDE_SOURCE, BIT(THEME_STATISTICS), sql_verify_preflight_statistics, NO_VALUES, NULL,
	  judge_statistics, NULL },
	{ SIDE_BOTH, 0, NULL, NO_VALUES, NULL, judge_watermarks, NULL },
	{ SIDE_SOURCE, 0, sql_verify_preflight_disk, TABLES, NULL, judge_disk, NULL },
	{ SIDE_TARGET, BIT(THEME_THROTTLE), NULL, TRUTH, ask_throttle, judge_throttle,
	  judge_throttle_refused },
	/* Twice, as a pooler that hands out its backends in turn may come back to the first. */
	{ SIDE_SOURCE, BIT(THEME_POOLER), sql_verify_preflight_pooler_look, NO_VALUES, NULL,
	  judge_pooler_look, NULL },
	{ SIDE_SOURCE, BIT(THEME_POOLER), sql_verify_preflight_pooler_look, NO_VALUES, NULL,
	  judge_pooler_look, NULL },
	{ SIDE_TARGET, BIT(THEME_POOLER), sql_verify_preflight_pooler_look, NO_VALUES, NULL,
	  judge_pooler_look, NULL },
	{ SIDE_TARGET, BIT(THEME_POOLER), sql_verify_preflight_pooler_look, NO_VALUES, NULL,
	  judge_pooler_look, NULL },
	{ SIDE_BOTH, 0, NULL, NO_VALUES, NULL, judge_poolers, NULL },
	{ SIDE_BOTH, 0, NULL, NO_VALUES, NULL, judge_mapping, NULL },
	{ SIDE_BOTH, 0, NULL, NO_VALUES, NULL, judge_connection, NULL },
};
#define STEP_COUNT (sizeof steps / sizeof steps[0])

static void advance(struct preflight *preflight);

/* --- findings ----------------------------------------------------------------------------------- */

void preflight_found(struct preflight *preflight, enum theme theme, enum side side,
		     const char *subject, enum finding_result result, char *action,
		     const char *format, ...)
{
	_cleanup_text_ struct text message = TEXT_INIT;
	_cleanup_free_ char *owned = action;
	va_list arguments;

	va_start(arguments, format);
	text_vappendf(&message, format, arguments);
	va_end(arguments);
	finding_add(&preflight->found[theme][side], themes[theme].check, subject, result, owned,
		    text_string(&message));
}

void preflight_passed(struct preflight *preflight, enum theme theme, enum side side,
		      const char *format, ...)
{
	struct text message = TEXT_INIT;
	va_list arguments;

	va_start(arguments, format);
	text_vappendf(&message, format, arguments);
	va_end(arguments);
	free(preflight->passed[theme][side]);
	preflight->passed[theme][side] = text_steal(&message);
}

/* What nobody has configured is not unknown either. */
static bool is_asked_for(const struct preflight *preflight, enum theme theme)
{
	return theme != THEME_THROTTLE || preflight->request.settings->throttle_query[0] != '\0';
}

static void leave_unknown(struct preflight *preflight, unsigned themes_of_step, const char *reason)
{
	enum side side = preflight->side;

	for (int theme = 0; theme < THEME_COUNT; theme++)
		if ((themes_of_step & BIT(theme)) && is_asked_for(preflight, (enum theme)theme))
			preflight_found(preflight, (enum theme)theme, side, side_names[side],
					FINDING_UNKNOWN, NULL, "not verified: %s", reason);
}

/* A theme that nobody found anything in passes if it was looked at. */
static void conclude(struct preflight *preflight, enum theme theme, enum side side)
{
	const char *passed = preflight->passed[theme][side];

	if (preflight->found[theme][side].count > 0 || !(themes[theme].sides & BIT(side)))
		return;
	if (passed != NULL)
		preflight_found(preflight, theme, side, side_names[side], FINDING_PASS, NULL, "%s",
				passed);
	else
		preflight_found(preflight, theme, side, side_names[side], FINDING_UNKNOWN, NULL,
				"not verified: what it needs was not answered");
}

/* --- the end ------------------------------------------------------------------------------------ */

static void side_done(struct side_state *side)
{
	free(side->role);
	free(side->database);
	free(side->identity.system);
	free(side->identity.database);
	free(side->identity.started);
	free(side->tables);
}

static void preflight_free(struct preflight *preflight)
{
	for (size_t theme = 0; theme < THEME_COUNT; theme++)
		for (size_t side = 0; side < SIDE_COUNT; side++) {
			finding_list_done(&preflight->found[theme][side]);
			free(preflight->passed[theme][side]);
		}
	side_done(&preflight->sides[SIDE_SOURCE]);
	side_done(&preflight->sides[SIDE_TARGET]);
	free(preflight->mark);
	free(preflight);
}

static void finish(struct preflight *preflight)
{
	struct finding_list all = { 0 };
	preflight_on_done *on_done = preflight->on_done;
	void *arg = preflight->arg;

	for (int theme = 0; theme < THEME_COUNT; theme++)
		for (int side = 0; side < SIDE_COUNT; side++) {
			conclude(preflight, (enum theme)theme, (enum side)side);
			finding_list_move(&all, &preflight->found[theme][side]);
		}
	preflight_free(preflight);
	on_done(arg, all.findings, all.count, NULL);
	finding_list_done(&all);
}

/* --- asking ------------------------------------------------------------------------------------- */

static const struct step *step_of(const struct preflight *preflight)
{
	return &steps[preflight->step];
}

static struct side_state *side_of(struct preflight *preflight)
{
	return &preflight->sides[preflight->side];
}

static void on_answer(void *arg, const struct pg_answer *answer)
{
	struct preflight *preflight = arg;
	const struct step *step = step_of(preflight);

	if (answer->error == NULL && step->judge != NULL)
		step->judge(preflight, pg_answer_rows(answer));
	if (answer->error != NULL && answer->error->kind == ERROR_CONNECTION)
		side_of(preflight)->lost = true;
	if (answer->error != NULL &&
	    (step->refused == NULL || !step->refused(preflight, answer->error)))
		leave_unknown(preflight, step->themes, answer->error->message);
	if (step->ask == NULL)
		preflight->step++;
	advance(preflight);
}

static bool can_be_asked(const struct side_state *side)
{
	return side->connection != NULL && !side->lost && pg_connection_is_up(side->connection);
}

static void submit(struct preflight *preflight, const char *sql, enum step_values values)
{
	struct side_state *side = side_of(preflight);
	const char **schemas = memory_new((side->table_count + 1) * sizeof(char *));
	const char **names = memory_new((side->table_count + 1) * sizeof(char *));

	for (size_t i = 0; i < side->table_count; i++) {
		schemas[i] = side->tables[i].schema;
		names[i] = side->tables[i].name;
	}
	_cleanup_free_ char *schema_array = store_key_literal(schemas, side->table_count);
	_cleanup_free_ char *name_array = store_key_literal(names, side->table_count);

	if (values == TABLES)
		pg_submit(side->connection, sql, 2,
			  (const char *const[]){ schema_array, name_array }, on_answer, preflight);
	else if (values == MARK)
		pg_submit(side->connection, sql, 1, (const char *const[]){ preflight->mark },
			  on_answer, preflight);
	else if (values == TRUTH)
		pg_submit(side->connection, sql, 1, (const char *const[]){ "t" }, on_answer,
			  preflight);
	else
		pg_submit(side->connection, sql, 0, NULL, on_answer, preflight);
	free(schemas);
	free(names);
}

/* The next entity that this step has a question about. */
static char *next_question(struct preflight *preflight)
{
	const struct binding *binding = preflight->request.binding;

	while (binding != NULL && preflight->next_entity < binding->set->count) {
		char *sql;

		preflight->bound = &binding->entities[preflight->next_entity++];
		sql = step_of(preflight)->ask(preflight, preflight->bound);
		if (sql != NULL)
			return sql;
	}
	preflight->next_entity = 0;
	return NULL;
}

/* True when a question is under way; false when the step is over. */
static bool begin_step(struct preflight *preflight)
{
	const struct step *step = step_of(preflight);
	_cleanup_free_ char *question = NULL;

	preflight->side = step->side;
	if (step->side == SIDE_BOTH) {
		step->judge(preflight, NULL);
		return false;
	}
	if (!can_be_asked(side_of(preflight))) {
		leave_unknown(preflight, step->themes, "no connection");
		preflight->next_entity = 0;
		return false;
	}
	if (step->ask == NULL) {
		submit(preflight, step->sql, step->values);
		return true;
	}
	question = next_question(preflight);
	if (question != NULL)
		submit(preflight, question, step->values);
	return question != NULL;
}

static void advance(struct preflight *preflight)
{
	for (; preflight->step < STEP_COUNT; preflight->step++)
		if (begin_step(preflight))
			return;
	finish(preflight);
}

void preflight_start(const struct preflight_request *request, preflight_on_done *on_done, void *arg)
{
	struct preflight *preflight = memory_new(sizeof(*preflight));

	preflight->request = *request;
	preflight->on_done = on_done;
	preflight->arg = arg;
	preflight->sides[SIDE_SOURCE].connection = request->source;
	preflight->sides[SIDE_TARGET].connection = request->target;
	preflight->mark = text_format("%" PRId64, clock_wall_us());
	preflight_collect_tables(preflight);
	advance(preflight);
}

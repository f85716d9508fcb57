/*
 * The account of one entity; see account.h.
 *
 *   known? ──▶ source counted ──no──▶ all of it waits
 *                   │yes
 *                   ▼
 *   key and hashes of every row are shipped, and the target puts each into its class in one statement
 *
 * Whatever comes of it, both transactions are rolled back at the end: nothing of them is to stay.
 */
#include "verify/account.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/hashed.h"
#include "common/text.h"
#include "postgres/pump.h"
#include "sql_verify.h"

struct account_run {
	struct account_request request;
	struct account account;
	bool map_known;
	bool has_conflicts; /* the control schema knows of them */
	struct pump *pump;  /* while rows are shipped */
	bool cancelled;
	unsigned closing; /* sides whose transaction is being ended */
	struct error error;
	account_on_done *on_done;
	void *arg;
};

static int64_t number(const PGresult *result, int column)
{
	return strtoll(PQgetvalue(result, 0, column), NULL, 10);
}

static const char *const mapping_names[] = {
	[ACCOUNT_NEVER] = "never",
	[ACCOUNT_CHANGED] = "changed",
	[ACCOUNT_SAME] = "same",
};

const char *account_mapping_name(enum account_mapping mapping)
{
	return mapping_names[mapping];
}

static enum account_mapping mapping_of(const char *name)
{
	enum account_mapping mapping = ACCOUNT_NEVER;

	while (mapping < ACCOUNT_SAME && strcmp(mapping_names[mapping], name) != 0)
		mapping++;
	return mapping;
}

bool account_is_balanced(const struct account *account)
{
	int64_t sum = account->filtered + account->equal + account->lost + account->waiting +
		      account->parked + account->dead_letters + account->discarded + account->held +
		      account->kept;

	return sum == account->source && account->lost == 0 && account->duplicates == 0 &&
	       account->keyless == 0;
}

/* --- the end ------------------------------------------------------------------------------------ */

/* Most often it is a setting of ours that ends a statement. */
static void explain(struct account_run *run)
{
	struct error *err = &run->error;

	snprintf(err->entity, sizeof(err->entity), "%s", run->request.bound->entity->name);
	snprintf(err->phase, sizeof(err->phase), "account");
	if (strcmp(err->sqlstate, "57014") == 0 && !run->cancelled)
		error_context(
			err,
			"reading every row took longer than statement_timeout allows, or somebody "
			"ended it");
}

static void finish(struct account_run *run)
{
	struct account_run done = *run;

	free(run);
	if (done.error.kind == ERROR_NONE) {
		done.on_done(done.arg, &done.account, NULL);
		return;
	}
	explain(&done);
	done.on_done(done.arg, NULL, &done.error);
}

static void on_closed(void *arg, const struct pg_answer *answer)
{
	struct account_run *run = arg;

	(void)answer;
	if (--run->closing == 0)
		finish(run);
}

static void close_side(struct account_run *run, struct pg_connection *connection)
{
	if (!pg_connection_is_up(connection))
		return; /* its transaction has gone with the link */
	run->closing++;
	pg_submit(connection, "ROLLBACK", 0, NULL, on_closed, run);
}

static void end(struct account_run *run, const struct error *err)
{
	if (err != NULL)
		run->error = *err;
	run->closing = 1;
	close_side(run, run->request.source);
	close_side(run, run->request.target);
	if (--run->closing == 0)
		finish(run);
}

static bool failed(struct account_run *run, const struct pg_answer *answer)
{
	struct error err;

	if (answer->error != NULL) {
		end(run, answer->error);
		return true;
	}
	if (run->cancelled) {
		error_set(&err, ERROR_CANCELLED, "the account was cancelled");
		end(run, &err);
		return true;
	}
	return false;
}

/* --- pieces of SQL ------------------------------------------------------------------------------ */

/* "legacy_key[1]::integer AS k1": the text form of a key turned back into its types. */
static char *keys_from_text(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->source_key.count; i++) {
		text_separate(&text, ", ");
		text_appendf(&text, "legacy_key[%zu]::%s AS k%zu", i + 1, bound->key_types[i],
			     i + 1);
	}
	return text_steal(&text);
}

static char *target_is_mapped(const struct bound_entity *bound)
{
	struct text text = TEXT_INIT;

	for (size_t i = 0; i < bound->entity->target_key.count; i++) {
		text_separate(&text, " AND ");
		text_appendf(&text, "t.%s = m.t%zu", bound->target_key_quoted[i], i + 1);
	}
	return text_steal(&text);
}

/* A part that is there only if it is wanted. */
static char *part(const char *template, const struct text_hole *holes, bool wanted,
		  const char *otherwise)
{
	struct text text = TEXT_INIT;

	if (!wanted)
		return text_copy(otherwise);
	text_fill(&text, template, holes);
	return text_steal(&text);
}

static char *classify_sql(const struct account_run *run)
{
	const struct bound_entity *bound = run->request.bound;
	bool unique = bound->entity->source_table != NULL; /* the binding has seen to it */
	struct text text = TEXT_INIT;
	_cleanup_free_ char *name = pg_quote_literal(bound->entity->name);
	_cleanup_free_ char *from_text = keys_from_text(bound);
	_cleanup_free_ char *s_keys = bound_key_list(bound, "s.k%zu", ", ");
	_cleanup_free_ char *nulls = bound_key_list(bound, "s.k%zu IS NULL", " OR ");
	_cleanup_free_ char *keyless = text_format("(%s)", nulls);
	_cleanup_free_ char *t_is_m = target_is_mapped(bound);
	_cleanup_free_ char *m_is_s = bound_key_list(bound, "m.k%zu = s.k%zu", " AND ");
	_cleanup_free_ char *d_is_s = bound_key_list(bound, "d.k%zu = s.k%zu", " AND ");
	_cleanup_free_ char *p_is_s = bound_key_list(bound, "p.k%zu = s.k%zu", " AND ");
	_cleanup_free_ char *c_is_s = bound_key_list(bound, "c.k%zu = s.k%zu", " AND ");
	_cleanup_free_ char *w_is_s = bound_key_list(bound, "w.k%zu = s.k%zu", " AND ");
	const struct text_hole parts[] = {
		{ "entity", bound->entity->name },
		{ "name", name },
		{ "from_text", from_text },
		{ "any_target_key", bound->target_key_quoted[0] },
		{ "s_keys", s_keys },
		{ "keyless", keyless },
		{ "c_is_s", c_is_s },
		{ NULL, NULL },
	};
	_cleanup_free_ char *duplicates = part(sql_verify_account_duplicates, parts, !unique, "0");
	_cleanup_free_ char *held = part(sql_verify_account_held, parts, run->has_conflicts, "");
	_cleanup_free_ char *kept = part(sql_verify_account_kept, parts, run->has_conflicts, "");
	_cleanup_free_ char *conflicts = part(sql_verify_account_conflicts, parts,
					      run->has_conflicts, "");

	text_fill(&text, sql_verify_account_classify,
		  (const struct text_hole[]){ { "entity", bound->entity->name },
					      { "name", name },
					      { "fingerprint", bound->fingerprint },
					      { "id_map", bound->id_map },
					      { "seen", bound->seen },
					      { "target", bound->target_relation },
					      { "any_target_key", bound->target_key_quoted[0] },
					      { "from_text", from_text },
					      { "keyless", keyless },
					      { "t_is_m", t_is_m },
					      { "m_is_s", m_is_s },
					      { "d_is_s", d_is_s },
					      { "p_is_s", p_is_s },
					      { "w_is_s", w_is_s },
					      { "duplicates", duplicates },
					      { "held", held },
					      { "kept", kept },
					      { "conflicts", conflicts },
					      { NULL, NULL } });
	return text_steal(&text);
}

static char *begin_sql(const struct account_run *run)
{
	const struct bound_entity *bound = run->request.bound;
	struct text text = TEXT_INIT;
	_cleanup_free_ char *memory = text_format("%" PRId64, run->request.work_memory_kb);
	_cleanup_free_ char *columns = hashed_columns(bound);

	text_fill(&text, sql_verify_account_begin,
		  (const struct text_hole[]){ { "entity", bound->entity->name },
					      { "work_memory", memory },
					      { "columns", columns },
					      { NULL, NULL } });
	return text_steal(&text);
}

/* --- every row ---------------------------------------------------------------------------------- */

static void on_classified(void *arg, const struct pg_answer *answer)
{
	struct account_run *run = arg;
	struct account *account = &run->account;
	int64_t *const counts[] = {
		&account->equal,      &account->lost,	      &account->waiting,
		&account->parked,     &account->dead_letters, &account->discarded,
		&account->held,	      &account->kept,	      &account->in_change_set,
		&account->gone,	      &account->deferred,     &account->undeleted,
		&account->duplicates, &account->keyless,
	};
	const int count = sizeof(counts) / sizeof(counts[0]);
	const PGresult *result = pg_answer_rows(answer);

	if (failed(run, answer))
		return;
	for (int i = 0; i < count; i++)
		*counts[i] = number(result, i);
	account->mapping = mapping_of(PQgetvalue(result, 0, count));
	end(run, NULL);
}

static void on_pumped(void *arg, const struct pump_result *result)
{
	struct account_run *run = arg;
	_cleanup_free_ char *classify = NULL;

	run->pump = NULL;
	if (failed(run, &(struct pg_answer){ .error = result->error }))
		return;
	classify = classify_sql(run);
	pg_submit(run->request.target, classify, 0, NULL, on_classified, run);
}

static void ship_rows(struct account_run *run)
{
	const struct account_request *request = &run->request;
	_cleanup_free_ char *read = hashed_copy(request->binding, request->bound, NULL, "TRUE");
	_cleanup_free_ char *begin = begin_sql(run);

	run->pump = pump_start(request->source, read, request->target, begin, on_pumped, run);
}

/* --- the beginning ------------------------------------------------------------------------------ */

static void on_counted(void *arg, const struct pg_answer *answer)
{
	struct account_run *run = arg;
	const PGresult *result = pg_answer_rows(answer);
	int64_t wanted;

	if (failed(run, answer))
		return;
	run->account.source = number(result, 0);
	wanted = number(result, 1);
	run->account.filtered = run->account.source - wanted;
	if (run->map_known) {
		ship_rows(run);
		return;
	}
	run->account.waiting = wanted;
	end(run, NULL);
}

static void on_known(void *arg, const struct pg_answer *answer)
{
	struct account_run *run = arg;
	const struct bound_entity *bound = run->request.bound;
	const PGresult *result = pg_answer_rows(answer);
	_cleanup_text_ struct text count = TEXT_INIT;
	struct error err;

	if (failed(run, answer))
		return;
	if (!bound->usable) {
		error_set(&err, ERROR_STRUCTURE, "%s",
			  binding_refusal(run->request.binding, bound));
		error_hint(&err,
			   "migratectl check names every place where the mapping does not fit");
		end(run, &err);
		return;
	}
	run->map_known = PQgetvalue(result, 0, 0)[0] == 't';
	run->has_conflicts = PQgetvalue(result, 0, 1)[0] == 't';
	text_fill(&count, sql_verify_account_count,
		  (const struct text_hole[]){ { "relation", bound->source_relation },
					      { "filter", bound->source_filter },
					      { NULL, NULL } });
	pg_submit(run->request.source, text_string(&count), 0, NULL, on_counted, run);
}

struct account_run *account_start(const struct account_request *request, account_on_done *on_done,
				  void *arg)
{
	struct account_run *run = memory_new(sizeof(*run));
	_cleanup_free_ char *id_map = pg_quote_literal(request->bound->id_map);
	_cleanup_text_ struct text known = TEXT_INIT;

	*run = (struct account_run){ .request = *request, .on_done = on_done, .arg = arg };
	text_fill(&known, sql_verify_account_known,
		  (const struct text_hole[]){ { "id_map_name", id_map }, { NULL, NULL } });
	pg_submit(request->target, text_string(&known), 0, NULL, on_known, run);
	return run;
}

void account_cancel(struct account_run *run, struct pg_connection *beside_source,
		    struct pg_connection *beside_target)
{
	run->cancelled = true;
	if (run->pump != NULL)
		pump_cancel(run->pump, "the account was cancelled");
	pg_cancel_by(run->request.source, beside_source);
	pg_cancel_by(run->request.target, beside_target);
}

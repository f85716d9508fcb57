/*
 * The table of metrics; see metrics.h. Names and units: https://prometheus.io/docs/practices/naming/
 */
#include "monitor/metrics.h"

#include <string.h>

#include "base/journal.h"
#include "common/clock.h"
#include "control/control.h"
#include "monitor/alerts.h"
#include "monitor/census.h"
#include "monitor/exposition.h"
#include "monitor/process.h"
#include "run/engine.h"

struct scrape {
	struct exposition out;
	const struct metrics *of;
	const struct engine *engine;
	const struct config *config;
	const struct session *session; /* under way, or the last; NULL: none, or but a dry run */
	struct process_figures process;
};

static double seconds(int64_t us)
{
	return (double)us / 1e6;
}

/* One of these is 1, the others are 0; the list ends with NULL. */
static void one_of(struct scrape *scrape, const char *label, const char *const *values,
		   const char *present)
{
	for (size_t i = 0; values[i] != NULL; i++)
		exposition_sample_of(&scrape->out, label, values[i],
				     present != NULL && strcmp(values[i], present) == 0);
}

/* --- the daemon ---------------------------------------------------------------------------------- */

static void build_info(struct scrape *scrape)
{
	exposition_sample_of(&scrape->out, "version", MIGRATED_VERSION, 1);
}

static void daemon_state(struct scrape *scrape)
{
	static const char *const states[] = { "starting",    "idle",	 "detecting",
					      "running",     "paused",	 "standby",
					      "unavailable", "stopping", NULL };
	const struct error *reason;

	one_of(scrape, "state", states, engine_state(scrape->engine, &reason));
}

static void connection_up(struct scrape *scrape)
{
	const struct pg_connection *both[] = { engine_source(scrape->engine),
					       engine_target(scrape->engine) };

	for (size_t i = 0; i < 2; i++)
		exposition_sample_of(&scrape->out, "database", pg_connection_name(both[i]),
				     pg_connection_is_up(both[i]));
}

static void reconnects(struct scrape *scrape)
{
	const struct tally *tally = engine_tally(scrape->engine);
	const struct pg_connection *both[] = { engine_source(scrape->engine),
					       engine_target(scrape->engine) };
	const int64_t before[] = { tally->source_links, tally->target_links };

	for (size_t i = 0; i < 2; i++) {
		int64_t made = before[i] + pg_connection_times_made(both[i]);

		exposition_sample_of(&scrape->out, "database", pg_connection_name(both[i]),
				     (double)(made > 0 ? made - 1 : 0));
	}
}

static void throttled(struct scrape *scrape)
{
	exposition_sample(&scrape->out, NULL, engine_throttled(scrape->engine) != NULL);
}

static void log_events(struct scrape *scrape)
{
	for (int priority = 0; priority < METRICS_PRIORITIES; priority++)
		exposition_sample_of(&scrape->out, "priority", journal_priority_name(priority),
				     (double)scrape->of->logged[priority]);
}

static void alert_outcomes(struct scrape *scrape)
{
	if (scrape->config->settings.alert_command[0] == '\0')
		return;
	for (enum event_kind kind = EVENT_NONE + 1; kind < EVENT_COUNT; kind++) {
		const struct event_description *event = event_describe(kind);

		for (enum alert_result result = 0; event->alerts && result < ALERT_RESULTS;
		     result++) {
			const struct metric_label labels[] = { { "event", event->name },
							       { "result",
								 alert_result_names[result] },
							       { NULL, NULL } };

			exposition_sample(&scrape->out, labels,
					  (double)alerts_count(scrape->of->alerts, kind, result));
		}
	}
}

static void control_clients(struct scrape *scrape)
{
	exposition_sample(&scrape->out, NULL, (double)control_peer_count(scrape->of->control));
}

static void control_refusals(struct scrape *scrape)
{
	const struct control *control = scrape->of->control;

	exposition_sample_of(&scrape->out, "reason", "limit", (double)control_refused(control));
	exposition_sample_of(&scrape->out, "reason", "permission", (double)control_denied(control));
}

/* --- the session --------------------------------------------------------------------------------- */

static void session_states(struct scrape *scrape)
{
	static const char *const states[] = { "pending",   "running", "paused",	   "cancelling",
					      "completed", "failed",  "cancelled", NULL };

	one_of(scrape, "state", states,
	       scrape->session != NULL ? session_state(scrape->session) : NULL);
}

static void session_holds(struct scrape *scrape)
{
	static const char *const holds[] = { "operator", "breaker", "timeout", "environment",
					     NULL };

	one_of(scrape, "hold", holds,
	       scrape->session != NULL ? hold_name(scrape->session->hold) : NULL);
}

static void session_progress_ratio(struct scrape *scrape)
{
	if (scrape->session != NULL)
		exposition_sample(&scrape->out, NULL, session_progress(scrape->session));
}

static void session_entities(struct scrape *scrape)
{
	static const char *const statuses[] = { "pending",   "running", "paused",
						"completed", "failed",	"cancelled" };

	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		size_t count = 0;

		for (size_t j = 0; scrape->session != NULL && j < scrape->session->run_count; j++)
			count += strcmp(entity_run_status(&scrape->session->runs[j]),
					statuses[i]) == 0;
		exposition_sample_of(&scrape->out, "status", statuses[i], (double)count);
	}
}

static void sessions(struct scrape *scrape)
{
	const struct tally *tally = engine_tally(scrape->engine);

	for (size_t i = 0; i < TALLY_SESSION_COUNT; i++)
		exposition_sample_of(&scrape->out, "result", tally_session_names[i],
				     (double)tally->sessions[i]);
}

/* --- rows ----------------------------------------------------------------------------------------- */

static const char *entity_name(const struct scrape *scrape, size_t i)
{
	return scrape->config->entities.entities[i].name;
}

static const struct batch_counts *counts_of(const struct scrape *scrape, size_t i)
{
	static const struct batch_counts none;
	const struct tally_entity *found = tally_find(engine_tally(scrape->engine),
						      entity_name(scrape, i));

	return found != NULL ? &found->counts : &none;
}

/* For each entity one sample of each of these kinds. */
struct row_kind {
	const char *name;
	size_t offset; /* in struct batch_counts */
};

static void rows_by(struct scrape *scrape, const char *label, const struct row_kind *kinds,
		    size_t kind_count)
{
	for (size_t i = 0; i < scrape->config->entities.count; i++) {
		const char *counts = (const char *)counts_of(scrape, i);

		for (size_t j = 0; j < kind_count; j++) {
			const struct metric_label labels[] = { { "entity", entity_name(scrape, i) },
							       { label, kinds[j].name },
							       { NULL, NULL } };

			exposition_sample(&scrape->out, labels,
					  (double)*(const int64_t *)(counts + kinds[j].offset));
		}
	}
}

#define ROW_KIND(name) \
	{ \
#name, offsetof(struct batch_counts, name) \
	}

static void rows_applied(struct scrape *scrape)
{
	static const struct row_kind kinds[] = { ROW_KIND(inserted), ROW_KIND(updated),
						 ROW_KIND(deleted) };

	rows_by(scrape, "kind", kinds, sizeof(kinds) / sizeof(kinds[0]));
}

static void rows_not_applied(struct scrape *scrape)
{
	static const struct row_kind kinds[] = { ROW_KIND(unchanged), ROW_KIND(failed),
						 ROW_KIND(parked) };

	rows_by(scrape, "kind", kinds, sizeof(kinds) / sizeof(kinds[0]));
}

static void rows_warned(struct scrape *scrape)
{
	for (size_t i = 0; i < scrape->config->entities.count; i++)
		exposition_sample_of(&scrape->out, "entity", entity_name(scrape, i),
				     (double)counts_of(scrape, i)->warned);
}

static void from_census(struct scrape *scrape, enum census_kind kind)
{
	for (size_t i = 0; i < scrape->config->entities.count; i++) {
		int64_t rows = census_of(scrape->of->census, kind, entity_name(scrape, i));

		if (rows >= 0)
			exposition_sample_of(&scrape->out, "entity", entity_name(scrape, i),
					     (double)rows);
	}
}

static void dead_letters(struct scrape *scrape)
{
	from_census(scrape, CENSUS_DEAD_LETTERS);
}

static void parked_rows(struct scrape *scrape)
{
	from_census(scrape, CENSUS_PARKED);
}

static void conflicts_held(struct scrape *scrape)
{
	from_census(scrape, CENSUS_HELD);
}

static void validation_differences_found(struct scrape *scrape)
{
	from_census(scrape, CENSUS_DIFFERENCES);
}

/* --- batches -------------------------------------------------------------------------------------- */

static void times(struct scrape *scrape, const struct tally_times *times)
{
	exposition_histogram(&scrape->out, times->bounds, times->within, TALLY_BOUNDS_MAX,
			     times->count, times->sum_s);
}

static void batch_duration(struct scrape *scrape)
{
	times(scrape, &engine_tally(scrape->engine)->batch_times);
}

static void batches(struct scrape *scrape)
{
	const struct tally *tally = engine_tally(scrape->engine);

	exposition_sample_of(&scrape->out, "result", "done", (double)tally->batch_times.count);
	exposition_sample_of(&scrape->out, "result", "failed", (double)tally->batches_failed);
}

static void batch_retries(struct scrape *scrape)
{
	exposition_sample(&scrape->out, NULL, (double)engine_tally(scrape->engine)->retries);
}

/* --- cycles --------------------------------------------------------------------------------------- */

int64_t metrics_lag_us(const struct engine *engine)
{
	int64_t in_step_us = engine_cycles(engine)->in_step_us;
	int64_t lag_us = clock_wall_us() - in_step_us;

	if (in_step_us == 0 || engine_config(engine)->settings.schedule_every_ms == 0 ||
	    engine_standby(engine) != NULL)
		return -1;
	return lag_us > 0 ? lag_us : 0;
}

static void lag(struct scrape *scrape)
{
	int64_t lag_us = metrics_lag_us(scrape->engine);

	if (lag_us >= 0)
		exposition_sample(&scrape->out, NULL, seconds(lag_us));
}

static void schedule_interval(struct scrape *scrape)
{
	int64_t every_ms = scrape->config->settings.schedule_every_ms;

	if (every_ms > 0)
		exposition_sample(&scrape->out, NULL, (double)every_ms / 1000);
}

static void last_success(struct scrape *scrape)
{
	int64_t here = engine_tally(scrape->engine)->last_success_us;
	int64_t kept = census_last_success_us(scrape->of->census);

	if (engine_standby(scrape->engine) == NULL && (here > 0 || kept > 0))
		exposition_sample(&scrape->out, NULL, seconds(here > kept ? here : kept));
}

static void cycle_duration(struct scrape *scrape)
{
	times(scrape, &engine_tally(scrape->engine)->cycle_times);
}

static void cycles(struct scrape *scrape)
{
	const struct tally *tally = engine_tally(scrape->engine);

	for (enum cycle_result result = 0; result < CYCLE_RESULT_COUNT; result++)
		exposition_sample_of(&scrape->out, "result", cycle_result_name(result),
				     (double)tally->cycles[result]);
}

/* --- the process ---------------------------------------------------------------------------------- */

static void if_known(struct scrape *scrape, int64_t value)
{
	if (value >= 0)
		exposition_sample(&scrape->out, NULL, (double)value);
}

static void process_cpu(struct scrape *scrape)
{
	exposition_sample(&scrape->out, NULL, scrape->process.cpu_s);
}

static void process_resident(struct scrape *scrape)
{
	if_known(scrape, scrape->process.resident_bytes);
}

static void process_virtual(struct scrape *scrape)
{
	if_known(scrape, scrape->process.virtual_bytes);
}

static void process_open_fds(struct scrape *scrape)
{
	if_known(scrape, scrape->process.open_fds);
}

static void process_max_fds(struct scrape *scrape)
{
	if_known(scrape, scrape->process.max_fds);
}

static void process_start(struct scrape *scrape)
{
	exposition_sample(&scrape->out, NULL, seconds(scrape->of->started_us));
}

/* --- the table ------------------------------------------------------------------------------------ */

/* Counters count from the daemon's start. */
static const struct {
	const char *name;
	enum metric_type type;
	void (*collect)(struct scrape *scrape);
	const char *help;
} table[] = {
	{ "migrated_build_info", METRIC_GAUGE, build_info, "1; the version is in the label." },
	{ "migrated_daemon_state", METRIC_GAUGE, daemon_state,
	  "1 for the state the daemon is in, as migratectl status shows it." },
	{ "migrated_connection_up", METRIC_GAUGE, connection_up,
	  "Whether the daemon's own connection to the database stands." },
	{ "migrated_reconnects_total", METRIC_COUNTER, reconnects,
	  "How often that connection was made again." },
	{ "migrated_throttled", METRIC_GAUGE, throttled,
	  "Whether batches wait since a value on the target is too high." },

	{ "migrated_session_state", METRIC_GAUGE, session_states,
	  "1 for the state of the session under way, or of the last one of this daemon." },
	{ "migrated_session_hold", METRIC_GAUGE, session_holds,
	  "1 for what holds a paused session." },
	{ "migrated_session_progress_ratio", METRIC_GAUGE, session_progress_ratio,
	  "How much of that session is done, from 0 to 1." },
	{ "migrated_session_entities", METRIC_GAUGE, session_entities,
	  "How many of its entities are in which state." },
	{ "migrated_sessions_total", METRIC_COUNTER, sessions, "Sessions that have ended." },

	{ "migrated_rows_applied_total", METRIC_COUNTER, rows_applied,
	  "Rows that batches have written to the target." },
	{ "migrated_rows_not_applied_total", METRIC_COUNTER, rows_not_applied,
	  "Rows that batches have dealt with otherwise: unchanged, failed (a dead letter), parked." },
	{ "migrated_rows_warned_total", METRIC_COUNTER, rows_warned,
	  "Rows that were written although they break a rule that only warns." },
	{ "migrated_dead_letters", METRIC_GAUGE, dead_letters,
	  "Rows that could not be applied and wait for a decision or a change." },
	{ "migrated_parked_rows", METRIC_GAUGE, parked_rows,
	  "Rows that wait for the row that they refer to." },
	{ "migrated_conflicts_held", METRIC_GAUGE, conflicts_held,
	  "Rows edited on both sides that wait for a decision." },
	{ "migrated_validation_differences", METRIC_GAUGE, validation_differences_found,
	  "Differences that the last validation of the entity has found and nobody has repaired." },

	{ "migrated_batch_duration_seconds", METRIC_HISTOGRAM, batch_duration,
	  "How long batches took that were done." },
	{ "migrated_batches_total", METRIC_COUNTER, batches,
	  "Batches that were done, and attempts that failed." },
	{ "migrated_batch_retries_total", METRIC_COUNTER, batch_retries,
	  "How often a batch, or another step of an entity, had to be tried again." },

	{ "migrated_lag_seconds", METRIC_GAUGE, lag,
	  "All that was committed in the source so long ago is in the target." },
	{ "migrated_schedule_interval_seconds", METRIC_GAUGE, schedule_interval,
	  "How often cycles are to begin." },
	{ "migrated_last_success_timestamp_seconds", METRIC_GAUGE, last_success,
	  "When a session was completed, or a cycle found nothing to do, for the last time." },
	{ "migrated_cycle_duration_seconds", METRIC_HISTOGRAM, cycle_duration,
	  "How long cycles took." },
	{ "migrated_cycles_total", METRIC_COUNTER, cycles, "Cycles, by what came of them." },

	{ "migrated_control_clients", METRIC_GAUGE, control_clients,
	  "Clients that are connected to the control socket." },
	{ "migrated_control_refused_total", METRIC_COUNTER, control_refusals,
	  "Clients and calls that were refused: too many clients, or no permission." },
	{ "migrated_log_events_total", METRIC_COUNTER, log_events, "Lines that were logged." },
	{ "migrated_alerts_total", METRIC_COUNTER, alert_outcomes,
	  "Alerts, by what became of them." },

	{ "process_cpu_seconds_total", METRIC_COUNTER, process_cpu,
	  "Total user and system CPU time spent in seconds." },
	{ "process_resident_memory_bytes", METRIC_GAUGE, process_resident,
	  "Resident memory size in bytes." },
	{ "process_virtual_memory_bytes", METRIC_GAUGE, process_virtual,
	  "Virtual memory size in bytes." },
	{ "process_open_fds", METRIC_GAUGE, process_open_fds, "Number of open file descriptors." },
	{ "process_max_fds", METRIC_GAUGE, process_max_fds,
	  "Maximum number of open file descriptors." },
	{ "process_start_time_seconds", METRIC_GAUGE, process_start,
	  "Start time of the process since unix epoch in seconds." },
};

void metrics_write(const struct metrics *metrics, struct text *text)
{
	const struct session *session = engine_session(metrics->engine);
	struct scrape scrape = {
		.out.text = text,
		.of = metrics,
		.engine = metrics->engine,
		.config = engine_config(metrics->engine),
		.session = session != NULL && session->means.dry ? NULL : session,
	};

	process_read(&scrape.process);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		exposition_begin(&scrape.out, table[i].name, table[i].type, table[i].help);
		table[i].collect(&scrape);
	}
}

/*
 * See throttle.h. The statement goes by the extended protocol, which takes one alone, whatever was configured.
 */
#include "run/throttle.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/event.h"
#include "common/log.h"
#include "common/text.h"
#include "sql_run.h"

/* The connection is shared with the store: the query may not hold it up for longer. */
#define MOST_MS 2000

struct throttle {
	struct throttle_means means;
	struct event *timer;
	bool asking;
	bool outdated; /* what is being asked is not what would be asked now */
	bool known;    /* the last answer is no older than throttle.every */
	char reason[512];
};

static void ask(struct throttle *throttle);

static void wait(struct throttle *throttle)
{
	int64_t every = throttle->means.settings->throttle_every_ms;
	struct timeval delay = { .tv_sec = every / 1000, .tv_usec = every % 1000 * 1000 };

	event_add(throttle->timer, &delay);
}

/* NULL: nothing stands in the way. */
static void decide(struct throttle *throttle, const char *reason)
{
	const struct log_fields fields = { .database = "target" };
	bool was_throttled = throttle->reason[0] != '\0';
	bool changed = strcmp(throttle->reason, reason != NULL ? reason : "") != 0;

	throttle->known = true;
	snprintf(throttle->reason, sizeof(throttle->reason), "%s", reason != NULL ? reason : "");
	if (reason != NULL && !was_throttled)
		event_log(EVENT_THROTTLED, &fields, "throttled, nothing new is begun: %s", reason);
	else if (reason == NULL && was_throttled)
		event_log(EVENT_THROTTLE_RELEASED, &fields, "no longer throttled");
	if (changed)
		throttle->means.on_change(throttle->means.arg);
	if (reason == NULL)
		throttle->means.on_free(throttle->means.arg);
}

static void weigh(struct throttle *throttle, const PGresult *result)
{
	int64_t most = throttle->means.settings->throttle_max;
	const char *value = PQgetvalue(result, 0, 0);
	_cleanup_free_ char *reason = NULL;
	char *end;
	double number = strtod(value, &end);

	if (PQgetisnull(result, 0, 0)) {
		decide(throttle, "throttle.query yields no number (NULL)");
		return;
	}
	if (end == value || *end != '\0') { /* which may be anything, so it is not repeated */
		decide(throttle, "throttle.query yields no number");
		return;
	}
	/* NaN is not within the limit either. */
	if (!(number <= (double)most))
		reason = text_format("throttle.query says %s, throttle.max is %" PRId64, value,
				     most);
	decide(throttle, reason);
}

static void on_answer(void *arg, const struct pg_answer *answer)
{
	struct throttle *throttle = arg;
	const PGresult *result = pg_answer_rows(answer);
	_cleanup_free_ char *reason = NULL;

	throttle->asking = false;
	if (throttle->outdated) {
		throttle->outdated = false;
		throttle_settings_changed(throttle);
		return;
	}
	wait(throttle);
	if (answer->error != NULL && answer->error->kind == ERROR_CONNECTION)
		return; /* nothing can be begun anyway */
	if (answer->error == NULL && PQntuples(result) == 1) {
		weigh(throttle, result);
		return;
	}
	reason = text_format("throttle.query failed: %s",
			     answer->error != NULL ? answer->error->message : "it yields no row");
	decide(throttle, reason);
}

/* A statement may end in a semicolon, and in a comment. */
static char *wrapped(const char *query)
{
	struct text sql = TEXT_INIT;
	_cleanup_free_ char *bare = text_copy(query);
	size_t length = strlen(bare);

	while (length > 0 && strchr("; \t\r\n", bare[length - 1]) != NULL)
		bare[--length] = '\0';
	text_fill(&sql, sql_run_throttle,
		  (const struct text_hole[]){ { "query", bare }, { NULL, NULL } });
	return text_steal(&sql);
}

static void ask(struct throttle *throttle)
{
	const struct settings *settings = throttle->means.settings;
	int64_t most = settings->throttle_every_ms < MOST_MS ? settings->throttle_every_ms
							     : MOST_MS;
	_cleanup_free_ char *begin = text_format("BEGIN READ ONLY;"
						 " SET LOCAL statement_timeout = %" PRId64 ";"
						 " SET LOCAL lock_timeout = %" PRId64,
						 most, most);
	_cleanup_free_ char *sql = wrapped(settings->throttle_query);

	if (throttle->asking)
		return;
	throttle->asking = true;
	pg_submit(throttle->means.target, begin, 0, NULL, NULL, NULL);
	pg_submit(throttle->means.target, sql, 1, (const char *const[]){ "t" }, on_answer,
		  throttle);
	pg_submit(throttle->means.target, "ROLLBACK", 0, NULL, NULL, NULL);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct throttle *throttle = arg;

	(void)fd;
	(void)what;
	if (throttle->means.is_wanted(throttle->means.arg)) {
		ask(throttle);
		return;
	}
	throttle->known = false;
	if (throttle->reason[0] == '\0')
		return;
	throttle->reason[0] = '\0';
	throttle->means.on_change(throttle->means.arg);
}

bool throttle_may_begin(struct throttle *throttle)
{
	if (throttle->means.settings->throttle_query[0] == '\0')
		return true;
	if (!throttle->known)
		ask(throttle);
	return throttle->known && throttle->reason[0] == '\0';
}

void throttle_settings_changed(struct throttle *throttle)
{
	throttle->known = false;
	if (throttle->asking) {
		throttle->outdated = true;
		return;
	}
	event_del(throttle->timer);
	if (throttle->means.settings->throttle_query[0] == '\0')
		decide(throttle, NULL);
	else if (throttle->means.is_wanted(throttle->means.arg))
		ask(throttle);
}

const char *throttle_reason(const struct throttle *throttle)
{
	return throttle->reason[0] != '\0' ? throttle->reason : NULL;
}

struct throttle *throttle_new(struct event_base *base, const struct throttle_means *means)
{
	struct throttle *throttle = memory_new(sizeof(*throttle));

	throttle->means = *means;
	throttle->timer = event_new(base, -1, 0, on_timer, throttle);
	return throttle;
}

void throttle_free(struct throttle *throttle)
{
	if (throttle == NULL)
		return;
	pg_forget(throttle->means.target, throttle);
	event_free(throttle->timer);
	free(throttle);
}

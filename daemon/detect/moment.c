/*
 * Observes the source's moment; see moment.h. The statements stand in moment.sql.
 */
#include "detect/moment.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/text.h"
#include "sql_detect.h"

struct observation {
	moment_on_done *on_done;
	void *arg;
};

static int64_t number(const PGresult *result, int column)
{
	return strtoll(PQgetvalue(result, 0, column), NULL, 10);
}

static bool is_true(const PGresult *result, int column)
{
	return PQgetvalue(result, 0, column)[0] == 't';
}

static void on_answer(void *arg, const struct pg_answer *answer)
{
	struct observation *observation = arg;
	struct moment moment = { 0 };

	if (answer->error == NULL) {
		const PGresult *activity = answer->results[answer->count - 2];
		const PGresult *server = answer->results[answer->count - 1];

		moment.now_us = number(activity, 0);
		moment.oldest_us = number(activity, 1);
		moment.unseen = is_true(activity, 2);
		snprintf(moment.identity, sizeof(moment.identity), "%s", PQgetvalue(server, 0, 0));
		moment.timeline = number(server, 1);
		moment.standby = is_true(server, 2);
		moment.prepared = is_true(server, 3);
		moment.xmin = number(server, 4);
		moment.xmax = number(server, 5);
	}
	observation->on_done(observation->arg, answer->error == NULL ? &moment : NULL,
			     answer->error);
	free(observation);
}

void moment_observe(struct pg_connection *source, moment_on_done *on_done, void *arg)
{
	struct observation *observation = memory_new(sizeof(*observation));

	*observation = (struct observation){ .on_done = on_done, .arg = arg };
	pg_submit(source, sql_detect_moment, 0, NULL, on_answer, observation);
}

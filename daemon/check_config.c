/*
 * See check_config.h. The databases are asked over the engine's observing lane, as migratectl check does.
 */
#include "check_config.h"

#include <event2/event.h>
#include <stdio.h>
#include <sysexits.h>

#include "common/text.h"
#include "run/engine.h"

struct check {
	struct event_base *base;
	struct engine *engine;
	const struct config *config;
	int status;
};

static void print_binding(struct check *check, const struct binding *binding)
{
	for (size_t i = 0; i < binding->problems.count; i++) {
		_cleanup_free_ char *line = problem_format(&binding->problems.problems[i]);

		fprintf(stderr, "%s\n", line);
	}
	if (binding->problems.count > 0) {
		fprintf(stderr, "migrated: %zu problem%s between the mapping and the databases\n",
			binding->problems.count, binding->problems.count == 1 ? "" : "s");
		check->status = EX_CONFIG;
	} else {
		printf("%s: %zu entities in %zu levels fit both databases\n", check->config->file,
		       check->config->entities.count, binding->level_count);
		check->status = 0;
	}
}

static void on_observe(void *arg, struct lane *lane, const struct binding *binding,
		       const struct error *err)
{
	struct check *check = arg;

	if (err != NULL) {
		fprintf(stderr,
			"migrated: the files are right, but could not be held against the "
			"databases: %s\n",
			err->message);
		check->status = EX_UNAVAILABLE;
	} else {
		print_binding(check, binding);
		observe_done(engine_observatory(check->engine), lane);
	}
	event_base_loopexit(check->base, NULL);
}

int check_config(const struct config *config)
{
	struct check check = { .base = event_base_new(), .config = config };

	for (size_t i = 0; i < config->warnings.count; i++) {
		_cleanup_free_ char *line = problem_format(&config->warnings.problems[i]);

		fprintf(stderr, "warning: %s\n", line);
	}
	check.engine = engine_new_observing(check.base, config);
	observe(engine_observatory(check.engine), on_observe, &check);
	event_base_dispatch(check.base);
	engine_free(check.engine);
	event_base_loop(check.base, EVLOOP_NONBLOCK);
	event_base_free(check.base);
	return check.status;
}

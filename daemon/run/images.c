/*
 * See images.h. One statement after the other, each short; a session that begins meanwhile goes before.
 */
#include "run/images.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/text.h"
#include "run/engine_internal.h"
#include "sql_store.h"

#define IMAGES_AT_ONCE "10000"

static void on_expired(void *arg, const struct pg_answer *answer)
{
	struct engine *engine = arg;

	if (answer->error != NULL)
		log_error(LOG_DEBUG, answer->error);
	else if (strcmp(PQgetvalue(pg_answer_rows(answer), 0, 0), IMAGES_AT_ONCE) == 0)
		images_expire(engine);
}

void images_expire(struct engine *engine)
{
	struct error err;
	int64_t keep_ms = engine->config->settings.before_images_keep_ms;
	_cleanup_free_ char *keep = text_format("%" PRId64, keep_ms);

	if (keep_ms > 0 && !engine->stopping && engine_owns(engine, &err) &&
	    !engine_is_busy(engine))
		pg_submit(engine->target, sql_store_images_expire, 2,
			  (const char *const[]){ keep, IMAGES_AT_ONCE }, on_expired, engine);
}

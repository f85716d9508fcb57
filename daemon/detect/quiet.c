/*
 * Asks of all entities at once whether anything may have changed; see quiet.h.
 */
#include "detect/quiet.h"

#include <stdlib.h>

#include "common/text.h"

struct quiet {
	const struct binding *binding;
	quiet_on_done *on_done;
	void *arg;
};

/* Until watermarks are kept every usable entity may have changed. */
static void on_answer(void *arg, const struct pg_answer *answer)
{
	struct quiet *quiet = arg;
	_cleanup_free_ bool *changed = memory_new((quiet->binding->set->count + 1) * sizeof(bool));

	for (size_t i = 0; i < quiet->binding->set->count; i++)
		changed[i] = quiet->binding->entities[i].usable;
	quiet->on_done(quiet->arg, answer->error == NULL ? changed : NULL, answer->error);
	free(quiet);
}

void quiet_look(const struct binding *binding, struct pg_connection *source,
		struct pg_connection *target, quiet_on_done *on_done, void *arg)
{
	struct quiet *quiet = memory_new(sizeof(*quiet));

	(void)target;
	*quiet = (struct quiet){ .binding = binding, .on_done = on_done, .arg = arg };
	pg_submit(source, "SELECT 1", 0, NULL, on_answer, quiet);
}

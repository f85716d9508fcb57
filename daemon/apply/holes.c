/*
 * The list of what fills a template; see holes.h.
 */
#include "apply/holes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void holes_add(struct holes *holes, const char *name, const char *value)
{
	assert(holes->count < HOLES_MOST);
	holes->list[holes->count++] = (struct text_hole){ name, value };
}

void holes_give(struct holes *holes, const char *name, char *value)
{
	holes->owned[holes->count] = value;
	holes_add(holes, name, value);
}

const char *holes_value(const struct holes *holes, const char *name)
{
	for (size_t i = 0; i < holes->count; i++)
		if (strcmp(holes->list[i].name, name) == 0)
			return holes->list[i].value;
	return NULL;
}

void holes_done(struct holes *holes)
{
	for (size_t i = 0; i < holes->count; i++)
		free(holes->owned[i]);
}

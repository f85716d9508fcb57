/*
 * Keys, out of the bytes that a terminal sends for them.
 */
#ifndef CTL_KEYS_H
#define CTL_KEYS_H

#include <stddef.h>

/* Letters are what they are. */
enum key {
	KEY_NONE,
	KEY_OTHER, /* one that nobody here knows */
	KEY_ENTER = '\n',
	KEY_ESCAPE = 27,
	KEY_UP = 256,
	KEY_DOWN,
	KEY_LEFT,
	KEY_RIGHT,
	KEY_PAGE_UP,
	KEY_PAGE_DOWN,
	KEY_HOME,
	KEY_END,
};

/* The first key of these bytes, and how many of them it took; KEY_NONE when there are none. Escape sequences that are not known are one
   KEY_OTHER, so that what follows in them is not taken for letters. */
int keys_next(const char *bytes, size_t length, size_t *ret_taken);

#endif

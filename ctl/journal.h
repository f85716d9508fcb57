/*
 * The daemon's events as systemd's journal has them, read through journalctl(1), which knows who may see what: for when
 * the daemon itself cannot be asked.
 */
#ifndef CTL_JOURNAL_H
#define CTL_JOURNAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Strings are borrowed; NULL and 0: whatever there is. */
struct journal_question {
	const char *level;   /* this and above */
	int64_t tail;	     /* the last so many [50] */
	const char *session; /* the beginning of an id */
	const char *entity;
	bool follow;
};

/* Called with each event, the oldest first, as the type LogEvent of the interface (without a number); borrowed. */
typedef void journal_on_line(void *arg, const json_t *event);

/* False when the journal could not be read; journalctl has said why on stderr, unless it is not there. */
bool journal_read(const struct journal_question *question, journal_on_line *on_line, void *arg);

#endif

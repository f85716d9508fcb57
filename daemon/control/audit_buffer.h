/*
 * Records of calls that are not in the store yet: numbered without gaps, counted where they are alike, and bounded, so that neither a
 * store that is away nor a peer that asks without end costs more than so much memory, or so many rows.
 *
 * Records of calls that operate are kept one by one for as long as there is any room. Of all others, those that are alike and come
 * within one window become one with a count; and a user has an allowance of different ones, above which the rest is one record, too:
 * CONTROL_UNLISTED, how many there were.
 */
#ifndef DAEMON_CONTROL_AUDIT_BUFFER_H
#define DAEMON_CONTROL_AUDIT_BUFFER_H

#include "control/control.h"

#define CONTROL_UNLISTED "unlisted"

struct audit_limits {
	size_t bytes; /* of all records; those of calls that do not operate get three quarters of it */
	int64_t burst;	  /* a user's records at once … */
	int64_t a_second; /* … and in the long run */
};

struct audit_buffer;

struct audit_buffer *audit_buffer_new(const struct audit_limits *limits);
void audit_buffer_free(struct audit_buffer *buffer);

/* Adds a record, or counts it. Its number; 0: it has none of its own. `now_ms` of the monotonic clock. */
int64_t audit_buffer_add(struct audit_buffer *buffer, const struct control_record *record,
			 int64_t now_ms);

/* Records that come from now on are not counted with those before. */
void audit_buffer_window(struct audit_buffer *buffer);

/* At most so many records, the oldest first, as a JSON array (a new reference), marked as under way. What was taken before must have
   been settled. */
json_t *audit_buffer_take(struct audit_buffer *buffer, size_t count);

/* What is under way is in the store; the number of the last of them. Or it is not, and will be taken again; or not without what came
   from a peer, which the store will not have. */
int64_t audit_buffer_stored(struct audit_buffer *buffer);
void audit_buffer_not_stored(struct audit_buffer *buffer);
void audit_buffer_refused(struct audit_buffer *buffer);

bool audit_buffer_is_empty(const struct audit_buffer *buffer);

/* How many calls wait, counted ones and unlisted ones too. */
int64_t audit_buffer_calls(const struct audit_buffer *buffer);

#endif

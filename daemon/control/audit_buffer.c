/*
 * See audit_buffer.h. A list of records in the order of their numbers, and what is known of each user who has asked lately.
 */
#include "control/audit_buffer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/text.h"
#include "control/audit_parameters.h"

#define USERS_MAX 64 /* of whom an allowance is kept; whoever comes beyond shares one */

struct audit_entry {
	TAILQ_ENTRY(audit_entry) link;
	int64_t number;
	int64_t uid; /* -1: of several users */
	int64_t gid; /* -1: of several peers */
	int64_t pid;
	char *method;
	char *parameters; /* JSON */
	char *result;
	int64_t at_us;
	int64_t ended_us;
	int64_t times;
	bool operates;
	bool under_way;
	bool counts; /* those that are alike are counted with it */
	size_t bytes;
};

TAILQ_HEAD(audit_entries, audit_entry);

/* Of one user: what is left of the allowance, and what was asked above it. */
struct audit_user {
	int64_t uid;
	int64_t allowance;
	int64_t since_ms;
	int64_t unlisted;
	int64_t unlisted_at_us;
	int64_t unlisted_ended_us;
};

struct audit_buffer {
	struct audit_limits limits;
	struct audit_entries entries;
	struct audit_entry *window; /* the first that is counted with; NULL: none yet */
	int64_t last_number;
	size_t bytes;
	struct audit_user users[USERS_MAX]; /* the first: all who have no place of their own */
	size_t user_count;
};

struct audit_buffer *audit_buffer_new(const struct audit_limits *limits)
{
	struct audit_buffer *buffer = memory_new(sizeof(*buffer));

	buffer->limits = *limits;
	buffer->users[0] = (struct audit_user){ .uid = -1, .allowance = limits->burst };
	buffer->user_count = 1;
	TAILQ_INIT(&buffer->entries);
	return buffer;
}

static void entry_free(struct audit_entry *entry)
{
	free(entry->method);
	free(entry->parameters);
	free(entry->result);
	free(entry);
}

static void forget(struct audit_buffer *buffer, struct audit_entry *entry)
{
	if (buffer->window == entry)
		buffer->window = TAILQ_NEXT(entry, link);
	TAILQ_REMOVE(&buffer->entries, entry, link);
	buffer->bytes -= entry->bytes;
	entry_free(entry);
}

void audit_buffer_free(struct audit_buffer *buffer)
{
	if (buffer == NULL)
		return;
	while (!TAILQ_EMPTY(&buffer->entries))
		forget(buffer, TAILQ_FIRST(&buffer->entries));
	free(buffer);
}

/* --- users -------------------------------------------------------------------------------------- */

static struct audit_user *user_of(struct audit_buffer *buffer, int64_t uid, int64_t now_ms)
{
	struct audit_user *user = NULL;

	for (size_t i = 0; i < buffer->user_count; i++)
		if (buffer->users[i].uid == uid)
			return &buffer->users[i];
	/* Whose allowance is whole again need not be remembered. */
	for (size_t i = 1; i < buffer->user_count && user == NULL; i++)
		if (buffer->users[i].unlisted == 0 &&
		    (now_ms - buffer->users[i].since_ms) * buffer->limits.a_second >=
			    buffer->limits.burst * 1000)
			user = &buffer->users[i];
	if (user == NULL && buffer->user_count == USERS_MAX)
		return &buffer->users[0];
	if (user == NULL)
		user = &buffer->users[buffer->user_count++];
	*user = (struct audit_user){ .uid = uid,
				     .allowance = buffer->limits.burst,
				     .since_ms = now_ms };
	return user;
}

/* Takes one from the allowance; false: there is none left. */
static bool allow(const struct audit_buffer *buffer, struct audit_user *user, int64_t now_ms)
{
	int64_t grown = (now_ms - user->since_ms) * buffer->limits.a_second / 1000;

	if (grown > 0) {
		user->since_ms = now_ms;
		user->allowance = user->allowance + grown < buffer->limits.burst
					  ? user->allowance + grown
					  : buffer->limits.burst;
	}
	if (user->allowance == 0)
		return false;
	user->allowance--;
	return true;
}

static void count_unlisted(struct audit_user *user, const struct control_record *record)
{
	if (user->unlisted++ == 0)
		user->unlisted_at_us = record->at_us;
	user->unlisted_ended_us = record->ended_us > 0 ? record->ended_us : record->at_us;
}

/* --- adding ------------------------------------------------------------------------------------- */

static bool same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool is_alike(const struct audit_entry *entry, const struct audit_entry *other)
{
	return entry->counts && entry->pid == other->pid && entry->uid == other->uid &&
	       entry->gid == other->gid && same(entry->method, other->method) &&
	       same(entry->result, other->result) && same(entry->parameters, other->parameters);
}

/* The last ones first: who asks the same again and again does so soon. */
static struct audit_entry *find_alike(const struct audit_buffer *buffer,
				      const struct audit_entry *wanted)
{
	struct audit_entry *entry;

	if (buffer->window == NULL)
		return NULL;
	TAILQ_FOREACH_REVERSE(entry, &buffer->entries, audit_entries, link)
	{
		if (is_alike(entry, wanted))
			return entry;
		if (entry == buffer->window)
			break;
	}
	return NULL;
}

static size_t bytes_of(const struct audit_entry *entry)
{
	return sizeof(*entry) + (entry->method != NULL ? strlen(entry->method) : 0) +
	       (entry->parameters != NULL ? strlen(entry->parameters) : 0) + strlen(entry->result);
}

static struct audit_entry *entry_new(const struct control_record *record)
{
	struct audit_entry *entry = memory_new(sizeof(*entry));
	const char *method = audit_method(record->method);
	bool is_strange = record->is_strangers;

	if (is_strange && method != NULL && !audit_method_is_known(method))
		method = NULL;
	*entry = (struct audit_entry){
		.uid = record->uid,
		.gid = record->gid,
		.pid = record->pid,
		.method = text_copy(method),
		.parameters = is_strange ? NULL : audit_parameters(method, record->parameters),
		.result = text_copy(record->result),
		.at_us = record->at_us,
		.ended_us = record->ended_us,
		.times = 1,
		.operates = record->operates,
		.counts = !record->operates && record->ended_us > 0,
	};
	entry->bytes = bytes_of(entry);
	return entry;
}

static int64_t append(struct audit_buffer *buffer, struct audit_entry *entry)
{
	entry->number = ++buffer->last_number;
	TAILQ_INSERT_TAIL(&buffer->entries, entry, link);
	buffer->bytes += entry->bytes;
	if (buffer->window == NULL)
		buffer->window = entry;
	return entry->number;
}

static bool has_room(const struct audit_buffer *buffer, const struct audit_entry *entry)
{
	size_t limit = entry->operates ? buffer->limits.bytes : buffer->limits.bytes / 4 * 3;

	return buffer->bytes + entry->bytes <= limit;
}

int64_t audit_buffer_add(struct audit_buffer *buffer, const struct control_record *record,
			 int64_t now_ms)
{
	struct audit_entry *entry = entry_new(record);
	struct audit_entry *alike = entry->counts ? find_alike(buffer, entry) : NULL;
	struct audit_user *user;

	if (alike != NULL) {
		alike->times++;
		alike->ended_us = entry->ended_us;
		entry_free(entry);
		return alike->number;
	}
	user = user_of(buffer, entry->uid, now_ms);
	if (has_room(buffer, entry) && (entry->operates || allow(buffer, user, now_ms)))
		return append(buffer, entry);
	count_unlisted(user, record);
	entry_free(entry);
	return 0;
}

void audit_buffer_window(struct audit_buffer *buffer)
{
	buffer->window = NULL;
}

/* --- taking ------------------------------------------------------------------------------------- */

/* What was above a user's allowance becomes a record, though it may not fit: there are not many of them. */
static void list_unlisted(struct audit_buffer *buffer)
{
	for (size_t i = 0; i < buffer->user_count; i++) {
		struct audit_user *user = &buffer->users[i];
		struct audit_entry *entry;

		if (user->unlisted == 0 || buffer->bytes > buffer->limits.bytes)
			continue;
		entry = memory_new(sizeof(*entry));
		*entry = (struct audit_entry){ .uid = user->uid,
					       .gid = -1,
					       .pid = -1,
					       .result = text_copy(CONTROL_UNLISTED),
					       .at_us = user->unlisted_at_us,
					       .ended_us = user->unlisted_ended_us,
					       .times = user->unlisted };
		entry->bytes = bytes_of(entry);
		append(buffer, entry);
		user->unlisted = 0;
	}
}

static json_t *number_or_null(int64_t number)
{
	return number >= 0 ? json_integer(number) : json_null();
}

static json_t *string_or_null(const char *string)
{
	return string != NULL ? json_string(string) : json_null();
}

static json_t *entry_json(const struct audit_entry *entry)
{
	json_t *parameters = entry->parameters != NULL ? json_loads(entry->parameters, 0, NULL)
						       : json_null();

	return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:s, s:I, s:o, s:I}", "number",
			 (json_int_t)entry->number, "uid", number_or_null(entry->uid), "gid",
			 number_or_null(entry->gid), "pid", number_or_null(entry->pid), "method",
			 string_or_null(entry->method), "parameters", parameters, "result",
			 entry->result, "at_us", (json_int_t)entry->at_us, "ended_us",
			 number_or_null(entry->ended_us > 0 ? entry->ended_us : -1), "times",
			 (json_int_t)entry->times);
}

json_t *audit_buffer_take(struct audit_buffer *buffer, size_t count)
{
	json_t *taken = json_array();
	struct audit_entry *entry;

	list_unlisted(buffer);
	TAILQ_FOREACH(entry, &buffer->entries, link) {
		if (json_array_size(taken) == count)
			break;
		entry->under_way = true;
		entry->counts = false;
		json_array_append_new(taken, entry_json(entry));
	}
	return taken;
}

static struct audit_entry *first_under_way(const struct audit_buffer *buffer)
{
	struct audit_entry *first = TAILQ_FIRST(&buffer->entries);

	return first != NULL && first->under_way ? first : NULL;
}

int64_t audit_buffer_stored(struct audit_buffer *buffer)
{
	struct audit_entry *entry;
	int64_t last = 0;

	while ((entry = first_under_way(buffer)) != NULL) {
		last = entry->number;
		forget(buffer, entry);
	}
	return last;
}

void audit_buffer_not_stored(struct audit_buffer *buffer)
{
	struct audit_entry *entry;

	TAILQ_FOREACH(entry, &buffer->entries, link)
		entry->under_way = false;
}

void audit_buffer_refused(struct audit_buffer *buffer)
{
	struct audit_entry *entry;

	TAILQ_FOREACH(entry, &buffer->entries, link) {
		if (!entry->under_way)
			break;
		free(entry->parameters);
		entry->parameters = NULL;
	}
	audit_buffer_not_stored(buffer);
}

bool audit_buffer_is_empty(const struct audit_buffer *buffer)
{
	for (size_t i = 0; i < buffer->user_count; i++)
		if (buffer->users[i].unlisted > 0)
			return false;
	return TAILQ_EMPTY(&buffer->entries);
}

int64_t audit_buffer_calls(const struct audit_buffer *buffer)
{
	const struct audit_entry *entry;
	int64_t calls = 0;

	TAILQ_FOREACH(entry, &buffer->entries, link)
		calls += entry->times;
	for (size_t i = 0; i < buffer->user_count; i++)
		calls += buffer->users[i].unlisted;
	return calls;
}

/*
 * Writing events to the journal or to stderr, and keeping the last of them.
 */
#define SD_JOURNAL_SUPPRESS_LOCATION

#include "base/journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "base/repeats.h"
#include "common/clock.h"
#include "common/text.h"

static struct {
	int max_priority;
	bool to_journal;
	uint64_t last_number;
	struct journal_event
		*recent; /* a ring: event n stands at n % JOURNAL_RECENT; never freed */
	struct repeats *repeats;
	struct journal_watcher *watchers;
} journal = { .max_priority = LOG_INFO };

/* systemd tells the device and inode of the stream it connected stderr to; a redirection since
   then changes them. See "$JOURNAL_STREAM" in systemd.exec(5). */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uintmax_t device, inode;
	struct stat status;

	return stream && sscanf(stream, "%ju:%ju", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device &&
	       status.st_ino == inode;
}

void journal_init(int max_priority)
{
	journal.max_priority = max_priority;
	journal.to_journal = stderr_is_journal();
}

const char *journal_priority_name(int priority)
{
	static const char *const names[] = {
		[LOG_EMERG] = "emerg", [LOG_ALERT] = "alert",	  [LOG_CRIT] = "crit",
		[LOG_ERR] = "err",     [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice",
		[LOG_INFO] = "info",   [LOG_DEBUG] = "debug",
	};

	return priority >= LOG_EMERG && priority <= LOG_DEBUG ? names[priority] : "unknown";
}

/* --- where events go -------------------------------------------------------------------------- */

/* Of an event's strings, those that are fields of the journal. */
static const struct {
	const char *name;
	size_t offset;
} journal_fields[] = {
	{ "MIGRATED_SESSION", offsetof(struct journal_event, session) },
	{ "MIGRATED_ENTITY", offsetof(struct journal_event, entity) },
	{ "MIGRATED_DATABASE", offsetof(struct journal_event, database) },
	{ "MIGRATED_LEGACY_KEY", offsetof(struct journal_event, legacy_key) },
	{ "MIGRATED_SQLSTATE", offsetof(struct journal_event, sqlstate) },
	{ "MIGRATED_PHASE", offsetof(struct journal_event, phase) },
};

#define JOURNAL_FIELD_COUNT (sizeof journal_fields / sizeof *journal_fields)

static const char *field_value(const struct journal_event *event, size_t i)
{
	const char *value = (const char *)event + journal_fields[i].offset;

	return *value ? value : NULL;
}

static struct iovec make_field(const char *name, const char *value)
{
	char *field = text_format("%s=%s", name, value);

	return (struct iovec){ .iov_base = field, .iov_len = strlen(field) };
}

static bool write_to_journal(const struct journal_event *event, const char *message)
{
	const struct event_description *kind = event_describe(event->kind);
	struct iovec vector[JOURNAL_FIELD_COUNT + 5];
	char level[2] = { (char)('0' + event->priority), '\0' };
	int count = 0;
	bool written;

	vector[count++] = make_field("MESSAGE", message);
	vector[count++] = make_field("PRIORITY", level);
	vector[count++] = make_field("SYSLOG_IDENTIFIER", "migrated");
	if (event->kind != EVENT_NONE) {
		vector[count++] = make_field("MESSAGE_ID", kind->message_id);
		vector[count++] = make_field("MIGRATED_EVENT", kind->name);
	}
	for (size_t i = 0; i < JOURNAL_FIELD_COUNT; i++) {
		const char *value = field_value(event, i);

		if (value)
			vector[count++] = make_field(journal_fields[i].name, value);
	}
	written = sd_journal_sendv(vector, count) >= 0;
	while (count > 0)
		free(vector[--count].iov_base);
	return written;
}

/* A message may hold what a server or a peer sent: on a terminal it must not be more than one
   line of text. */
static void blank_controls(char *string)
{
	for (; *string; string++)
		if ((unsigned char)*string < ' ' || *string == 0x7f)
			*string = ' ';
}

static void append_field(struct text *line, const char *name, const char *value)
{
	bool plain = !strpbrk(value, " \"");

	text_appendf(line, plain ? " %s=%s" : " %s=\"%s\"", name, value);
}

/* The same as in the journal, but for the MESSAGE_ID, which is for machines. */
static void write_to_stderr(const struct journal_event *event, const char *message)
{
	_cleanup_text_ struct text line = TEXT_INIT;
	char time[CLOCK_RFC3339_SIZE];

	text_appendf(&line, "%s %-7s %s", clock_format_rfc3339(time, event->wall_us),
		     journal_priority_name(event->priority), message);
	if (event->kind != EVENT_NONE)
		append_field(&line, "MIGRATED_EVENT", event_describe(event->kind)->name);
	for (size_t i = 0; i < JOURNAL_FIELD_COUNT; i++) {
		const char *value = field_value(event, i);

		if (value)
			append_field(&line, journal_fields[i].name, value);
	}
	blank_controls(line.data);
	text_append(&line, "\n");
	if (write(STDERR_FILENO, line.data, line.length) < 0)
		return; /* there is nobody left to tell */
}

/* --- the last events -------------------------------------------------------------------------- */

static void keep(const struct journal_event *event)
{
	struct journal_event *kept;

	if (!journal.recent)
		journal.recent = memory_new(JOURNAL_RECENT * sizeof *journal.recent);
	kept = &journal.recent[++journal.last_number % JOURNAL_RECENT];
	*kept = *event;
	kept->number = journal.last_number;
	for (struct journal_watcher *at = journal.watchers, *next; at; at = next) {
		next = at->next;
		at->on_event(at->arg, kept);
	}
}

const struct journal_event *journal_next(uint64_t after)
{
	uint64_t oldest = journal.last_number > JOURNAL_RECENT
				  ? journal.last_number - JOURNAL_RECENT + 1
				  : 1;
	uint64_t number = after + 1 > oldest ? after + 1 : oldest;

	if (after >= journal.last_number)
		return NULL;
	return &journal.recent[number % JOURNAL_RECENT];
}

uint64_t journal_last_number(void)
{
	return journal.last_number;
}

void journal_watch(struct journal_watcher *watcher)
{
	watcher->next = journal.watchers;
	journal.watchers = watcher;
}

void journal_unwatch(struct journal_watcher *watcher)
{
	struct journal_watcher **at = &journal.watchers;

	while (*at && *at != watcher)
		at = &(*at)->next;
	if (*at)
		*at = watcher->next;
}

/* --- one event -------------------------------------------------------------------------------- */

static void tell(const struct journal_event *event, const char *message)
{
	if (!journal.to_journal || !write_to_journal(event, message))
		write_to_stderr(event, message);
	keep(event);
}

static void tell_repeats(const struct journal_event *event)
{
	struct journal_event now = *event;

	now.wall_us = clock_wall_us();
	tell(&now, now.message);
}

static void copy_field(char *to, size_t size, const char *value)
{
	snprintf(to, size, "%s", value ? value : "");
}

#define COPY_FIELD(to, value) copy_field((to), sizeof(to), (value))

static void write_event(enum event_kind kind, int priority, const struct log_fields *fields,
			const char *message)
{
	struct journal_event event = { .wall_us = clock_wall_us(),
				       .kind = kind,
				       .priority = priority };

	if (fields) {
		COPY_FIELD(event.session, fields->session);
		COPY_FIELD(event.entity, fields->entity);
		COPY_FIELD(event.database, fields->database);
		COPY_FIELD(event.legacy_key, fields->legacy_key);
		COPY_FIELD(event.sqlstate, fields->sqlstate);
		COPY_FIELD(event.phase, fields->phase);
	}
	COPY_FIELD(event.message, message);
	if (!journal.repeats)
		journal.repeats = repeats_new(tell_repeats);
	if (!repeats_count(journal.repeats, &event, clock_monotonic_ms()))
		tell(&event, message);
}

void journal_tell_repeats(bool all)
{
	if (journal.repeats)
		repeats_expire(journal.repeats, clock_monotonic_ms(), all);
}

/* --- common/log.h and base/event.h ------------------------------------------------------------ */

static void log_formatted(enum event_kind kind, int priority, const struct log_fields *fields,
			  const char *format, va_list arguments)
{
	_cleanup_text_ struct text message = TEXT_INIT;

	if (priority > journal.max_priority)
		return;
	text_vappendf(&message, format, arguments);
	write_event(kind, priority, fields, text_string(&message));
}

void log_event(int priority, const struct log_fields *fields, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_formatted(EVENT_NONE, priority, fields, format, arguments);
	va_end(arguments);
}

void event_log(enum event_kind kind, const struct log_fields *fields, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_formatted(kind, event_describe(kind)->priority, fields, format, arguments);
	va_end(arguments);
}

/* What the error has is of the very thing that failed, so it goes before what its logger knows. */
static const char *either(const char *of_error, const char *otherwise)
{
	return *of_error ? of_error : otherwise;
}

static void write_error(enum event_kind kind, int priority, const struct log_fields *given,
			const struct error *err)
{
	struct log_fields fields = given ? *given : (struct log_fields){ 0 };
	_cleanup_text_ struct text message = TEXT_INIT;

	if (priority > journal.max_priority)
		return;
	fields.entity = either(err->entity, fields.entity);
	fields.legacy_key = either(err->legacy_key, fields.legacy_key);
	fields.sqlstate = either(err->sqlstate, fields.sqlstate);
	fields.phase = either(err->phase, fields.phase);
	text_append(&message, err->message);
	if (*err->hint)
		text_appendf(&message, " (%s)", err->hint);
	write_event(kind, priority, &fields, text_string(&message));
}

void log_error(int priority, const struct error *err)
{
	write_error(EVENT_NONE, priority, NULL, err);
}

void log_error_of(int priority, const struct log_fields *fields, const struct error *err)
{
	write_error(EVENT_NONE, priority, fields, err);
}

void event_log_error(enum event_kind kind, const struct log_fields *fields, const struct error *err)
{
	write_error(kind, event_describe(kind)->priority, fields, err);
}

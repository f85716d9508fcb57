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

#include "common/clock.h"
#include "common/text.h"

static struct {
	int max_priority;
	bool to_journal;
	uint64_t last_number;
	struct journal_event
		*recent; /* a ring: event n stands at n % JOURNAL_RECENT; never freed */
	journal_on_event *on_event;
	void *arg;
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

static const struct {
	const char *name;
	size_t offset;
} journal_fields[] = {
	{ "MESSAGE_ID", offsetof(struct log_fields, message_id) },
	{ "MIGRATED_SESSION", offsetof(struct log_fields, session) },
	{ "MIGRATED_ENTITY", offsetof(struct log_fields, entity) },
	{ "MIGRATED_LEGACY_KEY", offsetof(struct log_fields, legacy_key) },
	{ "MIGRATED_SQLSTATE", offsetof(struct log_fields, sqlstate) },
	{ "MIGRATED_PHASE", offsetof(struct log_fields, phase) },
};

#define JOURNAL_FIELD_COUNT (sizeof journal_fields / sizeof *journal_fields)

static const char *field_value(const struct log_fields *fields, size_t offset)
{
	const char *value = *(const char *const *)((const char *)fields + offset);

	return value && *value ? value : NULL;
}

static struct iovec make_field(const char *name, const char *value)
{
	char *field = text_format("%s=%s", name, value);

	return (struct iovec){ .iov_base = field, .iov_len = strlen(field) };
}

static bool write_to_journal(int priority, const struct log_fields *fields, const char *message)
{
	struct iovec vector[JOURNAL_FIELD_COUNT + 3];
	char level[2] = { (char)('0' + priority), '\0' };
	int count = 0;
	bool written;

	vector[count++] = make_field("MESSAGE", message);
	vector[count++] = make_field("PRIORITY", level);
	vector[count++] = make_field("SYSLOG_IDENTIFIER", "migrated");
	for (size_t i = 0; fields && i < JOURNAL_FIELD_COUNT; i++) {
		const char *value = field_value(fields, journal_fields[i].offset);

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

static void write_to_stderr(int priority, const struct log_fields *fields, const char *message)
{
	_cleanup_text_ struct text line = TEXT_INIT;
	char time[CLOCK_RFC3339_SIZE];

	text_appendf(&line, "%s %-7s %s", clock_format_rfc3339(time, clock_wall_us()),
		     journal_priority_name(priority), message);
	for (size_t i = 1; fields && i < JOURNAL_FIELD_COUNT;
	     i++) { /* a message id means nothing here */
		const char *value = field_value(fields, journal_fields[i].offset);

		if (value)
			text_appendf(&line, " %s=%s", journal_fields[i].name, value);
	}
	blank_controls(line.data);
	text_append(&line, "\n");
	if (write(STDERR_FILENO, line.data, line.length) < 0)
		return; /* there is nobody left to tell */
}

/* --- the last events -------------------------------------------------------------------------- */

static void copy_field(char *to, size_t size, const char *value)
{
	snprintf(to, size, "%s", value ? value : "");
}

#define COPY_FIELD(to, value) copy_field((to), sizeof(to), (value))

static void keep(int priority, const struct log_fields *fields, const char *message)
{
	static const struct log_fields none;
	struct journal_event *event;

	if (!fields)
		fields = &none;
	if (!journal.recent)
		journal.recent = memory_new(JOURNAL_RECENT * sizeof *journal.recent);
	event = &journal.recent[++journal.last_number % JOURNAL_RECENT];
	event->number = journal.last_number;
	event->wall_us = clock_wall_us();
	event->priority = priority;
	COPY_FIELD(event->session, fields->session);
	COPY_FIELD(event->entity, fields->entity);
	COPY_FIELD(event->legacy_key, fields->legacy_key);
	COPY_FIELD(event->sqlstate, fields->sqlstate);
	COPY_FIELD(event->phase, fields->phase);
	COPY_FIELD(event->message, message);
	if (journal.on_event)
		journal.on_event(journal.arg, event);
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

void journal_watch(journal_on_event *on_event, void *arg)
{
	journal.on_event = on_event;
	journal.arg = arg;
}

/* --- common/log.h ----------------------------------------------------------------------------- */

static void write_event(int priority, const struct log_fields *fields, const char *message)
{
	if (!journal.to_journal || !write_to_journal(priority, fields, message))
		write_to_stderr(priority, fields, message);
	keep(priority, fields, message);
}

void log_event(int priority, const struct log_fields *fields, const char *format, ...)
{
	_cleanup_text_ struct text message = TEXT_INIT;
	va_list arguments;

	if (priority > journal.max_priority)
		return;
	va_start(arguments, format);
	text_vappendf(&message, format, arguments);
	va_end(arguments);
	write_event(priority, fields, text_string(&message));
}

void log_error(int priority, const struct error *err)
{
	struct log_fields fields = {
		.entity = err->entity,
		.legacy_key = err->legacy_key,
		.sqlstate = err->sqlstate,
		.phase = err->phase,
	};

	if (*err->hint)
		log_event(priority, &fields, "%s (%s)", err->message, err->hint);
	else
		log_event(priority, &fields, "%s", err->message);
}

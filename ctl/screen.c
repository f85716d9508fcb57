/*
 * Painting over what was painted before. The sequences are those every terminal of the last forty
 * years knows (ECMA-48).
 */
#include "ctl/screen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/text.h"
#include "ctl/look.h"

#define HIDE_CURSOR "\033[?25l"
#define SHOW_CURSOR "\033[?25h"
#define PLAIN "\033[0m"
#define ERASE_LINE_REST "\033[K"
#define ERASE_BELOW "\033[J"
#define CLEAR_ALL "\033[H\033[2J"

void screen_init(struct screen *screen, int fd)
{
	*screen = (struct screen){ .fd = fd };
	look_terminal_size(fd, &screen->columns, &screen->rows);
}

void screen_forget(struct screen *screen)
{
	for (int i = 0; i < screen->count; i++)
		free(screen->lines[i]);
	screen->count = 0;
}

void screen_done(struct screen *screen)
{
	screen_forget(screen);
	free(screen->lines);
	screen->lines = NULL;
}

void screen_room(const struct screen *screen, int *ret_columns, int *ret_lines)
{
	int rows;

	look_terminal_size(screen->fd, ret_columns, &rows);
	*ret_lines = rows > 1 ? rows - 1 : 1;
}

static void write_all(struct screen *screen, const struct text *text)
{
	size_t written = 0;

	while (written < text->length) {
		ssize_t length = write(screen->fd, text->data + written, text->length - written);

		if (length < 0 && errno != EINTR)
			return;
		written += length > 0 ? (size_t)length : 0;
	}
	screen->bytes += written;
}

/* --- lines ---------------------------------------------------------------------------------------- */

/* A line as it is written. What is as wide as the terminal is not erased behind: that would be its last character. */
static char *line_of(const char *line, size_t length, int columns)
{
	_cleanup_text_ struct text whole = TEXT_INIT;
	struct text cut = TEXT_INIT;

	text_append_bytes(&whole, line, length);
	text_append_bytes(&cut, text_string(&whole), look_fit(text_string(&whole), columns));
	if (strchr(text_string(&cut), '\033'))
		text_append(&cut, PLAIN);
	if (look_width(text_string(&cut)) < columns)
		text_append(&cut, ERASE_LINE_REST);
	return text_steal(&cut);
}

struct frame {
	char **lines;
	int count;
};

static struct frame frame_of(const char *text, int columns, int max_lines)
{
	struct frame frame = { 0 };

	while (*text && frame.count < max_lines) {
		size_t length = strcspn(text, "\n");

		frame.lines = memory_grow(frame.lines, (size_t)frame.count + 1,
					  sizeof frame.lines[0]);
		frame.lines[frame.count++] = line_of(text, length, columns);
		text += length + (text[length] == '\n');
	}
	return frame;
}

/* --- painting ------------------------------------------------------------------------------------- */

/* From line to line of the frame; line `count` is the one below it. Line feeds make room at the terminal's bottom. */
static void go(struct text *out, int from, int to)
{
	if (to < from)
		text_appendf(out, "\r\033[%dA", from - to);
	for (int i = from; i < to; i++)
		text_append(out, "\n");
}

/* Lines that are others than before, and what is no more. Empty: nothing has changed. */
static void append_changes(const struct screen *screen, const struct frame *frame, struct text *out)
{
	int at = screen->count;

	for (int i = 0; i < frame->count; i++) {
		if (i < screen->count && strcmp(screen->lines[i], frame->lines[i]) == 0)
			continue;
		go(out, at, i);
		text_append(out, frame->lines[i]);
		at = i;
	}
	if (frame->count == screen->count && out->length == 0)
		return;
	go(out, at, frame->count);
	if (frame->count < screen->count)
		text_append(out, ERASE_BELOW);
}

/* After the terminal's size has changed nobody knows what it shows: a narrower one has wrapped lines, so that not even where the
   frame began is known. */
static void begin_anew(struct screen *screen, int columns, int rows, struct text *out)
{
	if (columns < screen->columns && screen->count > 0)
		text_append(out, CLEAR_ALL);
	else if ((columns != screen->columns || rows != screen->rows) && screen->count > 0)
		text_appendf(out, "\r\033[%dA" ERASE_BELOW, screen->count);
	else
		return;
	screen_forget(screen);
}

static void paint(struct screen *screen, const char *text, int max_columns, int max_lines)
{
	_cleanup_text_ struct text out = TEXT_INIT, whole = TEXT_INIT;
	struct frame frame;
	int columns, rows;

	look_terminal_size(screen->fd, &columns, &rows);
	begin_anew(screen, columns, rows, &whole);
	frame = frame_of(text, max_columns ? max_columns : columns, max_lines);
	append_changes(screen, &frame, &out);
	if (out.length > 0) {
		_cleanup_free_ char *changes = text_steal(&out);

		text_appendf(&whole, HIDE_CURSOR "%s" SHOW_CURSOR, changes);
	}
	write_all(screen, &whole);
	screen_done(screen);
	screen->lines = frame.lines;
	screen->count = frame.count;
	screen->columns = columns;
	screen->rows = rows;
}

void screen_draw(struct screen *screen, const char *frame)
{
	int columns, lines;

	screen_room(screen, &columns, &lines);
	paint(screen, frame, 0, lines);
}

void screen_finish(struct screen *screen, const char *frame)
{
	paint(screen, frame, 1 << 20, 1 << 20);
	screen_forget(screen);
}

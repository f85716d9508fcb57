/*
 * Painting over what was painted before. The sequences are those every terminal of the last forty
 * years knows (ECMA-48).
 */
#include "ctl/screen.h"

#include <errno.h>
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
	int rows;

	*screen = (struct screen){ .fd = fd };
	look_terminal_size(fd, &screen->columns, &rows);
}

int screen_rows(const struct screen *screen)
{
	int columns, rows;

	look_terminal_size(screen->fd, &columns, &rows);
	return rows > 1 ? rows - 1 : 1;
}

static void write_all(int fd, const struct text *text)
{
	size_t written = 0;

	while (written < text->length) {
		ssize_t length = write(fd, text->data + written, text->length - written);

		if (length < 0 && errno != EINTR)
			return;
		written += length > 0 ? (size_t)length : 0;
	}
}

/* To where the frame before began. A narrower terminal has wrapped its lines, so that nobody knows
   where that is. */
static void go_back(struct screen *screen, int columns, struct text *out)
{
	if (columns < screen->columns && screen->lines > 0)
		text_append(out, CLEAR_ALL);
	else if (screen->lines > 0)
		text_appendf(out, "\r\033[%dA", screen->lines);
	screen->columns = columns;
	screen->lines = 0;
}

static void append_line(struct screen *screen, const char *line, size_t length, int columns,
			struct text *out)
{
	_cleanup_text_ struct text whole = TEXT_INIT;

	text_append_bytes(&whole, line, length);
	text_append_bytes(out, whole.data, look_fit(whole.data, columns));
	text_append(out, PLAIN ERASE_LINE_REST "\n");
	screen->lines++;
}

static void paint(struct screen *screen, const char *frame, int max_columns, int max_lines)
{
	_cleanup_text_ struct text out = TEXT_INIT;
	int columns, rows;

	look_terminal_size(screen->fd, &columns, &rows);
	text_append(&out, HIDE_CURSOR);
	go_back(screen, columns, &out);
	while (*frame && screen->lines < max_lines) {
		size_t length = strcspn(frame, "\n");

		append_line(screen, frame, length, max_columns ? max_columns : columns, &out);
		frame += length + (frame[length] == '\n');
	}
	text_append(&out, ERASE_BELOW SHOW_CURSOR);
	write_all(screen->fd, &out);
}

void screen_draw(struct screen *screen, const char *frame)
{
	paint(screen, frame, 0, screen_rows(screen));
}

void screen_finish(struct screen *screen, const char *frame)
{
	paint(screen, frame, 1 << 20, 1 << 20);
	screen->lines = 0;
}

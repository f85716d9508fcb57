/*
 * A few lines at the cursor that are drawn again and again, without flicker and without taking the
 * terminal over.
 *
 * Nothing has to be restored afterwards, however the program ends: each frame is one write() that
 * paints over those lines of the frame before that are other ones now, and leaves the cursor below it. What was on
 * the terminal stays above, and so does the last frame.
 */
#ifndef CTL_SCREEN_H
#define CTL_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

struct screen {
	int fd;
	char **lines; /* of the frame that is shown, as they were written */
	int count;
	int columns; /* of the terminal when it was drawn */
	int rows;
	size_t bytes; /* written in all */
};

void screen_init(struct screen *screen, int fd);
void screen_done(struct screen *screen);

/* Columns that a frame can have now, and lines: one less than the terminal's, for the cursor. */
void screen_room(const struct screen *screen, int *ret_columns, int *ret_lines);

/* Shows a frame of whole lines; what is too wide or too high is cut. */
void screen_draw(struct screen *screen, const char *frame);

/* Something else was written to the terminal: the next frame begins below it. */
void screen_forget(struct screen *screen);

/* Shows the last frame whole, however high it is, and leaves it there. */
void screen_finish(struct screen *screen, const char *frame);

#endif

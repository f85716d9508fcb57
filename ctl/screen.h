/*
 * A few lines at the cursor that are drawn again and again, without flicker and without taking the
 * terminal over.
 *
 * Nothing has to be restored afterwards, however the program ends: each frame is one write() that
 * hides the cursor, paints over the frame before, and shows the cursor again below it. What was on
 * the terminal stays above.
 */
#ifndef CTL_SCREEN_H
#define CTL_SCREEN_H

#include <stdbool.h>

struct screen {
	int fd;
	int lines;   /* of the frame that is shown */
	int columns; /* of the terminal when it was drawn */
};

void screen_init(struct screen *screen, int fd);

/* Lines that a frame can have now: one less than the terminal's, for the cursor. */
int screen_rows(const struct screen *screen);

/* Shows a frame of whole lines; what is too wide or too high is cut. */
void screen_draw(struct screen *screen, const char *frame);

/* Shows the last frame whole, however high it is, and leaves it there. */
void screen_finish(struct screen *screen, const char *frame);

#endif

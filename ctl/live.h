/*
 * The live screen: what stands where for a frame of Watch, what a key does to that, and what a key asks of the daemon. It neither reads keys nor
 * draws nor asks: it is told of keys and answers, and gives lines.
 */
#ifndef CTL_LIVE_H
#define CTL_LIVE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "common/text.h"
#include "ctl/look.h"

enum live_page { LIVE_OVERVIEW, LIVE_DETAILS, LIVE_HELP };

/* What is to be asked of the daemon; of the session that is shown, or of one entity of it. */
enum live_wish { LIVE_NOTHING, LIVE_QUIT, LIVE_PAUSE, LIVE_RESUME, LIVE_CANCEL };

struct live {
	const struct look *look;
	bool keys;    /* there is a keyboard */
	bool ends_it; /* what is shown ends with us */
	enum live_page page;
	enum live_page before_help;
	char selected[128];   /* an entity; "": none is yet */
	size_t first;	      /* entities that are scrolled past */
	size_t page_rows;     /* that were shown last */
	enum live_wish asked; /* waits for y or n; LIVE_NOTHING: no question stands */
	char *message;	      /* at the bottom; NULL: none */
	enum style message_style;
	int64_t message_until_ms; /* by the monotonic clock; 0: until there is another */
	char *lost;		  /* why there is no daemon just now; NULL: there is one */
	json_t *letters; /* ListDeadLetters of the entity of `letters_of`; NULL: not known */
	char letters_of[128];
};

void live_init(struct live *live, const struct look *look);
void live_done(struct live *live);

/* Says something at the bottom, for so long (0: until something else is said). */
void live_say(struct live *live, enum style style, const char *message, int64_t for_ms);

/* Why there is no daemon just now, since when (local time); NULL: there is one again. */
void live_set_lost(struct live *live, const char *why);

/* The entity whose details are shown, or NULL. */
const char *live_entity(const struct live *live);

/* What a wish is for: that entity; or NULL, the session, also where an entity stands still because all of it does. */
const char *live_meant(const struct live *live, const json_t *frame, enum live_wish wish);

/* What has become of a wish. */
void live_answered(struct live *live, enum live_wish wish, const char *state,
		   const struct error *err);

/* A key was pressed while this frame was shown. */
enum live_wish live_key(struct live *live, const json_t *frame, int key);

/* At most so many lines of so many columns. `since_ms`: how old the frame is. */
void live_append(struct live *live, struct text *out, const json_t *frame, int64_t since_ms,
		 int columns, size_t lines);

/* The last one, of any height, without what is said of keys. */
void live_append_last(const struct live *live, struct text *out, const json_t *frame,
		      int64_t since_ms, int columns);

#endif

/*
 * The settings: what migrated.json says besides the mapping, and what the environment overrides.
 *
 * Every setting is a row of one table (settings.c), which also yields the manual, the sample file's
 * test and `migratectl status --settings`. Durations are kept in milliseconds, sizes in bytes.
 */
#ifndef DAEMON_CONFIG_SETTINGS_H
#define DAEMON_CONFIG_SETTINGS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/problem.h"

struct settings {
	char *source_conninfo; /* secret: never logged */
	char *target_conninfo; /* secret: never logged */
	/* Credentials that systemd has handed over: files of passwords, which go before those of the
	   conninfo; NULL: none. Of no row of the table, since only the environment says them. */
	char *source_password_file;
	char *target_password_file;
	char *control_socket;

	int64_t batch_size;		 /* most rows of a batch */
	int64_t batch_time_ms;		 /* what a batch should take; 0: always batch_size rows */
	int64_t batch_memory_kb;	 /* most that a batch should ship */
	int64_t max_concurrent_entities; /* lanes: pairs of connections that carry batches */
	int64_t connection_pool_size;	 /* connections a side, the two for control and planning
					    included */
	int64_t source_connections;	 /* on that side, at most; 0: connection_pool_size */
	int64_t target_connections;
	int64_t max_retry_attempts;
	int64_t migration_timeout_ms; /* of a session; 0: none */

	int64_t connect_timeout_ms;
	int64_t statement_timeout_ms;
	int64_t lock_timeout_ms;
	int64_t reconnect_max_ms; /* cap of the backoff */
	int64_t peer_timeout_ms;  /* a peer that acknowledges nothing is given up after this */
	int64_t stall_timeout_ms; /* and one that acknowledges and does not go on; 0: never */
	int64_t probe_every_ms;	  /* how often what holds a session up is tried again */
	int64_t work_memory_kb;	  /* work_mem of the statements of a batch on the target */

	int64_t bulk_rows; /* from how many rows on an empty table is filled in bulk mode; 0: never */
	int64_t rebuild_memory_kb; /* maintenance_work_mem of each index that is built again */
	int64_t rebuild_workers;   /* and the parallel workers of each */

	bool before_images;	       /* what a change replaced is kept, to be rolled back */
	int64_t before_images_keep_ms; /* after its session ended; 0: for ever */

	int64_t validation_keep_differences; /* one by one, of an entity and a check */
	char *validate_steps;		     /* of a session's entities: off, before, after, both */
	char *validate_checks;		     /* "counts, references" */
	bool validate_stop;		     /* what differs stops the entity */

	int64_t schedule_every_ms;	 /* detect-and-migrate cycles; 0: only when asked */
	char *schedule_window;		 /* "22:00-06:00": cycles begin only within; "" any time */
	char *schedule_time_zone;	 /* of the window */
	int64_t schedule_sweep_every_ms; /* cycles that sweep; 0: never */
	int64_t schedule_jitter_ms;	 /* up to so much is added to each interval, at random */

	int64_t breaker_error_rate;	 /* percent of rows that fail; 0: never */
	int64_t breaker_error_min_rows;	 /* and no less than this */
	int64_t breaker_delete_share;	 /* percent of an entity's rows that are gone; 0: never */
	int64_t breaker_delete_min_rows; /* and no less than this */

	char *alert_command; /* secret: a JSON array of words, the first the program; "": none */
	int64_t alert_timeout_ms;
	int64_t alert_repeat_after_ms; /* the same alert for the same entity; 0: at once */
	int64_t alert_lag_ms;	       /* a lag beyond this is an alert; 0: none is */

	char *metrics_listen;	/* as listen_address.h reads it; "" nowhere */
	char *metrics_textfile; /* absolute path; "" none */
	int64_t metrics_textfile_every_ms;

	char *throttle_query; /* one number, asked of the target; "" none */
	int64_t throttle_max;
	int64_t throttle_every_ms;
};

enum setting_type {
	SETTING_TEXT,	  /* char * */
	SETTING_COUNT,	  /* int64_t */
	SETTING_DURATION, /* int64_t, milliseconds */
	SETTING_MEMORY,	  /* int64_t, kilobytes; written with its unit */
	SETTING_FLAG,	  /* bool */
	SETTING_WORDS,	  /* char *, "a, b"; a list of strings in the file */
	SETTING_COMMAND,  /* char *, the list of strings as JSON; "": there is none */
};

/* When a change that is read by a reload counts. What was begun before goes on with what it began with. */
enum setting_effect {
	EFFECT_NEXT,	/* with the next session or cycle: when nothing is under way */
	EFFECT_AT_ONCE, /* for what is under way, too */
	EFFECT_RESTART, /* when migrated is started again */
};

/* One row of the table. */
struct setting {
	const char *section; /* the object of migrated.json it stands in */
	const char *key;
	const char *variable; /* of the environment, which overrides the file; NULL: none */
	enum setting_type type;
	size_t offset; /* in struct settings */
	const char
		*default_value; /* as one would write it; NULL: there is none, and it must be set */
	int64_t minimum;	/* in the unit of the member */
	int64_t maximum;
	bool secret; /* never shown */
	const char *help;
	enum setting_effect effect;
};

/* The table, for those who walk it: the manual's test, `migratectl status --settings`. */
extern const struct setting setting_table[];
extern const size_t setting_count;

/* The row that stands at section.key, or NULL. */
const struct setting *setting_find(const char *section, const char *key);

/* A setting's value as one would write it ("20000", "10min", "64MB"); "(secret)" for secrets. The
 * caller frees. */
char *setting_format(const struct setting *setting, const struct settings *settings);

/*
 * Fills *settings: the defaults, then what the file's root says (NULL: it could not be read), then
 * what the environment says (environ-like; NULL: nothing), and holds the limits against each other.
 * Problems are added with `file` or "environment"; what does not stop anybody but must be said (a
 * connection whose server is not verified) goes to `warnings`.
 */
void settings_load(struct settings *settings, const char *file, json_t *root,
		   char *const *environment, struct problem_list *problems,
		   struct problem_list *warnings);
void settings_done(struct settings *settings);

/* Does this setting say the same in both? */
bool setting_equal(const struct setting *setting, const struct settings *a,
		   const struct settings *b);
void setting_copy(const struct setting *setting, const struct settings *from, struct settings *to);

/* A variable's value; NULL when it is not set or empty (an empty line of an .env file says
 * nothing). */
const char *environment_get(char *const *environment, const char *name);

#endif

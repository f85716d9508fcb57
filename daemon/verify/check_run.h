/*
 * A chunk of a check that is under way, and what a check is made of. For check_run.c, which leads chunks, and the files of the checks
 * only.
 *
 * A check takes one look after the other. A look goes along the keys of something, a range at a time: of the source, of the id map, of the
 * target's table. Where it goes along the source it ships rows to a temporary table in the target first. Then one statement finds the
 * differences among what it looks at.
 */
#ifndef DAEMON_VERIFY_CHECK_RUN_H
#define DAEMON_VERIFY_CHECK_RUN_H

#include "verify/check.h"

enum check_along {
	ALONG_SOURCE,  /* its rows */
	ALONG_ID_MAP,  /* the mappings, by legacy key */
	ALONG_TARGETS, /* the mappings, by target key */
	ALONG_TARGET,  /* the rows of the target's table */
	ALONG_CARRIED, /* likewise, by the legacy key that they carry; those without are left out */
};

/* A range, as conditions. What is not asked for by a range of its own is looked up row by row, so that a chunk takes no longer the more
   there are of them. */
struct check_range {
	const char *which; /* of what the look goes along */
	const char *
		mapped; /* the same of the legacy keys in the id map `m`; NULL: they may be ordered otherwise */
	const char *
		carried; /* and of those that the target's rows `t` carry; NULL: likewise, or there is no index for it */
};

struct check_look {
	/* Is there anything to look at in this entity? */
	bool (*applies)(const struct binding *binding, const struct bound_entity *bound);
	enum check_along along;
	/* What is shipped of the source's rows that meet a condition, as COPY … TO STDOUT in binary, and the columns it goes to. */
	char *(*read)(const struct check_request *request, const char *condition);
	char *(*columns)(const struct bound_entity *bound);
	/* CTEs, `found` among them (check_keep_sql()), about what meets the condition: of the id map `m`, the target's rows `t`, or all
	   that was shipped. */
	char *(*find)(const struct check_request *request, const struct check_range *range);
	/* Are two ranges of the same keys held against each other, each of them read once? Statistics of a table that has just been
	   filled say that there is next to nothing in a range, so that each row would be looked up. NULL: no. */
	bool (*ranges)(const struct binding *binding, const struct bound_entity *bound);
	const char
		*waiting; /* expression over these: how many of the rows merely wait; NULL: none */
};

/* One chunk of a check that takes these looks; they end with one that has no `find`. */
struct check_run *check_run_start(const struct check_request *request, const char *check,
				  const struct check_look *looks, check_on_chunk *on_chunk,
				  void *arg);

/* How many rows these looks are going to look at, as the catalogs estimate them. */
int64_t check_run_total(const struct check_look *looks, const struct binding *binding,
			const struct bound_entity *bound);

/* The checks. */
extern const struct check_look check_counts_looks[];
extern const struct check_look check_references_looks[];
extern const struct check_look check_mappings_looks[];
extern const struct check_look check_rules_looks[];

#endif

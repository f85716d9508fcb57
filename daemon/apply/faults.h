/*
 * Faults of a row that the statement of a batch sees before it writes, so that nothing needs to be isolated on their account: a NULL
 * where there may be none, a parent that is missing and must not be, a value that its mapping does not allow, a rule that does not hold.
 */
#ifndef DAEMON_APPLY_FAULTS_H
#define DAEMON_APPLY_FAULTS_H

#include "catalog/binding.h"
#include "common/text.h"

struct faults {
	struct text
		which; /* expression over the stage: the number of the row's first fault, NULL when it has none */
	struct text
		rows; /* for VALUES: (number, phase, SQLSTATE, constraint, column, message) of each */
	size_t count;
};

void faults_collect(struct faults *faults, const struct bound_entity *bound);
void faults_done(struct faults *faults);
#define _cleanup_faults_ __attribute__((cleanup(faults_done)))

#endif

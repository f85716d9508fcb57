/*
 * See fault.h. What is asked for is read from the environment when the first place is reached.
 */
#include "base/fault.h"

#ifdef FAULTS

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"

struct place {
	const char *name;
	bool may_fail;
	long reached;
};

static struct place *find_place(const char *name, size_t length)
{
	static struct place places[] = {
#define POINT(name, may_fail) { name, may_fail, 0 },
		FAULT_POINTS(POINT)
#undef POINT
	};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (strlen(places[i].name) == length && memcmp(places[i].name, name, length) == 0)
			return &places[i];
	fprintf(stderr, "fault: there is no place \"%.*s\"\n", (int)length, name);
	abort();
}

/* The deed for this place, now that it has been reached so often; NULL: none. */
static const char *deed_for(const struct place *place)
{
	static char deed[8];
	const char *asked = getenv("MIGRATED_FAULT");

	while (asked != NULL && asked[0] != '\0') {
		size_t length = strcspn(asked, ":");
		long nth = 0;

		if (sscanf(asked + length, ":%7[a-z]:%ld", deed, &nth) != 2) {
			fprintf(stderr, "fault: MIGRATED_FAULT is NAME:DEED:NTH[,...]\n");
			abort();
		}
		if (find_place(asked, length) == place && nth == place->reached)
			return deed;
		asked += strcspn(asked, ",");
		asked += asked[0] == ',';
	}
	return NULL;
}

bool fault_point(const char *name)
{
	struct place *place = find_place(name, strlen(name));
	const char *deed;

	place->reached++;
	deed = deed_for(place);
	if (deed == NULL)
		return false;
	log_warning("fault: %s at %s", deed, name);
	if (strcmp(deed, "kill") == 0)
		kill(getpid(), SIGKILL);
	else if (strcmp(deed, "wait") == 0)
		raise(SIGSTOP);
	else if (strcmp(deed, "error") == 0 && place->may_fail)
		return true;
	else
		abort();
	return false;
}

const struct error *fault_error(void)
{
	static struct error error;

	error_set(&error, ERROR_TRANSIENT, "a fault that a test has asked for");
	return &error;
}

#endif

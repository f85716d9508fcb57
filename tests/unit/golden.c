// Golden files: expected output kept beside the tests. See testing.h.
#include "tests/unit/testing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define GOLDEN_DIRECTORY "tests/unit/golden"

static void write_golden(const char *path, const char *text)
{
	mkdir(GOLDEN_DIRECTORY, 0777);
	FILE *file = fopen(path, "w");
	if (file == NULL)
		fail_msg("cannot write %s: %s", path, strerror(errno));
	fputs(text, file);
	if (fclose(file) != 0)
		fail_msg("cannot write %s: %s", path, strerror(errno));
}

// The whole file, to be freed by the caller.
static char *read_golden(const char *path)
{
	FILE *file = fopen(path, "r");
	if (file == NULL)
		fail_msg("cannot read %s: %s (make check-update writes it)", path, strerror(errno));
	char *text = NULL;
	size_t capacity = 0;
	if (getdelim(&text, &capacity, '\0', file) == -1 && text != NULL)
		text[0] = '\0';
	fclose(file);
	return text;
}

static size_t line_length(const char *text)
{
	return strcspn(text, "\n");
}

static void fail_at_first_difference(const char *path, const char *expected, const char *text)
{
	for (int line = 1;; line++) {
		size_t expected_length = line_length(expected);
		size_t length = line_length(text);
		if (length != expected_length || memcmp(expected, text, length) != 0)
			fail_msg("%s:%d: expected\n  %.*s\nbut got\n  %.*s", path, line,
				 (int)expected_length, expected, (int)length, text);
		if (expected[length] == '\0' || text[length] == '\0')
			fail_msg("%s:%d: one of the texts ends here, the other goes on", path,
				 line);
		expected += length + 1;
		text += length + 1;
	}
}

void assert_golden(const char *name, const char *text)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/%s", GOLDEN_DIRECTORY, name);
	if (getenv("UPDATE_GOLDEN") != NULL) {
		write_golden(path, text);
		return;
	}
	char *expected = read_golden(path);
	if (strcmp(expected, text) != 0)
		fail_at_first_difference(path, expected, text);
	free(expected);
}

/*
 * Settings that are good by themselves and contradict each other. Part of settings.c's work, apart for its size.
 */
#ifndef DAEMON_CONFIG_SETTINGS_CHECK_H
#define DAEMON_CONFIG_SETTINGS_CHECK_H

#include "config/settings.h"

/* What settings_load() works with. */
struct settings_loader {
	struct settings *settings;
	const char *file;
	char *const *environment;
	struct problem_list *problems;
	struct problem_list *warnings;
	bool file_was_read;
};

/* Where a setting's value came from. */
struct setting_place {
	const char *file;
	char path[96];
};

struct setting_place setting_place(const struct settings_loader *loader,
				   const struct setting *setting);

/* False when what it says was a problem already, so that nothing follows from it. */
bool setting_was_understood(const struct settings_loader *loader, const struct setting *setting);

/* A duration, count or size, in the unit of its member. */
int64_t setting_number(const struct setting *setting, const struct settings *settings);

/* A text, or words; may be NULL. */
const char *setting_text(const struct setting *setting, const struct settings *settings);

/* Adds a problem of this setting, where its value came from; not of one that was not understood. */
void settings_blame(const struct settings_loader *loader, const struct setting *setting,
		    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Holds the settings against each other. */
void settings_check(const struct settings_loader *loader);

#endif

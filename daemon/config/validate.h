/*
 * What is checked of an entity before and after a session carries it: the words of the settings and of an entity's "validate", and which
 * of both counts.
 */
#ifndef DAEMON_CONFIG_VALIDATE_H
#define DAEMON_CONFIG_VALIDATE_H

#include "common/json_decode.h"
#include "config/entity.h"
#include "config/settings.h"

/* "off", "before", "after", "both": by the bits of enum validate_step; ends with NULL. */
extern const char *const validate_step_names[];

/* In the order in which they run; the place of each is its bit. Ends with NULL. */
extern const char *const validate_check_names[];

/* "counts, references": the bits of these words. False, with the word that is none in *ret_word (the caller frees). */
bool validate_checks_read(const char *words, unsigned *ret_checks, char **ret_word);

/* The bits of "off", "before", …; false: it is another word. */
bool validate_steps_read(const char *word, unsigned *ret_steps);

/* Reads an entity's "validate" (a json_field's decode): "after", or {"steps": "both", "checks": ["counts"], "stop": true}. */
void validate_parse(struct json_report *report, const char *path, json_t *value,
		    const struct json_field *field, void *target);

/* What holds for this entity: what its file says, and the settings where it says nothing. */
struct validate_config validate_of(const struct entity *entity, const struct settings *settings);

#endif

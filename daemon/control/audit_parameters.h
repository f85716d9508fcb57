/*
 * What of a call's parameters is kept in the audit: those that the interface knows for the method, within bounds. What a peer has put
 * there otherwise may be anything, so it is only counted.
 */
#ifndef DAEMON_CONTROL_AUDIT_PARAMETERS_H
#define DAEMON_CONTROL_AUDIT_PARAMETERS_H

#include <jansson.h>
#include <stdbool.h>

/* JSON; NULL: there is nothing to keep. The caller frees. `method` may be NULL or unknown, `parameters` NULL. */
char *audit_parameters(const char *method, json_t *parameters);

/* The method's name as it may be kept: of no other characters than names have, and not too long; else NULL. */
const char *audit_method(const char *method);

/* Does an interface that is served here have a method of this name? */
bool audit_method_is_known(const char *method);

#endif

/*
 * A file that holds one password, as systemd hands credentials over (LoadCredential=, systemd.exec(5)).
 */
#ifndef DAEMON_BASE_PASSWORD_FILE_H
#define DAEMON_BASE_PASSWORD_FILE_H

#include <stdbool.h>

#include "common/error.h"

/* The file's only line. False with the error, which never repeats any of it; err->kind is ERROR_NOT_FOUND when there is no such
   file. The password is to be freed with password_wipe(). */
bool password_file_read(const char *path, char **ret_password, struct error *err) _warn_unused_;

/* Frees it and leaves nothing in memory. NULL is allowed. */
void password_wipe(char *password);

#endif

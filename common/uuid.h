/*
 * UUIDs as text, by libuuid. Sessions and analyses are named by them; rows get theirs in the target.
 */
#ifndef COMMON_UUID_H
#define COMMON_UUID_H

#include <stdbool.h>

#define UUID_TEXT_SIZE 37

void uuid_make(char ret_text[UUID_TEXT_SIZE]); /* random (version 4), lower case */
bool uuid_is_valid(const char *text);
/* At least four hexadecimal digits and dashes that can begin a UUID. */
bool uuid_is_prefix(const char *text);

#endif

/*
 * The file is read again when it has changed; see audit_users.h.
 */
#include "control/audit_users.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/text.h"

struct audit_user_name {
	uid_t uid;
	char *name;
};

struct audit_users {
	char *file;
	struct stat read; /* the file as it was when it was read */
	struct audit_user_name *names;
	size_t count;
};

struct audit_users *audit_users_new(const char *passwd_file)
{
	struct audit_users *users = memory_new(sizeof(*users));

	users->file = text_copy(passwd_file);
	return users;
}

static void forget(struct audit_users *users)
{
	for (size_t i = 0; i < users->count; i++)
		free(users->names[i].name);
	users->count = 0;
}

void audit_users_free(struct audit_users *users)
{
	if (users == NULL)
		return;
	forget(users);
	free(users->names);
	free(users->file);
	free(users);
}

static void read_file(struct audit_users *users)
{
	FILE *file = fopen(users->file, "re");
	const struct passwd *entry;

	forget(users);
	if (file == NULL)
		return;
	while ((entry = fgetpwent(file)) != NULL) {
		users->names = memory_grow(users->names, users->count + 1, sizeof(*users->names));
		users->names[users->count++] = (struct audit_user_name){
			entry->pw_uid, text_copy(entry->pw_name)
		};
	}
	fclose(file);
}

static bool has_changed(const struct audit_users *users, const struct stat *now)
{
	return now->st_ino != users->read.st_ino || now->st_size != users->read.st_size ||
	       now->st_mtim.tv_sec != users->read.st_mtim.tv_sec ||
	       now->st_mtim.tv_nsec != users->read.st_mtim.tv_nsec;
}

const char *audit_users_name(struct audit_users *users, uid_t uid)
{
	struct stat now;

	if (stat(users->file, &now) == 0 && has_changed(users, &now)) {
		read_file(users);
		users->read = now;
	}
	for (size_t i = 0; i < users->count; i++)
		if (users->names[i].uid == uid)
			return users->names[i].name;
	return NULL;
}

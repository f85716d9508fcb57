/*
 * What users are called, for those who read the audit: by /etc/passwd alone. Other sources of names (LDAP, sssd) may take seconds to
 * answer, and the loop does not wait for them; the uid says who it was.
 */
#ifndef DAEMON_CONTROL_AUDIT_USERS_H
#define DAEMON_CONTROL_AUDIT_USERS_H

#include <sys/types.h>

struct audit_users;

struct audit_users *audit_users_new(const char *passwd_file);
void audit_users_free(struct audit_users *users);

/* NULL: it has none there. Borrowed until the next call. */
const char *audit_users_name(struct audit_users *users, uid_t uid);

#endif

/*
 * See command.h. posix_spawn() and not fork(): the child shares our memory until it is a program, whatever we hold.
 */
#include "monitor/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/text.h"

extern char **environ;

struct command {
	struct event_base *base;
	struct event *child;
	struct event *timeout;
	command_on_over *on_over;
	void *arg;
	pid_t pid; /* 0: none */
	int64_t timeout_ms;
	bool timed_out;
};

/* --- what it gets of ours ------------------------------------------------------------------------ */

/* Where programs are, what language they speak, what time it is; LC_ stands for all that begin so. */
static const char *const inherited[] = { "PATH",   "HOME", "USER", "LOGNAME", "SHELL",
					 "TMPDIR", "LANG", "TZ",   "LC_" };

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static bool is_inherited(const char *variable)
{
	for (size_t i = 0; i < sizeof(inherited) / sizeof(inherited[0]); i++) {
		size_t length = strlen(inherited[i]);

		if (strncmp(variable, inherited[i], length) == 0 &&
		    (variable[length] == '=' || inherited[i][length - 1] == '_'))
			return true;
	}
	return false;
}

static size_t count_of(char *const *strings)
{
	size_t count = 0;

	while (strings[count] != NULL)
		count++;
	return count;
}

/* The array is the caller's, what stands in it is not. */
static char **environment_of(char *const *variables)
{
	char **environment = memory_new((count_of(environ) + count_of(variables) + 2) *
					sizeof(*environment));
	size_t count = 0;

	if (getenv("PATH") == NULL)
		environment[count++] = DEFAULT_PATH;
	for (size_t i = 0; environ[i] != NULL; i++)
		if (is_inherited(environ[i]))
			environment[count++] = environ[i];
	for (size_t i = 0; variables[i] != NULL; i++)
		environment[count++] = variables[i];
	return environment;
}

/* A file in memory: whoever does not read it holds nobody up, and there is no pipe that could break. */
static int input_file(const char *input)
{
	int fd = memfd_create("alert", MFD_CLOEXEC);
	size_t length = strlen(input);

	if (fd >= 0 &&
	    (write(fd, input, length) != (ssize_t)length || lseek(fd, 0, SEEK_SET) < 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* --- its beginning ------------------------------------------------------------------------------- */

static int spawn(pid_t *ret_pid, char *const *words, char *const *environment, int input)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int failure;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
						      POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
	posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
	/* All of ours are closed on exec; this is for those of libraries that forget it. */
	posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
	failure = posix_spawn(ret_pid, words[0], &files, &attributes, words, environment);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	return failure;
}

bool command_start(struct command *command, char *const *words, const char *input,
		   char *const *variables, int64_t timeout_ms, struct error *err)
{
	char **environment = environment_of(variables);
	int file = input_file(input);
	int failure = file < 0 ? errno : spawn(&command->pid, words, environment, file);

	if (file >= 0)
		close(file);
	free(environment);
	if (failure != 0) {
		command->pid = 0;
		return error_set(err, ERROR_ENVIRONMENT, "%s cannot be run: %s", words[0],
				 strerror(failure));
	}
	command->timed_out = false;
	command->timeout_ms = timeout_ms;
	event_add(command->timeout, &(struct timeval){ .tv_sec = timeout_ms / 1000,
						       .tv_usec = timeout_ms % 1000 * 1000 });
	return true;
}

/* --- its end ------------------------------------------------------------------------------------- */

static void kill_all_of_it(const struct command *command)
{
	kill(-command->pid, SIGKILL);
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
	struct command *command = arg;

	(void)fd;
	(void)what;
	command->timed_out = true;
	kill_all_of_it(command); /* on_child() follows */
}

static enum command_outcome judge(const struct command *command, int status, char *how, size_t size)
{
	char limit[32];

	if (command->timed_out) {
		snprintf(how, size, "it was killed after %s",
			 clock_format_duration(limit, command->timeout_ms));
		return COMMAND_TIMED_OUT;
	}
	if (WIFSIGNALED(status))
		snprintf(how, size, "it was ended by signal %d", WTERMSIG(status));
	else
		snprintf(how, size, "it exited with status %d", WEXITSTATUS(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? COMMAND_DONE : COMMAND_FAILED;
}

static void on_child(evutil_socket_t fd, short what, void *arg)
{
	struct command *command = arg;
	enum command_outcome outcome;
	char how[64];
	int status;

	(void)fd;
	(void)what;
	if (command->pid == 0 || waitpid(command->pid, &status, WNOHANG) != command->pid)
		return;
	event_del(command->timeout);
	command->pid = 0;
	outcome = judge(command, status, how, sizeof(how));
	command->on_over(command->arg, outcome, how);
}

bool command_is_running(const struct command *command)
{
	return command->pid != 0;
}

/* --- life ---------------------------------------------------------------------------------------- */

struct command *command_new(struct event_base *base, command_on_over *on_over, void *arg)
{
	struct command *command = memory_new(sizeof(*command));

	*command = (struct command){ .base = base, .on_over = on_over, .arg = arg };
	command->child = evsignal_new(base, SIGCHLD, on_child, command);
	command->timeout = event_new(base, -1, 0, on_timeout, command);
	event_add(command->child, NULL);
	return command;
}

void command_free(struct command *command)
{
	if (command == NULL)
		return;
	if (command->pid != 0)
		kill_all_of_it(
			command); /* nobody waits for it: it may be stuck in the kernel, and we are leaving */
	event_free(command->child);
	event_free(command->timeout);
	free(command);
}

/*
 * See terminal.h. Handlers can say nothing but that a signal came, and they run only while the program waits (ppoll()); all else is done
 * where it is noticed.
 */
#include "ctl/terminal.h"

#include <errno.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;
static volatile sig_atomic_t stop_asked;
static volatile sig_atomic_t continued;

static void on_interrupt(int signal_number)
{
	interrupted = signal_number;
}

static void on_stop(int signal_number)
{
	(void)signal_number;
	stop_asked = 1;
}

static void on_continue(int signal_number)
{
	(void)signal_number;
	continued = 1;
}

static void on_resize(int signal_number)
{
	(void)signal_number; /* it has woken us */
}

/* Those of keyboards are left alone where there is nothing to be put back. */
static const struct {
	int number;
	void (*handler)(int signal_number);
	bool with_keys;
} signals[] = {
	{ SIGINT, on_interrupt, false }, { SIGTERM, on_interrupt, false },
	{ SIGHUP, on_interrupt, false }, { SIGWINCH, on_resize, false },
	{ SIGQUIT, on_interrupt, true }, { SIGTSTP, on_stop, true },
	{ SIGCONT, on_continue, true },
};

#define SIGNALS (sizeof signals / sizeof signals[0])

static void take_signals(struct terminal *terminal)
{
	sigset_t blocked;

	sigemptyset(&blocked);
	for (size_t i = 0; i < SIGNALS; i++) {
		struct sigaction action = { .sa_handler = signals[i].handler };
		struct sigaction before;

		if (signals[i].with_keys && terminal->fd < 0)
			continue;
		sigaction(signals[i].number, NULL, &before);
		if (before.sa_handler == SIG_IGN)
			continue; /* nohup and the like have decided */
		sigaddset(&blocked, signals[i].number);
		sigaction(signals[i].number, &action, NULL);
	}
	sigprocmask(SIG_BLOCK, &blocked, &terminal->old_signals);
	terminal->wait_signals = terminal->old_signals;
}

static void take_keys(struct terminal *terminal)
{
	struct termios keys;

	if (terminal->ours || !terminal_in_foreground(terminal->fd) ||
	    tcgetattr(terminal->fd, &terminal->before) < 0)
		return;
	keys = terminal->before;
	keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	keys.c_cc[VMIN] = 0;
	keys.c_cc[VTIME] = 0;
	terminal->ours = tcsetattr(terminal->fd, TCSANOW, &keys) == 0;
}

static void give_keys_back(struct terminal *terminal)
{
	if (terminal->ours && terminal_in_foreground(terminal->fd))
		tcsetattr(terminal->fd, TCSANOW, &terminal->before);
	terminal->ours = false;
}

void terminal_begin(struct terminal *terminal, bool wants_keys)
{
	interrupted = stop_asked = continued = 0;
	*terminal = (struct terminal){ .fd = wants_keys && isatty(STDIN_FILENO) ? STDIN_FILENO
										: -1 };
	take_signals(terminal);
	if (terminal->fd >= 0)
		take_keys(terminal);
}

void terminal_end(struct terminal *terminal)
{
	give_keys_back(terminal);
	for (size_t i = 0; i < SIGNALS; i++)
		if (!signals[i].with_keys || terminal->fd >= 0)
			signal(signals[i].number, SIG_DFL);
	sigprocmask(SIG_SETMASK, &terminal->old_signals, NULL);
	if (interrupted)
		raise(interrupted); /* so that the shell knows, too */
}

int terminal_interrupted(void)
{
	return interrupted;
}

/* The stop takes effect where the signal is let through. */
static void stop(void)
{
	struct sigaction handled, otherwise = { .sa_handler = SIG_DFL };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTSTP);
	sigaddset(&set, SIGCONT);
	sigaction(SIGTSTP, &otherwise, &handled);
	raise(SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigaction(SIGTSTP, &handled, NULL);
}

bool terminal_stopped(struct terminal *terminal)
{
	bool was_away = continued;

	if (terminal->fd < 0)
		return false;
	continued = 0;
	if (stop_asked) {
		stop_asked = 0;
		give_keys_back(terminal);
		stop();
		continued = 0;
		was_away = true;
	}
	if (was_away) {
		terminal->ours = false; /* the shell has set it as it likes */
		take_keys(terminal);
	}
	return was_away;
}

bool terminal_in_foreground(int fd)
{
	pid_t group = tcgetpgrp(fd);

	return group < 0 || group == getpgrp(); /* not our session's terminal: nobody minds */
}

int terminal_keyboard(const struct terminal *terminal)
{
	return terminal->ours && terminal_in_foreground(terminal->fd) ? terminal->fd : -1;
}

bool terminal_read(struct terminal *terminal, char *bytes, size_t size, size_t *ret_length)
{
	ssize_t length = read(terminal->fd, bytes, size);

	*ret_length = length > 0 ? (size_t)length : 0;
	return length > 0 || (length < 0 && (errno == EAGAIN || errno == EINTR));
}

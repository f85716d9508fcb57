/*
 * migrated: arguments and exit statuses; what the daemon is stands in daemon.c.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/journal.h"
#include "check_config.h"
#include "common/text.h"
#include "config/config.h"
#include "daemon.h"

#define DEFAULT_CONFIG "/etc/migrated/migrated.json"

extern char **environ;

struct arguments {
	const char *config;
	const char *socket;
	bool check;
	int verbosity;
};

static void usage(FILE *stream)
{
	fprintf(stream,
		"Usage: migrated [OPTION]…\n"
		"Keeps a modern PostgreSQL in step with a legacy one.\n\n"
		"  -c, --config FILE    configuration (default %s);\n"
		"                       entities are read from entities.d beside it\n"
		"      --socket PATH    control socket, instead of the configured one\n"
		"      --check-config   check the configuration, against both databases too, and exit\n"
		"  -v, --verbose        log debug messages too\n"
		"  -h, --help           show this help\n"
		"      --version        show the version\n\n"
		"Exit status: 0 stopped in order; 64 usage; 69 a database or the socket is not to be had;\n"
		"78 the configuration is wrong. See migrated(8), migrated.json(5).\n",
		DEFAULT_CONFIG);
}

enum { OPTION_SOCKET = 256, OPTION_CHECK, OPTION_VERSION };

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "socket", required_argument, NULL, OPTION_SOCKET },
	{ "check-config", no_argument, NULL, OPTION_CHECK },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

/* -1: go on; else the status to exit with. */
static int parse(int argc, char **argv, struct arguments *arguments)
{
	int option;

	while ((option = getopt_long(argc, argv, "c:vh", options, NULL)) != -1)
		switch (option) {
		case 'c':
			arguments->config = optarg;
			break;
		case OPTION_SOCKET:
			arguments->socket = optarg;
			break;
		case OPTION_CHECK:
			arguments->check = true;
			break;
		case 'v':
			arguments->verbosity++;
			break;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		case OPTION_VERSION:
			puts("migrated " MIGRATED_VERSION);
			return EXIT_SUCCESS;
		default:
			fputs("Try 'migrated --help'.\n", stderr);
			return EX_USAGE;
		}
	if (optind == argc)
		return -1;
	fprintf(stderr, "migrated: unexpected argument \"%s\"\n", argv[optind]);
	return EX_USAGE;
}

static void print_problems(const struct problem_list *problems)
{
	for (size_t i = 0; i < problems->count; i++) {
		_cleanup_free_ char *line = problem_format(&problems->problems[i]);

		fprintf(stderr, "%s\n", line);
	}
}

static int run(const struct arguments *arguments)
{
	struct problem_list problems = { 0 };
	struct config config = { 0 };
	bool loaded = config_load(&config, arguments->config, environ, &problems);
	int status;

	if (!loaded) {
		print_problems(&problems);
		fprintf(stderr, "migrated: %zu problem%s in the configuration\n", problems.count,
			problems.count == 1 ? "" : "s");
		status = EX_CONFIG;
	} else {
		if (arguments->socket != NULL) {
			free(config.settings.control_socket);
			config.settings.control_socket = text_copy(arguments->socket);
		}
		status = arguments->check ? check_config(&config)
					  : daemon_run(&config, arguments->socket, environ);
	}
	config_done(&config);
	problem_list_done(&problems);
	return status;
}

/* Buffers hold patients' rows, and the configuration passwords: neither a core file nor another process of our user is to
   have them, whatever started us. */
static void leave_no_core(void)
{
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	prctl(PR_SET_DUMPABLE, 0);
}

int main(int argc, char **argv)
{
	struct arguments arguments = { .config = DEFAULT_CONFIG };
	int status = parse(argc, argv, &arguments);

	if (status >= 0)
		return status;
	leave_no_core();
	journal_init(arguments.verbosity > 0 ? LOG_DEBUG : LOG_INFO);
	return run(&arguments);
}

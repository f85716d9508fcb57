/*
 * A command that can be run, an address that others cannot reach, a file that is read: the sections "alerts" and "metrics".
 */
#include "config/monitor_check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/text.h"
#include "config/listen_address.h"

/* Why this file could not be run; NULL: it could. */
static const char *obstacle(const char *program)
{
	struct stat status;

	if (stat(program, &status) < 0 || access(program, X_OK) < 0)
		return strerror(errno);
	return S_ISREG(status.st_mode) ? NULL : "it is no file";
}

static void warn(const struct settings_loader *loader, const struct setting *setting,
		 const char *program, const char *reason)
{
	struct setting_place place = setting_place(loader, setting);

	problem_add(loader->warnings, place.file, 0, place.path,
		    "%s cannot be run (%s): nobody will be alerted", program, reason);
}

static void check_command(const struct settings_loader *loader)
{
	const struct setting *setting = setting_find("alerts", "command");
	json_auto_t *words = json_loads(loader->settings->alert_command, 0, NULL);
	const char *program = json_string_value(json_array_get(words, 0));
	const char *reason;

	if (program == NULL || !setting_was_understood(loader, setting))
		return;
	if (program[0] != '/') {
		settings_blame(loader, setting,
			       "the program is named by its path, which begins with \"/\", not "
			       "\"%s\"",
			       program);
		return;
	}
	reason = obstacle(program);
	if (reason != NULL)
		warn(loader, setting, program, reason);
}

static void check_listen(const struct settings_loader *loader)
{
	const char *listen = loader->settings->metrics_listen;
	struct listen_address address;
	struct error err;

	if (listen[0] != '\0' && !listen_address_read(listen, &address, &err))
		settings_blame(loader, setting_find("metrics", "listen"), "%s", err.message);
}

static void check_textfile(const struct settings_loader *loader)
{
	const char *textfile = loader->settings->metrics_textfile;
	size_t length = strlen(textfile);

	if (length > 0 && textfile[0] != '/')
		settings_blame(loader, setting_find("metrics", "textfile"),
			       "must be an absolute path, beginning with \"/\"");
	else if (length > 0 && (length < 5 || strcmp(textfile + length - 5, ".prom") != 0))
		settings_blame(loader, setting_find("metrics", "textfile"),
			       "must end in \".prom\": the collector reads no other files");
}

void monitor_check(const struct settings_loader *loader)
{
	check_command(loader);
	check_listen(loader);
	check_textfile(loader);
}

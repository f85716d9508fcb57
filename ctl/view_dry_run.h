/*
 * migrate --dry-run; see view_migrate.c.
 */
#ifndef CTL_VIEW_DRY_RUN_H
#define CTL_VIEW_DRY_RUN_H

#include "ctl/view.h"

/* Asks for it with what migrate asks for, follows it, and shows what came of it. */
enum exit_status dry_run(const struct arguments *arguments, json_t *parameters,
			 struct client *client);

/* What came of it, as text; as the print of a view. */
void dry_run_print(const struct look *look, struct text *out, const json_t *reply,
		   const struct arguments *arguments);

#endif

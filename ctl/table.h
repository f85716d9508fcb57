/*
 * A table of text in aligned columns. Cells are added row by row, from left to right; the table
 * knows the widths.
 */
#ifndef CTL_TABLE_H
#define CTL_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "common/text.h"
#include "ctl/look.h"

struct table_column {
	const char *header;
	bool right; /* numbers */
	int min_width;
};

struct table_cell {
	char *string;
	enum style style;
	bool heading; /* spans the row */
};

struct table {
	const struct table_column *columns;
	size_t column_count;
	struct table_cell *cells;
	size_t cell_count;
};

/* The columns are borrowed. */
void table_init(struct table *table, const struct table_column *columns, size_t column_count);
void table_done(struct table *table);
#define _cleanup_table_ __attribute__((cleanup(table_done)))

/* NULL is shown as "-". */
void table_add(struct table *table, const char *string);
void table_add_styled(struct table *table, enum style style, const char *string);

/* A state, in its own colour. */
void table_add_state(struct table *table, const char *state);
void table_add_number(struct table *table, int64_t number);

/* A line across the columns; only between rows. */
void table_add_heading(struct table *table, const char *string);

/* What is to be said of the row above: likewise, and indented. */
void table_add_note(struct table *table, const char *string);

void table_print(const struct table *table, const struct look *look, struct text *out);

#endif

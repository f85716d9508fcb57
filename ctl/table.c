/*
 * Aligned text. Widths are those of the terminal, not of the bytes.
 */
#include "ctl/table.h"

#include <assert.h>
#include <stdlib.h>

#define GAP 2

void table_init(struct table *table, const struct table_column *columns, size_t column_count)
{
	*table = (struct table){ .columns = columns, .column_count = column_count };
}

void table_done(struct table *table)
{
	for (size_t i = 0; i < table->cell_count; i++)
		free(table->cells[i].string);
	free(table->cells);
	*table = (struct table){ 0 };
}

/* Cells are kept in the form in which they are printed, only without colour. */
static void add_cell(struct table *table, enum style style, const char *string, bool heading)
{
	const struct look plain = { 0 };
	struct text shown = TEXT_INIT;

	look_append(&plain, &shown, STYLE_PLAIN, string ? string : "-");
	table->cells = memory_grow(table->cells, table->cell_count + 1, sizeof table->cells[0]);
	table->cells[table->cell_count++] = (struct table_cell){ text_steal(&shown), style,
								 heading };
}

void table_add(struct table *table, const char *string)
{
	add_cell(table, STYLE_PLAIN, string, false);
}

void table_add_styled(struct table *table, enum style style, const char *string)
{
	add_cell(table, style, string, false);
}

void table_add_state(struct table *table, const char *state)
{
	add_cell(table, look_style_of(state), state, false);
}

void table_add_number(struct table *table, int64_t number)
{
	char buffer[32];

	table_add(table, text_thousands(buffer, number));
}

/* It takes the place of a whole row, so that cells can be counted. */
static void add_line(struct table *table, enum style style, const char *string)
{
	for (size_t i = 0; i < table->column_count; i++)
		add_cell(table, style, i == 0 ? string : "", true);
}

void table_add_heading(struct table *table, const char *string)
{
	add_line(table, STYLE_BOLD, string);
}

void table_add_note(struct table *table, const char *string)
{
	_cleanup_free_ char *indented = text_format("  %s", string);

	add_line(table, STYLE_DIM, indented);
}

static int column_width(const struct table *table, size_t column)
{
	int width = look_width(table->columns[column].header);

	if (width < table->columns[column].min_width)
		width = table->columns[column].min_width;
	for (size_t i = column; i < table->cell_count; i += table->column_count) {
		int cell_width = look_width(table->cells[i].string);

		if (!table->cells[i].heading && cell_width > width)
			width = cell_width;
	}
	return width;
}

static void print_cell(const struct table_column *column, const struct table_cell *cell, int width,
		       const struct look *look, struct text *out)
{
	int padding = width - look_width(cell->string);

	if (column->right)
		text_appendf(out, "%*s", padding, "");
	look_append(look, out, cell->style, cell->string);
	if (!column->right)
		text_appendf(out, "%*s", padding, "");
	text_appendf(out, "%*s", GAP, "");
}

/* Without the blanks that only a further column would have needed. */
static void end_line(struct text *out)
{
	while (out->length > 0 && out->data[out->length - 1] == ' ')
		out->data[--out->length] = '\0';
	text_append(out, "\n");
}

static void print_row(const struct table *table, const struct table_cell *cells, const int *widths,
		      const struct look *look, struct text *out)
{
	if (cells[0].heading)
		look_append(look, out, cells[0].style, cells[0].string);
	else
		for (size_t i = 0; i < table->column_count; i++)
			print_cell(&table->columns[i], &cells[i], widths[i], look, out);
	end_line(out);
}

static void print_header(const struct table *table, const int *widths, const struct look *look,
			 struct text *out)
{
	for (size_t i = 0; i < table->column_count; i++) {
		struct table_cell cell = { (char *)table->columns[i].header, STYLE_BOLD, false };

		print_cell(&table->columns[i], &cell, widths[i], look, out);
	}
	end_line(out);
}

void table_print(const struct table *table, const struct look *look, struct text *out)
{
	assert(table->cell_count % table->column_count == 0);
	int *widths = memory_new(table->column_count * sizeof widths[0]);

	for (size_t i = 0; i < table->column_count; i++)
		widths[i] = column_width(table, i);
	print_header(table, widths, look, out);
	for (size_t i = 0; i < table->cell_count; i += table->column_count)
		print_row(table, &table->cells[i], widths, look, out);
	free(widths);
}

/*
 * SQLSTATE to kind by one table, and the cleaning of PostgreSQL's and libpq's messages.
 *
 * The rule for messages is to know what is harmless. A server's own primary message names objects,
 * which are ours to name, and in some classes (22, and 42 at "at or near") values, which are cut
 * out. Names are values, too, where they come from a row: cast to regclass or a text search
 * configuration, or pasted into the SQL of somebody's trigger. So an object's name is kept only
 * where the server points at it in our own statement, and a constraint's only where it is the
 * server's own code that speaks. Whatever a function or trigger raised by itself may say anything,
 * so a sentence of ours stands in its place.
 */
#include "postgres/errors.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "common/text.h"
#include "postgres/internal.h"

/* The longest prefix that matches wins. Codes: appendix A of PostgreSQL's manual. */
static const struct {
	const char *prefix;
	enum error_kind kind;
} kinds[] = {
	{ "08", ERROR_CONNECTION },
	{ "25P03",
	  ERROR_CONNECTION }, /* idle_in_transaction_session_timeout: the backend is gone */
	{ "57P01", ERROR_CONNECTION },
	{ "57P02", ERROR_CONNECTION },
	{ "57P04", ERROR_CONNECTION },
	{ "57P05", ERROR_CONNECTION },

	{ "53300", ERROR_BUSY },
	{ "57P03", ERROR_BUSY },

	{ "40", ERROR_TRANSIENT },
	{ "55P03", ERROR_TRANSIENT },

	{ "57014", ERROR_CANCELLED },

	{ "25006", ERROR_ENVIRONMENT },
	{ "53", ERROR_ENVIRONMENT },
	{ "58", ERROR_ENVIRONMENT },

	{ "21000", ERROR_DATA }, /* two rows where one was asked for */
	{ "22", ERROR_DATA },
	{ "23", ERROR_DATA },
	{ "38", ERROR_DATA }, /* a function in another language failed */
	{ "39", ERROR_DATA },
	{ "44", ERROR_DATA },
	{ "54000", ERROR_DATA }, /* row or index entry too large */
	{ "P0", ERROR_DATA },

	{ "0A", ERROR_STRUCTURE },
	{ "26", ERROR_STRUCTURE },
	{ "3D", ERROR_STRUCTURE },
	{ "3F", ERROR_STRUCTURE },
	{ "42", ERROR_STRUCTURE },
	{ "54", ERROR_STRUCTURE },
	{ "55000", ERROR_STRUCTURE }, /* not insertable, not updatable */

	{ "28", ERROR_DENIED },
	{ "42501", ERROR_DENIED },

	{ "XX", ERROR_INTERNAL },
};

enum error_kind pg_error_kind(const char *sqlstate)
{
	enum error_kind kind = ERROR_INTERNAL;
	size_t longest = 0;

	if (!sqlstate || !*sqlstate)
		return ERROR_CONNECTION; /* libpq's own: it only speaks up when the link fails */
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		size_t length = strlen(kinds[i].prefix);

		if (length > longest && strncmp(sqlstate, kinds[i].prefix, length) == 0) {
			longest = length;
			kind = kinds[i].kind;
		}
	}
	return kind;
}

/* --- messages --------------------------------------------------------------------------------- */

enum treatment {
	KEEP,	    /* it names objects at most */
	CUT_VALUES, /* it may quote a value, or say a number */
	CUT_QUOTED, /* it may quote a value */
	CUT_NAMES,  /* what it names may be a value */
	CUT_TOKEN,  /* it may quote a token of the statement */
	REPLACE,    /* it may say anything */
	REPLACE_CONSTRAINT,
	REPLACE_STRUCTURE,
};

/* The first prefix that matches. */
static const struct {
	const char *prefix;
	enum treatment treatment;
} treatments[] = {
	{ "08", KEEP }, { "0A", KEEP },
	{ "21", KEEP }, { "22", CUT_VALUES },
	{ "23", KEEP }, { "25", KEEP },
	{ "26", KEEP }, { "28", KEEP },
	{ "2B", KEEP }, { "34", KEEP },
	{ "3D", KEEP }, { "3F", KEEP },
	{ "40", KEEP }, { "42601", CUT_TOKEN },
	{ "42", KEEP }, { "44", KEEP },
	{ "53", KEEP }, { "54000", CUT_VALUES },
	{ "54", KEEP }, { "55", KEEP },
	{ "57", KEEP }, { "58", KEEP },
	{ "F0", KEEP }, { "XX", CUT_QUOTED }, /* some of it by extensions */
};

#define RAISED_BY_OTHERS \
	"a function or trigger of the database raised an error (its text is in the server's log)"
#define UNFIT_VALUE "a value does not fit its type or its use"
#define UNFIT_FUNCTION \
	"a statement within a function or trigger does not fit the schema (its text is in the server's log)"
#define BROKEN_CONSTRAINT "a constraint does not allow the row"

static enum treatment treatment_of(const char *sqlstate)
{
	for (size_t i = 0; i < sizeof treatments / sizeof *treatments; i++)
		if (strncmp(sqlstate, treatments[i].prefix, strlen(treatments[i].prefix)) == 0)
			return treatments[i].treatment;
	return REPLACE;
}

static bool ends_with(const struct text *text, const char *suffix)
{
	size_t length = strlen(suffix);

	return text->length >= length &&
	       memcmp(text->data + text->length - length, suffix, length) == 0;
}

/* Is what will be quoted next, after these words, the name of an object? */
static bool announces_name(const struct text *words)
{
	static const char *const before[] = { "type ",	   "enum ",  "column ",	  "relation ",
					      "encoding ", "table ", "function ", "constraint ",
					      "sequence ", "index " };

	for (size_t i = 0; i < sizeof before / sizeof *before; i++)
		if (ends_with(words, before[i]))
			return true;
	return false;
}

static bool is_ascii(char byte)
{
	return (unsigned char)byte < 0x80;
}

/* The digits of a type's modifier, "varying(10)", and what is part of a word are no values. */
static bool announces_number(const struct text *words)
{
	size_t length = words->length;

	if (length == 0)
		return false;
	if (words->data[length - 1] == '(' || words->data[length - 1] == ',')
		return length > 1 && isalnum((unsigned char)words->data[length - 2]);
	return isalnum((unsigned char)words->data[length - 1]) || words->data[length - 1] == '_';
}

static bool is_apostrophe(const struct text *words, const char *quote)
{
	return *quote == '\'' && words->length > 0 &&
	       isalpha((unsigned char)words->data[words->length - 1]);
}

/* The last quote, of either kind, from here on; NULL: there is none. */
static const char *last_quote_in(const char *string)
{
	const char *last_double = strrchr(string, '"');
	const char *last_single = strrchr(string, '\'');

	if (!last_double || !last_single)
		return last_double ? last_double : last_single;
	return last_double > last_single ? last_double : last_single;
}

/* Class 22 quotes values after a colon ('invalid input syntax for type integer: "…"'), in the
   middle of a sentence ('value "…" is out of range') and as bytes (0xe2 0x82). A server that
   speaks another language has other quotes, too, which lc_messages, a superuser's setting, does
   not let us forbid: then none of it is kept. */
static void cut_values(struct text *clean, const char *primary, enum treatment treatment)
{
	const char *last_quote = last_quote_in(primary);

	for (const char *next = primary; *next; next++) {
		if (strncmp(next, ": ", 2) == 0)
			return;
		if (*next == '"' && next < last_quote && treatment != CUT_NAMES &&
		    announces_name(clean)) {
			const char *end = strchr(next + 1, '"');

			text_append_bytes(clean, next, (size_t)(end - next) + 1);
			next = end;
		} else if (*next == '"' || (*next == '\'' && !is_apostrophe(clean, next))) {
			/* A value may hold quotes itself: nothing up to the last of them is
			   kept. */
			text_append(clean, "\"…\"");
			if (next == last_quote)
				return;
			next = last_quote;
		} else if (next[0] == '0' && next[1] == 'x') {
			text_append(clean, "0x…");
			next += 1 + strspn(next + 2, "0123456789abcdefABCDEF");
		} else if (treatment != CUT_QUOTED && isdigit((unsigned char)*next) &&
			   !announces_number(clean)) {
			text_append(clean, "…");
			next += strspn(next, "0123456789.") - 1;
		} else if (!is_ascii(*next)) {
			text_clear(clean);
			text_append(clean, UNFIT_VALUE);
			return;
		} else {
			text_append_bytes(clean, next, 1);
		}
	}
}

static bool is_plain(const char *string)
{
	while (*string && is_ascii(*string) && *string != '"' && *string != '\'')
		string++;
	return *string == '\0';
}

/* 'syntax error at or near "…"' quotes what stood there: a word is kept, a literal is not. */
static void cut_token(struct text *clean, const char *primary)
{
	static const char near[] = "at or near ";
	const char *token = strstr(primary, near);

	if (!token) {
		text_append(clean, is_plain(primary) ? primary : "syntax error");
		return;
	}
	token += strlen(near);
	text_append_bytes(clean, primary, (size_t)(token - primary));
	if (*token == '"' && (isalpha((unsigned char)token[1]) || token[1] == '_') &&
	    token[1 + strcspn(token + 1, "'\"$ \n")] == '"')
		text_append(clean, token);
	else
		text_append(clean, "\"…\"");
}

static void clean_message(struct text *clean, enum treatment treatment, const char *primary)
{
	switch (treatment) {
	case KEEP:
		text_append(clean, primary);
		break;
	case CUT_VALUES:
	case CUT_QUOTED:
	case CUT_NAMES:
		cut_values(clean, primary, treatment);
		break;
	case CUT_TOKEN:
		cut_token(clean, primary);
		break;
	case REPLACE:
		text_append(clean, RAISED_BY_OTHERS);
		break;
	case REPLACE_CONSTRAINT:
		text_append(clean, BROKEN_CONSTRAINT);
		break;
	case REPLACE_STRUCTURE:
		text_append(clean, UNFIT_FUNCTION);
		break;
	}
}

/* Up to the first line break; never half a character, which error_set() sees to. */
static size_t first_line(const char *message)
{
	return strcspn(message, "\r\n");
}

static void write_message(char *buffer, size_t size, enum treatment treatment, const char *primary)
{
	_cleanup_text_ struct text clean = TEXT_INIT;
	size_t length;

	clean_message(&clean, treatment, primary ? primary : "");
	length = first_line(text_string(&clean));
	if (length >= size)
		length = size - 1;
	while (length > 0 && (text_string(&clean)[length] & 0xC0) == 0x80)
		length--;
	memcpy(buffer, text_string(&clean), length);
	buffer[length] = '\0';
}

void pg_error_message(char *buffer, size_t size, const char *sqlstate, const char *primary)
{
	write_message(buffer, size, treatment_of(sqlstate ? sqlstate : ""), primary);
}

/* RAISE and its kin in other languages: whatever the SQLSTATE, the words are the author's. */
static bool raised_by_others(const PGresult *result)
{
	static const char *const files[] = { "pl_exec.c", "plperl.c", "plpy_elog.c",
					     "plpy_plpymodule.c", "pltcl.c" };
	const char *file = PQresultErrorField(result, PG_DIAG_SOURCE_FILE);

	for (size_t i = 0; file && i < sizeof files / sizeof *files; i++)
		if (strcmp(file, files[i]) == 0)
			return true;
	return false;
}

/* Where PostgreSQL itself, of whatever version, finds that a row breaks a constraint. Other files are extensions', and what a
   foreign server said. */
static bool is_of_constraints(const char *file)
{
	static const char *const files[] = {
		"execMain.c",	   "execExprInterp.c",	"execQual.c",	  "domains.c",
		"nbtinsert.c",	   "ri_triggers.c",	"execIndexing.c", "execUtils.c",
		"execPartition.c", "execReplication.c", "nbtsort.c",	  "tuplesortvariants.c",
		"tuplesort.c",	   "tablecmds.c"
	};

	for (size_t i = 0; file && i < sizeof files / sizeof *files; i++)
		if (strcmp(file, files[i]) == 0)
			return true;
	return false;
}

static bool has_class(const char *sqlstate, const char *class)
{
	return strncmp(sqlstate, class, 2) == 0;
}

static bool names_what_it_stumbled_over(const char *sqlstate)
{
	return (has_class(sqlstate, "42") && strcmp(sqlstate, "42501") != 0) ||
	       has_class(sqlstate, "0A") || has_class(sqlstate, "26") ||
	       has_class(sqlstate, "34") || has_class(sqlstate, "3D") || has_class(sqlstate, "3F");
}

static enum treatment treatment_of_result(const PGresult *result, const char *sqlstate)
{
	if (raised_by_others(result))
		return REPLACE;
	if ((has_class(sqlstate, "23") || has_class(sqlstate, "44")) &&
	    !is_of_constraints(PQresultErrorField(result, PG_DIAG_SOURCE_FILE)))
		return REPLACE_CONSTRAINT;
	if (names_what_it_stumbled_over(sqlstate) &&
	    !PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION))
		return PQresultErrorField(result, PG_DIAG_CONTEXT) ? REPLACE_STRUCTURE : CUT_NAMES;
	return treatment_of(sqlstate);
}

void pg_error_from_result(struct error *err, const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	char message[sizeof err->message];

	if (!sqlstate) {
		pg_error_from_link(err, PQresultErrorMessage(result));
		return;
	}
	write_message(message, sizeof message, treatment_of_result(result, sqlstate),
		      PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
	error_set(err, pg_error_kind(sqlstate), "%s", message);
	snprintf(err->sqlstate, sizeof err->sqlstate, "%s", sqlstate);
}

void pg_error_of_connection(const struct pg_connection *connection, struct error *err,
			    const PGresult *result)
{
	pg_error_from_result(err, result);
	if (err->kind == ERROR_ENVIRONMENT)
		error_context(err, "%s", pg_connection_name(connection));
}

/* --- libpq's own messages --------------------------------------------------------------------- */

/* Is it all of what host names, addresses and paths of sockets are made of? */
static bool is_host(const char *string, size_t length)
{
	return strspn(string,
		      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:/_-") >=
	       length;
}

/* A connection string that was split at the wrong place puts a part of the password where a host
   or a port should be, and libpq quotes it. So only what is plainly a host is kept of what
   stands in quotes. */
static void cut_parameters(struct text *clean, const char *message, size_t length)
{
	const char *const end = message + length;

	for (const char *next = message; next < end; next++) {
		const char *closing = *next == '"' ? memchr(next + 1, '"', (size_t)(end - next - 1))
						   : NULL;

		if (*next != '"') {
			text_append_bytes(clean, next, 1);
			continue;
		}
		if (closing && (ends_with(clean, "server at ") || ends_with(clean, "on socket ")) &&
		    is_host(next + 1, (size_t)(closing - next - 1)))
			text_append_bytes(clean, next, (size_t)(closing - next) + 1);
		else
			text_append(clean, "\"…\"");
		next = closing ? closing : end - 1;
	}
}

static const char *next_line(const char *line)
{
	line += strcspn(line, "\n");
	return *line == '\n' ? line + 1 : line;
}

static void set_link_error(struct error *err, const char *line)
{
	_cleanup_text_ struct text clean = TEXT_INIT;

	cut_parameters(&clean, line, first_line(line));
	error_set(err, ERROR_CONNECTION, "%s",
		  clean.length > 0 ? clean.data : "the connection failed");
}

static bool is_sqlstate(const char *string)
{
	return strspn(string, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5;
}

/* Finds the last "SEVERITY:  SQLSTATE: message" in what may be several failures, one for each
   host. The severity, in whatever language, is the first thing in its line that two blanks
   follow, as "DETAIL" is in its own. */
static const char *find_sqlstate(const char *message)
{
	const char *last = NULL;

	for (const char *line = message; *line; line = next_line(line)) {
		const char *colon = strstr(line, ":  ");

		if (colon && colon < line + strcspn(line, "\n") && is_sqlstate(colon + 3) &&
		    strncmp(colon + 8, ": ", 2) == 0)
			last = colon + 3;
	}
	return last;
}

/* Of several hosts' failures the last is told, as its SQLSTATE would be. */
static const char *last_attempt(const char *message)
{
	static const char beginning[] = "connection to server ";
	const char *last = message;

	for (const char *line = message; *line; line = next_line(line))
		if (strncmp(line, beginning, strlen(beginning)) == 0)
			last = line;
	return last;
}

void pg_error_from_connecting(struct error *err, const char *libpq_message)
{
	const char *found = find_sqlstate(libpq_message);
	char message[sizeof err->message];
	char sqlstate[6] = "";

	if (!found) {
		set_link_error(err, last_attempt(libpq_message));
		return;
	}
	memcpy(sqlstate, found, 5);
	pg_error_message(message, sizeof message, sqlstate, found + strlen("00000: "));
	error_set(err, pg_error_kind(sqlstate), "%s", message);
	memcpy(err->sqlstate, sqlstate, sizeof sqlstate);
}

static bool is_libpqs_own(const char *line)
{
	static const char *const beginnings[] = {
		"server closed the connection",
		"could not ",
		"SSL ",
		"GSSAPI ",
		"connection not open",
		"no connection to the server",
		"lost synchronization with server",
		"message contents do not agree",
		"insufficient data",
		"out of memory",
		"timeout expired",
		"another command is already in progress",
		"no COPY in progress",
		"number of parameters",
	};

	for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
		if (strncmp(line, beginnings[i], strlen(beginnings[i])) == 0)
			return true;
	return false;
}

/* libpq appends what it has to say to what the server said of the last query, which may hold
   values. */
static const char *last_own_line(const char *message)
{
	const char *last = "";

	for (const char *line = message; *line; line = next_line(line))
		if (is_libpqs_own(line))
			last = line;
	return last;
}

void pg_error_from_link(struct error *err, const char *libpq_message)
{
	const char *line = last_own_line(libpq_message);

	/* What it says when it is asked for more after it has closed the link. */
	if (line[0] == '\0' && strstr(libpq_message, "invalid socket") != NULL)
		line = "server closed the connection";
	set_link_error(err, line);
}

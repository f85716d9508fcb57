// From SQLSTATE to kind, and that nothing of a row's values or of a connection string is in a
// message.
#include "tests/unit/testing.h"

#include <libpq-fe.h>
#include <string.h>

#include "postgres/errors.h"
#include "postgres/internal.h"

static void test_sqlstates_have_kinds(void **state)
{
	static const struct {
		const char *sqlstate;
		enum error_kind kind;
	} cases[] = {
		{ NULL, ERROR_CONNECTION },	{ "", ERROR_CONNECTION },
		{ "08006", ERROR_CONNECTION },	{ "08P01", ERROR_CONNECTION },
		{ "57P01", ERROR_CONNECTION },	{ "57P02", ERROR_CONNECTION },
		{ "25P03", ERROR_CONNECTION },	{ "57P05", ERROR_CONNECTION },
		{ "57P03", ERROR_BUSY },	{ "53300", ERROR_BUSY },
		{ "40001", ERROR_TRANSIENT },	{ "40P01", ERROR_TRANSIENT },
		{ "55P03", ERROR_TRANSIENT },	{ "57014", ERROR_CANCELLED },
		{ "53100", ERROR_ENVIRONMENT }, { "53200", ERROR_ENVIRONMENT },
		{ "53400", ERROR_ENVIRONMENT }, { "58030", ERROR_ENVIRONMENT },
		{ "25006", ERROR_ENVIRONMENT }, { "22P02", ERROR_DATA },
		{ "22001", ERROR_DATA },	{ "22021", ERROR_DATA },
		{ "23502", ERROR_DATA },	{ "23503", ERROR_DATA },
		{ "23505", ERROR_DATA },	{ "23514", ERROR_DATA },
		{ "23P01", ERROR_DATA },	{ "21000", ERROR_DATA },
		{ "54000", ERROR_DATA },	{ "P0001", ERROR_DATA },
		{ "38000", ERROR_DATA },	{ "42P01", ERROR_STRUCTURE },
		{ "42703", ERROR_STRUCTURE },	{ "3D000", ERROR_STRUCTURE },
		{ "3F000", ERROR_STRUCTURE },	{ "0A000", ERROR_STRUCTURE },
		{ "26000", ERROR_STRUCTURE },	{ "54001", ERROR_STRUCTURE },
		{ "28P01", ERROR_DENIED },	{ "28000", ERROR_DENIED },
		{ "42501", ERROR_DENIED },	{ "XX000", ERROR_INTERNAL },
		{ "XX001", ERROR_INTERNAL },	{ "25P02", ERROR_INTERNAL },
		{ "F0000", ERROR_INTERNAL },	{ "ZZ999", ERROR_INTERNAL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (pg_error_kind(cases[i].sqlstate) != cases[i].kind)
			fail_msg("%s: %s", cases[i].sqlstate,
				 error_kind_name(pg_error_kind(cases[i].sqlstate)));
}

#define OTHERS \
	"a function or trigger of the database raised an error (its text is in the server's log)"

static const struct {
	const char *sqlstate, *primary, *clean;
} messages[] = {
	/* Class 22 quotes values in many ways. */
	{ "22P02", "invalid input syntax for type integer: \"secret\"",
	  "invalid input syntax for type integer" },
	{ "22P02", "invalid input syntax for type integer: \"sec\"ret\"",
	  "invalid input syntax for type integer" },
	{ "22P02", "invalid input value for enum mood: \"secret\"",
	  "invalid input value for enum mood" },
	{ "22P02", "invalid input value for enum \"my mood\": \"secret\"",
	  "invalid input value for enum \"my mood\"" },
	{ "22003", "value \"secret\" is out of range for type integer",
	  "value \"…\" is out of range for type integer" },
	{ "22003", "\"secret\" is out of range for type double precision",
	  "\"…\" is out of range for type double precision" },
	{ "22003", "value \"a \" type \"b\" is out of range for type integer",
	  "value \"…\" is out of range for type integer" },
	{ "22003", "integer out of range", "integer out of range" },
	{ "22008", "date/time field value out of range: \"secret\"",
	  "date/time field value out of range" },
	{ "22021", "invalid byte sequence for encoding \"UTF8\": 0x73 0x65",
	  "invalid byte sequence for encoding \"UTF8\"" },
	{ "22P05",
	  "character with byte sequence 0xe2 0x82 in encoding \"UTF8\" has no equivalent in encoding "
	  "\"LATIN1\"",
	  "character with byte sequence 0x… 0x… in encoding \"UTF8\" has no equivalent in encoding "
	  "\"LATIN1\"" },
	{ "22001", "value too long for type character varying(10)",
	  "value too long for type character varying(10)" },
	{ "22012", "division by zero", "division by zero" },
	{ "22P04", "missing data for column \"notes\"", "missing data for column \"notes\"" },
	{ "22P02", "malformed array literal: \"{secret\"", "malformed array literal" },
	{ "22P02", "\"s\" is not a valid binary digit", "\"…\" is not a valid binary digit" },
	{ "22007", "invalid value \"secret\" for \"YYYY\"", "invalid value \"…\"" },
	{ "22023", "time zone \"secret\" not recognized", "time zone \"…\" not recognized" },
	{ "2201B", "invalid regular expression: secret", "invalid regular expression" },
	{ "22P02", "unterminated \"secret", "unterminated \"…\"" },

	{ "22023", "invalid value 'secret' of a library", "invalid value \"…\" of a library" },
	{ "22023", "can't read 'sec\"ret'", "can't read \"…\"" },
	{ "22023", "setseed parameter 4711 is out of allowed range [-1,1]",
	  "setseed parameter … is out of allowed range [-…,…]" },
	{ "22026", "bit string length 4711 does not match type bit(3)",
	  "bit string length … does not match type bit(3)" },
	{ "22003", "numeric(10,2) overflow at int4", "numeric(10,2) overflow at int4" },
	{ "54000", "requested character too large for encoding: 4711",
	  "requested character too large for encoding" },

	{ "22003", "Wert »secret« ist außerhalb des gültigen Bereichs für Typ integer",
	  "a value does not fit its type or its use" },
	{ "22P02", "syntaxe en entrée invalide pour le type integer : « secret »",
	  "a value does not fit its type or its use" },
	{ "22P02", "invalid input value for enum \"größe\": \"secret\"",
	  "invalid input value for enum \"größe\"" },

	/* Class 23 names constraints and columns, no values. */
	{ "23502",
	  "null value in column \"name\" of relation \"orders\" violates not-null constraint",
	  "null value in column \"name\" of relation \"orders\" violates not-null constraint" },
	{ "23505", "duplicate key value violates unique constraint \"orders_pkey\"",
	  "duplicate key value violates unique constraint \"orders_pkey\"" },
	{ "23514", "new row for relation \"orders\" violates check constraint \"positive\"",
	  "new row for relation \"orders\" violates check constraint \"positive\"" },

	/* Class 42 quotes tokens of the statement. */
	{ "42601", "syntax error at or near \"FROM\"", "syntax error at or near \"FROM\"" },
	{ "42601", "syntax error at or near \"'secret'\"", "syntax error at or near \"…\"" },
	{ "42601", "syntax error at or near \"12345\"", "syntax error at or near \"…\"" },
	{ "42601", "unterminated quoted string at or near \"'secret\nFROM t\"",
	  "unterminated quoted string at or near \"…\"" },
	{ "42601", "syntax error at or near \"E'secret'\"", "syntax error at or near \"…\"" },
	{ "42601", "Syntaxfehler bei »'secret'«", "syntax error" },
	{ "42601", "errore di sintassi a o presso \"'secret'\"", "syntax error" },
	{ "42601", "syntax error at end of input", "syntax error at end of input" },
	{ "42703", "column \"nme\" does not exist", "column \"nme\" does not exist" },
	{ "42883", "operator does not exist: integer = text",
	  "operator does not exist: integer = text" },

	/* What others raise. */
	{ "P0001", "patient Jane Doe is not allowed", OTHERS },
	{ "P0004", "assertion about Jane Doe", OTHERS },
	{ "38000", "ValueError: Jane Doe", OTHERS },
	{ "ZZ999", "Jane Doe", OTHERS },
	{ "HV000", "Jane Doe", OTHERS },
	{ "00000", "Jane Doe", OTHERS },
	{ "", "Jane Doe", OTHERS },
	{ NULL, "Jane Doe", OTHERS },

	/* The rest is the server's own. */
	{ "57014", "canceling statement due to statement timeout",
	  "canceling statement due to statement timeout" },
	{ "40P01", "deadlock detected", "deadlock detected" },
	{ "28P01", "password authentication failed for user \"x\"",
	  "password authentication failed for user \"x\"" },
	{ "XX000", "one\ntwo", "one" },
	{ "XX000", "parse error: secret", "parse error" },
	{ "XX002", "index \"orders_pkey\" contains unexpected zero page at block 3",
	  "index \"orders_pkey\" contains unexpected zero page at block 3" },
	{ "57014", NULL, "" },
};

static void test_messages_hold_no_values(void **state)
{
	char buffer[512];

	(void)state;
	for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
		pg_error_message(buffer, sizeof buffer, messages[i].sqlstate, messages[i].primary);
		assert_string_equal(buffer, messages[i].clean);
	}
}

static void test_long_messages_are_cut_between_characters(void **state)
{
	char buffer[8];

	(void)state;
	pg_error_message(buffer, sizeof buffer, "42703", "abcdeéé");
	assert_string_equal(buffer, "abcdeé");
	pg_error_message(buffer, sizeof buffer, "42703", "abcdefé");
	assert_string_equal(buffer, "abcdef");
}

#define AT "connection to server at \"db.example\" (10.0.0.1), port 5432 failed: "

static void test_failed_connections_have_sqlstate_and_safe_words(void **state)
{
	static const struct {
		const char *libpq, *clean, *sqlstate;
		enum error_kind kind;
	} cases[] = {
		{ AT
		  "FATAL:  28P01: password authentication failed for user \"x\"\nLOCATION:  auth.c\n",
		  "password authentication failed for user \"x\"", "28P01", ERROR_DENIED },
		{ AT "Connection refused\n\tIs the server running on that host?\n",
		  AT "Connection refused", "", ERROR_CONNECTION },
		{ AT "Connection refused\n" AT
		     "FATAL:  57P03: the database system is starting up\n",
		  "the database system is starting up", "57P03", ERROR_BUSY },
		{ "connection to server at \"a\", port 1 failed: Connection refused\n\tIs it\n" AT
		  "root certificate file \"/x/root.crt\" does not exist\nEither provide the file.\n",
		  AT "root certificate file \"…\" does not exist", "", ERROR_CONNECTION },
		{ AT "FATAL:  53300: sorry, too many clients already\n" AT "Connection refused\n",
		  "sorry, too many clients already", "53300", ERROR_BUSY },
		{ AT "FATAL:  3D000: database \"x\" does not exist\nDETAIL:  a:  12345: b\n",
		  "database \"x\" does not exist", "3D000", ERROR_STRUCTURE },
		{ "connection to server on socket \"/run/postgresql/.s.PGSQL.5432\" failed: No such file\n",
		  "connection to server on socket \"/run/postgresql/.s.PGSQL.5432\" failed: No such file",
		  "", ERROR_CONNECTION },
		{ "could not translate host name \"ss@host\" to address: unknown\n",
		  "could not translate host name \"…\" to address: unknown", "", ERROR_CONNECTION },
		{ "connection to server at \"p@ss\", port 5432 failed: no\n",
		  "connection to server at \"…\", port 5432 failed: no", "", ERROR_CONNECTION },
		{ "invalid integer value \"secret\" for connection option \"port\"\n",
		  "invalid integer value \"…\" for connection option \"…\"", "", ERROR_CONNECTION },
		{ "unterminated \"secret\n", "unterminated \"…\"", "", ERROR_CONNECTION },
		{ "", "the connection failed", "", ERROR_CONNECTION },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct error err;

		pg_error_from_connecting(&err, cases[i].libpq);
		assert_string_equal(err.message, cases[i].clean);
		assert_string_equal(err.sqlstate, cases[i].sqlstate);
		assert_int_equal(err.kind, cases[i].kind);
	}
}

static void test_lost_links_repeat_nothing_of_the_last_query(void **state)
{
	static const struct {
		const char *libpq, *clean;
	} cases[] = {
		{ "invalid socket\n", "server closed the connection" },
		{ "server closed the connection unexpectedly\n\tThis probably means\n\tbefore\n",
		  "server closed the connection unexpectedly" },
		{ "ERROR:  patient Jane Doe\nCONTEXT:  secret\nSSL SYSCALL error: EOF detected\n",
		  "SSL SYSCALL error: EOF detected" },
		{ "could not receive data from server: Connection timed out\n",
		  "could not receive data from server: Connection timed out" },
		{ "ERROR:  patient Jane Doe\n", "the connection failed" },
		{ "ERROR:  two\nJane Doe", "the connection failed" },
		{ "", "the connection failed" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct error err;

		pg_error_from_link(&err, cases[i].libpq);
		assert_string_equal(err.message, cases[i].clean);
		assert_int_equal(err.kind, ERROR_CONNECTION);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sqlstates_have_kinds),
		cmocka_unit_test(test_messages_hold_no_values),
		cmocka_unit_test(test_long_messages_are_cut_between_characters),
		cmocka_unit_test(test_failed_connections_have_sqlstate_and_safe_words),
		cmocka_unit_test(test_lost_links_repeat_nothing_of_the_last_query),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

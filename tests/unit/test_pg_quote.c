// Quoting, held against libpq's on a live connection and against what the server then reads.
#include "tests/unit/pg_rig.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"

static const char *const corpus[] = {
	"",
	"plain",
	"Upper Case",
	"select",
	"it's",
	"''",
	"'",
	"\"",
	"\"\"a\"b\"",
	"back\\slash",
	"\\",
	"\\'",
	"'\\''; DROP TABLE x; --",
	"100% %s %n",
	"a\nb\tc\r",
	"\001\177",
	"$1 $$ {name}",
	"é",
	"✓ € 𝄞",
	"\xf4\x8f\xbf\xbf",
	"\xed\x9f\xbf\xee\x80\x80",
	"ééééééééééééééééééééééééééééééé",  /* 62 bytes */
	"aééééééééééééééééééééééééééééééé", /* 63 bytes */
	"𝄞𝄞𝄞𝄞𝄞𝄞𝄞𝄞𝄞𝄞𝄞𝄞𝄞𝄞𝄞\"\"\"",	    /* 63 bytes */
};

static const char *const invalid[] = {
	"\xff",
	"\x80",
	"\xbf'",
	"\xc0\x80",
	"\xc1\xbf",
	"\xc3",
	"\xc3'",
	"\xc3\"",
	"\xe0\x80\x80",
	"\xe0\x9f\xbf",
	"\xe2\x82",
	"\xe2\x82'",
	"\xed\xa0\x80",
	"\xf0\x8f\xbf\xbf",
	"\xf0\x9f\x98",
	"\xf4\x90\x80\x80",
	"\xf5\x80\x80\x80",
	"good then \xf8\x88\x80\x80\x80",
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static PGconn *connect_to_source(void)
{
	PGconn *link = PQconnectdb(rig_server(RIG_SOURCE));

	assert_int_equal(PQstatus(link), CONNECTION_OK);
	assert_int_equal(PQsetClientEncoding(link, "UTF8"), 0);
	return link;
}

static void test_quoting_is_what_libpq_does(void **state)
{
	PGconn *link = connect_to_source();

	(void)state;
	for (size_t i = 0; i < COUNT(corpus); i++) {
		_cleanup_free_ char *identifier = pg_quote_identifier(corpus[i]);
		_cleanup_free_ char *literal = pg_quote_literal(corpus[i]);
		char *expected = PQescapeIdentifier(link, corpus[i], strlen(corpus[i]));

		assert_string_equal(identifier, expected);
		PQfreemem(expected);
		expected = PQescapeLiteral(link, corpus[i], strlen(corpus[i]));
		assert_string_equal(literal, expected);
		PQfreemem(expected);
	}
	PQfinish(link);
}

static void test_server_reads_back_what_was_quoted(void **state)
{
	static const char *const settings[] = { "SET standard_conforming_strings = on",
						"SET standard_conforming_strings = off" };
	PGconn *link = connect_to_source();

	(void)state;
	for (size_t i = 0; i < COUNT(corpus) * 2; i++) {
		const char *string = corpus[i / 2];
		_cleanup_free_ char *identifier = pg_quote_identifier(*string ? string : "x");
		_cleanup_free_ char *literal = pg_quote_literal(string);
		_cleanup_free_ char *sql = text_format("SELECT%s AS%s", literal, identifier);
		PGresult *result;

		PQclear(PQexec(link, settings[i % 2]));
		result = PQexec(link, sql);
		assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
		assert_string_equal(PQgetvalue(result, 0, 0), string);
		assert_string_equal(PQfname(result, 0), *string ? string : "x");
		PQclear(result);
	}
	PQfinish(link);
}

static void test_what_is_not_utf8_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(invalid); i++) {
		assert_null(pg_quote_identifier(invalid[i]));
		assert_null(pg_quote_literal(invalid[i]));
	}
}

static void test_quotes_are_doubled(void **state)
{
	_cleanup_free_ char *identifier = pg_quote_identifier("a\"b'c");
	_cleanup_free_ char *plain = pg_quote_literal("a\"b'c");
	_cleanup_free_ char *escaped = pg_quote_literal("a\\b'c");

	(void)state;
	assert_string_equal(identifier, "\"a\"\"b'c\"");
	assert_string_equal(plain, "'a\"b''c'");
	assert_string_equal(escaped, " E'a\\\\b''c'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quotes_are_doubled),
		cmocka_unit_test(test_what_is_not_utf8_is_refused),
		cmocka_unit_test(test_quoting_is_what_libpq_does),
		cmocka_unit_test(test_server_reads_back_what_was_quoted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// Varlink on the wire: finding messages in bytes, and taking them apart.
#include "tests/unit/testing.h"

#include <stdlib.h>
#include <string.h>

#include "common/varlink.h"

/* --- framing ---------------------------------------------------------------------------------- */

// What a splitter finds in these bytes, pushed in two pieces: messages joined by '|'.
static void split_in_two(struct text *found, const char *bytes, size_t length, size_t first)
{
	struct varlink_splitter splitter;
	const char *message;
	size_t message_length;

	varlink_splitter_init(&splitter, 100);
	for (int piece = 0; piece < 2; piece++) {
		if (piece == 0)
			varlink_splitter_push(&splitter, bytes, first);
		else
			varlink_splitter_push(&splitter, bytes + first, length - first);
		while (varlink_splitter_next(&splitter, &message, &message_length) ==
		       VARLINK_SPLIT_MESSAGE) {
			text_append_bytes(found, message, message_length);
			text_append(found, "|");
		}
	}
	varlink_splitter_done(&splitter);
}

static void test_messages_may_be_cut_anywhere(void **state)
{
	static const char bytes[] = "{\"a\":1}\0\0{\"b\":\"zwölf\"}\0unfinished";

	(void)state;
	for (size_t first = 0; first < sizeof bytes; first++) {
		_cleanup_text_ struct text found = TEXT_INIT;

		split_in_two(&found, bytes, sizeof bytes - 1, first);
		assert_string_equal(text_string(&found), "{\"a\":1}||{\"b\":\"zwölf\"}|");
	}
}

static void test_bytes_may_come_one_by_one(void **state)
{
	static const char bytes[] = "one\0two\0three";
	struct varlink_splitter splitter;
	_cleanup_text_ struct text found = TEXT_INIT;
	const char *message;
	size_t length;

	(void)state;
	varlink_splitter_init(&splitter, 5);
	for (size_t i = 0; i < sizeof bytes; i++) {
		varlink_splitter_push(&splitter, &bytes[i], 1);
		if (varlink_splitter_next(&splitter, &message, &length) == VARLINK_SPLIT_MESSAGE)
			text_appendf(&found, "%.*s|", (int)length, message);
	}
	assert_string_equal(text_string(&found), "one|two|three|");
	varlink_splitter_done(&splitter);
}

static void test_a_message_over_the_limit_is_too_large_for_good(void **state)
{
	struct varlink_splitter splitter;
	const char *message;
	size_t length;

	(void)state;
	varlink_splitter_init(&splitter, 4);
	varlink_splitter_push(&splitter, "1234", 5);
	assert_int_equal(varlink_splitter_next(&splitter, &message, &length),
			 VARLINK_SPLIT_MESSAGE);
	assert_int_equal(length, 4);
	varlink_splitter_push(&splitter, "1234", 4);
	assert_int_equal(varlink_splitter_next(&splitter, &message, &length), VARLINK_SPLIT_MORE);
	varlink_splitter_push(&splitter, "5", 1);
	assert_int_equal(varlink_splitter_next(&splitter, &message, &length),
			 VARLINK_SPLIT_TOO_LARGE);
	varlink_splitter_push(&splitter, "\0ok", 4);
	assert_int_equal(varlink_splitter_next(&splitter, &message, &length),
			 VARLINK_SPLIT_TOO_LARGE);
	varlink_splitter_done(&splitter);

	// With its end in sight, too.
	varlink_splitter_init(&splitter, 4);
	varlink_splitter_push(&splitter, "12345", 6);
	assert_int_equal(varlink_splitter_next(&splitter, &message, &length),
			 VARLINK_SPLIT_TOO_LARGE);
	varlink_splitter_done(&splitter);
}

static void test_what_was_handed_out_is_not_kept(void **state)
{
	struct varlink_splitter splitter;
	const char *message;
	size_t length;

	(void)state;
	varlink_splitter_init(&splitter, 1000);
	for (int i = 0; i < 10000; i++) {
		varlink_splitter_push(&splitter, "0123456789", 11);
		assert_int_equal(varlink_splitter_next(&splitter, &message, &length),
				 VARLINK_SPLIT_MESSAGE);
	}
	assert_in_range(splitter.bytes.capacity, 1, 1000);
	varlink_splitter_done(&splitter);

	// One large message does not make the buffer large for good.
	char *large = calloc(1, 500001);

	memset(large, 'x', 500000);
	varlink_splitter_init(&splitter, 500000);
	varlink_splitter_push(&splitter, large, 500001);
	assert_int_equal(varlink_splitter_next(&splitter, &message, &length),
			 VARLINK_SPLIT_MESSAGE);
	varlink_splitter_push(&splitter, "x", 2);
	assert_in_range(splitter.bytes.capacity, 1, 1000);
	varlink_splitter_done(&splitter);
	free(large);
}

/* --- calls ------------------------------------------------------------------------------------ */

static bool parse_call(const char *message, struct varlink_call *ret_call)
{
	struct error err = { 0 };
	bool parsed = varlink_parse_call(message, strlen(message), ret_call, &err);

	assert_int_equal(err.kind, parsed ? ERROR_NONE : ERROR_PROTOCOL);
	assert_int_equal(strlen(err.message) > 0, !parsed);
	return parsed;
}

static void test_calls_are_taken_apart(void **state)
{
	struct varlink_call call;

	(void)state;
	assert_true(parse_call("{\"method\":\"a.b.C\"}", &call));
	assert_string_equal(call.method, "a.b.C");
	assert_int_equal(json_object_size(call.parameters), 0);
	assert_false(call.more || call.oneway);
	varlink_call_done(&call);

	assert_true(parse_call(" {\"parameters\":{\"x\":[1]},\"more\":true,\"method\":\"a.b.C\","
			       "\"oneway\":false}\n",
			       &call));
	assert_int_equal(json_array_size(json_object_get(call.parameters, "x")), 1);
	assert_true(call.more);
	varlink_call_done(&call);

	assert_true(parse_call("{\"method\":\"a.b.C\",\"oneway\":true,\"parameters\":null,"
			       "\"more\":null}",
			       &call));
	assert_true(call.oneway);
	assert_int_equal(json_object_size(call.parameters), 0);
	varlink_call_done(&call);
}

static void test_what_is_no_call_is_refused(void **state)
{
	static const char *const messages[] = {
		"",
		" ",
		"{",
		"x",
		"null",
		"[]",
		"\"method\"",
		"{}",
		"{\"method\":\"\"}",
		"{\"method\":[]}",
		"{\"method\":\"a\"}{}",
		"{\"method\":\"a\",}",
		"{'method':'a'}",
		"{\"method\":\"a\",\"method\":\"b\"}",
		"{\"method\":\"a\",\"parameters\":{\"x\":1,\"x\":1}}",
		"{\"method\":\"a\",\"parameters\":[]}",
		"{\"method\":\"a\",\"parameters\":\"x\"}",
		"{\"method\":\"a\",\"more\":\"true\"}",
		"{\"method\":\"a\",\"more\":true,\"oneway\":true}",
		"{\"method\":\"a\",\"upgrade\":true}",
		"{\"method\":\"a\",\"extra\":1}",
		"{\"method\":\"a\\u0000b\"}",
		"{\"method\":\"\xc3\x28\"}",
		"{\"method\":\"a\",\"parameters\":{\"n\":1e999}}",
		"{\"method\":\"a\",\"parameters\":{\"n\":99999999999999999999}}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
		struct varlink_call call = { .method = "untouched" };

		if (parse_call(messages[i], &call))
			fail_msg("accepted: %s", messages[i]);
		assert_string_equal(call.method, "untouched");
	}
}

static void test_depth_is_bounded(void **state)
{
	(void)state;
	for (int depth = 30; depth <= 35; depth++) {
		_cleanup_text_ struct text message = TEXT_INIT;
		struct varlink_call call;

		text_append(&message, "{\"method\":\"a\",\"parameters\":");
		for (int i = 1; i < depth; i++)
			text_append(&message, "{\"p\":");
		text_append(&message, "0");
		for (int i = 0; i < depth; i++)
			text_append(&message, "}");
		assert_int_equal(parse_call(text_string(&message), &call),
				 depth <= VARLINK_DEPTH_MAX);
		if (depth <= VARLINK_DEPTH_MAX)
			varlink_call_done(&call);
	}
}

/* --- replies ---------------------------------------------------------------------------------- */

static void test_replies_are_taken_apart(void **state)
{
	struct varlink_reply reply;
	struct error err;
	static const char frame[] = "{\"parameters\":{\"n\":1},\"continues\":true}";
	static const char error[] = "{\"error\":\"a.b.E\",\"parameters\":{\"why\":\"x\"}}";

	(void)state;
	assert_true(varlink_parse_reply(frame, sizeof frame - 1, &reply, &err));
	assert_true(reply.continues);
	assert_null(reply.error);
	assert_int_equal(json_integer_value(json_object_get(reply.parameters, "n")), 1);
	varlink_reply_done(&reply);

	assert_true(varlink_parse_reply(error, sizeof error - 1, &reply, &err));
	assert_string_equal(reply.error, "a.b.E");
	assert_false(reply.continues);
	varlink_reply_done(&reply);

	assert_true(varlink_parse_reply("{}", 2, &reply, &err));
	assert_int_equal(json_object_size(reply.parameters), 0);
	varlink_reply_done(&reply);
}

static void test_what_is_no_reply_is_refused(void **state)
{
	static const char *const messages[] = {
		"",
		"[]",
		"{\"parameters\":1}",
		"{\"error\":\"a\",\"continues\":true}",
		"{\"error\":1}",
		"{\"method\":\"a\"}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
		struct varlink_reply reply;
		struct error err;

		if (varlink_parse_reply(messages[i], strlen(messages[i]), &reply, &err))
			fail_msg("accepted: %s", messages[i]);
		assert_int_equal(err.kind, ERROR_PROTOCOL);
	}
}

/* --- building --------------------------------------------------------------------------------- */

static void test_messages_are_built_as_they_are_read(void **state)
{
	_cleanup_text_ struct text out = TEXT_INIT;
	json_auto_t *parameters = json_pack("{s:s}", "session", "550e\"\n");

	(void)state;
	varlink_append_call(&out, "a.b.C", parameters, true, false);
	varlink_append_call(&out, "a.b.C", NULL, false, true);
	varlink_append_reply(&out, parameters, true);
	varlink_append_reply(&out, NULL, false);
	varlink_append_error(&out, "a.b.E", parameters);

	static const char expected[] =
		"{\"method\":\"a.b.C\",\"parameters\":{\"session\":\"550e\\\"\\n\"},"
		"\"more\":true}\0"
		"{\"method\":\"a.b.C\",\"parameters\":{},\"oneway\":true}\0"
		"{\"parameters\":{\"session\":\"550e\\\"\\n\"},\"continues\":true}\0"
		"{\"parameters\":{}}\0"
		"{\"error\":\"a.b.E\",\"parameters\":{\"session\":\"550e\\\"\\n\"}}";

	assert_int_equal(out.length, sizeof expected);
	assert_memory_equal(out.data, expected, sizeof expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages_may_be_cut_anywhere),
		cmocka_unit_test(test_bytes_may_come_one_by_one),
		cmocka_unit_test(test_a_message_over_the_limit_is_too_large_for_good),
		cmocka_unit_test(test_what_was_handed_out_is_not_kept),
		cmocka_unit_test(test_calls_are_taken_apart),
		cmocka_unit_test(test_what_is_no_call_is_refused),
		cmocka_unit_test(test_depth_is_bounded),
		cmocka_unit_test(test_replies_are_taken_apart),
		cmocka_unit_test(test_what_is_no_reply_is_refused),
		cmocka_unit_test(test_messages_are_built_as_they_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

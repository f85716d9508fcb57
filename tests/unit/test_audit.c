// What the audit keeps of calls: which records, how many, and what of what peers send.
#include "tests/unit/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/text.h"
#include "control/audit_buffer.h"
#include "control/audit_parameters.h"
#include "control/audit_users.h"

#define MANY (1 << 20)

static struct audit_buffer *make_buffer(size_t bytes, int64_t burst, int64_t a_second)
{
	return audit_buffer_new(&(struct audit_limits){ bytes, burst, a_second });
}

// Of pid 7 of uid 1000, at this second.
static struct control_record record_of(const char *method, const char *result, int64_t second)
{
	return (struct control_record){
		.uid = 1000,
		.gid = 100,
		.pid = 7,
		.method = method,
		.result = result,
		.at_us = second * 1000000,
		.ended_us = second * 1000000 + 5,
	};
}

static int64_t add(struct audit_buffer *buffer, const char *method, const char *result,
		   int64_t second)
{
	struct control_record record = record_of(method, result, second);

	return audit_buffer_add(buffer, &record, second * 1000);
}

static int64_t add_operating(struct audit_buffer *buffer, const char *method, int64_t second)
{
	struct control_record record = record_of(method, "ok", second);

	record.operates = true;
	return audit_buffer_add(buffer, &record, second * 1000);
}

// "1:Status:ok:3 …": number, method, result, times of what is taken.
static char *take(struct audit_buffer *buffer, size_t count)
{
	json_auto_t *taken = audit_buffer_take(buffer, count);
	struct text text = TEXT_INIT;
	json_t *entry;
	size_t i;

	text_append(&text, "");
	json_array_foreach(taken, i, entry) {
		const char *method = json_string_value(json_object_get(entry, "method"));

		text_separate(&text, " ");
		text_appendf(&text, "%lld:%s:%s:%lld",
			     (long long)json_integer_value(json_object_get(entry, "number")),
			     method ? method : "-",
			     json_string_value(json_object_get(entry, "result")),
			     (long long)json_integer_value(json_object_get(entry, "times")));
	}
	return text_steal(&text);
}

static void assert_takes(struct audit_buffer *buffer, const char *expected)
{
	_cleanup_free_ char *taken = take(buffer, 100);

	assert_string_equal(taken, expected);
	audit_buffer_stored(buffer);
}

/* --- counting --------------------------------------------------------------------------------- */

static void test_calls_of_a_peer_that_are_alike_are_one_record(void **state)
{
	struct audit_buffer *buffer = make_buffer(MANY, 100, 1);
	struct control_record other = record_of("a.Status", "ok", 1);

	(void)state;
	assert_int_equal(add(buffer, "a.Status", "ok", 1), 1);
	assert_int_equal(add(buffer, "a.List", "ok", 1), 2);
	assert_int_equal(add(buffer, "a.Status", "ok", 1), 1);
	assert_int_equal(add(buffer, "a.Status", "a.Denied", 1), 3);
	other.pid = 8;
	assert_int_equal(audit_buffer_add(buffer, &other, 1000), 4);
	assert_int_equal(add(buffer, "a.Status", "ok", 1), 1);
	assert_int_equal(audit_buffer_calls(buffer), 6);
	assert_takes(buffer, "1:a.Status:ok:3 2:a.List:ok:1 3:a.Status:a.Denied:1 4:a.Status:ok:1");
	audit_buffer_free(buffer);
}

static void test_those_with_other_parameters_are_not_alike(void **state)
{
	struct audit_buffer *buffer = make_buffer(MANY, 100, 1);
	struct control_record record = record_of("io.migrated.List", "ok", 1);

	(void)state;
	for (int i = 0; i < 4; i++) {
		json_auto_t *parameters = json_pack("{s:i}", "limit", i / 2 + 1);

		record.parameters = parameters;
		assert_int_equal(audit_buffer_add(buffer, &record, 1000), i / 2 + 1);
	}
	audit_buffer_free(buffer);
}

static void test_what_was_taken_or_came_before_the_window_is_not_counted_with(void **state)
{
	struct audit_buffer *buffer = make_buffer(MANY, 100, 1);

	(void)state;
	add(buffer, "a.Status", "ok", 1);
	free(take(buffer, 100));
	assert_int_equal(add(buffer, "a.Status", "ok", 1), 2);
	audit_buffer_window(buffer);
	assert_int_equal(add(buffer, "a.Status", "ok", 2), 3);
	assert_int_equal(add(buffer, "a.Status", "ok", 2), 3);
	assert_int_equal(audit_buffer_stored(buffer), 1);
	assert_takes(buffer, "2:a.Status:ok:1 3:a.Status:ok:2");
	assert_true(audit_buffer_is_empty(buffer));
	audit_buffer_free(buffer);
}

static void test_what_operates_or_goes_on_is_never_counted(void **state)
{
	struct audit_buffer *buffer = make_buffer(MANY, 100, 1);
	struct control_record begun = record_of("a.Watch", CONTROL_BEGUN, 1);

	(void)state;
	begun.ended_us = 0;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(add_operating(buffer, "a.Pause", 1), 2 * i + 1);
		assert_int_equal(audit_buffer_add(buffer, &begun, 1000), 2 * i + 2);
	}
	audit_buffer_free(buffer);
}

/* --- bounds ------------------------------------------------------------------------------------ */

static void test_above_a_users_allowance_calls_are_counted_without_being_listed(void **state)
{
	struct audit_buffer *buffer = make_buffer(MANY, 3, 1);
	struct control_record another = record_of("a.A", "ok", 1);
	static const char *const methods[] = { "a.A", "a.B", "a.C", "a.D", "a.E" };

	(void)state;
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(add(buffer, methods[i], "ok", 1), i < 3 ? (int)i + 1 : 0);
	assert_int_equal(add_operating(buffer, "a.Pause", 1), 4);
	another.uid = 1001;
	assert_int_equal(audit_buffer_add(buffer, &another, 1000), 5);
	assert_int_equal(audit_buffer_calls(buffer), 7);
	assert_takes(buffer, "1:a.A:ok:1 2:a.B:ok:1 3:a.C:ok:1 4:a.Pause:ok:1 5:a.A:ok:1 "
			     "6:-:unlisted:2");
	// One more a second later, and so much again in the long run.
	assert_int_equal(add(buffer, "a.F", "ok", 2), 7);
	assert_int_equal(add(buffer, "a.G", "ok", 2), 0);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(add(buffer, methods[i], "ok", 100) > 0, i < 3);
	audit_buffer_free(buffer);
}

static void
test_the_users_of_whom_something_is_known_are_bounded_and_none_is_taken_for_another(void **state)
{
	struct audit_buffer *buffer = make_buffer(MANY, 1, 1);
	int64_t calls = 0;

	(void)state;
	for (uid_t uid = 2000; uid < 2200; uid++)
		for (int i = 0; i < 3; i++) {
			struct control_record record = record_of(i == 0	  ? "a.A"
								 : i == 1 ? "a.B"
									  : "a.C",
								 "ok", 1);

			record.uid = uid;
			audit_buffer_add(buffer, &record, 1000);
			calls++;
		}
	assert_int_equal(audit_buffer_calls(buffer), calls);
	json_auto_t *taken = audit_buffer_take(buffer, 1000);
	json_t *entry;
	size_t i;

	json_array_foreach(taken, i, entry) {
		json_t *uid = json_object_get(entry, "uid");
		json_int_t times = json_integer_value(json_object_get(entry, "times"));

		calls -= times;
		assert_true(json_is_null(uid) || times <= 3);
	}
	assert_int_equal(calls, 0);
	audit_buffer_free(buffer);
}

static void test_memory_is_bounded_and_what_operates_has_room_of_its_own(void **state)
{
	struct audit_buffer *buffer = make_buffer(8000, MANY, MANY);
	int listed = 0, operating = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		_cleanup_free_ char *method = text_format("a.M%d", i);

		listed += add(buffer, method, "ok", 1) > 0;
	}
	for (int i = 0; i < 1000; i++)
		operating += add_operating(buffer, "a.Pause", 1) > 0;
	assert_in_range(listed, 10, 100);
	assert_in_range(operating, 3, 100);
	assert_int_equal(audit_buffer_calls(buffer), 2000);
	free(take(buffer, 1000));
	audit_buffer_stored(buffer);
	free(take(buffer, 1000));
	audit_buffer_stored(buffer);
	assert_true(audit_buffer_is_empty(buffer));
	audit_buffer_free(buffer);
}

/* --- the way to the store ---------------------------------------------------------------------- */

static void test_what_was_not_stored_is_taken_again_with_the_same_numbers(void **state)
{
	struct audit_buffer *buffer = make_buffer(MANY, 100, 1);

	(void)state;
	add(buffer, "a.A", "ok", 1);
	add(buffer, "a.B", "ok", 1);
	add(buffer, "a.C", "ok", 1);
	_cleanup_free_ char *first = take(buffer, 2);

	assert_string_equal(first, "1:a.A:ok:1 2:a.B:ok:1");
	audit_buffer_not_stored(buffer);
	add(buffer, "a.A", "ok", 1);
	assert_takes(buffer, "1:a.A:ok:1 2:a.B:ok:1 3:a.C:ok:1 4:a.A:ok:1");
	audit_buffer_free(buffer);
}

static void test_what_the_store_refuses_is_sent_without_parameters(void **state)
{
	struct audit_buffer *buffer = make_buffer(MANY, 100, 1);
	struct control_record record = record_of("io.migrated.List", "ok", 1);
	json_auto_t *parameters = json_pack("{s:i}", "limit", 3);

	(void)state;
	record.parameters = parameters;
	audit_buffer_add(buffer, &record, 1000);
	json_auto_t *with = audit_buffer_take(buffer, 10);

	assert_true(json_equal(json_object_get(json_array_get(with, 0), "parameters"), parameters));
	audit_buffer_refused(buffer);
	json_auto_t *without = audit_buffer_take(buffer, 10);

	assert_true(json_is_null(json_object_get(json_array_get(without, 0), "parameters")));
	audit_buffer_free(buffer);
}

/* --- what peers send --------------------------------------------------------------------------- */

static void assert_kept(const char *method, const char *sent, const char *expected)
{
	json_auto_t *parameters = json_loads(sent, 0, NULL);
	_cleanup_free_ char *kept = audit_parameters(method, parameters);

	if (expected == NULL)
		assert_null(kept);
	else
		assert_string_equal(kept, expected);
}

static void test_parameters_are_kept_that_the_interface_has(void **state)
{
	(void)state;
	assert_kept("io.migrated.Status", "{}", NULL);
	assert_kept("io.migrated.List", "{\"limit\":3}", "{\"limit\":3}");
	assert_kept("io.migrated.List", "{\"limit\":null}", NULL);
	assert_kept("io.migrated.Migrate", "{\"entities\":[\"a\"],\"full\":true}",
		    "{\"entities\":[\"a\"],\"full\":true}");
	assert_kept("org.varlink.service.GetInterfaceDescription", "{\"interface\":\"x\"}",
		    "{\"interface\":\"x\"}");
}

static void test_others_are_counted(void **state)
{
	(void)state;
	assert_kept("io.migrated.List", "{\"limit\":3,\"password\":\"x\",\"lim\":1}",
		    "{\"(undeclared)\":2,\"limit\":3}");
	assert_kept("io.migrated.Nothing", "{\"password\":\"x\"}", "{\"(undeclared)\":1}");
	assert_kept("io.migrated.Status", "{\"daemon_version\":\"x\"}", "{\"(undeclared)\":1}");
	assert_kept("Status", "{\"x\":1}", "{\"(undeclared)\":1}");
	assert_kept(NULL, "{\"x\":1}", "{\"(undeclared)\":1}");
}

static void test_long_values_are_measured(void **state)
{
	char value[3000];

	(void)state;
	memset(value, 'x', sizeof value - 1);
	value[sizeof value - 1] = '\0';
	_cleanup_free_ char *sent = text_format("{\"entity\":\"%s\"}", value);

	assert_kept("io.migrated.Pause", sent, "{\"entity\":\"(3,001 bytes)\"}");
}

static void test_names_of_methods_are_kept_that_can_be_names(void **state)
{
	char longer[200];

	(void)state;
	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	assert_string_equal(audit_method("io.migrated.Status"), "io.migrated.Status");
	assert_string_equal(audit_method("a-b.C_1"), "a-b.C_1");
	assert_null(audit_method(NULL));
	assert_null(audit_method(""));
	assert_null(audit_method("Anna Schmidt"));
	assert_null(audit_method("x\x1b[2J"));
	assert_null(audit_method(longer));
}

static void test_users_are_called_as_the_file_says_and_it_is_read_again(void **state)
{
	char path[] = "/tmp/test_audit.XXXXXX";
	FILE *file = fdopen(mkstemp(path), "w");
	struct audit_users *users = audit_users_new(path);

	(void)state;
	fputs("root:x:0:0::/:/bin/sh\nanna:x:1001:100:Anna:/:/bin/sh\n", file);
	fflush(file);
	assert_string_equal(audit_users_name(users, 1001), "anna");
	assert_string_equal(audit_users_name(users, 0), "root");
	assert_null(audit_users_name(users, 1002));
	fputs("otto:x:1002:100::/:/bin/sh\n", file);
	fclose(file);
	assert_string_equal(audit_users_name(users, 1002), "otto");
	unlink(path);
	assert_string_equal(audit_users_name(users, 1002), "otto");
	audit_users_free(users);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls_of_a_peer_that_are_alike_are_one_record),
		cmocka_unit_test(test_those_with_other_parameters_are_not_alike),
		cmocka_unit_test(test_what_was_taken_or_came_before_the_window_is_not_counted_with),
		cmocka_unit_test(test_what_operates_or_goes_on_is_never_counted),
		cmocka_unit_test(
			test_above_a_users_allowance_calls_are_counted_without_being_listed),
		cmocka_unit_test(
			test_the_users_of_whom_something_is_known_are_bounded_and_none_is_taken_for_another),
		cmocka_unit_test(test_memory_is_bounded_and_what_operates_has_room_of_its_own),
		cmocka_unit_test(test_what_was_not_stored_is_taken_again_with_the_same_numbers),
		cmocka_unit_test(test_what_the_store_refuses_is_sent_without_parameters),
		cmocka_unit_test(test_parameters_are_kept_that_the_interface_has),
		cmocka_unit_test(test_others_are_counted),
		cmocka_unit_test(test_long_values_are_measured),
		cmocka_unit_test(test_names_of_methods_are_kept_that_can_be_names),
		cmocka_unit_test(test_users_are_called_as_the_file_says_and_it_is_read_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

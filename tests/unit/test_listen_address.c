// Where metrics may be served: on this machine, and nowhere else.
#include "tests/unit/testing.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "config/listen_address.h"

static void test_addresses_of_this_machine_are_read(void **state)
{
	static const struct {
		const char *text;
		int family;
	} cases[] = {
		{ "127.0.0.1:9187", AF_INET },
		{ "127.8.9.10:1", AF_INET },
		{ "[::1]:65535", AF_INET6 },
		{ "unix:/run/migrated/metrics", AF_UNIX },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct listen_address address;
		struct error err = { 0 };

		if (!listen_address_read(cases[i].text, &address, &err))
			fail_msg("%s: %s", cases[i].text, err.message);
		assert_int_equal(address.address.ss_family, cases[i].family);
		assert_int_equal(address.path != NULL, cases[i].family == AF_UNIX);
	}
}

static void test_others_are_refused_with_the_reason(void **state)
{
	static const struct {
		const char *text;
		const char *reason;
	} cases[] = {
		{ "0.0.0.0:9187", "other machines" },
		{ "[::]:9187", "other machines" },
		{ "192.168.1.2:9187", "other machines" },
		{ "126.255.255.255:9187", "other machines" },
		{ "[2001:db8::1]:9187", "other machines" },
		/* It would depend on what it is mapped to. */
		{ "[::ffff:192.168.1.2]:9187", "other machines" },
		{ "localhost:9187", "no address" },
		{ ":9187", "no address" },
		{ "9187", "no address" },
		{ "127.0.0.1", "no address" },
		{ "127.0.0.1:0", "no address" },
		{ "127.0.0.1:99999", "no address" },
		{ "127.0.0.1:9187 ", "no address" },
		{ "unix:metrics", "begins with \"/\"" },
		{ "unix:", "begins with \"/\"" },
		{ "unix:/123456789012345678901234567890123456789012345678901234567890123456789012"
		  "345678901234567890123456789012345678901234567890",
		  "too long" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct listen_address address;
		struct error err = { 0 };

		if (listen_address_read(cases[i].text, &address, &err))
			fail_msg("%s is taken", cases[i].text);
		if (strstr(err.message, cases[i].reason) == NULL)
			fail_msg("%s: %s", cases[i].text, err.message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses_of_this_machine_are_read),
		cmocka_unit_test(test_others_are_refused_with_the_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

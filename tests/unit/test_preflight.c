// What the preflight concludes from versions, identities and connection strings that no test server can show.
#include "tests/unit/testing.h"

#include "verify/internal.h"

static void test_versions_are_judged_by_side(void **state)
{
	static const struct {
		enum side side;
		int version;
		enum finding_result result;
	} cases[] = {
		{ SIDE_SOURCE, 90524, FINDING_FAIL },  { SIDE_SOURCE, 90600, FINDING_PASS },
		{ SIDE_SOURCE, 100023, FINDING_PASS }, { SIDE_SOURCE, 180004, FINDING_PASS },
		{ SIDE_SOURCE, 190000, FINDING_WARN }, { SIDE_TARGET, 120022, FINDING_FAIL },
		{ SIDE_TARGET, 130000, FINDING_PASS }, { SIDE_TARGET, 190000, FINDING_WARN },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_int_equal(preflight_version_result(cases[i].side, cases[i].version),
				 cases[i].result);
}

static struct side_state side(const char *database, const char *system, const char *oid,
			      const char *started, bool recovering)
{
	return (struct side_state){
		.answered = true,
		.database = (char *)database,
		.identity = { .known = system != NULL,
			      .system = (char *)system,
			      .database = (char *)oid,
			      .started = (char *)started,
			      .recovering = recovering },
	};
}

static void test_one_database_is_told_from_two(void **state)
{
	struct side_state clinic = side("clinic", "77", "16384", "1000", false);
	struct side_state again = side("clinic", "77", "16384", "1000", false);
	struct side_state neighbour = side("other", "77", "16385", "1000", false);
	struct side_state elsewhere = side("clinic", "78", "16384", "1000", false);
	struct side_state restored = side("clinic", "77", "16384", "2000", false);
	struct side_state standby = side("clinic", "77", "16384", "2000", true);
	struct side_state secretive = side("clinic", NULL, NULL, NULL, false);
	struct side_state secretive_other = side("other", NULL, NULL, NULL, false);
	struct side_state silent = { .answered = false };

	(void)state;
	assert_int_equal(preflight_sameness(&clinic, &again), DATABASES_SAME);
	assert_int_equal(preflight_sameness(&clinic, &neighbour), DATABASES_DIFFER);
	assert_int_equal(preflight_sameness(&clinic, &elsewhere), DATABASES_DIFFER);
	assert_int_equal(preflight_sameness(&clinic, &restored), DATABASES_COPIES);
	assert_int_equal(preflight_sameness(&standby, &clinic), DATABASES_SAME);
	assert_int_equal(preflight_sameness(&clinic, &secretive), DATABASES_UNKNOWN);
	assert_int_equal(preflight_sameness(&clinic, &secretive_other), DATABASES_DIFFER);
	assert_int_equal(preflight_sameness(&clinic, &silent), DATABASES_UNKNOWN);
	assert_int_equal(preflight_sameness(&silent, &silent), DATABASES_UNKNOWN);
}

static void test_a_port_is_found_in_every_form_of_a_connection_string(void **state)
{
	static const struct {
		const char *conninfo;
		bool named;
	} cases[] = {
		{ "host=a port=6543 dbname=b", true },
		{ "host='a' port = '6543'", true },
		{ "host=a,b port=5432,6543", true },
		{ "postgresql://u:p@a:6543/b", true },
		{ "host=a port=5432", false },
		{ "host=a port=16543", false },
		{ "host=a port=65432", false },
		{ "host=6543 dbname=6543", false },
		{ "host=a", false },
		{ "no connection string", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		if (preflight_names_port(cases[i].conninfo, "6543") != cases[i].named)
			fail_msg("%s", cases[i].conninfo);
}

static void test_the_same_finding_is_told_once(void **state)
{
	struct finding_list list = { 0 };

	(void)state;
	finding_add(&list, "indexes", "public.orders", FINDING_WARN, "CREATE INDEX", "no index");
	finding_add(&list, "indexes", "public.orders", FINDING_WARN, "CREATE INDEX", "no index");
	finding_add(&list, "indexes", "public.orders", FINDING_WARN, NULL, "another");
	finding_add(&list, "indexes", "public.cases", FINDING_WARN, NULL, "no index");
	assert_int_equal(list.count, 3);
	assert_string_equal(list.findings[0].action, "CREATE INDEX");
	assert_null(list.findings[1].action);
	assert_string_equal(finding_result_name(list.findings[2].result), "warn");
	finding_list_done(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_versions_are_judged_by_side),
		cmocka_unit_test(test_one_database_is_told_from_two),
		cmocka_unit_test(test_a_port_is_found_in_every_form_of_a_connection_string),
		cmocka_unit_test(test_the_same_finding_is_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// The manual and the sample configuration say what the table of settings says.
#include "tests/unit/testing.h"

#include <stdio.h>
#include <string.h>

#include "common/text.h"
#include "config/conninfo.h"
#include "config/settings.h"

#ifndef SOURCE_DIR
#define SOURCE_DIR "."
#endif

/* The whole file; the caller frees. */
static char *read_source(const char *name)
{
	_cleanup_free_ char *path = text_format("%s/%s", SOURCE_DIR, name);
	FILE *stream = fopen(path, "r");
	struct text text = TEXT_INIT;
	char buffer[4096];

	if (!stream)
		fail_msg("cannot read %s", path);
	for (size_t length; (length = fread(buffer, 1, sizeof buffer, stream)) > 0;)
		text_append_bytes(&text, buffer, length);
	fclose(stream);
	return text_steal(&text);
}

static const char *default_of(const struct setting *setting)
{
	if (!setting->default_value)
		return "none";
	return setting->default_value[0] ? setting->default_value : "empty";
}

/* Every row has its ".It Cm key" in the manual, with its default and its variable; and the manual
 * has no others. */
static void test_manual_has_every_setting(void **state)
{
	_cleanup_free_ char *manual = read_source("daemon/migrated.json.5");

	(void)state;
	for (size_t i = 0; i < setting_count; i++) {
		const struct setting *setting = &setting_table[i];
		_cleanup_free_ char *item = text_format(".It Cm %s.%s\n", setting->section,
							setting->key);
		_cleanup_free_ char *default_value = text_format("Default: %s.",
								 default_of(setting));
		_cleanup_free_ char *variable = text_format(".Ev %s", setting->variable
									      ? setting->variable
									      : "");
		const char *start = strstr(manual, item);

		if (!start)
			fail_msg("the manual has no \"%s\"", item);
		const char *next = strstr(start + strlen(item) - 1, "\n.It ");
		_cleanup_free_ char *entry = text_format(
			"%.*s", (int)((next ? next : start + strlen(start)) - start), start);

		if (!strstr(entry, default_value))
			fail_msg("the manual does not say \"%s\" of %s", default_value,
				 setting->key);
		if (setting->variable && !strstr(entry, variable))
			fail_msg("the manual does not say \"%s\" of %s", variable, setting->key);
	}
}

/* When a change counts, where it is not as of most. */
static void test_manual_says_when_a_change_counts(void **state)
{
	static const char *const words[] = {
		[EFFECT_NEXT] = NULL,
		[EFFECT_AT_ONCE] = "Counts at once.",
		[EFFECT_RESTART] = "Counts when the daemon starts again.",
	};
	_cleanup_free_ char *manual = read_source("daemon/migrated.json.5");

	(void)state;
	for (size_t i = 0; i < setting_count; i++) {
		const struct setting *setting = &setting_table[i];
		_cleanup_free_ char *item = text_format(".It Cm %s.%s\n", setting->section,
							setting->key);
		const char *start = strstr(manual, item);
		const char *next = start ? strstr(start + 1, "\n.It ") : NULL;
		_cleanup_free_ char *entry = next ? text_format("%.*s", (int)(next - start), start)
						  : text_copy("");

		for (size_t effect = 0; effect < sizeof words / sizeof words[0]; effect++)
			if (words[effect] &&
			    (strstr(entry, words[effect]) != NULL) != (setting->effect == effect))
				fail_msg("\"%s\" is not said, or wrong, of %s", words[effect],
					 item);
	}
}

static void test_manual_has_no_setting_that_is_none(void **state)
{
	_cleanup_free_ char *manual = read_source("daemon/migrated.json.5");
	size_t items = 0;

	(void)state;
	for (const char *item = manual; (item = strstr(item, "\n.It Cm ")); item++) {
		char section[64] = "", key[64] = "";

		if (sscanf(item, "\n.It Cm %63[a-z].%63[a-z_]", section, key) != 2)
			continue;
		if (!setting_find(section, key))
			fail_msg("the manual has %s.%s, which is no setting", section, key);
		items++;
	}
	assert_int_equal(items, setting_count);
}

static void test_manual_has_the_variables_of_a_connection(void **state)
{
	_cleanup_free_ char *manual = read_source("daemon/migrated.json.5");

	(void)state;
	for (size_t i = 0; i < conninfo_override_count; i++) {
		_cleanup_free_ char *source = text_format("Ev SOURCE_DB_%s",
							  conninfo_overrides[i].suffix);
		_cleanup_free_ char *target = text_format("Ev TARGET_DB_%s",
							  conninfo_overrides[i].suffix);

		if (!strstr(manual, source) || !strstr(manual, target))
			fail_msg("the manual lacks %s or %s", source, target);
	}
}

/* The sample holds every setting, each with its default. */
static void test_sample_has_every_setting(void **state)
{
	json_auto_t *root = json_load_file(SOURCE_DIR "/etc/migrated.json", JSON_REJECT_DUPLICATES,
					   NULL);
	struct problem_list said = { 0 };
	struct settings sample, defaults;

	(void)state;
	assert_non_null(root);
	settings_load(&sample, "f", root, NULL, &said, &said);
	assert_int_equal(said.count, 0);
	settings_load(&defaults, "f", NULL, NULL, &said, &said);
	for (size_t i = 0; i < setting_count; i++) {
		const struct setting *setting = &setting_table[i];
		_cleanup_free_ char *value = setting_format(setting, &sample);
		_cleanup_free_ char *default_value = setting_format(setting, &defaults);

		if (!json_object_get(json_object_get(root, setting->section), setting->key))
			fail_msg("etc/migrated.json has no %s.%s", setting->section, setting->key);
		assert_string_equal(value, default_value);
	}
	settings_done(&sample);
	settings_done(&defaults);
	problem_list_done(&said);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_manual_has_every_setting),
		cmocka_unit_test(test_manual_says_when_a_change_counts),
		cmocka_unit_test(test_manual_has_no_setting_that_is_none),
		cmocka_unit_test(test_manual_has_the_variables_of_a_connection),
		cmocka_unit_test(test_sample_has_every_setting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

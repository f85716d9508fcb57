// See shown.h.
#include "tests/unit/shown.h"

#include <string.h>

#include "common/text.h"

json_t *reply_of(const char *json)
{
	_cleanup_free_ char *quoted = text_copy(json);
	json_error_t problem;

	for (char *at = quoted; (at = strchr(at, '\''));)
		*at = '"';
	json_t *reply = json_loads(quoted, JSON_REJECT_DUPLICATES, &problem);

	if (!reply)
		fail_msg("%s at %d", problem.text, problem.position);
	return reply;
}

void assert_shown(const struct look *look, const char *verb, const char *json,
		  const struct arguments *given, const char *golden)
{
	static const struct arguments none;
	const struct view *view = view_by_verb(verb);
	_cleanup_text_ struct text out = TEXT_INIT;
	json_auto_t *reply = reply_of(json);

	view->print(look, &out, reply, given ? given : &none);
	assert_golden(golden, text_string(&out));
}

enum exit_status judged(const char *verb, const char *json)
{
	json_auto_t *reply = reply_of(json);

	return view_by_verb(verb)->judge(reply);
}

/*
 * See beside.h. A connection a question: it is opened when one is asked, and closed with its answer.
 */
#include "ctl/beside.h"

#define PATIENCE_MS 15000

int beside_fd(const struct beside *beside)
{
	return beside->is_open ? beside->client.fd : -1;
}

void beside_done(struct beside *beside)
{
	if (beside->is_open)
		client_done(&beside->client);
	beside->is_open = false;
}

bool beside_ask(struct beside *beside, int what, const char *method, json_t *parameters,
		struct failure *failure)
{
	beside->is_open = true;
	beside->what = what;
	if (client_open(&beside->client, beside->path, PATIENCE_MS, failure) &&
	    client_send(&beside->client, method, parameters, false, failure))
		return true;
	beside_done(beside);
	return false;
}

enum beside_result beside_look(struct beside *beside, json_t **ret_reply, struct failure *failure)
{
	struct varlink_reply reply;

	if (!beside->is_open)
		return BESIDE_NOTHING;
	switch (client_receive(&beside->client, 0, &reply, failure)) {
	case CLIENT_REPLY:
		*ret_reply = json_incref(reply.parameters);
		varlink_reply_done(&reply);
		beside_done(beside);
		return BESIDE_ANSWERED;
	case CLIENT_FAILED:
		beside_done(beside);
		return BESIDE_FAILED;
	default:
		return BESIDE_NOTHING;
	}
}

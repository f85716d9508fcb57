/*
 * Framing, parsing and building of Varlink messages (https://varlink.org/Method-Call).
 */
#include "common/varlink.h"

#include <string.h>

/* Of an empty buffer: one large message is no reason to keep it large. */
#define KEPT_MAX ((size_t)64 * 1024)

/* --- framing ---------------------------------------------------------------------------------- */

void varlink_splitter_init(struct varlink_splitter *splitter, size_t limit)
{
	*splitter = (struct varlink_splitter){ .limit = limit };
}

void varlink_splitter_done(struct varlink_splitter *splitter)
{
	text_done(&splitter->bytes);
}

void varlink_splitter_push(struct varlink_splitter *splitter, const void *bytes, size_t length)
{
	struct text *kept = &splitter->bytes;

	if (splitter->begin > 0) {
		kept->length -= splitter->begin;
		memmove(kept->data, kept->data + splitter->begin, kept->length);
		splitter->begin = 0;
	}
	if (kept->length == 0 && kept->capacity > KEPT_MAX)
		text_done(kept);
	text_append_bytes(kept, bytes, length);
}

enum varlink_split varlink_splitter_next(struct varlink_splitter *splitter,
					 const char **ret_message, size_t *ret_length)
{
	size_t available = splitter->bytes.length - splitter->begin;
	size_t searched = splitter->searched;

	if (available == 0)
		return VARLINK_SPLIT_MORE;
	const char *message = splitter->bytes.data + splitter->begin;
	const char *end = memchr(message + searched, '\0', available - searched);
	size_t length = end ? (size_t)(end - message) : available;

	if (length > splitter->limit)
		return VARLINK_SPLIT_TOO_LARGE;
	if (!end) {
		splitter->searched = available;
		return VARLINK_SPLIT_MORE;
	}
	splitter->begin += length + 1;
	splitter->searched = 0;
	*ret_message = message;
	*ret_length = length;
	return VARLINK_SPLIT_MESSAGE;
}

/* --- parsing ---------------------------------------------------------------------------------- */

static bool is_deeper(json_t *json, int levels)
{
	const char *key;
	json_t *member;
	size_t i;

	if (!json_is_object(json) && !json_is_array(json))
		return false;
	if (levels == 0)
		return true;
	json_object_foreach(json, key, member)
		if (is_deeper(member, levels - 1))
			return true;
	json_array_foreach(json, i, member)
		if (is_deeper(member, levels - 1))
			return true;
	return false;
}

/* One object of tolerable depth, without duplicate keys; NULL otherwise. The bytes are not repeated
   in the error: they may be anything. */
static json_t *parse_object(const char *bytes, size_t length, struct error *err)
{
	json_error_t problem;
	json_t *message = json_loadb(bytes, length, JSON_REJECT_DUPLICATES, &problem);

	if (!message)
		error_set(err, ERROR_PROTOCOL, "a message is not valid JSON (at byte %d)",
			  problem.position);
	else if (!json_is_object(message))
		error_set(err, ERROR_PROTOCOL, "a message is not a JSON object");
	else if (is_deeper(message, VARLINK_DEPTH_MAX))
		error_set(err, ERROR_PROTOCOL, "a message is nested deeper than %d levels",
			  VARLINK_DEPTH_MAX);
	else
		return message;
	json_decref(message);
	return NULL;
}

enum member_type { MEMBER_STRING, MEMBER_OBJECT, MEMBER_BOOL };

/* A member that a message may have, and where it goes. Null counts as absent: several
   implementations write what they do not set. */
struct member {
	const char *name;
	enum member_type type;
	void *ret; /* const char **, json_t ** or bool *, set only when the member is there */
};

static bool take_member(const struct member *member, json_t *value)
{
	switch (member->type) {
	case MEMBER_STRING:
		if (!json_is_string(value) || json_string_length(value) == 0)
			return false;
		*(const char **)member->ret = json_string_value(value);
		return true;
	case MEMBER_OBJECT:
		if (!json_is_object(value))
			return false;
		*(json_t **)member->ret = value;
		return true;
	case MEMBER_BOOL:
		if (!json_is_boolean(value))
			return false;
		*(bool *)member->ret = json_is_true(value);
		return true;
	}
	return false;
}

static const struct member *find_member(const struct member *members, const char *name)
{
	while (members->name && strcmp(members->name, name) != 0)
		members++;
	return members->name ? members : NULL;
}

static bool take_members(json_t *message, const struct member *members, struct error *err)
{
	const char *key;
	json_t *value;

	json_object_foreach(message, key, value) {
		const struct member *member = find_member(members, key);

		if (!member)
			return error_set(err, ERROR_PROTOCOL, "a message has an unknown member");
		if (!json_is_null(value) && !take_member(member, value))
			return error_set(err, ERROR_PROTOCOL,
					 "\"%s\" of a message has the wrong type", member->name);
	}
	return true;
}

/* Absent parameters are {}, which then belongs to the message like any others. */
static json_t *parameters_of(json_t *message, json_t *parameters)
{
	if (parameters)
		return parameters;
	json_object_set_new(message, "parameters", json_object());
	return json_object_get(message, "parameters");
}

bool varlink_parse_call(const char *bytes, size_t length, struct varlink_call *ret_call,
			struct error *err)
{
	json_auto_t *message = parse_object(bytes, length, err);
	struct varlink_call call = { 0 };
	bool upgrade = false;
	const struct member members[] = {
		{ "method", MEMBER_STRING, &call.method },
		{ "parameters", MEMBER_OBJECT, &call.parameters },
		{ "more", MEMBER_BOOL, &call.more },
		{ "oneway", MEMBER_BOOL, &call.oneway },
		{ "upgrade", MEMBER_BOOL, &upgrade },
		{ NULL, 0, NULL },
	};

	if (!message || !take_members(message, members, err))
		return false;
	if (!call.method)
		return error_set(err, ERROR_PROTOCOL, "a call names no method");
	if (call.more && call.oneway)
		return error_set(err, ERROR_PROTOCOL, "a call wants both more replies and none");
	if (upgrade)
		return error_set(err, ERROR_PROTOCOL, "a call wants to upgrade its connection");
	call.parameters = parameters_of(message, call.parameters);
	call.message = json_incref(message);
	*ret_call = call;
	return true;
}

void varlink_call_done(struct varlink_call *call)
{
	json_decref(call->message);
	*call = (struct varlink_call){ 0 };
}

bool varlink_parse_reply(const char *bytes, size_t length, struct varlink_reply *ret_reply,
			 struct error *err)
{
	json_auto_t *message = parse_object(bytes, length, err);
	struct varlink_reply reply = { 0 };
	const struct member members[] = {
		{ "error", MEMBER_STRING, &reply.error },
		{ "parameters", MEMBER_OBJECT, &reply.parameters },
		{ "continues", MEMBER_BOOL, &reply.continues },
		{ NULL, 0, NULL },
	};

	if (!message || !take_members(message, members, err))
		return false;
	if (reply.error && reply.continues)
		return error_set(err, ERROR_PROTOCOL, "an error claims that more replies follow");
	reply.parameters = parameters_of(message, reply.parameters);
	reply.message = json_incref(message);
	*ret_reply = reply;
	return true;
}

void varlink_reply_done(struct varlink_reply *reply)
{
	json_decref(reply->message);
	*reply = (struct varlink_reply){ 0 };
}

/* --- building --------------------------------------------------------------------------------- */

static int append_piece(const char *bytes, size_t length, void *text)
{
	text_append_bytes(text, bytes, length);
	return 0;
}

/* Steals the message. */
static void append_message(struct text *out, json_t *message)
{
	json_dump_callback(message, append_piece, out, JSON_COMPACT | JSON_REAL_PRECISION(15));
	text_append_bytes(out, "", 1);
	json_decref(message);
}

static json_t *borrow_parameters(json_t *parameters)
{
	return parameters ? json_incref(parameters) : json_object();
}

void varlink_append_call(struct text *out, const char *method, json_t *parameters, bool more,
			 bool oneway)
{
	json_t *message = json_object();

	json_object_set_new(message, "method", json_string(method));
	json_object_set_new(message, "parameters", borrow_parameters(parameters));
	if (more)
		json_object_set_new(message, "more", json_true());
	if (oneway)
		json_object_set_new(message, "oneway", json_true());
	append_message(out, message);
}

void varlink_append_reply(struct text *out, json_t *parameters, bool continues)
{
	json_t *message = json_object();

	json_object_set_new(message, "parameters", borrow_parameters(parameters));
	if (continues)
		json_object_set_new(message, "continues", json_true());
	append_message(out, message);
}

void varlink_append_error(struct text *out, const char *error_name, json_t *parameters)
{
	json_t *message = json_object();

	json_object_set_new(message, "error", json_string(error_name));
	json_object_set_new(message, "parameters", borrow_parameters(parameters));
	append_message(out, message);
}

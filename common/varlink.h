/*
 * Varlink as it stands on the wire: JSON objects, each ended by a NUL byte.
 *
 * Finds the messages in a stream of bytes, takes calls and replies apart and puts them together.
 * What comes from outside is bounded in length and depth and must be exactly what the protocol
 * says: anything else is ERROR_PROTOCOL, after which the stream is worth nothing. Sockets are for
 * those who use this.
 */
#ifndef COMMON_VARLINK_H
#define COMMON_VARLINK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/text.h"

#define VARLINK_REQUEST_MAX ((size_t)1024 * 1024)
#define VARLINK_REPLY_MAX ((size_t)64 * 1024 * 1024)
#define VARLINK_DEPTH_MAX 32

/* Finds messages in bytes that come in pieces of any size. */
struct varlink_splitter {
	struct text bytes;
	size_t begin;	 /* of the first message not yet handed out */
	size_t searched; /* bytes from `begin` on that are known to hold no NUL */
	size_t limit;	 /* of one message */
};

void varlink_splitter_init(struct varlink_splitter *splitter, size_t limit);
void varlink_splitter_done(struct varlink_splitter *splitter);
void varlink_splitter_push(struct varlink_splitter *splitter, const void *bytes, size_t length);

enum varlink_split {
	VARLINK_SPLIT_MESSAGE,
	VARLINK_SPLIT_MORE, /* no whole message is there: push more bytes */
	VARLINK_SPLIT_TOO_LARGE,
};

/* The next whole message, without its NUL; borrowed until the next push. The outputs are set only
   with VARLINK_SPLIT_MESSAGE. VARLINK_SPLIT_TOO_LARGE is for good. */
enum varlink_split varlink_splitter_next(struct varlink_splitter *splitter,
					 const char **ret_message, size_t *ret_length);

/* What somebody asks. It is one parsed message; the rest points into it. */
struct varlink_call {
	json_t *message;
	const char *method;
	json_t *parameters; /* an object, never NULL */
	bool more;
	bool oneway;
};

_warn_unused_ bool varlink_parse_call(const char *bytes, size_t length,
				      struct varlink_call *ret_call, struct error *err);
void varlink_call_done(struct varlink_call *call);

/* What is answered; `error` is NULL, or the name of an error whose parameters these are. */
struct varlink_reply {
	json_t *message;
	const char *error;
	json_t *parameters; /* an object, never NULL */
	bool continues;
};

_warn_unused_ bool varlink_parse_reply(const char *bytes, size_t length,
				       struct varlink_reply *ret_reply, struct error *err);
void varlink_reply_done(struct varlink_reply *reply);

/* These append one whole message, its NUL included. `parameters` is borrowed; NULL is {}. */
void varlink_append_call(struct text *out, const char *method, json_t *parameters, bool more,
			 bool oneway);
void varlink_append_reply(struct text *out, json_t *parameters, bool continues);
void varlink_append_error(struct text *out, const char *error_name, json_t *parameters);

#endif

// Any bytes as a Varlink stream, cut into pieces of any size: no crash, and what is accepted comes
// back as it was.
//
//   clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -I. tests/fuzz/fuzz_varlink.c
//       common/varlink.c common/text.c common/error.c -ljansson -o /tmp/fuzz_varlink
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/varlink.h"

#define LIMIT 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// A call that was accepted, built anew and taken apart again, says the same.
static void check_call(const char *bytes, size_t length)
{
	_cleanup_text_ struct text built = TEXT_INIT;
	struct varlink_call call, again;
	struct error err;

	if (!varlink_parse_call(bytes, length, &call, &err)) {
		if (err.kind != ERROR_PROTOCOL || !err.message[0])
			abort();
		return;
	}
	varlink_append_call(&built, call.method, call.parameters, call.more, call.oneway);
	if (!varlink_parse_call(built.data, built.length - 1, &again, &err))
		abort();
	if (strcmp(call.method, again.method) != 0 || call.more != again.more ||
	    call.oneway != again.oneway)
		abort();
	varlink_call_done(&call);
	varlink_call_done(&again);
}

static void check_reply(const char *bytes, size_t length)
{
	struct varlink_reply reply;
	struct error err;

	if (!varlink_parse_reply(bytes, length, &reply, &err))
		return;
	if (!json_is_object(reply.parameters))
		abort();
	varlink_reply_done(&reply);
}

// The first byte says how long the pieces are.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct varlink_splitter splitter;
	const char *message;
	size_t length, piece = size > 0 ? (size_t)data[0] + 1 : 1;

	varlink_splitter_init(&splitter, LIMIT);
	for (size_t at = 1; at < size; at += piece) {
		varlink_splitter_push(&splitter, data + at, size - at < piece ? size - at : piece);
		while (varlink_splitter_next(&splitter, &message, &length) ==
		       VARLINK_SPLIT_MESSAGE) {
			if (length > LIMIT)
				abort();
			check_call(message, length);
			check_reply(message, length);
		}
	}
	varlink_splitter_done(&splitter);
	return 0;
}

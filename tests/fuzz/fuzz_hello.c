// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Any bytes as Jitney header and hello body: no read outside of them, and what
 * is accepted is all of it sound.
 */
#include <stdlib.h>

#include <jitney/env_user.h>
#include <jitney/hello.h>

#define MUST(x)                  \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct jt_hello_address a;
	struct jt_frame_header h;
	struct jt_hello hello;
	uint8_t *body;
	uint32_t i;

	if (size < sizeof(h) || size - sizeof(h) > 65535)
		return 0;
	memcpy(&h, data, sizeof(h));
	/* As the uplink program has checked it; the body ends where its memory ends. */
	h.length = htons((uint16_t)(size - sizeof(h)));
	body = malloc(size - sizeof(h) ? size - sizeof(h) : 1);
	MUST(body);
	memcpy(body, data + sizeof(h), size - sizeof(h));
	if (jt_hello_read(&h, body, &hello)) {
		MUST(strnlen(hello.name, JT_NAME_SIZE) < JT_NAME_SIZE);
		for (i = 0; i < ntohs(hello.addresses); i++) {
			a = jt_hello_address(body, i);
			MUST(jt_address_size(ntohs(a.family)) && !a.zero);
		}
	}
	free(body);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Any records: walk and build. Whatever is accepted is a packet that a sender
 * could have taken aboard, and says the same when it is encoded again.
 */
#include <stdint.h>
#include "../common/fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool what)
{
	if (!what)
		abort();
}

static void encode_again(const struct jt_found *m, const struct packet *p)
{
	struct jt_peer peer = { .head = FIXTURE_HEAD, .limit = 4096 };
	struct jt_parsed parsed;
	__u8 bytes[JT_TEMPLATE_MAX + JT_RECORD_HEAD];
	__u16 check = m->check;
	__u32 head;

	require(!packet_parse(p->bytes, p->length, &parsed));
	require(parsed.template_size == m->template_size);
	require(parsed.length == m->length);
	require(p->length == parsed.payload + parsed.length);
	head = jt_template_write(bytes, &parsed.key.header, (uint32_t)parsed.template_size, 1);
	memcpy(bytes, &head, sizeof(head));
	require(!memcmp(bytes + JT_RECORD_HEAD, m->bytes, m->template_size));
	require(parsed.check == check);
	if (m->length <= JT_RECORD_MAX - 3)
		require(jt_message_fits(&parsed, &peer));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *payload = data;
	struct jt_found m;
	struct jt_walk w;
	struct packet p;
	int err;

	if (size > 4096)
		return 0;
	jt_walk_init(&w, data, size);
	while ((err = jt_walk_next(&w, &m)) > 0) {
		require(m.payload >= payload && m.payload + m.length <= data + size);
		payload = m.payload + m.length;
		packet_rebuild(&p, &m, 0);
		/* Tunnels are not sent, but do no harm here. */
		if (m.bytes[0] != JT_TEMPLATE_ETHERNET &&
		    jt_port_is_tunnel(((const __u16 *)(m.bytes + JT_TEMPLATE_BASE))[1]))
			continue;
		encode_again(&m, &p);
	}
	require(err == 0 || (err <= -JT_REASON_RECORD_SHORT && err >= -JT_REASON_MESSAGE_BAD));
	require(!jt_walk_next(&w, &m));
	return 0;
}

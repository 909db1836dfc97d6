// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Any packet, sent twice: parse, organize, walk, build. What is taken aboard
 * must be sound at the receiver and be the packet that was sent.
 */
#include <stdint.h>
#include "../common/fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool what)
{
	if (!what)
		abort();
}

/* The sent packet's bytes that may differ: an IPv4 header's ID and check, UDP's check. */
static void compare(const uint8_t *sent, const struct packet *got, const struct jt_parsed *parsed)
{
	struct jt_parsed again;

	require(got->length == parsed->payload + parsed->length);
	require(!packet_parse(got->bytes, got->length, &again));
	require(!memcmp(&again.key, &parsed->key, sizeof(again.key)));
	require(again.length == parsed->length && again.payload == parsed->payload);
	require(!memcmp(got->bytes + again.payload, sent + parsed->payload, parsed->length));
	if (parsed->check != (__u16)parsed->pseudo)
		require(again.check == parsed->check);
	else if (parsed->pseudo)
		require(again.check); /* completed */
}

static void receive(struct fixture *f, const uint8_t *sent, const struct jt_parsed *parsed)
{
	__u64 word = jt_extent_seal(f->page.extents, JT_EPOCH(f->page.extents[0].word));
	__u32 length = jt_extent_reserved(word, FIXTURE_HEAD), found = 0;
	struct packet got;
	struct jt_found m;
	struct jt_walk w;
	int err;

	require(jt_extent_settled(f->page.extents, word, FIXTURE_HEAD));
	jt_walk_init(&w, jt_page_frame(&f->page, 0) + FIXTURE_HEAD, length);
	while ((err = jt_walk_next(&w, &m)) > 0) {
		packet_rebuild(&got, &m, 0);
		compare(sent, &got, parsed);
		found++;
	}
	require(!err && found == JT_COMMITTED_MESSAGES(f->page.extents[0].committed));
}

static void carry(const uint8_t *data, size_t size)
{
	struct jt_flow flow = {};
	struct jt_parsed parsed;
	struct fixture f;
	int reason = packet_parse(data, (__u32)size, &parsed), i;

	require(reason >= 0 && reason < JT_REASON_COUNT);
	if (reason)
		return;
	require(parsed.payload + parsed.length <= size);
	fixture_init(&f, 2, 2, 4);
	for (i = 0; i < 2; i++) {
		reason = page_board(&f.page, data, (__u32)size, &flow, f.peers, 0);
		require(reason == JT_ABOARD || reason == JT_REASON_TOO_LARGE);
		if (reason)
			break;
	}
	if (!reason)
		receive(&f, data, &parsed);
	fixture_free(&f);
}

/* The same with lengths that agree, which random bytes seldom do. */
static void mend(uint8_t *packet, size_t size)
{
	uint8_t *ip = packet + (get16(packet + 12) == 0x8100 ? 18 : 14);
	size_t length = size - (size_t)(ip - packet);

	if (size < 62)
		return;
	packet[0] &= 0xfe;
	packet[6] &= 0xfe;
	if (ip[0] >> 4 == 4) {
		put16(ip - 2, 0x0800);
		put16(ip + 2, (__u32)length);
		put16(ip + 24, (__u32)length - 20);
	} else {
		put16(ip - 2, 0x86dd);
		put16(ip + 4, (__u32)length - 40);
		if (length >= 48)
			put16(ip + 44, (__u32)length - 40);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *mended;

	carry(data, size);
	if (size < 20)
		return 0;
	mended = exact_copy(data, size);
	mend(mended, size);
	carry(mended, size);
	free(mended);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* jt_parse(): every reason, every vector cut at every length and with bits flipped. */
#include "unit.h"
#include "../common/fixture.h"
#include "../common/vectors.h"

static int parse_exact(const void *bytes, __u32 length, struct jt_parsed *out)
{
	__u8 *copy = exact_copy(bytes, length);
	int reason = packet_parse(copy, length, out);

	free(copy);
	return reason;
}

static void test_vectors(void **state)
{
	struct jt_parsed parsed;
	struct packet p;
	int reason;
	size_t i;

	(void)state;
	for (i = 0; i < VECTORS; i++) {
		vector_make(&p, &vectors[i]);
		reason = parse_exact(p.bytes, p.length, &parsed);
		if (reason != vectors[i].reason)
			print_error("vector \"%s\"\n", vectors[i].name);
		assert_string_equal(jt_reasons[reason].name, jt_reasons[vectors[i].reason].name);
		if (!reason)
			assert_true(parsed.payload + parsed.length <= p.length);
	}
}

static void test_fields_of_udp4(void **state)
{
	const struct packet_spec s = { .family = 4,
				       .vlan = true,
				       .tci = 0x600a,
				       .tos = 0xb8,
				       .ttl = 7,
				       .frag = 0x4000,
				       .length = 11,
				       .source_port = 1111,
				       .dest_port = 2222 };
	struct jt_parsed parsed;
	const struct jt_template *t = &parsed.key.header;
	struct packet p;

	(void)state;
	packet_make(&p, &s);
	assert_int_equal(packet_parse(p.bytes, p.length, &parsed), JT_ABOARD);
	assert_int_equal(t->kind, JT_TEMPLATE_UDP4);
	assert_int_equal(t->flags, JT_TEMPLATE_VLAN | JT_TEMPLATE_DF);
	assert_int_equal(t->tos, 0xb8);
	assert_int_equal(t->ttl, 7);
	assert_memory_equal(t->dest_mac, p.bytes, 6);
	assert_memory_equal(t->source_mac, p.bytes + 6, 6);
	assert_memory_equal(&t->vlan, "\x60\x0a\0\0", 4);
	assert_memory_equal(&t->u, p.bytes + 38, 4);
	assert_memory_equal(&t->u.udp4.source, p.bytes + 30, 8);
	assert_int_equal(parsed.template_size, 32);
	assert_int_equal(parsed.payload, 46);
	assert_int_equal(parsed.length, 11);
	assert_memory_equal(&parsed.check, p.bytes + 44, 2);
}

static void test_fields_of_udp6(void **state)
{
	const struct packet_spec s = {
		.family = 6, .tos = 0x2e, .ttl = 3, .length = 6, .flow_label = 0xfedcb
	};
	struct jt_parsed parsed;
	const struct jt_template *t = &parsed.key.header;
	struct packet p;

	(void)state;
	packet_make(&p, &s);
	assert_int_equal(packet_parse(p.bytes, p.length, &parsed), JT_ABOARD);
	assert_int_equal(t->kind, JT_TEMPLATE_UDP6);
	assert_int_equal(t->flags, 0);
	assert_int_equal(t->tos, 0x2e);
	assert_int_equal(t->ttl, 3);
	assert_memory_equal(&t->u.udp6.flow_label, "\0\x0f\xed\xcb", 4);
	assert_memory_equal(t->u.udp6.source, p.bytes + 22, 32);
	assert_int_equal(parsed.template_size, 56);
	assert_int_equal(parsed.payload, 62);
	assert_int_equal(parsed.length, 6);
}

static void test_fields_of_icmp(void **state)
{
	const struct packet_spec s = { .family = 4,
				       .protocol = 1,
				       .length = 40,
				       .first = 8,
				       .tos = 9,
				       .frag = 0x4000,
				       .trailer = 5 };
	struct jt_parsed parsed;
	struct packet p;

	(void)state;
	packet_make(&p, &s);
	assert_int_equal(packet_parse(p.bytes, p.length, &parsed), JT_ABOARD);
	assert_int_equal(parsed.key.header.kind, JT_TEMPLATE_ETHERNET);
	assert_int_equal(parsed.key.header.flags, 0);
	assert_int_equal(parsed.key.header.tos, 0);
	assert_int_equal(parsed.key.header.ttl, 0);
	assert_int_equal(parsed.payload, 14);
	assert_int_equal(parsed.length, 60);
	assert_int_equal(parsed.template_size, 20);
	assert_int_equal(parsed.check, 0);
}

/* A tag that the kernel holds beside the packet is the same as one in it. */
static void test_tag_beside_the_packet(void **state)
{
	struct jt_parsed inside, beside;
	struct packet_spec s = { .family = 6, .vlan = true, .tci = 0x7abc, .length = 12 };
	struct packet p;

	(void)state;
	packet_make(&p, &s);
	assert_int_equal(packet_parse(p.bytes, p.length, &inside), JT_ABOARD);
	s.vlan = false;
	packet_make(&p, &s);
	memset(&beside, 0, sizeof(beside));
	assert_int_equal(jt_parse(p.bytes, p.bytes + p.length, p.length, true, htons(0x7abc),
				  &beside),
			 JT_ABOARD);
	assert_memory_equal(&inside.key, &beside.key, sizeof(inside.key));
	assert_int_equal(inside.template_size, beside.template_size);
	assert_int_equal(inside.payload, beside.payload + 4);
	/* A tag in the packet behind the one beside it is not carried. */
	s.vlan = true;
	packet_make(&p, &s);
	memset(&beside, 0, sizeof(beside));
	assert_int_equal(jt_parse(p.bytes, p.bytes + p.length, p.length, true, htons(1), &beside),
			 JT_REASON_NOT_IP);
}

/* Only the headers can be read directly; lengths are those of the whole packet. */
static void test_linear_part(void **state)
{
	struct jt_parsed whole, part;
	struct packet p;
	size_t i, v = 0;
	__u8 *copy;

	(void)state;
	for (i = 0; i < VECTORS; i++) {
		vector_make(&p, &vectors[i]);
		if (vectors[i].reason || p.length < 66)
			continue;
		packet_parse(p.bytes, p.length, &whole);
		memset(&part, 0, sizeof(part));
		copy = exact_copy(p.bytes, 66);
		assert_int_equal(jt_parse(copy, copy + 66, p.length, false, 0, &part), JT_ABOARD);
		assert_memory_equal(&whole, &part, sizeof(whole));
		free(copy);
		v++;
	}
	assert_true(v > 5);
}

/* A packet cut short is never carried: its lengths can no longer agree. */
static void test_cut_at_every_length(void **state)
{
	struct jt_parsed parsed;
	struct packet p;
	size_t i;
	__u32 n;
	int reason;

	(void)state;
	for (i = 0; i < VECTORS; i++) {
		vector_make(&p, &vectors[i]);
		p.length -= vectors[i].spec.trailer;
		for (n = 0; n < p.length; n++) {
			reason = parse_exact(p.bytes, n, &parsed);
			assert_true(reason > 0 && reason < JT_REASON_COUNT);
			if (n < 14)
				assert_int_equal(reason, JT_REASON_TRUNCATED);
			else if (!vectors[i].reason)
				assert_true(reason == JT_REASON_TRUNCATED ||
					    reason == JT_REASON_BAD_LENGTH);
		}
	}
}

static void test_flipped_bits(void **state)
{
	struct jt_parsed parsed;
	struct packet p, bad;
	__u32 n, seed = 1;
	int reason, flips;
	size_t i;

	(void)state;
	for (i = 0; i < VECTORS * 400; i++) {
		if (i % 400 == 0)
			vector_make(&p, &vectors[i / 400]);
		bad = p;
		for (flips = 1 + test_random(&seed) % 4; flips; flips--) {
			n = test_random(&seed) % (p.length < 70 ? p.length : 70);
			bad.bytes[n] ^= (__u8)(1 << test_random(&seed) % 8);
		}
		reason = parse_exact(bad.bytes, bad.length, &parsed);
		assert_true(reason >= 0 && reason < JT_REASON_COUNT);
		if (!reason)
			assert_true(parsed.payload + parsed.length <= bad.length);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_fields_of_udp4),
		cmocka_unit_test(test_fields_of_udp6),
		cmocka_unit_test(test_fields_of_icmp),
		cmocka_unit_test(test_tag_beside_the_packet),
		cmocka_unit_test(test_linear_part),
		cmocka_unit_test(test_cut_at_every_length),
		cmocka_unit_test(test_flipped_bits),
	};

	return RUN(tests);
}

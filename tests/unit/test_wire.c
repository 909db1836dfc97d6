// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The wire format's bytes, and jt_walk_next() on frames that are whole, cut,
 * bent and forged.
 */
#include "unit.h"
#include "../common/fixture.h"
#include "../common/frame.h"

/* Walk an exact copy. Return: messages found, or the reason's negative. */
static int walk_exact(const void *records, __u32 length, int *found)
{
	__u8 *copy = exact_copy(records, length);
	struct packet rebuilt;
	struct jt_found m;
	struct jt_walk w;
	int err;

	*found = 0;
	jt_walk_init(&w, copy, length);
	while ((err = jt_walk_next(&w, &m)) > 0) {
		assert_true(m.payload >= copy && m.payload + m.length <= copy + length);
		packet_rebuild(&rebuilt, &m, 0);
		(*found)++;
	}
	assert_int_equal(jt_walk_next(&w, &m), 0);
	free(copy);
	return err;
}

static void expect_walk(const struct frame *f, int reason, int messages)
{
	int found, err = walk_exact(f->bytes, f->length, &found);

	assert_string_equal(jt_reasons[-err].name, jt_reasons[reason].name);
	assert_int_equal(found, messages);
}

/* A UDP/IPv4 template as number 1, ready for messages. */
static void frame_start(struct frame *f)
{
	__u8 t[64];

	f->length = 0;
	frame_template(f, 1, t, template_bytes(t, 1, 0, 0, 64));
}

static void test_header_bytes(void **state)
{
	struct jt_frame_header h = { .version_type = JT_WIRE_VERSION << 4 | JT_FRAME_DATA,
				     .length = htons(0x0102),
				     .sequence = htonl(0x03040506),
				     .guest = htons(JT_GUEST_MANY),
				     .session = htons(0x0708) };
	struct jt_hello hello = {
		.op = JT_HELLO_ANNOUNCE, .addresses = htons(2), .received = htonl(7), .name = "left"
	};

	(void)state;
	assert_memory_equal(&h, "\x11\0\x01\x02\x03\x04\x05\x06\xff\xff\x07\x08", 12);
	assert_memory_equal(&hello, "\x03\0\0\x02\0\0\0\x07left\0\0\0\0\0\0\0\0\0\0\0\0", 24);
}

static void test_record_bytes(void **state)
{
	__u32 word;

	(void)state;
	word = jt_record_head(1, 64, htons(0xbeef));
	assert_memory_equal(&word, "\x08\x40\xbe\xef", 4);
	word = jt_record_head(30, 2047, 0);
	assert_memory_equal(&word, "\xf7\xff\0\0", 4);
	word = jt_record_template(5, 28);
	assert_memory_equal(&word, "\xf8\x1c\x05\0", 4);
	word = jt_record_padding(1000);
	assert_memory_equal(&word, "\xfb\xe8\xff\0", 4);
}

static void test_template_sizes(void **state)
{
	int kind, flags;

	(void)state;
	assert_int_equal(jt_template_size(1, 0), 28);
	assert_int_equal(jt_template_size(1, JT_TEMPLATE_DF), 28);
	assert_int_equal(jt_template_size(1, JT_TEMPLATE_VLAN), 32);
	assert_int_equal(jt_template_size(2, 0), 56);
	assert_int_equal(jt_template_size(2, JT_TEMPLATE_VLAN), 60);
	assert_int_equal(jt_template_size(3, 0), 20);
	assert_int_equal(jt_template_size(3, JT_TEMPLATE_VLAN), 24);
	for (kind = 0; kind < 256; kind++)
		for (flags = 0; flags < 256; flags++)
			if (kind < 1 || kind > 3 || flags > 3)
				assert_int_equal(jt_template_size((__u8)kind, (__u8)flags), 0);
}

static void test_sum_fold(void **state)
{
	(void)state;
	assert_int_equal(jt_sum_fold(0), 0);
	assert_int_equal(jt_sum_fold(0xffff), 0xffff);
	assert_int_equal(jt_sum_fold(0x10000), 1);
	assert_int_equal(jt_sum_fold(0x1fffe), 0xffff);
	assert_int_equal(jt_sum_fold(0xffffffffULL), 0xffff);
	assert_int_equal(jt_sum_fold(0xffffffffffffffffULL), 0xffff);
	assert_int_equal(jt_sum_fold(0x0123456789abcdefULL), 0x9e25);
}

static void test_whole_frame(void **state)
{
	static const __u8 payload[2044];
	struct frame f;
	__u8 t[64];

	(void)state;
	f.length = 0;
	expect_walk(&f, 0, 0);
	frame_start(&f);
	expect_walk(&f, 0, 0);
	frame_record(&f, 1, 0, 0, payload);
	frame_record(&f, 1, 1, 0xffff, payload);
	frame_padding(&f, 0);
	frame_padding(&f, 7);
	frame_template(&f, 30, t, template_bytes(t, 2, 1, 9, 0));
	frame_record(&f, 30, 13, 1, payload);
	frame_record(&f, 1, 2044, 1, payload);
	expect_walk(&f, 0, 4);
}

static void test_thirty_templates(void **state)
{
	struct frame f = {};
	__u8 t[64];
	__u32 i;

	(void)state;
	for (i = JT_TEMPLATES_MAX; i; i--) {
		frame_template(&f, i, t, template_bytes(t, 1, 0, 0, (__u8)i));
		frame_record(&f, i, 4, 0, "abcd");
	}
	expect_walk(&f, 0, JT_TEMPLATES_MAX);
}

static void test_short_records(void **state)
{
	struct frame f;
	__u32 i;

	(void)state;
	for (i = 1; i < 4; i++) {
		frame_start(&f);
		frame_record(&f, 1, 4, 0, "abcd");
		frame_bytes(&f, "\x08\x04\0", i);
		expect_walk(&f, JT_REASON_RECORD_SHORT, 1);
	}
	frame_start(&f);
	frame_bytes(&f, "\x08\x05\0\0abcd", 8);
	expect_walk(&f, JT_REASON_RECORD_SHORT, 0);
	frame_start(&f); /* padding bytes are part of the record */
	frame_bytes(&f, "\x08\x05\0\0abcde\0\0", 11);
	expect_walk(&f, JT_REASON_RECORD_SHORT, 0);
	frame_start(&f);
	frame_bytes(&f, "\xff\xff\xff\0", 4);
	expect_walk(&f, JT_REASON_RECORD_SHORT, 0);
}

static void test_blank_records(void **state)
{
	struct frame f;

	(void)state;
	frame_start(&f);
	frame_record(&f, 1, 4, 0, "abcd");
	frame_bytes(&f, "\0\0\0\0", 4);
	expect_walk(&f, JT_REASON_RECORD_BLANK, 1);
	frame_start(&f); /* number 0 is blank, whatever its length */
	frame_record(&f, 0, 4, 0, "abcd");
	expect_walk(&f, JT_REASON_RECORD_BLANK, 0);
}

static void test_unknown_templates(void **state)
{
	struct frame f = {};
	__u8 t[64];

	(void)state;
	frame_record(&f, 1, 4, 0, "abcd");
	frame_template(&f, 1, t, template_bytes(t, 1, 0, 0, 64)); /* after its use */
	expect_walk(&f, JT_REASON_TEMPLATE_UNKNOWN, 0);
	frame_start(&f);
	frame_record(&f, 1, 4, 0, "abcd");
	frame_record(&f, 2, 4, 0, "abcd");
	frame_record(&f, 1, 4, 0, "abcd"); /* not looked at any more */
	expect_walk(&f, JT_REASON_TEMPLATE_UNKNOWN, 1);
}

static void test_template_twice(void **state)
{
	struct frame f;
	__u8 t[64];

	(void)state;
	frame_start(&f);
	frame_template(&f, 1, t, template_bytes(t, 1, 0, 0, 64));
	expect_walk(&f, JT_REASON_TEMPLATE_TWICE, 0);
}

/* One byte of a sound template changed: is it still one? */
static void expect_template(__u8 kind, __u8 flags, __u32 at, __u8 value, int reason)
{
	struct frame f = {};
	__u32 size;
	__u8 t[64];

	size = template_bytes(t, kind, flags, kind == 3 ? 0 : 1, kind == 3 ? 0 : 64);
	frame_template(&f, 1, t, size);
	expect_walk(&f, 0, 0);
	t[at] = value;
	f.length = 0;
	frame_template(&f, 1, t, size);
	expect_walk(&f, reason, 0);
}

static void test_bad_templates(void **state)
{
	const int bad = JT_REASON_TEMPLATE_BAD;

	(void)state;
	expect_template(1, 0, 0, 0, bad); /* kinds */
	expect_template(1, 0, 0, 2, bad);
	expect_template(1, 0, 0, 4, bad);
	expect_template(1, 0, 1, 4, bad); /* flags */
	expect_template(1, 0, 1, 1, bad); /* VLAN without its tail */
	expect_template(1, 1, 1, 0, bad); /* a tail without VLAN */
	expect_template(1, 0, 1, 2, 0);	  /* DF */
	expect_template(2, 0, 1, 2, bad); /* DF in IPv6 */
	expect_template(3, 0, 1, 2, bad);
	expect_template(3, 0, 2, 1, bad); /* TOS and TTL are in the payload */
	expect_template(3, 0, 3, 1, bad);
	expect_template(1, 0, 4, 3, bad);  /* to a multicast MAC */
	expect_template(1, 0, 10, 1, bad); /* from one */
	expect_template(2, 0, 20, 1, bad); /* flow label of more than 20 bits */
	expect_template(2, 0, 21, 0x10, bad);
	expect_template(2, 0, 21, 0x0f, 0);
	expect_template(3, 0, 16, 9, bad); /* EtherType */
	expect_template(3, 0, 19, 1, bad); /* the zero behind it */
	expect_template(1, 1, 30, 1, bad); /* the zeros behind the tag */
	expect_template(2, 1, 59, 1, bad);
	expect_template(3, 1, 23, 1, bad);
}

static void test_bad_template_records(void **state)
{
	struct frame f = {};
	__u32 size, number;
	__u8 t[64];

	(void)state;
	size = template_bytes(t, 1, 0, 0, 64);
	for (number = 0; number < 256; number++) {
		f.length = 0;
		frame_template(&f, number, t, size);
		expect_walk(&f,
			    number >= 1 && number <= 30 ? 0 :
			    number == 255		? 0 :
							  JT_REASON_TEMPLATE_BAD,
			    0);
	}
	for (number = 0; number < size; number++) { /* a wrong length */
		f.length = 0;
		frame_template(&f, 1, t, number);
		expect_walk(&f, JT_REASON_TEMPLATE_BAD, 0);
	}
	f.length = 0; /* the zero behind its number */
	frame_record(&f, 31, size, 1 << 8 | 1, t);
	expect_walk(&f, JT_REASON_TEMPLATE_BAD, 0);
	f.length = 0;
	frame_record(&f, 31, 4, 255 << 8 | 1, t);
	expect_walk(&f, JT_REASON_TEMPLATE_BAD, 0);
}

/* A message of an Ethernet template: @length bytes of a packet made from @s. */
static void expect_ip(const struct packet_spec *s, __u32 at, __u8 value, int short_by, int reason)
{
	struct frame f = {};
	struct packet p;
	__u8 t[64];

	template_bytes(t, 3, 0, 0, 0);
	put16(t + 16, s->family == 6 ? 0x86dd : 0x0800);
	frame_template(&f, 1, t, 20);
	packet_make(&p, s);
	p.bytes[14 + at] = value;
	frame_record(&f, 1, p.length - 14 - (__u32)short_by, 0, p.bytes + 14);
	expect_walk(&f, reason, reason ? 0 : 1);
}

static void test_payload_is_ip(void **state)
{
	const struct packet_spec v4 = { .family = 4, .protocol = 1, .length = 8, .first = 8 };
	const struct packet_spec v6 = { .family = 6, .protocol = 58, .length = 8, .first = 128 };
	const struct packet_spec empty = { .family = 6, .protocol = 58 };
	const int bad = JT_REASON_MESSAGE_BAD;

	(void)state;
	expect_ip(&v4, 9, 1, 0, 0);
	expect_ip(&v4, 9, 50, 0, 0);
	expect_ip(&v4, 9, 17, 0, bad); /* UDP has templates of its own */
	expect_ip(&v4, 9, 6, 0, bad);
	expect_ip(&v4, 0, 0x46, 0, bad);
	expect_ip(&v4, 0, 0x65, 0, bad);
	expect_ip(&v4, 3, 27, 0, bad);
	expect_ip(&v4, 3, 29, 0, bad);
	expect_ip(&v4, 6, 0x20, 0, bad);
	expect_ip(&v4, 6, 0x80, 0, bad); /* a flag that no sender takes aboard */
	expect_ip(&v4, 7, 1, 0, bad);
	expect_ip(&v4, 9, 1, 9, bad);
	expect_ip(&v4, 9, 1, 28, bad);
	expect_ip(&v6, 6, 58, 0, 0);
	expect_ip(&v6, 6, 50, 0, 0);
	expect_ip(&v6, 6, 17, 0, bad);
	expect_ip(&v6, 6, 0, 0, bad);
	expect_ip(&v6, 0, 0x40, 0, bad);
	expect_ip(&v6, 5, 9, 0, bad);
	expect_ip(&v6, 40, 129, 0, 0);
	expect_ip(&v6, 40, 134, 0, bad); /* a router advertisement from afar */
	expect_ip(&v6, 40, 135, 0, bad);
	expect_ip(&v6, 6, 58, 9, bad);
	expect_ip(&empty, 6, 58, 0, bad);
}

static void test_check_without_udp(void **state)
{
	const struct packet_spec s = { .family = 4, .protocol = 1, .length = 8, .first = 8 };
	struct frame f = {};
	struct packet p;
	__u8 t[64];

	(void)state;
	packet_make(&p, &s);
	frame_template(&f, 1, t, template_bytes(t, 3, 0, 0, 0));
	frame_record(&f, 1, p.length - 14, 1, p.bytes + 14);
	expect_walk(&f, JT_REASON_MESSAGE_BAD, 0);
}

/* A frame with everything in it, for cutting and bending. */
static void frame_rich(struct frame *f)
{
	const struct packet_spec s = { .family = 4, .protocol = 1, .length = 13, .first = 8 };
	struct packet p;
	__u8 t[64];

	frame_start(f);
	frame_record(f, 1, 5, 0x1234, "hello");
	frame_template(f, 2, t, template_bytes(t, 2, 1, 3, 255));
	frame_record(f, 2, 0, 0xffff, "");
	frame_padding(f, 9);
	frame_template(f, 3, t, template_bytes(t, 3, 1, 0, 0));
	packet_make(&p, &s);
	frame_record(f, 3, p.length - 14, 0, p.bytes + 14);
	frame_record(f, 1, 8, 0x1234, "jitneys.");
}

static void test_cut_at_every_length(void **state)
{
	int found, err, last = 0;
	struct frame f;
	__u32 n;

	(void)state;
	frame_rich(&f);
	for (n = 0; n <= f.length; n++) {
		err = walk_exact(f.bytes, n, &found);
		assert_true(err == 0 || err == -JT_REASON_RECORD_SHORT);
		assert_true(found >= last && found <= last + 1);
		last = found;
	}
	assert_int_equal(err, 0);
	assert_int_equal(last, 4);
}

static void test_flipped_bits(void **state)
{
	struct frame f, bad;
	__u32 i, seed = 2;
	int found, err, flips;

	(void)state;
	frame_rich(&f);
	for (i = 0; i < 20000; i++) {
		bad = f;
		for (flips = 1 + test_random(&seed) % 4; flips; flips--)
			bad.bytes[test_random(&seed) % f.length] ^=
				(__u8)(1 << test_random(&seed) % 8);
		err = walk_exact(bad.bytes, bad.length, &found);
		assert_true(err == 0 ||
			    (err <= -JT_REASON_RECORD_SHORT && err >= -JT_REASON_MESSAGE_BAD));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header_bytes),
		cmocka_unit_test(test_record_bytes),
		cmocka_unit_test(test_template_sizes),
		cmocka_unit_test(test_sum_fold),
		cmocka_unit_test(test_whole_frame),
		cmocka_unit_test(test_thirty_templates),
		cmocka_unit_test(test_short_records),
		cmocka_unit_test(test_blank_records),
		cmocka_unit_test(test_unknown_templates),
		cmocka_unit_test(test_template_twice),
		cmocka_unit_test(test_bad_templates),
		cmocka_unit_test(test_bad_template_records),
		cmocka_unit_test(test_payload_is_ip),
		cmocka_unit_test(test_check_without_udp),
		cmocka_unit_test(test_cut_at_every_length),
		cmocka_unit_test(test_flipped_bits),
	};

	return RUN(tests);
}

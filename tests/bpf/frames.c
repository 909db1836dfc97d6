// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "frames.h"

struct frame records, frame;
__u32 templates, messages;

void begin(void)
{
	memset(&records, 0, sizeof(records));
	templates = messages = 0;
}

/* A template to guest @to, from guest @from, in a flow of its own by its number. */
void add_template(__u8 kind, __u8 flags, __u8 from, __u8 to)
{
	__u8 bytes[JT_TEMPLATE_MAX];
	__u32 size = template_bytes(bytes, kind, flags, 0, 64);

	packet_mac(bytes + 4, 2, to);
	packet_mac(bytes + 10, 1, from);
	put16(bytes + 16, 4000 + templates);
	if (kind == JT_TEMPLATE_UDP4)
		packet_address(bytes + 20, 4, 1, from);
	else if (kind == JT_TEMPLATE_UDP6)
		packet_address(bytes + 24, 6, 1, from);
	frame_template(&records, ++templates, bytes, size);
}

void add_message(__u32 number, __u32 length)
{
	__u8 bytes[2048];

	memset(bytes, (int)++messages, sizeof(bytes));
	frame_record(&records, number, length, 0x1200 + messages, bytes);
}

/* All three kinds of templates, in turn. */
void add_kind(__u32 n)
{
	static const __u8 kinds[] = { JT_TEMPLATE_UDP4, JT_TEMPLATE_UDP6, JT_TEMPLATE_UDP4 };

	add_template(kinds[n % 3], n % 3 == 2 ? JT_TEMPLATE_VLAN : 0, 1, 2);
}

void end(void)
{
	frame_guest(&frame, &records, templates, messages);
}

void known_both(void)
{
	known(&v4);
	known(&v6);
	packet_mac((__u8 *)&h.guests[GUEST_ONE].mac, 1, 1);
	/* Other MACs and addresses than its own are forged. */
	h.guests[GUEST_ONE].flags = JT_GUEST_STRICT;
}

enum outcome show_frame(void)
{
	struct packet p = { .length = frame.length };

	CHECK(frame.length <= sizeof(p.bytes));
	memcpy(p.bytes, frame.bytes, frame.length);
	return show(&p);
}

__u8 *extent_frame(__u32 number)
{
	return h.page + number / h.geometry.extents * jt_bank_stride(&h.geometry) +
	       number % h.geometry.extents * h.geometry.extent_size;
}

/* Only sound records, from this guest's own addresses, as many as were committed. */
static void extent_check(__u32 number)
{
	struct jt_extent *x = &h.extents[number];
	__u32 used = JT_EXTENT_OFFSET(x->word) - FIXTURE_HEAD, found = 0, i;
	__u8 mac[6], ip4[16], ip6[16],
		*bytes = exact_copy(extent_frame(number) + FIXTURE_HEAD, used);
	struct jt_found m;
	struct jt_walk w;
	int err;

	packet_mac(mac, 1, 1);
	packet_address(ip4, 4, 1, 1);
	packet_address(ip6, 6, 1, 1);
	jt_walk_init(&w, bytes, used);
	while ((err = jt_walk_next(&w, &m)) > 0)
		found++;
	CHECK(!err);
	CHECK(JT_COMMITTED_BYTES(x->committed) == used);
	CHECK(JT_COMMITTED_MESSAGES(x->committed) == found);
	for (i = 1; i <= JT_TEMPLATES_MAX; i++) {
		if (!w.templates[i].bytes)
			continue;
		CHECK(i <= JT_EXTENT_TEMPLATES(x->word));
		CHECK(!memcmp(w.templates[i].bytes + 10, mac, 6));
		CHECK(w.templates[i].bytes[0] == JT_TEMPLATE_UDP4 ?
			      !memcmp(w.templates[i].bytes + 20, ip4, 4) :
			      !memcmp(w.templates[i].bytes + 24, ip6, 16));
	}
	free(bytes);
}

void extents_check(void)
{
	__u32 i;

	for (i = 0; i < h.geometry.banks * h.geometry.extents; i++)
		if (JT_EXTENT_OFFSET(h.extents[i].word))
			extent_check(i);
}

/* Never passed on; @lost messages are counted under @reason, or all are aboard. */
void offer_frame(int reason, __u32 lost)
{
	struct jt_guest before = h.guests[GUEST_ONE], *guest = &h.guests[GUEST_ONE];
	int i;

	CHECK(show_frame() == DROP);
	for (i = 1; i < JT_REASON_COUNT; i++) {
		if (guest->reasons[i] == before.reasons[i] + (i == reason ? lost : 0))
			continue;
		fprintf(stderr, "expected %u of %s; %s was counted %llu times\n", lost,
			jt_reasons[reason].name, jt_reasons[i].name,
			guest->reasons[i] - before.reasons[i]);
		exit(1);
	}
	CHECK(guest->messages == before.messages + (reason ? 0 : messages));
	if (reason)
		CHECK(guest->bytes == before.bytes);
	extents_check();
}

void refused(int reason)
{
	end();
	offer_frame(reason, messages);
}

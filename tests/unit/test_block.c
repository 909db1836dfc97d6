// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A guest frame's block in extents of 4 KiB: what tests/bpf, with 2 KiB, can't show. */
#include "unit.h"
#include "../common/fixture.h"
#include "../common/frame.h"
#include <jitney/merge.h>

int jt_env_flow(struct jt_page *page, const struct jt_flow_key *key)
{
	(void)page, (void)key;
	return 1;
}

/* Put a frame of 3,000 bytes aboard, its last message bent or not. */
static int board(struct fixture *f, bool bent)
{
	struct jt_block b = { .guest = 1 };
	struct jt_frame_header h;
	int opened = 0, lead;
	struct frame frame;

	frame_of_messages(&frame, JT_TEMPLATE_UDP4, 30, 96);
	if (bent)
		frame.bytes[frame.length - 100] = 9 << 3;
	memcpy(&h, frame.bytes + 14, sizeof(h));
	assert_int_equal(jt_block_open(&h, frame.length - JT_BLOCK_START, &b), JT_ABOARD);
	f->page.packet = frame.bytes;
	lead = jt_block_lead(&f->page, b.size, b.guest);
	assert_true(lead > 0);
	b.peer_id = JT_LEAD_PEER(lead);
	b.head = jt_record_template(1, JT_LEAD_SIZE(lead));
	return jt_block_organize(&f->page, &b, &f->peers[1], &opened);
}

static void walk(struct fixture *f, int messages)
{
	struct jt_extent *x = f->page.extents;
	struct jt_found m;
	struct jt_walk w;
	int found, n = 0;

	jt_walk_init(&w, f->page.memory + FIXTURE_HEAD, JT_EXTENT_OFFSET(x->word) - FIXTURE_HEAD);
	while ((found = jt_walk_next(&w, &m)) > 0)
		n++;
	assert_int_equal(found, 0);
	assert_int_equal(n, messages);
	assert_int_equal(JT_COMMITTED_MESSAGES(x->committed), messages);
	assert_int_equal(JT_COMMITTED_BYTES(x->committed),
			 JT_EXTENT_OFFSET(x->word) - FIXTURE_HEAD);
}

static void setup(struct fixture *f)
{
	fixture_init(f, 4, 16, 4);
	f->page.geometry = (struct jt_geometry)JT_GEOMETRY(16 * 2048, 4, 4096);
	f->peers[1].limit = 4096;
}

static void test_large(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	assert_int_equal(board(&f, false), JT_ABOARD);
	walk(&f, 30);
	fixture_free(&f);
}

/* More than one padding record can cover. */
static void test_large_wiped(void **state)
{
	__u32 i, words = 0;
	struct fixture f;

	(void)state;
	setup(&f);
	assert_int_equal(board(&f, true), JT_REASON_TEMPLATE_UNKNOWN);
	walk(&f, 0);
	for (i = FIXTURE_HEAD; i < 4096; i += 4)
		words += get16(f.page.memory + i) || get16(f.page.memory + i + 2);
	assert_int_equal(words, 2); /* the heads of the padding */
	fixture_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_large_wiped),
	};

	return RUN(tests);
}

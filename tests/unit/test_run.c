// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A run leaves in the page what its messages leave one by one: the same bytes, the
 * same words.
 */
#include "unit.h"
#include "../common/fixture.h"
#include <jitney/run.h>

#define START 30ULL
#define EXTENTS 64U
#define MESSAGES 300U
#define SIZE_MAX_HERE 700U

struct side {
	struct fixture f;
	struct jt_parsed parsed;
	struct jt_flow flow;
	struct jt_message m;
};

static __u8 payloads[MESSAGES * SIZE_MAX_HERE];
static struct jt_run_message all[MESSAGES];

static void side_open(struct side *s, int family)
{
	struct packet_spec spec = { .family = family, .length = 8 };
	struct packet p;

	memset(s, 0, sizeof(*s));
	fixture_init(&s->f, 2, EXTENTS, START);
	packet_make(&p, &spec);
	assert_int_equal(packet_parse(p.bytes, p.length, &s->parsed), 0);
	s->parsed.pseudo = 0; /* as in a slice: checksums are complete */
	s->f.page.packet = payloads;
	s->m = (struct jt_message){ &s->parsed, &s->flow, &s->f.peers[1], 1 };
}

static void one(struct side *s, const struct jt_run_message *r)
{
	int opened = 0;

	s->parsed.payload = r->payload;
	s->parsed.length = r->length;
	s->parsed.check = r->check;
	assert_int_equal(jt_organize(&s->f.page, &s->m, &opened), JT_ABOARD);
}

static void same(const struct side *a, const struct side *b)
{
	const struct jt_geometry *g = &a->f.page.geometry;
	__u32 i;

	for (i = 0; i < g->banks * g->extents; i++) {
		assert_int_equal(a->f.page.extents[i].word, b->f.page.extents[i].word);
		assert_int_equal(a->f.page.extents[i].committed, b->f.page.extents[i].committed);
	}
	assert_memory_equal(a->f.page.memory, b->f.page.memory, g->banks * jt_bank_stride(g));
	assert_int_equal(a->flow.hint, b->flow.hint);
}

static void messages_make(__u32 most)
{
	__u32 i;

	for (i = 0; i < sizeof(payloads); i++)
		payloads[i] = (__u8)rand();
	for (i = 0; i < MESSAGES; i++)
		all[i] = (struct jt_run_message){ i * SIZE_MAX_HERE, (__u16)(rand() % (most + 1)),
						  (__u16)rand() };
}

/* Return: messages that went aboard in runs. */
static __u32 compare(int family, __u32 most)
{
	struct side singles, runs;
	__u32 i, n, in_runs = 0;

	messages_make(most);
	side_open(&singles, family);
	side_open(&runs, family);
	for (i = 0; i < MESSAGES && most * i < EXTENTS * 1000; i++)
		one(&singles, &all[i]);
	for (n = i, i = 0; i < n;) {
		__u32 count = 1 + (__u32)rand() % JT_RUN_MAX, took;
		int opened = 0;

		took = jt_organize_run(&runs.f.page, &runs.m, &all[i],
				       count < n - i ? count : n - i, &opened);
		if (!took)
			one(&runs, &all[i]);
		in_runs += took;
		i += took ? took : 1;
	}
	same(&singles, &runs);
	fixture_free(&singles.f);
	fixture_free(&runs.f);
	return in_runs;
}

static void test_same_bytes(void **state)
{
	static const __u32 sizes[] = { 0, 1, 3, 16, 64, 65, 300, SIZE_MAX_HERE };
	__u32 i, round;

	for (round = 0; round < 20; round++) {
		for (i = 0; i < JT_ARRAY_SIZE(sizes); i++) {
			assert_true(compare(4, sizes[i]) > 10);
			assert_true(compare(6, sizes[i]) > 10);
		}
	}
}

/* An extent that is closed, or has no room for even one, is left to jt_organize(). */
static void test_no_room(void **state)
{
	struct side s;
	int opened = 0;

	messages_make(SIZE_MAX_HERE);
	side_open(&s, 4);
	all[0].length = all[1].length = SIZE_MAX_HERE;
	assert_int_equal(jt_organize_run(&s.f.page, &s.m, all, 2, &opened), 2);
	assert_true(opened);
	opened = 0;
	assert_int_equal(jt_organize_run(&s.f.page, &s.m, all, 2, &opened), 0);
	assert_false(opened);
	assert_false(s.f.page.extents[0].word & JT_EXTENT_CLOSED);
	jt_extent_seal(&s.f.page.extents[0], START);
	all[0].length = 1;
	assert_int_equal(jt_organize_run(&s.f.page, &s.m, all, 1, &opened), 0);
	fixture_free(&s.f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_bytes),
		cmocka_unit_test(test_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The sharing page's invariants (see the theory of operation in page.h), among
 * them those about writers that sleep through a whole rotation of the banks.
 */
#include "unit.h"
#include "../common/fixture.h"
#include "../common/frame.h"

#define BANKS 3U
#define EXTENTS 4U
#define START 30ULL /* a multiple of BANKS */

static void open_extent(struct fixture *f, __u32 peer, __u64 epoch, __u64 *number)
{
	assert_int_equal(jt_extent_open(&f->page, &f->peers[peer], peer, epoch, f->peers[peer].open,
					number),
			 JT_PAGE_OK);
}

static __u64 word_of(struct fixture *f, __u64 number)
{
	return f->page.extents[number].word;
}

static void test_geometry(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f, BANKS, EXTENTS, START);
	assert_ptr_equal(jt_page_frame(&f.page, 0), f.page.memory);
	assert_ptr_equal(jt_page_frame(&f.page, EXTENTS),
			 f.page.memory + EXTENTS * 2048 + JT_BANK_GUARD);
	assert_null(jt_page_frame(&f.page, BANKS * EXTENTS));
	assert_null(jt_page_extent(&f.page, BANKS * EXTENTS));
	assert_ptr_equal(jt_page_bank(&f.page, START + 1), &f.page.control->banks[1]);
	fixture_free(&f);
}

static void test_extent_bank(void **state)
{
	__u32 extents, number;

	(void)state;
	for (extents = 1; extents <= 1536; extents++) {
		struct jt_geometry g = JT_GEOMETRY(extents * 2048, JT_BANKS_MAX, 2048);

		for (number = 0; number < JT_BANKS_MAX * extents; number++)
			if (jt_extent_bank(&g, number) != number / extents)
				fail_msg("extent %u of %u a bank", number, extents);
		assert_true(jt_extent_bank(&g, 0xfffff) == 0xfffff / extents);
	}
}

static void test_open(void **state)
{
	struct fixture f;
	__u64 number;
	__u32 i;

	(void)state;
	fixture_init(&f, BANKS, EXTENTS, START + 1);
	for (i = 0; i < EXTENTS; i++) {
		open_extent(&f, 2, START + 1, &number);
		assert_int_equal(number, EXTENTS + i);
		assert_int_equal(JT_EPOCH(word_of(&f, number)), START + 1);
		assert_int_equal(JT_EXTENT_PEER(word_of(&f, number)), 2);
		assert_int_equal(JT_EXTENT_OFFSET(word_of(&f, number)), FIXTURE_HEAD);
		assert_int_equal(JT_EXTENT_TEMPLATES(word_of(&f, number)), 0);
		assert_true(f.peers[2].open == ((START + 1) << 32 | number));
	}
	assert_int_equal(jt_extent_open(&f.page, &f.peers[2], 2, START + 1, f.peers[2].open,
					&number),
			 JT_PAGE_FULL);
	assert_int_equal(JT_BANK_NEXT(f.page.control->banks[1].word), EXTENTS);
	/* Of another epoch. */
	assert_int_equal(jt_extent_open(&f.page, &f.peers[2], 2, START + 4, f.peers[2].open,
					&number),
			 JT_PAGE_AGAIN);
	fixture_free(&f);
}

/* Two open at once: the slower one's extent stays empty, and both go on. */
static void test_open_contended(void **state)
{
	__u64 before, number, word;
	struct fixture f;

	(void)state;
	fixture_init(&f, BANKS, EXTENTS, START);
	before = f.peers[0].open;
	open_extent(&f, 0, START, &number);
	assert_int_equal(jt_extent_open(&f.page, &f.peers[0], 0, START, before, &number),
			 JT_PAGE_AGAIN);
	assert_true(f.peers[0].open == START << 32);
	jt_bank_close(&f.page, START);
	word = jt_extent_seal(&f.page.extents[1], (__u32)START);
	assert_int_equal(jt_extent_reserved(word, FIXTURE_HEAD), 0);
	assert_true(jt_extent_settled(&f.page.extents[1], word, FIXTURE_HEAD));
	fixture_free(&f);
}

static void test_reserve(void **state)
{
	struct fixture f;
	struct jt_extent *x;
	__u64 before, number;
	__u32 at;

	(void)state;
	fixture_init(&f, BANKS, EXTENTS, START);
	open_extent(&f, 0, START, &number);
	x = &f.page.extents[number];
	for (at = FIXTURE_HEAD; at + 100 <= FIXTURE_LIMIT; at += 100) {
		assert_int_equal(jt_extent_reserve(x, START, 100, 1, FIXTURE_LIMIT, &before),
				 JT_PAGE_OK);
		assert_int_equal(JT_EXTENT_OFFSET(before), at);
		assert_int_equal(JT_EXTENT_TEMPLATES(before), (at - FIXTURE_HEAD) / 100);
	}
	assert_int_equal(jt_extent_reserve(x, START + 3, 4, 0, FIXTURE_LIMIT, &before),
			 JT_PAGE_AGAIN);
	/* Up to the limit, exactly. */
	assert_int_equal(jt_extent_reserve(x, START, FIXTURE_LIMIT - at, 0, FIXTURE_LIMIT, &before),
			 JT_PAGE_OK);
	assert_false(x->word & JT_EXTENT_CLOSED);
	assert_int_equal(jt_extent_reserve(x, START, 4, 0, FIXTURE_LIMIT, &before), JT_PAGE_CLOSED);
	assert_true(x->word & JT_EXTENT_CLOSED);
	assert_int_equal(JT_EXTENT_OFFSET(x->word), FIXTURE_LIMIT);
	/* What would have fit does not reopen it. */
	assert_int_equal(jt_extent_reserve(x, START, 0, 0, FIXTURE_LIMIT, &before), JT_PAGE_CLOSED);
	fixture_free(&f);
}

static void test_reserve_templates(void **state)
{
	struct fixture f;
	struct jt_extent *x;
	__u64 before, number;
	__u32 i;

	(void)state;
	fixture_init(&f, BANKS, EXTENTS, START);
	open_extent(&f, 1, START, &number);
	x = &f.page.extents[number];
	for (i = 0; i < JT_TEMPLATES_MAX; i++)
		assert_int_equal(jt_extent_reserve(x, START, 4, 1, FIXTURE_LIMIT, &before),
				 JT_PAGE_OK);
	assert_int_equal(jt_extent_reserve(x, START, 4, 0, FIXTURE_LIMIT, &before), JT_PAGE_OK);
	assert_int_equal(JT_EXTENT_TEMPLATES(x->word), JT_TEMPLATES_MAX);
	assert_int_equal(JT_EXTENT_PEER(x->word), 1);
	assert_int_equal(jt_extent_reserve(x, START, 4, 1, FIXTURE_LIMIT, &before), JT_PAGE_CLOSED);
	assert_int_equal(JT_EXTENT_PEER(x->word), 1);
	fixture_free(&f);
}

static void test_seal(void **state)
{
	struct fixture f;
	struct jt_extent *x;
	__u64 before, number, word;

	(void)state;
	fixture_init(&f, BANKS, EXTENTS, START);
	open_extent(&f, 0, START, &number);
	x = &f.page.extents[number];
	assert_int_equal(jt_extent_reserve(x, START, 40, 1, FIXTURE_LIMIT, &before), JT_PAGE_OK);
	word = jt_extent_seal(x, START);
	assert_true(jt_extent_seal(x, START) == word);
	assert_true(x->word == word);
	assert_int_equal(jt_extent_reserved(word, FIXTURE_HEAD), 40);
	assert_false(jt_extent_settled(x, word, FIXTURE_HEAD));
	jt_extent_commit(x, 40, true);
	assert_true(jt_extent_settled(x, word, FIXTURE_HEAD));
	assert_int_equal(JT_COMMITTED_MESSAGES(x->committed), 1);
	assert_int_equal(jt_extent_reserve(x, START, 4, 0, FIXTURE_LIMIT, &before), JT_PAGE_CLOSED);
	fixture_free(&f);
}

/* Sealed after it was taken and before it was opened: the opener must notice. */
static void test_seal_before_open(void **state)
{
	struct fixture f;
	__u64 number;

	(void)state;
	fixture_init(&f, BANKS, EXTENTS, START);
	assert_int_equal(jt_bank_take(&f.page, START, &number), JT_PAGE_OK);
	assert_int_equal(jt_bank_close(&f.page, START), 1);
	jt_extent_seal(&f.page.extents[0], START);
	assert_true(word_of(&f, 0) == (START << 32 | JT_EXTENT_CLOSED));
	assert_int_equal(jt_extent_open(&f.page, &f.peers[0], 0, START, 0, &number), JT_PAGE_AGAIN);
	fixture_free(&f);
}

static void test_step(void **state)
{
	struct fixture f;
	__u64 e;

	(void)state;
	fixture_init(&f, BANKS, EXTENTS, START);
	for (e = START; e < START + BANKS - 1; e++)
		assert_int_equal(jt_page_step(&f.page, e), JT_PAGE_OK);
	/* The next bank is the first, which was not renewed. */
	assert_int_equal(jt_page_step(&f.page, e), JT_PAGE_FULL);
	assert_true(f.page.control->epoch == e);
	/* Somebody else's step is as good as one's own. */
	assert_int_equal(jt_page_step(&f.page, e - 1), JT_PAGE_OK);
	assert_true(f.page.control->epoch == e);
	page_recycle(&f.page, START);
	assert_int_equal(jt_page_step(&f.page, e), JT_PAGE_OK);
	assert_true(f.page.control->epoch == e + 1);
	fixture_free(&f);
}

static void test_close_bounds_the_count(void **state)
{
	struct fixture f;
	__u64 number;
	__u32 i;

	(void)state;
	fixture_init(&f, BANKS, EXTENTS, START);
	/* As many at once as there can be writers. */
	f.page.control->banks[0].word += 100;
	assert_int_equal(jt_bank_take(&f.page, START, &number), JT_PAGE_FULL);
	assert_int_equal(jt_bank_close(&f.page, START), EXTENTS);
	assert_int_equal(jt_bank_take(&f.page, START, &number), JT_PAGE_AGAIN);
	for (i = 0; i < EXTENTS; i++)
		jt_extent_seal(&f.page.extents[i], START);
	fixture_free(&f);
}

static void test_wipe_and_renew(void **state)
{
	static const __u8 zero[BANKS * (EXTENTS * 2048 + JT_BANK_GUARD)];
	const struct packet_spec s = { .family = 4, .length = 500 };
	struct jt_flow flow = {};
	struct fixture f;
	struct packet p;
	int i;

	(void)state;
	fixture_init(&f, BANKS, EXTENTS, START);
	packet_make(&p, &s);
	for (i = 0; i < 7; i++)
		assert_int_equal(page_board(&f.page, p.bytes, p.length, &flow, f.peers, 0), 0);
	jt_page_step(&f.page, START);
	assert_memory_not_equal(f.page.memory, zero, sizeof(zero));
	page_recycle(&f.page, START);
	assert_memory_equal(f.page.memory, zero, sizeof(zero));
	assert_true(f.page.control->banks[0].word == jt_bank_blank(START + BANKS));
	for (i = 0; i < (int)EXTENTS; i++)
		assert_true(f.page.extents[i].committed == 0);
	fixture_free(&f);
}

/* Rotate so that START's bank is active again, for START + BANKS. */
static void rotate(struct fixture *f)
{
	__u64 e;

	for (e = START; e < START + BANKS; e++) {
		assert_int_equal(jt_page_step(&f->page, e), JT_PAGE_OK);
		page_recycle(&f->page, e);
	}
	assert_true(f->page.control->epoch == START + BANKS);
}

/* A writer slept between finding its extent and reserving in it. */
static void test_stale_reserve(void **state)
{
	struct fixture f;
	__u64 before, number, word;

	(void)state;
	fixture_init(&f, BANKS, EXTENTS, START);
	open_extent(&f, 0, START, &number);
	rotate(&f);
	open_extent(&f, 1, START + BANKS, &number);
	assert_int_equal(number, 0);
	word = word_of(&f, 0);
	assert_int_equal(jt_extent_reserve(&f.page.extents[0], START, 40, 1, FIXTURE_LIMIT,
					   &before),
			 JT_PAGE_AGAIN);
	assert_true(word_of(&f, 0) == word);
	fixture_free(&f);
}

/*
 * A writer slept between looking at the bank's word and adding to it, and woke
 * when the bank was blank again: the bank must still get its turn.
 */
static void test_stale_take(void **state)
{
	struct fixture f;
	__u64 number, e;

	(void)state;
	fixture_init(&f, BANKS, EXTENTS, START);
	jt_page_step(&f.page, START);
	page_recycle(&f.page, START);
	f.page.control->banks[0].word++; /* what the sleeper does */
	for (e = START + 1; e < START + BANKS; e++)
		assert_int_equal(jt_page_step(&f.page, e), JT_PAGE_OK);
	open_extent(&f, 0, START + BANKS, &number);
	assert_int_equal(number, 1);
	assert_int_equal(jt_bank_close(&f.page, START + BANKS), 2);
	fixture_free(&f);
}

/* The last part of jt_extent_open() of a writer that took its extent long ago. */
static struct fixture *sleeper;

static void rotate_under_sleeper(void)
{
	__u64 number;

	rotate(sleeper);
	assert_int_equal(jt_bank_take(&sleeper->page, START + BANKS, &number), JT_PAGE_OK);
	sleeper->page.extents[number].word = JT_EXTENT_OPEN(START + BANKS, 1, FIXTURE_HEAD);
}

static void test_stale_open(void **state)
{
	struct fixture f;
	__u64 number, word;

	(void)state;
	fixture_init(&f, BANKS, EXTENTS, START);
	sleeper = &f;
	assert_int_equal(jt_bank_take(&f.page, START, &number), JT_PAGE_OK);
	rotate_under_sleeper();
	word = word_of(&f, number);
	assert_int_equal(jt_extent_install(&f.page, &f.peers[0], 0, START, 0, number),
			 JT_PAGE_AGAIN);
	assert_true(word_of(&f, number) == word);
	assert_true(f.peers[0].open == 0);
	fixture_free(&f);
}

/* All that holds an epoch in 32 bits survives their wrap. */
static void test_epoch_wrap(void **state)
{
	const struct packet_spec s = { .family = 6, .length = 100 };
	const __u64 start = (1ULL << 32) - 5;
	struct jt_flow flow = {};
	struct fixture f;
	struct packet p;
	__u64 e;
	int i;

	(void)state;
	fixture_init(&f, BANKS, EXTENTS, start);
	packet_make(&p, &s);
	for (e = start; e < start + 12; e++) {
		for (i = 0; i < 20; i++)
			assert_int_equal(page_board(&f.page, p.bytes, p.length, &flow, f.peers, 0),
					 JT_ABOARD);
		assert_int_equal(
			JT_COMMITTED_MESSAGES(f.page.extents[e % BANKS * EXTENTS].committed), 13);
		assert_int_equal(jt_page_step(&f.page, e), JT_PAGE_OK);
		page_recycle(&f.page, e);
	}
	fixture_free(&f);
}

/* Writers step by themselves through all banks; then the page is full. */
static void test_page_full(void **state)
{
	const struct packet_spec s = { .family = 4, .length = 1000 };
	struct jt_flow flow = {};
	struct fixture f;
	struct packet p;
	__u32 i;

	(void)state;
	fixture_init(&f, BANKS, EXTENTS, START);
	packet_make(&p, &s);
	for (i = 0; i < BANKS * EXTENTS; i++)
		assert_int_equal(page_board(&f.page, p.bytes, p.length, &flow, f.peers, 0), 0);
	assert_true(f.page.control->epoch == START + BANKS - 1);
	for (i = 0; i < 10; i++)
		assert_int_equal(page_board(&f.page, p.bytes, p.length, &flow, f.peers, 0),
				 JT_REASON_PAGE_FULL);
	page_recycle(&f.page, START);
	assert_int_equal(page_board(&f.page, p.bytes, p.length, &flow, f.peers, 0), 0);
	assert_true(f.page.control->epoch == START + BANKS);
	fixture_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_geometry),
		cmocka_unit_test(test_extent_bank),
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_open_contended),
		cmocka_unit_test(test_reserve),
		cmocka_unit_test(test_reserve_templates),
		cmocka_unit_test(test_seal),
		cmocka_unit_test(test_seal_before_open),
		cmocka_unit_test(test_step),
		cmocka_unit_test(test_close_bounds_the_count),
		cmocka_unit_test(test_wipe_and_renew),
		cmocka_unit_test(test_stale_reserve),
		cmocka_unit_test(test_stale_take),
		cmocka_unit_test(test_stale_open),
		cmocka_unit_test(test_epoch_wrap),
		cmocka_unit_test(test_page_full),
	};

	return RUN(tests);
}

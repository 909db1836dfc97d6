// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Frames with gaps, from writers that died between reserve and commit. */
#include "unit.h"
#include "../common/fixture.h"
#include "../common/frame.h"

/* A frame as writers leave it: records that are there and records that are not. */
struct wreck {
	__u8 bytes[2048];
	__u32 to;
	__u64 committed;
};

static void wreck_start(struct wreck *w)
{
	memset(w, 0, sizeof(*w));
	w->to = FIXTURE_HEAD;
}

static void wreck_add(struct wreck *w, const struct frame *f, __u32 messages)
{
	memcpy(w->bytes + w->to, f->bytes, f->length);
	w->to += f->length;
	w->committed += f->length + messages * JT_COMMITTED_MESSAGE;
}

static void wreck_message(struct wreck *w, const char *text)
{
	struct frame f = {};

	frame_record(&f, 1, (__u32)strlen(text), 0, text);
	wreck_add(w, &f, 1);
}

static void wreck_template(struct wreck *w)
{
	struct frame f = {};
	__u8 t[64];

	frame_template(&f, 1, t, template_bytes(t, 1, 0, 0, 64));
	frame_record(&f, 1, 5, 0, "first");
	wreck_add(w, &f, 1);
}

/* Reserved; the payload may be there already, but no head. */
static void wreck_gap(struct wreck *w, __u32 size, __u8 fill)
{
	memset(w->bytes + w->to + JT_RECORD_HEAD, fill, size - JT_RECORD_HEAD);
	w->to += size;
}

static __u32 salvage(struct wreck *w)
{
	__u8 *copy = exact_copy(w->bytes, w->to);
	__u32 end = jt_extent_salvage(copy, FIXTURE_HEAD, w->to, w->committed);

	assert_true(end >= FIXTURE_HEAD && end <= w->to);
	memcpy(w->bytes, copy, w->to);
	free(copy);
	return end;
}

/* What a receiver finds in it. */
static int messages(const struct wreck *w, __u32 end)
{
	struct jt_found m;
	struct jt_walk walk;
	int n = 0, err;

	jt_walk_init(&walk, w->bytes + FIXTURE_HEAD, end - FIXTURE_HEAD);
	while ((err = jt_walk_next(&walk, &m)) > 0)
		n++;
	assert_int_equal(err, 0);
	return n;
}

static void test_nothing_missing(void **state)
{
	struct wreck w, before;

	(void)state;
	wreck_start(&w);
	assert_int_equal(salvage(&w), FIXTURE_HEAD);
	wreck_template(&w);
	wreck_message(&w, "second");
	before = w;
	assert_int_equal(salvage(&w), w.to);
	assert_memory_equal(&before, &w, sizeof(w));
}

static void test_one_gap(void **state)
{
	__u32 size;
	struct wreck w;

	(void)state;
	for (size = 4; size <= 1200; size += 4) {
		wreck_start(&w);
		wreck_template(&w);
		wreck_gap(&w, size, 0x5a);
		wreck_message(&w, "behind the gap");
		assert_int_equal(salvage(&w), w.to);
		assert_int_equal(messages(&w, w.to), 2);
	}
}

static void test_gap_at_the_end(void **state)
{
	struct wreck w;

	(void)state;
	wreck_start(&w);
	wreck_template(&w);
	wreck_gap(&w, 100, 0xff);
	assert_int_equal(salvage(&w), w.to);
	assert_int_equal(messages(&w, w.to), 1);
	wreck_start(&w);
	wreck_gap(&w, 100, 0xff);
	assert_int_equal(salvage(&w), w.to);
	assert_int_equal(messages(&w, w.to), 0);
}

/* One that died after another had died: neither's length is known. */
static void test_two_gaps(void **state)
{
	__u32 first;
	struct wreck w;

	(void)state;
	wreck_start(&w);
	wreck_template(&w);
	wreck_message(&w, "kept");
	first = w.to;
	wreck_gap(&w, 40, 0x77);
	wreck_message(&w, "lost");
	wreck_gap(&w, 24, 0x77);
	wreck_message(&w, "lost, too");
	assert_int_equal(salvage(&w), first);
	assert_int_equal(messages(&w, first), 2);
}

static void test_two_gaps_side_by_side(void **state)
{
	struct wreck w;

	(void)state;
	wreck_start(&w);
	wreck_template(&w);
	wreck_gap(&w, 40, 0x77);
	wreck_gap(&w, 24, 0x77);
	wreck_message(&w, "kept");
	assert_int_equal(salvage(&w), w.to);
	assert_int_equal(messages(&w, w.to), 2);
}

/* Reserved and not committed, but the head was written: nothing is missing to the eye. */
static void test_head_without_commit(void **state)
{
	struct wreck w;

	(void)state;
	wreck_start(&w);
	wreck_template(&w);
	wreck_message(&w, "whole");
	w.committed -= JT_COMMITTED_MESSAGE + 12;
	assert_true(messages(&w, salvage(&w)) >= 1);
}

/*
 * A writer died between its template's head and its message's. What is missing
 * is more than the gap, and ends where a record ends: only the count tells.
 */
static void test_template_without_its_message(void **state)
{
	struct frame f = {};
	struct wreck w;
	__u32 gap;
	__u8 t[64];

	(void)state;
	wreck_start(&w);
	wreck_template(&w);
	frame_template(&f, 2, t, template_bytes(t, 1, 0, 0, 63));
	memcpy(w.bytes + w.to, f.bytes, f.length);
	w.to += f.length;
	gap = w.to;
	wreck_gap(&w, 16, 0x77);
	wreck_message(&w, "twelve bytes");
	wreck_message(&w, "twelve more.");
	assert_int_equal(salvage(&w), gap);
	assert_int_equal(messages(&w, gap), 1);
}

/* The sleeper wakes after its gap became padding, and writes its head over it. */
static void test_late_writer(void **state)
{
	struct frame f = {};
	struct wreck w;
	__u32 gap;

	(void)state;
	wreck_start(&w);
	wreck_template(&w);
	gap = w.to;
	frame_record(&f, 1, 10, 0, "late, late");
	wreck_gap(&w, f.length, 0x5a);
	wreck_message(&w, "behind the gap");
	assert_int_equal(salvage(&w), w.to);
	memcpy(w.bytes + gap, f.bytes, f.length);
	assert_int_equal(messages(&w, w.to), 3);
}

/* It wakes while the gap is being filled: its head is not overwritten. */
static void test_head_is_not_overwritten(void **state)
{
	struct wreck w;
	__u32 gap;

	(void)state;
	wreck_start(&w);
	wreck_template(&w);
	gap = w.to;
	wreck_message(&w, "slow, slow");
	w.committed -= JT_COMMITTED_MESSAGE + 16; /* its head just came */
	wreck_message(&w, "behind");
	salvage(&w);
	assert_memory_equal(w.bytes + gap, "\x08\x0a\0\0slow", 8);
}

/* What a hostile writer of a shared page could leave there. */
static void test_garbage(void **state)
{
	__u32 i, j, end, seed = 3;
	struct jt_found m;
	struct jt_walk walk;
	struct wreck w;

	(void)state;
	for (i = 0; i < 20000; i++) {
		wreck_start(&w);
		w.to += 4 * (test_random(&seed) % 40);
		for (j = FIXTURE_HEAD; j < w.to; j++)
			w.bytes[j] = test_random(&seed) % 3 ? 0 : (__u8)test_random(&seed);
		w.committed = test_random(&seed) % 3 ? test_random(&seed) % 200 :
						       (__u64)test_random(&seed) << 20;
		end = salvage(&w);
		jt_walk_init(&walk, w.bytes + FIXTURE_HEAD, end - FIXTURE_HEAD);
		while (jt_walk_next(&walk, &m) > 0)
			;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_missing),
		cmocka_unit_test(test_one_gap),
		cmocka_unit_test(test_gap_at_the_end),
		cmocka_unit_test(test_two_gaps),
		cmocka_unit_test(test_two_gaps_side_by_side),
		cmocka_unit_test(test_head_without_commit),
		cmocka_unit_test(test_template_without_its_message),
		cmocka_unit_test(test_late_writer),
		cmocka_unit_test(test_head_is_not_overwritten),
		cmocka_unit_test(test_garbage),
	};

	return RUN(tests);
}

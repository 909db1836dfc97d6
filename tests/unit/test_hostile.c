// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A member of a trust domain that writes whatever it likes, wherever it can: the
 * controller goes on, the main page and the other domain notice nothing, and the
 * domain's page comes back.
 */
#include "unit.h"
#include "../common/member.h"

/* Words that hurt most: near what is right, near a limit, or anything. */
static __u64 evil(__u32 *seed, __u64 now)
{
	__u64 any = (__u64)test_random(seed) << 32 | test_random(seed);

	switch (test_random(seed) % 8) {
	case 0:
		return 0;
	case 1:
		return ~0ULL;
	case 2:
		return now + test_random(seed) % 16 - 8;
	case 3:
		return now ^ 1ULL << test_random(seed) % 64;
	case 4: /* an extent of a near epoch, with any offset, peer and templates */
		return (now & ~0xffffffffULL) | (any & 0xffffffff);
	case 5:
		return JT_EXTENT_OPEN(now, test_random(seed) % 1024, test_random(seed) & 0xffff);
	case 6:
		return any % 4096 + (any >> 40 << 32);
	default:
		return any;
	}
}

/* An extent that says it is whole, and is anything: for salvage would take its time. */
static void spoil_whole(struct member *m, __u32 *seed)
{
	struct jt_extent *x = &m->page.extents[test_random(seed) % (BANKS * EXTENTS)];
	__u64 epoch = JT_READ(m->page.control->epoch);
	__u32 offset =
		test_random(seed) % 4 ? test_random(seed) % 2048 : test_random(seed) & 0xffff;
	__u64 messages = test_random(seed) % 4 ? offset / 4 - 7 : test_random(seed);

	JT_WRITE(x->committed, messages << 32 | (__u32)(offset - FIXTURE_HEAD));
	JT_WRITE(x->word, JT_EXTENT_OPEN(epoch, test_random(seed) % (PEERS + 1), offset));
}

static void spoil(struct member *m, __u32 *seed)
{
	size_t words = m->page.memory - (__u8 *)m->memory, at;
	__u32 extents = BANKS * EXTENTS;
	__u64 *word, epoch = JT_READ(m->page.control->epoch);

	switch (test_random(seed) % 10) {
	case 8:
	case 9:
		spoil_whole(m, seed);
		return;
	case 0:
		word = &m->page.control->epoch;
		break;
	case 1:
		word = &m->page.control->banks[test_random(seed) % BANKS].word;
		break;
	case 2:
	case 3:
		word = &m->page.extents[test_random(seed) % extents].word;
		epoch = JT_READ(*word);
		break;
	case 4:
		word = &m->page.extents[test_random(seed) % extents].committed;
		break;
	case 5: /* anything in front of the banks */
		word = (__u64 *)m->memory + test_random(seed) % (words / 8);
		break;
	case 6: /* the threshold, the geometry, ... */
		word = (__u64 *)m->memory + test_random(seed) % 16;
		break;
	default: /* records */
		at = test_random(seed) % ((size_t)BANKS * jt_bank_stride(&m->page.geometry));
		word = (__u64 *)(m->page.memory + (at & ~7ULL));
	}
	JT_WRITE(*word, evil(seed, epoch));
}

/* A frame that the organizer has made, to be left again where it may be wrong. */
static struct {
	__u8 bytes[2048];
	__u64 word, committed;
} sound;

static void sound_save(struct member *m)
{
	__u64 number = (__u32)JT_READ(m->peers[0].open);

	memcpy(sound.bytes, jt_page_frame(&m->page, number), sizeof(sound.bytes));
	sound.word = m->page.extents[number].word & 0xffffffff;
	sound.committed = m->page.extents[number].committed;
}

/*
 * Not by the organizer: members trust one another, and in a page that was spoiled
 * it may store to odd addresses, which UBSan takes amiss.
 */
static void write_crudely(struct member *m)
{
	__u64 epoch = JT_READ(m->page.control->epoch);
	struct jt_bank *bank = jt_page_bank(&m->page, epoch);
	__u32 i = JT_BANK_NEXT(jt_fetch_add(&bank->word, 1));
	__u64 number = epoch % BANKS * EXTENTS + i;

	if (i >= EXTENTS) {
		jt_page_step(&m->page, epoch);
		return;
	}
	memcpy(jt_page_frame(&m->page, number), sound.bytes, sizeof(sound.bytes));
	JT_WRITE(m->page.extents[number].committed, sound.committed);
	JT_WRITE(m->page.extents[number].word, epoch << 32 | sound.word);
}

static size_t words_set(const void *memory, size_t size)
{
	const __u64 *at = memory;
	size_t n = 0;

	for (; size; at++, size -= sizeof(*at))
		n += !!*at;
	return n;
}

/* After a reset the domain is as new. */
static void recovers(struct member *m)
{
	uint64_t end = jt_env_now() + 5000000000ULL, before;
	__u32 i;

	m->writing &= ~1ULL;
	c->domains[0].transmit.reset_ns = 0; /* should it be in one */
	jt_domain_reset(c, &c->domains[0], "the end");
	while (c->domains[0].transmit.reset_ns) {
		c->domains[0].transmit.reset_ns = 1; /* long ago */
		turn();
		assert_true(jt_env_now() < end);
	}
	assert_int_equal(words_set(m->page.extents, BANKS * EXTENTS * sizeof(struct jt_extent)), 0);
	assert_int_equal(words_set(m->page.memory, BANKS * jt_bank_stride(&options.geometry)), 0);
	for (i = 0; i < 2 * BANKS; i++) {
		before = c->domains[0].transmit.messages;
		while (c->domains[0].transmit.messages == before) {
			member_write(m, 0, i);
			jt_scheduler_flush(c);
			turn();
			assert_true(jt_env_now() < end);
		}
	}
}

static void main_goes_on(uint64_t *written)
{
	main_write();
	++*written;
	jt_scheduler_flush(c);
	assert_int_equal(wire.main_messages, *written);
}

static void test_hostile(void **state)
{
	struct jt_domain *two = &c->domains[1];
	uint8_t *before = malloc(c->datapath.domain_bytes);
	uint64_t end, written = 0;
	__u32 seed = 7, i, k;
	struct member m;

	(void)state;
	member_join(&m, 0, 0);
	assert_int_equal(member_write(&m, 0, 0), JT_ABOARD);
	sound_save(&m);
	c->domains[0].resets = 1; /* from the beginning, the wire believes nothing of it */
	memcpy(before, two->page.memory, (size_t)BANKS * jt_bank_stride(&options.geometry));
	end = jt_env_now() + 1500000000ULL;
	for (i = 0; jt_env_now() < end; i++) {
		for (k = test_random(&seed) % 20; k; k--)
			write_crudely(&m);
		/* Between resets it is still: so that there is something to spoil. */
		if (i % 4 == 0)
			for (k = test_random(&seed) % 6; k; k--)
				spoil(&m, &seed);
		if (test_random(&seed) % 4 == 0)
			jt_scheduler_rung(c);
		main_goes_on(&written);
		/* Not to wait for each reset. */
		if (c->domains[0].transmit.reset_ns > 1)
			c->domains[0].transmit.reset_ns = 1;
	}
	assert_true(c->domains[0].resets > 10);
	assert_true(c->domains[0].transmit.messages <= c->domains[0].transmit.frames * 512);
	assert_memory_equal(before, two->page.memory,
			    (size_t)BANKS * jt_bank_stride(&options.geometry));
	assert_int_equal(
		words_set(c->datapath.page.memory + BANKS * jt_bank_stride(&options.geometry),
			  jt_bank_stride(&options.geometry)),
		0);
	assert_int_equal(two->resets, 0);
	assert_int_equal(two->transmit.frames, 0);
	recovers(&m);
	member_leave(&m);
	free(before);
}

/* Extents as no honest member leaves them, whole by their own account. */
static void test_extents_dropped(void **state)
{
	static const struct {
		__u32 peer, offset, bytes, messages;
	} all[] = {
		{ 0, FIXTURE_LIMIT + 4, FIXTURE_LIMIT + 4 - FIXTURE_HEAD, 1 },
		{ 0, 2048, 2048 - FIXTURE_HEAD, 1 },
		{ 0, 65532, 65532 - FIXTURE_HEAD, 1 },
		{ 0, FIXTURE_HEAD - 4, 0, 1 },
		{ 0, 4, 0, 1 },
		{ PEERS, 200, 200 - FIXTURE_HEAD, 1 },
		{ JT_PEERS_MAX, 200, 200 - FIXTURE_HEAD, 1 },
		{ 1023, 200, 200, 1 },
		{ 0, 200, 200 - FIXTURE_HEAD, 51 },
		{ 0, 200, 200 - FIXTURE_HEAD, ~0U },
	};
	const __u64 *bad = &c->datapath.page.control->reasons[JT_REASON_DOMAIN_BAD];
	struct jt_extent *x;
	struct member m;
	__u64 open;
	__u32 i;

	(void)state;
	member_join(&m, 0, 0);
	for (i = 0; i < JT_ARRAY_SIZE(all); i++) {
		assert_int_equal(member_write(&m, 0, i), JT_ABOARD);
		open = m.peers[0].open;
		x = &m.page.extents[(__u32)open];
		x->word = JT_EXTENT_OPEN(JT_EPOCH(open), all[i].peer, all[i].offset);
		x->committed = (__u64)all[i].messages << 32 | all[i].bytes;
		jt_scheduler_flush(c);
		assert_int_equal(*bad, i + 1);
	}
	assert_int_equal(c->domains[0].resets, 0);
	assert_int_equal(c->domains[0].transmit.frames, 0);
	assert_int_equal(c->datapath.peers[0].sent_frames, 0);
	wire.next[0][0] = i;
	assert_int_equal(member_write(&m, 0, i), JT_ABOARD);
	jt_scheduler_flush(c);
	assert_int_equal(wire.messages, 1);
	member_leave(&m);
}

/* A bank's word of another life. */
static void test_bank_of_another_epoch(void **state)
{
	struct jt_domain *d = &c->domains[0];
	struct member m;
	__u64 epoch = d->transmit.epoch;

	(void)state;
	member_join(&m, 0, 0);
	assert_int_equal(member_write(&m, 0, 0), JT_ABOARD);
	m.page.control->banks[epoch % BANKS].word += (__u64)BANKS << 32;
	jt_scheduler_flush(c);
	assert_int_equal(d->resets, 1);
	assert_int_equal(wire.messages, 0);
	recovers(&m);
	/* One that should be blank. */
	epoch = d->transmit.epoch;
	m.page.control->banks[(epoch + 1) % BANKS].word = 5;
	assert_int_equal(member_write(&m, 0, 0), JT_ABOARD);
	jt_scheduler_flush(c);
	assert_int_equal(d->resets, 3); /* recovers() makes one, too */
	recovers(&m);
	member_leave(&m);
}

/* Back to an epoch whose bank has left, and is not wiped: near enough to be believed. */
static void test_epoch_back(void **state)
{
	struct jt_transmit *t = &c->domains[0].transmit;
	struct member m;

	(void)state;
	member_join(&m, 0, 0);
	wire.hold = true;
	assert_int_equal(member_write(&m, 0, 0), JT_ABOARD);
	jt_scheduler_flush(c);
	assert_true(t->wipe_epoch < t->epoch);
	JT_WRITE(m.page.control->epoch, t->wipe_epoch);
	jt_scheduler_flush(c);
	assert_int_equal(c->domains[0].resets, 1);
	assert_int_equal(t->swaps, 1);
	/* The frame is still out: its bank is not wiped under it. */
	t->reset_ns = 1;
	jt_transmit_run(c);
	jt_transmit_run(c);
	assert_true(t->reset_bank < BANKS && wire.dones == 1);
	wire.hold = false;
	recovers(&m);
	member_leave(&m);
}

static void *spoil_run(void *arg)
{
	struct member *m = arg;
	__u32 seed = 11, i;

	for (i = 0; __atomic_load_n(&running, __ATOMIC_RELAXED); i++) {
		if (i % 64 < 32)
			spoil(m, &seed);
		else
			write_crudely(m);
		if (i % 256 == 0)
			JT_WRITE(m->writing, test_random(&seed));
	}
	return NULL;
}

static uint64_t cpu_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* It never stops, while the controller works. */
static void test_hostile_all_the_time(void **state)
{
	uint64_t end, written = 0, longest = 0, start;
	struct member m;

	(void)state;
	member_join(&m, 0, 0);
	assert_int_equal(member_write(&m, 0, 0), JT_ABOARD);
	sound_save(&m);
	c->domains[0].resets = 1;
	running = 1;
	pthread_create(&m.thread, NULL, spoil_run, &m);
	end = jt_env_now() + 1000000000ULL;
	while (jt_env_now() < end) {
		start = cpu_now();
		turn();
		main_goes_on(&written);
		if (cpu_now() - start > longest)
			longest = cpu_now() - start;
		if (c->domains[0].transmit.reset_ns > 1)
			c->domains[0].transmit.reset_ns = 1;
	}
	running = 0;
	pthread_join(m.thread, NULL);
	printf("%lu messages of the main page, %lu resets, longest turn %lu us of CPU time\n",
	       (unsigned long)written, (unsigned long)c->domains[0].resets,
	       (unsigned long)longest / 1000);
	assert_true(c->domains[0].resets > 1);
	assert_true(longest < 50000000);
	recovers(&m);
	member_leave(&m);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_test, end_test)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_hostile),
		TEST(test_extents_dropped),
		TEST(test_bank_of_another_epoch),
		TEST(test_epoch_back),
		TEST(test_hostile_all_the_time),
	};

	return RUN(tests);
}

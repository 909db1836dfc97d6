// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Trust domains: the layout of their memory, and members that organize into it
 * in place while the controller takes it out. Members map the memfds anew.
 */
#include "unit.h"
#include "../common/member.h"

static void test_layout(void **state)
{
	static const struct jt_geometry all[] = { JT_GEOMETRY(4096, 2, 2048),
						  JT_GEOMETRY(262144, 4, 2048),
						  JT_GEOMETRY(12288, 16, 4096),
						  JT_GEOMETRY(3U << 20, 16, 2048) };
	struct jt_peer *peers;
	struct jt_page page;
	uint8_t *memory;
	uint32_t i, n;

	(void)state;
	for (i = 0; i < JT_ARRAY_SIZE(all); i++) {
		memory = aligned_alloc(JT_DOMAIN_ALIGN, jt_domain_size(&all[i]));
		jt_domain_view(memory, &all[i], &page, &peers);
		n = all[i].banks * all[i].extents;
		assert_ptr_equal(page.control, memory);
		assert_true((uint8_t *)(page.control + 1) <= (uint8_t *)page.extents);
		assert_true((uint8_t *)(page.extents + n) <= (uint8_t *)peers);
		assert_true((uint8_t *)(peers + JT_PEERS_MAX) <= page.memory);
		assert_int_equal((page.memory - memory) % 4096, 0);
		assert_int_equal(jt_bank_stride(&all[i]) % all[i].extent_size, 0);
		assert_int_equal(jt_domain_size(&all[i]) % 4096, 0);
		assert_ptr_equal(page.memory + (size_t)all[i].banks * jt_bank_stride(&all[i]),
				 memory + jt_domain_size(&all[i]));
		/* All of it is there. */
		memset(page.control, 1, sizeof(*page.control));
		memset(page.extents, 1, n * sizeof(*page.extents));
		memset(peers, 1, JT_PEERS_MAX * sizeof(*peers));
		memset(jt_page_frame(&page, n - 1), 1, all[i].extent_size);
		assert_null(jt_page_frame(&page, n));
		assert_null(jt_page_extent(&page, n));
		free(memory);
	}
}

/* Nobody who has the descriptor can take memory away from under the controller. */
static void test_sealed(void **state)
{
	int fd = c->domains[0].memory;

	(void)state;
	assert_int_equal(ftruncate(fd, 4096), -1);
	assert_int_equal(ftruncate(fd, (off_t)c->datapath.domain_bytes * 2), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_int_equal(fcntl(fd, F_GET_SEALS), SEALS);
}

static void test_who_is_in(void **state)
{
	uint64_t word = 0;
	struct jt_member m = { .writing = &word };

	(void)state;
	assert_ptr_equal(jt_domain_of(c, 2), &c->domains[0]);
	assert_ptr_equal(jt_domain_of(c, 3), &c->domains[1]);
	assert_null(jt_domain_of(c, 4));
	assert_null(jt_domain_of(c, JT_GUESTS_MAX - 1));
	assert_int_equal(jt_domain_join(c, 4, &m), -ENOENT);
	c->guests[3].used = false;
	assert_int_equal(jt_domain_join(c, 3, &m), -ENOENT);
}

/* What members read is what the main page says. */
static void test_published(void **state)
{
	const struct jt_control *main = c->datapath.page.control;
	const struct jt_control *control = c->domains[0].page.control;

	(void)state;
	assert_int_equal(control->magic, JT_MAGIC);
	assert_int_equal(control->threshold, main->threshold);
	assert_int_equal(control->small, main->small);
	assert_true(control->latency_ns == main->latency_ns);
	assert_true(control->alive_until_ns == JT_NEVER_STALE);
	assert_int_equal(control->asleep, 1);
	jt_generation_step(c);
	assert_int_equal(control->generation, main->generation);
	assert_int_equal(c->domains[1].page.control->generation, main->generation);
	jt_scheduler_rung(c);
	assert_int_equal(control->asleep, 0);
	assert_int_equal(main->asleep, 0);
	assert_true(control->cycle_ns == 1000000 && control->cycle_start_ns);
	jt_scheduler_alive(c);
	assert_true(control->alive_until_ns == main->alive_until_ns);
	c->datapath.peers[2].limit = 777;
	c->datapath.peers[2].head = 40;
	c->datapath.peers[2].alive_until_ns = 99;
	c->domains[1].peers[2].open = 5;
	jt_domains_peer(c, 2);
	assert_int_equal(c->domains[1].peers[2].limit, 777);
	assert_int_equal(c->domains[1].peers[2].head, 40);
	assert_int_equal(c->domains[1].peers[2].open, 0);
	assert_int_equal(c->domains[1].peers[2].alive_until_ns, 99);
	assert_int_equal(c->domains[1].peers[2].name[0], 0);
	jt_domains_stop(c);
	assert_int_equal(control->magic, 0);
}

static void test_members(void **state)
{
	struct member members[MEMBERS];
	uint32_t i, k;

	(void)state;
	running = MEMBERS;
	for (i = 0; i < MEMBERS; i++)
		member_join(&members[i], i, i == 3 ? 3 : i);
	for (i = 0; i < MEMBERS; i++)
		pthread_create(&members[i].thread, NULL, member_run, &members[i]);
	while (__atomic_load_n(&running, __ATOMIC_SEQ_CST))
		turn();
	for (i = 0; i < MEMBERS; i++)
		pthread_join(members[i].thread, NULL);
	settle();
	for (i = 0; i < MEMBERS; i++) {
		for (k = 0; k < FLOWS; k++)
			assert_int_equal(wire.next[i][k], (MESSAGES - k + FLOWS - 1) / FLOWS);
		member_leave(&members[i]);
	}
	assert_int_equal(wire.messages, MEMBERS * MESSAGES);
	assert_int_equal(c->domains[0].transmit.messages, 3 * MESSAGES);
	assert_int_equal(c->domains[1].transmit.messages, MESSAGES);
	assert_int_equal(c->domains[0].resets + c->domains[1].resets, 0);
	assert_int_equal(c->datapath.page.control->reasons[JT_REASON_DOMAIN_BAD], 0);
	assert_true(c->domains[0].transmit.swaps > BANKS);
}

/* A word that comes back would let one that slept take an extent of a later life. */
static void test_wiped_words_never_repeat(void **state)
{
	struct jt_transmit *t = &c->domains[0].transmit;
	__u64 seen[3 * BANKS + 1], epoch;
	struct member m;
	__u32 i, k;

	(void)state;
	member_join(&m, 0, 0);
	for (i = 0; i < JT_ARRAY_SIZE(seen); i++) {
		epoch = t->epoch;
		assert_int_equal(member_write(&m, 0, i), JT_ABOARD);
		jt_scheduler_flush(c);
		assert_true(t->wipe_epoch == epoch + 1);
		seen[i] = m.page.extents[epoch % BANKS * EXTENTS].word;
		for (k = 0; k < i; k++)
			assert_true(seen[k] != seen[i]);
	}
	member_leave(&m);
}

/* What came aboard while the controller went to sleep keeps it awake, on any page. */
static void test_sleep(void **state)
{
	struct member m;

	(void)state;
	member_join(&m, 0, 3);
	assert_true(c->scheduler.start_ns == 0);
	assert_int_equal(member_write(&m, 0, 0), JT_ABOARD);
	assert_int_equal(rung, 1);
	rung = 0; /* it does not reach us */
	sleep_until_rung(c);
	assert_true(c->scheduler.start_ns);
	assert_int_equal(c->domains[1].page.control->asleep, 0);
	settle();
	assert_int_equal(wire.messages, 1);
	assert_int_equal(c->domains[1].page.control->asleep, 1);
	assert_true(c->domains[1].page.control->alive_until_ns == JT_NEVER_STALE);
	member_leave(&m);
}

/* The threshold swaps the page that is full, and no other. */
static void test_threshold(void **state)
{
	struct member m;
	uint32_t i;

	(void)state;
	member_join(&m, 0, 0);
	for (i = 0; i < 1000 && !c->domains[0].transmit.swaps; i++) {
		assert_int_equal(member_write(&m, 0, i), JT_ABOARD);
		c->scheduler.start_ns = 1; /* awake, and no timer */
		if (i == 0)
			main_write();
		if (rung)
			jt_scheduler_rung(c);
		rung = 0;
	}
	assert_in_range(i, 100, 900);
	assert_int_equal(c->transmit.swaps, 0);
	assert_int_equal(c->domains[1].transmit.swaps, 0);
	assert_int_equal(wire.main_messages, 0);
	jt_scheduler_flush(c);
	assert_int_equal(wire.main_messages, 1);
	member_leave(&m);
}

/* Reserve as for one more message, and never commit. */
static void leave_gap(struct member *m)
{
	__u64 open = JT_READ(m->peers[0].open), before;

	assert_int_equal(jt_extent_reserve(&m->page.extents[(__u32)open], JT_EPOCH(open), 20, 0,
					   m->peers[0].limit, &before),
			 JT_PAGE_OK);
}

/* A bank with a gap, sent and not wiped. */
static void bank_with_gap(struct member *m, struct member *other)
{
	uint64_t end = jt_env_now() + 5000000000ULL;
	struct jt_transmit *t = &c->domains[0].transmit;

	assert_int_equal(member_write(other, 0, 0), JT_ABOARD);
	jt_writing_begin(&m->writing);
	leave_gap(m);
	jt_scheduler_flush(c);
	while (t->send_epoch < t->epoch) {
		turn();
		assert_true(jt_env_now() < end);
	}
	assert_int_equal(wire.messages, 1);
	assert_int_equal(c->datapath.peers[0].reasons[JT_REASON_SALVAGE_GAP], 1);
	jt_transmit_run(c);
	assert_true(t->wipe_epoch == t->send_epoch - 1);
}

/* A member that is stopped inside a write holds the bank; the others go on in the next. */
static void test_gap_until_it_goes_on(void **state)
{
	struct jt_transmit *t = &c->domains[0].transmit;
	struct member m, other;

	(void)state;
	member_join(&m, 0, 0);
	member_join(&other, 1, 1);
	bank_with_gap(&m, &other);
	assert_int_equal(member_write(&other, 0, 1), JT_ABOARD);
	jt_scheduler_flush(c);
	assert_int_equal(wire.messages, 2);
	assert_true(t->wipe_epoch == t->send_epoch - 2);
	jt_writing_end(&m.writing);
	jt_writing_begin(&m.writing); /* in another write already */
	jt_transmit_run(c);
	assert_true(t->wipe_epoch == t->epoch);
	member_leave(&m);
	member_leave(&other);
}

static void test_gap_until_it_is_gone(void **state)
{
	struct jt_transmit *t = &c->domains[0].transmit;
	struct member m, other;

	(void)state;
	member_join(&m, 0, 0);
	member_join(&other, 1, 1);
	bank_with_gap(&m, &other);
	jt_domain_leave(c, &m.joined);
	jt_transmit_run(c);
	assert_true(t->wipe_epoch == t->epoch);
	member_leave(&m);
	member_leave(&other);
}

/* Messages that are there but were never committed are no gaps: the count must not wrap. */
static void test_heads_without_commit(void **state)
{
	struct jt_page *page = &c->datapath.page;
	const __u32 size = JT_RECORD_HEAD + sizeof(struct mark);
	uint64_t end = jt_env_now() + 5000000000ULL;
	__u8 *at;
	__u64 open, before;
	int i;

	(void)state;
	main_write();
	open = c->datapath.peers[0].open;
	for (i = 0; i < 2; i++) {
		assert_int_equal(jt_extent_reserve(jt_page_extent(page, (__u32)open),
						   JT_EPOCH(open), size, 0, FIXTURE_LIMIT, &before),
				 JT_PAGE_OK);
		at = jt_page_frame(page, (__u32)open) + JT_EXTENT_OFFSET(before);
		memcpy(at, at - size, size);
	}
	jt_scheduler_flush(c);
	while (wire.main_messages < 3) {
		turn();
		assert_true(jt_env_now() < end);
	}
	assert_true(c->datapath.peers[0].reasons[JT_REASON_SALVAGE_GAP] == 0);
}

/* The uplink keeps frames: nothing of a bank is wiped before it has given them back. */
static void test_frames_out(void **state)
{
	struct jt_transmit *t = &c->domains[0].transmit;
	struct member m;

	(void)state;
	member_join(&m, 0, 0);
	wire.hold = true;
	assert_int_equal(member_write(&m, 0, 0), JT_ABOARD);
	main_write();
	jt_scheduler_flush(c);
	assert_true(t->wipe_epoch < t->epoch && c->transmit.wipe_epoch < c->transmit.epoch);
	assert_int_equal(t->drains[(t->epoch - 1) % BANKS].outstanding, 1);
	wire.hold = false;
	jt_transmit_run(c);
	assert_true(t->wipe_epoch == t->epoch && c->transmit.wipe_epoch == c->transmit.epoch);
	wire.hold = true;
	assert_int_equal(member_write(&m, 0, 1), JT_ABOARD);
	jt_scheduler_flush(c);
	jt_transmit_abandon(c);
	assert_int_equal(c->datapath.page.control->reasons[JT_REASON_UPLINK_DOWN], 1);
	member_leave(&m);
}

/* Who never stops writing holds up a reset, until it leaves. */
static void test_reset_waits_for_writers(void **state)
{
	struct jt_domain *d = &c->domains[0];
	struct member m, other;
	uint32_t i;

	(void)state;
	member_join(&m, 0, 0);
	member_join(&other, 1, 1);
	jt_writing_begin(&m.writing);
	JT_WRITE(d->page.control->epoch, 1ULL << 40);
	jt_transmit_run(c);
	assert_int_equal(d->resets, 1);
	assert_int_equal(d->page.control->magic, 0);
	assert_int_not_equal(member_write(&other, 0, 0), JT_ABOARD);
	d->transmit.reset_ns = 1;
	for (i = 0; i < 2 * BANKS; i++)
		jt_transmit_run(c);
	assert_int_equal(d->page.control->magic, 0);
	assert_true(jt_transmit_timeout(c) > 1);
	jt_writing_end(&m.writing);
	for (i = 0; i < 2 * BANKS; i++)
		jt_transmit_run(c);
	assert_int_equal(d->page.control->magic, JT_MAGIC);
	assert_int_equal(jt_transmit_timeout(c), -1);
	assert_int_equal(member_write(&other, 0, 0), JT_ABOARD);
	jt_scheduler_flush(c);
	assert_int_equal(d->transmit.messages, 1);
	member_leave(&m);
	member_leave(&other);
}

/* Guest @id is limited, and has tokens for about @bytes; without any it will be long. */
static void limit(uint32_t id, uint64_t bytes)
{
	struct jt_share *s = &c->datapath.shares[id];

	c->shares.limited += !(c->datapath.guests[id].flags & JT_GUEST_LIMITED);
	c->shares.changed++;
	c->datapath.guests[id].flags |= JT_GUEST_LIMITED;
	s->byte_cost = jt_share_byte_cost(JT_SHARE_RATE_MIN);
	s->burst = ~0ULL >> 1;
	s->bytes_paid = (jt_env_now() + (bytes ? 0 : 1000000000000)) * JT_SHARE_NS -
			(bytes * s->byte_cost >> JT_SHARE_FRACTION);
}

/* What nobody pays for stays in its bank, and its writers find no other; the rest leaves. */
static void test_held(void **state)
{
	struct jt_transmit *t = &c->domains[0].transmit;
	struct jt_share *s = c->datapath.shares;
	struct member m, other;
	uint32_t i, n = 0;

	(void)state;
	member_join(&m, 0, 0);
	member_join(&other, 1, 3);
	for (i = 0; i < 3; i++)
		limit(i, 0);
	for (i = 0; i < BANKS; i++) {
		assert_int_equal(member_write(&m, 0, n++), JT_ABOARD);
		jt_scheduler_flush(c);
	}
	while (member_write(&m, 0, n) == JT_ABOARD)
		assert_in_range(n++, 0, 1000);
	assert_int_equal(member_write(&other, 0, 0), JT_ABOARD);
	main_write();
	jt_scheduler_flush(c);
	assert_int_equal(t->messages, 0);
	assert_int_equal(wire.messages, 2);
	assert_true(t->held && t->send_epoch < t->epoch);
	assert_false(jt_transmit_waiting(c));
	assert_int_equal(jt_transmit_timeout(c), -1);
	assert_true(c->shares.waiting && c->shares.due_ns);
	assert_int_equal(s[0].refused, 1);
	/* All of it leaves as soon as one pays; and it alone does. */
	limit(1, 10000000);
	jt_transmit_run(c);
	settle();
	assert_false(t->held);
	assert_int_equal(t->messages, n);
	assert_int_equal(wire.messages, n + 2);
	assert_int_equal(wire.next[0][0], n);
	assert_int_equal(s[1].used, s[0].used + s[1].used + s[2].used);
	assert_true(s[1].used > n * sizeof(struct mark));
	/* Whoever can takes turns. */
	limit(2, 10000000);
	for (i = 0; i < 4; i++) {
		assert_int_equal(member_write(&m, 0, n++), JT_ABOARD);
		jt_scheduler_flush(c);
	}
	assert_true(s[2].used > 0 && !s[0].used);
	/* One that is not limited, and nobody pays. */
	limit(1, 0);
	limit(2, 0);
	c->datapath.guests[0].flags = 0;
	assert_int_equal(member_write(&m, 0, n++), JT_ABOARD);
	jt_scheduler_flush(c);
	assert_int_equal(t->messages, n);
	member_leave(&m);
	member_leave(&other);
}

/* What is left at the end leaves all the same. */
static void test_held_to_the_end(void **state)
{
	struct member m;
	uint32_t i;

	(void)state;
	member_join(&m, 0, 0);
	for (i = 0; i < 3; i++)
		limit(i, 0);
	assert_int_equal(member_write(&m, 0, 0), JT_ABOARD);
	jt_scheduler_flush(c);
	assert_int_equal(wire.messages, 0);
	c->stop = true;
	jt_scheduler_flush(c);
	jt_transmit_run(c);
	assert_int_equal(wire.messages, 1);
	member_leave(&m);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_test, end_test)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),
		TEST(test_sealed),
		TEST(test_who_is_in),
		TEST(test_published),
		TEST(test_members),
		TEST(test_wiped_words_never_repeat),
		TEST(test_sleep),
		TEST(test_threshold),
		TEST(test_gap_until_it_goes_on),
		TEST(test_gap_until_it_is_gone),
		TEST(test_heads_without_commit),
		TEST(test_frames_out),
		TEST(test_reset_waits_for_writers),
		TEST(test_held),
		TEST(test_held_to_the_end),
	};

	return RUN(tests);
}

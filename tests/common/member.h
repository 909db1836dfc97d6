/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Members of trust domains, as their helpers behave, and the controller's loop. */
#ifndef TESTS_MEMBER_H
#define TESTS_MEMBER_H

#include <pthread.h>
#include "controller.h"

struct member {
	struct jt_member joined;
	struct jt_page page;
	struct jt_peer *peers;
	struct jt_flow flows[FLOWS];
	__u64 writing;
	__u32 id;
	void *memory;
	pthread_t thread;
};

static int rung;

/* A helper of @guest: joins, then maps what it is given. */
static TEST_UNUSED void member_join(struct member *m, uint32_t id, uint32_t guest)
{
	memset(m, 0, sizeof(*m));
	m->id = id;
	m->joined.writing = (const uint64_t *)&m->writing;
	assert_int_equal(jt_domain_join(c, guest, &m->joined), 0);
	m->memory = mmap(NULL, c->datapath.domain_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			 m->joined.domain->memory, 0);
	assert_true(m->memory != MAP_FAILED);
	jt_domain_view(m->memory, &options.geometry, &m->page, &m->peers);
}

static TEST_UNUSED void member_leave(struct member *m)
{
	if (m->joined.domain)
		jt_domain_leave(c, &m->joined);
	munmap(m->memory, c->datapath.domain_bytes);
}

static TEST_UNUSED void packet_of(struct packet *p, __u32 writer, __u32 flow, __u32 sequence)
{
	struct packet_spec s = { .family = 4,
				 .from = (__u8)(writer + 1),
				 .to = (__u8)(100 + flow),
				 .source_port = (__u16)(1000 + flow),
				 .check = CHECK_FULL,
				 .length = sizeof(struct mark) };
	struct mark m = { writer, flow, sequence, 0 };

	m.check = mark_check(&m);
	packet_make(p, &s);
	memcpy(p->bytes + p->length - sizeof(m), &m, sizeof(m));
}

/* As a helper does it: ring if the controller sleeps, or the bank is full enough. */
static TEST_UNUSED void member_ring(struct member *m)
{
	struct jt_control *control = m->page.control;
	__u64 epoch = JT_READ(control->epoch);
	__u32 last = JT_READ(control->rung_epoch);

	if (JT_READ(control->asleep) && jt_cas(&control->asleep, 1, 0) == 1)
		__atomic_store_n(&rung, 1, __ATOMIC_SEQ_CST);
	if (JT_BANK_NEXT(JT_READ(jt_page_bank(&m->page, epoch)->word)) >= control->threshold &&
	    last != (__u32)epoch && jt_cas(&control->rung_epoch, last, (__u32)epoch) == last)
		__atomic_store_n(&rung, 1, __ATOMIC_SEQ_CST);
}

static TEST_UNUSED int member_write(struct member *m, __u32 flow, __u32 sequence)
{
	struct packet p;
	int reason;

	packet_of(&p, m->id, flow, sequence);
	jt_writing_begin(&m->writing);
	reason = page_board(&m->page, p.bytes, p.length, &m->flows[flow], &m->peers[flow % PEERS],
			    flow % PEERS);
	jt_writing_end(&m->writing);
	if (reason == JT_ABOARD)
		member_ring(m);
	return reason;
}

static int running;

static TEST_UNUSED void *member_run(void *arg)
{
	struct member *m = arg;
	__u32 i;

	for (i = 0; i < MESSAGES; i++)
		while (member_write(m, i % FLOWS, i / FLOWS) != JT_ABOARD)
			sched_yield();
	__atomic_sub_fetch(&running, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

/* A turn of the controller's loop. */
static TEST_UNUSED void turn(void)
{
	uint64_t now = jt_env_now();

	if (__atomic_exchange_n(&rung, 0, __ATOMIC_SEQ_CST))
		jt_scheduler_rung(c);
	if (c->scheduler.start_ns && now - c->scheduler.start_ns > c->scheduler.length_ns)
		cycle_end(c, JT_SWAP_cycle);
	if (jt_transmit_waiting(c))
		jt_transmit_run(c);
	jt_scheduler_alive(c);
}

/* Until it sleeps, and everything is out. */
static TEST_UNUSED void settle(void)
{
	uint64_t end = jt_env_now() + 5000000000ULL;

	do {
		turn();
		assert_true(jt_env_now() < end);
	} while (c->scheduler.start_ns || jt_transmit_timeout(c) > 0);
}

static TEST_UNUSED void main_write(void)
{
	static struct jt_flow flow;
	struct packet p;

	packet_of(&p, MAIN_WRITER, 0, 0);
	assert_int_equal(page_board(&c->datapath.page, p.bytes, p.length, &flow,
				    &c->datapath.peers[0], 0),
			 JT_ABOARD);
}

#endif

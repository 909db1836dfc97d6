// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "backend/backend.h"
#include "controller/domains.h"
#include "controller/peers.h"
#include "controller/scheduler.h"
#include "controller/transmit.h"

#define MEASURE_NS 100000000ULL /* recompute the cycle so often while awake */
#define ALIVE_NS JT_WAKE_NS

const char *const jt_swap_names[] = { "threshold", "cycle", "flush", "writer" };
_Static_assert(JT_ARRAY_SIZE(jt_swap_names) == JT_SWAP_COUNT, "a name for every trigger");

uint64_t jt_guest_offered(const struct jt_guest *g)
{
	return JT_READ(g->messages) + JT_READ(g->reasons[JT_REASON_CUT_THROUGH]) +
	       JT_READ(g->reasons[JT_REASON_PAGE_FULL]) + JT_READ(g->reasons[JT_REASON_PEER_DOWN]);
}

/* What guest @i did since the last time, as T_i and D_i. */
static void measure_guest(struct jt_controller *c, uint32_t i, uint64_t elapsed,
			  struct jt_cycle_sums *sums)
{
	struct jt_scheduler *s = &c->scheduler;
	struct jt_guest *g = &c->datapath.guests[i];
	uint64_t offered = jt_guest_offered(g), writes = JT_READ(g->writes);
	uint64_t writes_ns = JT_READ(g->writes_ns), interval, messages = offered - s->offered[i];
	uint64_t expected = c->guests[i].expected_ns;

	if (writes != s->writes[i])
		g->write_ns = (writes_ns - s->writes_ns[i]) / (writes - s->writes[i]);
	if (!messages && expected) { /* it has said how often it will send */
		messages = 1;
		elapsed = expected;
	}
	c->guests[i].expected_ns = 0;
	interval = jt_cycle_add(sums, elapsed, messages, g->write_ns);
	if (interval)
		g->interval_ns = interval;
	s->offered[i] = offered;
	s->writes[i] = writes;
	s->writes_ns[i] = writes_ns;
}

static void measure(struct jt_controller *c, uint64_t now)
{
	struct jt_scheduler *s = &c->scheduler;
	struct jt_cycle_sums sums = { 0 };
	uint32_t i;

	for (i = 0; i < c->guest_limit; i++)
		if (c->guests[i].used)
			measure_guest(c, i, now - s->measured_ns, &sums);
	if (sums.intervals)
		s->mean_interval_ns = (uint64_t)(sums.interval_ns / sums.intervals);
	if (sums.writes)
		s->mean_write_ns = (uint64_t)(sums.write_ns / sums.writes);
	s->length_ns = jt_cycle_compute(&s->settings, &sums);
	s->measured_ns = now;
	s->recomputed++;
}

static void arm(struct jt_controller *c, uint64_t at)
{
	struct itimerspec t = { .it_value = { .tv_sec = (time_t)(at / 1000000000),
					      .tv_nsec = (long)(at % 1000000000) } };

	timerfd_settime(c->timer_watch.fd, TFD_TIMER_ABSTIME, &t, NULL);
}

void jt_scheduler_look(struct jt_controller *c, uint64_t at)
{
	if (c->scheduler.start_ns || c->scheduler.look_ns)
		return;
	c->scheduler.look_ns = at;
	arm(c, at);
}

/* What every page announces. @start 0: as it was. */
static void publish_cycle(struct jt_controller *c, uint64_t start, uint64_t length)
{
	struct jt_control *control;
	unsigned int i;

	for (i = 0; i < c->page_count; i++) {
		control = c->pages[i]->page->control;
		if (start)
			JT_WRITE(control->cycle_start_ns, start);
		JT_WRITE(control->cycle_ns, length);
	}
	if (start)
		JT_NOTICE_TIME(&c->board, cycle_start_ns, start);
	JT_NOTICE_SET(&c->board, cycle_ns, length);
}

static void publish_alive(struct jt_controller *c, uint64_t until)
{
	unsigned int i;

	for (i = 0; i < c->page_count; i++)
		JT_WRITE(c->pages[i]->page->control->alive_until_ns, until);
	JT_NOTICE_TIME(&c->board, alive_until_ns, until);
}

static void begin(struct jt_controller *c, uint64_t now)
{
	struct jt_scheduler *s = &c->scheduler;

	s->start_ns = now;
	publish_cycle(c, now, s->length_ns);
	JT_NOTICE_SET(&c->board, asleep, 0);
	jt_slices_wake(c);
	arm(c, now + s->length_ns);
}

/*
 * Has all left, and been taken by the kernel, that came aboard the main page before its
 * @epoch was read? If it was active then, it is not any more, or empty.
 */
static bool drained(struct jt_controller *c, uint64_t epoch)
{
	struct jt_transmit *t = c->pages[0];
	bool empty = jt_transmit_empty(t);

	return t->send_epoch > epoch ||
	       (t->send_epoch == epoch && empty && JT_READ(t->page->control->epoch) == epoch);
}

/* What is due while nobody is aboard. Return: when to look again; 0: never. */
static uint64_t tick(struct jt_controller *c, uint64_t now)
{
	uint64_t at;

	if (c->uplink.up && jt_xsk_pending(&c->xsk))
		jt_transmit_run(c); /* the device was down */
	if (drained(c, JT_READ(c->datapath.page.control->epoch)))
		c->scheduler.drained_ns = now;
	at = jt_peers_tick(c, now) ? now + JT_PEER_PROBE_NS : 0;
	c->scheduler.look_ns = 0;
	return jt_links_tick(c, now) ? now + JT_LINK_TICK_NS : at;
}

/*
 * Go to sleep. Writers look at `asleep` after they have committed, we look at
 * the pages and slices after we have set it, with full barriers on both sides:
 * one of us sees the other.
 */
static void sleep_until_rung(struct jt_controller *c)
{
	uint64_t now = jt_env_now();
	bool aboard;
	unsigned int i;

	jt_transmit_run(c); /* banks whose frames came back late are blank for the next burst */
	c->scheduler.start_ns = 0;
	/* The last word is the peers': has what was sent arrived? */
	arm(c, tick(c, now));
	publish_cycle(c, 0, 0);
	publish_alive(c, JT_NEVER_STALE);
	for (i = 0; i < c->page_count; i++)
		__atomic_store_n(&c->pages[i]->page->control->asleep, 1, __ATOMIC_SEQ_CST);
	JT_NOTICE_SET(&c->board, asleep, 1);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	jt_slices_wake(c); /* there is no next cycle to wait for */
	aboard = jt_slices_pending(c);
	for (i = 0; i < c->page_count; i++)
		aboard |= !jt_transmit_empty(c->pages[i]) &&
			  jt_cas(&c->pages[i]->page->control->asleep, 1, 0) == 1;
	if (aboard)
		jt_scheduler_wake(c, now);
}

/* Swaps that writers made because they found the page full. Return: were there any? */
static bool follow_writers(struct jt_controller *c, struct jt_transmit *t, uint64_t epoch)
{
	uint64_t steps = epoch - t->epoch;

	if (!t->domain)
		c->scheduler.swaps[JT_SWAP_writer] += steps;
	t->swaps += steps;
	t->epoch = epoch;
	return steps;
}

/* Return: whether anything leaves. */
static bool page_swap(struct jt_controller *c, struct jt_transmit *t, enum jt_swap why)
{
	uint64_t epoch;
	bool any;

	if (!jt_transmit_epoch(c, t, &epoch))
		return false;
	any = follow_writers(c, t, epoch);
	/* The bank that was rung for may have left already. */
	if (jt_transmit_empty(t) || (any && why == JT_SWAP_threshold && !t->domain))
		return any;
	if (jt_transmit_step(c, t, epoch)) {
		if (!t->domain)
			c->scheduler.swaps[why]++;
		t->swaps++;
		t->epoch = epoch + 1;
	}
	return true;
}

/* A number that is another one behind each swap. */
static void publish_swaps(struct jt_controller *c)
{
	uint64_t swaps = 0;
	unsigned int i;

	for (i = 0; i < c->page_count; i++)
		swaps += c->pages[i]->swaps;
	JT_NOTICE_SET(&c->board, swaps, swaps);
}

/* All pages. Return: whether anything leaves. */
static bool swap(struct jt_controller *c, enum jt_swap why)
{
	bool any = false;
	unsigned int i;

	jt_shares_tick(c);
	jt_slices_collect(c);
	if (jt_calls_flush(c)) /* it is what happens now */
		why = JT_SWAP_flush;
	for (i = 0; i < c->page_count; i++)
		any |= page_swap(c, c->pages[i], why);
	if (any)
		jt_transmit_run(c);
	publish_swaps(c);
	return any || jt_slices_pending(c);
}

static void cycle_end(struct jt_controller *c, enum jt_swap why)
{
	struct jt_scheduler *s = &c->scheduler;
	uint64_t now = jt_env_now();
	uint64_t epoch = JT_READ(c->datapath.page.control->epoch);
	bool swapped = swap(c, why);

	if (drained(c, epoch))
		s->drained_ns = now;
	c->datapath.page.control->cycles++;
	jt_peers_tick(c, now);
	jt_links_tick(c, now);
	if (!swapped || now - s->measured_ns > MEASURE_NS)
		measure(c, now);
	if (swapped) {
		begin(c, now);
		return;
	}
	s->empty++;
	sleep_until_rung(c);
}

void jt_scheduler_wake(struct jt_controller *c, uint64_t time_ns)
{
	struct jt_control *control;
	unsigned int i;

	c->scheduler.wakeups++;
	if (c->scheduler.start_ns)
		return;
	/* Who comes aboard of another page need not ring any more. */
	for (i = 0; i < c->page_count; i++) {
		control = c->pages[i]->page->control;
		if (JT_READ(control->asleep))
			JT_WRITE(control->asleep, 0);
	}
	begin(c, time_ns);
}

static bool over_threshold(const struct jt_controller *c, struct jt_transmit *t)
{
	uint64_t word = JT_READ(jt_page_bank(t->page, JT_READ(t->page->control->epoch))->word);

	return !t->reset_ns && JT_BANK_NEXT(word) >= c->datapath.page.control->threshold;
}

/* Only the pages that are full: nobody must be able to swap others' at will. */
void jt_scheduler_rung(struct jt_controller *c)
{
	bool any = false;
	unsigned int i;

	if (!c->scheduler.start_ns)
		jt_scheduler_wake(c, jt_env_now());
	jt_slices_collect(c);
	jt_slices_wake(c);
	if (jt_calls_flush(c))
		jt_scheduler_flush(c);
	else if (over_threshold(c, c->pages[0]))
		jt_scheduler_full(c);
	for (i = 1; i < c->page_count; i++)
		if (over_threshold(c, c->pages[i]))
			any |= page_swap(c, c->pages[i], JT_SWAP_threshold);
	if (any)
		jt_transmit_run(c);
}

void jt_scheduler_full(struct jt_controller *c)
{
	cycle_end(c, JT_SWAP_threshold);
}

bool jt_scheduler_flush(struct jt_controller *c)
{
	bool any = jt_slices_pending(c);
	unsigned int i;

	for (i = 0; i < c->page_count; i++)
		any |= !jt_transmit_empty(c->pages[i]);
	if (any)
		cycle_end(c, JT_SWAP_flush);
	return any;
}

void jt_scheduler_alive(struct jt_controller *c)
{
	struct jt_scheduler *s = &c->scheduler;

	if (s->start_ns)
		publish_alive(c, jt_env_now() + s->length_ns + ALIVE_NS);
}

static void timer_ready(struct jt_controller *c, struct jt_watch *w, uint32_t events)
{
	uint64_t expired;

	if (read(w->fd, &expired, sizeof(expired)) != sizeof(expired))
		return;
	if (c->scheduler.start_ns)
		cycle_end(c, JT_SWAP_cycle);
	else
		arm(c, tick(c, jt_env_now()));
}

int jt_scheduler_start(struct jt_controller *c)
{
	const struct jt_options *o = c->options;

	c->scheduler.settings = o->cycle;
	c->scheduler.measured_ns = jt_env_now();
	c->scheduler.length_ns = jt_cycle_compute(&o->cycle, &(struct jt_cycle_sums){ 0 });
	c->timer_watch.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	c->timer_watch.ready = timer_ready;
	if (c->timer_watch.fd < 0)
		return -errno;
	sleep_until_rung(c);
	return jt_watch_add(c, &c->timer_watch, EPOLLIN);
}

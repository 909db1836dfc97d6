// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

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
	uint64_t writes_ns = JT_READ(g->writes_ns), interval;

	if (writes != s->writes[i])
		g->write_ns = (writes_ns - s->writes_ns[i]) / (writes - s->writes[i]);
	interval = jt_cycle_add(sums, elapsed, offered - s->offered[i], g->write_ns);
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

static void begin(struct jt_controller *c, uint64_t now)
{
	struct jt_scheduler *s = &c->scheduler;
	struct jt_control *control = c->datapath.page.control;

	s->start_ns = now;
	JT_WRITE(control->cycle_start_ns, now);
	JT_WRITE(control->cycle_ns, s->length_ns);
	JT_WRITE(c->board.notice->cycle_start_ns, now);
	JT_WRITE(c->board.notice->cycle_ns, s->length_ns);
	JT_WRITE(c->board.notice->asleep, 0);
	jt_slices_wake(c);
	arm(c, now + s->length_ns);
}

/*
 * Go to sleep. The programs look at `asleep` after they have committed, we look
 * at the page after we have set it, with full barriers on both sides: one of us
 * sees the other. Likewise helpers, and their slices.
 */
static void sleep_until_rung(struct jt_controller *c)
{
	struct jt_control *control = c->datapath.page.control;
	struct jt_notice *notice = c->board.notice;
	uint64_t now = jt_env_now();

	jt_transmit_run(c); /* banks whose frames came back late are blank for the next burst */
	c->scheduler.start_ns = 0;
	/* The last word is the peers': has what was sent arrived? */
	arm(c, jt_peers_tick(c, now) ? now + JT_PEER_PROBE_NS : 0);
	JT_WRITE(control->cycle_ns, 0);
	JT_WRITE(notice->cycle_ns, 0);
	JT_WRITE(control->alive_until_ns, JT_NEVER_STALE);
	JT_WRITE(notice->alive_until_ns, JT_NEVER_STALE);
	__atomic_store_n(&notice->asleep, 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&control->asleep, 1, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if ((!jt_transmit_empty(c) || jt_slices_pending(c)) && jt_cas(&control->asleep, 1, 0) == 1)
		jt_scheduler_wake(c, now);
}

/* Swaps that writers made because they found the page full. Return: were there any? */
static bool follow_writers(struct jt_controller *c, uint64_t epoch)
{
	struct jt_scheduler *s = &c->scheduler;
	bool any = s->epoch < epoch;

	s->swaps[JT_SWAP_writer] += epoch - s->epoch;
	s->epoch = epoch;
	return any;
}

/* Return: whether anything leaves. */
static bool swap(struct jt_controller *c, enum jt_swap why)
{
	struct jt_page *page = &c->datapath.page;
	uint64_t epoch;
	bool any;

	jt_slices_collect(c);
	epoch = JT_READ(page->control->epoch);
	any = follow_writers(c, epoch);

	/* The bank that was rung for may have left already. */
	if (!jt_transmit_empty(c) && !(any && why == JT_SWAP_threshold)) {
		any = true;
		if (jt_page_step(page, epoch))
			jt_transmit_run(c); /* perhaps a bank comes back */
		if (!jt_page_step(page, epoch)) {
			c->scheduler.swaps[why]++;
			c->scheduler.epoch = epoch + 1;
			JT_WRITE(c->board.notice->swaps, epoch + 1);
		}
	}
	if (any)
		jt_transmit_run(c);
	return any || jt_slices_pending(c);
}

static void cycle_end(struct jt_controller *c, enum jt_swap why)
{
	struct jt_scheduler *s = &c->scheduler;
	uint64_t now = jt_env_now();
	bool swapped = swap(c, why);

	c->datapath.page.control->cycles++;
	jt_peers_tick(c, now);
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
	c->scheduler.wakeups++;
	if (c->scheduler.start_ns)
		return;
	begin(c, time_ns);
}

void jt_scheduler_full(struct jt_controller *c)
{
	cycle_end(c, JT_SWAP_threshold);
}

/* Above the threshold the page leaves, else it waits for the cycle's end. */
static void look_if_full(struct jt_controller *c)
{
	struct jt_page *page = &c->datapath.page;
	struct jt_bank *active = jt_page_bank(page, JT_READ(page->control->epoch));

	if (JT_BANK_NEXT(JT_READ(active->word)) >= page->control->threshold)
		cycle_end(c, JT_SWAP_threshold);
}

void jt_scheduler_rung(struct jt_controller *c)
{
	if (jt_cas(&c->datapath.page.control->asleep, 1, 0) == 1 || !c->scheduler.start_ns)
		jt_scheduler_wake(c, jt_env_now());
	jt_slices_collect(c);
	jt_slices_wake(c);
	look_if_full(c);
}

bool jt_scheduler_flush(struct jt_controller *c)
{
	bool any = !jt_transmit_empty(c) || jt_slices_pending(c);

	if (any)
		cycle_end(c, JT_SWAP_flush);
	return any;
}

void jt_scheduler_alive(struct jt_controller *c)
{
	struct jt_scheduler *s = &c->scheduler;

	uint64_t until;

	if (!s->start_ns)
		return;
	until = jt_env_now() + s->length_ns + ALIVE_NS;
	JT_WRITE(c->datapath.page.control->alive_until_ns, until);
	JT_WRITE(c->board.notice->alive_until_ns, until);
}

int jt_scheduler_timeout(struct jt_controller *c)
{
	return c->uplink.up && c->transmit.send_epoch < JT_READ(c->datapath.page.control->epoch) ?
		       1 :
		       -1;
}

static void timer_ready(struct jt_controller *c, struct jt_watch *w, uint32_t events)
{
	uint64_t expired;

	if (read(w->fd, &expired, sizeof(expired)) != sizeof(expired))
		return;
	if (c->scheduler.start_ns)
		cycle_end(c, JT_SWAP_cycle);
	else if (jt_peers_tick(c, jt_env_now()))
		arm(c, jt_env_now() + JT_PEER_PROBE_NS);
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

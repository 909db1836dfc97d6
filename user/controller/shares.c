// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/netdev.h"
#include "controller/helpers.h"
#include "controller/scheduler.h"
#include "controller/slices.h"
#include "controller/transmit.h"

#define TICK_NS 1000000ULL
#define SHORTEST_NS (TICK_NS / 4) /* between two ticks */
#define LONGEST_US 1000000U	  /* after it the pool is full, whatever was sent */
#define POOL_NS 10000000ULL	  /* so much of the uplink's rate is saved up */
#define FLOAT_NS 10000000ULL	  /* so much of its part a guest may borrow at once */
#define POOL_BYTE 1000000LL	  /* the pool counts in millionths of a byte */
#define FLOAT_MIN 4096U
#define FLOAT_MAX 262144U
#define FILL_TURNS 8
#define WANT_ALL (1ULL << 62)
#define WEIGHT_DEFAULT 1000U /* as if its rate was 1 Mbit/s */
#define SEEN_NS 25000000ULL  /* who offered something so lately still has more: clocks are late */
#define BURST_TIME_MAX (1ULL << 60)

/* Bytes that pass at @rate bytes a second, for at most some ten minutes. */
static uint64_t bytes_in(uint64_t rate, uint64_t ns)
{
	return rate * (ns / 1000) / 1000000;
}

/* --- sharing out ------------------------------------------------------------------ */

static bool limited(const struct jt_controller *c, uint32_t guest)
{
	return c->datapath.guests[guest].flags & JT_GUEST_LIMITED;
}

static bool borrows(const struct jt_controller *c, uint32_t guest)
{
	return limited(c, guest) && c->datapath.shares[guest].settings.borrows;
}

/* How much who borrows may take without asking. */
static void floats_set(struct jt_controller *c)
{
	struct jt_shares *s = &c->shares;
	uint64_t weights = 0, part;
	uint32_t i;

	for (i = 0; i < c->guest_limit; i++)
		if (borrows(c, i))
			weights += c->datapath.shares[i].settings.weight;
	for (i = 0; i < c->guest_limit; i++) {
		if (!borrows(c, i))
			continue;
		part = bytes_in(s->rate, FLOAT_NS) * c->datapath.shares[i].settings.weight /
		       weights;
		if (part < FLOAT_MIN)
			part = FLOAT_MIN;
		s->guests[i].floating = part < FLOAT_MAX ? part : FLOAT_MAX;
		JT_WRITE(c->datapath.shares[i].low, s->guests[i].floating / 2);
	}
}

/* What came in since the last tick, less what all have sent. */
static void pool_fill(struct jt_controller *c, uint64_t now)
{
	struct jt_shares *s = &c->shares;
	int64_t most = (int64_t)bytes_in(s->rate, POOL_NS) * POOL_BYTE;
	uint64_t us = (now - s->ticked_ns) / 1000, used, sum = 0;
	uint32_t i;

	for (i = 0; i < c->guest_limit; i++) {
		if (!limited(c, i))
			continue;
		used = JT_READ(c->datapath.shares[i].used);
		sum += used - s->guests[i].used;
		s->guests[i].used = used;
	}
	if (us >= LONGEST_US)
		s->pool = most;
	else
		s->pool += (int64_t)(s->rate * us) - (int64_t)sum * POOL_BYTE;
	if (s->pool > most)
		s->pool = most;
	/* What bursts may take at once is owed in full, or it would be given out twice. */
	if (s->pool < -most - s->bursts)
		s->pool = -most - s->bursts;
	s->ticked_ns = us >= LONGEST_US ? now : s->ticked_ns + us * 1000;
}

/* What a guest wants beyond what it has. */
static uint64_t want_of(struct jt_share *share, struct jt_share_account *a)
{
	uint64_t refused = JT_READ(share->refused);
	int64_t left = jt_share_grant(share);

	a->hungry = refused != a->refused || left <= 0;
	a->refused = refused;
	if (a->hungry)
		return WANT_ALL;
	return (uint64_t)left < a->floating ? a->floating - (uint64_t)left : 0;
}

/* Who borrows. Return: how many. */
static unsigned int wants_find(struct jt_controller *c)
{
	struct jt_share *share = c->datapath.shares;
	struct jt_shares *s = &c->shares;
	unsigned int n = 0;
	uint32_t i;

	for (i = 0; i < c->guest_limit; i++)
		if (borrows(c, i))
			s->wants[n++] = (struct jt_want){ .weight = share[i].settings.weight,
							  .want = want_of(&share[i], &s->guests[i]),
							  .guest = i };
	return n;
}

/* @weights: sum over those that @left is for */
static uint64_t part_of(const struct jt_want *w, uint64_t left, uint64_t weights)
{
	return (uint64_t)((double)left * (double)w->weight / (double)weights);
}

static uint64_t open_weights(const struct jt_want *wants, unsigned int n)
{
	uint64_t weights = 0;
	unsigned int i;

	for (i = 0; i < n; i++)
		weights += wants[i].done ? 0 : wants[i].weight;
	return weights;
}

uint64_t jt_shares_fill(struct jt_want *wants, unsigned int n, uint64_t left)
{
	uint64_t weights, all = left, get;
	bool again = true;
	unsigned int turn, i;

	for (i = 0; i < n; i++)
		wants[i].done = false;
	/* Who wants less than its part gets that, and leaves the rest to the others. */
	for (turn = 0; again && turn < FILL_TURNS; turn++, all = left) {
		weights = open_weights(wants, n);
		again = false;
		for (i = 0; i < n; i++) {
			if (wants[i].done || wants[i].want > part_of(&wants[i], all, weights))
				continue;
			wants[i].done = again = true;
			wants[i].get = wants[i].want;
			left -= wants[i].get;
		}
	}
	weights = open_weights(wants, n);
	for (all = left, i = 0; i < n; i++) {
		if (wants[i].done)
			continue;
		get = part_of(&wants[i], all, weights);
		wants[i].get = get < wants[i].want ? get : wants[i].want;
		left -= wants[i].get;
	}
	return left;
}

/* Return: whether it wants more. */
static bool grant(struct jt_share *share, const struct jt_share_account *a, const struct jt_want *w)
{
	uint64_t borrowed = JT_READ(share->borrowed), granted = share->granted;
	int64_t left = (int64_t)(granted - borrowed);
	bool more = a->hungry || w->get < w->want;

	/* What it did not use goes back, what it owes stays. */
	if (a->hungry && left > 0)
		granted = borrowed;
	else if (!a->hungry && left > (int64_t)a->floating)
		granted = borrowed + a->floating;
	JT_WRITE(share->granted, granted + w->get);
	if (JT_READ(share->asked) != more)
		JT_WRITE(share->asked, more);
	return more;
}

/* True if somebody came to want more before he saw that we would not look by ourselves. */
static bool missed(struct jt_controller *c, unsigned int n)
{
	const struct jt_share *share;
	unsigned int i;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (i = 0; i < n; i++) {
		share = &c->datapath.shares[c->shares.wants[i].guest];
		if (!JT_READ(share->asked) && jt_share_grant(share) < (int64_t)share->low)
			return true;
	}
	return false;
}

static void arm(struct jt_controller *c, uint64_t at)
{
	struct itimerspec t = { .it_value = { .tv_sec = (time_t)(at / 1000000000),
					      .tv_nsec = (long)(at % 1000000000) } };

	if (c->shares.due_ns && c->shares.due_ns <= at)
		return;
	c->shares.due_ns = at;
	timerfd_settime(c->shares_watch.fd, TFD_TIMER_ABSTIME, &t, NULL);
}

static void share_out(struct jt_controller *c, uint64_t now)
{
	struct jt_shares *s = &c->shares;
	unsigned int i, n;
	bool more = false;

	if (!s->limited || !s->rate)
		return;
	s->ticks++;
	pool_fill(c, now);
	n = wants_find(c);
	jt_shares_fill(s->wants, n, s->pool > 0 ? (uint64_t)(s->pool / POOL_BYTE) : 0);
	for (i = 0; i < n; i++)
		more |= grant(&c->datapath.shares[s->wants[i].guest], &s->guests[s->wants[i].guest],
			      &s->wants[i]);
	if (more || missed(c, n))
		arm(c, now + TICK_NS);
}

void jt_shares_tick(struct jt_controller *c)
{
	uint64_t now;

	if (!c->shares.limited)
		return;
	now = jt_env_now();
	if (now - c->shares.ticked_ns >= SHORTEST_NS)
		share_out(c, now);
}

void jt_shares_asked(struct jt_controller *c)
{
	uint64_t now = jt_env_now();

	if (now - c->shares.ticked_ns >= SHORTEST_NS)
		share_out(c, now);
	else
		arm(c, now + SHORTEST_NS);
}

/* When a guest has tokens of its own again. */
static uint64_t paid_ns(const struct jt_share *share)
{
	uint64_t bytes = share->byte_cost ? JT_READ(share->bytes_paid) : 0;
	uint64_t messages = share->message_cost ? JT_READ(share->messages_paid) : 0;

	return (bytes > messages ? bytes : messages) / JT_SHARE_NS + 1;
}

void jt_shares_wait(struct jt_controller *c, const struct jt_share *share, uint64_t now)
{
	uint64_t at = paid_ns(share);

	if (share->settings.borrows && at > now + TICK_NS)
		at = now + TICK_NS;
	if (at < now + SHORTEST_NS)
		at = now + SHORTEST_NS;
	c->shares.waiting = true;
	arm(c, at);
}

static void timer_ready(struct jt_controller *c, struct jt_watch *w, uint32_t events)
{
	struct jt_shares *s = &c->shares;
	uint64_t expired;

	if (read(w->fd, &expired, sizeof(expired)) != sizeof(expired))
		return;
	s->due_ns = 0;
	share_out(c, jt_env_now());
	if (!s->waiting)
		return;
	s->waiting = false;
	jt_scheduler_rung(c);
	jt_transmit_run(c);
	jt_slices_wake(c); /* whose banks are blank again */
}

/* --- settings ------------------------------------------------------------------ */

static bool given(const struct jt_share_settings *s)
{
	return s->rate || s->message_rate;
}

static const char *settings_wrong(const struct jt_share_settings *s)
{
	if (s->rate && s->rate < JT_SHARE_RATE_MIN)
		return "its rate is less than 8 kbit/s";
	if (s->rate > JT_SHARE_RATE_MAX)
		return "its rate is more than 10 Tbit/s";
	if (s->message_rate > JT_SHARE_MESSAGES_MAX)
		return "its rate is more than a thousand million messages a second";
	if (s->burst > JT_SHARE_BURST_MAX)
		return "its burst is more than 1 GB";
	return NULL;
}

/* With what was not given. */
static struct jt_share_settings settings_fill(struct jt_controller *c, struct jt_share_settings s)
{
	uint64_t ns = 2 * c->options->cycle.latency_ns;

	if (!given(&s))
		s.borrows = 1;
	if (!s.weight)
		s.weight = s.rate ? (uint32_t)(s.rate / 1000) : WEIGHT_DEFAULT;
	if (!s.burst)
		s.burst = bytes_in(s.rate / 8, ns > JT_SHARE_BURST_NS ? ns : JT_SHARE_BURST_NS);
	return s;
}

/* The time that @bytes take, years at most. */
static uint64_t burst_of(uint64_t bytes, uint64_t byte_cost)
{
	double time = (double)bytes * ((double)byte_cost / (1 << JT_SHARE_FRACTION));

	return time < (double)BURST_TIME_MAX ? (uint64_t)time : BURST_TIME_MAX;
}

/* The bucket is full then. */
static void bucket_set(struct jt_share *share, const struct jt_share_settings *s)
{
	uint64_t now = jt_env_now() * JT_SHARE_NS, burst = JT_SHARE_BURST_NS * JT_SHARE_NS;
	uint64_t byte_cost = s->rate ? jt_share_byte_cost(s->rate) : !s->message_rate, start;

	if (s->rate)
		burst = burst_of(s->burst, byte_cost);
	start = now > burst ? now - burst : 0; /* since the machine started there may be less */
	share->settings = *s;
	JT_WRITE(share->burst, burst);
	JT_WRITE(share->bytes_paid, given(s) ? start : JT_SHARE_NEVER);
	JT_WRITE(share->messages_paid, start);
	JT_WRITE(share->message_cost,
		 s->message_rate ? JT_SHARE_NS * 1000000000 / s->message_rate : 0);
	JT_WRITE(share->byte_cost, byte_cost);
}

/* Programs look at the share of who is limited, and at nobody else's. */
static void limited_set(struct jt_controller *c, uint32_t guest, bool limited)
{
	struct jt_guest *slot = &c->datapath.guests[guest];
	bool was = slot->flags & JT_GUEST_LIMITED;

	if (limited)
		JT_WRITE(slot->flags, slot->flags | JT_GUEST_LIMITED);
	else
		JT_WRITE(slot->flags, slot->flags & ~(uint32_t)JT_GUEST_LIMITED);
	c->shares.limited += (unsigned int)limited - was;
	c->shares.changed++;
}

/* What may be sent at once, whatever the uplink's rate. */
static void bursts_add(struct jt_controller *c)
{
	int64_t sum = JT_SHARE_BYTES_MAX;
	uint32_t i;

	for (i = 0; i < c->guest_limit; i++)
		if (limited(c, i))
			sum += (int64_t)c->datapath.shares[i].settings.burst;
	c->shares.bursts = sum * POOL_BYTE;
}

/* The uplink's rate or what guests there are has changed. */
static void grants_begin(struct jt_controller *c)
{
	struct jt_share *share;
	uint32_t i;

	for (i = 0; i < c->guest_limit; i++) {
		share = &c->datapath.shares[i];
		JT_WRITE(share->low, 0);
		if (borrows(c, i) && !c->shares.rate)
			JT_WRITE(share->granted, JT_READ(share->borrowed) + JT_SHARE_UNLIMITED);
		else if (!borrows(c, i) || jt_share_grant(share) > FLOAT_MAX)
			JT_WRITE(share->granted, JT_READ(share->borrowed));
	}
	if (c->shares.rate)
		floats_set(c);
	bursts_add(c);
	share_out(c, jt_env_now());
	if (c->shares.waiting) /* perhaps no longer */
		arm(c, jt_env_now() + SHORTEST_NS);
}

int jt_shares_set(struct jt_controller *c, uint32_t guest, const struct jt_share_settings *settings,
		  const char **wrong)
{
	struct jt_share *share = &c->datapath.shares[guest];
	struct jt_share_settings full;

	*wrong = settings_wrong(settings);
	if (*wrong)
		return -EINVAL;
	full = settings_fill(c, *settings);
	c->guests[guest].spec.share = *settings;
	bucket_set(share, &full);
	limited_set(c, guest, given(&full) || c->options->uplink_rate);
	grants_begin(c);
	return 0;
}

/* Nothing of what it has is touched: else it could fill its bucket as often as it likes. */
int jt_shares_weight(struct jt_controller *c, uint32_t guest, uint64_t weight)
{
	uint32_t most = settings_fill(c, c->guests[guest].spec.share).weight;

	if (weight > most)
		return -EPERM;
	c->datapath.shares[guest].settings.weight = weight ? (uint32_t)weight : most;
	return 0;
}

void jt_shares_forget(struct jt_controller *c, uint32_t guest)
{
	limited_set(c, guest, false);
	c->datapath.shares[guest] = (struct jt_share){ 0 };
	c->shares.guests[guest] = (struct jt_share_account){ 0 };
	grants_begin(c);
}

/* Bytes that a time is worth. */
static int64_t bytes_of(const struct jt_share *share, uint64_t time)
{
	return (int64_t)((double)time * (1 << JT_SHARE_FRACTION) / (double)share->byte_cost);
}

static int64_t tokens(const struct jt_share *share, uint64_t now_ns)
{
	uint64_t now = now_ns * JT_SHARE_NS, paid = JT_READ(share->bytes_paid);

	if (!share->byte_cost)
		return INT64_MAX;
	if (paid >= JT_SHARE_NEVER)
		return 0;
	if (paid > now)
		return -bytes_of(share, paid - now);
	return bytes_of(share, now - paid < share->burst ? now - paid : share->burst);
}

void jt_shares_view(struct jt_controller *c, uint32_t guest, struct jt_share_view *out)
{
	struct jt_share *share = &c->datapath.shares[guest];
	uint64_t now = jt_env_now();

	*out = (struct jt_share_view){ .settings = share->settings,
				       .limited = limited(c, guest),
				       .used = JT_READ(share->used),
				       .borrowed = JT_READ(share->borrowed),
				       .refused = JT_READ(share->refused) };
	if (!out->limited)
		return;
	out->tokens = tokens(share, now);
	out->state = jt_share_state(
		share, now, now - JT_READ(share->offered_ns) < SEEN_NS || jt_slices_held(c, guest));
}

void jt_shares_uplink(struct jt_controller *c)
{
	uint64_t rate = c->options->uplink_rate;

	if (!rate && c->uplink.up)
		rate = jt_netdev_speed(c->uplink.name) * 1000000ULL;
	if (c->shares.rate == rate / 8)
		return;
	c->shares.rate = rate / 8;
	grants_begin(c);
}

int jt_shares_start(struct jt_controller *c)
{
	c->shares_watch = (struct jt_watch){ .fd = timerfd_create(CLOCK_MONOTONIC,
								  TFD_NONBLOCK | TFD_CLOEXEC),
					     .ready = timer_ready };
	if (c->shares_watch.fd < 0)
		return -errno;
	jt_shares_uplink(c);
	return jt_watch_add(c, &c->shares_watch, EPOLLIN);
}

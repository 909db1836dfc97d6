// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Sending: which way a message goes, and off it goes. The rules are those of
 * bpf/vif.bpf.c, for the same reasons: the kernel's way is faster than the page,
 * so a flow that was aboard lately stays aboard.
 */
#include <errno.h>
#include <stdlib.h>

#include "guest.h"

/* As in bpf/vif.bpf.c. */
#define GAP_LIMIT 8
#define LEGACY_NS 1000000000ULL

#define SAMPLE_EVERY 64U /* writes, of which one is measured */

/* Has the peer confirmed what was aboard? Of a trust domain's page nobody knows. */
static bool settled(const struct jitney_flow *f, const struct jt_notice *n)
{
	uint64_t until = JT_READ(n->peer_settled_ns[f->id]);

	return !f->j->map && f->aboard_ns <= until && JT_READ(f->j->view.slice->taken_ns) <= until;
}

static bool was_aboard(const struct jitney_flow *f, const struct jt_notice *n, uint64_t now)
{
	uint64_t quiet = now - f->aboard_ns;

	/* In this order: what does not wait any more has been taken before. */
	return quiet < JT_ORDER_NS + JT_READ(n->latency_ns) ||
	       (f->j->call->waits && f->j->call->waits(f)) ||
	       (quiet < JT_SETTLE_NS && !settled(f, n));
}

static bool fits(const struct jitney_flow *f, const struct jt_notice *n, size_t length)
{
	return length <= JT_RECORD_MAX - 3 &&
	       2 * JT_RECORD_HEAD + f->template_size + JT_ALIGN4(length) <=
		       JT_READ(n->peer_room[f->id]);
}

/*
 * Is company to be expected for the first message to a peer in this cycle? Of
 * what others send to it nothing is known here, so this is the stricter test.
 */
static bool has_company(struct jt_company *c, const struct jt_notice *n)
{
	uint64_t bound = JT_READ(n->latency_ns), now, gap;

	if (c->swaps == JT_READ(n->swaps))
		return true;
	now = jt_env_now();
	gap = now - c->first_ns;
	if (gap > bound * GAP_LIMIT)
		gap = bound * GAP_LIMIT;
	c->gap_ns = (c->gap_ns + gap) / 2;
	c->first_ns = now;
	return c->gap_ns <= 2 * bound;
}

static bool large_goes(struct jitney_flow *f, const struct jt_notice *n, size_t length,
		       uint64_t now)
{
	f->legacy_until_ns = now + LEGACY_NS;
	return was_aboard(f, n, now) && fits(f, n, length);
}

/*
 * Who travels alone takes the kernel's way, which is the faster one; but in a virtual
 * machine it is the longer one, and where it ends another one's may begin later and be
 * there before. There the page leaves with one message.
 */
static bool small_goes(struct jitney_flow *f, const struct jt_notice *n, size_t length,
		       uint64_t now)
{
	bool aboard = was_aboard(f, n, now);

	if (!fits(f, n, length) || (!aboard && now < f->legacy_until_ns))
		return false;
	if (has_company(&f->j->peers[f->id], n) || aboard)
		return true;
	f->j->lone = f->j->machine;
	return f->j->lone;
}

/* True if the message is for the page; it counts as aboard then. */
static bool goes_aboard(struct jitney_flow *f, size_t length, uint64_t now)
{
	struct jitney *j = f->j;
	const struct jt_notice *n = j->notice;

	if (!j->call->put || !jt_alive(j, now))
		return false;
	if (now >= f->look_ns || !f->asked || f->generation != JT_READ(n->generation))
		jt_flow_resolve(f, now);
	if (!f->known || f->kind != JT_PLACE_PEER)
		return false;
	if (!(length > JT_READ(n->small) ? large_goes(f, n, length, now) :
					   small_goes(f, n, length, now)))
		return false;
	if (now > JT_READ(n->peer_alive_until_ns[f->id])) {
		j->lone = false;
		return false;
	}
	f->aboard_ns = now;
	j->peers[f->id].swaps = JT_READ(n->swaps);
	return true;
}

int jt_peers_know(struct jitney *j)
{
	unsigned int i;

	j->peers = calloc(JT_PEERS_MAX, sizeof(*j->peers));
	if (!j->peers)
		return -ENOMEM;
	for (i = 0; i < JT_PEERS_MAX; i++)
		j->peers[i].swaps = UINT64_MAX;
	return 0;
}

void jt_peers_forget(struct jitney *j)
{
	free(j->peers);
	j->peers = NULL;
}

/* One write with a clock around it: what D_i is measured by. */
static int put_measured(struct jitney_flow *f, const struct iovec *message)
{
	struct jitney *j = f->j;
	struct jt_slice *slice = j->view.slice;
	uint64_t start = jt_env_now(), took;
	int err = j->call->put(f, message->iov_base, (uint32_t)message->iov_len);

	if (err)
		return err;
	took = jt_env_now() - start;
	JT_WRITE(slice->writes_ns, slice->writes_ns + took);
	JT_WRITE(slice->writes, slice->writes + 1);
	j->mean_ns = slice->writes == 1 ? took : (7 * j->mean_ns + took) / 8;
	return 0;
}

static int put(struct jitney_flow *f, const struct iovec *message)
{
	struct jitney *j = f->j;

	if (!(j->samples++ % SAMPLE_EVERY))
		return put_measured(f, message);
	return j->call->put(f, message->iov_base, (uint32_t)message->iov_len);
}

/* Return: how many were written; negative errno if none. */
static int put_run(struct jitney_flow *f, const struct iovec *messages, unsigned int count,
		   int flags)
{
	struct jitney *j = f->j;
	uint64_t waited = j->statistics.waited;
	unsigned int i;
	int err = 0;

	for (i = 0; i < count && !err; i += !err)
		err = put(f, &messages[i]);
	if (j->statistics.waited != waited) /* it has come aboard later than it said */
		f->aboard_ns = jt_now_coarse();
	if (j->lone) {
		j->lone = false;
		jt_call_flush(j);
	} else if (err || !(flags & JITNEY_MORE)) {
		j->call->publish(j);
	}
	j->statistics.sent += i;
	return i ? (int)i : err;
}

static int send_run(struct jitney_flow *f, const struct iovec *messages, unsigned int count,
		    bool aboard, int flags)
{
	int n = -EPIPE;

	if (aboard && f->passed)
		jt_drain(f);
	if (aboard)
		n = put_run(f, messages, count, flags);
	if (n != -EPIPE)
		return n;
	if (aboard) /* the controller has just gone: what it left goes first */
		jt_upkeep(f->j, jt_now_coarse());
	f->passed = true;
	return jt_socket_send(f, messages, count);
}

int jitney_send(struct jitney_flow *flow, const void *data, size_t length, int flags)
{
	struct iovec message = { (void *)data, length };
	uint64_t now = jt_now_coarse();
	int n;

	if (flow->j->room_fd >= 0)
		jt_room_done(flow->j);
	if (now >= flow->j->upkeep_ns)
		jt_upkeep(flow->j, now);
	n = send_run(flow, &message, 1, goes_aboard(flow, length, now), flags);
	return n < 0 ? n : 0;
}

/*
 * How many of the messages go the same way as the first, at most a batch. @aboard
 * is the way of the first, and then of the one behind them. Behind one that goes
 * aboard, whatever is small enough does.
 */
static unsigned int run_length(struct jitney_flow *f, const struct iovec *messages,
			       unsigned int count, uint64_t now, bool *aboard)
{
	const struct jt_notice *notice = f->j->notice;
	uint64_t small = *aboard ? JT_READ(notice->small) : 0;
	unsigned int n;
	bool next;

	for (n = 1; n < count; n++) {
		next = *aboard && messages[n].iov_len <= small && n < JT_BATCH &&
		       fits(f, notice, messages[n].iov_len);
		next = next || goes_aboard(f, messages[n].iov_len, now);
		if (next != *aboard || n == JT_BATCH) {
			*aboard = next;
			break;
		}
	}
	return n;
}

int jitney_send_many(struct jitney_flow *flow, const struct iovec *messages, unsigned int count,
		     int flags)
{
	struct jitney *j = flow->j;
	uint64_t now = jt_now_coarse();
	unsigned int done = 0, run;
	bool way, next;
	int n = 0;

	if (j->room_fd >= 0)
		jt_room_done(j);
	if (now >= j->upkeep_ns)
		jt_upkeep(j, now);
	if (!count)
		return 0;
	if (count > 1 && j->call->put)
		n = jt_postpone(j, count);
	if (n)
		return n;
	next = goes_aboard(flow, messages[0].iov_len, now);
	while (done < count) {
		way = next;
		run = run_length(flow, messages + done, count - done, now, &next);
		n = send_run(flow, messages + done, run, way,
			     done + run < count ? JITNEY_MORE : flags);
		if (n > 0)
			done += (unsigned int)n;
		if (n != (int)run)
			break;
	}
	return done ? (int)done : n;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Theory of operation: waking
 *
 *  1. The controller says `asleep', issues a full fence, looks at the rings once
 *     more and only then sleeps. A helper publishes, issues a full fence and looks
 *     at `asleep'. One of the two sees the other.
 *  2. One ring a sleep: while the controller has not taken what lay before the
 *     last ring, it has not slept since, and will look before it does. `rung' is
 *     where the head was; the controller's tail tells.
 *  3. The other way round it is the same, with `send_waiting' for `asleep'.
 */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "guest.h"

#define WAIT_NS 100000000ULL /* then look whether the controller still lives */

void jt_doorbell(struct jitney *j)
{
	uint64_t one = 1;

	/* One that died in its sleep is asleep for ever: be quick to notice. */
	if (write(j->fds[JT_FD_DOORBELL], &one, sizeof(one)) < 0 || jt_attach_lost(j))
		j->upkeep_ns = 0;
}

void jt_ring_doorbell(struct jitney *j)
{
	j->rung = j->head;
	jt_doorbell(j);
}

/* The ring may be half full: is it, as far as the controller has come by now? */
static void ring_if_half(struct jitney *j)
{
	uint64_t half = j->view.send_size / 2;

	j->tail = JT_READ(j->view.slice->send_tail);
	if (j->head - j->tail >= half) {
		jt_ring_doorbell(j);
		j->bell_next = j->head + half;
	} else {
		j->bell_next = j->tail + half;
	}
}

/* Show the controller what was written. */
void jt_slice_publish(struct jitney *j)
{
	struct jt_slice *slice = j->view.slice;

	JT_WRITE(slice->send_head, j->head);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (JT_READ(j->notice->asleep) == 1 && JT_READ(slice->send_tail) >= j->rung &&
	    JT_READ(slice->send_tail) != j->head)
		jt_ring_doorbell(j);
	if (j->head >= j->bell_next)
		ring_if_half(j);
}

/* Wait on JT_FD_CYCLE, or for the controller's end, no longer than @ns. */
static int wait_cycle(struct jitney *j, uint64_t ns)
{
	struct pollfd p[] = { { .fd = j->fds[JT_FD_CYCLE], .events = POLLIN },
			      { .fd = j->connection, .events = POLLIN } };
	struct timespec t = { .tv_sec = (time_t)(ns / 1000000000),
			      .tv_nsec = (long)(ns % 1000000000) };
	uint64_t count;

	if (ppoll(p, 2, &t, NULL) < 0)
		return -errno;
	if (p[0].revents && read(j->fds[JT_FD_CYCLE], &count, sizeof(count)) < 0)
		return 0; /* somebody else has read it: the caller looks again anyway */
	if (!p[1].revents)
		return 0;
	j->upkeep_ns = 0;
	return -EPIPE;
}

/* The handle does not wait: jitney_fd() will tell. */
static int refuse(struct jitney *j)
{
	if (jt_attach_lost(j))
		return -EPIPE;
	jt_room_want_cycle(j);
	return -EAGAIN;
}

static bool has_room(struct jitney *j, uint64_t span)
{
	__u64 gap;

	j->tail = JT_READ(j->view.slice->send_tail);
	return jt_ring_room(j->head, j->tail, j->view.send_size, span, &gap);
}

/*
 * jt_slice_wait() - Wait for room in the send ring
 *
 * Return: 0: look again; -EAGAIN: the handle does not wait; -EPIPE: the
 * controller is gone or hangs; -EINTR.
 */
int jt_slice_wait(struct jitney *j, uint64_t span)
{
	struct jt_slice *slice = j->view.slice;
	int err;

	j->statistics.waited++;
	JT_WRITE(slice->send_head, j->head);
	JT_WRITE(slice->send_waiting, 1);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (has_room(j, span))
		return 0;
	if (j->rung != j->head)
		jt_ring_doorbell(j);
	if (j->flags & JITNEY_NONBLOCK)
		return refuse(j);
	err = wait_cycle(j, WAIT_NS);
	if (err)
		return err;
	if (!has_room(j, span))
		jt_ring_doorbell(j);
	return jt_alive(j, jt_now_coarse()) ? 0 : -EPIPE;
}

/*
 * jt_page_wait() - `map': wait for a blank bank
 *
 * Return: as jt_slice_wait().
 */
int jt_page_wait(struct jitney *j)
{
	int err;

	j->statistics.waited++;
	JT_WRITE(j->view.slice->send_waiting, 1);
	jt_ring_doorbell(j);
	if (j->flags & JITNEY_NONBLOCK)
		return refuse(j);
	err = wait_cycle(j, WAIT_NS);
	return err ? err : jt_alive(j, jt_now_coarse()) ? 0 : -EPIPE;
}

static bool cycle_runs(const struct jt_notice *n, uint64_t start)
{
	return JT_READ(n->cycle_start_ns) == start && JT_READ(n->cycle_ns);
}

/*
 * A handle that does not wait is told when the next cycle begins, or when there is
 * none: who looks behind its word, or hears the controller's, has not missed it.
 */
static int postpone_refuse(struct jitney *j, uint64_t start)
{
	int err = refuse(j);

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (err != -EAGAIN || cycle_runs(j->notice, start))
		return err;
	jt_room_done(j);
	return 0;
}

/*
 * jt_postpone() - A long write that would cross the cycle's end waits for the next
 *
 * Once a cycle at most: what takes longer than a cycle would wait for ever.
 *
 * Return: 0: go ahead; -EAGAIN: the handle does not wait; -EINTR.
 */
int jt_postpone(struct jitney *j, unsigned int count)
{
	const struct jt_notice *n = j->notice;
	uint64_t length = JT_READ(n->cycle_ns), start, now, end;
	int err;

	if (!length || !j->mean_ns)
		return 0;
	start = JT_READ(n->cycle_start_ns);
	now = jt_env_now();
	end = start + length;
	if (now < start || now >= end || now + count * j->mean_ns <= end ||
	    j->postponed_cycle == start)
		return 0;
	j->postponed_cycle = start;
	j->statistics.postponed++;
	JT_WRITE(j->view.slice->postponed, j->view.slice->postponed + 1);
	do {
		err = j->flags & JITNEY_NONBLOCK ? postpone_refuse(j, start) :
						   wait_cycle(j, end - now);
		now = jt_env_now();
	} while (!err && now < end && cycle_runs(n, start));
	return err == -EPIPE ? 0 : err;
}

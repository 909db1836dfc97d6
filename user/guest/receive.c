// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Receiving. The order of looks is what keeps a flow in order that moves from the
 * kernel's way to the slice: see guest.h.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "guest.h"

static void disarm(struct jitney *j)
{
	uint64_t count;

	if (!j->armed)
		return;
	JT_WRITE(j->view.slice->receive_waiting, 0);
	if (read(j->fds[JT_FD_RECEIVE], &count, sizeof(count)) < 0)
		count = 0; /* nothing has come: it does not block */
	j->armed = false;
}

/* What the last call handed out is no longer in use. */
static void release(struct jitney *j)
{
	jt_view_release(&j->view);
	jt_view_release(&j->old);
	if (j->old.slice && JT_READ(j->old.slice->receive_head) == j->old.taken)
		jt_view_unmap(&j->old);
}

/* One look at everything, without waiting. */
static unsigned int look(struct jitney *j, struct jitney_message *out, unsigned int max)
{
	uint64_t now = jt_now_coarse(), head = 0;
	unsigned int got = 0, stack;

	disarm(j);
	release(j);
	if (now >= j->upkeep_ns)
		jt_upkeep(j, now);
	if (j->view.slice)
		head = JT_READ(j->view.slice->receive_head);
	if (j->old.slice)
		got = jt_view_receive(j, &j->old, JT_READ(j->old.slice->receive_head), out, max);
	stack = j->raw ? jt_raw_receive(j, out + got, max - got) :
			 jt_sockets_receive(j, out + got, max - got);
	if (j->inbox && got + stack < max)
		got += jt_inbox_receive(j, out + got + stack, max - got - stack);
	if (j->view.slice && got + stack < max)
		got += jt_view_receive(j, &j->view, head, out + got + stack, max - got - stack);
	j->statistics.received += got;
	return got + stack;
}

/* Have the controller wake this handle. Return: true if something has come meanwhile. */
static bool arm(struct jitney *j)
{
	struct jt_slice *slice = j->view.slice;

	if (!slice || j->connection < 0)
		return false;
	JT_WRITE(slice->receive_waiting, 1);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	j->armed = true;
	return JT_READ(slice->receive_head) != j->view.taken;
}

/* Milliseconds to sleep: until @deadline, or until the controller may be back. */
static int pause_ms(const struct jitney *j, uint64_t deadline)
{
	uint64_t now = jt_env_now(), until = deadline;

	if (j->connection < 0 && j->retry_ns < until)
		until = j->retry_ns;
	if (until == UINT64_MAX)
		return -1;
	if (until <= now)
		return deadline <= now ? 0 : 1;
	until = (until - now + 999999) / 1000000;
	return until < 3600000 ? (int)until : 3600000;
}

/*
 * Wait until there may be something, or until the deadline.
 * Return: 1: look again; 0: the deadline has passed; negative errno.
 */
static int idle(struct jitney *j, uint64_t deadline)
{
	struct epoll_event events[4];
	int ms, n;

	if (arm(j))
		return 1;
	if (j->connection >= 0 && jt_attach_lost(j)) {
		j->upkeep_ns = 0;
		return 1;
	}
	ms = deadline ? pause_ms(j, deadline) : 0;
	if (!ms)
		return 0;
	n = epoll_wait(j->epoll, events, JT_ARRAY_SIZE(events), ms);
	if (n < 0)
		return -errno;
	if (!n && deadline != UINT64_MAX && jt_env_now() >= deadline)
		return 0;
	return 1;
}

static int receive(struct jitney *j, struct jitney_message *out, unsigned int max, int timeout_ms)
{
	uint64_t deadline = UINT64_MAX;
	unsigned int n;
	int more;

	if (j->flags & JITNEY_NONBLOCK || !timeout_ms)
		deadline = 0;
	else if (timeout_ms > 0)
		deadline = jt_env_now() + (uint64_t)timeout_ms * 1000000;
	for (;;) {
		n = look(j, out, max);
		if (n)
			return (int)n;
		more = idle(j, deadline);
		if (more < 0)
			return more;
		if (!more)
			return j->flags & JITNEY_NONBLOCK ? -EAGAIN : 0;
	}
}

/* What jitney_receive_copy() has fetched and not yet given. */
static unsigned int batch_take(struct jitney *j, struct jitney_message *out, unsigned int max)
{
	unsigned int n = j->batch_count - j->batch_used;

	if (n > max)
		n = max;
	memcpy(out, j->batch + j->batch_used, n * sizeof(*out));
	j->batch_used += n;
	return n;
}

int jitney_receive(struct jitney *j, struct jitney_message *out, unsigned int max, int timeout_ms)
{
	unsigned int n = batch_take(j, out, max);

	return n || !max ? (int)n : receive(j, out, max, timeout_ms);
}

ssize_t jitney_receive_copy(struct jitney *j, void *data, size_t size, struct jitney_message *from)
{
	struct jitney_message m;
	int n;

	if (j->batch_used == j->batch_count) {
		j->batch_used = 0;
		j->batch_count = 0;
		n = receive(j, j->batch, JT_BATCH, -1);
		if (n < 0)
			return n;
		j->batch_count = (unsigned int)n;
	}
	if (!batch_take(j, &m, 1))
		return -EAGAIN;
	memcpy(data, m.data, m.length < size ? m.length : size);
	if (from) {
		*from = m;
		from->data = data;
	}
	return (ssize_t)m.length;
}

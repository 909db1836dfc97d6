/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `jt-traffic send`: opens its flows (repeated until the receiver answers,
 * which also resolves the addresses), sends their messages in turn, closes
 * them. A window keeps the receiver's socket from overflowing: no flow has
 * more messages unacknowledged. An acknowledgement that does not come is
 * asked for; its answer counts what was lost as gone.
 */
#ifndef TRAFFIC_SEND_H
#define TRAFFIC_SEND_H

#include <math.h>
#include <sys/prctl.h>

#include "flow_out.h"

#define RETRY_NS 100000000ULL
#define WAIT_MS 200
#define WARM_US 200

static uint32_t flows_waiting(const struct sender *s, enum control_op op)
{
	uint32_t i, n = 0;

	for (i = 0; i < s->o->flows; i++)
		n += op == CONTROL_OPEN ? !s->flows[i].opened : !s->flows[i].closed;
	return n;
}

/* Say OPEN or CLOSE until every flow is answered. */
static int sender_handshake(struct sender *s, enum control_op op, double timeout)
{
	uint64_t deadline = now_ns() + (uint64_t)(timeout * 1e9), retry = 0;
	uint32_t i, waiting;
	int err;

	while ((waiting = flows_waiting(s, op)) && !*s->stop) {
		if (now_ns() >= retry) {
			for (i = 0; i < s->o->flows; i++) {
				if (op == CONTROL_OPEN ? s->flows[i].opened : s->flows[i].closed)
					continue;
				err = control_send(s, &s->flows[i], op);
				if (err)
					return err;
			}
			retry = now_ns() + RETRY_NS;
		}
		if (s->o->blind)
			return 0;
		if (now_ns() > deadline) {
			fprintf(stderr, "send: the receiver does not answer for %u of %u flows.\n",
				waiting, s->o->flows);
			return -ETIMEDOUT;
		}
		sender_listen(s, 10);
	}
	return 0;
}

static int batch_send(struct sender *s, struct flow_out *f, uint32_t n)
{
	uint64_t time = now_ns();
	uint32_t i, done = 0;
	int sent;

	for (i = 0; i < n; i++) {
		s->parts[i].iov_base = s->buffers[i];
		s->parts[i].iov_len = message_fill(&f->spec, f->next + i, time, s->buffers[i]);
		s->headers[i].msg_hdr = (struct msghdr){
			.msg_name = s->o->connect ? NULL : &f->dest,
			.msg_namelen = s->o->connect ? 0 : sizeof(f->dest),
			.msg_iov = &s->parts[i],
			.msg_iovlen = 1,
		};
		s->bytes += s->parts[i].iov_len;
	}
	while (done < n) {
		sent = f->way ? helper_send(s->j, f->way, s->parts + done, n - done) :
		       n == 1 ? (sendmsg(f->fd, &s->headers[0].msg_hdr, 0) < 0 ? -1 : 1) :
				sendmmsg(f->fd, s->headers + done, n - done, 0);
		if (sent < 0 && !send_again(s))
			return *s->stop ? 0 : -errno;
		if (sent > 0)
			done += (uint32_t)sent;
	}
	f->next += n;
	s->sent += n;
	return 0;
}

/* How many of this flow may go now. */
static uint32_t flow_room(const struct sender *s, const struct flow_out *f)
{
	uint64_t room = f->count - f->next;

	if (s->o->window && room > s->o->window - (f->next - f->acked))
		room = s->o->window - (f->next - f->acked);
	if (f->next < s->o->warm && room > 1)
		room = 1;
	if (room > s->o->batch)
		room = s->o->batch;
	if (s->o->gap_burst && room > s->gap_left)
		room = s->gap_left;
	return (uint32_t)room;
}

/* Return: the next flow in turn that may send, or NULL. */
static struct flow_out *flow_next(struct sender *s)
{
	uint32_t i;

	for (i = 0; i < s->o->flows; i++) {
		struct flow_out *f = &s->flows[s->turn];

		s->turn = s->turn + 1 == s->o->flows ? 0 : s->turn + 1;
		if (flow_room(s, f))
			return f;
	}
	return NULL;
}

/* All windows are full: hear, and ask after a while. */
static int sender_wait(struct sender *s)
{
	uint32_t i;
	int err;

	if (sender_listen(s, WAIT_MS))
		return 0;
	for (i = 0; i < s->o->flows; i++) {
		if (s->flows[i].acked == s->flows[i].next)
			continue;
		s->syncs++;
		err = control_send(s, &s->flows[i], CONTROL_SYNC);
		if (err)
			return err;
	}
	return 0;
}

static void sleep_until(uint64_t ns)
{
	struct timespec t = { (time_t)(ns / 1000000000ULL), (long)(ns % 1000000000ULL) };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/* Keep to the rate and the gaps. */
static void sender_pace(struct sender *s, uint32_t sent)
{
	const struct options *o = s->o;
	uint64_t now = now_ns();
	double u;

	if (o->gap_burst && !(s->gap_left -= sent)) {
		s->gap_left = o->gap_burst;
		sleep_until(now + o->gap_ns);
	}
	for (; o->rate > 0 && sent; sent--) {
		s->random = mix(s->random + 0x9e3779b97f4a7c15ULL);
		u = o->poisson ? -log((double)((s->random >> 11) + 1) / 9007199254740993.0) : 1;
		s->due_ns += (uint64_t)(u * 1e9 / o->rate);
	}
	if (o->rate > 0 && s->due_ns > now)
		sleep_until(s->due_ns);
}

static bool sender_finished(const struct sender *s, uint64_t end_ns)
{
	return *s->stop || s->sent >= s->o->count || (end_ns && now_ns() >= end_ns);
}

static int sender_run(struct sender *s)
{
	uint32_t room, since_heard = 0, silent = 0;
	uint64_t end_ns = 0;
	struct flow_out *f;
	int err = 0;

	if (s->o->seconds > 0)
		end_ns = now_ns() + (uint64_t)(s->o->seconds * 1e9);
	s->due_ns = now_ns();
	s->gap_left = s->o->gap_burst;
	while (!err && !sender_finished(s, end_ns)) {
		f = flow_next(s);
		if (!f) {
			err = ++silent * WAIT_MS > s->o->timeout * 1e3 ? -ETIMEDOUT :
									 sender_wait(s);
			continue;
		}
		silent = 0;
		room = flow_room(s, f);
		err = batch_send(s, f, room);
		since_heard += room;
		if (s->o->window && since_heard > s->o->window / 4) {
			sender_listen(s, 0);
			since_heard = 0;
		}
		if (f->next <= s->o->warm)
			usleep(WARM_US);
		sender_pace(s, room);
	}
	return err;
}

static void sender_report(const struct sender *s, double seconds)
{
	uint64_t received = 0;
	uint32_t i, closed = 0;

	for (i = 0; i < s->o->flows; i++) {
		received += s->flows[i].received;
		closed += s->flows[i].closed;
	}
	printf("{");
	helper_report(s->j);
	printf("\"sent\":%llu,\"bytes\":%llu,\"datagrams\":%llu,\"control\":%llu,\"flows\":%u,"
	       "\"closed\":%u,\"received\":%llu,\"refused\":%llu,\"waited\":%llu,\"syncs\":%llu,"
	       "\"seconds\":%.6f,\"messages_per_s\":%.0f}\n",
	       (unsigned long long)s->sent, (unsigned long long)s->bytes,
	       (unsigned long long)(s->sent + s->control), (unsigned long long)s->control,
	       s->o->flows, closed, (unsigned long long)received, (unsigned long long)s->refused,
	       (unsigned long long)s->waited, (unsigned long long)s->syncs, seconds,
	       seconds > 0 ? (double)s->sent / seconds : 0);
}

/* Return: exit status. 0: the receiver has got everything (if it was asked). */
static int send_main(const struct options *o, volatile bool *stop)
{
	struct sender *s = calloc(1, sizeof(*s));
	uint64_t start, end;
	bool interrupted;
	uint32_t i;
	int err;

	if (!s)
		return 1;
	s->o = o;
	s->stop = stop;
	prctl(PR_SET_TIMERSLACK, 1000UL, 0, 0, 0);
	err = sender_open(s);
	if (!err)
		err = sender_handshake(s, CONTROL_OPEN, o->timeout);
	start = end = now_ns();
	if (!err) {
		err = sender_run(s);
		end = now_ns();
	}
	if (err)
		fprintf(stderr, "send: failed to send: %s\n", strerror(-err));
	interrupted = *stop;
	*stop = false; /* the flows are closed all the same */
	if (!err)
		err = sender_handshake(s, CONTROL_CLOSE, interrupted ? 1 : o->timeout);
	sender_report(s, (double)(end - start) / 1e9);
	for (i = 0; i < o->flows && !err && !o->blind && !o->tolerant; i++)
		if (s->flows[i].received != s->flows[i].next)
			err = -EIO;
	jitney_close(s->j);
	free(s);
	return err ? 1 : 0;
}

#endif

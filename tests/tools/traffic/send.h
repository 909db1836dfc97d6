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

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "options.h"

#define RETRY_NS 100000000ULL
#define WAIT_MS 200

struct flow_out {
	struct spec spec;
	struct sockaddr_in6 dest;
	int fd;
	bool opened, closed;
	uint64_t count; /* to send */
	uint64_t next;	/* sent so far */
	uint64_t acked;
	uint64_t received; /* as the receiver said at the end */
};

struct sender {
	const struct options *o;
	struct flow_out flows[FLOWS_MAX];
	struct pollfd fds[FLOWS_MAX];
	struct mmsghdr headers[BATCH_MAX];
	struct iovec parts[BATCH_MAX];
	uint8_t buffers[BATCH_MAX][MESSAGE_MAX + 8];
	uint32_t session;
	uint32_t turn;
	uint64_t sent, bytes, control, refused, waited, syncs;
	uint64_t random;
	uint64_t due_ns, gap_left;
	volatile bool *stop;
};

static int flow_out_socket(const struct options *o, struct flow_out *f)
{
	bool v6 = f->dest.sin6_family == AF_INET6;
	int on = 4 << 20;

	f->fd = socket(f->dest.sin6_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (f->fd < 0)
		return -errno;
	setsockopt(f->fd, SOL_SOCKET, SO_SNDBUFFORCE, &on, sizeof(on));
	if (setsockopt(f->fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_TCLASS : IP_TOS, &o->tos,
		       sizeof(o->tos)) ||
	    setsockopt(f->fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_UNICAST_HOPS : IP_TTL,
		       &o->ttl, sizeof(o->ttl)))
		return -errno;
	if (o->connect && connect(f->fd, (struct sockaddr *)&f->dest, sizeof(f->dest)))
		return -errno;
	return 0;
}

static int sender_open(struct sender *s)
{
	const struct options *o = s->o;
	uint32_t i;
	int err;

	s->random = o->seed ^ now_ns();
	s->session = (uint32_t)(mix(now_ns()) ^ mix((uint64_t)getpid()));
	for (i = 0; i < o->flows; i++) {
		struct flow_out *f = &s->flows[i];

		f->spec = (struct spec){ o->seed, o->first_flow + i, o->size_min, o->size_max };
		f->dest = o->dests[i % o->dest_count];
		f->count = o->count / o->flows + (i < o->count % o->flows);
		err = flow_out_socket(o, f);
		if (err) {
			fprintf(stderr, "send: failed to set up a socket: %s\n", strerror(-err));
			return err;
		}
		s->fds[i] = (struct pollfd){ .fd = f->fd, .events = POLLIN };
	}
	return 0;
}

/* Errors that pass: what ICMP said of an earlier message, or a full queue. */
static bool send_again(struct sender *s)
{
	switch (errno) {
	case ECONNREFUSED:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EHOSTDOWN:
		s->refused++;
		break;
	case ENOBUFS:
	case EAGAIN:
	case EINTR:
		break;
	default:
		return false;
	}
	s->waited++;
	usleep(50);
	return !*s->stop;
}

static int control_send(struct sender *s, struct flow_out *f, enum control_op op)
{
	struct control c = {
		.magic = CONTROL_MAGIC,
		.op = op,
		.session = s->session,
		.spec = f->spec,
		.count = f->next,
		.ack_every = s->o->window > 4 ? s->o->window / 4 : s->o->window,
		.ack_size = s->o->ack_size,
		.tos = s->o->tos,
		.ttl = s->o->ttl,
	};
	struct sockaddr *to = s->o->connect ? NULL : (struct sockaddr *)&f->dest;

	c.seal = control_seal(&c);
	while (sendto(f->fd, &c, sizeof(c), 0, to, to ? sizeof(f->dest) : 0) < 0)
		if (!send_again(s))
			return -errno;
	s->control++;
	return 0;
}

static void flow_out_control(struct sender *s, struct flow_out *f, const struct control *c)
{
	if (c->session != s->session || c->spec.flow != f->spec.flow)
		return;
	switch (c->op) {
	case CONTROL_OPENED:
		f->opened = true;
		break;
	case CONTROL_ACK:
		if (c->count > f->acked && c->count <= f->next)
			f->acked = c->count;
		break;
	case CONTROL_CLOSED:
		f->closed = true;
		f->received = c->count;
		break;
	}
}

/* Read what has come back; wait for it up to @wait_ms. Return: true if anything was there. */
static bool sender_listen(struct sender *s, int wait_ms)
{
	uint8_t bytes[MESSAGE_MAX];
	struct control c;
	bool any = false;
	ssize_t size;
	uint32_t i;

	if (poll(s->fds, s->o->flows, wait_ms) <= 0)
		return false;
	for (i = 0; i < s->o->flows; i++) {
		while (s->fds[i].revents) {
			size = recv(s->fds[i].fd, bytes, sizeof(bytes), MSG_DONTWAIT);
			if (size < 0)
				break;
			any = true;
			if (control_parse(bytes, (size_t)size, &c))
				flow_out_control(s, &s->flows[i], &c);
		}
	}
	return any;
}

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
		sent = n == 1 ? (sendmsg(f->fd, &s->headers[0].msg_hdr, 0) < 0 ? -1 : 1) :
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
			err = ++silent * WAIT_MS > s->o->timeout * 1e3 ? -ETIMEDOUT : sender_wait(s);
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
	printf("{\"sent\":%llu,\"bytes\":%llu,\"datagrams\":%llu,\"control\":%llu,\"flows\":%u,"
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
	free(s);
	return err ? 1 : 0;
}

#endif

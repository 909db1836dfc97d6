/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sending side: every contestant sends the same messages. One process sends for
 * all guests, each from its own network namespace, so that their number costs no
 * more switches of processes: a flow is one of them and one destination, and flows
 * take turns of --burst messages.
 */
#ifndef BENCH_PATH_SEND_H
#define BENCH_PATH_SEND_H

#include <fcntl.h>
#include <netinet/udp.h>
#include <sched.h>
#include <sys/prctl.h>

#include <jitney/jitney.h>
#include "xsk.h"

#define BATCH 64U	/* messages in a sendmmsg(), segments of a GSO datagram */
#define PACE_NS 100000U /* with a rate: what is due leaves so often */

struct flow {
	uint32_t number; /* of its next message */
	int fd;
	struct jitney *j; /* of its guest */
	struct jitney_flow *jitney;
	struct xsk *xsk;
	uint64_t waits_ns; /* since when its next message waits for room; 0: it does not */
};

struct sender {
	const struct options *o;
	struct mmsghdr headers[TURN];
	struct iovec messages[TURN];
	uint8_t bytes[TURN * MESSAGE_MAX]; /* without gaps: GSO wants them so */
	struct flow flows[FLOWS_MAX];
	unsigned int flow_count;
	uint64_t sent;
};

/* Connected: what is fastest for the kernel. */
static int udp_open(struct sender *s, struct flow *f, const struct sockaddr_in *to)
{
	int buffer = 8 << 20;

	f->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (f->fd < 0 || connect(f->fd, (const struct sockaddr *)to, sizeof(*to)))
		return complain("open a UDP socket", strerror(errno));
	setsockopt(f->fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer));
	return 0;
}

static int gso_open(struct sender *s, struct flow *f, const struct sockaddr_in *to)
{
	int size = (int)s->o->size;

	if (udp_open(s, f, to))
		return 1;
	if (setsockopt(f->fd, SOL_UDP, UDP_SEGMENT, &size, sizeof(size)))
		return complain("set UDP_SEGMENT", strerror(errno));
	return 0;
}

static int af_xdp_open(struct sender *s, struct flow *f, const struct sockaddr_in *to)
{
	f->xsk = calloc(1, sizeof(*f->xsk));
	return f->xsk ? xsk_open(f->xsk, s->o, to) : complain("open a socket", strerror(errno));
}

static int attach(struct sender *s, struct jitney **j)
{
	struct jitney_options options = { .size = sizeof(options),
					  .socket = s->o->socket,
					  .flags = s->o->load_count ? JITNEY_NONBLOCK : 0,
					  .receive = JITNEY_RECEIVE_STACK };

	for (options.call = JITNEY_STACK; options.call <= JITNEY_MAP; options.call++)
		if (!strcmp(jitney_call_name(options.call), s->o->how))
			break;
	return jitney_open(j, &options);
}

static int jitney_begin(struct sender *s, struct flow *f, const struct sockaddr_in *to)
{
	bool first = (f - s->flows) % s->o->destinations == 0;
	int err = 0;

	if (first)
		err = attach(s, &f->j);
	else
		f->j = f[-1].j;
	if (!err)
		err = jitney_connect(f->j, 0, (const struct sockaddr *)to, sizeof(*to), NULL,
				     &f->jitney);
	return err ? complain("attach to the controller", strerror(-err)) : 0;
}

static int sendto_send(struct sender *s, struct flow *f, unsigned int at, unsigned int n)
{
	const struct iovec *m = &s->messages[at];

	return sendto(f->fd, m->iov_base, m->iov_len, 0, NULL, 0) < 0 ? -errno : 1;
}

static int sendmmsg_send(struct sender *s, struct flow *f, unsigned int at, unsigned int n)
{
	int done = sendmmsg(f->fd, s->headers + at, n < BATCH ? n : BATCH, 0);

	return done < 0 ? -errno : done;
}

static int gso_send(struct sender *s, struct flow *f, unsigned int at, unsigned int n)
{
	if (n > BATCH)
		n = BATCH;
	return send(f->fd, s->messages[at].iov_base, n * s->o->size, 0) < 0 ? -errno : (int)n;
}

static int af_xdp_send(struct sender *s, struct flow *f, unsigned int at, unsigned int n)
{
	return xsk_send(f->xsk, s->messages + at, n);
}

static int jitney_send_turn(struct sender *s, struct flow *f, unsigned int at, unsigned int n)
{
	return jitney_send_many(f->jitney, s->messages + at, n, 0);
}

/* Return of `send': how many of @n left, from message @at on, or a negative errno. */
static const struct way {
	const char *name;
	int (*open)(struct sender *s, struct flow *f, const struct sockaddr_in *to);
	int (*send)(struct sender *s, struct flow *f, unsigned int at, unsigned int n);
} ways[] = {
	{ "sendto", udp_open, sendto_send },
	{ "sendmmsg", udp_open, sendmmsg_send },
	{ "gso", gso_open, gso_send },
	{ "af_xdp", af_xdp_open, af_xdp_send },
	{ "xdp", jitney_begin, jitney_send_turn },
	{ "slice", jitney_begin, jitney_send_turn },
	{ "map", jitney_begin, jitney_send_turn },
};

static void turn_make(struct sender *s, struct flow *f, unsigned int n, uint64_t now)
{
	uint64_t flow = (uint64_t)(f - s->flows),
		 first = s->o->run << RUN_SHIFT | flow << FLOW_SHIFT;
	unsigned int i;

	for (i = 0; i < n; i++) {
		message_make(s->messages[i].iov_base, s->o->size, first | f->number++);
		message_stamp(s->messages[i].iov_base, s->o->size, now);
	}
}

/* @n messages of a flow. Return: 0 or a negative errno. */
static int turn_send(struct sender *s, const struct way *w, struct flow *f, unsigned int n)
{
	unsigned int at = 0;
	int done;

	turn_make(s, f, n, s->o->rate > 0 ? clock_ns(CLOCK_MONOTONIC) : 0);
	while (at < n) {
		done = w->send(s, f, at, n - at);
		if (done == -EAGAIN || done == -ENOBUFS || done == -EINTR)
			done = 0;
		if (done < 0)
			return done;
		at += (unsigned int)done;
	}
	s->sent += n;
	return 0;
}

/* How many messages are due now; waits if that is none. */
static unsigned int due(const struct sender *s, uint64_t begin, uint64_t now)
{
	double passed = (double)(now - begin) / 1e9;
	uint64_t count, at = now + PACE_NS;
	struct timespec until;

	if (s->o->rate <= 0)
		return s->o->burst;
	count = (uint64_t)(passed * s->o->rate) + 1;
	if (count > s->sent)
		return (unsigned int)(count - s->sent < s->o->burst ? count - s->sent :
								      s->o->burst);
	if (s->o->rate < 1e9 / PACE_NS)
		at = begin + (uint64_t)((double)s->sent / s->o->rate * 1e9) + 1;
	until = (struct timespec){ (time_t)(at / 1000000000), (long)(at % 1000000000) };
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
	return 0;
}

/* Until the time is over. Return: 0 or a negative errno. */
static int send_all(struct sender *s, const struct way *w, uint64_t begin)
{
	uint64_t now = begin, end = begin + (uint64_t)(s->o->seconds * 1e9);
	unsigned int i = 0, n;
	int err = 0;

	while (now < end && !err) {
		n = due(s, begin, now);
		if (n) {
			err = turn_send(s, w, &s->flows[i], n);
			i = (i + 1) % s->flow_count;
		}
		now = clock_ns(CLOCK_MONOTONIC);
	}
	return err;
}

static int guest_enter(const struct options *o, unsigned int i)
{
	char path[128];
	int fd, err;

	if (!o->netns)
		return 0;
	snprintf(path, sizeof(path), "/run/netns/%s%u", o->netns, i + 1);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	err = fd < 0 || setns(fd, CLONE_NEWNET);
	close(fd);
	return err ? complain("enter a guest's namespace", strerror(errno)) : 0;
}

static int sender_open(struct sender *s, const struct way *w)
{
	struct rlimit files = { 1U << 17, 1U << 17 };
	struct sockaddr_in to;
	unsigned int i, d;

	setrlimit(RLIMIT_NOFILE, &files);
	for (i = 0; i < s->o->guests; i++) {
		if (guest_enter(s->o, i))
			return 1;
		for (d = 0; d < s->o->destinations; d++) {
			if (dest_read(s->o->dest, &to))
				return 1;
			to.sin_addr.s_addr = htonl(ntohl(to.sin_addr.s_addr) + d);
			if (w->open(s, &s->flows[s->flow_count++], &to))
				return 1;
		}
	}
	return 0;
}

static void sender_init(struct sender *s, const struct options *o)
{
	unsigned int i;

	s->o = o;
	for (i = 0; i < TURN; i++) {
		s->messages[i] = (struct iovec){ s->bytes + i * o->size, o->size };
		s->headers[i].msg_hdr =
			(struct msghdr){ .msg_iov = &s->messages[i], .msg_iovlen = 1 };
	}
}

static void sender_close(struct sender *s)
{
	unsigned int i;

	for (i = 0; i < s->flow_count; i += s->o->destinations)
		jitney_close(s->flows[i].j);
}

#endif

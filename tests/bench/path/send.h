/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The sending side: every contestant sends the same messages, TURN at a time. */
#ifndef BENCH_PATH_SEND_H
#define BENCH_PATH_SEND_H

#include <netinet/udp.h>

#include <jitney/jitney.h>
#include "xsk.h"

#define TURN 256U /* messages that are made, then sent */
#define BATCH 64U /* messages in a sendmmsg(), segments of a GSO datagram */

struct sender {
	const struct options *o;
	struct sockaddr_in to;
	int fd;
	struct mmsghdr headers[TURN];
	struct iovec messages[TURN];
	uint8_t bytes[TURN * MESSAGE_MAX]; /* without gaps: GSO wants them so */
	struct jitney *j;
	struct jitney_flow *flow;
	struct xsk xsk;
};

/* Connected: what is fastest for the kernel. */
static int udp_open(struct sender *s)
{
	int buffer = 8 << 20;

	s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0 || connect(s->fd, (struct sockaddr *)&s->to, sizeof(s->to)))
		return complain("open a UDP socket", strerror(errno));
	setsockopt(s->fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer));
	return 0;
}

static int gso_open(struct sender *s)
{
	int size = (int)s->o->size;

	if (udp_open(s))
		return 1;
	if (setsockopt(s->fd, SOL_UDP, UDP_SEGMENT, &size, sizeof(size)))
		return complain("set UDP_SEGMENT", strerror(errno));
	return 0;
}

static int af_xdp_open(struct sender *s)
{
	return xsk_open(&s->xsk, s->o, &s->to);
}

static int jitney_begin(struct sender *s)
{
	struct jitney_options options = { .size = sizeof(options),
					  .socket = s->o->socket,
					  .receive = JITNEY_RECEIVE_STACK };
	int err;

	for (options.call = JITNEY_STACK; options.call <= JITNEY_MAP; options.call++)
		if (!strcmp(jitney_call_name(options.call), s->o->how))
			break;
	err = jitney_open(&s->j, &options);
	if (!err)
		err = jitney_connect(s->j, 0, (struct sockaddr *)&s->to, sizeof(s->to), NULL,
				     &s->flow);
	return err ? complain("attach to the controller", strerror(-err)) : 0;
}

static int sendto_send(struct sender *s, unsigned int at)
{
	const struct iovec *m = &s->messages[at];

	return sendto(s->fd, m->iov_base, m->iov_len, 0, NULL, 0) < 0 ? -errno : 1;
}

static int sendmmsg_send(struct sender *s, unsigned int at)
{
	int n = sendmmsg(s->fd, s->headers + at, TURN - at < BATCH ? TURN - at : BATCH, 0);

	return n < 0 ? -errno : n;
}

static int gso_send(struct sender *s, unsigned int at)
{
	unsigned int n = TURN - at < BATCH ? TURN - at : BATCH;

	return send(s->fd, s->messages[at].iov_base, n * s->o->size, 0) < 0 ? -errno : (int)n;
}

static int af_xdp_send(struct sender *s, unsigned int at)
{
	return xsk_send(&s->xsk, s->messages + at, TURN - at);
}

static int jitney_send_turn(struct sender *s, unsigned int at)
{
	return jitney_send_many(s->flow, s->messages + at, TURN - at, 0);
}

/* Return of `send': how many left, from message @at of the turn on, or a negative errno. */
static const struct way {
	const char *name;
	int (*open)(struct sender *s);
	int (*send)(struct sender *s, unsigned int at);
} ways[] = {
	{ "sendto", udp_open, sendto_send },
	{ "sendmmsg", udp_open, sendmmsg_send },
	{ "gso", gso_open, gso_send },
	{ "af_xdp", af_xdp_open, af_xdp_send },
	{ "xdp", jitney_begin, jitney_send_turn },
	{ "slice", jitney_begin, jitney_send_turn },
	{ "map", jitney_begin, jitney_send_turn },
};

static void turn_make(struct sender *s, uint64_t number)
{
	unsigned int i;

	for (i = 0; i < TURN; i++)
		message_make(s->messages[i].iov_base, s->o->size,
			     s->o->run << RUN_SHIFT | (number + i));
}

/* Return: 0 or a negative errno. */
static int turn_send(struct sender *s, const struct way *w)
{
	unsigned int at = 0;
	int n;

	while (at < TURN) {
		n = w->send(s, at);
		if (n == -EAGAIN || n == -ENOBUFS || n == -EINTR)
			n = 0;
		if (n < 0)
			return n;
		at += (unsigned int)n;
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

/* As fast as it goes for so many seconds; then says how many left, and what they took. */
static int path_send(const struct options *o)
{
	static struct sender s;
	struct jitney_statistics count = { .size = sizeof(count) };
	uint64_t number = 0, begin, cpu, end, now;
	const struct way *w;
	int err = 0;

	for (w = ways; w < ways + JT_ARRAY_SIZE(ways) && strcmp(w->name, o->how); w++)
		;
	if (w == ways + JT_ARRAY_SIZE(ways))
		return complain("send", "there is no such way");
	sender_init(&s, o);
	if (dest_read(o->dest, &s.to) || w->open(&s))
		return 1;
	begin = now = clock_ns(CLOCK_MONOTONIC);
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	for (end = begin + (uint64_t)(o->seconds * 1e9); now < end && !err; number += TURN) {
		turn_make(&s, number);
		err = turn_send(&s, w);
		now = clock_ns(CLOCK_MONOTONIC);
	}
	if (err)
		return complain("send", strerror(-err));
	if (s.j)
		jitney_statistics(s.j, &count);
	printf("{\"sent\":%llu,\"sent_stack\":%llu,\"seconds\":%.6f,\"cpu_ns\":%llu}\n",
	       (unsigned long long)number, (unsigned long long)count.sent_stack,
	       (double)(now - begin) / 1e9,
	       (unsigned long long)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu));
	jitney_close(s.j);
	return 0;
}

#endif

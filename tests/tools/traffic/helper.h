/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The same traffic from and to a program that uses libjitney instead of sockets. */
#ifndef TRAFFIC_HELPER_H
#define TRAFFIC_HELPER_H

#include <errno.h>
#include <jitney/jitney.h>
#include <poll.h>

#include "options.h"

#define ROOM_MS 5000

static uint64_t helper_refused; /* sends that found no room, of a handle that does not wait */

static int helper_open(const struct options *o, struct jitney **out)
{
	struct jitney_options options = { .size = sizeof(options),
					  .socket = o->socket,
					  .call = o->call,
					  .receive = o->receive,
					  .flags = o->nonblock ? JITNEY_NONBLOCK : 0 };
	int err = jitney_open(out, &options);

	if (err)
		fprintf(stderr, "failed to attach: %s\n", strerror(-err));
	return err;
}

static socklen_t helper_address(const struct sockaddr_in6 *a, struct sockaddr_in6 *out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;

	*out = *a;
	if (a->sin6_family == AF_INET)
		return sizeof(*v4);
	if (!IN6_IS_ADDR_V4MAPPED(&a->sin6_addr))
		return sizeof(*out);
	*v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = a->sin6_port };
	memcpy(&v4->sin_addr, &a->sin6_addr.s6_addr[12], 4);
	return sizeof(*v4);
}

/* @port: 0: one of its own */
static int helper_connect(struct jitney *j, const struct options *o, uint16_t port,
			  const struct sockaddr_in6 *to, struct jitney_flow **out)
{
	struct jitney_flow_options options = {
		.size = sizeof(options), .tos = o->tos, .ttl = o->ttl, .vlan = -1
	};
	struct sockaddr_in6 address;
	socklen_t length = helper_address(to, &address);

	return jitney_connect(j, port, (struct sockaddr *)&address, length, &options, out);
}

/* Until there may be room. What else has come is an answer that --blind does without. */
static inline int helper_wait(struct jitney *j)
{
	struct pollfd room = { .fd = jitney_fd(j), .events = POLLIN };
	struct jitney_message answers[16];

	helper_refused++;
	while (jitney_receive(j, answers, 16, 0) > 0)
		;
	return poll(&room, 1, ROOM_MS) ? -EAGAIN : -ETIMEDOUT;
}

/* As sendmmsg(): how many, or -1 and errno. */
static inline int helper_send(struct jitney *j, struct jitney_flow *flow, const struct iovec *parts,
			      uint32_t n)
{
	int sent;

	do
		sent = jitney_send_many(flow, parts, n, 0);
	while (sent == -EAGAIN && (sent = helper_wait(j)) == -EAGAIN);
	errno = sent < 0 ? -sent : 0;
	return sent < 0 ? -1 : sent;
}

/* As a dual-stack socket shows it. */
static inline struct sockaddr_in6 helper_from(const struct jitney_message *m)
{
	struct sockaddr_in6 a = m->from.ipv6;

	if (m->from.any.sa_family == AF_INET6)
		return a;
	a = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = m->from.ipv4.sin_port };
	a.sin6_addr.s6_addr[10] = a.sin6_addr.s6_addr[11] = 0xff;
	memcpy(&a.sin6_addr.s6_addr[12], &m->from.ipv4.sin_addr, 4);
	return a;
}

/* What the handle tells of itself, as a member of the report. */
static inline void helper_report(struct jitney *j)
{
	struct jitney_statistics s = { .size = sizeof(s) };

	if (!j)
		return;
	jitney_statistics(j, &s);
	printf("\"helper\":{\"call\":\"%s\",\"rx\":\"%s\",\"sent\":%llu,\"sent_stack\":%llu,"
	       "\"received\":%llu,\"received_stack\":%llu,\"lost\":%llu,\"attached\":%llu,"
	       "\"refused\":%llu},",
	       jitney_call_name(s.call), jitney_receive_name(s.receive), (unsigned long long)s.sent,
	       (unsigned long long)s.sent_stack, (unsigned long long)s.received,
	       (unsigned long long)s.received_stack, (unsigned long long)s.lost,
	       (unsigned long long)s.attached, (unsigned long long)helper_refused);
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `jt-traffic recv`: plain dual-stack UDP sockets, one a port. Flows are told
 * apart by the sender's address and port; each has a ledger. Besides the bytes
 * it checks TOS and TTL, and reads the kernel's own counters of bad checksums
 * and full sockets.
 */
#ifndef TRAFFIC_RECEIVE_H
#define TRAFFIC_RECEIVE_H

#include "flow_in.h"

static struct meta meta_read(struct msghdr *h)
{
	struct meta m = { -1, -1, 0 };
	struct cmsghdr *c;
	uint16_t segment;

	for (c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS)
			m.tos = *CMSG_DATA(c);
		else if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL) ||
			 (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT))
			memcpy(&m.ttl, CMSG_DATA(c), sizeof(m.ttl));
		else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS)
			memcpy(&m.tos, CMSG_DATA(c), sizeof(m.tos));
		else if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
			memcpy(&segment, CMSG_DATA(c), sizeof(segment));
			m.segment = segment;
		}
	}
	return m;
}

/* Say which messages came otherwise than expected; the first few of them. */
static void receive_trace(struct receiver *r, const struct flow_in *f, uint64_t expected, bool good,
			  uint64_t k, uint32_t size)
{
	if (!r->trace_left || (good && k == expected))
		return;
	r->trace_left--;
	if (good)
		fprintf(stderr, "recv: flow %u: message %llu (%u bytes) came, %llu was expected\n",
			f->open.spec.flow, (unsigned long long)k, size,
			(unsigned long long)expected);
	else
		fprintf(stderr,
			"recv: flow %u: %u bytes that are no message of it, %llu was expected\n",
			f->open.spec.flow, size, (unsigned long long)expected);
}

static void receive_message(struct receiver *r, struct flow_in *f, const uint8_t *bytes,
			    uint32_t size, const struct meta *m, uint64_t now)
{
	uint64_t k = 0, expected = f->ledger.next;
	bool good;

	if (!r->first_ns)
		r->first_ns = now;
	r->last_ns = now;
	f->messages++;
	if (m->tos != f->open.tos)
		f->tos_wrong++;
	if (r->o->hops >= 0 && m->ttl != f->open.ttl - r->o->hops)
		f->ttl_wrong++;
	good = ledger_add(&f->ledger, bytes, size, &k);
	receive_trace(r, f, expected, good, k, size);
	if (good && size >= TIME_FROM)
		latency_add(&r->latency, (now - message_time(bytes)) & TIME_MASK);
	if (f->open.ack_every && ++f->since_ack >= f->open.ack_every) {
		f->since_ack = 0;
		control_answer(f, CONTROL_ACK, f->ledger.next);
	}
	if (f->closing && !f->closed)
		flow_finish(r, f, now);
}

static void receive_datagram(struct receiver *r, uint32_t socket, const struct sockaddr_in6 *from,
			     const uint8_t *bytes, uint32_t size, const struct meta *m,
			     uint64_t now)
{
	uint16_t port = (uint16_t)(r->o->port_first + socket);
	struct control c;
	bool control = control_parse(bytes, size, &c);
	struct flow_in *f = flow_find(r, from, port, control && c.op == CONTROL_OPEN);

	r->datagrams++;
	r->last_heard_ns = now;
	if (!f)
		r->strays++;
	else if (control)
		receive_control(r, f, r->fds[socket].fd, &c, now);
	else
		receive_message(r, f, bytes, size, m, now);
}

/* Read one batch of a socket. Return: datagrams that it had. */
static int receive_batch(struct receiver *r, uint32_t socket)
{
	int i, n;
	uint64_t now;

	for (i = 0; i < BATCH_MAX; i++) {
		r->parts[i] = (struct iovec){ r->buffers[i], BUFFER_SIZE };
		r->headers[i].msg_hdr = (struct msghdr){
			.msg_name = &r->from[i],
			.msg_namelen = sizeof(r->from[i]),
			.msg_iov = &r->parts[i],
			.msg_iovlen = 1,
			.msg_control = r->control[i],
			.msg_controllen = sizeof(r->control[i]),
		};
	}
	n = recvmmsg(r->fds[socket].fd, r->headers, BATCH_MAX, MSG_DONTWAIT, NULL);
	now = now_ns();
	for (i = 0; i < n; i++) {
		struct meta m = meta_read(&r->headers[i].msg_hdr);
		uint32_t pos = 0, size = r->headers[i].msg_len;

		while (m.segment && size - pos > (uint32_t)m.segment) {
			receive_datagram(r, socket, &r->from[i], r->buffers[i] + pos,
					 (uint32_t)m.segment, &m, now);
			pos += (uint32_t)m.segment;
		}
		receive_datagram(r, socket, &r->from[i], r->buffers[i] + pos, size - pos, &m, now);
	}
	return n > 0 ? n : 0;
}

/* The same from libjitney, and wait a little for the first. */
static void receive_helper(struct receiver *r, int wait_ms)
{
	struct jitney_message m[BATCH_MAX];
	int i, n = jitney_receive(r->j, m, BATCH_MAX, wait_ms);
	uint64_t now = now_ns();

	for (i = 0; i < n; i++) {
		struct sockaddr_in6 from = helper_from(&m[i]);
		struct meta meta = { m[i].tos, m[i].ttl, 0 };

		receive_datagram(r, m[i].port - r->o->port_first, &from, m[i].data, m[i].length,
				 &meta, now);
	}
}

/* Flows that wait for what may come behind their CLOSE. */
static void receiver_tick(struct receiver *r)
{
	uint64_t now = now_ns();
	uint32_t i;

	for (i = 0; i < 2 * FLOWS_MAX; i++)
		if (r->flows[i].closing && !r->flows[i].closed)
			flow_finish(r, &r->flows[i], now);
}

static bool receiver_finished(struct receiver *r, uint64_t start_ns)
{
	const struct options *o = r->o;
	uint64_t now = now_ns();

	if (o->flows && r->closed_count >= o->flows)
		return now - r->answered_ns > LINGER_NS;
	if (o->seconds > 0 && now - start_ns > (uint64_t)(o->seconds * 1e9))
		return true;
	return o->timeout > 0 && now - r->last_heard_ns > (uint64_t)(o->timeout * 1e9);
}

static void receiver_run(struct receiver *r, volatile bool *stop)
{
	uint64_t start_ns = now_ns();
	uint32_t i;
	bool any;

	r->last_heard_ns = start_ns;
	while (!*stop && !receiver_finished(r, start_ns)) {
		if (r->j) {
			receive_helper(r, 50);
			receiver_tick(r);
			continue;
		}
		if (poll(r->fds, r->fd_count, 50) <= 0)
			receiver_tick(r);
		do {
			for (any = false, i = 0; i < r->fd_count; i++)
				if (r->fds[i].revents && receive_batch(r, i) == BATCH_MAX)
					any = true;
		} while (any && !*stop);
	}
}

#endif

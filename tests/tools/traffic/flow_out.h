/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The sender's flows: their sockets, and the control messages to and fro. */
#ifndef TRAFFIC_FLOW_OUT_H
#define TRAFFIC_FLOW_OUT_H

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "helper.h"

struct flow_out {
	struct spec spec;
	struct sockaddr_in6 dest;
	int fd;
	struct jitney_flow *way; /* instead of that */
	bool opened, closed;
	uint64_t count; /* to send */
	uint64_t next;	/* sent so far */
	uint64_t acked;
	uint64_t received; /* as the receiver said at the end */
};

struct sender {
	const struct options *o;
	struct jitney *j; /* NULL: sockets */
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
	if (o->helper && helper_open(o, &s->j))
		return -ENOTCONN;
	s->session = (uint32_t)(mix(now_ns()) ^ mix((uint64_t)getpid()));
	for (i = 0; i < o->flows; i++) {
		struct flow_out *f = &s->flows[i];

		f->spec = (struct spec){ o->seed, o->first_flow + i, o->size_min, o->size_max };
		f->dest = o->dests[i % o->dest_count];
		f->count = o->count / o->flows + (i < o->count % o->flows);
		err = s->j ? helper_connect(s->j, o, 0, &f->dest, &f->way) : flow_out_socket(o, f);
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
	struct iovec part = { &c, sizeof(c) };
	struct sockaddr *to = s->o->connect ? NULL : (struct sockaddr *)&f->dest;

	c.seal = control_seal(&c);
	while ((f->way ? helper_send(s->j, f->way, &part, 1) :
			 sendto(f->fd, &c, sizeof(c), 0, to, to ? sizeof(f->dest) : 0)) < 0)
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

static bool sender_listen_helper(struct sender *s, int wait_ms)
{
	struct jitney_message m[BATCH_MAX];
	struct control c;
	int i, n = jitney_receive(s->j, m, BATCH_MAX, wait_ms);

	for (i = 0; i < n; i++)
		if (control_parse(m[i].data, m[i].length, &c) &&
		    c.spec.flow - s->o->first_flow < s->o->flows)
			flow_out_control(s, &s->flows[c.spec.flow - s->o->first_flow], &c);
	return n > 0;
}

/* Read what has come back; wait for it up to @wait_ms. Return: true if anything was there. */
static bool sender_listen(struct sender *s, int wait_ms)
{
	uint8_t bytes[MESSAGE_MAX];
	struct control c;
	bool any = false;
	ssize_t size;
	uint32_t i;

	if (s->j)
		return sender_listen_helper(s, wait_ms);
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

#endif

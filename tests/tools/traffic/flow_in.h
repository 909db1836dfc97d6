/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The receiver's sockets and flows, and the control messages that it answers. */
#ifndef TRAFFIC_FLOW_IN_H
#define TRAFFIC_FLOW_IN_H

#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>
#include <unistd.h>

#include "counters.h"
#include "helper.h"
#include "latency.h"
#include "ledger.h"

#define GRACE_NS 500000000ULL  /* for messages behind their CLOSE */
#define LINGER_NS 300000000ULL /* for a CLOSE whose answer was lost */
#define BUFFER_SIZE 65536

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

struct flow_in {
	bool used, closing, closed;
	int fd;
	struct jitney_flow *way; /* back, instead of that */
	uint16_t port;
	struct sockaddr_in6 from;
	struct control open;
	struct ledger ledger;
	uint64_t sent; /* as CLOSE said */
	uint64_t close_ns;
	uint32_t since_ack;
	uint64_t messages, tos_wrong, ttl_wrong;
};

struct receiver {
	const struct options *o;
	struct jitney *j; /* NULL: sockets */
	struct pollfd fds[PORTS_MAX];
	uint32_t fd_count;
	struct flow_in flows[2 * FLOWS_MAX]; /* a hash table */
	uint32_t flow_count, closed_count;
	struct latency latency;
	struct mmsghdr headers[BATCH_MAX];
	struct iovec parts[BATCH_MAX];
	struct sockaddr_in6 from[BATCH_MAX];
	uint8_t control[BATCH_MAX][256];
	uint8_t (*buffers)[BUFFER_SIZE];
	uint64_t datagrams, strays, first_ns, last_ns, last_heard_ns, answered_ns;
	struct kernel_counters before;
	uint64_t trace_left;
};

/* Metadata of one datagram. */
struct meta {
	int tos, ttl, segment;
};

static int receiver_socket(const struct options *o, uint16_t port)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int on = 1, off = 0, size = 256 << 20;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (o->gro)
		setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IP, IP_RECVTTL, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a))) {
		on = errno;
		close(fd);
		return -on;
	}
	return fd;
}

static int receiver_open(struct receiver *r)
{
	uint32_t port;
	int fd;

	r->buffers = calloc(BATCH_MAX, BUFFER_SIZE);
	if (!r->buffers)
		return -ENOMEM;
	if (r->o->helper && helper_open(r->o, &r->j))
		return -ENOTCONN;
	for (port = r->o->port_first; port <= r->o->port_last; port++) {
		fd = r->j ? jitney_bind(r->j, (uint16_t)port) :
			    receiver_socket(r->o, (uint16_t)port);
		if (fd < 0) {
			fprintf(stderr, "recv: failed to listen on port %u: %s\n", port,
				strerror(-fd));
			return fd;
		}
		r->fds[r->fd_count++] = (struct pollfd){ .fd = fd, .events = POLLIN };
	}
	r->before = counters_read();
	return 0;
}

/* The flow of this sender; @create: a new one if there is none. */
static struct flow_in *flow_find(struct receiver *r, const struct sockaddr_in6 *from, uint16_t port,
				 bool create)
{
	uint64_t words[2], hash;
	uint32_t i, n = 2 * FLOWS_MAX;
	struct flow_in *f;

	memcpy(words, &from->sin6_addr, 16);
	hash = mix(words[0] ^ mix(words[1] ^ ((uint64_t)from->sin6_port << 16 | port)));
	for (i = 0; i < n; i++) {
		f = &r->flows[(hash + i) % n];
		if (!f->used)
			break;
		if (f->port == port && f->from.sin6_port == from->sin6_port &&
		    !memcmp(&f->from.sin6_addr, &from->sin6_addr, 16))
			return f;
	}
	if (!create || i == n || r->flow_count == FLOWS_MAX)
		return NULL;
	f->used = true;
	f->port = port;
	f->from = *from;
	r->flow_count++;
	return f;
}

static void control_answer(struct flow_in *f, enum control_op op, uint64_t count)
{
	uint8_t bytes[MESSAGE_MAX] = { 0 };
	struct control c = f->open;
	size_t size = sizeof(c);

	c.op = op;
	c.count = count;
	c.seal = control_seal(&c);
	memcpy(bytes, &c, sizeof(c));
	if (op == CONTROL_ACK && c.ack_size > size)
		size = c.ack_size < sizeof(bytes) ? c.ack_size : sizeof(bytes);
	/* One that is lost is asked for again. */
	if (f->way)
		jitney_send(f->way, bytes, size, 0);
	else
		sendto(f->fd, bytes, size, MSG_DONTWAIT, (struct sockaddr *)&f->from,
		       sizeof(f->from));
}

static void flow_finish(struct receiver *r, struct flow_in *f, uint64_t now)
{
	const struct ledger *l = &f->ledger;

	if (!f->closed && l->arrived + l->unplaced + l->altered < f->sent &&
	    now - f->close_ns < GRACE_NS)
		return;
	if (!f->closed)
		r->closed_count++;
	f->closed = true;
	r->answered_ns = now;
	control_answer(f, CONTROL_CLOSED, l->arrived);
}

static void flow_open(struct receiver *r, struct flow_in *f, int fd, const struct control *c)
{
	if (f->open.magic && f->open.session == c->session)
		return;
	if (f->closed)
		r->closed_count--;
	free(f->ledger.seen);
	*f = (struct flow_in){
		.used = true, .port = f->port, .from = f->from, .open = *c, .way = f->way
	};
	f->fd = fd;
	f->ledger.spec = c->spec;
}

static void receive_control(struct receiver *r, struct flow_in *f, int fd, const struct control *c,
			    uint64_t now)
{
	if (c->op == CONTROL_OPEN)
		flow_open(r, f, fd, c);
	if (r->j && !f->way && helper_connect(r->j, r->o, f->port, &f->from, &f->way))
		return;
	if (f->open.session != c->session)
		return;
	switch (c->op) {
	case CONTROL_OPEN:
		control_answer(f, CONTROL_OPENED, 0);
		break;
	case CONTROL_SYNC:
		control_answer(f, CONTROL_ACK, c->count);
		break;
	case CONTROL_CLOSE:
		if (!f->closing)
			f->close_ns = now;
		f->closing = true;
		f->sent = c->count;
		flow_finish(r, f, now);
		break;
	}
}

#endif

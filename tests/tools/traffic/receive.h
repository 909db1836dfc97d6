/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `jt-traffic recv`: plain dual-stack UDP sockets, one a port. Flows are told
 * apart by the sender's address and port; each has a ledger. Besides the bytes
 * it checks TOS and TTL, and reads the kernel's own counters of bad checksums
 * and full sockets.
 */
#ifndef TRAFFIC_RECEIVE_H
#define TRAFFIC_RECEIVE_H

#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>
#include <unistd.h>

#include "latency.h"
#include "ledger.h"
#include "options.h"

#define GRACE_NS 500000000ULL  /* for messages behind their CLOSE */
#define LINGER_NS 300000000ULL /* for a CLOSE whose answer was lost */
#define BUFFER_SIZE 65536

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

struct flow_in {
	bool used, closing, closed;
	int fd;
	uint16_t port;
	struct sockaddr_in6 from;
	struct control open;
	struct ledger ledger;
	uint64_t sent; /* as CLOSE said */
	uint64_t close_ns;
	uint32_t since_ack;
	uint64_t messages, tos_wrong, ttl_wrong;
};

/* Of the kernel, in this network namespace. */
struct kernel_counters {
	uint64_t bad_checksum, buffer_full;
};

struct receiver {
	const struct options *o;
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
};

/* Metadata of one datagram. */
struct meta {
	int tos, ttl, segment;
};

static void counters_add(struct kernel_counters *c, const char *path, const char *checksum,
			 const char *full)
{
	char names[4096], values[4096], *name, *value, *rest_n, *rest_v;
	FILE *file = fopen(path, "r");

	/* snmp has a line of names, then a line of values. */
	while (file && fgets(names, sizeof(names), file) && fgets(values, sizeof(values), file)) {
		if (strncmp(names, "Udp:", 4))
			continue;
		name = strtok_r(names, " \n", &rest_n);
		value = strtok_r(values, " \n", &rest_v);
		while (name && value) {
			if (!strcmp(name, checksum))
				c->bad_checksum += strtoull(value, NULL, 10);
			if (!strcmp(name, full))
				c->buffer_full += strtoull(value, NULL, 10);
			name = strtok_r(NULL, " \n", &rest_n);
			value = strtok_r(NULL, " \n", &rest_v);
		}
	}
	if (file)
		fclose(file);
}

static struct kernel_counters counters_read(void)
{
	struct kernel_counters c = { 0 };
	unsigned long long value;
	char line[256], name[128];
	FILE *file;

	counters_add(&c, "/proc/self/net/snmp", "InCsumErrors", "RcvbufErrors");
	file = fopen("/proc/self/net/snmp6", "r");
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%127s %llu", name, &value) != 2)
			continue;
		if (!strcmp(name, "Udp6InCsumErrors"))
			c.bad_checksum += value;
		if (!strcmp(name, "Udp6RcvbufErrors"))
			c.buffer_full += value;
	}
	if (file)
		fclose(file);
	return c;
}

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
	for (port = r->o->port_first; port <= r->o->port_last; port++) {
		fd = receiver_socket(r->o, (uint16_t)port);
		if (fd < 0) {
			fprintf(stderr, "recv: failed to listen on port %u: %s\n", port, strerror(-fd));
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
	sendto(f->fd, bytes, size, MSG_DONTWAIT, (struct sockaddr *)&f->from, sizeof(f->from));
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
	*f = (struct flow_in){ .used = true, .port = f->port, .from = f->from, .open = *c };
	f->fd = fd;
	f->ledger.spec = c->spec;
}

static void receive_control(struct receiver *r, struct flow_in *f, int fd, const struct control *c,
			    uint64_t now)
{
	if (c->op == CONTROL_OPEN)
		flow_open(r, f, fd, c);
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

static void receive_message(struct receiver *r, struct flow_in *f, const uint8_t *bytes,
			    uint32_t size, const struct meta *m, uint64_t now)
{
	uint64_t k;

	if (!r->first_ns)
		r->first_ns = now;
	r->last_ns = now;
	f->messages++;
	if (m->tos != f->open.tos)
		f->tos_wrong++;
	if (r->o->hops >= 0 && m->ttl != f->open.ttl - r->o->hops)
		f->ttl_wrong++;
	if (ledger_add(&f->ledger, bytes, size, &k) && size >= TIME_FROM)
		latency_add(&r->latency, (now - message_time(bytes)) & TIME_MASK);
	if (f->open.ack_every && ++f->since_ack >= f->open.ack_every) {
		f->since_ack = 0;
		control_answer(f, CONTROL_ACK, f->ledger.next);
	}
	if (f->closing && !f->closed)
		flow_finish(r, f, now);
}

static void receive_datagram(struct receiver *r, uint32_t socket, const struct sockaddr_in6 *from,
			     const uint8_t *bytes, uint32_t size, const struct meta *m, uint64_t now)
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

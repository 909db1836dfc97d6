// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The kernel's UDP sockets: one for each claimed port, for IPv4 and IPv6.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"

#define BUFFER_BYTES (4 << 20) /* of each socket, if the system allows so many */

union control_room {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int)) * 3];
};

struct jt_sockets {
	int epoll;	/* over all of them */
	uint8_t *bytes; /* JT_BATCH datagrams: pages that none reaches are never there */
	struct mmsghdr headers[JT_BATCH];
	struct iovec data[JT_BATCH];
	struct sockaddr_in6 from[JT_BATCH];
	union control_room control[JT_BATCH];
};

struct jt_sockets *jt_sockets_open(void)
{
	struct jt_sockets *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	s->bytes = mmap(NULL, (size_t)JT_BATCH * JT_DATAGRAM_MAX, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (s->epoll >= 0 && s->bytes != MAP_FAILED)
		return s;
	if (s->bytes == MAP_FAILED)
		s->bytes = NULL;
	jt_sockets_close(s);
	return NULL;
}

void jt_sockets_close(struct jt_sockets *s)
{
	if (!s)
		return;
	if (s->epoll >= 0)
		close(s->epoll);
	if (s->bytes)
		munmap(s->bytes, (size_t)JT_BATCH * JT_DATAGRAM_MAX);
	free(s);
}

int jt_sockets_fd(const struct jt_sockets *s)
{
	return s->epoll;
}

static void option(int fd, int level, int name, int value)
{
	setsockopt(fd, level, name, &value, sizeof(value));
}

/* Return: a socket for both families, or for IPv4 where there is no IPv6. */
static int socket_open(bool *ipv6)
{
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	*ipv6 = fd >= 0;
	if (fd < 0)
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (*ipv6) {
		option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
		option(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
		option(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
	}
	option(fd, IPPROTO_IP, IP_RECVTOS, 1);
	option(fd, IPPROTO_IP, IP_RECVTTL, 1);
	option(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
	option(fd, SOL_SOCKET, SO_RCVBUF, BUFFER_BYTES);
	return fd;
}

/* Return: the port, host order. */
static int socket_bind(int fd, bool ipv6, uint16_t number)
{
	struct sockaddr_in6 at6 = { .sin6_family = AF_INET6, .sin6_port = htons(number) };
	struct sockaddr_in at4 = { .sin_family = AF_INET, .sin_port = htons(number) };
	struct sockaddr *at = ipv6 ? (struct sockaddr *)&at6 : (struct sockaddr *)&at4;
	socklen_t length = ipv6 ? sizeof(at6) : sizeof(at4);

	if (bind(fd, at, length) || getsockname(fd, at, &length))
		return -errno;
	return ntohs(ipv6 ? at6.sin6_port : at4.sin_port);
}

int jt_port_open(struct jitney *j, uint16_t number, struct jt_port **out)
{
	struct jt_port *port = calloc(1, sizeof(*port));
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = port };
	bool ipv6;
	int err;

	if (!port)
		return -ENOMEM;
	port->fd = socket_open(&ipv6);
	err = port->fd < 0 ? port->fd : socket_bind(port->fd, ipv6, number);
	if (err >= 0) {
		port->number = (uint16_t)err;
		err = epoll_ctl(j->sockets->epoll, EPOLL_CTL_ADD, port->fd, &event) ? -errno : 0;
	}
	if (err) {
		if (port->fd >= 0)
			close(port->fd);
		free(port);
		return err;
	}
	port->next = j->ports;
	j->ports = port;
	*out = port;
	return 0;
}

void jt_port_close(struct jitney *j, struct jt_port *port)
{
	struct jt_port **at;

	for (at = &j->ports; *at != port; at = &(*at)->next)
		;
	*at = port->next;
	if (j->room_fd == port->fd)
		jt_room_done(j);
	close(port->fd);
	free(port);
}

struct jt_port *jt_port_find(const struct jitney *j, uint16_t number)
{
	struct jt_port *port = j->ports;

	while (port && port->number != number)
		port = port->next;
	return port;
}

static void header_set(struct mmsghdr *h, struct jitney_flow *flow, const struct iovec *message)
{
	h->msg_hdr = (struct msghdr){ .msg_name = &flow->to,
				      .msg_namelen = flow->to_length,
				      .msg_iov = (struct iovec *)message,
				      .msg_iovlen = 1,
				      .msg_control = flow->control_length ? flow->control : NULL,
				      .msg_controllen = flow->control_length };
}

/* Return: how many of at least one were sent, or a negative errno. */
int jt_socket_send(struct jitney_flow *flow, const struct iovec *messages, unsigned int count)
{
	struct mmsghdr headers[JT_BATCH];
	struct jitney *j = flow->j;
	unsigned int i;
	int n, flags = j->flags & JITNEY_NONBLOCK ? MSG_DONTWAIT : 0;

	if (count > JT_BATCH)
		count = JT_BATCH;
	for (i = 0; i < count; i++)
		header_set(&headers[i], flow, &messages[i]);
	if (count == 1)
		n = sendmsg(flow->port->fd, &headers[0].msg_hdr, flags) < 0 ? -1 : 1;
	else
		n = sendmmsg(flow->port->fd, headers, count, flags);
	if (n < 0) {
		n = -errno;
		if (n == -EAGAIN && flags)
			jt_room_want(j, flow->port->fd, EPOLLOUT);
		return n;
	}
	j->statistics.sent_stack += (unsigned int)n;
	return n;
}

static void control_read(struct jitney *j, struct jt_port *port, struct msghdr *h,
			 struct jitney_message *out)
{
	struct cmsghdr *c;
	uint32_t dropped;
	int value;

	for (c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
			out->tos = *CMSG_DATA(c);
			continue;
		}
		memcpy(&value, CMSG_DATA(c), sizeof(value));
		if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL) ||
		    (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT)) {
			out->ttl = (uint8_t)value;
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
			out->tos = (uint8_t)value;
		} else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
			dropped = (uint32_t)value;
			j->statistics.lost += dropped - port->dropped;
			port->dropped = dropped;
		}
	}
}

static void address_read(const struct sockaddr_in6 *from, struct jitney_message *out)
{
	if (from->sin6_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&from->sin6_addr)) {
		memcpy(&out->from, from, sizeof(*from));
		return;
	}
	out->from.ipv4.sin_family = AF_INET;
	out->from.ipv4.sin_port = from->sin6_port;
	memcpy(&out->from.ipv4.sin_addr, &from->sin6_addr.s6_addr[12], 4);
}

static unsigned int port_receive(struct jitney *j, struct jt_port *port, unsigned int slot,
				 struct jitney_message *out, unsigned int max)
{
	struct jt_sockets *s = j->sockets;
	unsigned int i;
	int n;

	for (i = slot; i < slot + max; i++) {
		s->data[i] =
			(struct iovec){ s->bytes + (size_t)i * JT_DATAGRAM_MAX, JT_DATAGRAM_MAX };
		s->headers[i].msg_hdr = (struct msghdr){ .msg_name = &s->from[i],
							 .msg_namelen = sizeof(s->from[i]),
							 .msg_iov = &s->data[i],
							 .msg_iovlen = 1,
							 .msg_control = s->control[i].bytes,
							 .msg_controllen = sizeof(s->control[i]) };
	}
	n = recvmmsg(port->fd, &s->headers[slot], max, MSG_DONTWAIT, NULL);
	for (i = slot; (int)(i - slot) < n; i++, out++) {
		memset(out, 0, sizeof(*out));
		out->data = s->data[i].iov_base;
		out->length = s->headers[i].msg_len;
		out->port = port->number;
		address_read(&s->from[i], out);
		control_read(j, port, &s->headers[i].msg_hdr, out);
	}
	return n < 0 ? 0 : (unsigned int)n;
}

/*
 * jt_sockets_receive() - What waits in the sockets
 *
 * One call's messages must be done with before the next: the buffers are the same.
 */
unsigned int jt_sockets_receive(struct jitney *j, struct jitney_message *out, unsigned int max)
{
	struct epoll_event events[16];
	unsigned int got = 0;
	int i, n;

	if (max > JT_BATCH)
		max = JT_BATCH;
	if (!j->ports)
		return 0;
	if (!j->ports->next)
		got = port_receive(j, j->ports, 0, out, max);
	else
		for (i = 0, n = epoll_wait(j->sockets->epoll, events, 16, 0); i < n && got < max;
		     i++)
			got += port_receive(j, events[i].data.ptr, got, out + got, max - got);
	j->statistics.received_stack += got;
	return got;
}

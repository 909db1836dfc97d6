// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Receiving from a packet socket: datagrams to the claimed ports, and Jitney's
 * frames, which are taken apart here. The UDP sockets are then only the claims.
 *
 * A frame's messages may be more than a caller takes: frames are read when all
 * of the last ones are handed out.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "packet.h"

#define PORTS_MAX 60U /* jumps of a classic filter reach 255 instructions */
#define BUFFER_BYTES (8 << 20)

union aux_room {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
};

struct jt_raw {
	int fd;
	uint8_t *bytes;
	struct mmsghdr headers[JT_BATCH];
	struct iovec data[JT_BATCH][2]; /* what the kernel says of a packet, and the packet */
	struct virtio_net_hdr vnet[JT_BATCH];
	union aux_room control[JT_BATCH];
	unsigned int count, next; /* frames read, and done with */
	struct jt_packets packets;
};

static void filter_add(struct sock_fprog *p, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
	p->filter[p->len++] = (struct sock_filter){ code, jt, jf, k };
}

/* A test that goes on where it holds, and to the end, a refusal, where not. */
static void filter_want(struct sock_fprog *p, uint16_t load, uint32_t at, uint32_t value,
			unsigned int end)
{
	filter_add(p, BPF_LD | BPF_ABS | load, 0, 0, at);
	filter_add(p, BPF_JMP | BPF_JEQ | BPF_K, 0, (uint8_t)(end - p->len - 1), value);
}

/* Accept if the half word at hand is one of the ports. */
static void filter_ports(const struct jitney *j, struct sock_fprog *p, unsigned int end)
{
	const struct jt_port *port;

	for (port = j->ports; port; port = port->next)
		filter_add(p, BPF_JMP | BPF_JEQ | BPF_K, (uint8_t)(end - p->len), 0, port->number);
	filter_add(p, BPF_JMP | BPF_JA, 0, 0, end - p->len - 1);
}

/* Jitney's frames, and UDP to the ports: IPv6 first, then IPv4. */
static void filter_fill(const struct jitney *j, struct sock_fprog *p, unsigned int ports)
{
	unsigned int end = 14 + 2 * ports; /* of the refusal; behind it is the acceptance */

	filter_want(p, BPF_W, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE), PACKET_HOST, end);
	filter_add(p, BPF_LD | BPF_ABS | BPF_H, 0, 0, 12);
	filter_add(p, BPF_JMP | BPF_JEQ | BPF_K, (uint8_t)(end - p->len), 0, JT_ETHERTYPE_DEFAULT);
	filter_add(p, BPF_JMP | BPF_JEQ | BPF_K, 0, (uint8_t)(4 + ports), ETH_P_IPV6);
	filter_want(p, BPF_B, 20, IPPROTO_UDP, end);
	filter_add(p, BPF_LD | BPF_ABS | BPF_H, 0, 0, 56);
	filter_ports(j, p, end);
	filter_add(p, BPF_JMP | BPF_JEQ | BPF_K, 0, (uint8_t)(end - p->len - 1), ETH_P_IP);
	filter_want(p, BPF_B, 23, IPPROTO_UDP, end);
	filter_add(p, BPF_LD | BPF_ABS | BPF_H, 0, 0, 36); /* without IP options: see jt_parse() */
	filter_ports(j, p, end);
	filter_add(p, BPF_RET | BPF_K, 0, 0, 0);
	filter_add(p, BPF_RET | BPF_K, 0, 0, JT_DATAGRAM_MAX);
}

static int filter_attach(int fd, const struct sock_fprog *p)
{
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, p, sizeof(*p)) ? -errno : 0;
}

/* Have the UDP socket queue nothing: everything is taken from the packet socket. */
static int claim_mute(const struct jt_port *port)
{
	struct sock_filter none = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog p = { 1, &none };

	return filter_attach(port->fd, &p);
}

/* The claimed ports have changed. */
int jt_raw_ports(struct jitney *j)
{
	struct sock_filter filter[32 + 2 * PORTS_MAX];
	struct sock_fprog p = { 0, filter };
	const struct jt_port *port;
	unsigned int ports = 0;
	int err = 0;

	for (port = j->ports; port && !err; port = port->next, ports++)
		err = claim_mute(port);
	if (err)
		return err;
	if (ports > PORTS_MAX)
		return -ENOSPC;
	filter_fill(j, &p, ports);
	return filter_attach(j->raw->fd, &p);
}

static int raw_socket(void)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), one = 1, bytes = BUFFER_BYTES, err;

	if (fd < 0)
		return -errno;
	/* Several datagrams may come as one packet, as from UDP GSO: this says how many. */
	if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one))) {
		err = -errno;
		close(fd);
		return err;
	}
	setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one));
	setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	return fd;
}

/* Nothing is received before the filter is there: only then is the socket bound. */
static int raw_start(struct jitney *j)
{
	struct sockaddr_ll all = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	struct epoll_event event = { .events = EPOLLIN };
	int err = jt_raw_ports(j);

	if (!err && bind(j->raw->fd, (struct sockaddr *)&all, sizeof(all)))
		err = -errno;
	if (!err && epoll_ctl(j->epoll, EPOLL_CTL_ADD, j->raw->fd, &event))
		err = -errno;
	return err;
}

int jt_raw_open(struct jitney *j)
{
	struct jt_raw *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	j->raw = r;
	r->bytes = mmap(NULL, (size_t)JT_BATCH * JT_DATAGRAM_MAX, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	r->fd = -1;
	if (r->bytes == MAP_FAILED) {
		r->bytes = NULL;
		return -ENOMEM;
	}
	r->fd = raw_socket();
	return r->fd < 0 ? r->fd : raw_start(j);
}

void jt_raw_close(struct jitney *j)
{
	if (!j->raw)
		return;
	if (j->raw->fd >= 0)
		close(j->raw->fd);
	if (j->raw->bytes)
		munmap(j->raw->bytes, (size_t)JT_BATCH * JT_DATAGRAM_MAX);
	free(j->raw);
}

static void frames_read(struct jt_raw *r)
{
	unsigned int i;
	int n;

	for (i = 0; i < JT_BATCH; i++) {
		r->data[i][0] = (struct iovec){ &r->vnet[i], sizeof(r->vnet[i]) };
		r->data[i][1] =
			(struct iovec){ r->bytes + (size_t)i * JT_DATAGRAM_MAX, JT_DATAGRAM_MAX };
		r->headers[i].msg_hdr = (struct msghdr){ .msg_iov = r->data[i],
							 .msg_iovlen = 2,
							 .msg_control = r->control[i].bytes,
							 .msg_controllen = sizeof(r->control[i]) };
	}
	n = recvmmsg(r->fd, r->headers, JT_BATCH, MSG_DONTWAIT, NULL);
	r->count = n < 0 ? 0 : (unsigned int)n;
	r->next = 0;
}

/* What the kernel says of a packet: TP_STATUS_*. */
static uint32_t status_of(struct msghdr *h)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(h);
	struct tpacket_auxdata aux;

	if (!c || c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
		return 0;
	memcpy(&aux, CMSG_DATA(c), sizeof(aux));
	return aux.tp_status;
}

/* What has a tag comes once more, through the interface of that VLAN. */
static bool header_take(struct jitney *j, struct mmsghdr *h, struct jitney_message *out)
{
	struct jt_raw *r = j->raw;
	uint32_t status = status_of(&h->msg_hdr);
	const struct virtio_net_hdr *vnet = h->msg_hdr.msg_iov[0].iov_base;
	const uint8_t *data = h->msg_hdr.msg_iov[1].iov_base;
	bool run = vnet->gso_type != VIRTIO_NET_HDR_GSO_NONE;

	if (status & TP_STATUS_VLAN_VALID || h->msg_len < sizeof(*vnet))
		return false;
	/* The kernel knows it to be right, or the device had still to fill it in. */
	return jt_packet_take(j, &r->packets, data, h->msg_len - (uint32_t)sizeof(*vnet),
			      status & (TP_STATUS_CSUMNOTREADY | TP_STATUS_CSUM_VALID),
			      run ? vnet->gso_size : 0, out);
}

unsigned int jt_raw_receive(struct jitney *j, struct jitney_message *out, unsigned int max)
{
	struct jt_raw *r = j->raw;
	unsigned int n = 0;

	if (!r->packets.walking && r->next == r->count)
		frames_read(r);
	while (n < max) {
		if (r->packets.walking)
			n += jt_packet_more(j, &r->packets, &out[n]);
		else if (r->next < r->count)
			n += header_take(j, &r->headers[r->next++], &out[n]);
		else
			break;
	}
	j->statistics.received += n;
	return n;
}

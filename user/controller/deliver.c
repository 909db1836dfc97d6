// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Theory of operation: runs
 *
 * To hand over one datagram costs the kernel some microseconds, most of them for
 * the packet and not for its bytes. So datagrams of one flow and one length are
 * handed over as one packet that says where to cut it (UDP_L4 segmentation, the
 * last piece may be shorter); the receiving side's stack cuts it in front of the
 * socket, or hands it up whole to a socket that asked for that (UDP_GRO).
 *
 *  1. A flow is a guest, a template and a MAC to be put in. `open' knows at most one
 *     run of a flow, its last packet; whatever can't join that comes behind it, in
 *     a packet of its own. Packets leave in the order in which they were begun, so
 *     a flow's messages do.
 *  2. The kernel computes the checksums of a run's pieces. A message that was altered
 *     on its way must not get a right one: each is checked while it is copied, and
 *     one that does not fit, or has none, goes by itself with what it has.
 *  3. VLAN tagged packets and those without a UDP header go by themselves.
 *  4. The kernel does not ask whether a run's pieces fit the interface, and loses those
 *     that don't, uncounted. What is too long goes by itself and is refused.
 *  5. Linux before 6.2 refuses runs: then they are cut here.
 */
#include <errno.h>
#include <limits.h>
#include <net/ethernet.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/checksum.h"
#include "controller/deliver.h"

#define RETRIES 64
/* Not a multiple of 4096, or all payloads would begin in the same lines of the cache. */
#define PAYLOAD_STRIDE (JT_RUN_BYTES + 64 + 17 * 64)
#define MEMORY_BYTES ((size_t)PAYLOAD_STRIDE * JT_DELIVER_PACKETS)

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4 /* in headers from Linux 6.2 on */
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

/*
 * What a guest does not take is bounded by its interface, as without us. A bound on what
 * lies in all of them together would make some that take nothing, such as domains that are
 * paused, take from all others what is theirs: so it is far, 1 GiB.
 */
static int socket_open(void)
{
	int on = 1, buffer = INT_MAX / 4, fd, err;

	/* No protocol: it sends, and receives nothing. */
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on))) {
		err = -errno;
		close(fd);
		return err;
	}
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer));
	return fd;
}

int jt_deliver_open(struct jt_deliver *d)
{
	unsigned int i;

	memset(d, 0, sizeof(*d));
	d->socket = socket_open();
	if (d->socket < 0)
		return d->socket;
	d->memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	if (d->memory == MAP_FAILED) {
		d->memory = NULL;
		return -ENOMEM;
	}
	for (i = 0; i < JT_DELIVER_PACKETS; i++) {
		d->packets[i].payload = d->memory + (size_t)i * PAYLOAD_STRIDE;
		d->to[i] = (struct sockaddr_ll){ .sll_family = AF_PACKET, .sll_halen = 6 };
		d->messages[i].msg_hdr = (struct msghdr){ .msg_name = &d->to[i],
							  .msg_namelen = sizeof(d->to[i]),
							  .msg_iov = d->parts[i],
							  .msg_iovlen = 3 };
	}
	return 0;
}

void jt_deliver_close(struct jt_deliver *d)
{
	if (d->socket >= 0)
		close(d->socket);
	d->socket = -1;
	if (d->memory)
		munmap(d->memory, MEMORY_BYTES);
	d->memory = NULL;
}

/* --- gathering ---------------------------------------------------------------------- */

static unsigned int flow_hash(const struct jt_found *m, const struct jt_guest *guest)
{
	uint64_t hash = (uintptr_t)guest, word;
	uint32_t at;

	/* Sizes are multiples of four: the last word may overlap the one before. */
	for (at = 0; at + sizeof(word) <= m->template_size; at += sizeof(word)) {
		memcpy(&word, m->bytes + at, sizeof(word));
		hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
	}
	memcpy(&word, m->bytes + m->template_size - sizeof(word), sizeof(word));
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
	return (unsigned int)(hash >> 32) & (JT_DELIVER_FLOWS - 1);
}

static bool same_flow(const struct jt_delivery *p, const struct jt_found *m,
		      const struct jt_guest *guest, const uint8_t *mac)
{
	return p->guest == guest && p->mac == mac && p->template_size == m->template_size &&
	       !memcmp(p->template, m->bytes, m->template_size);
}

/* Can messages of this template and size be in a run? Their sums go to the packet. */
static bool may_run(struct jt_delivery *p)
{
	struct jt_template t;
	uint32_t head = sizeof(struct jt_udp);

	jt_template_load(&t, p->template, p->template_size);
	if (t.kind == JT_TEMPLATE_UDP4) {
		p->pseudo = (uint64_t)t.u.udp4.source + t.u.udp4.dest;
		head += sizeof(struct jt_ipv4);
	} else if (t.kind == JT_TEMPLATE_UDP6) {
		p->pseudo = jt_sum_ipv6(&t.u.words[2], &t.u.words[6]);
		head += sizeof(struct jt_ipv6);
	} else {
		return false;
	}
	p->pseudo += jt_htons(JT_IPPROTO_UDP);
	p->sum = p->pseudo + t.u.udp4.source_port + t.u.udp4.dest_port;
	return !(t.flags & JT_TEMPLATE_VLAN) && head + p->size <= p->guest->mtu;
}

/* Copy a message behind what is there. Return: true if its checksum is right. */
static bool copy_right(struct jt_delivery *p, const struct jt_found *m)
{
	uint64_t sum = jt_copy_sum(p->payload + p->bytes, m->payload, m->length);

	return jt_udp_check(p->sum, sum, m->length) == m->check;
}

/* Return: true if the message is in the run now. */
static bool run_join(struct jt_deliver *d, struct jt_delivery *p, const struct jt_found *m)
{
	if (d->singly || !m->length || m->length > p->size || p->segments == JT_RUN_SEGMENTS ||
	    p->bytes + m->length > JT_RUN_BYTES || !copy_right(p, m))
		return false;
	p->bytes += m->length;
	p->segments++;
	return true;
}

static struct jt_delivery *packet_begin(struct jt_deliver *d, const struct jt_found *m,
					struct jt_guest *guest, const uint8_t *mac)
{
	struct jt_delivery *p;

	if (d->count == JT_DELIVER_PACKETS)
		jt_deliver_flush(d);
	p = &d->packets[d->count++];
	p->guest = guest;
	p->mac = mac;
	memcpy(p->template, m->bytes, m->template_size);
	p->template_size = m->template_size;
	p->check = m->check;
	p->size = m->length;
	p->bytes = 0;
	p->segments = 1;
	return p;
}

void jt_deliver_add(struct jt_deliver *d, const struct jt_found *m, struct jt_guest *guest,
		    const uint8_t *mac)
{
	struct jt_delivery **open = &d->open[flow_hash(m, guest)], *p = *open;

	if (p && same_flow(p, m, guest, mac) && run_join(d, p, m)) {
		if (m->length < p->size)
			*open = NULL;
		return;
	}
	p = packet_begin(d, m, guest, mac);
	*open = may_run(p) && copy_right(p, m) && m->length ? p : NULL;
	if (!*open)
		memcpy(p->payload, m->payload, m->length);
	p->bytes = m->length;
}

/* --- handing over --------------------------------------------------------------------- */

/* In front of @length bytes of payload. Return: its size. */
static uint32_t header_build(struct jt_deliver *d, struct jt_delivery *p, uint32_t length,
			     uint16_t check)
{
	struct jt_found m = { .bytes = p->template,
			      .template_size = p->template_size,
			      .length = length,
			      .check = check };
	uint32_t size = jt_packet_build(&m, d->ipv4_id++, p->header);

	if (p->mac)
		memcpy(p->header, p->mac, 6);
	return size;
}

/* What leaves as packet @i: its header, and @length bytes of its payload from @at on. */
static void part_set(struct jt_deliver *d, unsigned int i, uint32_t head, uint32_t at,
		     uint32_t length)
{
	struct jt_delivery *p = &d->packets[i];

	d->parts[i][0] = (struct iovec){ &p->vnet, sizeof(p->vnet) };
	d->parts[i][1] = (struct iovec){ p->header, head };
	d->parts[i][2] = (struct iovec){ p->payload + at, length };
	memcpy(d->to[i].sll_addr, p->header, 6);
	memcpy(&d->to[i].sll_protocol, p->header + 12, sizeof(d->to[i].sll_protocol));
	d->to[i].sll_ifindex = (int)p->guest->ifindex;
}

static void packet_build(struct jt_deliver *d, unsigned int i)
{
	struct jt_delivery *p = &d->packets[i];
	uint64_t pseudo = p->pseudo + jt_htons((uint16_t)(p->bytes + sizeof(struct jt_udp)));
	uint32_t head;

	p->vnet = (struct virtio_net_hdr){ 0 };
	if (p->segments == 1) {
		head = header_build(d, p, p->bytes, p->check);
	} else {
		/* What the kernel completes for each piece. */
		head = header_build(d, p, p->bytes, jt_sum_fold(pseudo));
		d->ipv4_id += (uint16_t)(p->segments - 1);
		p->vnet = (struct virtio_net_hdr){
			.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
			.gso_type = VIRTIO_NET_HDR_GSO_UDP_L4,
			.hdr_len = (uint16_t)head,
			.gso_size = (uint16_t)p->size,
			.csum_start = (uint16_t)(head - sizeof(struct jt_udp)),
			.csum_offset = offsetof(struct jt_udp, check),
		};
	}
	part_set(d, i, head, 0, p->bytes);
}

static void delivered(struct jt_guest *guest, uint32_t messages, uint32_t bytes)
{
	guest->delivered += messages;
	guest->delivered_bytes += bytes;
}

static void lost(struct jt_guest *guest, uint32_t messages, int err)
{
	bool down = err == ENETDOWN || err == ENXIO || err == ENODEV;

	__sync_fetch_and_add(
		&guest->reasons[down ? JT_REASON_GUEST_DOWN : JT_REASON_DELIVER_FAILED], messages);
}

/* As often as a full queue may take. Return: 0 or an errno. */
static int piece_send(struct jt_deliver *d, unsigned int i)
{
	int tries;

	for (tries = 0; tries < RETRIES; tries++) {
		if (sendmsg(d->socket, &d->messages[i].msg_hdr, 0) >= 0)
			return 0;
		if (errno != EAGAIN && errno != ENOBUFS)
			break;
	}
	return errno;
}

/* Cut a run here. If that goes well it is this kernel that can't. */
static void run_cut(struct jt_deliver *d, unsigned int i)
{
	struct jt_delivery *p = &d->packets[i];
	uint32_t at, length, head;
	uint8_t copy[JT_RECORD_MAX];
	uint16_t check;
	int err;

	p->vnet = (struct virtio_net_hdr){ 0 };
	for (at = 0; at < p->bytes; at += length) {
		length = p->bytes - at < p->size ? p->bytes - at : p->size;
		check = jt_udp_check(p->sum, jt_copy_sum(copy, p->payload + at, length), length);
		head = header_build(d, p, length, check);
		part_set(d, i, head, at, length);
		err = piece_send(d, i);
		if (err) {
			lost(p->guest, 1, err);
		} else {
			delivered(p->guest, 1, length);
			d->singly = true;
		}
	}
}

static void refused(struct jt_deliver *d, unsigned int i, int err)
{
	struct jt_delivery *p = &d->packets[i];

	if (p->segments > 1 && err == EINVAL)
		run_cut(d, i);
	else
		lost(p->guest, p->segments, err);
}

void jt_deliver_flush(struct jt_deliver *d)
{
	const struct jt_guest *full = NULL; /* it took no more: others need not wait for it */
	unsigned int at, tries = 0, end;
	int n;

	if (!d->count)
		return;
	memset(d->open, 0, sizeof(d->open));
	for (at = 0; at < d->count; at++)
		packet_build(d, at);
	for (at = 0; at < d->count;) {
		n = sendmmsg(d->socket, d->messages + at, d->count - at, 0);
		if (n > 0) {
			for (end = at + (unsigned int)n; at < end; at++)
				delivered(d->packets[at].guest, d->packets[at].segments,
					  d->packets[at].bytes);
			tries = 0;
		} else if ((errno == EAGAIN || errno == ENOBUFS) && d->packets[at].guest != full &&
			   ++tries < RETRIES) {
			continue;
		} else {
			full = d->packets[at].guest;
			refused(d, at++, errno);
			tries = 0;
		}
	}
	d->count = 0;
}

int jt_deliver_frame(struct jt_deliver *d, uint32_t ifindex, const void *frame, size_t length)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_halen = 6,
				  .sll_ifindex = (int)ifindex };
	struct virtio_net_hdr vnet = { 0 };
	struct iovec parts[] = { { &vnet, sizeof(vnet) }, { (void *)frame, length } };
	struct msghdr message = {
		.msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = parts, .msg_iovlen = 2
	};

	memcpy(to.sll_addr, frame, 6);
	return sendmsg(d->socket, &message, 0) < 0 ? -errno : 0;
}

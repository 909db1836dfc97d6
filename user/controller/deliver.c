// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <unistd.h>

#include "controller/deliver.h"

#define RETRIES 64

int jt_deliver_open(struct jt_deliver *d)
{
	int on = 1, buffer = 8 << 20, i;

	memset(d, 0, sizeof(*d));
	/* No protocol: it sends, and receives nothing. */
	d->socket = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (d->socket < 0)
		return -errno;
	setsockopt(d->socket, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
	setsockopt(d->socket, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer));
	for (i = 0; i < JT_DELIVER_BATCH; i++) {
		d->to[i] = (struct sockaddr_ll){ .sll_family = AF_PACKET, .sll_halen = 6 };
		d->messages[i].msg_hdr = (struct msghdr){ .msg_name = &d->to[i],
							  .msg_namelen = sizeof(d->to[i]),
							  .msg_iov = d->parts[i],
							  .msg_iovlen = 2 };
	}
	return 0;
}

void jt_deliver_close(struct jt_deliver *d)
{
	if (d->socket >= 0)
		close(d->socket);
	d->socket = -1;
}

void jt_deliver_add(struct jt_deliver *d, const struct jt_found *m, struct jt_guest *guest,
		    const uint8_t *mac)
{
	unsigned int i = d->count;
	uint8_t *head = d->headers[i];

	d->parts[i][0].iov_base = head;
	d->parts[i][0].iov_len = jt_packet_build(m, d->ipv4_id++, head);
	if (mac)
		memcpy(head, mac, 6);
	d->parts[i][1].iov_base = (void *)m->payload;
	d->parts[i][1].iov_len = m->length;
	memcpy(d->to[i].sll_addr, head, 6);
	d->to[i].sll_ifindex = (int)guest->ifindex;
	d->to[i].sll_protocol = 0;
	d->guests[i] = guest;
	d->count++;
	if (d->count == JT_DELIVER_BATCH)
		jt_deliver_flush(d);
}

static void delivered(struct jt_deliver *d, unsigned int from, unsigned int n)
{
	unsigned int i;

	for (i = from; i < from + n; i++) {
		d->guests[i]->delivered++;
		d->guests[i]->delivered_bytes += d->parts[i][1].iov_len;
	}
}

static void lost(struct jt_guest *guest, int err)
{
	bool down = err == ENETDOWN || err == ENXIO || err == ENODEV;

	__sync_fetch_and_add(
		&guest->reasons[down ? JT_REASON_GUEST_DOWN : JT_REASON_DELIVER_FAILED], 1);
}

void jt_deliver_flush(struct jt_deliver *d)
{
	const struct jt_guest *full = NULL; /* it took no more: others need not wait for it */
	unsigned int at = 0, tries = 0;
	int n;

	while (at < d->count) {
		n = sendmmsg(d->socket, d->messages + at, d->count - at, 0);
		if (n > 0) {
			delivered(d, at, (unsigned int)n);
			at += (unsigned int)n;
			tries = 0;
		} else if ((errno == EAGAIN || errno == ENOBUFS) && d->guests[at] != full &&
			   ++tries < RETRIES) {
			continue;
		} else {
			full = d->guests[at];
			lost(d->guests[at++], errno);
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

	memcpy(to.sll_addr, frame, 6);
	return sendto(d->socket, frame, length, 0, (struct sockaddr *)&to, sizeof(to)) < 0 ?
		       -errno :
		       0;
}

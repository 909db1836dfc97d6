// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Receiving through the AF_XDP socket: the program on the guest's interface puts
 * frames there whose messages are all for claimed ports, and datagrams. They are
 * handed out where they lie; a chunk goes back to be filled with the first call
 * that receives after the one that has handed out the last of it.
 */
#include <errno.h>
#include <linux/if_xdp.h>
#include <stdlib.h>

#include "packet.h"
#include "xsk.h"

struct jt_inbox {
	struct jt_packets packets;
	uint32_t next;	   /* entry of the rx ring to begin with */
	uint32_t released; /* up to there chunks were given back */
};

static void fill(struct jt_xsk *x, uint64_t address)
{
	uint64_t *entries = x->fill.entries;
	uint32_t at = *x->fill.producer;

	/* There is room: no more chunks than entries. */
	entries[at & x->fill.mask] = address;
	JT_WRITE(*x->fill.producer, at + 1);
}

int jt_inbox_open(struct jitney *j)
{
	struct jt_xsk *x = j->xsk;
	uint32_t i;

	j->inbox = calloc(1, sizeof(*j->inbox));
	if (!j->inbox)
		return -ENOMEM;
	for (i = 0; i < x->receive_chunks; i++)
		fill(x, (uint64_t)(x->send_chunks + i) * x->chunk);
	return 0;
}

void jt_inbox_close(struct jitney *j)
{
	free(j->inbox);
	j->inbox = NULL;
}

/* Chunks that nobody looks at any more: not that of a frame in the middle of which we are. */
static void release(struct jitney *j)
{
	struct jt_inbox *in = j->inbox;
	struct jt_xsk *x = j->xsk;
	const struct xdp_desc *d = x->rx.entries;
	uint32_t end = in->next - in->packets.walking;

	for (; in->released != end; in->released++)
		fill(x, d[in->released & x->rx.mask].addr / x->chunk * x->chunk);
	JT_WRITE(*x->rx.consumer, in->released);
}

static bool next_take(struct jitney *j, struct jitney_message *out)
{
	struct jt_inbox *in = j->inbox;
	const struct xdp_desc *entries = j->xsk->rx.entries;
	const struct xdp_desc *d = &entries[in->next++ & j->xsk->rx.mask];

	return jt_packet_take(j, &in->packets, j->xsk->umem + d->addr, d->len, false, 0, out);
}

/* Frames and datagrams that found no chunk, or no room in the ring. */
uint64_t jt_inbox_lost(const struct jitney *j)
{
	struct xdp_statistics s = { 0 };
	socklen_t size = sizeof(s);

	if (!j->inbox || getsockopt(j->xsk->fd, SOL_XDP, XDP_STATISTICS, &s, &size))
		return 0;
	return s.rx_dropped + s.rx_ring_full;
}

unsigned int jt_inbox_receive(struct jitney *j, struct jitney_message *out, unsigned int max)
{
	struct jt_inbox *in = j->inbox;
	uint32_t end;
	unsigned int n = 0;

	release(j);
	end = JT_READ(*j->xsk->rx.producer);
	while (n < max) {
		if (in->packets.walking)
			n += jt_packet_more(j, &in->packets, &out[n]);
		else if (in->next != end)
			n += next_take(j, &out[n]);
		else
			break;
	}
	return n;
}

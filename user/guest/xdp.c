// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The call `xdp': frames of many messages, built here and sent through the AF_XDP
 * socket that came along. The program on the guest's vif checks them and puts
 * their messages aboard (bpf/vif.bpf.c); a frame is addressed to the guest's own
 * MAC, so that it leads nowhere if that program is gone.
 *
 * A frame is for one peer: one is open for each of a few at a time. What a call of
 * the program's leaves behind is sent at its end, or with its last one if it said
 * JITNEY_MORE before. Copy mode: the kernel is done with a frame when it has
 * taken it, and says so in the completion ring.
 */
#include <errno.h>
#include <linux/if_xdp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include <jitney/walk.h>
#include "common/checksum.h"
#include "xsk.h"

#define OPEN_FRAMES 8U
#define KICKS_MAX 64
#define WAIT_MS 100
#define HEAD (sizeof(struct jt_eth) + sizeof(struct jt_frame_header))

struct frame {
	uint64_t serial; /* 0: none is open */
	uint32_t peer;
	uint32_t used; /* bytes of records */
	uint32_t templates, messages;
	uint8_t *bytes;
};

struct jt_xdp {
	struct jt_xsk *xsk;
	uint32_t *free; /* chunks, as a stack */
	uint32_t free_count;
	uint64_t serial;
	struct frame open[OPEN_FRAMES];
};

static void xdp_free(struct jitney *j)
{
	if (j->xdp)
		free(j->xdp->free);
	free(j->xdp);
	j->xdp = NULL;
	jt_peers_forget(j);
}

static int xdp_open(struct jitney *j, const struct jt_attach_hello *hello)
{
	struct jt_xdp *x = calloc(1, sizeof(*x));
	int err = x ? jt_peers_know(j) : -ENOMEM;
	uint32_t i;

	(void)hello;
	j->xdp = x;
	if (!err && !j->xsk)
		err = -EPROTO;
	if (!err) {
		x->xsk = j->xsk;
		x->free = calloc(x->xsk->send_chunks, sizeof(*x->free));
		err = x->free ? 0 : -ENOMEM;
	}
	for (i = 0; !err && i < x->xsk->send_chunks; i++)
		x->free[x->free_count++] = i;
	if (err)
		xdp_free(j);
	return err;
}

static void reap(struct jt_xdp *x)
{
	struct jt_ring *r = &x->xsk->completion;
	uint32_t at = *r->consumer, end = JT_READ(*r->producer);
	const uint64_t *done = r->entries;

	for (; at != end && x->free_count < x->xsk->send_chunks; at++)
		x->free[x->free_count++] = (uint32_t)(done[at & r->mask] / x->xsk->chunk);
	JT_WRITE(*r->consumer, at);
}

static bool pending(const struct jt_xdp *x)
{
	return JT_READ(*x->xsk->tx.consumer) != *x->xsk->tx.producer;
}

/* Have the kernel take what is queued: some at a time. */
static void kick(struct jt_xdp *x)
{
	int i;

	for (i = 0; i < KICKS_MAX && pending(x); i++) {
		if (JT_READ(*x->xsk->tx.flags) & XDP_RING_NEED_WAKEUP &&
		    sendto(x->xsk->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 && errno != EAGAIN &&
		    errno != ENOBUFS && errno != EBUSY)
			break;
		reap(x);
	}
	reap(x);
}

static void frame_send(struct jitney *j, struct frame *f)
{
	struct jt_xsk *x = j->xdp->xsk;
	struct jt_eth eth = { .type = j->ethertype };
	struct jt_frame_header h = { .version_type = JT_WIRE_VERSION << 4 | JT_FRAME_GUEST,
				     .length = jt_htons((uint16_t)f->used),
				     .sequence = jt_htonl(f->messages),
				     .guest = jt_htons((uint16_t)f->templates) };
	struct xdp_desc *d = x->tx.entries;

	memcpy(eth.dest, j->mac, 6);
	memcpy(eth.source, j->mac, 6);
	memcpy(f->bytes, &eth, sizeof(eth));
	memcpy(f->bytes + sizeof(eth), &h, sizeof(h));
	/* There is room: no more chunks than entries. */
	d[*x->tx.producer & x->tx.mask] = (struct xdp_desc){ .addr = (uint64_t)(f->bytes - x->umem),
							     .len = (uint32_t)HEAD + f->used };
	JT_WRITE(*x->tx.producer, *x->tx.producer + 1);
	f->serial = 0;
}

/* Return: 0, or -EAGAIN: no chunk is free, and the handle does not wait. */
static int frame_open(struct jitney *j, struct frame *f, uint32_t peer)
{
	struct jt_xdp *x = j->xdp;
	struct pollfd p = { .fd = x->xsk->fd, .events = POLLOUT };

	if (!x->free_count)
		kick(x);
	while (!x->free_count) {
		if (j->flags & JITNEY_NONBLOCK) {
			jt_room_want(j, x->xsk->fd, EPOLLOUT);
			return -EAGAIN;
		}
		if (poll(&p, 1, WAIT_MS) < 0 && errno != EINTR)
			return -errno;
		if (p.revents & (POLLERR | POLLHUP))
			return -EPIPE;
		kick(x);
	}
	*f = (struct frame){ .serial = ++x->serial,
			     .peer = peer,
			     .bytes = x->xsk->umem +
				      (size_t)x->free[--x->free_count] * x->xsk->chunk };
	return 0;
}

static uint32_t room_for(const struct jitney *j, uint32_t peer)
{
	uint32_t room = JT_READ(j->notice->peer_room[peer]);

	return room < j->xsk->chunk - HEAD ? room : j->xsk->chunk - (uint32_t)HEAD;
}

/* A frame to the flow's peer that takes `length` more bytes of payload. */
static int frame_for(struct jitney_flow *flow, uint32_t length, struct frame **out)
{
	struct jitney *j = flow->j;
	struct frame *f = &j->xdp->open[flow->id % OPEN_FRAMES];
	uint32_t size = JT_RECORD_HEAD + JT_ALIGN4(length);

	*out = f;
	if (flow->frame != f->serial)
		size += JT_RECORD_HEAD + flow->template_size;
	if (f->serial && (f->peer != flow->id || f->used + size > room_for(j, flow->id) ||
			  (flow->frame != f->serial && f->templates == JT_TEMPLATES_MAX)))
		frame_send(j, f);
	return f->serial ? 0 : frame_open(j, f, flow->id);
}

static void template_put(struct jitney_flow *flow, struct frame *f)
{
	uint8_t *at = f->bytes + HEAD + f->used;
	uint32_t head = jt_record_template(++f->templates, flow->template_size);

	memcpy(at, &head, sizeof(head));
	jt_template_store(at + sizeof(head), &flow->template, flow->template_size);
	f->used += JT_RECORD_HEAD + flow->template_size;
	flow->frame = f->serial;
	flow->frame_number = f->templates;
}

static int xdp_put(struct jitney_flow *flow, const void *data, uint32_t length)
{
	struct frame *f;
	uint32_t head, zero = 0;
	uint64_t sum;
	uint8_t *at;
	int err = frame_for(flow, length, &f);

	if (err)
		return err;
	if (flow->frame != f->serial)
		template_put(flow, f);
	at = f->bytes + HEAD + f->used;
	if (length % 4)
		memcpy(at + JT_ALIGN4(length), &zero, sizeof(zero)); /* the last word's padding */
	sum = jt_copy_sum(at + JT_RECORD_HEAD, data, length);
	head = jt_record_head(flow->frame_number, length, jt_udp_check(flow->sum, sum, length));
	memcpy(at, &head, sizeof(head));
	f->used += JT_RECORD_HEAD + JT_ALIGN4(length);
	f->messages++;
	return 0;
}

static void xdp_publish(struct jitney *j)
{
	struct jt_xdp *x = j->xdp;
	unsigned int i;

	for (i = 0; i < OPEN_FRAMES; i++)
		if (x->open[i].serial && x->open[i].messages)
			frame_send(j, &x->open[i]);
	kick(x);
}

const struct jt_call jt_call_xdp = {
	.id = JITNEY_XDP,
	.ask = JT_CALL_XDP,
	.name = "xdp",
	.why = "the controller gave this guest an AF_XDP socket",
	.open = xdp_open,
	.put = xdp_put,
	.publish = xdp_publish,
	.flush = jt_call_flush,
	.close = xdp_free,
};

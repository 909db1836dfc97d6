// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_xdp.h>
#include <unistd.h>

#include "common/log.h"
#include "controller/xsk.h"

#ifndef SO_PREFER_BUSY_POLL
#define SO_PREFER_BUSY_POLL 69
#define SO_BUSY_POLL_BUDGET 70
#endif

#define FILL_SIZE 2048 /* >= frames of the receive pool; a power of two */
#define RX_SIZE 2048
#define TX_SIZE 2048
#define COMPLETION_SIZE 4096 /* > TX_SIZE: reaping may lag behind */

static int open_failed(const char *interface, unsigned int queue, const char *what, int err)
{
	if (err == -EBUSY)
		jt_log("failed to open an AF_XDP socket on %s: another program has one on queue %u",
		       interface, queue);
	else if (err == -EINVAL && queue)
		jt_log("failed to open an AF_XDP socket on queue %u of %s: it has not so many: "
		       "`ethtool -l %s' tells, --queues says fewer",
		       queue, interface, interface);
	else if (err == -ENOBUFS || err == -ENOMEM)
		jt_log("failed to %s on %s: out of locked memory: raise it with `ulimit -l "
		       "unlimited'",
		       what, interface);
	else if (err == -EOPNOTSUPP)
		jt_log("failed to %s on %s: the driver has no zero-copy: use --zerocopy auto", what,
		       interface);
	else
		jt_log("failed to %s on %s: %s", what, interface, strerror(-err));
	return err;
}

/* Its chunks of the receive pool, and none of a domain's, wait to be filled. */
static int fill(struct jt_xsk *x, struct jt_datapath *d, unsigned int queue, unsigned int queues)
{
	const struct jt_geometry *g = &d->page.geometry;
	uint64_t at = (uint64_t)g->banks * jt_bank_stride(g);
	uint32_t n = (uint32_t)((d->page_bytes - at) / g->extent_size) / queues, first, i;
	struct xsk_ring_prod *ring = &x->queues[queue].fill;

	if (n > FILL_SIZE)
		n = FILL_SIZE;
	if (xsk_ring_prod__reserve(ring, n, &first) != n)
		return -ENOSPC;
	at += (uint64_t)queue * n * g->extent_size;
	for (i = 0; i < n; i++)
		*xsk_ring_prod__fill_addr(ring, first + i) = at + (uint64_t)i * g->extent_size;
	xsk_ring_prod__submit(ring, n);
	return 0;
}

static void busy_poll(struct jt_xsk *x, unsigned int queue, unsigned int us)
{
	int on = 1, budget = 64, fd = jt_xsk_fd(x, queue), time = (int)us;

	if (setsockopt(fd, SOL_SOCKET, SO_PREFER_BUSY_POLL, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL, &time, sizeof(time)) ||
	    setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL_BUDGET, &budget, sizeof(budget)))
		jt_log("busy polling is off: %s", strerror(errno));
}

static void read_options(struct jt_xsk *x)
{
	struct xdp_options options = { 0 };
	socklen_t size = sizeof(options);

	if (!getsockopt(jt_xsk_fd(x, 0), SOL_XDP, XDP_OPTIONS, &options, &size))
		x->zerocopy = options.flags & XDP_OPTIONS_ZEROCOPY;
}

static int queue_open(struct jt_xsk *x, struct jt_datapath *d, const char *interface,
		      const struct jt_options *o, uint32_t queue)
{
	static const uint16_t bind_flags[] = { [JT_ZEROCOPY_AUTO] = XDP_USE_NEED_WAKEUP,
					       [JT_ZEROCOPY_ON] =
						       XDP_USE_NEED_WAKEUP | XDP_ZEROCOPY,
					       [JT_ZEROCOPY_OFF] = XDP_USE_NEED_WAKEUP | XDP_COPY };
	struct xsk_socket_config config = { .rx_size = RX_SIZE,
					    .tx_size = TX_SIZE,
					    .libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
					    .bind_flags = bind_flags[o->zerocopy] };
	struct jt_xsk_queue *q = &x->queues[queue];
	int err, fd;

	/* The first one has the UMEM's own rings. */
	err = xsk_socket__create_shared(&q->socket, interface, queue, x->umem, &q->rx, &q->tx,
					&q->fill, &q->completion, &config);
	if (err)
		return open_failed(interface, queue, "open an AF_XDP socket", err);
	x->count = queue + 1;
	err = fill(x, d, queue, o->queues);
	fd = xsk_socket__fd(q->socket);
	if (!err && bpf_map_update_elem(d->maps[JT_MAP_xsks], &queue, &fd, BPF_ANY))
		err = -errno;
	if (err)
		return open_failed(interface, queue, "register the socket", err);
	if (o->busy_poll_us)
		busy_poll(x, queue, o->busy_poll_us);
	return 0;
}

int jt_xsk_open(struct jt_xsk *x, struct jt_datapath *d, const char *interface,
		const struct jt_options *o)
{
	struct xsk_umem_config umem = { .fill_size = FILL_SIZE,
					.comp_size = COMPLETION_SIZE,
					.frame_size = d->page.geometry.extent_size };
	uint32_t queue;
	int err;

	memset(x, 0, sizeof(*x));
	x->memory = d->page.memory;
	x->before = JT_READ(d->page.control->sockets_given);
	JT_WRITE(d->page.control->sockets_handed, x->before);
	err = xsk_umem__create(&x->umem, d->page.memory, d->umem_size, &x->queues[0].fill,
			       &x->queues[0].completion, &umem);
	if (err)
		return open_failed(interface, 0, "register the page as UMEM", err);
	for (queue = 0; !err && queue < o->queues; queue++)
		err = queue_open(x, d, interface, o, queue);
	if (err) {
		jt_xsk_close(x);
		return err;
	}
	read_options(x);
	return 0;
}

void jt_xsk_close(struct jt_xsk *x)
{
	/* The first one's rings are the UMEM's: it goes last. */
	while (x->count)
		xsk_socket__delete(x->queues[--x->count].socket);
	if (x->umem)
		xsk_umem__delete(x->umem);
	memset(x, 0, sizeof(*x));
}

static struct jt_xsk_queue *queue_of(struct jt_xsk *x, unsigned int queue)
{
	return &x->queues[queue % x->count];
}

int jt_xsk_fd(const struct jt_xsk *x, unsigned int queue)
{
	return queue < x->count ? xsk_socket__fd(x->queues[queue].socket) : -1;
}

bool jt_xsk_send(struct jt_xsk *x, unsigned int queue, const uint8_t *frame, uint32_t length)
{
	struct jt_xsk_queue *q = queue_of(x, queue);
	uint32_t index;

	if (xsk_ring_prod__reserve(&q->tx, 1, &index) != 1)
		return false;
	*xsk_ring_prod__tx_desc(&q->tx, index) =
		(struct xdp_desc){ .addr = (uint64_t)(frame - x->memory), .len = length };
	xsk_ring_prod__submit(&q->tx, 1);
	q->sent++;
	return true;
}

static uint64_t queue_missed(const struct jt_xsk *x, unsigned int queue)
{
	struct xdp_statistics s = { 0 };
	socklen_t size = sizeof(s);

	if (getsockopt(jt_xsk_fd(x, queue), SOL_XDP, XDP_STATISTICS, &s, &size))
		return 0;
	/* The kernel counts a frame that found no chunk in rx_dropped, too. */
	return s.rx_dropped + s.rx_ring_full;
}

uint64_t jt_xsk_missed(const struct jt_xsk *x)
{
	uint64_t missed = 0;
	unsigned int i;

	for (i = 0; i < x->count; i++)
		missed += queue_missed(x, i);
	return missed;
}

bool jt_xsk_readable(const struct jt_xsk *x)
{
	unsigned int i;

	for (i = 0; i < x->count; i++)
		if (__atomic_load_n(x->queues[i].rx.producer, __ATOMIC_ACQUIRE) !=
		    *x->queues[i].rx.consumer)
			return true;
	return false;
}

uint64_t jt_xsk_given(const struct jt_xsk *x)
{
	uint64_t given = x->before + x->counted;
	unsigned int i;

	for (i = 0; i < x->count; i++)
		given += x->queues[i].received;
	return given;
}

static bool queue_pending(const struct jt_xsk_queue *q)
{
	return __atomic_load_n(q->tx.consumer, __ATOMIC_ACQUIRE) != *q->tx.producer;
}

bool jt_xsk_pending(const struct jt_xsk *x)
{
	unsigned int i;

	for (i = 0; i < x->count; i++)
		if (queue_pending(&x->queues[i]))
			return true;
	return false;
}

static int queue_kick(struct jt_xsk_queue *q)
{
	if (!queue_pending(q) || !xsk_ring_prod__needs_wakeup(&q->tx))
		return 0;
	if (sendto(xsk_socket__fd(q->socket), NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0)
		return queue_pending(q) ? -EAGAIN : 0;
	return errno == ENOBUFS ? -EAGAIN : -errno;
}

/* Of several errors the worst: a queue that only needs another try is heard last. */
int jt_xsk_kick(struct jt_xsk *x)
{
	int result = 0, err;
	unsigned int i;

	for (i = 0; i < x->count; i++) {
		err = queue_kick(&x->queues[i]);
		if (err && (!result || result == -EAGAIN))
			result = err;
	}
	return result;
}

bool jt_xsk_completed(struct jt_xsk *x, const uint8_t **frame)
{
	struct xsk_ring_cons *ring;
	uint32_t index;
	unsigned int i;

	for (i = 0; i < x->count; i++) {
		ring = &x->queues[i].completion;
		if (!xsk_ring_cons__peek(ring, 1, &index))
			continue;
		*frame = x->memory + *xsk_ring_cons__comp_addr(ring, index);
		xsk_ring_cons__release(ring, 1);
		return true;
	}
	return false;
}

unsigned int jt_xsk_receive(struct jt_xsk *x, unsigned int queue, unsigned int max, uint32_t *first)
{
	struct jt_xsk_queue *q = queue_of(x, queue);
	unsigned int n = (unsigned int)xsk_ring_cons__peek(&q->rx, max, first);

	q->received += n;
	return n;
}

const uint8_t *jt_xsk_frame(struct jt_xsk *x, unsigned int queue, uint32_t index, uint32_t *length)
{
	const struct xdp_desc *desc = xsk_ring_cons__rx_desc(&queue_of(x, queue)->rx, index);

	*length = desc->len;
	return x->memory + desc->addr;
}

/* The chunks go back to be filled: as many as came from there fit there. */
void jt_xsk_release(struct jt_xsk *x, unsigned int queue, uint32_t first, unsigned int n)
{
	struct jt_xsk_queue *q = queue_of(x, queue);
	uint32_t to;
	unsigned int i;

	if (xsk_ring_prod__reserve(&q->fill, n, &to) == n) {
		for (i = 0; i < n; i++)
			*xsk_ring_prod__fill_addr(&q->fill, to + i) =
				xsk_ring_cons__rx_desc(&q->rx, first + i)->addr;
		xsk_ring_prod__submit(&q->fill, n);
	}
	xsk_ring_cons__release(&q->rx, n);
	if (xsk_ring_prod__needs_wakeup(&q->fill))
		recvfrom(xsk_socket__fd(q->socket), NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

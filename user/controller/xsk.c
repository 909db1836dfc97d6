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
#define QUEUE 0

static int open_failed(const char *interface, const char *what, int err)
{
	if (err == -EBUSY)
		jt_log("failed to open an AF_XDP socket on %s: another program has one on queue 0",
		       interface);
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

/* All chunks of the receive pool, and none of a domain's, wait to be filled. */
static int fill(struct jt_xsk *x, struct jt_datapath *d)
{
	const struct jt_geometry *g = &d->page.geometry;
	uint64_t at = (uint64_t)g->banks * jt_bank_stride(g);
	uint32_t n = (uint32_t)((d->page_bytes - at) / g->extent_size), first, i;

	if (n > FILL_SIZE)
		n = FILL_SIZE;
	if (xsk_ring_prod__reserve(&x->fill, n, &first) != n)
		return -ENOSPC;
	for (i = 0; i < n; i++)
		*xsk_ring_prod__fill_addr(&x->fill, first + i) = at + (uint64_t)i * g->extent_size;
	xsk_ring_prod__submit(&x->fill, n);
	return 0;
}

static void busy_poll(struct jt_xsk *x, unsigned int us)
{
	int on = 1, budget = 64, fd = xsk_socket__fd(x->socket), time = (int)us;

	if (setsockopt(fd, SOL_SOCKET, SO_PREFER_BUSY_POLL, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL, &time, sizeof(time)) ||
	    setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL_BUDGET, &budget, sizeof(budget)))
		jt_log("busy polling is off: %s", strerror(errno));
}

static void read_options(struct jt_xsk *x)
{
	struct xdp_options options = { 0 };
	socklen_t size = sizeof(options);

	if (!getsockopt(xsk_socket__fd(x->socket), SOL_XDP, XDP_OPTIONS, &options, &size))
		x->zerocopy = options.flags & XDP_OPTIONS_ZEROCOPY;
}

int jt_xsk_open(struct jt_xsk *x, struct jt_datapath *d, const char *interface,
		const struct jt_options *o)
{
	static const uint16_t bind_flags[] = { [JT_ZEROCOPY_AUTO] = XDP_USE_NEED_WAKEUP,
					       [JT_ZEROCOPY_ON] =
						       XDP_USE_NEED_WAKEUP | XDP_ZEROCOPY,
					       [JT_ZEROCOPY_OFF] = XDP_USE_NEED_WAKEUP | XDP_COPY };
	struct xsk_umem_config umem = { .fill_size = FILL_SIZE,
					.comp_size = COMPLETION_SIZE,
					.frame_size = d->page.geometry.extent_size };
	struct xsk_socket_config config = { .rx_size = RX_SIZE,
					    .tx_size = TX_SIZE,
					    .libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
					    .bind_flags = bind_flags[o->zerocopy] };
	uint32_t queue = QUEUE;
	int err, fd;

	memset(x, 0, sizeof(*x));
	x->memory = d->page.memory;
	err = xsk_umem__create(&x->umem, d->page.memory, d->umem_size, &x->fill, &x->completion,
			       &umem);
	if (err)
		return open_failed(interface, "register the page as UMEM", err);
	err = fill(x, d);
	if (!err)
		err = xsk_socket__create(&x->socket, interface, queue, x->umem, &x->rx, &x->tx,
					 &config);
	if (err) {
		jt_xsk_close(x);
		return open_failed(interface, "open an AF_XDP socket", err);
	}
	fd = xsk_socket__fd(x->socket);
	if (bpf_map_update_elem(d->maps[JT_MAP_xsks], &queue, &fd, BPF_ANY)) {
		err = -errno;
		jt_xsk_close(x);
		return open_failed(interface, "register the socket", err);
	}
	read_options(x);
	if (o->busy_poll_us)
		busy_poll(x, o->busy_poll_us);
	return 0;
}

void jt_xsk_close(struct jt_xsk *x)
{
	if (x->socket)
		xsk_socket__delete(x->socket);
	if (x->umem)
		xsk_umem__delete(x->umem);
	memset(x, 0, sizeof(*x));
}

int jt_xsk_fd(const struct jt_xsk *x)
{
	return x->socket ? xsk_socket__fd(x->socket) : -1;
}

bool jt_xsk_send(struct jt_xsk *x, const uint8_t *frame, uint32_t length)
{
	uint32_t index;

	if (xsk_ring_prod__reserve(&x->tx, 1, &index) != 1)
		return false;
	*xsk_ring_prod__tx_desc(&x->tx, index) =
		(struct xdp_desc){ .addr = (uint64_t)(frame - x->memory), .len = length };
	xsk_ring_prod__submit(&x->tx, 1);
	return true;
}

uint64_t jt_xsk_missed(const struct jt_xsk *x)
{
	struct xdp_statistics s = { 0 };
	socklen_t size = sizeof(s);

	if (!x->socket || getsockopt(jt_xsk_fd(x), SOL_XDP, XDP_STATISTICS, &s, &size))
		return 0;
	/* The kernel counts a frame that found no chunk in rx_dropped, too. */
	return s.rx_dropped + s.rx_ring_full;
}

bool jt_xsk_pending(const struct jt_xsk *x)
{
	return __atomic_load_n(x->tx.consumer, __ATOMIC_ACQUIRE) != *x->tx.producer;
}

int jt_xsk_kick(struct jt_xsk *x)
{
	if (!jt_xsk_pending(x) || !xsk_ring_prod__needs_wakeup(&x->tx))
		return 0;
	if (sendto(xsk_socket__fd(x->socket), NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0)
		return jt_xsk_pending(x) ? -EAGAIN : 0;
	return errno == ENOBUFS ? -EAGAIN : -errno;
}

bool jt_xsk_completed(struct jt_xsk *x, const uint8_t **frame)
{
	uint32_t index;

	if (!xsk_ring_cons__peek(&x->completion, 1, &index))
		return false;
	*frame = x->memory + *xsk_ring_cons__comp_addr(&x->completion, index);
	xsk_ring_cons__release(&x->completion, 1);
	return true;
}

unsigned int jt_xsk_receive(struct jt_xsk *x, unsigned int max, uint32_t *first)
{
	return (unsigned int)xsk_ring_cons__peek(&x->rx, max, first);
}

const uint8_t *jt_xsk_frame(struct jt_xsk *x, uint32_t index, uint32_t *length)
{
	const struct xdp_desc *desc = xsk_ring_cons__rx_desc(&x->rx, index);

	*length = desc->len;
	return x->memory + desc->addr;
}

/* The chunks go back to be filled: as many as came from there fit there. */
void jt_xsk_release(struct jt_xsk *x, uint32_t first, unsigned int n)
{
	uint32_t to;
	unsigned int i;

	if (xsk_ring_prod__reserve(&x->fill, n, &to) == n) {
		for (i = 0; i < n; i++)
			*xsk_ring_prod__fill_addr(&x->fill, to + i) =
				xsk_ring_cons__rx_desc(&x->rx, first + i)->addr;
		xsk_ring_prod__submit(&x->fill, n);
	}
	xsk_ring_cons__release(&x->rx, n);
	if (xsk_ring_prod__needs_wakeup(&x->fill))
		recvfrom(xsk_socket__fd(x->socket), NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

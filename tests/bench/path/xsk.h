/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Plain AF_XDP: an own UMEM, an own socket on the guest's interface, one frame for
 * each message. Headers are written once into each chunk.
 */
#ifndef BENCH_PATH_XSK_H
#define BENCH_PATH_XSK_H

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <xdp/xsk.h>

#include "frame.h"

#define XSK_CHUNKS 2048U
#define XSK_CHUNK 2048U

struct xsk {
	uint8_t *umem_at;
	struct xsk_umem *umem;
	struct xsk_socket *socket;
	struct xsk_ring_prod fill, tx;
	struct xsk_ring_cons completion;
	uint64_t free[XSK_CHUNKS];
	uint32_t free_count;
	struct frame frame;
};

static int xsk_open(struct xsk *x, const struct options *o, const struct sockaddr_in *to)
{
	struct xsk_umem_config umem = { .fill_size = XSK_CHUNKS,
					.comp_size = XSK_CHUNKS,
					.frame_size = XSK_CHUNK };
	struct xsk_socket_config config = { .tx_size = XSK_CHUNKS,
					    .libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
					    .bind_flags = XDP_USE_NEED_WAKEUP };
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	uint32_t i;
	int err;

	setrlimit(RLIMIT_MEMLOCK, &unlimited);
	if (frame_init(&x->frame, o, to))
		return complain("write headers", "is --mac an address?");
	x->umem_at = mmap(NULL, (size_t)XSK_CHUNKS * XSK_CHUNK, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (x->umem_at == MAP_FAILED)
		return complain("map memory", strerror(errno));
	err = xsk_umem__create(&x->umem, x->umem_at, (uint64_t)XSK_CHUNKS * XSK_CHUNK, &x->fill,
			       &x->completion, &umem);
	if (!err)
		err = xsk_socket__create(&x->socket, FRAME_INTERFACE, 0, x->umem, NULL, &x->tx,
					 &config);
	if (err)
		return complain("open an AF_XDP socket", strerror(-err));
	for (i = 0; i < XSK_CHUNKS; i++) {
		memcpy(x->umem_at + (size_t)i * XSK_CHUNK, x->frame.head, FRAME_HEAD);
		x->free[x->free_count++] = (uint64_t)i * XSK_CHUNK;
	}
	return 0;
}

static void xsk_reap(struct xsk *x)
{
	uint32_t at, i, n = xsk_ring_cons__peek(&x->completion, XSK_CHUNKS, &at);

	for (i = 0; i < n; i++)
		x->free[x->free_count++] = *xsk_ring_cons__comp_addr(&x->completion, at + i);
	xsk_ring_cons__release(&x->completion, n);
}

/* The kernel takes some at a time. */
static int xsk_kick(struct xsk *x)
{
	while (__atomic_load_n(x->tx.consumer, __ATOMIC_ACQUIRE) != *x->tx.producer) {
		if (sendto(xsk_socket__fd(x->socket), NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 &&
		    errno != EAGAIN && errno != EBUSY && errno != ENOBUFS)
			return -errno;
		xsk_reap(x);
	}
	return 0;
}

/* Return: how many were sent, or a negative errno. */
static int xsk_send(struct xsk *x, const struct iovec *messages, unsigned int count)
{
	uint32_t to;
	unsigned int i;
	int err;

	xsk_reap(x);
	if (count > x->free_count)
		count = x->free_count;
	if (xsk_ring_prod__reserve(&x->tx, count, &to) != count)
		return -EAGAIN;
	for (i = 0; i < count; i++) {
		struct xdp_desc *d = xsk_ring_prod__tx_desc(&x->tx, to + i);

		*d = (struct xdp_desc){ .addr = x->free[--x->free_count],
					.len = (uint32_t)(FRAME_HEAD + messages[i].iov_len) };
		frame_fill(&x->frame, x->umem_at + d->addr, &messages[i]);
	}
	xsk_ring_prod__submit(&x->tx, count);
	err = xsk_kick(x);
	return err ? err : (int)count;
}

#endif

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <linux/if_xdp.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "xsk.h"

static int ring_map(struct jt_ring *r, int fd, const struct xdp_ring_offset *o, uint64_t page,
		    size_t entry)
{
	uint8_t *at;

	r->size = o->desc + entry * JT_SOCKET_RING;
	at = mmap(NULL, r->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
		  (off_t)page);
	if (at == MAP_FAILED)
		return -errno;
	madvise(at, r->size, MADV_DONTFORK);
	r->memory = at;
	r->producer = (uint32_t *)(at + o->producer);
	r->consumer = (uint32_t *)(at + o->consumer);
	r->flags = (uint32_t *)(at + o->flags);
	r->entries = at + o->desc;
	r->mask = JT_SOCKET_RING - 1;
	return 0;
}

static int rings_map(struct jt_xsk *x)
{
	struct xdp_mmap_offsets o;
	socklen_t size = sizeof(o);
	int err;

	if (getsockopt(x->fd, SOL_XDP, XDP_MMAP_OFFSETS, &o, &size))
		return -errno;
	err = ring_map(&x->rx, x->fd, &o.rx, XDP_PGOFF_RX_RING, sizeof(struct xdp_desc));
	if (!err)
		err = ring_map(&x->tx, x->fd, &o.tx, XDP_PGOFF_TX_RING, sizeof(struct xdp_desc));
	if (!err)
		err = ring_map(&x->fill, x->fd, &o.fr, XDP_UMEM_PGOFF_FILL_RING, sizeof(uint64_t));
	if (!err)
		err = ring_map(&x->completion, x->fd, &o.cr, XDP_UMEM_PGOFF_COMPLETION_RING,
			       sizeof(uint64_t));
	return err;
}

static bool umem_sound(const struct jitney *j, const struct jt_xsk *x)
{
	const struct jt_slice *s = j->view.slice;
	uint64_t needs = (uint64_t)(x->send_chunks + x->receive_chunks) * x->chunk;

	return x->chunk >= JT_EXTENT_SIZE_MIN && s->umem_offset <= j->view.size &&
	       s->umem_size <= j->view.size - s->umem_offset && needs <= s->umem_size;
}

int jt_xsk_open(struct jitney *j, const struct jt_attach_hello *hello)
{
	struct jt_xsk *x = calloc(1, sizeof(*x));
	struct jt_attach_message m = { 0 };
	int err = -EPROTO;

	if (!x)
		return -ENOMEM;
	j->xsk = x;
	x->fd = j->fds[JT_FD_SOCKET];
	x->chunk = hello->geometry.extent_size;
	x->send_chunks = hello->call == JT_CALL_XDP ? JT_SOCKET_SEND_CHUNKS : 0;
	x->receive_chunks = hello->receive == JT_RECEIVE_XDP ? JT_SOCKET_RECEIVE_CHUNKS : 0;
	x->umem = (uint8_t *)j->view.slice + j->view.slice->umem_offset;
	if (x->fd >= 0 && umem_sound(j, x))
		err = rings_map(x);
	if (!err && hello->queue == JT_QUEUE_UNBOUND)
		err = jt_attach_ask(j, JT_ATTACH_BIND, &m);
	if (err)
		jt_xsk_close(j);
	return err;
}

static void ring_unmap(struct jt_ring *r)
{
	if (r->memory)
		munmap(r->memory, r->size);
}

void jt_xsk_close(struct jitney *j)
{
	if (!j->xsk)
		return;
	ring_unmap(&j->xsk->rx);
	ring_unmap(&j->xsk->tx);
	ring_unmap(&j->xsk->fill);
	ring_unmap(&j->xsk->completion);
	free(j->xsk);
	j->xsk = NULL;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The AF_XDP socket that the controller opened in this guest, its rings mapped.
 * Its UMEM lies in the slice; see JT_FD_SOCKET in <jitney/attach.h>.
 */
#ifndef JITNEY_GUEST_XSK_H
#define JITNEY_GUEST_XSK_H

#include "guest.h"

struct jt_ring {
	void *memory;
	size_t size;
	uint32_t *producer, *consumer, *flags;
	void *entries; /* struct xdp_desc (rx, tx) or uint64_t (fill, completion) */
	uint32_t mask;
};

struct jt_xsk {
	int fd; /* Borrowed from the handle */
	uint8_t *umem;
	uint32_t chunk;		 /* bytes of one */
	uint32_t send_chunks;	 /* from 0 on */
	uint32_t receive_chunks; /* behind them */
	struct jt_ring rx, tx, fill, completion;
};

/* Return: 0 or negative errno: -EPROTO: what the controller gave makes no sense. */
int jt_xsk_open(struct jitney *j, const struct jt_attach_hello *hello);
/* Idempotent. */
void jt_xsk_close(struct jitney *j);

#endif

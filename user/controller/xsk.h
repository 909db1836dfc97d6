/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The uplink's AF_XDP sockets, one on each of its first queues. They share a UMEM:
 * the sharing page, the receive pool and the trust domains' memory, one after the
 * other. A queue sends from all of it and receives into chunks of the pool that stay
 * its own. Used by the controller's one thread only.
 *
 * @queue is any number: it is taken modulo the number of queues.
 */
#ifndef JITNEY_XSK_H
#define JITNEY_XSK_H

#include <xdp/xsk.h>
#include "controller/datapath.h"

struct jt_xsk_queue {
	struct xsk_socket *socket;
	struct xsk_ring_prod fill, tx;
	struct xsk_ring_cons completion, rx;
	uint64_t sent, received; /* frames */
};

struct jt_xsk {
	struct xsk_umem *umem;
	struct jt_xsk_queue queues[JT_QUEUES_MAX];
	unsigned int count;    /* of them that are open; 0: the uplink is not there */
	const uint8_t *memory; /* the UMEM. Borrowed from the datapath */
	bool zerocopy;
	uint64_t before;  /* frames given to sockets that did not come out of these */
	uint64_t missing, missing_ns; /* given, but not seen yet, and since when so many */
	uint64_t counted; /* of those missed, under their reason */
};

/* Return: 0 or negative errno, after a message. */
int jt_xsk_open(struct jt_xsk *x, struct jt_datapath *d, const char *interface,
		const struct jt_options *o);
void jt_xsk_close(struct jt_xsk *x);
int jt_xsk_fd(const struct jt_xsk *x, unsigned int queue);

/* Queue a frame inside the UMEM. Return: false if the ring is full. */
bool jt_xsk_send(struct jt_xsk *x, unsigned int queue, const uint8_t *frame, uint32_t length);

/*
 * Have the kernel take what is queued.
 * Return: 0; -EAGAIN: it has not taken all yet; -EBUSY: it lost one frame;
 * or another negative errno: the device does not work.
 */
int jt_xsk_kick(struct jt_xsk *x);

/* Frames that the sockets had no room for since they were opened. */
uint64_t jt_xsk_missed(const struct jt_xsk *x);

/* True while frames wait to be received. */
bool jt_xsk_readable(const struct jt_xsk *x);

/* Frames that were given to these sockets, and before, whose fate is known. */
uint64_t jt_xsk_given(const struct jt_xsk *x);

/* True while frames wait to be taken by the kernel. */
bool jt_xsk_pending(const struct jt_xsk *x);

/* Next frame that was sent. Return: false if there is none, else its place. */
bool jt_xsk_completed(struct jt_xsk *x, const uint8_t **frame);

/* A batch received: peek, look at each, then release all at once. */
unsigned int jt_xsk_receive(struct jt_xsk *x, unsigned int queue, unsigned int max,
			    uint32_t *first);
const uint8_t *jt_xsk_frame(struct jt_xsk *x, unsigned int queue, uint32_t index, uint32_t *length);
void jt_xsk_release(struct jt_xsk *x, unsigned int queue, uint32_t first, unsigned int n);

#endif

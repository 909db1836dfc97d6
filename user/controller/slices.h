/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The controller's side of slices: what helpers have written is organized into
 * the page, what arrives for them is put into their rings. See <jitney/slice.h>.
 */
#ifndef JITNEY_SLICES_H
#define JITNEY_SLICES_H

#include <jitney/run.h>
#include <jitney/slice.h>
#include <jitney/walk.h>
#include "controller/admit.h"

struct jt_controller;
struct jt_helper;

/* A template as the helper gave it, copied; and what was found out about it. */
struct jt_slice_template {
	struct jt_parsed parsed;
	struct jt_flow flow;
	uint32_t peer;
	uint32_t generation; /* when that was found out */
	int reason;	     /* why it leads nowhere, or JT_ABOARD */
	bool given, known;
};

struct jt_slice_state;

/* Rings in memory that others can't map, and that is copied from and to. */
struct jt_slice_copy {
	/* What lies in `send' between the tail and @head. Return: 0 or negative errno. */
	int (*pull)(struct jt_slice_state *s, uint64_t head);
	/* What was put into `receive' since the last time. */
	int (*push)(struct jt_slice_state *s);
};

/* Everything of a slice that a helper can't write to. */
struct jt_slice_state {
	int fd; /* memfd, or -1 */
	size_t size;
	uint8_t *memory;
	struct jt_slice *header;
	uint8_t *send, *receive; /* the rings: shared, or what was copied */
	const struct jt_slice_copy *copy; /* NULL: they are shared */
	uint32_t send_size, receive_size;
	uint64_t send_tail, receive_head;
	uint64_t receive_told; /* the head as the helper knows it */
	uint64_t given_back;   /* its tail, as a call said */
	uint64_t sent, refused, received, lost;
	uint64_t writes, writes_ns;	     /* as last read */
	uint64_t mapped, mapped_bytes;	     /* the same */
	struct jt_allowance allowed;	     /* what may be taken of it now */
	bool held;			     /* its messages wait until somebody pays for them */
	struct jt_slice_template *templates; /* JT_SLICE_TEMPLATES */
};

/* A slice in a memfd: backend/netns.c. Sizes must be sound. Return: 0 or negative errno. */
int jt_slice_open(struct jt_slice_state *s, uint32_t send_size, uint32_t receive_size,
		  uint64_t umem_size);
void jt_slice_close(struct jt_slice_state *s);

/* For any memory: sizes, before there is any; a header into it; and all but the memory given back. */
int jt_slice_size(struct jt_slice_state *s, uint32_t send_size, uint32_t receive_size,
		  uint64_t umem_size);
void jt_slice_begin(struct jt_slice_state *s, uint64_t umem_size);
void jt_slice_forget(struct jt_slice_state *s);

/* A template as the helper gave it. Return: false if it can't be one. */
bool jt_slice_template(struct jt_helper *h, uint64_t number, const struct jt_template *header);

/*
 * jt_slices_collect() - Take aboard what helpers have written
 *
 * What finds no blank bank stays, and its writers wait. What there is no time for
 * comes with the loop's next turn: c->helpers.more.
 */
void jt_slices_collect(struct jt_controller *c);
/* The same of one helper, up to some thousand records. Return: true if nothing is left. */
bool jt_slice_collect(struct jt_controller *c, struct jt_helper *h);
/* True if a helper has written what was not taken. */
bool jt_slices_pending(struct jt_controller *c);
/* Messages that were published and not taken, as far as the ring makes sense. */
uint64_t jt_slice_left(struct jt_slice_state *s);
/* Wake writers that wait for room or for the next cycle. */
void jt_slices_wake(struct jt_controller *c);
/* Does something of a guest's helpers wait until somebody pays for it? */
bool jt_slices_held(const struct jt_controller *c, uint32_t guest);

/*
 * jt_slice_arrival() - The record of a template's messages, but for their length
 * @bytes, @size:	the template as it stood in the frame, sound
 */
struct jt_slice_arrival jt_slice_arrival(const uint8_t *bytes, uint32_t size);
/* Put a message into a helper's ring; jt_slices_flush() then says so to it. */
void jt_slice_put(struct jt_controller *c, struct jt_helper *h, const struct jt_slice_arrival *like,
		  const uint8_t *payload, uint32_t length);
void jt_slices_flush(struct jt_controller *c);
/* It has to be told of more, with the next of those. */
void jt_slice_dirty(struct jt_controller *c, struct jt_helper *h);

#endif

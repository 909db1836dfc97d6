/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A slice as the helper has mapped it: slice.c. */
#ifndef JITNEY_GUEST_VIEW_H
#define JITNEY_GUEST_VIEW_H

#include <jitney/jitney.h>
#include <jitney/slice.h>

struct jt_view {
	struct jt_slice *slice; /* NULL: none */
	size_t size;
	uint8_t *send;
	uint8_t *receive;
	uint32_t send_size; /* checked, and then never read from the slice again */
	uint32_t receive_size;
	uint64_t taken; /* position in `receive' up to which messages were handed out */
};

int jt_view_map(struct jt_view *s, int fd, uint64_t offset, uint64_t size);
void jt_view_unmap(struct jt_view *s);
void *jt_map(int fd, uint64_t offset, size_t size, int protection);
unsigned int jt_view_receive(struct jitney *j, struct jt_view *s, uint64_t head,
			     struct jitney_message *out, unsigned int max);
void jt_view_release(struct jt_view *s);

#endif

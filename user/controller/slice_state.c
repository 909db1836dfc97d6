// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the controller keeps of a slice, whatever memory it lies in. */
#include <errno.h>
#include <stdlib.h>

#include <jitney/env_user.h>
#include "controller/slices.h"

int jt_slice_size(struct jt_slice_state *s, uint32_t send_size, uint32_t receive_size,
		  uint64_t umem_size)
{
	*s = (struct jt_slice_state){ .fd = -1,
				      .size = jt_slice_rings_end(send_size, receive_size) +
					      umem_size,
				      .send_size = send_size,
				      .receive_size = receive_size };
	s->templates = calloc(JT_SLICE_TEMPLATES, sizeof(*s->templates));
	return s->templates ? 0 : -ENOMEM;
}

void jt_slice_begin(struct jt_slice_state *s, uint64_t umem_size)
{
	s->header = (struct jt_slice *)s->memory;
	*s->header = (struct jt_slice){ .magic = JT_SLICE_MAGIC,
					.version = JT_SLICE_VERSION,
					.send_size = s->send_size,
					.receive_size = s->receive_size,
					.umem_offset = s->size - umem_size,
					.umem_size = umem_size };
}

void jt_slice_forget(struct jt_slice_state *s)
{
	free(s->templates);
	*s = (struct jt_slice_state){ .fd = -1 };
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A slice's memory: made, sealed, and given back. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "controller/helpers.h"
#include "controller/slices.h"

static int slice_map(struct jt_slice_state *s)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	void *at;
	int err;

	s->fd = memfd_create("jitney-slice", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (s->fd < 0)
		return -errno;
	/* All of it now: later, memory that lacks would be a signal and no error. */
	err = -posix_fallocate(s->fd, 0, (off_t)s->size);
	if (!err && fcntl(s->fd, F_ADD_SEALS, seals))
		err = -errno;
	if (err)
		return err;
	at = mmap(NULL, s->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, s->fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	s->memory = at;
	return 0;
}

int jt_slice_open(struct jt_slice_state *s, uint32_t send_size, uint32_t receive_size,
		  uint64_t umem_size)
{
	uint64_t rings_end = jt_slice_rings_end(send_size, receive_size);
	int err;

	*s = (struct jt_slice_state){ .fd = -1,
				      .size = rings_end + umem_size,
				      .send_size = send_size,
				      .receive_size = receive_size };
	s->templates = calloc(JT_SLICE_TEMPLATES, sizeof(*s->templates));
	err = s->templates ? slice_map(s) : -ENOMEM;
	if (err) {
		jt_slice_close(s);
		return err;
	}
	s->header = (struct jt_slice *)s->memory;
	*s->header = (struct jt_slice){ .magic = JT_SLICE_MAGIC,
					.version = JT_SLICE_VERSION,
					.send_size = send_size,
					.receive_size = receive_size,
					.umem_offset = rings_end,
					.umem_size = umem_size };
	return 0;
}

void jt_slice_close(struct jt_slice_state *s)
{
	if (s->memory)
		munmap(s->memory, s->size);
	if (s->fd >= 0)
		close(s->fd);
	free(s->templates);
	*s = (struct jt_slice_state){ .fd = -1 };
}

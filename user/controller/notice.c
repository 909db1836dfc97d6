// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "controller/notice.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

int jt_notice_open(struct jt_notice_board *b)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;
	void *at = MAP_FAILED;
	int err;

	b->fd = memfd_create("jitney-notice", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (b->fd >= 0 && !posix_fallocate(b->fd, 0, (off_t)JT_NOTICE_SIZE))
		at = mmap(NULL, JT_NOTICE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, b->fd, 0);
	/* Our mapping stays writable; there will be no other such. */
	if (at != MAP_FAILED && !fcntl(b->fd, F_ADD_SEALS, seals)) {
		b->notice = at;
		b->notice->version = JT_SLICE_VERSION;
		return 0;
	}
	err = errno ? -errno : -ENOMEM;
	if (at != MAP_FAILED)
		munmap(at, JT_NOTICE_SIZE);
	jt_notice_close(b);
	return err;
}

void jt_notice_times(struct jt_notice_board *b, struct jt_notice_copy *copy)
{
	const struct jt_notice *from = b->notice;
	struct jt_notice *to = copy->notice;
	uint32_t i;

	JT_WRITE(to->cycle_start_ns, jt_notice_time(from->cycle_start_ns, copy->ahead_ns));
	JT_WRITE(to->alive_until_ns, jt_notice_time(from->alive_until_ns, copy->ahead_ns));
	for (i = 0; i < JT_PEERS_MAX; i++) {
		JT_WRITE(to->peer_alive_until_ns[i],
			 jt_notice_time(from->peer_alive_until_ns[i], copy->ahead_ns));
		JT_WRITE(to->peer_settled_ns[i],
			 jt_notice_time(from->peer_settled_ns[i], copy->ahead_ns));
	}
}

void jt_notice_copy(struct jt_notice_board *b, struct jt_notice_copy *copy)
{
	memcpy(copy->notice, b->notice, sizeof(*copy->notice));
	jt_notice_times(b, copy);
	copy->next = b->copies;
	b->copies = copy;
}

void jt_notice_copy_end(struct jt_notice_board *b, struct jt_notice_copy *copy)
{
	struct jt_notice_copy **at = &b->copies;

	while (*at && *at != copy)
		at = &(*at)->next;
	if (*at)
		*at = copy->next;
}

void jt_notice_close(struct jt_notice_board *b)
{
	if (b->notice)
		munmap(b->notice, JT_NOTICE_SIZE);
	if (b->fd >= 0)
		close(b->fd);
	*b = (struct jt_notice_board){ .fd = -1 };
}

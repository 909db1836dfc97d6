// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/parcel.h"

void jt_parcel_add(struct jt_parcel *p, enum jt_attach_fd which, int fd)
{
	if (fd < 0)
		return;
	p->fds |= 1U << which;
	p->list[p->count++] = fd;
}

void jt_refusal(struct jt_attach_message *m, int err, const char *format, va_list args)
{
	m->error = err;
	memset(&m->u, 0, sizeof(m->u));
	vsnprintf(m->u.text, sizeof(m->u.text), format, args);
}

void jt_parcel_send(int connection, const struct jt_attach_message *m,
		    const struct jt_parcel *parcel)
{
	union {
		char bytes[CMSG_SPACE(sizeof(parcel->list))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec part = { (void *)m, sizeof(*m) };
	struct msghdr out = { .msg_iov = &part, .msg_iovlen = 1 };
	size_t size = parcel ? sizeof(int) * (size_t)parcel->count : 0;

	if (size) {
		out.msg_control = &control;
		out.msg_controllen = CMSG_SPACE(size);
		control.align = (struct cmsghdr){ .cmsg_len = CMSG_LEN(size),
						  .cmsg_level = SOL_SOCKET,
						  .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.align), parcel->list, size);
	}
	/* Who asks and does not read is not waited for. */
	if (sendmsg(connection, &out, MSG_DONTWAIT | MSG_NOSIGNAL) != sizeof(*m))
		shutdown(connection, SHUT_RDWR);
}

/*
 * Two ends, each with flags of its own: a helper could have one eventfd block, fill
 * it, and we would wait for it to be read. It can't send us anything through this.
 */
int jt_ringer_open(int *ours, int *theirs)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends))
		return -errno;
	*ours = ends[0];
	*theirs = ends[1];
	return shutdown(*ours, SHUT_RD) ? -errno : 0;
}

void jt_ringer_ring(int ours)
{
	uint64_t one = 1;

	/* Who has more of them than there is room for has not looked at any. */
	send(ours, &one, sizeof(one), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void jt_shut(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Attaching without libjitney, for who means harm: a slice, both rings of one size. */
#ifndef TEST_ATTACH_H
#define TEST_ATTACH_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <jitney/attach.h>
#include <jitney/env_user.h>
#include <jitney/slice.h>

struct attached {
	int connection, fds[JT_FD_COUNT];
	struct jt_slice *slice;
	size_t size;
	uint8_t mac[6];
};

static inline void failed(const char *what)
{
	fprintf(stderr, "%s: failed to %s: %s\n", program_invocation_short_name, what,
		strerror(errno));
	exit(1);
}

static inline int connection_open(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)))
		failed("connect");
	return fd;
}

static inline void send_beside(int fd, const void *data, size_t size, int beside)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { .align = { .cmsg_len = CMSG_LEN(sizeof(int)),
				 .cmsg_level = SOL_SOCKET,
				 .cmsg_type = SCM_RIGHTS } };
	struct iovec part = { (void *)data, size };
	struct msghdr out = { .msg_iov = &part,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };

	memcpy(CMSG_DATA(&control.align), &beside, sizeof(beside));
	if (sendmsg(fd, &out, MSG_NOSIGNAL) != (ssize_t)size)
		failed("ask");
}

static inline int attach_answer(struct attached *at, struct jt_attach_message *m)
{
	union {
		char bytes[CMSG_SPACE(JT_FD_COUNT * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec part = { m, sizeof(*m) };
	struct msghdr in = { .msg_iov = &part,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control) };

	if (recvmsg(at->connection, &in, MSG_WAITALL) != sizeof(*m))
		failed("attach");
	if (m->error)
		return m->error;
	if (!CMSG_FIRSTHDR(&in))
		failed("get memory");
	memcpy(at->fds, CMSG_DATA(CMSG_FIRSTHDR(&in)), CMSG_FIRSTHDR(&in)->cmsg_len - CMSG_LEN(0));
	return 0;
}

/*
 * attach() - Ask for a slice, and map it
 * @space:	path of the guest's network namespace
 * @ring:	bytes of each ring
 *
 * What else goes wrong ends the program.
 *
 * Return: 0; -EAGAIN: not now.
 */
static inline int attach(struct attached *at, const char *path, const char *space, uint32_t ring)
{
	struct jt_attach_message m = { .magic = JT_ATTACH_MAGIC,
				       .version = JT_ATTACH_VERSION,
				       .size = sizeof(m),
				       .op = JT_ATTACH_HELLO };
	int fd = open(space, O_RDONLY), err;

	m.u.hello.call = JT_CALL_SLICE;
	m.u.hello.receive = JT_RECEIVE_SLICE;
	m.u.hello.send_size = m.u.hello.receive_size = ring;
	at->connection = connection_open(path);
	send_beside(at->connection, &m, sizeof(m), fd);
	close(fd);
	err = attach_answer(at, &m);
	if (err == -EAGAIN) {
		close(at->connection);
		return err;
	}
	errno = -err;
	if (err)
		failed("attach");
	at->size = m.u.hello.slice_size;
	memcpy(at->mac, m.u.hello.mac, 6);
	at->slice =
		mmap(NULL, at->size, PROT_READ | PROT_WRITE, MAP_SHARED, at->fds[JT_FD_SLICE], 0);
	if (at->slice == MAP_FAILED)
		failed("map the slice");
	return 0;
}

#endif

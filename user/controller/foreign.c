// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <jitney/env_user.h>
#include "controller/foreign.h"

#define FDS_MAX \
	253 /* the kernel's SCM_MAX_FD: with room for fewer it closes the rest itself, here */
#define CLOSERS_MAX 256
#define NSFS_MAGIC 0x6e736673

static int closers;

static void *close_it(void *fd)
{
	close((int)(intptr_t)fd);
	__atomic_sub_fetch(&closers, 1, __ATOMIC_RELAXED);
	return NULL;
}

/* That of a namespace waits for nobody. */
static bool is_namespace(int fd)
{
	struct statfs s;

	return !fstatfs(fd, &s) && s.f_type == NSFS_MAGIC;
}

/* What no thread can be had for stays open: better than to wait for its sender. */
static void close_elsewhere(int fd)
{
	pthread_attr_t attr;
	pthread_t thread;

	if (__atomic_load_n(&closers, __ATOMIC_RELAXED) >= CLOSERS_MAX || pthread_attr_init(&attr))
		return;
	__atomic_add_fetch(&closers, 1, __ATOMIC_RELAXED);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 65536);
	if (pthread_create(&thread, &attr, close_it, (void *)(intptr_t)fd))
		__atomic_sub_fetch(&closers, 1, __ATOMIC_RELAXED);
	pthread_attr_destroy(&attr);
}

static void take(const struct cmsghdr *m, int *wanted)
{
	size_t i, n = (m->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	int fd;

	for (i = 0; i < n; i++) {
		memcpy(&fd, CMSG_DATA(m) + i * sizeof(fd), sizeof(fd));
		if (!is_namespace(fd))
			close_elsewhere(fd);
		else if (wanted && *wanted < 0)
			*wanted = fd;
		else
			close(fd);
	}
}

ssize_t jt_foreign_receive(int connection, void *data, size_t size, int *fd)
{
	union {
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec part = { data, size };
	struct msghdr in = { .msg_iov = &part,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(connection, &in, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *m;

	for (m = n < 0 ? NULL : CMSG_FIRSTHDR(&in); m; m = CMSG_NXTHDR(&in, m))
		if (m->cmsg_level == SOL_SOCKET && m->cmsg_type == SCM_RIGHTS)
			take(m, fd);
	return n;
}

/* Nothing comes any more after the shutdown; so nothing is left for close() to close. */
void jt_foreign_close(int connection)
{
	char bytes[4096];

	shutdown(connection, SHUT_RDWR);
	while (jt_foreign_receive(connection, bytes, sizeof(bytes), NULL) > 0)
		;
	close(connection);
}

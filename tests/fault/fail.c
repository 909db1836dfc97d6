// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Make the Nth of some calls fail, once: preload this into a program.
 *
 *   JT_FAIL_CALLS  names of the calls that count, with commas between
 *   JT_FAIL_FILE   a file of at least 64 bytes, mapped and shared with the test.
 *                  It begins with the number of calls until the one to fail, as
 *                  eight digits; 0: none fails. It is counted down as calls are
 *                  made. At byte 16 the name of the call that was failed is left.
 *
 * So the test says at any moment that a call shall fail, and can see whether one did.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define DIGITS 8
#define NAME_AT 16
#define FILE_SIZE 64

/* Of fortified programs, and not in every header. */
void *reallocarray(void *p, size_t n, size_t size);

static char *state;	    /* the file; NULL: nothing fails */
static const char *counted; /* ",malloc,bpf," */

static bool counts(const char *name)
{
	size_t n = strlen(name);
	const char *at = counted;

	while ((at = strstr(at, name)))
		if ((at == counted || at[-1] == ',') && (at[n] == ',' || !at[n]))
			return true;
		else
			at += n;
	return false;
}

/* Nothing here may allocate: malloc itself is among the calls. */
static long countdown(void)
{
	long left = 0;
	int i;

	for (i = 0; i < DIGITS; i++)
		left = 10 * left + (state[i] - '0');
	return left;
}

static void count_set(long left)
{
	int i;

	for (i = DIGITS - 1; i >= 0; i--, left /= 10)
		state[i] = (char)('0' + left % 10);
}

/* Return: whether this call is the one; errno says why then. */
static bool fails(const char *name, int why)
{
	long left;

	if (!state || !counts(name))
		return false;
	left = countdown();
	if (left <= 0)
		return false;
	count_set(left - 1);
	if (left > 1)
		return false;
	memset(state + NAME_AT, 0, FILE_SIZE - NAME_AT);
	memcpy(state + NAME_AT, name, strlen(name));
	errno = why;
	return true;
}

static void *next(void **real, const char *name)
{
	return *real ? *real : (*real = dlsym(RTLD_NEXT, name));
}

#define REAL(name)                \
	static void *real_##name; \
	__typeof__(&name) call = (__typeof__(&name))next(&real_##name, #name)

/* A call of the C library that fails with -1. */
#define CALL(type, name, why, parameters, ...) \
	type name parameters                   \
	{                                      \
		REAL(name);                    \
		if (fails(#name, why))         \
			return (type)-1;       \
		return call(__VA_ARGS__);      \
	}

CALL(int, socket, EMFILE, (int domain, int type, int protocol), domain, type, protocol)
CALL(int, setsockopt, ENOBUFS, (int fd, int level, int name, const void *value, socklen_t size), fd,
     level, name, value, size)
CALL(int, getsockopt, ENOBUFS, (int fd, int level, int name, void *value, socklen_t *size), fd,
     level, name, value, size)
CALL(int, bind, EADDRINUSE, (int fd, const struct sockaddr *a, socklen_t size), fd, a, size)
CALL(int, listen, EADDRINUSE, (int fd, int n), fd, n)
CALL(int, accept4, EMFILE, (int fd, struct sockaddr *a, socklen_t *size, int flags), fd, a, size,
     flags)
CALL(int, epoll_create1, EMFILE, (int flags), flags)
CALL(int, epoll_ctl, ENOMEM, (int epoll, int op, int fd, struct epoll_event *e), epoll, op, fd, e)
CALL(int, timerfd_create, EMFILE, (int clock, int flags), clock, flags)
CALL(int, signalfd, EMFILE, (int fd, const sigset_t *set, int flags), fd, set, flags)
CALL(int, dup, EMFILE, (int fd), fd)
CALL(int, mkdir, ENOSPC, (const char *path, mode_t mode), path, mode)
CALL(int, statfs, EIO, (const char *path, struct statfs *out), path, out)
CALL(int, sendmmsg, ENOBUFS, (int fd, struct mmsghdr *m, unsigned int n, int flags), fd, m, n,
     flags)
CALL(ssize_t, sendmsg, ENOBUFS, (int fd, const struct msghdr *m, int flags), fd, m, flags)
CALL(ssize_t, send, ENOBUFS, (int fd, const void *b, size_t n, int flags), fd, b, n, flags)
CALL(ssize_t, sendto, ENOBUFS,
     (int fd, const void *b, size_t n, int flags, const struct sockaddr *a, socklen_t size), fd, b,
     n, flags, a, size)
CALL(ssize_t, recv, ENOMEM, (int fd, void *b, size_t n, int flags), fd, b, n, flags)
CALL(ssize_t, recvmsg, ENOBUFS, (int fd, struct msghdr *m, int flags), fd, m, flags)

/* libbpf's way into the kernel. Kernels with too little memory say so at any command. */
long syscall(long number, ...)
{
	REAL(syscall);
	long a[6];
	va_list args;
	int i;

	va_start(args, number);
	for (i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (number == SYS_bpf && fails("bpf", ENOMEM))
		return -1;
	return call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	REAL(mmap);

	if (fails("mmap", ENOMEM))
		return MAP_FAILED;
	return call(at, size, protection, flags, fd, offset);
}

void *mmap64(void *at, size_t size, int protection, int flags, int fd, off64_t offset)
{
	return mmap(at, size, protection, flags, fd, offset);
}

/* dlsym() may allocate before it has found the allocator. */
static char early[8192];
static size_t early_used;

static bool is_early(const void *p)
{
	return (const char *)p >= early && (const char *)p < early + sizeof(early);
}

static void *early_take(size_t size)
{
	void *p = early + early_used;

	size = (size + 15) & ~(size_t)15;
	if (size > sizeof(early) - early_used)
		return NULL;
	early_used += size;
	return p;
}

/* For the allocator. The compiler thinks that dlsym() never comes back here. */
static volatile bool looking;

static void *allocator(void **real, const char *name)
{
	if (*real || looking)
		return *real;
	looking = true;
	next(real, name);
	looking = false;
	return *real;
}

#define ALLOCATOR(name)           \
	static void *real_##name; \
	__typeof__(&name) call = (__typeof__(&name))allocator(&real_##name, #name)

void *malloc(size_t size)
{
	ALLOCATOR(malloc);

	if (!call)
		return early_take(size);
	return fails("malloc", ENOMEM) ? NULL : call(size);
}

void *calloc(size_t n, size_t size)
{
	ALLOCATOR(calloc);

	if (!call)
		return early_take(n * size);
	return fails("calloc", ENOMEM) ? NULL : call(n, size);
}

void *realloc(void *p, size_t size)
{
	ALLOCATOR(realloc);

	if (!call || is_early(p))
		return NULL;
	return fails("realloc", ENOMEM) ? NULL : call(p, size);
}

void *reallocarray(void *p, size_t n, size_t size)
{
	ALLOCATOR(reallocarray);

	if (!call || is_early(p))
		return NULL;
	return fails("realloc", ENOMEM) ? NULL : call(p, n, size);
}

void free(void *p)
{
	ALLOCATOR(free);

	if (call && !is_early(p))
		call(p);
}

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("JT_FAIL_FILE");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *at;

	counted = getenv("JT_FAIL_CALLS");
	if (fd < 0 || !counted)
		return;
	at = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (at != MAP_FAILED)
		state = at;
}

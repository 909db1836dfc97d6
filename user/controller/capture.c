// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "controller/capture.h"

/* As docs/control-protocol.md tells it to clients; host order. */
struct record {
	uint64_t time_ns;
	uint32_t length;
	uint8_t direction;
	uint8_t zero[3];
	uint32_t missed;
	uint32_t zero2;
};
_Static_assert(sizeof(struct record) == 24, "protocol");

/* The client sends nothing more: this is its end. */
static void capture_ready(struct jt_controller *c, struct jt_watch *w, uint32_t events)
{
	char rest[64];

	if (events & (EPOLLHUP | EPOLLERR) || recv(w->fd, rest, sizeof(rest), MSG_DONTWAIT) <= 0)
		jt_capture_stop(c);
}

bool jt_capture_start(struct jt_controller *c, int fd)
{
	int buffer = 4 << 20;

	if (c->capture.watch.fd >= 0)
		return false;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer));
	c->capture = (struct jt_capture){ .watch = { .fd = fd, .ready = capture_ready } };
	if (!jt_watch_add(c, &c->capture.watch, EPOLLIN | EPOLLRDHUP))
		return true;
	c->capture.watch.fd = -1;
	return false;
}

void jt_capture_stop(struct jt_controller *c)
{
	if (c->capture.watch.fd >= 0)
		jt_watch_close(c, &c->capture.watch);
}

/* True if the socket surely has room, so that no record is cut in two. */
static bool has_room(int fd, size_t size)
{
	int buffer = 0, queued = 0;
	socklen_t length = sizeof(buffer);

	getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, &length);
	ioctl(fd, SIOCOUTQ, &queued);
	/* The kernel charges its own overhead: leave it half. */
	return (size_t)queued + size < (size_t)buffer / 2;
}

void jt_capture_frame(struct jt_controller *c, int direction, const uint8_t *frame, uint32_t length)
{
	struct record r = { .length = length,
			    .direction = (uint8_t)direction,
			    .missed = c->capture.missed };
	struct iovec parts[2] = { { &r, sizeof(r) }, { (void *)frame, length } };
	struct msghdr m = { .msg_iov = parts, .msg_iovlen = 2 };
	struct timespec now;
	ssize_t n = -1;

	clock_gettime(CLOCK_REALTIME, &now);
	r.time_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	if (has_room(c->capture.watch.fd, sizeof(r) + length))
		n = sendmsg(c->capture.watch.fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n == (ssize_t)(sizeof(r) + length))
		return;
	c->capture.missed++;
	if (n >= 0)
		jt_capture_stop(c); /* half a record: the stream is of no use any more */
}

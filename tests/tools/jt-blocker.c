// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Somebody who would like the controller to wait for him: its one thread serves
 * all guests. jt-blocker SOCKET HOW [NAMESPACE], in a guest:
 *
 *   events   a helper that makes what wakes it block, fills it up, and asks to be woken
 *   bell     the same with its doorbell: it takes the ring away before the controller does
 *   linger   hands over a connection that takes a minute to close
 *   leave    is gone before it has rung for what it wrote: a datagram with a forged source
 *   records  fills a ring of 16 MiB with the smallest records, again and again
 *
 * It says "ready" when the harm is done, and stays until it is killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jitney/attach.h>
#include <jitney/env_user.h>
#include <jitney/slice.h>

#define RING JT_SLICE_RING_MAX

static int fds[JT_FD_COUNT];
static struct jt_slice *slice;

static void failed(const char *what)
{
	fprintf(stderr, "jt-blocker: failed to %s: %s\n", what, strerror(errno));
	exit(1);
}

static int connection_open(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)))
		failed("connect");
	return fd;
}

static void send_beside(int fd, const void *data, size_t size, int beside)
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

static void attach(const char *path, const char *space)
{
	struct jt_attach_message m = { .magic = JT_ATTACH_MAGIC,
				       .version = JT_ATTACH_VERSION,
				       .size = sizeof(m),
				       .op = JT_ATTACH_HELLO };
	union {
		char bytes[CMSG_SPACE(JT_FD_COUNT * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec part = { &m, sizeof(m) };
	struct msghdr in = { .msg_iov = &part,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control) };
	int fd = connection_open(path);

	m.u.hello.call = JT_CALL_SLICE;
	m.u.hello.receive = JT_RECEIVE_SLICE;
	m.u.hello.send_size = m.u.hello.receive_size = RING;
	send_beside(fd, &m, sizeof(m), open(space, O_RDONLY));
	if (recvmsg(fd, &in, MSG_WAITALL) != sizeof(m) || m.error || !CMSG_FIRSTHDR(&in))
		failed("attach");
	memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&in)), CMSG_FIRSTHDR(&in)->cmsg_len - CMSG_LEN(0));
	slice = mmap(NULL, m.u.hello.slice_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		     fds[JT_FD_SLICE], 0);
	if (slice == MAP_FAILED)
		failed("map the slice");
}

static void events_fill(void)
{
	uint64_t most = UINT64_MAX - 1;
	int i;

	for (i = JT_FD_RECEIVE; i <= JT_FD_CYCLE; i++) {
		/* What can't be written to at all can't be made to block either. */
		if (write(fds[i], &most, sizeof(most)) < 0 && errno != EAGAIN && errno != EPIPE)
			failed("fill an event");
		fcntl(fds[i], F_SETFL, 0);
	}
	JT_WRITE(slice->receive_waiting, 1);
	JT_WRITE(slice->send_waiting, 1);
	eventfd_write(fds[JT_FD_DOORBELL], 1);
	usleep(100000);
	eventfd_write(fds[JT_FD_DOORBELL], 1);
}

static void bell_steal(void)
{
	eventfd_t rung;
	time_t end = time(NULL) + 2;

	while (time(NULL) < end) {
		fcntl(fds[JT_FD_DOORBELL], F_SETFL, O_NONBLOCK);
		eventfd_write(fds[JT_FD_DOORBELL], 1);
		eventfd_read(fds[JT_FD_DOORBELL], &rung);
		fcntl(fds[JT_FD_DOORBELL], F_SETFL, 0);
	}
}

/* Unsent bytes, SO_LINGER, and nobody at the other end who reads. */
static int connection_that_lingers(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct linger minute = { 1, 60 };
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t size = sizeof(a);
	static char bytes[65536];

	if (bind(listener, (struct sockaddr *)&a, size) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&a, &size) ||
	    connect(fd, (struct sockaddr *)&a, size) ||
	    setsockopt(fd, SOL_SOCKET, SO_LINGER, &minute, sizeof(minute)))
		failed("make a connection");
	while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	return fd;
}

/* Who exits does not linger: so the last one to close it is the controller. */
static void linger(const char *path)
{
	struct jt_attach_message m = { .magic = JT_ATTACH_MAGIC };
	int fd = connection_open(path), slow = connection_that_lingers();
	pid_t child = fork();

	if (!child) {
		usleep(100000);
		send_beside(fd, &m, 8, slow);
		_exit(0);
	}
	close(slow);
	waitpid(child, NULL, 0);
	if (send(fd, (char *)&m + 8, sizeof(m) - 8, MSG_NOSIGNAL) < 0)
		failed("ask");
	usleep(200000);
	close(fd);
}

static void leave(void)
{
	struct jt_template t = { .kind = JT_TEMPLATE_UDP4 };
	struct jt_slice_record give = { JT_SLICE_TEMPLATE, sizeof(t), 0, 0 };
	struct jt_slice_record r = { JT_SLICE_MESSAGE, 0, 0, 0 };
	uint8_t *ring = (uint8_t *)slice + jt_slice_send_offset();

	memcpy(ring, &give, sizeof(give));
	memcpy(ring + sizeof(give), &t, sizeof(t));
	memcpy(ring + jt_slice_span(sizeof(t)), &r, sizeof(r));
	JT_WRITE(slice->send_head, jt_slice_span(sizeof(t)) + sizeof(r));
	exit(0);
}

/* Messages of nothing to nowhere: eight bytes each. */
static void records_write(void)
{
	struct jt_template t = { .kind = JT_TEMPLATE_UDP4, .dest_mac = { 2 } };
	struct jt_slice_record give = { JT_SLICE_TEMPLATE, sizeof(t), 0, 0 };
	struct jt_slice_record r = { JT_SLICE_MESSAGE, 0, 0, 0 };
	uint8_t *ring = (uint8_t *)slice + jt_slice_send_offset();
	uint64_t i;

	memcpy(ring, &give, sizeof(give));
	memcpy(ring + sizeof(give), &t, sizeof(t));
	for (i = jt_slice_span(sizeof(t)); i < RING; i += sizeof(r))
		memcpy(ring + i, &r, sizeof(r));
	JT_WRITE(slice->send_head, RING);
	eventfd_write(fds[JT_FD_DOORBELL], 1);
	printf("ready\n");
	fflush(stdout);
	while (JT_READ(slice->send_tail) < RING)
		;
	memcpy(ring, &r, sizeof(r));
	for (i = 0; i < jt_slice_span(sizeof(t)); i += sizeof(r))
		memcpy(ring + i, &r, sizeof(r));
	for (;; usleep(100)) {
		JT_WRITE(slice->send_head, JT_READ(slice->send_tail) + RING);
		eventfd_write(fds[JT_FD_DOORBELL], 1);
	}
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	if (!strcmp(argv[2], "linger")) {
		linger(argv[1]);
	} else {
		attach(argv[1], argc > 3 ? argv[3] : "/proc/self/ns/net");
		if (!strcmp(argv[2], "leave"))
			leave();
		if (!strcmp(argv[2], "events"))
			events_fill();
		else if (!strcmp(argv[2], "bell"))
			bell_steal();
		else
			records_write();
	}
	printf("ready\n");
	fflush(stdout);
	for (;;)
		pause();
}

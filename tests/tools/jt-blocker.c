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
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include "common/attach.h"

#define RING JT_SLICE_RING_MAX

static struct attached at;

static void events_fill(void)
{
	uint64_t most = UINT64_MAX - 1;
	int i;

	for (i = JT_FD_RECEIVE; i <= JT_FD_CYCLE; i++) {
		/* What can't be written to at all can't be made to block either. */
		if (write(at.fds[i], &most, sizeof(most)) < 0 && errno != EAGAIN && errno != EPIPE)
			failed("fill an event");
		fcntl(at.fds[i], F_SETFL, 0);
	}
	JT_WRITE(at.slice->receive_waiting, 1);
	JT_WRITE(at.slice->send_waiting, 1);
	eventfd_write(at.fds[JT_FD_DOORBELL], 1);
	usleep(100000);
	eventfd_write(at.fds[JT_FD_DOORBELL], 1);
}

static void bell_steal(void)
{
	eventfd_t rung;
	time_t end = time(NULL) + 2;

	while (time(NULL) < end) {
		fcntl(at.fds[JT_FD_DOORBELL], F_SETFL, O_NONBLOCK);
		eventfd_write(at.fds[JT_FD_DOORBELL], 1);
		eventfd_read(at.fds[JT_FD_DOORBELL], &rung);
		fcntl(at.fds[JT_FD_DOORBELL], F_SETFL, 0);
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
	uint8_t *ring = (uint8_t *)at.slice + jt_slice_send_offset();

	memcpy(ring, &give, sizeof(give));
	memcpy(ring + sizeof(give), &t, sizeof(t));
	memcpy(ring + jt_slice_span(sizeof(t)), &r, sizeof(r));
	JT_WRITE(at.slice->send_head, jt_slice_span(sizeof(t)) + sizeof(r));
	exit(0);
}

/* Messages of nothing to nowhere: eight bytes each. */
static void records_write(void)
{
	struct jt_template t = { .kind = JT_TEMPLATE_UDP4, .dest_mac = { 2 } };
	struct jt_slice_record give = { JT_SLICE_TEMPLATE, sizeof(t), 0, 0 };
	struct jt_slice_record r = { JT_SLICE_MESSAGE, 0, 0, 0 };
	uint8_t *ring = (uint8_t *)at.slice + jt_slice_send_offset();
	uint64_t i;

	memcpy(ring, &give, sizeof(give));
	memcpy(ring + sizeof(give), &t, sizeof(t));
	for (i = jt_slice_span(sizeof(t)); i < RING; i += sizeof(r))
		memcpy(ring + i, &r, sizeof(r));
	JT_WRITE(at.slice->send_head, RING);
	eventfd_write(at.fds[JT_FD_DOORBELL], 1);
	printf("ready\n");
	fflush(stdout);
	while (JT_READ(at.slice->send_tail) < RING)
		;
	memcpy(ring, &r, sizeof(r));
	for (i = 0; i < jt_slice_span(sizeof(t)); i += sizeof(r))
		memcpy(ring + i, &r, sizeof(r));
	for (;; usleep(100)) {
		JT_WRITE(at.slice->send_head, JT_READ(at.slice->send_tail) + RING);
		eventfd_write(at.fds[JT_FD_DOORBELL], 1);
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
		if (attach(&at, argv[1], argc > 3 ? argv[3] : "/proc/self/ns/net", RING))
			failed("attach");
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

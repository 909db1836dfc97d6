/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The receiving side: an ordinary program with recvmmsg(), or a helper, whose slice
 * the controller fills or who takes whole frames from an AF_XDP socket. It ends behind SIGTERM, when nothing has come for a while.
 */
#ifndef BENCH_PATH_RECEIVE_H
#define BENCH_PATH_RECEIVE_H

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include <jitney/jitney.h>
#include "send.h"

#define RECEIVE_BATCH 64U
#define QUIET_MS 50

static volatile bool stopping;

static void on_signal(int number)
{
	stopping = true;
}

/* Behind each batch: go on? @n: messages in it, 0 after QUIET_MS. */
static bool goes_on(struct tally *t, int n)
{
	if (n > 0)
		tally_time(t);
	return n > 0 || !stopping;
}

static int plain_receive(const struct options *o, struct tally *t)
{
	static uint8_t bytes[RECEIVE_BATCH][2 * MESSAGE_MAX];
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(o->port) };
	struct mmsghdr headers[RECEIVE_BATCH] = { 0 };
	struct iovec data[RECEIVE_BATCH];
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), buffer = 8 << 20, n, i;
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)))
		return complain("claim the port", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
	for (i = 0; i < (int)RECEIVE_BATCH; i++) {
		data[i] = (struct iovec){ bytes[i], sizeof(bytes[i]) };
		headers[i].msg_hdr = (struct msghdr){ .msg_iov = &data[i], .msg_iovlen = 1 };
	}
	fputs("ready\n", stderr);
	do {
		n = recvmmsg(fd, headers, RECEIVE_BATCH, MSG_DONTWAIT, NULL);
		if (n < 0 && errno == EAGAIN && poll(&wait, 1, QUIET_MS) > 0) {
			n = recvmmsg(fd, headers, RECEIVE_BATCH, MSG_DONTWAIT, NULL);
			if (n < 0)
				n = 0;
		}
		for (i = 0; i < n; i++)
			message_check(t, o, bytes[i], headers[i].msg_len);
	} while (goes_on(t, n));
	return 0;
}

static int helper_receive(const struct options *o, struct tally *t)
{
	struct jitney_options options = { .size = sizeof(options),
					  .socket = o->socket,
					  .receive = JITNEY_RECEIVE_SLICE,
					  .receive_bytes = 8 << 20 };
	struct jitney_message m[RECEIVE_BATCH];
	struct jitney *j;
	int n, i, err;

	if (!strcmp(o->how, "helper-xdp"))
		options.receive = JITNEY_RECEIVE_XDP;
	err = jitney_open(&j, &options);
	if (!err)
		err = jitney_bind(j, o->port);
	if (err < 0)
		return complain("attach and claim the port", strerror(-err));
	fputs("ready\n", stderr);
	do {
		n = jitney_receive(j, m, RECEIVE_BATCH, QUIET_MS);
		for (i = 0; i < n; i++)
			message_check(t, o, m[i].data, m[i].length);
	} while (goes_on(t, n));
	jitney_close(j);
	return 0;
}

static int path_receive(const struct options *o)
{
	struct tally t = { 0 };
	int err;

	signal(SIGTERM, on_signal);
	if (!strcmp(o->how, "plain"))
		err = plain_receive(o, &t);
	else if (!strncmp(o->how, "helper", 6))
		err = helper_receive(o, &t);
	else
		err = complain("receive", "there is no such way");
	if (err)
		return err;
	printf("{\"received\":%llu,\"altered\":%llu,\"reordered\":%llu,\"seconds\":%.6f,"
	       "\"cpu_ns\":%llu}\n",
	       (unsigned long long)t.received, (unsigned long long)t.altered,
	       (unsigned long long)t.reordered, (double)(t.last_ns - t.first_ns) / 1e9,
	       (unsigned long long)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - t.first_cpu_ns));
	return 0;
}

#endif

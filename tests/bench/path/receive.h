/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The receiving side: an ordinary program with recvmmsg(), or a helper, whose slice
 * the controller fills or who takes whole frames from an AF_XDP socket; or what stands
 * for many peers (peers.h). It ends behind SIGTERM, when nothing has come for a while.
 */
#ifndef BENCH_PATH_RECEIVE_H
#define BENCH_PATH_RECEIVE_H

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include <jitney/jitney.h>
#include "loads.h"

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

struct batch {
	uint8_t bytes[RECEIVE_BATCH][4096];
	struct mmsghdr headers[RECEIVE_BATCH];
	struct iovec data[RECEIVE_BATCH];
	int fd;
};

static void batch_init(struct batch *b, int fd)
{
	int buffer = 8 << 20, i;

	b->fd = fd;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
	for (i = 0; i < (int)RECEIVE_BATCH; i++) {
		b->data[i] = (struct iovec){ b->bytes[i], sizeof(b->bytes[i]) };
		b->headers[i].msg_hdr = (struct msghdr){ .msg_iov = &b->data[i], .msg_iovlen = 1 };
	}
}

/* Return: how many came; 0 if none did within QUIET_MS. */
static int batch_receive(struct batch *b)
{
	struct pollfd wait = { .fd = b->fd, .events = POLLIN };
	int n = recvmmsg(b->fd, b->headers, RECEIVE_BATCH, MSG_DONTWAIT, NULL);

	if (n < 0 && errno == EAGAIN && poll(&wait, 1, QUIET_MS) > 0)
		n = recvmmsg(b->fd, b->headers, RECEIVE_BATCH, MSG_DONTWAIT, NULL);
	return n < 0 ? 0 : n;
}

static int plain_receive(const struct options *o, struct tally *t)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(o->port) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), n, i;
	static struct batch b;

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)))
		return complain("claim the port", strerror(errno));
	batch_init(&b, fd);
	fputs("ready\n", stderr);
	do {
		n = batch_receive(&b);
		t->now_ns = clock_ns(CLOCK_MONOTONIC);
		for (i = 0; i < n; i++)
			message_check(t, o, b.bytes[i], b.headers[i].msg_len);
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
		t->now_ns = clock_ns(CLOCK_MONOTONIC);
		for (i = 0; i < n; i++)
			message_check(t, o, m[i].data, m[i].length);
	} while (goes_on(t, n));
	jitney_close(j);
	return 0;
}

#include "peers.h"

static int by_time(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* What so large a share of messages took at most; only if there are enough to say. */
static void print_time(const char *name, double share)
{
	double beyond = (1 - share) * times.count;
	uint32_t at = (uint32_t)(share * times.count);

	if (!times.count || (beyond < 1 && share < 1))
		printf(",\"%s\":null", name);
	else
		printf(",\"%s\":%llu", name,
		       (unsigned long long)times.ns[at < times.count ? at : times.count - 1]);
}

/* Those of each guest. */
static void print_buckets(const struct tally *t, const struct options *o)
{
	uint32_t guest, i;

	printf(",\"begin_ns\":%llu,\"buckets\":[", (unsigned long long)t->buckets_ns);
	for (guest = 0; guest < o->guests; guest++)
		for (i = 0; i <= t->last_bucket; i++)
			printf("%s%u%s",
			       i     ? "," :
			       guest ? ",[" :
				       "[",
			       t->buckets[guest][i], i == t->last_bucket ? "]" : "");
	printf("]");
}

static void print_result(struct tally *t, const struct options *o, uint64_t cpu)
{
	qsort(times.ns, times.count, sizeof(*times.ns), by_time);
	printf("{\"received\":%llu,\"altered\":%llu,\"reordered\":%llu,\"seconds\":%.6f,"
	       "\"cpu_ns\":%llu",
	       (unsigned long long)t->received, (unsigned long long)t->altered,
	       (unsigned long long)t->reordered, (double)(t->last_ns - t->first_ns) / 1e9,
	       (unsigned long long)(cpu - t->first_cpu_ns));
	print_time("p50_ns", 0.5);
	print_time("p99_ns", 0.99);
	print_time("p999_ns", 0.999);
	print_time("max_ns", 1);
	if (o->bucket_ns)
		print_buckets(t, o);
	puts("}");
}

static const struct {
	const char *name;
	int (*receive)(const struct options *o, struct tally *t);
} receivers[] = {
	{ "plain", plain_receive },
	{ "helper", helper_receive },
	{ "helper-xdp", helper_receive },
	{ "peers", peers_receive },
};

static int path_receive(const struct options *o)
{
	static struct tally t;
	size_t i;
	int err;

	for (i = 0; i < JT_ARRAY_SIZE(receivers) && strcmp(receivers[i].name, o->how); i++)
		;
	if (i == JT_ARRAY_SIZE(receivers))
		return complain("receive", "there is no such way");
	signal(SIGTERM, on_signal);
	err = receivers[i].receive(o, &t);
	if (!err)
		print_result(&t, o, clock_ns(CLOCK_PROCESS_CPUTIME_ID));
	return err;
}

#endif

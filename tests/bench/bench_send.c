// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a message costs its sender: nanoseconds of jitney_send() and
 * jitney_send_many() into a slice that a thread empties, beside those of a UDP
 * socket. Medians of several rounds.
 */
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include "../common/handle.h"

#define ROUNDS 9
#define MESSAGES 200000U
#define MESSAGES_STACK 5000U
#define MANY 32U

static volatile bool stop;

static void *drain(void *arg)
{
	struct handle *h = arg;
	struct jt_slice_record r;
	const uint8_t *body;

	while (!stop) {
		while (ring_next(h, &r, &body) == 1)
			;
		ring_give_back(h);
		if (JT_READ(h->j->view.slice->send_waiting) &&
		    jt_cas(&h->j->view.slice->send_waiting, 1, 0) == 1)
			eventfd_write(h->j->fds[JT_FD_CYCLE], 1);
	}
	return NULL;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void send_some(struct handle *h, size_t size, unsigned int count, unsigned int many)
{
	static uint8_t payload[MANY][512];
	struct iovec messages[MANY];
	unsigned int i, n;

	for (i = 0; i < MANY; i++)
		messages[i] = (struct iovec){ payload[i], size };
	for (n = 0; n < count; n += many)
		if (many == 1)
			jitney_send(h->flow, payload[0], size, 0);
		else
			jitney_send_many(h->flow, messages, many, 0);
}

static double measure(struct handle *h, size_t size, unsigned int count, unsigned int many)
{
	double ns[ROUNDS];
	uint64_t start;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		start = jt_env_now();
		send_some(h, size, count, many);
		ns[i] = (double)(jt_env_now() - start) / count;
	}
	qsort(ns, ROUNDS, sizeof(*ns), compare);
	return ns[ROUNDS / 2];
}

static void bench(size_t size, bool json)
{
	double one, many, stack, stack_many;
	struct handle h;
	pthread_t thread;

	handle_open(&h, 4U << 20, 0);
	/* To itself: a port that nobody has would cost an ICMP message each. */
	jitney_disconnect(h.flow);
	h.flow = flow_give(&h, "127.0.0.1", (uint16_t)jitney_bind(h.j, 0));
	stop = false;
	if (pthread_create(&thread, NULL, drain, &h))
		abort();
	one = measure(&h, size, MESSAGES, 1);
	many = measure(&h, size, MESSAGES, MANY);
	stop = true;
	pthread_join(thread, NULL);
	h.notice->magic = 0;
	stack = measure(&h, size, MESSAGES_STACK, 1);
	stack_many = measure(&h, size, MESSAGES_STACK, MANY);
	handle_close(&h);
	printf(json ? "{\"size\":%zu,\"send_ns\":%.1f,\"send_many_ns\":%.1f,\"stack_send_ns\":%.1f,"
		      "\"stack_send_many_ns\":%.1f}\n" :
		      "%4zu bytes  slice: %6.1f ns, %6.1f ns of 32 at a time;  stack: %7.1f ns, "
		      "%7.1f ns\n",
	       size, one, many, stack, stack_many);
}

int main(int argc, char **argv)
{
	static const size_t sizes[] = { 16, 64, 256, 512 };
	bool json = getopt(argc, argv, "j") == 'j';
	size_t i;

	for (i = 0; i < JT_ARRAY_SIZE(sizes); i++)
		bench(sizes[i], json);
	return 0;
}

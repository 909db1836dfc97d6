/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What all contestants send: a number in front, its complement at the end, and
 * between them what lay there. Cheap, so that the contestants are measured and not
 * this; enough to count what was lost, came twice, or was cut or mixed up.
 */
#ifndef BENCH_PATH_MESSAGE_H
#define BENCH_PATH_MESSAGE_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define MESSAGE_MIN 16U
#define MESSAGE_MAX 1024U
#define RUN_SHIFT 40

struct options {
	const char *how;
	const char *dest; /* ADDR:PORT */
	const char *mac;
	const char *socket; /* a controller's */
	uint16_t port;
	uint64_t run; /* of which the messages are: others come too late to count */
	size_t size;
	double seconds;
};

struct tally {
	uint64_t received, altered, reordered, next;
	uint64_t first_ns, last_ns; /* of messages */
	uint64_t first_cpu_ns;
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void message_make(uint8_t *at, size_t size, uint64_t number)
{
	uint64_t end = ~number;

	memcpy(at, &number, sizeof(number));
	memcpy(at + size - sizeof(end), &end, sizeof(end));
}

static void message_check(struct tally *t, const struct options *o, const uint8_t *at, size_t size)
{
	uint64_t number, end;

	if (size != o->size) {
		t->altered++;
		return;
	}
	memcpy(&number, at, sizeof(number));
	memcpy(&end, at + size - sizeof(end), sizeof(end));
	if (number >> RUN_SHIFT != o->run)
		return;
	t->received++;
	t->altered += end != ~number;
	t->reordered += number < t->next;
	t->next = number + 1;
}

/* Behind each batch. CPU time is a system call: only once here, and at the end. */
static void tally_time(struct tally *t)
{
	if (!t->received)
		return;
	t->last_ns = clock_ns(CLOCK_MONOTONIC);
	if (t->first_ns)
		return;
	t->first_ns = t->last_ns;
	t->first_cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static int complain(const char *what, const char *why)
{
	fprintf(stderr, "%s: failed to %s: %s\n", program_invocation_short_name, what, why);
	return 1;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What all contestants send: a number in front, its complement at the end, and
 * between them what lay there; where there is a rate to be kept, also the time at
 * which it was sent. Cheap, so that the contestants are measured and not this;
 * enough to count what was lost, came twice, or was cut or mixed up.
 *
 * The number is that of the run, of the flow (a guest and a destination), and of
 * the message in its flow.
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
#define TURN 256U /* messages of a flow that are made, then sent */
#define RUN_SHIFT 48
#define FLOW_SHIFT 32
#define FLOWS_MAX 65536U
#define TIME_AT 8U /* behind the number, if the message has room */
#define TIMED_MIN 24U
#define TIMES_MAX (1U << 22)
#define GUESTS_LOADED 128U /* that have loads of their own, or whose messages are told apart */
#define LOADS_MAX 16U
#define BUCKETS_MAX 65536U

/* What guests send each, in a part of the time. */
struct load {
	unsigned int first, last; /* guests, from 1 on */
	double rate;		  /* messages a second; 0: as fast as it goes */
	double from, to;	  /* seconds */
};

struct options {
	const char *how;
	const char *dest; /* ADDR:PORT, of the first destination */
	const char *mac;
	const char *socket; /* a controller's */
	const char *netns;  /* of guest N: /run/netns/, this and N; NULL: this process's */
	uint16_t port;
	uint64_t run; /* of which the messages are: others come too late to count */
	size_t size;
	unsigned int guests, destinations;
	unsigned int burst; /* messages of a flow in a row */
	double rate;	    /* messages a second, of all guests; 0: as fast as it goes */
	double seconds;
	struct load loads[LOADS_MAX];
	unsigned int load_count; /* send: if any, --rate is not looked at, and nobody waits */
	uint64_t bucket_ns;	 /* recv: count each guest's messages in spans of this; 0: not */
	bool halt;		 /* send: stop (SIGSTOP) when all is open, and when all is sent */
};

struct tally {
	uint64_t received, altered, reordered;
	uint64_t first_ns, last_ns; /* of messages */
	uint64_t first_cpu_ns;
	uint64_t now_ns;	  /* when the program had the batch at hand */
	uint32_t next[FLOWS_MAX]; /* number */
	uint64_t buckets_ns;	  /* when the first one began */
	uint32_t last_bucket;
	uint32_t buckets[GUESTS_LOADED][BUCKETS_MAX]; /* messages of each guest */
};

static struct {
	uint64_t ns[TIMES_MAX]; /* that messages took */
	uint32_t count;
} times;

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

/* What has no stamp has zeros there. */
static inline void message_stamp(uint8_t *at, size_t size, uint64_t now)
{
	if (size >= TIMED_MIN)
		memcpy(at + TIME_AT, &now, sizeof(now));
}

/* By when the program had it at hand. What is beyond the last bucket falls into it. */
static void bucket_count(struct tally *t, const struct options *o, uint64_t flow)
{
	uint64_t n;

	if (!t->buckets_ns)
		t->buckets_ns = t->now_ns;
	n = (t->now_ns - t->buckets_ns) / o->bucket_ns;
	if (n >= BUCKETS_MAX)
		n = BUCKETS_MAX - 1;
	t->buckets[flow % GUESTS_LOADED][n]++;
	t->last_bucket = (uint32_t)n;
}

static void message_check(struct tally *t, const struct options *o, const uint8_t *at, size_t size)
{
	uint64_t number, end, sent = 0;
	uint32_t *next;

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
	next = &t->next[number >> FLOW_SHIFT & (FLOWS_MAX - 1)];
	t->reordered += (uint32_t)number < *next;
	*next = (uint32_t)number + 1;
	if (o->bucket_ns)
		bucket_count(t, o, number >> FLOW_SHIFT & (FLOWS_MAX - 1));
	if (size >= TIMED_MIN)
		memcpy(&sent, at + TIME_AT, sizeof(sent));
	if (sent && times.count < TIMES_MAX)
		times.ns[times.count++] = t->now_ns - sent;
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

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What each guest sends is said one by one, with a begin and an end: --load. Nobody
 * waits for anybody: where a guest gets no room, the next one has its turn. Only what is
 * said of the first guest alone is stamped, with the time from which on it waits.
 */
#ifndef BENCH_PATH_LOADS_H
#define BENCH_PATH_LOADS_H

#include "options.h"
#include "send.h"

#define REST_NS 500000 /* when nobody had anything to send, or room for it */

/* Have a flow send what is due by now. Return: how many it did, or a negative errno. */
static int load_turn(struct sender *s, const struct way *w, const struct load *l, uint64_t *sent,
		     struct flow *f, double passed)
{
	uint64_t due = l->rate > 0 ? (uint64_t)(passed * l->rate) : UINT64_MAX;
	unsigned int n = s->o->burst;
	int done;

	if (due <= *sent)
		return 0;
	if (due - *sent < n)
		n = (unsigned int)(due - *sent);
	if (l->first == 1 && l->last == 1 && !f->waits_ns)
		f->waits_ns = clock_ns(CLOCK_MONOTONIC);
	turn_make(s, f, n, f->waits_ns);
	done = w->send(s, f, 0, n);
	if (done == -EAGAIN || done == -ENOBUFS || done == -EINTR)
		done = 0;
	if (done < 0)
		return done;
	f->number -= n - (unsigned int)done;
	*sent += (unsigned int)done;
	if ((unsigned int)done == n)
		f->waits_ns = 0;
	return done;
}

/* All that are on at @passed seconds, once. Return: messages sent, or a negative errno. */
static int loads_turn(struct sender *s, const struct way *w, double passed)
{
	static uint64_t sent[LOADS_MAX][GUESTS_LOADED];
	const struct load *l;
	unsigned int i, g;
	int all = 0, n;

	for (i = 0; i < s->o->load_count; i++) {
		l = &s->o->loads[i];
		if (passed < l->from || passed >= l->to)
			continue;
		for (g = l->first; g <= l->last; g++) {
			n = load_turn(s, w, l, &sent[i][g - 1], &s->flows[g - 1], passed - l->from);
			if (n < 0)
				return n;
			all += n;
		}
	}
	return all;
}

/* Until the time is over. Return: 0 or a negative errno. */
static int loads_send(struct sender *s, const struct way *w, uint64_t begin)
{
	const struct timespec rest = { .tv_nsec = REST_NS };
	double passed = 0;
	int n = 0;

	while (passed < s->o->seconds && n >= 0) {
		n = loads_turn(s, w, passed);
		if (n > 0)
			s->sent += (unsigned int)n;
		else
			nanosleep(&rest, NULL);
		passed = (double)(clock_ns(CLOCK_MONOTONIC) - begin) / 1e9;
	}
	return n < 0 ? n : 0;
}

static void print_sent(const struct sender *s, uint64_t begin, uint64_t cpu)
{
	unsigned int i;

	printf("{\"sent\":%llu,\"seconds\":%.6f,\"cpu_ns\":%llu,\"begin_ns\":%llu",
	       (unsigned long long)s->sent, (double)(clock_ns(CLOCK_MONOTONIC) - begin) / 1e9,
	       (unsigned long long)cpu, (unsigned long long)begin);
	for (i = 0; s->o->load_count && i < s->flow_count; i++)
		printf("%s%u", i ? "," : ",\"flows\":[", s->flows[i].number);
	puts(s->o->load_count ? "]}" : "}");
}

/* For so many seconds; then says how many left, and what they took. */
static int path_send(const struct options *o)
{
	static struct sender s;
	const struct way *w;
	uint64_t begin, cpu;
	int err;

	for (w = ways; w < ways + JT_ARRAY_SIZE(ways) && strcmp(w->name, o->how); w++)
		;
	if (w == ways + JT_ARRAY_SIZE(ways))
		return complain("send", "there is no such way");
	sender_init(&s, o);
	if (sender_open(&s, w))
		return 1;
	prctl(PR_SET_TIMERSLACK, 1UL);
	halt(o);
	begin = clock_ns(CLOCK_MONOTONIC);
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	err = o->load_count ? loads_send(&s, w, begin) : send_all(&s, w, begin);
	if (err)
		return complain("send", strerror(-err));
	print_sent(&s, begin, clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu);
	fflush(stdout);
	halt(o);
	sender_close(&s);
	return 0;
}

#endif

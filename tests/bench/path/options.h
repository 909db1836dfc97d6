/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef BENCH_PATH_OPTIONS_H
#define BENCH_PATH_OPTIONS_H

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>

#include "message.h"

/* GUEST[-GUEST]:RATE:FROM:TO */
static bool load_take(const char *text, struct options *o)
{
	struct load *l = &o->loads[o->load_count];
	int n = 0;

	if (o->load_count == LOADS_MAX || sscanf(text, "%u%n", &l->first, &n) != 1)
		return false;
	l->last = l->first;
	text += n;
	if (*text == '-' && sscanf(text, "-%u%n", &l->last, &n) == 1)
		text += n;
	n = 0;
	if (sscanf(text, ":%lf:%lf:%lf%n", &l->rate, &l->from, &l->to, &n) != 3 || text[n])
		return false;
	o->load_count++;
	return l->first && l->first <= l->last && l->last <= GUESTS_LOADED && l->rate >= 0;
}

static bool option_take(int key, const char *text, struct options *o)
{
	unsigned long n = strtoul(text, NULL, 10);

	switch (key) {
	case 'd':
		o->dest = text;
		return true;
	case 'm':
		o->mac = text;
		return true;
	case 'c':
		o->socket = text;
		return true;
	case 'n':
		o->netns = text;
		return true;
	case 'p':
		o->port = (uint16_t)n;
		return n && n <= 65535;
	case 'r':
		o->run = n;
		return n <= 0xffff;
	case 's':
		o->size = n;
		return n >= MESSAGE_MIN && n <= MESSAGE_MAX;
	case 'g':
		o->guests = (unsigned int)n;
		return n;
	case 'D':
		o->destinations = (unsigned int)n;
		return n && n <= FLOWS_MAX;
	case 'b':
		o->burst = (unsigned int)n;
		return n && n <= TURN;
	case 'R':
		o->rate = strtod(text, NULL);
		return o->rate >= 0;
	case 'l':
		return load_take(text, o);
	case 'B':
		o->bucket_ns = (uint64_t)(strtod(text, NULL) * 1e6);
		return o->bucket_ns;
	case 'h':
		o->halt = true;
		return true;
	case 't':
		o->seconds = strtod(text, NULL);
		return o->seconds > 0;
	}
	return false;
}

/* @words: how many are no options: what to do, how, and so on. They end up last. */
static bool options_read(int argc, char **argv, int words, struct options *o)
{
	static const struct option table[] = {
		{ "dest", required_argument, NULL, 'd' },
		{ "destinations", required_argument, NULL, 'D' },
		{ "netns", required_argument, NULL, 'n' },
		{ "guests", required_argument, NULL, 'g' },
		{ "burst", required_argument, NULL, 'b' },
		{ "rate", required_argument, NULL, 'R' },
		{ "mac", required_argument, NULL, 'm' },
		{ "port", required_argument, NULL, 'p' },
		{ "run", required_argument, NULL, 'r' },
		{ "size", required_argument, NULL, 's' },
		{ "seconds", required_argument, NULL, 't' },
		{ "socket", required_argument, NULL, 'c' },
		{ "load", required_argument, NULL, 'l' },
		{ "buckets", required_argument, NULL, 'B' },
		{ "halt", no_argument, NULL, 'h' },
		{ 0 },
	};
	unsigned int i;
	int key;

	while ((key = getopt_long(argc, argv, "", table, NULL)) != -1)
		if (!option_take(key, optarg ? optarg : "", o))
			return false;
	for (i = 0; i < o->load_count; i++)
		if (o->loads[i].last > o->guests || o->destinations > 1)
			return false;
	if (o->bucket_ns && o->guests > GUESTS_LOADED)
		return false;
	return optind == argc - words && o->guests <= FLOWS_MAX / o->destinations;
}

/* For who reads counters before and behind what is measured: it says when to go on. */
static inline void halt(const struct options *o)
{
	if (o->halt)
		raise(SIGSTOP);
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The options of jt-traffic and what they are read with. */
#ifndef TRAFFIC_OPTIONS_H
#define TRAFFIC_OPTIONS_H

#include <arpa/inet.h>
#include <jitney/jitney.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "message.h"

#define DESTS_MAX 64
#define FLOWS_MAX 1024
#define PORTS_MAX 256
#define BATCH_MAX 64

struct options {
	/* send */
	struct sockaddr_in6 dests[DESTS_MAX]; /* IPv4 ones as sockaddr_in */
	uint32_t dest_count;
	uint32_t flows;
	uint32_t first_flow;
	uint64_t count;
	uint32_t size_min, size_max;
	double rate;	/* messages a second, all flows; 0: no limit */
	bool rate_each; /* that rate is each flow's */
	bool poisson;
	uint64_t seed;
	int tos, ttl;
	uint32_t gap_burst; /* after so many messages ... */
	uint64_t gap_ns;    /* ... pause so long */
	uint32_t window;
	uint32_t ack_size;
	uint64_t warm; /* messages of each flow that go slowly at first */
	bool connect;
	uint32_t batch;
	bool blind; /* do not wait for answers */
	/* receive */
	uint16_t port_first, port_last;
	int hops;      /* routers on the way, -1: do not check */
	bool tolerant; /* exit 0 whatever was lost */
	bool gro;
	uint64_t trace; /* say so much of what was not as expected */
	/* both */
	bool helper; /* through libjitney: the four below */
	bool nonblock;
	const char *socket;
	enum jitney_call call;
	enum jitney_receive receive;
	double seconds;
	double timeout;
};

/* "10.0.0.1:7000" or "[fd00::1]:7000". */
static bool parse_endpoint(const char *text, struct sockaddr_in6 *out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 2], *end;
	unsigned long port;
	size_t length;

	if (!colon || (size_t)(colon - text) >= sizeof(host))
		return false;
	length = (size_t)(colon - text);
	memcpy(host, text, length);
	host[length] = 0;
	port = strtoul(colon + 1, &end, 10);
	if (!colon[1] || *end || !port || port > 65535)
		return false;
	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		return true;
	}
	if (host[0] != '[' || host[length - 1] != ']')
		return false;
	host[length - 1] = 0;
	out->sin6_family = AF_INET6;
	out->sin6_port = htons((uint16_t)port);
	return inet_pton(AF_INET6, host + 1, &out->sin6_addr) == 1;
}

/* "5ms", "20us", "1s", "100ns". */
static inline bool parse_duration(const char *text, uint64_t *ns)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = { { "ns", 1 }, { "us", 1e3 }, { "ms", 1e6 }, { "s", 1e9 } };
	char *end;
	double value = strtod(text, &end);
	size_t i;

	for (i = 0; end != text && value >= 0 && i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(end, units[i].unit)) {
			*ns = (uint64_t)(value * units[i].ns);
			return true;
		}
	return false;
}

/* "64" or "0-512"; each number at most @max. */
static inline bool parse_range(const char *text, unsigned long max, uint32_t *first, uint32_t *last)
{
	unsigned long a, b;
	char *end;

	a = b = strtoul(text, &end, 0);
	if (end == text || text[0] == '-')
		return false;
	if (*end == '-') {
		text = end + 1;
		b = strtoul(text, &end, 0);
		if (end == text)
			return false;
	}
	if (*end || a > b || b > max)
		return false;
	*first = (uint32_t)a;
	*last = (uint32_t)b;
	return true;
}

/* "32/5ms": messages and the pause after them. */
static inline bool parse_gap(const char *text, uint32_t *burst, uint64_t *ns)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (end == text || *end != '/' || !n || n > 1000000)
		return false;
	*burst = (uint32_t)n;
	return parse_duration(end + 1, ns);
}

/* What well-known small messages look like. */
struct profile {
	const char *name;
	uint32_t size_min, size_max;
	double rate;	/* messages a second ... */
	bool each_flow; /* ... of each flow, else of all together */
	bool poisson;	/* at random moments */
	int tos;
};

static const struct profile profiles[] = {
	{ "syslog", 100, 140, 1000, false, true, 0 },
	{ "statsd", 24, 40, 4000, false, true, 0 },
	{ "dns", 40, 52, 1000, false, true, 0 },
	{ "voip", 172, 172, 50, true, false, 0xb8 },
};

static inline const struct profile *profile_find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++)
		if (!strcmp(profiles[i].name, name))
			return &profiles[i];
	return NULL;
}

#endif

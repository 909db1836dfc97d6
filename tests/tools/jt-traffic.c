// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * An unmodified application with small messages: plain UDP sockets, every
 * message checked at the other end for its bytes, its order, TOS and TTL. With
 * --call or --rx it is a modified one: the same messages through libjitney.
 */
#include <argp.h>
#include <signal.h>

#include "traffic/options.h"
#include "traffic/report.h"
#include "traffic/send.h"

enum option_key {
	KEY_FIRST_FLOW = 256,
	KEY_POISSON,
	KEY_TOS,
	KEY_TTL,
	KEY_GAP,
	KEY_ACK_SIZE,
	KEY_CONNECT,
	KEY_SENDMMSG,
	KEY_BLIND,
	KEY_HOPS,
	KEY_TOLERANT,
	KEY_GRO,
	KEY_TRACE,
	KEY_SECONDS,
	KEY_TIMEOUT,
	KEY_SIZES,
	KEY_CALL,
	KEY_RX,
	KEY_SOCKET,
	KEY_WARM,
	KEY_NONBLOCK,
};

static const struct argp_option table[] = {
	{ NULL, 0, NULL, 0, "send:", 1 },
	{ "dest", 'd', "ADDR:PORT", 0,
	  "10.0.0.1:7000 or [fd00::1]:7000; repeated: flows take turns", 1 },
	{ "flows", 'f', "N", 0, "flows, a socket each (default 1); recv: end when N are closed",
	  1 },
	{ "first-flow", KEY_FIRST_FLOW, "N", 0, "number of the first flow (default 0)", 1 },
	{ "count", 'n', "N", 0,
	  "messages of all flows together (default 1000; without end with --seconds)", 1 },
	{ "size", 's', "N", 0, "bytes of payload (default 64)", 1 },
	{ "sizes", KEY_SIZES, "MIN-MAX", 0, "random sizes in this range", 1 },
	{ "rate", 'r', "N", 0, "messages a second, of all flows together; 0 (default): no limit",
	  1 },
	{ "poisson", KEY_POISSON, NULL, 0, "at random moments, at that rate in the mean", 1 },
	{ "gap", KEY_GAP, "N/TIME", 0, "pause after every N messages, such as 32/5ms", 1 },
	{ "profile", 'p', "NAME", 0, "sizes and rate of syslog, statsd, dns or voip (50/s a flow)",
	  1 },
	{ "seed", 'S', "N", 0, "of sizes and bytes (default 1)", 1 },
	{ "tos", KEY_TOS, "N", 0, "TOS or traffic class (default 0)", 1 },
	{ "ttl", KEY_TTL, "N", 0, "TTL or hop limit (default 64)", 1 },
	{ "window", 'w', "N", 0, "at most N messages of a flow unacknowledged", 1 },
	{ "ack-size", KEY_ACK_SIZE, "N", 0, "bytes of an acknowledgement at least", 1 },
	{ "connect", KEY_CONNECT, NULL, 0, "connected sockets", 1 },
	{ "sendmmsg", KEY_SENDMMSG, "N", 0, "N messages a system call (up to 64)", 1 },
	{ "warm", KEY_WARM, "N", 0, "the first N of each flow go slowly", 1 },
	{ "blind", KEY_BLIND, NULL, 0, "open and close flows without waiting for answers", 1 },
	{ NULL, 0, NULL, 0, "recv:", 2 },
	{ "port", 'l', "PORT[-PORT]", 0, "listen on these ports, IPv4 and IPv6 (default 7000)", 2 },
	{ "hops", KEY_HOPS, "N", 0, "TTL is lower by N (default 0); -1: not checked", 2 },
	{ "gro", KEY_GRO, NULL, 0, "sockets with UDP_GRO", 2 },
	{ "trace", KEY_TRACE, "N", 0,
	  "tell of the first N messages that came otherwise than expected", 2 },
	{ NULL, 0, NULL, 0, "both:", 3 },
	{ "tolerant", KEY_TOLERANT, NULL, 0, "exit status 0 also where messages were lost", 3 },
	{ "seconds", KEY_SECONDS, "S", 0, "end after S seconds", 3 },
	{ "call", KEY_CALL, "CALL", 0, "libjitney instead of sockets: how messages leave", 3 },
	{ "rx", KEY_RX, "RX", 0, "the same: how they arrive", 3 },
	{ "nonblock", KEY_NONBLOCK, NULL, 0, "the same: who finds no room waits with poll()", 3 },
	{ "socket", KEY_SOCKET, "PATH", 0, "of the controller, for libjitney", 3 },
	{ "timeout", KEY_TIMEOUT, "S", 0, "give up after S seconds of silence (default 30)", 3 },
	{ 0 },
};

static volatile bool stop;

static void on_signal(int number)
{
	stop = true;
}

static void number(struct argp_state *state, const char *name, const char *text, double min,
		   double max, double *out)
{
	char *end;

	*out = strtod(text, &end);
	if (end == text || *end || !(*out >= min && *out <= max))
		argp_error(state, "%s is a number from %g to %g, not '%s'", name, min, max, text);
}

static uint64_t whole(struct argp_state *state, const char *name, const char *text, double min,
		      double max)
{
	char *end;
	double value = (double)strtoll(text, &end, 0);

	if (end == text || *end || value < min || value > max)
		argp_error(state, "%s is a whole number from %.0f to %.0f, not '%s'", name, min,
			   max, text);
	return (uint64_t)strtoll(text, NULL, 0);
}

static void add_dest(struct argp_state *state, struct options *o, const char *text)
{
	if (o->dest_count == DESTS_MAX || !parse_endpoint(text, &o->dests[o->dest_count]))
		argp_error(state, "--dest is ADDR:PORT or [ADDR]:PORT, not '%s'", text);
	o->dest_count++;
}

static void set_profile(struct argp_state *state, struct options *o, const char *name)
{
	const struct profile *p = profile_find(name);

	if (!p)
		argp_error(state,
			   "there is no profile '%s'; there are syslog, statsd, dns and voip",
			   name);
	o->size_min = p->size_min;
	o->size_max = p->size_max;
	o->rate = p->rate;
	o->rate_each = p->each_flow;
	o->poisson = p->poisson;
	o->tos = p->tos;
}

static void set_call(struct argp_state *state, struct options *o, const char *name)
{
	o->helper = true;
	for (o->call = JITNEY_AUTO; strcmp(jitney_call_name(o->call), name); o->call++)
		if (o->call == JITNEY_MAP)
			argp_error(state, "there is no call '%s'", name);
}

static void set_rx(struct argp_state *state, struct options *o, const char *name)
{
	o->helper = true;
	for (o->receive = JITNEY_RECEIVE_AUTO; strcmp(jitney_receive_name(o->receive), name);
	     o->receive++)
		if (o->receive == JITNEY_RECEIVE_STACK)
			argp_error(state, "there is no way to receive '%s'", name);
}

static error_t parse_receive(int key, char *arg, struct argp_state *state, struct options *o)
{
	uint32_t first = 0, last = 0;

	switch (key) {
	case 'l':
		if (!parse_range(arg, 65535, &first, &last) || !first || last - first >= PORTS_MAX)
			argp_error(state,
				   "--port is PORT or PORT-PORT, at most %d of them, not '%s'",
				   PORTS_MAX, arg);
		o->port_first = (uint16_t)first;
		o->port_last = (uint16_t)last;
		return 0;
	case KEY_HOPS:
		o->hops = (int)whole(state, "--hops", arg, -1, 255);
		return 0;
	case KEY_GRO:
		o->gro = true;
		return 0;
	case KEY_TRACE:
		o->trace = whole(state, "--trace", arg, 0, 1e9);
		return 0;
	case KEY_TOLERANT:
		o->tolerant = true;
		return 0;
	case KEY_SECONDS:
		number(state, "--seconds", arg, 0, 1e6, &o->seconds);
		return 0;
	case KEY_TIMEOUT:
		number(state, "--timeout", arg, 0, 1e6, &o->timeout);
		return 0;
	case KEY_CALL:
		set_call(state, o, arg);
		return 0;
	case KEY_RX:
		set_rx(state, o, arg);
		return 0;
	case KEY_SOCKET:
		o->socket = arg;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static error_t parse_shape(int key, char *arg, struct argp_state *state, struct options *o)
{
	switch (key) {
	case 's':
	case KEY_SIZES:
		if (!parse_range(arg, MESSAGE_MAX, &o->size_min, &o->size_max))
			argp_error(state, "sizes are 0 to %d, such as 64 or 0-512, not '%s'",
				   MESSAGE_MAX, arg);
		return 0;
	case 'r':
		number(state, "--rate", arg, 0, 1e9, &o->rate);
		o->rate_each = false;
		return 0;
	case KEY_POISSON:
		o->poisson = true;
		return 0;
	case KEY_GAP:
		if (!parse_gap(arg, &o->gap_burst, &o->gap_ns))
			argp_error(state, "--gap is N/TIME, such as 32/5ms, not '%s'", arg);
		return 0;
	case 'p':
		set_profile(state, o, arg);
		return 0;
	case KEY_TOS:
		o->tos = (int)whole(state, "--tos", arg, 0, 255);
		return 0;
	case KEY_TTL:
		o->ttl = (int)whole(state, "--ttl", arg, 1, 255);
		return 0;
	}
	return parse_receive(key, arg, state, o);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'd':
		add_dest(state, o, arg);
		return 0;
	case 'f':
		o->flows = (uint32_t)whole(state, "--flows", arg, 1, FLOWS_MAX);
		return 0;
	case KEY_FIRST_FLOW:
		o->first_flow = (uint32_t)whole(state, "--first-flow", arg, 0, 65535);
		return 0;
	case 'n':
		o->count = whole(state, "--count", arg, 0, 1e15);
		return 0;
	case 'S':
		o->seed = whole(state, "--seed", arg, 0, 9e18);
		return 0;
	case 'w':
		o->window = (uint32_t)whole(state, "--window", arg, 0, 1 << 24);
		return 0;
	case KEY_WARM:
		o->warm = whole(state, "--warm", arg, 0, 1e9);
		return 0;
	case KEY_ACK_SIZE:
		o->ack_size = (uint32_t)whole(state, "--ack-size", arg, 0, MESSAGE_MAX);
		return 0;
	case KEY_CONNECT:
		o->connect = true;
		return 0;
	case KEY_SENDMMSG:
		o->batch = (uint32_t)whole(state, "--sendmmsg", arg, 1, BATCH_MAX);
		return 0;
	case KEY_BLIND:
		o->blind = true;
		return 0;
	case KEY_NONBLOCK:
		o->nonblock = true;
		return 0;
	}
	return parse_shape(key, arg, state, o);
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		table,
		parse,
		NULL,
		"Small UDP messages between ordinary sockets, and a check of "
		"every one.\vThe report is one line of JSON on standard output.",
		NULL,
		NULL,
		NULL
	};
	struct options o = { .size_min = 64,
			     .size_max = 64,
			     .seed = 1,
			     .ttl = 64,
			     .batch = 1,
			     .port_first = 7000,
			     .port_last = 7000,
			     .timeout = 30 };
	struct sigaction action = { .sa_handler = on_signal };
	bool sending = argc > 1 && !strcmp(argv[1], "send");

	if (argc < 2 || (!sending && strcmp(argv[1], "recv") && argv[1][0] != '-')) {
		fprintf(stderr, "jt-traffic: say send or recv first; see jt-traffic --help\n");
		return 2;
	}
	argp_err_exit_status = 2;
	o.flows = sending;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (argv[1][0] != '-') {
		argv[1] = argv[0]; /* what argp calls us */
		argc--;
		argv++;
	}
	if (argp_parse(&argp, argc, argv, 0, NULL, &o))
		return 2;
	if (sending && !o.dest_count) {
		fprintf(stderr, "jt-traffic: send needs --dest; see jt-traffic --help\n");
		return 2;
	}
	if (!o.count)
		o.count = o.seconds > 0 ? UINT64_MAX / 2 : 1000;
	if (o.rate_each)
		o.rate *= o.flows;
	return sending ? send_main(&o, &stop) : receive_main(&o, &stop);
}

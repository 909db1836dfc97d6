// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A helper that dies again and again: each life attaches, sends messages of a flow
 * of its own, in order, and is killed with SIGKILL at a random moment, whatever it
 * is doing. Before each message it writes down that it begins, and behind each that
 * libjitney has taken it: so who compares that with what `jt-traffic recv' got can
 * say what a life has lost.
 */
#include <argp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "traffic/helper.h"

#define BURST 16U
#define LIVES_MAX 1024U
#define PORT_FIRST 20000U /* of each life another one: the receiver tells them apart by it */

enum key { KEY_CALL = 256, KEY_RX, KEY_SOCKET, KEY_MEAN };

static const struct argp_option table[] = {
	{ "dest", 'd', "ADDR:PORT", 0, "of a jt-traffic recv", 0 },
	{ "lives", 'n', "N", 0, "how many, up to 1024 (default 10)", 0 },
	{ "rate", 'r', "N", 0, "messages a second of a life (default 20000)", 0 },
	{ "port", 'l', "PORT", 0, "also claim that one, and receive", 0 },
	{ "mean", KEY_MEAN, "MS", 0, "of a life's length (default 20)", 0 },
	{ "call", KEY_CALL, "CALL", 0, "how messages leave", 0 },
	{ "rx", KEY_RX, "RX", 0, "how they arrive", 0 },
	{ "socket", KEY_SOCKET, "PATH", 0, "the controller's", 0 },
	{ 0 },
};

static struct options options = { .size_max = 200, .seed = 7, .ttl = 64, .helper = true };
static uint32_t lives = 10, mean_ms = 20;

/* What outlives the one who writes it. */
struct notes {
	uint64_t attached, begun, sent, received, refused;
};

static volatile struct notes *notes;

static void fail(const char *what, int err)
{
	fprintf(stderr, "jt-lives: failed to %s: %s\n", what, strerror(err < 0 ? -err : err));
	_exit(1);
}

static void send_or_fail(struct jitney_flow *flow, const void *bytes, size_t size)
{
	int err = jitney_send(flow, bytes, size, 0);

	if (err)
		fail("send", err);
}

static void say_open(struct jitney_flow *flow, const struct spec *spec)
{
	struct control c = { .magic = CONTROL_MAGIC,
			     .op = CONTROL_OPEN,
			     .session = (uint32_t)mix(now_ns()),
			     .spec = *spec,
			     .ttl = options.ttl };

	c.seal = control_seal(&c);
	send_or_fail(flow, &c, sizeof(c));
}

static void receive_some(struct jitney *j)
{
	struct jitney_message m[BATCH_MAX];
	int n = jitney_receive(j, m, BATCH_MAX, 0);

	if (n < 0)
		fail("receive", n);
	notes->received += (uint64_t)n;
}

static void live(uint32_t number)
{
	struct spec spec = { options.seed, number, options.size_min, options.size_max };
	uint8_t bytes[MESSAGE_MAX + 8];
	struct jitney_flow *flow;
	struct jitney *j;
	uint32_t i;
	int err;

	/* The socket of the one who died may take its time. */
	while (helper_open(&options, &j)) {
		notes->refused++;
		usleep(10000);
	}
	notes->attached = 1;
	err = options.port_first ? jitney_bind(j, options.port_first) : 0;
	if (err >= 0)
		err = jitney_bind(j, (uint16_t)(PORT_FIRST + number));
	if (err >= 0)
		err = helper_connect(j, &options, (uint16_t)err, &options.dests[0], &flow);
	if (err < 0)
		fail("make a flow", err);
	say_open(flow, &spec);
	for (;;) {
		for (i = 0; i < BURST; i++) {
			uint32_t size = message_fill(&spec, notes->sent, now_ns(), bytes);

			notes->begun++;
			send_or_fail(flow, bytes, size);
			notes->sent++;
		}
		receive_some(j);
		usleep((useconds_t)(1e6 * BURST / options.rate));
	}
}

/* Return: false if it ended before it was killed. */
static bool one_life(uint32_t number, struct notes *out)
{
	useconds_t length = (useconds_t)(mix(now_ns() + number) % (2000 * mean_ms + 1));
	int status;
	pid_t child;

	*(struct notes *)notes = (struct notes){ 0 };
	child = fork();
	if (child < 0)
		fail("fork", errno);
	if (!child)
		live(number);
	usleep(length);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	*out = *(struct notes *)notes;
	return WIFSIGNALED(status);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case 'd':
		if (!parse_endpoint(arg, &options.dests[0]))
			argp_error(state, "--dest is ADDR:PORT or [ADDR]:PORT");
		return 0;
	case 'n':
		lives = (uint32_t)atoi(arg);
		return lives && lives <= LIVES_MAX ? 0 : EINVAL;
	case 'r':
		options.rate = atof(arg);
		return options.rate > 0 ? 0 : EINVAL;
	case 'l':
		options.port_first = (uint16_t)atoi(arg);
		return 0;
	case KEY_MEAN:
		mean_ms = (uint32_t)atoi(arg);
		return 0;
	case KEY_CALL:
		while (strcmp(jitney_call_name(options.call), arg))
			if (options.call++ == JITNEY_MAP)
				return EINVAL;
		return 0;
	case KEY_RX:
		while (strcmp(jitney_receive_name(options.receive), arg))
			if (options.receive++ == JITNEY_RECEIVE_STACK)
				return EINVAL;
		return 0;
	case KEY_SOCKET:
		options.socket = arg;
		return 0;
	case ARGP_KEY_END:
		if (!options.dests[0].sin6_family || !options.socket)
			argp_usage(state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		table, parse, NULL, "A helper that is killed again and again.", NULL, NULL, NULL
	};
	struct notes n, sum = { 0 };
	uint32_t i;

	options.rate = 20000;
	if (argp_parse(&argp, argc, argv, 0, NULL, NULL))
		return 2;
	notes = mmap(NULL, sizeof(*notes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (notes == MAP_FAILED)
		fail("get memory", errno);
	printf("{\"each\":[");
	for (i = 0; i < lives; i++) {
		fflush(stdout);
		if (!one_life(i, &n))
			return 1;
		printf("%s[%u,%llu,%llu]", i ? "," : "", i, (unsigned long long)n.sent,
		       (unsigned long long)n.begun);
		sum.attached += n.attached;
		sum.begun += n.begun;
		sum.sent += n.sent;
		sum.received += n.received;
		sum.refused += n.refused;
	}
	printf("],\"attached\":%llu,\"begun\":%llu,\"sent\":%llu,\"received\":%llu,\"refused\":%llu}\n",
	       (unsigned long long)sum.attached, (unsigned long long)sum.begun,
	       (unsigned long long)sum.sent, (unsigned long long)sum.received,
	       (unsigned long long)sum.refused);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#ifndef JT_VERSION
#define JT_VERSION "(unreleased)"
#endif

const char *argp_program_version = "jitney-guest " JT_VERSION;

#define GIVEN_FLOW (JT_GIVEN_SOURCE_PORT | JT_GIVEN_TOS | JT_GIVEN_TTL)
#define GIVEN_LIMITS (JT_GIVEN_COUNT | JT_GIVEN_SECONDS)

static const struct jt_command table[] = {
	{ "send", "ADDR:PORT [-]", "send messages, or the lines of a pipe", jt_send, 1, 2,
	  GIVEN_FLOW | GIVEN_LIMITS | JT_GIVEN_SIZE | JT_GIVEN_RATE },
	{ "recv", "PORT", "receive, count and check", jt_recv, 1, 1,
	  GIVEN_LIMITS | JT_GIVEN_PRINT },
	{ "echo", "PORT", "send back what comes", jt_echo, 1, 1,
	  GIVEN_LIMITS | JT_GIVEN_TOS | JT_GIVEN_TTL },
	{ "ping", "ADDR:PORT", "measure round trips to an echo", jt_ping, 1, 1,
	  GIVEN_FLOW | GIVEN_LIMITS | JT_GIVEN_SIZE | JT_GIVEN_INTERVAL },
	{ "pcap", "FILE ADDR:PORT", "send a capture's datagrams again", jt_pcap, 2, 2,
	  GIVEN_FLOW | GIVEN_LIMITS | JT_GIVEN_RATE },
	{ "attach", "", "attach, and stay until a signal comes", jt_attach, 0, 0,
	  JT_GIVEN_SECONDS },
	{ "status", "", "what this guest gets, and why", jt_status, 0, 0, 0 },
	{ "call", "ROUTINE [N...]", "ask the controller for something", jt_ask, 1, 3,
	  JT_GIVEN_COUNT },
};

enum {
	KEY_COUNT = 256, /* from here to KEY_INTERVAL as the bits JT_GIVEN_* */
	KEY_SIZE,
	KEY_RATE,
	KEY_SOURCE_PORT,
	KEY_TOS,
	KEY_TTL,
	KEY_SECONDS,
	KEY_PRINT,
	KEY_INTERVAL,
	KEY_SOCKET,
	KEY_NAME,
	KEY_CALL,
	KEY_RX,
	KEY_JSON,
};

static const struct argp_option options[] = {
	{ "socket", KEY_SOCKET, "PATH", 0,
	  "the controller's socket ($JITNEY_SOCKET, or /run/jitney.sock)", 0 },
	{ "name", KEY_NAME, "GUEST", 0, "this guest's name (the controller knows it)", 0 },
	{ "call", KEY_CALL, "CALL", 0, "how messages leave: auto (default), xdp, slice, map, stack",
	  0 },
	{ "rx", KEY_RX, "RX", 0, "how they arrive: auto (default), slice, xdp, raw, stack", 0 },
	{ "json", KEY_JSON, NULL, 0, "print the summary as one JSON object", 0 },
	{ "count", KEY_COUNT, "N", 0, "end after N messages; call: ask N times", 1 },
	{ "seconds", KEY_SECONDS, "S", 0, "end after S seconds", 1 },
	{ "size", KEY_SIZE, "B", 0, "send, ping: bytes of a message (64)", 1 },
	{ "rate", KEY_RATE, "R", 0, "send, pcap: messages a second", 1 },
	{ "interval", KEY_INTERVAL, "T", 0,
	  "ping: seconds between two (1); 0: each waits for its answer", 1 },
	{ "source-port", KEY_SOURCE_PORT, "P", 0, "the own port (any that is free)", 1 },
	{ "tos", KEY_TOS, "N", 0, "TOS or traffic class", 1 },
	{ "ttl", KEY_TTL, "N", 0, "TTL or hop limit", 1 },
	{ "print", KEY_PRINT, NULL, 0, "recv: print messages, a line each", 1 },
	{ 0 },
};

static const char *const option_names[] = { "--count",	     "--size",	"--rate",
					    "--source-port", "--tos",	"--ttl",
					    "--seconds",     "--print", "--interval" };

struct input {
	struct jt_line line;
	char **words; /* what is no option */
	int word_count;
};

static uint64_t whole(struct argp_state *state, const char *name, const char *text, uint64_t least,
		      uint64_t most)
{
	char *rest;
	uint64_t n;

	errno = 0;
	n = strtoull(text, &rest, 0);
	if (*text < '0' || *text > '9' || *rest || errno || n < least || n > most)
		argp_failure(state, JT_EXIT_USAGE, 0,
			     "%s %s: write a whole number from %llu to %llu", name, text,
			     (unsigned long long)least, (unsigned long long)most);
	return n;
}

static double real(struct argp_state *state, const char *name, const char *text)
{
	char *rest;
	double n = strtod(text, &rest);

	if (rest == text || *rest || !(n >= 0 && n <= 1e9))
		argp_failure(state, JT_EXIT_USAGE, 0, "%s %s: write a number such as 10 or 0.5",
			     name, text);
	return n;
}

static error_t parse_number(int key, char *arg, struct argp_state *state, struct jt_line *line)
{
	const char *name = option_names[key - KEY_COUNT];

	line->given |= 1U << (key - KEY_COUNT);
	switch (key) {
	case KEY_COUNT:
		line->count = whole(state, name, arg, 1, UINT32_MAX);
		break;
	case KEY_SIZE:
		line->size = whole(state, name, arg, 0, JT_PAYLOAD_MAX);
		break;
	case KEY_RATE:
		line->rate = real(state, name, arg);
		break;
	case KEY_SOURCE_PORT:
		line->source_port = (uint16_t)whole(state, name, arg, 1, 65535);
		break;
	case KEY_TOS:
		line->flow.tos = (int)whole(state, name, arg, 0, 255);
		break;
	case KEY_TTL:
		line->flow.ttl = (int)whole(state, name, arg, 1, 255);
		break;
	case KEY_SECONDS:
		line->seconds = real(state, name, arg);
		break;
	case KEY_INTERVAL:
		line->interval = real(state, name, arg);
		break;
	case KEY_PRINT:
		line->print = true;
		break;
	}
	return 0;
}

static enum jitney_call call_of(struct argp_state *state, const char *text)
{
	enum jitney_call call;

	for (call = JITNEY_AUTO; call <= JITNEY_MAP; call++)
		if (!strcmp(jitney_call_name(call), text))
			return call;
	argp_failure(state, JT_EXIT_USAGE, 0, "--call %s: choose auto, xdp, slice, map or stack",
		     text);
	return JITNEY_AUTO;
}

static enum jitney_receive receive_of(struct argp_state *state, const char *text)
{
	enum jitney_receive rx;

	for (rx = JITNEY_RECEIVE_AUTO; rx <= JITNEY_RECEIVE_STACK; rx++)
		if (!strcmp(jitney_receive_name(rx), text))
			return rx;
	argp_failure(state, JT_EXIT_USAGE, 0, "--rx %s: choose auto, slice, xdp, raw or stack",
		     text);
	return JITNEY_RECEIVE_AUTO;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct input *input = state->input;
	struct jt_line *line = &input->line;

	if (key >= KEY_COUNT && key <= KEY_INTERVAL)
		return parse_number(key, arg, state, line);
	switch (key) {
	case ARGP_KEY_ARG:
		input->words[input->word_count++] = arg;
		return 0;
	case KEY_SOCKET:
		line->options.socket = arg;
		return 0;
	case KEY_NAME:
		line->options.guest = arg;
		return 0;
	case KEY_CALL:
		line->options.call = call_of(state, arg);
		return 0;
	case KEY_RX:
		line->options.receive = receive_of(state, arg);
		return 0;
	case KEY_JSON:
		line->json = true;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct jt_commands commands = { table, JT_COUNT_OF(table), option_names,
					     JT_COUNT_OF(option_names) };

/* The commands in front of the options. */
static char *help_filter(int key, const char *text, void *input)
{
	char *all = key == ARGP_KEY_HELP_PRE_DOC ? jt_commands_help(&commands, text) : NULL;

	(void)input;
	return all ? all : (char *)text;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "COMMAND [ARGUMENT...]",
		.doc = "Send and receive messages as a guest of Jitney. Commands:\v"
		       "Exit status: 0 well, 1 it failed, 2 the command line is wrong.",
		.help_filter = help_filter,
	};
	struct input input = { .line = { .options.size = sizeof(struct jitney_options),
					 .flow = { .size = sizeof(struct jitney_flow_options),
						   .tos = -1,
						   .ttl = -1,
						   .vlan = -1 },
					 .size = 64,
					 .interval = 1 } };
	int status;

	argp_err_exit_status = JT_EXIT_USAGE;
	program_invocation_short_name = argv[0] = "jitney-guest"; /* what complaints begin with */
	input.words = calloc((size_t)argc + 1, sizeof(*input.words));
	if (!input.words)
		return jt_complain("there is too little memory");
	argp_parse(&argp, argc, argv, 0, NULL, &input);
	status = jt_commands_run(&commands, &input.line, input.line.given, input.words,
				 input.word_count);
	free(input.words);
	if (fflush(stdout))
		status = jt_complain("failed to write the output: %s", strerror(errno));
	return status;
}

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

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

const char *argp_program_version = "jitney " JT_VERSION;

static const struct jt_command table[] = {
	{ "status", "", "the controller, its uplink, page and totals", jt_show_status, 0, 0, 0 },
	{ "guests", "", "guests and what they sent and got", jt_show_guests, 0, 0,
	  JT_OPTION_CALLS },
	{ "helpers", "", "programs in guests that have attached themselves", jt_show_helpers, 0, 0,
	  0 },
	{ "peers", "", "other machines that run Jitney", jt_show_peers, 0, 0, 0 },
	{ "cycle", "", "the cycle's length, and why pages were swapped", jt_show_cycle, 0, 0, 0 },
	{ "page", "", "what each bank and extent holds now", jt_show_page, 0, 0, 0 },
	{ "drops", "", "what did not travel in the page, and why", jt_show_drops, 0, 0, 0 },
	{ "top", "", "rates, live; q quits", jt_top, 0, 0, JT_OPTION_COUNT },
	{ "flush", "", "send now what is aboard", jt_change_flush, 0, 0, 0 },
	{ "guest add", "SPEC", "add a guest: NAME=IF[,KEY=VALUE]... as for jitneyd",
	  jt_change_guest_add, 1, 1, JT_OPTION_PRINT_QEMU | JT_OPTION_PRINT_LIBVIRT },
	{ "guest set", "NAME KEY=VALUE...",
	  "change its share: rate=, burst=, messages=, work-conserving=, weight=",
	  jt_change_guest_set, 2, JT_SHARE_FIELDS + 1, 0 },
	{ "guest del", "NAME", "remove a guest", jt_change_guest_del, 1, 1, 0 },
	{ "doctor", "", "find what is wrong with a set-up, and say what mends it", jt_doctor, 0, 0,
	  JT_OPTION_UPLINK | JT_OPTION_GUEST | JT_OPTION_PIN },
	{ "capture", "FILE", "frames and messages as pcapng (- is standard output)", jt_capture, 1,
	  1, JT_OPTION_COUNT | JT_OPTION_SECONDS },
};

enum {
	KEY_SOCKET = 256,
	KEY_JSON,
	KEY_COUNT,
	KEY_SECONDS,
	KEY_UPLINK,
	KEY_GUEST,
	KEY_PIN,
	KEY_CALLS,
	KEY_PRINT_QEMU,
	KEY_PRINT_LIBVIRT
};

static const struct argp_option options[] = {
	{ "socket", KEY_SOCKET, "PATH", 0, "the controller's socket (" JT_SOCKET_DEFAULT ")", 0 },
	{ "json", KEY_JSON, NULL, 0, "print JSON, for programs", 0 },
	{ "count", KEY_COUNT, "N", 0, "top: show N times; capture: stop after N frames", 1 },
	{ "seconds", KEY_SECONDS, "S", 0, "capture: stop after S seconds", 1 },
	{ "uplink", KEY_UPLINK, "IF", 0, "doctor: look at this uplink", 2 },
	{ "guest", KEY_GUEST, "IF", 0, "doctor: look at this guest's interface; repeat", 2 },
	{ "pin", KEY_PIN, "DIR", 0, "doctor: where maps are to be pinned", 2 },
	{ "calls", KEY_CALLS, NULL, 0, "guests: what their programs called for, and how", 1 },
	{ "print-qemu", KEY_PRINT_QEMU, NULL, 0,
	  "guest add: print what QEMU wants for it; with a NAME alone do nothing else", 3 },
	{ "print-libvirt", KEY_PRINT_LIBVIRT, NULL, 0, "the same for libvirt", 3 },
	{ 0 },
};

static const char *const option_names[] = { "--count",	    "--seconds",      "--uplink",
					    "--guest",	    "--pin",	      "--calls",
					    "--print-qemu", "--print-libvirt" };

struct input {
	struct jt_line line;
	char **words; /* what is no option */
	int word_count;
};

static uint64_t number(struct argp_state *state, const char *name, const char *text)
{
	char *rest;
	uint64_t n;

	errno = 0;
	n = strtoull(text, &rest, 10);
	if (*text < '0' || *text > '9' || *rest || errno || !n)
		argp_failure(state, JT_EXIT_USAGE, 0, "%s %s: write a whole number from 1 on", name,
			     text);
	return n;
}

static error_t parse_command_option(int key, char *arg, struct argp_state *state)
{
	struct jt_line *line = &((struct input *)state->input)->line;

	line->given |= 1U << (key - KEY_COUNT);
	switch (key) {
	case KEY_COUNT:
		line->count = number(state, "--count", arg);
		break;
	case KEY_SECONDS:
		line->seconds = number(state, "--seconds", arg);
		break;
	case KEY_UPLINK:
		line->uplink = arg;
		break;
	case KEY_GUEST:
		line->guests[line->guest_count++] = arg;
		break;
	case KEY_PIN:
		line->pin = arg;
		break;
	case KEY_CALLS:
		line->calls = true;
		break;
	}
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct input *input = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		input->words[input->word_count++] = arg;
		return 0;
	case KEY_SOCKET:
		input->line.socket = arg;
		return 0;
	case KEY_JSON:
		input->line.json = true;
		return 0;
	}
	if (key >= KEY_COUNT && key <= KEY_PRINT_LIBVIRT)
		return parse_command_option(key, arg, state);
	return ARGP_ERR_UNKNOWN;
}

static const struct jt_commands commands = { table, COUNT_OF(table), option_names,
					     COUNT_OF(option_names) };

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
		.args_doc = "COMMAND [ARGUMENT]",
		.doc = "Look into Jitney's controller, and steer it. Commands:\v"
		       "Exit status: 0 well, 1 the controller said no or problems were found, "
		       "2 the command line is wrong.",
		.help_filter = help_filter,
	};
	struct input input = { .line.socket = JT_SOCKET_DEFAULT };
	int status = JT_EXIT_NO;

	argp_err_exit_status = JT_EXIT_USAGE;
	program_invocation_short_name = argv[0] = "jitney"; /* what complaints begin with */
	input.words = calloc((size_t)argc + 1, sizeof(*input.words));
	input.line.guests = calloc((size_t)argc + 1, sizeof(*input.line.guests));
	if (input.words && input.line.guests) {
		argp_parse(&argp, argc, argv, 0, NULL, &input);
		status = jt_commands_run(&commands, &input.line, input.line.given, input.words,
					 input.word_count);
	}
	free(input.words);
	free(input.line.guests);
	if (fflush(stdout))
		status = jt_complain("failed to write the output: %s", strerror(errno));
	return status;
}

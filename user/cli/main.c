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

/* A name may have two words. @arguments: how many follow the name. */
static const struct jt_command {
	const char *name;
	const char *synopsis;
	const char *help;
	jt_command_run run;
	int arguments;
	unsigned int options;
} commands[] = {
	{ "status", "", "the controller, its uplink, page and totals", jt_show_status, 0, 0 },
	{ "guests", "", "guests and what they sent and got", jt_show_guests, 0, 0 },
	{ "helpers", "", "programs in guests that have attached themselves", jt_show_helpers, 0,
	  0 },
	{ "peers", "", "other machines that run Jitney", jt_show_peers, 0, 0 },
	{ "cycle", "", "the cycle's length, and why pages were swapped", jt_show_cycle, 0, 0 },
	{ "page", "", "what each bank and extent holds now", jt_show_page, 0, 0 },
	{ "drops", "", "what did not travel in the page, and why", jt_show_drops, 0, 0 },
	{ "top", "", "rates, live; q quits", jt_top, 0, JT_OPTION_COUNT },
	{ "flush", "", "send now what is aboard", jt_change_flush, 0, 0 },
	{ "guest add", "SPEC", "add a guest: NAME=IF[,mac=M][,ip=A][,user=U][,group=G]",
	  jt_change_guest_add, 1, 0 },
	{ "guest del", "NAME", "remove a guest", jt_change_guest_del, 1, 0 },
	{ "doctor", "", "find what is wrong with a set-up, and say what mends it", jt_doctor, 0,
	  JT_OPTION_UPLINK | JT_OPTION_GUEST | JT_OPTION_PIN },
	{ "capture", "FILE", "frames and messages as pcapng (- is standard output)", jt_capture, 1,
	  JT_OPTION_COUNT | JT_OPTION_SECONDS },
};

enum { KEY_SOCKET = 256, KEY_JSON, KEY_COUNT, KEY_SECONDS, KEY_UPLINK, KEY_GUEST, KEY_PIN };

static const struct argp_option options[] = {
	{ "socket", KEY_SOCKET, "PATH", 0, "the controller's socket (" JT_SOCKET_DEFAULT ")", 0 },
	{ "json", KEY_JSON, NULL, 0, "print JSON, for programs", 0 },
	{ "count", KEY_COUNT, "N", 0, "top: show N times; capture: stop after N frames", 1 },
	{ "seconds", KEY_SECONDS, "S", 0, "capture: stop after S seconds", 1 },
	{ "uplink", KEY_UPLINK, "IF", 0, "doctor: look at this uplink", 2 },
	{ "guest", KEY_GUEST, "IF", 0, "doctor: look at this guest's interface; repeat", 2 },
	{ "pin", KEY_PIN, "DIR", 0, "doctor: where maps are to be pinned", 2 },
	{ 0 },
};

static const char *const option_names[] = { "--count", "--seconds", "--uplink", "--guest",
					    "--pin" };

struct line {
	struct jt_cli cli;
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
	struct jt_cli *cli = &((struct line *)state->input)->cli;

	cli->given |= 1U << (key - KEY_COUNT);
	switch (key) {
	case KEY_COUNT:
		cli->count = number(state, "--count", arg);
		break;
	case KEY_SECONDS:
		cli->seconds = number(state, "--seconds", arg);
		break;
	case KEY_UPLINK:
		cli->uplink = arg;
		break;
	case KEY_GUEST:
		cli->guests[cli->guest_count++] = arg;
		break;
	case KEY_PIN:
		cli->pin = arg;
		break;
	}
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct line *line = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		line->words[line->word_count++] = arg;
		return 0;
	case KEY_SOCKET:
		line->cli.socket = arg;
		return 0;
	case KEY_JSON:
		line->cli.json = true;
		return 0;
	}
	if (key >= KEY_COUNT && key <= KEY_PIN)
		return parse_command_option(key, arg, state);
	return ARGP_ERR_UNKNOWN;
}

/* The commands, from their table, in front of the options. */
static char *help_filter(int key, const char *text, void *input)
{
	char *out = NULL;
	size_t size, i;
	FILE *f;

	(void)input;
	if (key != ARGP_KEY_HELP_PRE_DOC)
		return (char *)text;
	f = open_memstream(&out, &size);
	if (!f)
		return (char *)text;
	fprintf(f, "%s\n\n", text);
	for (i = 0; i < COUNT_OF(commands); i++)
		fprintf(f, "  %s %-*s %s\n", commands[i].name, 15 - (int)strlen(commands[i].name),
			commands[i].synopsis, commands[i].help);
	fclose(f);
	return out;
}

/* Return: how many words its name takes, 0 if the line doesn't begin with it. */
static int command_matches(const struct jt_command *c, char **words, int count)
{
	const char *second = strchr(c->name, ' ');
	size_t first = second ? (size_t)(second - c->name) : strlen(c->name);

	if (!count || strlen(words[0]) != first || strncmp(words[0], c->name, first))
		return 0;
	if (!second)
		return 1;
	return count > 1 && !strcmp(words[1], second + 1) ? 2 : 0;
}

static const struct jt_command *command_find(const struct line *line, int *used)
{
	size_t i;

	for (i = 0; i < COUNT_OF(commands); i++) {
		*used = command_matches(&commands[i], line->words, line->word_count);
		if (*used)
			return &commands[i];
	}
	return NULL;
}

static int wrong_usage(const char *what, const char *name)
{
	fprintf(stderr, "jitney: %s%s: see jitney --help\n", what, name);
	return JT_EXIT_USAGE;
}

static int command_check(const struct jt_command *c, const struct line *line, int used)
{
	unsigned int extra = line->cli.given & ~c->options;
	size_t i;

	for (i = 0; i < COUNT_OF(option_names); i++) {
		if (!(extra & 1U << i))
			continue;
		fprintf(stderr, "jitney: %s does not take %s: see jitney --help\n", c->name,
			option_names[i]);
		return JT_EXIT_USAGE;
	}
	if (line->word_count - used == c->arguments)
		return JT_EXIT_OK;
	fprintf(stderr, "jitney: write: jitney %s%s%s\n", c->name, c->arguments ? " " : "",
		c->synopsis);
	return JT_EXIT_USAGE;
}

static int command_run(struct line *line)
{
	const struct jt_command *c;
	int used;

	if (!line->word_count)
		return wrong_usage("a command is missing", "");
	c = command_find(line, &used);
	if (!c)
		return wrong_usage("there is no command ", line->words[0]);
	if (command_check(c, line, used))
		return JT_EXIT_USAGE;
	return c->run(&line->cli, line->words + used);
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
	struct line line = { .cli.socket = JT_SOCKET_DEFAULT };
	int status = JT_EXIT_NO;

	argp_err_exit_status = JT_EXIT_USAGE;
	argv[0] = "jitney"; /* what complaints begin with */
	line.words = calloc((size_t)argc + 1, sizeof(*line.words));
	line.cli.guests = calloc((size_t)argc + 1, sizeof(*line.cli.guests));
	if (line.words && line.cli.guests) {
		argp_parse(&argp, argc, argv, 0, NULL, &line);
		status = command_run(&line);
	}
	free(line.words);
	free(line.cli.guests);
	if (fflush(stdout))
		status = jt_complain("failed to write the output: %s", strerror(errno));
	return status;
}

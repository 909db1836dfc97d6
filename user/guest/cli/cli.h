/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The program jitney-guest: what its commands share. A command is a function of
 * the command line; it prints its result on standard output, says what went wrong
 * on standard error, and returns the exit status. Of libjitney it uses what any
 * program can use.
 */
#ifndef JITNEY_GUEST_CLI_H
#define JITNEY_GUEST_CLI_H

#include <jansson.h>
#include <jitney/jitney.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/command.h"

#define JT_COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define JT_MANY 64U /* messages that are sent or received at a time */
#define JT_PAYLOAD_MAX 65507U

/* What the command line said. Strings are argv's. */
struct jt_line {
	struct jitney_options options;
	struct jitney_flow_options flow;
	bool json;
	bool print;
	uint64_t count; /* 0: no limit */
	uint64_t size;	/* bytes */
	uint16_t source_port;
	double rate;	 /* messages a second; 0: no limit */
	double seconds;	 /* 0: no limit */
	double interval; /* seconds */
	unsigned int given;
};

#define JT_GIVEN_COUNT 0x1
#define JT_GIVEN_SIZE 0x2
#define JT_GIVEN_RATE 0x4
#define JT_GIVEN_SOURCE_PORT 0x8
#define JT_GIVEN_TOS 0x10
#define JT_GIVEN_TTL 0x20
#define JT_GIVEN_SECONDS 0x40
#define JT_GIVEN_PRINT 0x80
#define JT_GIVEN_INTERVAL 0x100

int jt_send(const struct jt_line *line, char **args);
int jt_recv(const struct jt_line *line, char **args);
int jt_echo(const struct jt_line *line, char **args);
int jt_ping(const struct jt_line *line, char **args);
int jt_pcap(const struct jt_line *line, char **args);
int jt_attach(const struct jt_line *line, char **args);
int jt_ask(const struct jt_line *line, char **args);
int jt_status(const struct jt_line *line, char **args);

/* A command at work. */
struct jt_run {
	const struct jt_line *line;
	const char *command;
	struct jitney *j;
	uint64_t start_ns;
	uint64_t end_ns;	    /* of --seconds */
	uint64_t progress_ns;	    /* when the progress line is due; ~0: never */
	uint64_t first_ns, last_ns; /* of messages */
	uint64_t messages;	    /* that were sent or received */
};

/* From here on SIGINT and SIGTERM end the run. Return: an exit status. */
int jt_run_begin(struct jt_run *run, const struct jt_line *line, const char *command);
/* True until a signal, the end of --seconds, or --count messages. Shows the progress. */
bool jt_run_goes_on(struct jt_run *run);
/* @n messages went by just now. */
void jt_run_count(struct jt_run *run, unsigned int n);
/*
 * jt_run_end() - Print the summary and close the handle
 * @result:	object with what the command has to tell, taken over
 * @status:	exit status so far
 */
int jt_run_end(struct jt_run *run, json_t *result, int status);

/* Milliseconds that a call may wait before jt_run_goes_on() is due again. */
int jt_run_patience(const struct jt_run *run);
extern volatile int jt_stopped;

/* ADDR:PORT or [ADDR]:PORT. Return: 0, or an exit status, with a complaint. */
int jt_destination(const char *text, struct sockaddr_in6 *out, socklen_t *length);
int jt_port(const char *text, uint16_t *out);
/* A flow to there, with what the line says of source port, TOS and TTL. */
int jt_flow_open(struct jt_run *run, const char *to, struct jitney_flow **out);
int jt_bind_or_complain(struct jt_run *run, uint16_t port);

uint64_t jt_now(void); /* CLOCK_MONOTONIC, nanoseconds */
void jt_sleep_until(uint64_t ns);

/* Times, in buckets of 1/32 of their size. */
struct jt_times {
	uint64_t buckets[64 * 32];
	uint64_t count, least, most;
};

void jt_times_add(struct jt_times *t, uint64_t ns);
/* Add "min_ns", "p50_ns"... of what was measured, if anything. */
void jt_times_tell(const struct jt_times *t, json_t *result);

#endif

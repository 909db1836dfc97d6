// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What every command does: begin, go on until something ends it, tell. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

#define PROGRESS_FIRST_NS 2000000000ULL
#define PROGRESS_NS 500000000ULL
#define PATIENCE_MS 100

volatile int jt_stopped;

uint64_t jt_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void jt_sleep_until(uint64_t ns)
{
	struct timespec t = { .tv_sec = (time_t)(ns / 1000000000),
			      .tv_nsec = (long)(ns % 1000000000) };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void stop(int signal)
{
	(void)signal;
	jt_stopped = 1;
}

static void signals_catch(void)
{
	struct sigaction on_stop = { .sa_handler = stop };

	sigaction(SIGINT, &on_stop, NULL);
	sigaction(SIGTERM, &on_stop, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static const char *open_advice(int err)
{
	switch (err) {
	case -ENOENT:
	case -ECONNREFUSED:
		return "no controller answers: start jitneyd, or name its socket with --socket";
	case -EACCES:
		return "the controller does not let this user in: see user= in jitneyd(8)";
	case -ESRCH:
		return "the controller knows no such guest: see --name, and jitney guests";
	case -EPERM:
		return "this is not allowed: --rx raw needs CAP_NET_RAW, a --call the controller's consent";
	case -EPROTO:
		return "the controller is of another version: use the same on both sides";
	case -EUSERS:
		return "this guest has 16 helpers already: end one, or use --call stack";
	case -EBUSY:
		return "another program has the AF_XDP socket of this guest's interface: use another --call";
	case -EOPNOTSUPP:
		return "this controller does not offer that --call or --rx: leave it out";
	case -EINVAL:
		return "an option is not understood: names have up to 15 characters";
	}
	return strerror(-err);
}

int jt_run_begin(struct jt_run *run, const struct jt_line *line, const char *command)
{
	int err;

	memset(run, 0, sizeof(*run));
	signals_catch();
	err = jitney_open(&run->j, &line->options);
	if (err)
		return jt_complain("failed to attach: %s", open_advice(err));
	run->line = line;
	run->command = command;
	run->start_ns = jt_now();
	run->end_ns =
		line->seconds > 0 ? run->start_ns + (uint64_t)(line->seconds * 1e9) : UINT64_MAX;
	run->progress_ns = isatty(STDERR_FILENO) ? run->start_ns + PROGRESS_FIRST_NS : UINT64_MAX;
	return JT_EXIT_OK;
}

int jt_run_patience(const struct jt_run *run)
{
	uint64_t now = jt_now();

	if (run->end_ns <= now)
		return 0;
	return run->end_ns - now < PATIENCE_MS * 1000000ULL ?
		       (int)((run->end_ns - now + 999999) / 1000000) :
		       PATIENCE_MS;
}

static void progress(struct jt_run *run, uint64_t now)
{
	double seconds = (double)(now - run->start_ns) / 1e9;

	run->progress_ns = now + PROGRESS_NS;
	fprintf(stderr, "\r%s: %.0f s, %" PRIu64 " messages, %.0f a second ", run->command, seconds,
		run->messages, (double)run->messages / seconds);
}

bool jt_run_goes_on(struct jt_run *run)
{
	uint64_t now = jt_now();

	if (now >= run->progress_ns)
		progress(run, now);
	return !jt_stopped && now < run->end_ns &&
	       (!run->line->count || run->messages < run->line->count);
}

void jt_run_count(struct jt_run *run, unsigned int n)
{
	run->last_ns = jt_now();
	if (!run->messages)
		run->first_ns = run->last_ns;
	run->messages += n;
}

static void tell_handle(struct jt_run *run, json_t *result)
{
	struct jitney_statistics s = { .size = sizeof(s) };

	jitney_statistics(run->j, &s);
	json_object_set_new(result, "sent_stack", json_integer((json_int_t)s.sent_stack));
	json_object_set_new(result, "received_stack", json_integer((json_int_t)s.received_stack));
	json_object_set_new(result, "no_room", json_integer((json_int_t)s.lost));
	json_object_set_new(result, "waited", json_integer((json_int_t)s.waited));
	json_object_set_new(result, "postponed", json_integer((json_int_t)s.postponed));
	json_object_set_new(result, "attached", json_integer((json_int_t)s.attached));
	json_object_set_new(result, "call", json_string(jitney_call_name(s.call)));
	json_object_set_new(result, "rx", json_string(jitney_receive_name(s.receive)));
	json_object_set_new(result, "reason", json_string(jitney_reason(run->j)));
}

static void tell_rate(const struct jt_run *run, json_t *result)
{
	double seconds = (double)(run->last_ns - run->first_ns) / 1e9;

	json_object_set_new(result, "seconds", json_real(seconds));
	json_object_set_new(
		result, "messages_per_s",
		json_integer(seconds > 0 ? (json_int_t)((double)run->messages / seconds) : 0));
}

static void print_value(const char *key, const json_t *value)
{
	size_t length = strlen(key);
	bool time = length > 3 && !strcmp(key + length - 3, "_ns");
	char name[32];

	snprintf(name, sizeof(name), "%.*s", (int)(time ? length - 3 : length), key);
	if (time)
		printf("%-16s %.1f us\n", name, (double)json_integer_value(value) / 1000);
	else if (json_is_integer(value))
		printf("%-16s %" JSON_INTEGER_FORMAT "\n", name, json_integer_value(value));
	else if (json_is_real(value))
		printf("%-16s %.3f\n", name, json_real_value(value));
	else if (json_is_string(value))
		printf("%-16s %s\n", name, json_string_value(value));
}

static void print(const struct jt_line *line, json_t *result)
{
	const char *key;
	json_t *value;

	if (line->json) {
		json_dumpf(result, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
		fputc('\n', stdout);
		return;
	}
	json_object_foreach(result, key, value)
		print_value(key, value);
}

int jt_run_end(struct jt_run *run, json_t *result, int status)
{
	if (run->progress_ns != UINT64_MAX && run->progress_ns > run->start_ns + PROGRESS_FIRST_NS)
		fputs("\r\033[K", stderr);
	if (run->messages)
		tell_rate(run, result);
	tell_handle(run, result);
	print(run->line, result);
	json_decref(result);
	jitney_close(run->j);
	return status;
}

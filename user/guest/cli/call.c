// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* call: ask the controller for something, once or many times. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define ARGUMENTS 2

/* What can be called for, its arguments, and what its values are called. */
static const struct routine {
	enum jitney_routine id;
	int arguments;
	const char *values[JITNEY_VALUES + 1];
} routines[] = {
	{ JITNEY_FLUSH, 0, { NULL } },
	{ JITNEY_REPORT, 2, { NULL } },
	{ JITNEY_COUNTERS,
	  0,
	  { "sent", "refused", "received", "lost", "calls", "results_lost", "waiting" } },
	{ JITNEY_CYCLE, 0, { "cycle_ns", "next_ns", "latency_ns" } },
	{ JITNEY_WEIGHT, 1, { NULL } },
};

static const struct routine *routine_find(char **args)
{
	size_t i;

	for (i = 0; i < JT_COUNT_OF(routines); i++)
		if (!strcmp(jitney_routine_name(routines[i].id), args[0]))
			return &routines[i];
	jt_complain("there is no call %s: choose flush, report, counters, cycle or weight",
		    args[0]);
	return NULL;
}

/* Return: an exit status. */
static int arguments_read(const struct routine *r, char **args, uint64_t *out)
{
	char *rest;
	int i;

	for (i = 0; args[i]; i++) {
		if (i < r->arguments) {
			errno = 0;
			out[i] = strtoull(args[i], &rest, 10);
			if (*args[i] >= '0' && *args[i] <= '9' && !*rest && !errno)
				continue;
		}
		jt_complain("call %s takes %d whole numbers", jitney_routine_name(r->id),
			    r->arguments);
		return JT_EXIT_USAGE;
	}
	if (i == r->arguments)
		return JT_EXIT_OK;
	jt_complain("call %s takes %d whole numbers", jitney_routine_name(r->id), r->arguments);
	return JT_EXIT_USAGE;
}

/* All but the last may wait; that one tells. Return: 0 or a negative errno. */
static int work(struct jt_run *run, const struct routine *r, const uint64_t *arguments,
		uint64_t *values)
{
	uint64_t left = run->line->count;
	int err = 0;

	for (; left > 1 && !err && jt_run_goes_on(run); left--) {
		err = jitney_control(run->j, r->id, arguments, NULL);
		jt_run_count(run, 1);
	}
	return err ? err : jitney_control(run->j, r->id, arguments, values);
}

static json_t *tell(struct jt_run *run, const struct routine *r, const uint64_t *values)
{
	struct jitney_statistics s = { .size = sizeof(s) };
	json_t *result;
	int i;

	jitney_statistics(run->j, &s);
	result = json_pack("{s:s, s:s, s:I, s:I, s:I}", "command", "call", "routine",
			   jitney_routine_name(r->id), "deferred", (json_int_t)s.calls_deferred,
			   "immediate", (json_int_t)s.calls_immediate, "failed",
			   (json_int_t)s.calls_failed);
	for (i = 0; r->values[i]; i++)
		json_object_set_new(result, r->values[i], json_integer((json_int_t)values[i]));
	return result;
}

int jt_ask(const struct jt_line *line, char **args)
{
	uint64_t arguments[ARGUMENTS], values[JITNEY_VALUES] = { 0 };
	const struct routine *r = routine_find(args);
	struct jt_run run;
	int status = r ? arguments_read(r, args + 1, arguments) : JT_EXIT_USAGE, err;

	if (!status)
		status = jt_run_begin(&run, line, "call");
	if (status)
		return status;
	err = work(&run, r, arguments, values);
	if (err == -ENOTCONN)
		status = jt_complain("failed to call: %s", jitney_reason(run.j));
	else if (err)
		status = jt_complain("failed to call: %s", strerror(-err));
	return jt_run_end(&run, tell(&run, r, values), status);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is small and everyone's: complaints, signals, the clock. */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "cli.h"

volatile int jt_stopped;

static void complain(const char *format, va_list args)
{
	fputs("jitney: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

int jt_complain(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	complain(format, args);
	va_end(args);
	return JT_EXIT_NO;
}

static void stop(int signal)
{
	(void)signal;
	jt_stopped = 1;
}

void jt_stop_catch(void)
{
	struct sigaction action = { .sa_handler = stop };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
}

uint64_t jt_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

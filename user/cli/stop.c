// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is small and everyone's: signals, the clock. */
#include <signal.h>
#include <time.h>

#include "cli.h"

volatile int jt_stopped;

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

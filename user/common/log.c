// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include <jitney/env_user.h>
#include "common/log.h"

static void log_write(const char *format, va_list args, uint64_t suppressed)
{
	char line[512];
	int n = vsnprintf(line, sizeof(line), format, args);

	if (n < 0)
		return;
	if (suppressed)
		fprintf(stderr, "%s: %s (%llu alike left out)\n", program_invocation_short_name,
			line, (unsigned long long)suppressed);
	else
		fprintf(stderr, "%s: %s\n", program_invocation_short_name, line);
}

void jt_log(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_write(format, args, 0);
	va_end(args);
}

void jt_log_limited(struct jt_log_limit *limit, const char *format, ...)
{
	uint64_t now = jt_env_now();
	va_list args;

	if (now < limit->next_ns) {
		limit->suppressed++;
		return;
	}
	limit->next_ns = now + 1000000000;
	va_start(args, format);
	log_write(format, args, limit->suppressed);
	va_end(args);
	limit->suppressed = 0;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef JITNEY_LOG_H
#define JITNEY_LOG_H

#include <stdint.h>

/*
 * Messages for people, on standard error, one sentence each. Functions inside
 * return negative errno; whoever turns that into words does it here, once.
 */
void jt_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same for what a packet can cause: at most one a second from each place. */
struct jt_log_limit {
	uint64_t next_ns;
	uint64_t suppressed;
};

void jt_log_limited(struct jt_log_limit *limit, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif

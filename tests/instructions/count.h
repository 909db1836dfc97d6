/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Parts of a program under callgrind: what runs between counting() and counted() is
 * one part's, and `tests/instructions/run' divides it by the number of messages.
 */
#ifndef TESTS_COUNT_H
#define TESTS_COUNT_H

#include <stdio.h>
#include <valgrind/callgrind.h>

static inline void counting(void)
{
	CALLGRIND_TOGGLE_COLLECT;
}

static inline void counted(const char *name, unsigned int messages)
{
	CALLGRIND_TOGGLE_COLLECT;
	CALLGRIND_DUMP_STATS_AT(name);
	printf("%s %u\n", name, messages);
}

#endif

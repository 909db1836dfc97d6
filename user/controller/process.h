/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef JITNEY_PROCESS_H
#define JITNEY_PROCESS_H

#include <stdint.h>

/*
 * The process's CPU, priority and limits. What can't be had is not needed to work,
 * but for a CPU that somebody asked for.
 *
 * Return: 0 or negative errno, after a message.
 */
int jt_process_prepare(int cpu);

/*
 * jt_process_share() - Leave time to others while there is more to do than there is time
 *
 * The priority is there to be in time, not to starve those who are served: a
 * controller that never gets to sleep would take their CPU whole, and lose there what
 * they can't take out. Call it in every turn of the loop.
 */
void jt_process_share(uint64_t now);

#endif

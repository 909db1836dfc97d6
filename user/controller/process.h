/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef JITNEY_PROCESS_H
#define JITNEY_PROCESS_H

/*
 * The process's CPU, priority and limits. What can't be had is not needed to work,
 * but for a CPU that somebody asked for.
 *
 * Return: 0 or negative errno, after a message.
 */
int jt_process_prepare(int cpu);

#endif

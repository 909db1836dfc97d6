/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The cycle scheduler: when the page is swapped.
 *
 * Asleep, nothing ticks. The first message aboard rings (JT_EVENT_ABOARD): a
 * cycle begins. It ends by its timer, by the threshold (JT_EVENT_FULL) or by a
 * flush; each time the page is swapped and the next cycle begins. A cycle that
 * ends with an empty page is followed by sleep.
 */
#ifndef JITNEY_SCHEDULER_H
#define JITNEY_SCHEDULER_H

#include "controller/controller.h"

/* Return: 0 or negative errno. */
int jt_scheduler_start(struct jt_controller *c);

/* A message came aboard at @time_ns while the controller slept. */
void jt_scheduler_wake(struct jt_controller *c, uint64_t time_ns);
/* The page is as full as --threshold says. */
void jt_scheduler_full(struct jt_controller *c);
/*
 * A helper has rung: something is in its slice or in its domain's page, and we
 * sleep; or much is.
 */
void jt_scheduler_rung(struct jt_controller *c);
/* Swap now. Return: whether anything was aboard. */
bool jt_scheduler_flush(struct jt_controller *c);

/* After each turn of the loop: tell the programs that the controller lives. */
void jt_scheduler_alive(struct jt_controller *c);

extern const char *const jt_swap_names[];

/* Messages of a guest that the page was for, taken aboard or not: T is measured by them. */
uint64_t jt_guest_offered(const struct jt_guest *g);

/* Asleep, look at virtual machines' rings at that time. */
void jt_scheduler_look(struct jt_controller *c, uint64_t at);

#endif

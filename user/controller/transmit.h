/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef JITNEY_TRANSMIT_H
#define JITNEY_TRANSMIT_H

#include "controller/controller.h"

/* Make all banks blank and begin with an epoch that no flow has written in. The main page only. */
void jt_transmit_start(struct jt_controller *c);

/* Begin with @epoch, on a page whose banks and extents are zero. */
void jt_transmit_blank(struct jt_transmit *t, uint64_t epoch);

/*
 * Drain all banks of all pages that are no longer active, as far as it goes
 * without waiting. Return: true if something is left that wants another call soon.
 */
bool jt_transmit_run(struct jt_controller *c);

/* True if jt_transmit_run() has something to do. */
bool jt_transmit_waiting(struct jt_controller *c);

/* Milliseconds until the loop must call jt_transmit_run() again; -1: never. */
int jt_transmit_timeout(struct jt_controller *c);

/* The uplink is gone: what was handed to it will not come back by itself. */
void jt_transmit_abandon(struct jt_controller *c);

/* True if no writer has taken an extent of the active bank. */
bool jt_transmit_empty(struct jt_transmit *t);

/* The page's epoch. Return: false if the page is being reset, perhaps from now on. */
bool jt_transmit_epoch(struct jt_controller *c, struct jt_transmit *t, uint64_t *epoch);

/* Swap a page, after draining if need be. Return: whether @epoch is over. */
bool jt_transmit_step(struct jt_controller *c, struct jt_transmit *t, uint64_t epoch);

#endif

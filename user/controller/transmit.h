/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef JITNEY_TRANSMIT_H
#define JITNEY_TRANSMIT_H

#include "controller/controller.h"

/* Make all banks blank and begin with an epoch that no flow has written in. */
void jt_transmit_start(struct jt_controller *c);

/*
 * Drain all banks that are no longer active, as far as it goes without waiting.
 * Return: true if something is left that wants another call soon.
 */
bool jt_transmit_run(struct jt_controller *c);

/* The uplink is gone: what was handed to it will not come back by itself. */
void jt_transmit_abandon(struct jt_controller *c);

/* True if no writer has taken an extent of the active bank. */
bool jt_transmit_empty(struct jt_controller *c);

#endif

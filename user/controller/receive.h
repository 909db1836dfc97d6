/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef JITNEY_RECEIVE_H
#define JITNEY_RECEIVE_H

#include "controller/controller.h"

/* Take in what the uplink's socket holds and hand it to the guests. */
void jt_receive_run(struct jt_controller *c);

/* One frame, from its Ethernet header on. Anything may be in it. */
void jt_receive_frame(struct jt_controller *c, const uint8_t *frame, uint32_t length);

#endif

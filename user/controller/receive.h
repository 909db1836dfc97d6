/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef JITNEY_RECEIVE_H
#define JITNEY_RECEIVE_H

#include "controller/controller.h"

/* A record of the ring buffer `frames`, as libbpf hands it over. Return: 0, or -1: no more in this turn. */
int jt_receive_record(void *controller, void *data, size_t size);

/* What was taken apart since the last time goes to the guests, and helpers are told. */
void jt_receive_hand_over(struct jt_controller *c);

/* Take in what the uplink's socket of a queue holds and hand it to the guests. */
void jt_receive_run(struct jt_controller *c, unsigned int queue);

/* At the end of a turn: tell the uplink's program what it need not wait for any more. */
void jt_receive_turn(struct jt_controller *c);

/* Count what the socket had no room for. */
void jt_receive_count(struct jt_controller *c);

/* One frame, from its Ethernet header on. Anything may be in it. */
void jt_receive_frame(struct jt_controller *c, const uint8_t *frame, uint32_t length);

#endif

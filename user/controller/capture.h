/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Frames as they go through the page, streamed to `jitney capture`. */
#ifndef JITNEY_CAPTURE_H
#define JITNEY_CAPTURE_H

#include "controller/controller.h"

enum jt_capture_direction { JT_CAPTURE_SENT = 1, JT_CAPTURE_RECEIVED = 2 };

/* The client takes over @fd. Return: false if somebody captures already. */
bool jt_capture_start(struct jt_controller *c, int fd);
void jt_capture_stop(struct jt_controller *c);
/* Never waits: what the client is too slow for is counted as missed. */
void jt_capture_frame(struct jt_controller *c, int direction, const uint8_t *frame,
		      uint32_t length);

#endif

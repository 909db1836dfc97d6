/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The Unix socket that the `jitney` command talks to: docs/control-protocol.md */
#ifndef JITNEY_CONTROL_H
#define JITNEY_CONTROL_H

#include "controller/controller.h"

/* Return: 0 or negative errno, after a message. */
int jt_control_start(struct jt_controller *c);
void jt_control_stop(struct jt_controller *c);

#endif

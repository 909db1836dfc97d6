/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef JITNEY_UPLINK_H
#define JITNEY_UPLINK_H

#include "controller/controller.h"

/* It must be there. Return: 0 or negative errno, after a message. */
int jt_uplink_start(struct jt_controller *c);
/* Idempotent. */
void jt_uplink_close(struct jt_controller *c);
/* The device of its name has changed, or is gone. */
void jt_uplink_changed(struct jt_controller *c, const struct jt_netdev *dev, bool gone);
/* Have its driver look at its queues. */
void jt_uplink_poll(struct jt_controller *c);

#endif

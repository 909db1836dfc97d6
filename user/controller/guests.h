/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef JITNEY_GUESTS_H
#define JITNEY_GUESTS_H

#include "controller/controller.h"

/* Guests of the options. Return: 0 or negative errno, after a message. */
int jt_guests_start(struct jt_controller *c);
void jt_guests_stop(struct jt_controller *c);

/*
 * Add or remove at run time. @wrong: out: a sentence if it fails.
 * Return: the guest's id (add) or 0 (remove), or negative errno.
 */
int jt_guest_add(struct jt_controller *c, const struct jt_guest_spec *spec, const char **wrong);
int jt_guest_remove(struct jt_controller *c, const char *name, const char **wrong);

/*
 * jt_guest_set() - Change a guest's share
 * @changes:	KEY=VALUE[,KEY=VALUE]..., see share_values.h; what is not there stays
 *
 * Return: the guest's id, or negative errno with @wrong set; nothing has changed then.
 */
int jt_guest_set(struct jt_controller *c, const char *name, const char *changes,
		 const char **wrong);

/* Whether users other than root and our own may attach to a guest, or to any of the options'. */
bool jt_guest_open_to_users(const struct jt_guest_spec *spec);
bool jt_guests_open_to_users(const struct jt_controller *c);

/* A device came, went or changed; if it is a guest's, follow it. */
void jt_guests_device(struct jt_controller *c, const struct jt_netdev *dev, bool gone);

#endif

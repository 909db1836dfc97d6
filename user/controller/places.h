/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The map `addresses` as the controller writes it. Every change steps the
 * generation, so that no flow goes on by what held before.
 */
#ifndef JITNEY_PLACES_H
#define JITNEY_PLACES_H

#include "controller/controller.h"

/* Somebody else has changed the map, or what routes depend on. */
void jt_places_changed(struct jt_controller *c);
/* Say where an address is. Return: 0 or negative errno. */
int jt_place_set(struct jt_controller *c, const struct jt_address *a, const struct jt_place *place);
/*
 * Where a packet leads, by the rules of the vif program: by its destination MAC,
 * or else by its IP address to a peer. The index must be fresh.
 */
struct jt_place jt_place_of(struct jt_controller *c, const uint8_t *mac, struct jt_address ip);
/* Forget all addresses of a guest or peer. */
void jt_places_forget(struct jt_controller *c, enum jt_place_kind kind, uint32_t id);
/* Forget what was learned from peers and not said again in time. */
void jt_places_expire(struct jt_controller *c, uint64_t now);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Network namespaces of others: who lives in them, and a visit. */
#ifndef JITNEY_NETNS_H
#define JITNEY_NETNS_H

#include "common/netdev.h"

/* The number that this namespace gives to that one. Return: it, or -ENOENT: none. */
int jt_netns_id(int ns_fd);

/*
 * Where the other end of a veth is. Return: 0, -ENOENT: it has none, or it is in
 * this namespace; or another negative errno.
 */
int jt_netns_of(uint32_t ifindex, int *id, uint32_t *peer);

/* Read a device of another namespace. Return: 0 or negative errno. */
int jt_netns_device(int ns_fd, uint32_t ifindex, struct jt_netdev *out);

/*
 * jt_netns_enter() - Visit a namespace, with the calling thread
 *
 * Return: what jt_netns_leave() takes, or negative errno. Whoever can't leave again
 * ends: it would go on in the wrong place.
 */
int jt_netns_enter(int ns_fd);
void jt_netns_leave(int home);

#endif

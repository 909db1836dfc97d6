/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Network devices of the namespace that the program runs in, over rtnetlink. */
#ifndef JITNEY_NETDEV_H
#define JITNEY_NETDEV_H

#include <jitney/abi.h>
#include <net/if.h>

struct jt_netdev {
	char name[IFNAMSIZ];
	char kind[16]; /* "veth", "tun", ...; empty for a physical device */
	uint32_t ifindex;
	uint32_t mtu;
	uint8_t mac[6];
	bool up; /* administratively up and with a carrier */
};

/* Read a device by name. Return: 0, or negative errno (-ENODEV: no such one). */
int jt_netdev_get(const char *name, struct jt_netdev *out);

/* What its bus calls the device behind an interface, such as vif-3-0. Return: false: none. */
bool jt_netdev_bus_name(const char *interface, char *out, size_t size);

/* The speed of a device's link in Mbit/s; 0: not known. */
uint32_t jt_netdev_speed(const char *name);

/* Watches devices come, change and go. */
struct jt_netdev_watch;
typedef void (*jt_netdev_changed)(void *owner, const struct jt_netdev *dev, bool gone);

/* Return: a watch, or NULL with errno set. Its owner closes it. */
struct jt_netdev_watch *jt_netdev_watch_open(jt_netdev_changed changed, void *owner);
int jt_netdev_watch_fd(const struct jt_netdev_watch *w);
/*
 * Call when the descriptor is readable; calls `changed` for each event.
 * Return: 0, or -ENOBUFS if events were lost: ask for each device again.
 */
int jt_netdev_watch_read(struct jt_netdev_watch *w);
void jt_netdev_watch_close(struct jt_netdev_watch *w);

/*
 * The way to an IP address out of a device: MAC of the next hop and the source
 * address that the kernel would take.
 * Return: 0; -EHOSTUNREACH: no route out of this device; -EAGAIN: the next
 * hop's MAC is not known (yet).
 */
int jt_netdev_route(uint32_t ifindex, const struct jt_address *dest, struct jt_address *source,
		    uint8_t mac[6]);

/*
 * jt_netdev_behind() - The MAC address that a bridge has seen behind its port
 *
 * Return: 0 with @mac set, -ENOENT if it knows none or several, or another
 * negative errno.
 */
int jt_netdev_behind(uint32_t ifindex, uint8_t mac[6]);

/*
 * jt_netdev_xdp() - Which XDP program a device runs
 *
 * libbpf's bpf_xdp_query() has the kernel tell of every device there is.
 *
 * Return: its id; 0 if there is none, or that can't be known.
 */
uint32_t jt_netdev_xdp(uint32_t ifindex);

#endif

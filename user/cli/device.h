/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the kernel says of a network device: read only, in the namespace one is in. */
#ifndef JITNEY_DEVICE_H
#define JITNEY_DEVICE_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#define JT_DEVICE_HERE (-1) /* the peer is in this namespace */

struct jt_device {
	char name[IFNAMSIZ];
	char kind[16];	 /* "veth", "tun", "bridge", ...; empty for hardware */
	char driver[32]; /* as ethtool -i says; empty if it says nothing */
	int ifindex;
	unsigned int mtu;
	bool up;
	bool carrier;
	bool bridged;	   /* has a master */
	unsigned int queues; /* that it may send by */
	int peer;	   /* ifindex of a veth's other end, 0: none */
	int peer_nsid;	   /* the namespace of that, or JT_DEVICE_HERE */
	uint32_t xdp_id;   /* program attached, 0: none */
	bool xdp_generic;  /* ... in the generic hook */
	char xdp_name[16]; /* its name, empty if it may not be read */
};

/* Read by name, or by ifindex where @name is NULL. Return: 0 or negative errno. */
int jt_device_read(const char *name, int ifindex, struct jt_device *out);

/* ethtool. Return: the value, or negative errno where the driver has none. */
int jt_device_feature(const char *name, const char *feature);
int jt_device_rx_queues(const char *name, bool *combined);
/* Whether all that RSS spreads goes to one queue: its number, or -EXFULL. */
int jt_device_rss_queue(const char *name);
int jt_device_rx_rules(const char *name);

/* True if it has an address that is no link-local one: the host routes through it. */
bool jt_device_routed(const char *name);

/* A veth's other end, wherever it is. */
struct jt_device_peer {
	struct jt_device device;
	bool gro;
	bool vlan_offload; /* tags of what it sends are kept beside the packet */
	bool vlans;	   /* has VLAN devices */
	char prefix[96];   /* of commands that are to run where it is */
};

/* Return: 0; -ENOENT: its namespace was not found; or negative errno. */
int jt_device_peer(const struct jt_device *vif, struct jt_device_peer *out);

/* Enter the network namespace of a process. Return: 0 or negative errno. */
int jt_device_namespace(int pid);

#endif

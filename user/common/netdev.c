// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <limits.h>
#include <linux/ethtool.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>

#include "common/address.h"
#include "common/netdev.h"

struct jt_netdev_watch {
	struct nl_sock *sock;
	jt_netdev_changed changed;
	void *owner;
};

static int netlink_errno(int err)
{
	switch (-err) {
	case 0:
		return 0;
	case NLE_NODEV:
	case NLE_OBJ_NOTFOUND:
		return -ENODEV;
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_PERM:
		return -EPERM;
	}
	return -EIO;
}

static struct nl_sock *netlink_open(void)
{
	struct nl_sock *sock = nl_socket_alloc();

	if (sock && nl_connect(sock, NETLINK_ROUTE)) {
		nl_socket_free(sock);
		sock = NULL;
	}
	return sock;
}

static void netdev_fill(struct rtnl_link *link, struct jt_netdev *out)
{
	const char *name = rtnl_link_get_name(link), *kind = rtnl_link_get_type(link);
	struct nl_addr *mac = rtnl_link_get_addr(link);
	unsigned int flags = rtnl_link_get_flags(link);

	memset(out, 0, sizeof(*out));
	snprintf(out->name, sizeof(out->name), "%s", name ? name : "");
	snprintf(out->kind, sizeof(out->kind), "%s", kind ? kind : "");
	out->ifindex = (uint32_t)rtnl_link_get_ifindex(link);
	out->mtu = rtnl_link_get_mtu(link);
	out->up = flags & IFF_UP && flags & IFF_RUNNING;
	if (mac && nl_addr_get_len(mac) == sizeof(out->mac))
		memcpy(out->mac, nl_addr_get_binary_addr(mac), sizeof(out->mac));
}

int jt_netdev_get(const char *name, struct jt_netdev *out)
{
	struct nl_sock *sock = netlink_open();
	struct rtnl_link *link;
	int err;

	if (!sock)
		return -ENOMEM;
	err = rtnl_link_get_kernel(sock, 0, name, &link);
	if (!err) {
		netdev_fill(link, out);
		rtnl_link_put(link);
	}
	nl_socket_free(sock);
	return netlink_errno(err);
}

struct watch_event {
	struct jt_netdev_watch *watch;
	bool gone;
};

static void watch_object(struct nl_object *object, void *arg)
{
	struct watch_event *event = arg;
	struct jt_netdev dev;

	netdev_fill((struct rtnl_link *)object, &dev);
	event->watch->changed(event->watch->owner, &dev, event->gone);
}

static int watch_message(struct nl_msg *msg, void *arg)
{
	int type = nlmsg_hdr(msg)->nlmsg_type;
	struct watch_event event = { arg, type == RTM_DELLINK };
	struct ifinfomsg *info = nlmsg_data(nlmsg_hdr(msg));

	/* Bridges tell of their ports with AF_BRIDGE messages; those are no devices. */
	if ((type == RTM_NEWLINK || type == RTM_DELLINK) && info->ifi_family == AF_UNSPEC)
		nl_msg_parse(msg, watch_object, &event);
	return NL_OK;
}

struct jt_netdev_watch *jt_netdev_watch_open(jt_netdev_changed changed, void *owner)
{
	struct jt_netdev_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->changed = changed;
	w->owner = owner;
	w->sock = nl_socket_alloc();
	if (!w->sock)
		goto fail;
	nl_socket_disable_seq_check(w->sock);
	nl_socket_modify_cb(w->sock, NL_CB_VALID, NL_CB_CUSTOM, watch_message, w);
	if (nl_connect(w->sock, NETLINK_ROUTE) ||
	    nl_socket_add_memberships(w->sock, RTNLGRP_LINK, 0) ||
	    nl_socket_set_nonblocking(w->sock))
		goto fail;
	nl_socket_set_buffer_size(w->sock, 1 << 20, 0);
	return w;
fail:
	jt_netdev_watch_close(w);
	errno = ENOMEM;
	return NULL;
}

int jt_netdev_watch_fd(const struct jt_netdev_watch *w)
{
	return nl_socket_get_fd(w->sock);
}

int jt_netdev_watch_read(struct jt_netdev_watch *w)
{
	return nl_recvmsgs_default(w->sock) == -NLE_NOMEM ? -ENOBUFS : 0;
}

void jt_netdev_watch_close(struct jt_netdev_watch *w)
{
	if (!w)
		return;
	if (w->sock)
		nl_socket_free(w->sock);
	free(w);
}

static int neighbour_mac(struct nl_sock *sock, uint32_t ifindex, struct nl_addr *hop,
			 uint8_t mac[6])
{
	struct nl_cache *cache;
	struct rtnl_neigh *neigh;
	struct nl_addr *ll;
	int err = -EAGAIN;

	if (rtnl_neigh_alloc_cache(sock, &cache))
		return -ENOMEM;
	neigh = rtnl_neigh_get(cache, (int)ifindex, hop);
	ll = neigh ? rtnl_neigh_get_lladdr(neigh) : NULL;
	if (ll && nl_addr_get_len(ll) == 6 &&
	    !(rtnl_neigh_get_state(neigh) & (NUD_FAILED | NUD_INCOMPLETE))) {
		memcpy(mac, nl_addr_get_binary_addr(ll), 6);
		err = 0;
	}
	if (neigh)
		rtnl_neigh_put(neigh);
	nl_cache_free(cache);
	return err;
}

static int route_read(struct nl_sock *sock, struct rtnl_route *route, uint32_t ifindex,
		      struct nl_addr *dest, struct jt_address *source, uint8_t mac[6])
{
	struct rtnl_nexthop *hop = rtnl_route_nexthop_n(route, 0);
	struct nl_addr *from = rtnl_route_get_pref_src(route), *via;

	if (!hop || (uint32_t)rtnl_route_nh_get_ifindex(hop) != ifindex || !from)
		return -EHOSTUNREACH;
	*source = jt_address_make(source->family, JT_SCOPE_PEER, nl_addr_get_binary_addr(from));
	via = rtnl_route_nh_get_gateway(hop);
	return neighbour_mac(sock, ifindex, via ? via : dest, mac);
}

int jt_netdev_route(uint32_t ifindex, const struct jt_address *dest, struct jt_address *source,
		    uint8_t mac[6])
{
	int family = dest->family == JT_FAMILY_IPV4 ? AF_INET : AF_INET6;
	struct nl_sock *sock = netlink_open();
	struct nl_addr *to = nl_addr_build(family, dest->bytes, jt_address_size(dest->family));
	struct rtnl_route *route;
	int err = -ENOMEM;

	source->family = dest->family;
	if (sock && to) {
		err = -EHOSTUNREACH;
		if (!rtnl_route_lookup(sock, to, &route)) {
			err = route_read(sock, route, ifindex, to, source, mac);
			rtnl_route_put(route);
		}
	}
	if (to)
		nl_addr_put(to);
	if (sock)
		nl_socket_free(sock);
	return err;
}

struct behind {
	uint32_t ifindex;
	unsigned int count; /* of MAC addresses */
	uint8_t mac[6];
};

static int behind_message(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *header = nlmsg_hdr(msg);
	const struct ndmsg *entry = nlmsg_data(header);
	struct behind *b = arg;
	struct nlattr *mac;

	if (header->nlmsg_type != RTM_NEWNEIGH || entry->ndm_family != AF_BRIDGE ||
	    (uint32_t)entry->ndm_ifindex != b->ifindex || entry->ndm_state & NUD_PERMANENT)
		return NL_OK;
	mac = nlmsg_find_attr(header, sizeof(*entry), NDA_LLADDR);
	if (!mac || nla_len(mac) != sizeof(b->mac))
		return NL_OK;
	/* The same one may be there once for each VLAN. */
	if (!b->count || memcmp(b->mac, nla_data(mac), sizeof(b->mac)))
		b->count++;
	memcpy(b->mac, nla_data(mac), sizeof(b->mac));
	return NL_OK;
}

int jt_netdev_behind(uint32_t ifindex, uint8_t mac[6])
{
	struct ndmsg all = { .ndm_family = AF_BRIDGE };
	struct nl_sock *sock = netlink_open();
	struct behind b = { .ifindex = ifindex };
	int err;

	if (!sock)
		return -ENOMEM;
	nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, behind_message, &b);
	err = nl_send_simple(sock, RTM_GETNEIGH, NLM_F_DUMP, &all, sizeof(all));
	if (err >= 0)
		err = nl_recvmsgs_default(sock);
	nl_socket_free(sock);
	if (err < 0)
		return netlink_errno(err);
	if (b.count != 1)
		return -ENOENT;
	memcpy(mac, b.mac, sizeof(b.mac));
	return 0;
}

static int xdp_message(struct nl_msg *msg, void *arg)
{
	struct nlattr *xdp, *id = NULL;

	xdp = nlmsg_find_attr(nlmsg_hdr(msg), sizeof(struct ifinfomsg), IFLA_XDP);
	if (xdp)
		id = nla_find(nla_data(xdp), nla_len(xdp), IFLA_XDP_PROG_ID);
	if (id)
		*(uint32_t *)arg = nla_get_u32(id);
	return NL_OK;
}

uint32_t jt_netdev_xdp(uint32_t ifindex)
{
	struct ifinfomsg one = { .ifi_index = (int)ifindex };
	struct nl_sock *sock = netlink_open();
	uint32_t id = 0;

	if (!sock)
		return 0;
	nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, xdp_message, &id);
	if (nl_send_simple(sock, RTM_GETLINK, 0, &one, sizeof(one)) >= 0)
		nl_recvmsgs_default(sock);
	nl_socket_free(sock);
	return id;
}

bool jt_netdev_bus_name(const char *interface, char *out, size_t size)
{
	char path[64], target[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/class/net/%s/device", interface);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	return snprintf(out, size, "%s", basename(target)) < (int)size;
}

uint32_t jt_netdev_speed(const char *name)
{
	struct ethtool_cmd ask = { .cmd = ETHTOOL_GSET };
	struct ifreq device = { .ifr_data = (char *)&ask };
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;
	uint32_t speed;

	if (sock < 0)
		return 0;
	snprintf(device.ifr_name, sizeof(device.ifr_name), "%s", name);
	err = ioctl(sock, SIOCETHTOOL, &device);
	close(sock);
	speed = ethtool_cmd_speed(&ask);
	return err || speed == (uint32_t)SPEED_UNKNOWN ? 0 : speed;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_link.h>
#include <netinet/in.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <string.h>
#include <unistd.h>

#include "device.h"
#include "ethtool.h"

static void xdp_name(struct jt_device *d)
{
	struct bpf_prog_info info = { 0 };
	__u32 size = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(d->xdp_id);

	if (fd < 0)
		return;
	if (!bpf_obj_get_info_by_fd(fd, &info, &size))
		memcpy(d->xdp_name, info.name, sizeof(d->xdp_name));
	close(fd);
}

static void xdp_read(struct jt_device *d)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, found);

	if (bpf_xdp_query(d->ifindex, 0, &found))
		return;
	d->xdp_generic = !found.drv_prog_id && found.skb_prog_id;
	d->xdp_id = found.drv_prog_id ? found.drv_prog_id : found.skb_prog_id;
	if (!d->xdp_id)
		d->xdp_id = found.prog_id;
	if (d->xdp_id)
		xdp_name(d);
}

static void copy_text(char *to, size_t size, const char *from)
{
	*to = '\0';
	strncat(to, from ? from : "", size - 1);
}

static void device_fill(struct rtnl_link *link, struct jt_device *out)
{
	int32_t nsid = JT_DEVICE_HERE;

	memset(out, 0, sizeof(*out));
	copy_text(out->name, sizeof(out->name), rtnl_link_get_name(link));
	copy_text(out->kind, sizeof(out->kind), rtnl_link_get_type(link));
	out->ifindex = rtnl_link_get_ifindex(link);
	out->mtu = rtnl_link_get_mtu(link);
	out->up = rtnl_link_get_flags(link) & IFF_UP;
	out->carrier = rtnl_link_get_flags(link) & IFF_RUNNING;
	out->queues = rtnl_link_get_num_tx_queues(link);
	out->bridged = rtnl_link_get_master(link);
	if (!strcmp(out->kind, "veth"))
		out->peer = rtnl_link_get_link(link);
	rtnl_link_get_link_netnsid(link, &nsid);
	out->peer_nsid = nsid;
}

int jt_device_read(const char *name, int ifindex, struct jt_device *out)
{
	struct nl_sock *sock = nl_socket_alloc();
	struct rtnl_link *link;
	int err = -ENOMEM;

	if (!sock)
		return err;
	if (!nl_connect(sock, NETLINK_ROUTE))
		err = rtnl_link_get_kernel(sock, ifindex, name, &link) ? -ENODEV : 0;
	nl_socket_free(sock);
	if (err)
		return err;
	device_fill(link, out);
	rtnl_link_put(link);
	jt_ethtool_driver(out->name, out->driver, sizeof(out->driver));
	xdp_read(out);
	return 0;
}

static bool address_is_global(const struct sockaddr *a)
{
	if (!a)
		return false;
	if (a->sa_family == AF_INET)
		return true;
	return a->sa_family == AF_INET6 &&
	       !IN6_IS_ADDR_LINKLOCAL(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
}

bool jt_device_routed(const char *name)
{
	struct ifaddrs *all, *i;
	bool found = false;

	if (getifaddrs(&all))
		return false;
	for (i = all; i && !found; i = i->ifa_next)
		found = !strcmp(i->ifa_name, name) && address_is_global(i->ifa_addr);
	freeifaddrs(all);
	return found;
}

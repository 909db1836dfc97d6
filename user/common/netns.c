// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>

#include "common/log.h"
#include "common/netns.h"

static int read_id(struct nl_msg *msg, void *arg)
{
	struct nlattr *attr = nlmsg_find_attr(nlmsg_hdr(msg), sizeof(struct rtgenmsg), NETNSA_NSID);

	if (attr)
		*(int *)arg = nla_get_s32(attr);
	return NL_OK;
}

int jt_netns_id(int ns_fd)
{
	struct rtgenmsg head = { .rtgen_family = AF_UNSPEC };
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETNSID, NLM_F_ACK);
	struct nl_sock *sock = nl_socket_alloc();
	int id = NETNSA_NSID_NOT_ASSIGNED;

	if (!msg || !sock || nl_connect(sock, NETLINK_ROUTE))
		goto out;
	nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, read_id, &id);
	if (!nlmsg_append(msg, &head, sizeof(head), NLMSG_ALIGNTO) &&
	    !nla_put_u32(msg, NETNSA_FD, (uint32_t)ns_fd) && nl_send_auto(sock, msg) >= 0)
		nl_wait_for_ack(sock);
out:
	if (msg)
		nlmsg_free(msg);
	nl_socket_free(sock);
	return id < 0 ? -ENOENT : id;
}

static int link_by_index(uint32_t ifindex, struct rtnl_link **link)
{
	struct nl_sock *sock;
	int err = -ENOMEM;

	if (!ifindex) /* of a guest whose interface is gone; libnl would abort */
		return -ENODEV;
	sock = nl_socket_alloc();
	if (sock && !nl_connect(sock, NETLINK_ROUTE))
		err = rtnl_link_get_kernel(sock, (int)ifindex, NULL, link) ? -ENODEV : 0;
	nl_socket_free(sock);
	return err;
}

int jt_netns_of(uint32_t ifindex, int *id, uint32_t *peer)
{
	struct rtnl_link *link;
	int err = link_by_index(ifindex, &link);

	if (err)
		return err;
	*peer = (uint32_t)rtnl_link_get_link(link);
	if (rtnl_link_get_link_netnsid(link, id) || *id < 0 || !*peer)
		err = -ENOENT;
	rtnl_link_put(link);
	return err;
}

int jt_netns_device(int ns_fd, uint32_t ifindex, struct jt_netdev *out)
{
	char name[IFNAMSIZ];
	int home = jt_netns_enter(ns_fd), err;

	if (home < 0)
		return home;
	err = if_indextoname(ifindex, name) ? jt_netdev_get(name, out) : -ENODEV;
	jt_netns_leave(home);
	return err;
}

int jt_netns_enter(int ns_fd)
{
	int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), err;

	if (home < 0)
		return -errno;
	if (!setns(ns_fd, CLONE_NEWNET))
		return home;
	err = -errno;
	close(home);
	return err;
}

void jt_netns_leave(int home)
{
	if (setns(home, CLONE_NEWNET)) {
		jt_log("failed to come back from another namespace: %s", strerror(errno));
		abort();
	}
	close(home);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Where the kernel would send a packet: RTM_GETROUTE and RTM_GETNEIGH, which
 * need no rights. By hand: the library links with nothing but libc.
 */
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest.h"

/* States in which a neighbour's address may be used. */
#define USABLE (NUD_PERMANENT | NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE)

struct request {
	struct nlmsghdr head;
	union {
		struct rtmsg route;
		struct ndmsg neighbour;
	} body;
	uint8_t attributes[64];
};

union answer {
	struct nlmsghdr head;
	uint8_t bytes[2048];
};

int jt_netlink_open(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	return fd < 0 ? -errno : fd;
}

static void attribute_add(struct request *r, uint16_t type, const void *data, uint16_t size)
{
	struct rtattr a = { .rta_len = (uint16_t)RTA_LENGTH(size), .rta_type = type };
	uint8_t *at = (uint8_t *)r + NLMSG_ALIGN(r->head.nlmsg_len);

	memcpy(at, &a, sizeof(a));
	memcpy(at + RTA_LENGTH(0), data, size);
	r->head.nlmsg_len = NLMSG_ALIGN(r->head.nlmsg_len) + RTA_LENGTH(size);
}

/* Return: the answer's length, or a negative errno, the kernel's perhaps. */
static ssize_t ask(int fd, struct request *r, union answer *a)
{
	static uint32_t sequence;
	struct nlmsgerr error;
	ssize_t n;

	r->head.nlmsg_flags = NLM_F_REQUEST;
	r->head.nlmsg_seq = __atomic_add_fetch(&sequence, 1, __ATOMIC_RELAXED);
	if (send(fd, r, r->head.nlmsg_len, 0) < 0)
		return -errno;
	do /* what is left of a question that a signal cut off */
		n = recv(fd, a, sizeof(*a), 0);
	while ((n < 0 && errno == EINTR) ||
	       (n >= (ssize_t)sizeof(a->head) && a->head.nlmsg_seq != r->head.nlmsg_seq));
	if (n < 0)
		return -errno;
	if (!NLMSG_OK(&a->head, (size_t)n))
		return -EIO;
	if (a->head.nlmsg_type != NLMSG_ERROR)
		return n;
	memcpy(&error, NLMSG_DATA(&a->head), sizeof(error));
	return error.error ? error.error : -EIO;
}

/* Return: the attribute's data, NULL if there is none of that size. */
static const void *attribute(const union answer *a, size_t body, uint16_t type, size_t size)
{
	const struct rtattr *at =
		(const struct rtattr *)(a->bytes + NLMSG_HDRLEN + NLMSG_ALIGN(body));
	size_t left = a->head.nlmsg_len - NLMSG_SPACE(body);

	for (; RTA_OK(at, left); at = RTA_NEXT(at, left))
		if (at->rta_type == type && RTA_PAYLOAD(at) == size)
			return RTA_DATA(at);
	return NULL;
}

static int neighbour_find(int fd, int family, const void *address, struct jt_hop *out)
{
	size_t size = family == AF_INET ? 4 : 16;
	struct request r = { .head = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct ndmsg)),
				       .nlmsg_type = RTM_GETNEIGH },
			     .body.neighbour = { .ndm_family = (uint8_t)family,
						 .ndm_ifindex = (int)out->ifindex } };
	const struct ndmsg *found;
	const void *mac;
	union answer a = { .bytes = { 0 } };
	ssize_t n;

	attribute_add(&r, NDA_DST, address, (uint16_t)size);
	n = ask(fd, &r, &a);
	if (n < 0)
		return -EAGAIN;
	found = NLMSG_DATA(&a.head);
	mac = attribute(&a, sizeof(*found), NDA_LLADDR, 6);
	if (!mac || !(found->ndm_state & USABLE))
		return -EAGAIN;
	memcpy(out->mac, mac, 6);
	return 0;
}

/*
 * jt_hop_find() - The way to an IP address
 * @scope:	interface of a link-local address, else 0
 * @out:	ifindex and source are set, too, where the result is -EAGAIN
 *
 * Return: 0; -EAGAIN: the next hop's MAC is not known (yet); -EHOSTUNREACH: no
 * route to an address of one other machine; another negative errno.
 */
int jt_hop_find(int fd, int family, const void *dest, uint32_t scope, struct jt_hop *out)
{
	size_t size = family == AF_INET ? 4 : 16;
	struct request r = { .head = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg)),
				       .nlmsg_type = RTM_GETROUTE },
			     .body.route = { .rtm_family = (uint8_t)family,
					     .rtm_dst_len = (uint8_t)(size * 8) } };
	const void *source, *gateway, *ifindex;
	union answer a = { .bytes = { 0 } };
	ssize_t n;

	attribute_add(&r, RTA_DST, dest, (uint16_t)size);
	if (scope)
		attribute_add(&r, RTA_OIF, &scope, sizeof(scope));
	n = ask(fd, &r, &a);
	if (n < 0)
		return (int)n;
	ifindex = attribute(&a, sizeof(struct rtmsg), RTA_OIF, 4);
	source = attribute(&a, sizeof(struct rtmsg), RTA_PREFSRC, size);
	gateway = attribute(&a, sizeof(struct rtmsg), RTA_GATEWAY, size);
	if (((const struct rtmsg *)NLMSG_DATA(&a.head))->rtm_type != RTN_UNICAST || !ifindex ||
	    !source)
		return -EHOSTUNREACH;
	memset(out, 0, sizeof(*out));
	memcpy(&out->ifindex, ifindex, 4);
	memcpy(out->source, source, size);
	return neighbour_find(fd, family, gateway ? gateway : dest, out);
}

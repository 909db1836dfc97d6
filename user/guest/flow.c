// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Flows: the template that all messages of one share, and where it leads.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "guest.h"
#include <jitney/parse.h>

static int family_of(const struct jitney_flow *flow)
{
	return flow->to.sin6_family;
}

static const void *address_of(const struct jitney_flow *flow)
{
	const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)&flow->to;

	return family_of(flow) == AF_INET ? (const void *)&ipv4->sin_addr :
					    (const void *)&flow->to.sin6_addr;
}

/* Copy a destination; one of IPv4 in IPv6 becomes what it is. */
static int address_copy(struct jitney_flow *flow, const struct sockaddr *to, socklen_t length)
{
	struct sockaddr_in *ipv4 = (struct sockaddr_in *)&flow->to;

	if (!to || length < sizeof(struct sockaddr_in))
		return -EINVAL;
	flow->to_length = sizeof(*ipv4);
	if (to->sa_family == AF_INET) {
		memcpy(&flow->to, to, sizeof(*ipv4));
		return ipv4->sin_port ? 0 : -EINVAL;
	}
	if (to->sa_family != AF_INET6 || length < sizeof(flow->to))
		return -EINVAL;
	memcpy(&flow->to, to, sizeof(flow->to));
	if (!flow->to.sin6_port)
		return -EINVAL;
	if (IN6_IS_ADDR_V4MAPPED(&flow->to.sin6_addr)) {
		struct sockaddr_in plain = { .sin_family = AF_INET,
					     .sin_port = flow->to.sin6_port };

		memcpy(&plain.sin_addr, &flow->to.sin6_addr.s6_addr[12], 4);
		memset(&flow->to, 0, sizeof(flow->to));
		memcpy(&flow->to, &plain, sizeof(plain));
		return 0;
	}
	flow->to.sin6_flowinfo = 0;
	flow->to_length = sizeof(flow->to);
	return 0;
}

static int setting(int fd, int level, int name)
{
	socklen_t size = sizeof(int);
	int value = -1;

	return getsockopt(fd, level, name, &value, &size) ? -1 : value;
}

/* TTL and DF as the kernel's sockets have them for this destination. */
static int defaults_ask(struct jitney_flow *flow)
{
	struct jt_template *t = &flow->template;
	int fd = socket(family_of(flow), SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0, discover;

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&flow->to, flow->to_length) && errno != EACCES)
		err = -errno; /* EACCES: a broadcast address, which is no error before sending */
	if (family_of(flow) == AF_INET) {
		t->kind = JT_TEMPLATE_UDP4;
		t->ttl = (uint8_t)setting(fd, IPPROTO_IP, IP_TTL);
		discover = setting(fd, IPPROTO_IP, IP_MTU_DISCOVER);
		if (discover >= IP_PMTUDISC_WANT && discover <= IP_PMTUDISC_PROBE)
			t->flags |= JT_TEMPLATE_DF;
	} else {
		t->kind = JT_TEMPLATE_UDP6;
		t->ttl = (uint8_t)setting(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS);
	}
	close(fd);
	return err;
}

static void control_add(struct jitney_flow *flow, int level, int type, int value)
{
	struct cmsghdr *c = (struct cmsghdr *)((char *)flow->control + flow->control_length);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(sizeof(value));
	memcpy(CMSG_DATA(c), &value, sizeof(value));
	flow->control_length += CMSG_SPACE(sizeof(value));
}

/* What goes along with each sendmsg(); -1: the system's default. */
void jt_flow_control(struct jitney_flow *flow, int tos, int ttl)
{
	bool ipv4 = family_of(flow) == AF_INET;

	if (tos >= 0)
		control_add(flow, ipv4 ? IPPROTO_IP : IPPROTO_IPV6, ipv4 ? IP_TOS : IPV6_TCLASS,
			    tos);
	if (ttl >= 0)
		control_add(flow, ipv4 ? IPPROTO_IP : IPPROTO_IPV6, ipv4 ? IP_TTL : IPV6_HOPLIMIT,
			    ttl);
}

static int options_take(struct jitney_flow *flow, const struct jitney_flow_options *o)
{
	struct jt_template *t = &flow->template;
	uint16_t tci;

	flow->vlan = -1;
	if (!o)
		return 0;
	if (o->size < sizeof(*o) || o->tos < -1 || o->tos > 255 || o->ttl < -1 || !o->ttl ||
	    o->ttl > 255 || o->vlan < -1 || o->vlan > 0xffff || (o->mac && o->mac[0] & 1))
		return -EINVAL;
	jt_flow_control(flow, o->tos, o->ttl);
	if (o->tos >= 0)
		t->tos = (uint8_t)o->tos;
	if (o->ttl >= 0)
		t->ttl = (uint8_t)o->ttl;
	if (o->vlan >= 0) {
		flow->vlan = o->vlan;
		tci = jt_htons((uint16_t)o->vlan);
		t->flags |= JT_TEMPLATE_VLAN;
		memcpy(&t->vlan, &tci, sizeof(tci));
	}
	if (o->mac) {
		flow->mac_given = true;
		memcpy(flow->mac, o->mac, sizeof(flow->mac));
	}
	return 0;
}

/* Fill in what depends on the route. The sum is over addresses, protocol and ports. */
void jt_template_make(struct jitney_flow *flow, const struct jt_hop *hop, const uint8_t mac[6])
{
	struct jt_template *t = &flow->template;

	memcpy(t->dest_mac, flow->mac_given ? flow->mac : hop->mac, 6);
	memcpy(t->source_mac, mac, 6);
	t->u.udp4.source_port = jt_htons(flow->port->number);
	t->u.udp4.dest_port = flow->to.sin6_port;
	if (t->kind == JT_TEMPLATE_UDP4) {
		memcpy(&t->u.udp4.source, hop->source, 4);
		memcpy(&t->u.udp4.dest, address_of(flow), 4);
		flow->sum = (uint64_t)t->u.udp4.source + t->u.udp4.dest;
	} else {
		memcpy(t->u.udp6.source, hop->source, 16);
		memcpy(t->u.udp6.dest, address_of(flow), 16);
		flow->sum = jt_sum_ipv6(&t->u.words[2], &t->u.words[6]);
	}
	flow->sum += t->u.udp4.source_port + t->u.udp4.dest_port + jt_htons(JT_IPPROTO_UDP);
	flow->template_size = jt_template_size(t->kind, t->flags);
}

/* Look up route and next hop, and have the template say so. */
static void route_look(struct jitney_flow *flow, uint64_t now)
{
	struct jitney *j = flow->j;
	struct jt_template before = flow->template;
	/* Bytes: what a kind does not use is zero. */
	const void *then = &before, *is = &flow->template;
	struct jt_hop hop;
	int err = jt_hop_find(j->netlink, family_of(flow), address_of(flow),
			      family_of(flow) == AF_INET6 ? flow->to.sin6_scope_id : 0, &hop);

	if (err == -EAGAIN && flow->mac_given)
		err = 0;
	flow->look_ns = now + (err == -EAGAIN ? JT_ASK_AGAIN_NS : JT_LOOK_NS);
	flow->known = !err && hop.ifindex == j->ifindex && !(hop.mac[0] & 1);
	if (!flow->known)
		return;
	jt_template_make(flow, &hop, j->mac);
	if (!memcmp(then, is, sizeof(before)))
		return;
	jt_template_forget(flow);
	flow->asked = false;
}

static void place_ask(struct jitney_flow *flow)
{
	struct jt_attach_message m = { 0 };
	bool ipv4 = family_of(flow) == AF_INET;

	memcpy(m.u.route.dest_mac, flow->template.dest_mac, 6);
	memcpy(m.u.route.dest, address_of(flow), ipv4 ? 4 : 16);
	m.u.route.family = ipv4 ? JT_FAMILY_IPV4 : JT_FAMILY_IPV6;
	flow->kind = JT_PLACE_NONE;
	flow->asked = true;
	flow->generation = JT_READ(flow->j->notice->generation);
	if (jt_attach_ask(flow->j, JT_ATTACH_ROUTE, &m))
		return;
	flow->generation = m.u.route.generation;
	if (m.u.route.id < JT_PEERS_MAX) {
		flow->kind = m.u.route.kind;
		flow->id = m.u.route.id;
	}
}

/* The flow ends, or gets another template: its number is free. */
void jt_template_forget(struct jitney_flow *flow)
{
	if (flow->number >= 0)
		flow->j->numbers[flow->number].flow = NULL;
	flow->number = -1;
	flow->frame = 0;
}

/* Find out anew what is not known, or may have changed. */
void jt_flow_resolve(struct jitney_flow *flow, uint64_t now)
{
	if (now >= flow->look_ns)
		route_look(flow, now);
	if (flow->known &&
	    (!flow->asked || flow->generation != JT_READ(flow->j->notice->generation)))
		place_ask(flow);
}

static int flow_init(struct jitney_flow *flow, uint16_t port, const struct sockaddr *to,
		     socklen_t length, const struct jitney_flow_options *options)
{
	int err = address_copy(flow, to, length);

	if (!err)
		err = defaults_ask(flow);
	if (!err)
		err = options_take(flow, options);
	if (!err)
		err = jitney_bind(flow->j, port);
	if (err < 0)
		return err;
	flow->port = jt_port_find(flow->j, (uint16_t)err);
	flow->port->automatic |= !port;
	flow->port->flows++;
	return 0;
}

int jitney_connect(struct jitney *j, uint16_t port, const struct sockaddr *to, socklen_t length,
		   const struct jitney_flow_options *options, struct jitney_flow **out)
{
	struct jitney_flow *flow = calloc(1, sizeof(*flow));
	int err;

	if (!flow)
		return -ENOMEM;
	flow->j = j;
	flow->number = -1;
	err = flow_init(flow, port, to, length, options);
	if (err) {
		free(flow);
		return err;
	}
	flow->next = j->flows;
	j->flows = flow;
	*out = flow;
	return 0;
}

void jitney_disconnect(struct jitney_flow *flow)
{
	struct jitney_flow **at;
	struct jt_port *port;

	if (!flow)
		return;
	for (at = &flow->j->flows; *at != flow; at = &(*at)->next)
		;
	*at = flow->next;
	jt_template_forget(flow);
	port = flow->port;
	if (!--port->flows && port->automatic)
		jt_port_release(flow->j, port);
	free(flow->map);
	free(flow);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * guest: what comes in at a guest's own interface and is for its helper. Frames
 * of Jitney, and datagrams to ports that the helper has taken, go to its AF_XDP
 * socket; all else passes to the guest's kernel.
 *
 * An object of its own: it is loaded inside the guest and shares no map.
 */
#include <jitney/parse.h>

/* Set between open and load. */
const volatile __u16 jt_ethertype = bpf_htons(JT_ETHERTYPE_DEFAULT); /* be */

/* Bit `port % 64` of entry `port / 64`: datagrams to it are the helper's. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 65536 / 64);
	__type(key, __u32);
	__type(value, __u64);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, JT_QUEUES_MAX);
	__type(key, __u32);
	__type(value, __u32);
} socket SEC(".maps");

JT_INLINE bool jt_port_taken(struct jt_cursor *c)
{
	const struct jt_udp *udp = jt_take(c, sizeof(*udp));
	__u32 port, word;
	__u64 *bits;

	if (!udp)
		return false;
	port = jt_ntohs(udp->dest);
	word = port / 64;
	bits = bpf_map_lookup_elem(&ports, &word);
	return bits && JT_READ(*bits) >> (port % 64) & 1;
}

JT_INLINE bool jt_datagram_taken(struct jt_cursor *c, __u16 type)
{
	const struct jt_ipv4 *ip4;
	const struct jt_ipv6 *ip6;

	if (type == jt_htons(JT_ETH_IPV4)) {
		ip4 = jt_take(c, sizeof(*ip4));
		return ip4 && ip4->version_ihl == 0x45 && ip4->protocol == JT_IPPROTO_UDP &&
		       !(ip4->frag & jt_htons(JT_IPV4_FRAGMENT)) && jt_port_taken(c);
	}
	if (type != jt_htons(JT_ETH_IPV6))
		return false;
	ip6 = jt_take(c, sizeof(*ip6));
	return ip6 && jt_ntohl(ip6->version_class_label) >> 28 == 6 &&
	       ip6->next == JT_IPPROTO_UDP && jt_port_taken(c);
}

/* Is this for the helper? */
JT_INLINE bool jt_helpers(struct jt_cursor *c)
{
	const struct jt_eth *eth = jt_take(c, sizeof(*eth));
	const struct jt_frame_header *h;
	const struct jt_vlan *tag;
	__u16 type;

	if (!eth)
		return false;
	type = eth->type;
	if (type == jt_ethertype) {
		h = jt_take(c, sizeof(*h));
		return h && h->version_type == (JT_WIRE_VERSION << 4 | JT_FRAME_DATA);
	}
	if (type == jt_htons(JT_ETH_VLAN)) {
		tag = jt_take(c, sizeof(*tag));
		if (!tag)
			return false;
		type = tag->type;
	}
	return jt_datagram_taken(c, type);
}

SEC("xdp")
int jitney_guest(struct xdp_md *ctx)
{
	struct jt_cursor c = {
		.pos = (const __u8 *)(long)ctx->data,
		.end = (const __u8 *)(long)ctx->data_end,
	};

	return jt_helpers(&c) ? bpf_redirect_map(&socket, ctx->rx_queue_index, XDP_PASS) : XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";

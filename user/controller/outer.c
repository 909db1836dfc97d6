// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "controller/outer.h"

#define TTL 64

uint32_t jt_outer_head(uint16_t family)
{
	uint32_t outer = sizeof(struct jt_eth);

	if (family == JT_FAMILY_IPV4)
		outer += sizeof(struct jt_ipv4) + sizeof(struct jt_udp);
	if (family == JT_FAMILY_IPV6)
		outer += sizeof(struct jt_ipv6) + sizeof(struct jt_udp);
	return JT_FRAME_START + outer + sizeof(struct jt_frame_header);
}

static uint64_t sum_bytes(const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	uint64_t sum = 0;
	uint32_t word;
	uint16_t half;

	for (; n >= sizeof(word); p += sizeof(word), n -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		sum += word;
	}
	if (n >= sizeof(half)) {
		memcpy(&half, p, sizeof(half));
		sum += half;
		p += sizeof(half);
		n -= sizeof(half);
	}
	return n ? sum + jt_htons((uint16_t)(*p << 8)) : sum;
}

static void write_ipv4(const struct jt_controller *c, const struct jt_peer_state *p, uint8_t *at,
		       uint32_t length)
{
	struct jt_ipv4 ip = { .version_ihl = 0x45,
			      .length = htons((uint16_t)length),
			      .frag = htons(JT_IPV4_DF),
			      .ttl = TTL,
			      .protocol = JT_IPPROTO_UDP };
	struct jt_udp udp = { .source = c->datapath.page.control->udp_port,
			      .dest = c->datapath.page.control->udp_port,
			      .length = htons((uint16_t)(length - sizeof(ip))) };

	memcpy(&ip.source, p->source.bytes, 4);
	memcpy(&ip.dest, p->address.bytes, 4);
	ip.check = (uint16_t)~jt_sum_fold(sum_bytes(&ip, sizeof(ip)));
	memcpy(at, &ip, sizeof(ip));
	memcpy(at + sizeof(ip), &udp, sizeof(udp));
}

/* RFC 8200, section 8.1: over IPv6 the UDP checksum is not optional. */
static void write_ipv6(const struct jt_controller *c, const struct jt_peer_state *p, uint8_t *at,
		       uint32_t length)
{
	uint32_t payload = length - (uint32_t)sizeof(struct jt_ipv6);
	struct jt_ipv6 ip = { .version_class_label = htonl(6U << 28),
			      .length = htons((uint16_t)payload),
			      .next = JT_IPPROTO_UDP,
			      .hops = TTL };
	struct jt_udp udp = { .source = c->datapath.page.control->udp_port,
			      .dest = c->datapath.page.control->udp_port,
			      .length = htons((uint16_t)payload) };
	uint64_t sum;

	memcpy(ip.source, p->source.bytes, 16);
	memcpy(ip.dest, p->address.bytes, 16);
	memcpy(at, &ip, sizeof(ip));
	memcpy(at + sizeof(ip), &udp, sizeof(udp));
	sum = sum_bytes(ip.source, 32) + htonl(payload) + htonl(JT_IPPROTO_UDP) +
	      sum_bytes(at + sizeof(ip), payload);
	udp.check = (uint16_t)~jt_sum_fold(sum);
	if (!udp.check)
		udp.check = 0xffff;
	memcpy(at + sizeof(ip), &udp, sizeof(udp));
}

void jt_outer_write(struct jt_controller *c, uint32_t peer, int type, uint8_t *at, uint32_t end)
{
	const struct jt_peer_state *p = &c->peers[peer];
	uint16_t family = p->address.family;
	uint8_t *start = at + JT_FRAME_START, *network = start + sizeof(struct jt_eth);
	uint32_t head = jt_outer_head(family);
	struct jt_frame_header h = {
		.version_type = (uint8_t)(JT_WIRE_VERSION << 4 | type),
		.length = htons((uint16_t)(end - head)),
		.sequence = htonl(type == JT_FRAME_DATA ? p->sequence : p->hello_number),
		.guest = htons(JT_GUEST_MANY),
		.session = htons(c->session),
	};
	struct jt_eth eth = { .type = family == JT_FAMILY_IPV4 ?
					      htons(JT_ETH_IPV4) :
				      family == JT_FAMILY_IPV6 ?
					      htons(JT_ETH_IPV6) :
					      c->datapath.page.control->ethertype };
	uint32_t length = end - JT_FRAME_START - (uint32_t)sizeof(eth);

	memcpy(eth.dest, c->datapath.peers[peer].mac, 6);
	memcpy(eth.source, c->uplink.mac, 6);
	memcpy(start, &eth, sizeof(eth));
	memcpy(at + head - sizeof(h), &h, sizeof(h));
	if (family == JT_FAMILY_IPV4)
		write_ipv4(c, p, network, length);
	else if (family == JT_FAMILY_IPV6)
		write_ipv6(c, p, network, length);
}

static const uint8_t *take_header(struct jt_cursor *at, struct jt_frame_header *out)
{
	const void *header = jt_take(at, sizeof(*out));

	if (!header)
		return NULL;
	memcpy(out, header, sizeof(*out));
	return (const uint8_t *)header + sizeof(*out);
}

const uint8_t *jt_outer_read(const struct jt_controller *c, const uint8_t *frame, uint32_t length,
			     struct jt_address *from, struct jt_frame_header *header)
{
	struct jt_cursor at = { .pos = frame, .end = frame + length };
	const struct jt_eth *eth = jt_take(&at, sizeof(*eth));
	const struct jt_ipv4 *ip4;
	const struct jt_ipv6 *ip6;

	if (!eth)
		return NULL;
	if (eth->type == c->datapath.page.control->ethertype) {
		*from = jt_address_make(JT_FAMILY_MAC, JT_SCOPE_PEER, eth->source);
		return take_header(&at, header);
	}
	if (eth->type == htons(JT_ETH_IPV4)) {
		ip4 = jt_take(&at, sizeof(*ip4));
		if (!ip4)
			return NULL;
		*from = jt_address_make(JT_FAMILY_IPV4, JT_SCOPE_PEER, &ip4->source);
	} else {
		ip6 = jt_take(&at, sizeof(*ip6));
		if (!ip6)
			return NULL;
		*from = jt_address_make(JT_FAMILY_IPV6, JT_SCOPE_PEER, ip6->source);
	}
	if (!jt_take(&at, sizeof(struct jt_udp)))
		return NULL;
	return take_header(&at, header);
}

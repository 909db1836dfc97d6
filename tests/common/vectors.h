/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The packets that host build and BPF build are both shown, and what
 * jt_parse() must say of each.
 */
#ifndef TESTS_VECTORS_H
#define TESTS_VECTORS_H

#include <jitney/reason.h>
#include "packet.h"

struct vector {
	const char *name;
	struct packet_spec spec;
	struct {
		__u16 at;
		__u8 value;
	} patches[4];
	__u8 patched; /* patches used */
	__u16 cut;    /* bytes missing at the end */
	int reason;
};

/* Vectors that are carried come first: they round-trip. */
static const struct vector vectors[] TEST_UNUSED = {
	{ .name = "udp4", .spec = { .family = 4, .length = 64, .id = 0x1234 } },
	{ .name = "udp4, DF, TOS, TTL",
	  .spec = { .family = 4, .length = 33, .frag = 0x4000, .tos = 0xb8, .ttl = 1 } },
	{ .name = "udp4, VLAN",
	  .spec = { .family = 4, .length = 18, .vlan = true, .tci = 0xe00a } },
	{ .name = "udp4, VLAN, DF",
	  .spec = { .family = 4, .length = 7, .vlan = true, .tci = 0, .frag = 0x4000 } },
	{ .name = "udp4, no checksum",
	  .spec = { .family = 4, .length = 20, .check = CHECK_NONE } },
	{ .name = "udp4, partial checksum",
	  .spec = { .family = 4, .length = 31, .check = CHECK_PARTIAL } },
	{ .name = "udp4, no payload", .spec = { .family = 4, .length = 0 } },
	{ .name = "udp4, no payload, partial",
	  .spec = { .family = 4, .length = 0, .check = CHECK_PARTIAL } },
	{ .name = "udp4, 1 byte", .spec = { .family = 4, .length = 1, .trailer = 17 } },
	{ .name = "udp4, 2 bytes",
	  .spec = { .family = 4, .length = 2, .trailer = 16, .check = CHECK_PARTIAL } },
	{ .name = "udp4, 3 bytes",
	  .spec = { .family = 4, .length = 3, .check = CHECK_PARTIAL } },
	{ .name = "udp4, 512 bytes",
	  .spec = { .family = 4, .length = 512, .check = CHECK_PARTIAL } },
	{ .name = "udp4, 1,001 bytes", /* more than one sum can take in BPF */
	  .spec = { .family = 4, .length = 1001, .check = CHECK_PARTIAL } },
	{ .name = "udp4, ports 0 and 65535",
	  .spec = { .family = 4, .length = 5, .source_port = 65535, .dest_port = 53 } },
	{ .name = "udp6", .spec = { .family = 6, .length = 64 } },
	{ .name = "udp6, label, class",
	  .spec = { .family = 6, .length = 40, .flow_label = 0xabcde, .tos = 0x2e, .ttl = 255 } },
	{ .name = "udp6, VLAN",
	  .spec = { .family = 6, .length = 9, .vlan = true, .tci = 0x0fff } },
	{ .name = "udp6, VLAN, partial",
	  .spec = { .family = 6, .length = 10, .vlan = true, .check = CHECK_PARTIAL } },
	{ .name = "udp6, partial checksum",
	  .spec = { .family = 6, .length = 301, .check = CHECK_PARTIAL } },
	{ .name = "udp6, no payload", .spec = { .family = 6, .length = 0 } },
	{ .name = "udp6, checksum 0",
	  .spec = { .family = 6, .length = 4, .check = CHECK_NONE } },
	{ .name = "icmp4 echo",
	  .spec = { .family = 4, .protocol = 1, .length = 64, .first = 8 } },
	{ .name = "icmp4, VLAN",
	  .spec = { .family = 4, .protocol = 1, .length = 9, .first = 0, .vlan = true, .tci = 5 } },
	{ .name = "esp4",
	  .spec = { .family = 4, .protocol = 50, .length = 52, .frag = 0x4000 } },
	{ .name = "esp4, empty, padded",
	  .spec = { .family = 4, .protocol = 50, .length = 0, .trailer = 26 } },
	{ .name = "icmp6 echo",
	  .spec = { .family = 6, .protocol = 58, .length = 64, .first = 128 } },
	{ .name = "icmp6 reply",
	  .spec = { .family = 6, .protocol = 58, .length = 8, .first = 129, .flow_label = 5 } },
	{ .name = "esp6", .spec = { .family = 6, .protocol = 50, .length = 36 } },
	{ .name = "esp6, VLAN",
	  .spec = { .family = 6, .protocol = 50, .length = 3, .vlan = true, .tci = 77 } },

	{ .name = "arp", .spec = { .family = 4, .length = 18 },
	  .patches = { { 13, 0x06 } }, .patched = 1, .reason = JT_REASON_NOT_IP },
	{ .name = "two VLAN tags", .spec = { .family = 4, .length = 18, .vlan = true },
	  .patches = { { 16, 0x81 }, { 17, 0 } }, .patched = 2, .reason = JT_REASON_NOT_IP },
	{ .name = "802.1ad", .spec = { .family = 4, .length = 18, .vlan = true },
	  .patches = { { 12, 0x88 }, { 13, 0xa8 } }, .patched = 2, .reason = JT_REASON_NOT_IP },
	{ .name = "multicast", .spec = { .family = 4, .length = 18 },
	  .patches = { { 0, 0x01 } }, .patched = 1, .reason = JT_REASON_NOT_UNICAST },
	{ .name = "multicast source", .spec = { .family = 6, .length = 18 },
	  .patches = { { 6, 0x03 } }, .patched = 1, .reason = JT_REASON_NOT_UNICAST },
	{ .name = "broadcast", .spec = { .family = 4, .length = 18 },
	  .patches = { { 0, 0xff } }, .patched = 1, .reason = JT_REASON_NOT_UNICAST },
	{ .name = "first fragment", .spec = { .family = 4, .length = 64, .frag = 0x2000 },
	  .reason = JT_REASON_FRAGMENT },
	{ .name = "last fragment", .spec = { .family = 4, .length = 64, .frag = 0x0001 },
	  .reason = JT_REASON_FRAGMENT },
	{ .name = "icmp4 fragment",
	  .spec = { .family = 4, .protocol = 1, .length = 64, .frag = 0x2000 },
	  .reason = JT_REASON_FRAGMENT },
	{ .name = "reserved IPv4 flag", .spec = { .family = 4, .length = 64, .frag = 0x8000 },
	  .reason = JT_REASON_PROTOCOL },
	{ .name = "udp6 fragment", .spec = { .family = 6, .protocol = 44, .length = 64 },
	  .reason = JT_REASON_FRAGMENT },
	{ .name = "tcp4", .spec = { .family = 4, .protocol = 6, .length = 20 },
	  .reason = JT_REASON_PROTOCOL },
	{ .name = "tcp6", .spec = { .family = 6, .protocol = 6, .length = 20 },
	  .reason = JT_REASON_PROTOCOL },
	{ .name = "IPv4 options", .spec = { .family = 4, .length = 64 },
	  .patches = { { 14, 0x46 } }, .patched = 1, .reason = JT_REASON_PROTOCOL },
	{ .name = "IPv4, version 6", .spec = { .family = 4, .length = 64 },
	  .patches = { { 14, 0x65 } }, .patched = 1, .reason = JT_REASON_PROTOCOL },
	{ .name = "IPv6, version 4", .spec = { .family = 6, .length = 64 },
	  .patches = { { 14, 0x45 } }, .patched = 1, .reason = JT_REASON_PROTOCOL },
	{ .name = "IPv6 hop-by-hop", .spec = { .family = 6, .protocol = 1, .length = 64 },
	  .patches = { { 20, 0 } }, .patched = 1, .reason = JT_REASON_PROTOCOL },
	{ .name = "VXLAN", .spec = { .family = 4, .length = 64, .dest_port = 4789 },
	  .reason = JT_REASON_PROTOCOL },
	{ .name = "VXLAN, old port", .spec = { .family = 6, .length = 64, .dest_port = 8472 },
	  .reason = JT_REASON_PROTOCOL },
	{ .name = "GENEVE", .spec = { .family = 4, .length = 64, .dest_port = 6081 },
	  .reason = JT_REASON_PROTOCOL },
	{ .name = "VXLAN-GPE", .spec = { .family = 4, .length = 64, .dest_port = 4790 },
	  .reason = JT_REASON_PROTOCOL },
	{ .name = "neighbour solicitation",
	  .spec = { .family = 6, .protocol = 58, .length = 24, .first = 135 },
	  .reason = JT_REASON_PROTOCOL },
	{ .name = "router advertisement",
	  .spec = { .family = 6, .protocol = 58, .length = 24, .first = 134 },
	  .reason = JT_REASON_PROTOCOL },
	{ .name = "icmp6 without a type", .spec = { .family = 6, .protocol = 58, .length = 0 },
	  .reason = JT_REASON_TRUNCATED },
	{ .name = "icmp6, type in the padding",
	  .spec = { .family = 6, .protocol = 58, .length = 1, .first = 128 },
	  .patches = { { 19, 0 } }, .patched = 1, .reason = JT_REASON_BAD_LENGTH },
	{ .name = "udp4, UDP length 7", .spec = { .family = 4, .length = 0 },
	  .patches = { { 39, 7 } }, .patched = 1, .reason = JT_REASON_BAD_LENGTH },
	{ .name = "udp4, UDP length 0", .spec = { .family = 4, .length = 8 },
	  .patches = { { 39, 0 } }, .patched = 1, .reason = JT_REASON_BAD_LENGTH },
	{ .name = "udp4, UDP longer than IP", .spec = { .family = 4, .length = 8 },
	  .patches = { { 39, 17 } }, .patched = 1, .reason = JT_REASON_BAD_LENGTH },
	{ .name = "udp4, UDP shorter than IP", .spec = { .family = 4, .length = 8 },
	  .patches = { { 39, 15 } }, .patched = 1, .reason = JT_REASON_BAD_LENGTH },
	{ .name = "udp4, IP longer than packet", .spec = { .family = 4, .length = 8 },
	  .patches = { { 17, 37 }, { 39, 17 } }, .patched = 2, .reason = JT_REASON_BAD_LENGTH },
	{ .name = "IPv4 length 19", .spec = { .family = 4, .length = 8 },
	  .patches = { { 17, 19 } }, .patched = 1, .reason = JT_REASON_BAD_LENGTH },
	{ .name = "IPv4 length 65535", .spec = { .family = 4, .length = 8 },
	  .patches = { { 16, 255 }, { 17, 255 } }, .patched = 2, .reason = JT_REASON_BAD_LENGTH },
	{ .name = "udp6, IP longer than packet", .spec = { .family = 6, .length = 8 },
	  .patches = { { 19, 17 }, { 59, 17 } }, .patched = 2, .reason = JT_REASON_BAD_LENGTH },
	{ .name = "udp6, jumbogram", .spec = { .family = 6, .length = 8 },
	  .patches = { { 19, 0 } }, .patched = 1, .reason = JT_REASON_BAD_LENGTH },
	{ .name = "udp6, UDP length 0", .spec = { .family = 6, .length = 8 },
	  .patches = { { 59, 0 } }, .patched = 1, .reason = JT_REASON_BAD_LENGTH },
	{ .name = "udp4, cut in UDP", .spec = { .family = 4, .length = 0 },
	  .patches = { { 17, 27 } }, .patched = 1, .cut = 1, .reason = JT_REASON_TRUNCATED },
	{ .name = "udp4, cut in IP", .spec = { .family = 4, .length = 0 }, .cut = 9,
	  .reason = JT_REASON_TRUNCATED },
	{ .name = "udp6, cut in IP", .spec = { .family = 6, .length = 0 }, .cut = 9,
	  .reason = JT_REASON_TRUNCATED },
	{ .name = "cut in the VLAN tag", .spec = { .family = 4, .length = 0, .vlan = true }, .cut = 29,
	  .reason = JT_REASON_TRUNCATED },
};

#define VECTORS (sizeof(vectors) / sizeof(vectors[0]))

static TEST_UNUSED void vector_make(struct packet *p, const struct vector *v)
{
	int i;

	packet_make(p, &v->spec);
	for (i = 0; i < v->patched; i++)
		p->bytes[v->patches[i].at] = v->patches[i].value;
	p->length -= v->cut;
}

#endif

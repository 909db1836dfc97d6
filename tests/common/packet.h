/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets for tests, built byte by byte and without the project's own
 * structures: what is to be tested must not say what is right.
 */
#ifndef TESTS_PACKET_H
#define TESTS_PACKET_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define TEST_UNUSED __attribute__((unused))
#define PACKET_MAX 4096

enum packet_check {
	CHECK_FULL,    /* as a sender without offload computes it */
	CHECK_NONE,    /* zero */
	CHECK_PARTIAL, /* the pseudo header's sum, for the device to complete */
};

struct packet_spec {
	int family; /* 4 or 6 */
	bool vlan;
	__u16 tci;
	__u8 tos;
	__u8 ttl;      /* 0: 64 */
	__u8 protocol; /* 0: UDP */
	__u16 frag;    /* IPv4: flags and fragment offset */
	__u16 id;
	__u32 flow_label;
	__u16 source_port; /* 0: 4000 */
	__u16 dest_port;   /* 0: 5000 */
	__u8 from;	   /* last byte of the source's addresses; 0: 1 */
	__u8 to;	   /* of the destination's; 0: 2 */
	enum packet_check check;
	__u16 length;  /* of what follows the UDP header, or the IP header */
	__u8 first;    /* without UDP: the payload's first byte */
	__u16 trailer; /* Ethernet padding behind the packet */
	__u8 seed;     /* of the payload's bytes */
};

struct packet {
	__u32 length;
	__u8 bytes[PACKET_MAX];
};

static TEST_UNUSED void put16(__u8 *at, __u32 value)
{
	at[0] = (__u8)(value >> 8);
	at[1] = (__u8)value;
}

static TEST_UNUSED __u32 get16(const __u8 *at)
{
	return (__u32)at[0] << 8 | at[1];
}

static TEST_UNUSED void put32(__u8 *at, __u32 value)
{
	put16(at, value >> 16);
	put16(at + 2, value & 0xffff);
}

/* RFC 1071, the slow and plain way. */
static TEST_UNUSED __u32 sum16(const __u8 *at, __u32 length, __u32 sum)
{
	__u32 i;

	for (i = 0; i + 1 < length; i += 2)
		sum += get16(at + i);
	if (length & 1)
		sum += (__u32)at[length - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static TEST_UNUSED void packet_address(__u8 *at, int family, __u8 net, __u8 last)
{
	memset(at, 0, family == 4 ? 4 : 16);
	if (family == 4) {
		at[0] = 10;
		at[1] = net;
		at[3] = last;
	} else {
		at[0] = 0xfd;
		at[3] = net;
		at[15] = last;
	}
}

static TEST_UNUSED void packet_mac(__u8 *at, __u8 net, __u8 last)
{
	const __u8 mac[6] = { 0x02, 0x4a, 0x54, 0, net, last };

	memcpy(at, mac, 6);
}

static __u32 packet_ip(__u8 *at, const struct packet_spec *s, __u8 protocol, __u32 length)
{
	__u8 from = s->from ? s->from : 1, to = s->to ? s->to : 2;

	if (s->family == 6) {
		put32(at, 6U << 28 | (__u32)s->tos << 20 | s->flow_label);
		put16(at + 4, length);
		at[6] = protocol;
		at[7] = s->ttl ? s->ttl : 64;
		packet_address(at + 8, 6, 1, from);
		packet_address(at + 24, 6, 2, to);
		return 40;
	}
	at[0] = 0x45;
	at[1] = s->tos;
	put16(at + 2, 20 + length);
	put16(at + 4, s->id);
	put16(at + 6, s->frag);
	at[8] = s->ttl ? s->ttl : 64;
	at[9] = protocol;
	put16(at + 10, 0);
	packet_address(at + 12, 4, 1, from);
	packet_address(at + 16, 4, 2, to);
	put16(at + 10, ~sum16(at, 20, 0));
	return 20;
}

/* Fill in the checksum of the UDP header at @udp behind the IP header at @ip. */
static TEST_UNUSED void packet_udp_check(__u8 *ip, __u8 *udp, __u32 length, enum packet_check check)
{
	bool v6 = ip[0] >> 4 == 6;
	__u32 sum = sum16(v6 ? ip + 8 : ip + 12, v6 ? 32 : 8, 17 + length);

	put16(udp + 6, 0);
	if (check == CHECK_PARTIAL) {
		put16(udp + 6, sum);
	} else if (check == CHECK_FULL) {
		sum = ~sum16(udp, length, sum) & 0xffff;
		put16(udp + 6, sum ? sum : 0xffff);
	}
}

static TEST_UNUSED void packet_make(struct packet *p, const struct packet_spec *s)
{
	__u8 protocol = s->protocol ? s->protocol : 17, *at = p->bytes, *ip, *udp;
	__u32 i, udp_head = protocol == 17 ? 8 : 0;

	packet_mac(at, 2, s->to ? s->to : 2);
	packet_mac(at + 6, 1, s->from ? s->from : 1);
	at += 12;
	if (s->vlan) {
		put16(at, 0x8100);
		put16(at + 2, s->tci);
		at += 4;
	}
	put16(at, s->family == 6 ? 0x86dd : 0x0800);
	ip = at + 2;
	udp = ip + packet_ip(ip, s, protocol, udp_head + s->length);
	at = udp + udp_head;
	for (i = 0; i < s->length; i++)
		at[i] = (__u8)(i * 7 + s->seed + 1);
	if (udp_head) {
		put16(udp, s->source_port ? s->source_port : 4000);
		put16(udp + 2, s->dest_port ? s->dest_port : 5000);
		put16(udp + 4, 8U + s->length);
		packet_udp_check(ip, udp, 8U + s->length, s->check);
	} else if (s->length) {
		at[0] = s->first;
	}
	at += s->length;
	memset(at, 0xee, s->trailer);
	p->length = (__u32)(at - p->bytes) + s->trailer;
}

/* The packet that must arrive when @s was sent. */
static TEST_UNUSED void packet_expect(struct packet *p, const struct packet_spec *s)
{
	struct packet_spec sent = *s;

	sent.trailer = 0;
	if (sent.check == CHECK_PARTIAL)
		sent.check = CHECK_FULL;
	packet_make(p, &sent);
}

/* A copy at the end of its own allocation: ASan sees the first byte too far. */
static TEST_UNUSED __u8 *exact_copy(const void *bytes, size_t length)
{
	__u8 *copy = malloc(length ? length : 1);

	if (!copy)
		abort();
	if (length)
		memcpy(copy, bytes, length);
	return copy;
}

/* xorshift: tests repeat. */
static TEST_UNUSED __u32 test_random(__u32 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Jitney frames on the wire. docs/wire-format.md tells the same byte by byte.
 *
 * A frame is an outer header (Ethernet with Jitney's EtherType, or Ethernet,
 * IP and UDP), the Jitney header and records. Every record starts with four
 * bytes and is padded with zeros to a multiple of four:
 *
 *   message   {template:5 | length:11} check:16      payload
 *   template  {31:5       | length:11} number:8 0:8  template bytes
 *   padding   {31:5       | length:11} 255:8    0:8  length bytes, ignored
 *
 * Template numbers are 1 to 30; four zero bytes never begin a record, they
 * mark memory that was reserved and not committed. `check` is the message's
 * UDP checksum as its sender computed it, in network order (zero where the
 * template has no UDP header). Numbers hold inside one frame only: a lost
 * frame costs its own messages.
 */
#ifndef JITNEY_WIRE_H
#define JITNEY_WIRE_H

#include "abi.h"

#define JT_WIRE_VERSION 1
#define JT_FRAME_DATA 1
#define JT_FRAME_HELLO 2
/*
 * Never between machines: what a guest sends to itself for the program on its
 * vif to put aboard. `sequence` counts its messages, `guest` its templates,
 * `session` is zero.
 */
#define JT_FRAME_GUEST 3
/*
 * Never between machines, too: a ring between a virtual machine's agent and the
 * controller. It has no records; a guest sends it to itself. `sequence': 0, or the
 * number of a fence.
 */
#define JT_FRAME_BELL 4

struct jt_frame_header {
	__u8 version_type;	       /* version << 4 | type */
	__u8 flags;		       /* zero */
	__u16 length;		       /* be: bytes behind this header */
	__u32 sequence;		       /* be: counts data frames; a probe's number, also in its reply */
	__u16 guest;		       /* be: hint: the receiver's only guest, or JT_GUEST_MANY */
	__u16 session;		       /* be: drawn at random when a controller starts, never 0 */
} __attribute__((packed, aligned(2))); /* it follows 14 bytes of Ethernet */
#define JT_GUEST_MANY 0xffff

#define JT_RECORD_SPECIAL 31U
#define JT_RECORD_PADDING 255U
#define JT_RECORD_HEAD 4U

struct jt_record {
	__u16 head; /* be: template << 11 | length */
	__u16 tail; /* message: check as in the packet; else be: number << 8 */
};

/* What hellos say, and how their body is laid out. */
enum jt_hello_op {
	JT_HELLO_PROBE = 1,
	JT_HELLO_REPLY = 2,
	JT_HELLO_ANNOUNCE = 3,
	JT_HELLO_BYE = 4
};

struct jt_hello {
	__u8 op; /* enum jt_hello_op */
	__u8 zero;
	__u16 addresses;	 /* be: number of struct jt_hello_address that follow */
	__u32 received;		 /* be: data frames received from you in your session */
	char name[JT_NAME_SIZE]; /* the sender's, padded with NUL */
};

struct jt_hello_address {
	__u16 family; /* be: enum jt_address_family */
	__u16 zero;
	__u8 bytes[16];
};

JT_ASSERT(sizeof(struct jt_frame_header) == 12, "wire format");
JT_ASSERT(sizeof(struct jt_record) == JT_RECORD_HEAD, "wire format");
JT_ASSERT(sizeof(struct jt_hello) == 24, "wire format");
JT_ASSERT(sizeof(struct jt_hello_address) == 20, "wire format");

JT_INLINE __u32 jt_record_head(__u32 number, __u32 length, __u16 tail)
{
	struct jt_record r = { jt_htons((__u16)(number << 11 | length)), tail };
	__u32 word;

	jt_memcpy(&word, &r, sizeof(word));
	return word;
}

JT_INLINE __u32 jt_record_template(__u32 number, __u32 length)
{
	return jt_record_head(JT_RECORD_SPECIAL, length, jt_htons((__u16)(number << 8)));
}

JT_INLINE __u32 jt_record_padding(__u32 length)
{
	return jt_record_template(JT_RECORD_PADDING, length);
}

/* Bytes of a template of this kind on the wire, 0 if there is no such kind. */
JT_INLINE __u32 jt_template_size(__u8 kind, __u8 flags)
{
	__u32 vlan = flags & JT_TEMPLATE_VLAN ? 4 : 0;

	if (flags & ~JT_TEMPLATE_FLAGS)
		return 0;
	switch (kind) {
	case JT_TEMPLATE_UDP4:
		return JT_TEMPLATE_BASE + sizeof(struct jt_template_udp4) + vlan;
	case JT_TEMPLATE_UDP6:
		return JT_TEMPLATE_BASE + sizeof(struct jt_template_udp6) + vlan;
	case JT_TEMPLATE_ETHERNET:
		return JT_TEMPLATE_BASE + sizeof(struct jt_template_ethernet) + vlan;
	}
	return 0;
}

/* One's complement sum (RFC 1071) folded to 16 bits, not inverted. */
JT_INLINE __u16 jt_sum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)sum;
}

#endif

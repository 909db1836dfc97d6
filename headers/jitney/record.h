/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What makes a record sound. Who receives a frame and who lets a guest's frame
 * into the page ask here, so that nothing leaves that would not be taken.
 */
#ifndef JITNEY_RECORD_H
#define JITNEY_RECORD_H

#include "parse.h"

/* The head of a record, taken apart. */
struct jt_record_parts {
	__u32 number;  /* of the template that it is or uses, or JT_RECORD_PADDING */
	__u32 length;  /* as it says */
	__u32 span;    /* bytes to the next record */
	__u16 check;   /* of a message */
	bool template; /* it is one */
};

/*
 * jt_record_open() - Read the head of a record
 * @word:	its first four bytes, as they stand in the frame
 * @left:	bytes of the frame from them on, at least four
 *
 * Return: JT_ABOARD, or why nothing behind it can be trusted.
 */
JT_INLINE int jt_record_open(__u32 word, __u32 left, struct jt_record_parts *out)
{
	__u32 head = jt_ntohl(word);

	out->number = head >> 27;
	out->length = head >> 16 & 0x7ff;
	out->span = JT_RECORD_HEAD + JT_ALIGN4(out->length);
	out->check = jt_htons((__u16)head);
	out->template = false;
	if (left < out->span)
		return JT_REASON_RECORD_SHORT;
	if (!out->number)
		return JT_REASON_RECORD_BLANK;
	if (out->number != JT_RECORD_SPECIAL)
		return JT_ABOARD;
	out->number = head >> 8 & 0xff;
	out->template = out->number != JT_RECORD_PADDING;
	return head & 0xff ? JT_REASON_TEMPLATE_BAD : JT_ABOARD;
}

/* True if a template of the right length for its kind and flags is in canonical form. */
JT_INLINE bool jt_template_canonical(const struct jt_template *t)
{
	if (t->dest_mac[0] & 1 || t->source_mac[0] & 1 || t->vlan & jt_htonl(0xffff))
		return false;
	if (t->kind == JT_TEMPLATE_UDP4)
		return true;
	if (t->kind == JT_TEMPLATE_UDP6)
		return !(t->flags & JT_TEMPLATE_DF) && !(t->u.udp6.flow_label & ~jt_htonl(0xfffff));
	return !(t->flags & JT_TEMPLATE_DF) && !t->tos && !t->ttl && !t->u.ethernet.zero &&
	       (t->u.ethernet.ethertype == jt_htons(JT_ETH_IPV4) ||
		t->u.ethernet.ethertype == jt_htons(JT_ETH_IPV6));
}

/*
 * Make a key of a template record that was read into it with what follows the
 * record. Return: bytes of the template; 0 if it is malformed, or not of UDP.
 */
JT_INLINE __u32 jt_key_settle(struct jt_flow_key *key, __u32 guest)
{
	struct jt_template *t = &key->header;
	__u32 i, vlan, size = jt_template_size(t->kind, t->flags);

	key->guest = guest;
	if (t->kind == JT_TEMPLATE_UDP4) {
		vlan = t->u.words[3];
		for (i = 3; i < JT_ARRAY_SIZE(t->u.words); i++)
			t->u.words[i] = 0;
		t->vlan = vlan;
	} else if (t->kind != JT_TEMPLATE_UDP6) {
		return 0;
	}
	if (!(t->flags & JT_TEMPLATE_VLAN))
		t->vlan = 0;
	return size && jt_template_canonical(t) ? size : 0;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Templates that a guest has written itself: whose are they, and which peer do
 * they lead to? The environment knows it: jt_env_flow().
 */
#ifndef JITNEY_LEAD_H
#define JITNEY_LEAD_H

#include "record.h"

/* A template that may travel: its bytes on the wire, and the peer it leads to. */
#define JT_LEAD(size, peer) ((int)((size) << 16 | (peer)))
#define JT_LEAD_SIZE(lead) ((__u32)(lead) >> 16)
#define JT_LEAD_PEER(lead) ((__u32)(lead)&0xffff)

/* @head and @number: the record's, and the one that it must have. As jt_template_lead(). */
JT_INLINE int jt_key_lead(struct jt_page *page, struct jt_flow_key *key, __u32 head, __u32 guest,
			  __u32 number)
{
	__u32 size = jt_key_settle(key, guest);
	int peer;

	if (!size || head != jt_record_template(number, size))
		return -JT_REASON_TEMPLATE_BAD;
	peer = jt_env_flow(page, key);
	return peer < 0 ? peer : JT_LEAD(size, peer);
}

/*
 * jt_template_lead() - Check a template record of a guest
 * @record:	16 words: the record but for its head, and what follows
 * @head:	its head
 * @number:	that it must have
 *
 * Return: a JT_LEAD(), or a negative enum jt_reason.
 */
JT_INLINE int jt_template_lead(struct jt_page *page, const __u32 *record, __u32 head, __u32 guest,
			       __u32 number)
{
	struct jt_flow_key key;

	jt_memcpy(&key, record, sizeof(key));
	return jt_key_lead(page, &key, head, guest, number);
}

#endif

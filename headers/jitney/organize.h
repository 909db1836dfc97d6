/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The organizer: append a message to the open extent of its peer.
 *
 * A flow remembers where its template last went (its hint). If that is in the
 * extent at hand and the bytes there are the flow's header, the message only
 * names the template; otherwise template and message are reserved together,
 * template first, so that in every frame a template stands before its use. A
 * hint may be stale or torn: comparing the bytes makes any hint safe that points to where a template was
 * written once.
 */
#ifndef JITNEY_ORGANIZE_H
#define JITNEY_ORGANIZE_H

#include "page.h"
#include "parse.h"

#define JT_ORGANIZE_TRIES 16

#define JT_HINT(epoch, number, offset) \
	((__u64)(__u32)(epoch) << 32 | (__u64)(number) << 12 | (offset) >> 2)
#define JT_HINT_EXTENT(hint) (((hint) >> 12) & 0xfffff)
#define JT_HINT_OFFSET(hint) (((hint)&0xfff) << 2)

/* A message for the page: what the organizer needs to know of it. */
struct jt_message {
	const struct jt_parsed *parsed;
	struct jt_flow *flow;
	struct jt_peer *peer;
	__u32 peer_id;
};

/* Words of a template: those that all kinds have, UDP's, and the VLAN tail's. */
#define JT_WORDS_ALL 5U
#define JT_WORDS_UDP4 7U
#define JT_WORDS_UDP6 14U
#define JT_WORD_VLAN 14U

/* Bits in which words [from, to) of two templates differ. */
JT_INLINE JT_UNORDERED __u32 jt_words_differ(const __u32 *at, const __u32 *want, __u32 from,
					     __u32 to)
{
	__u32 i, bits = 0;

	for (i = from; i < to; i++)
		bits |= at[i] ^ want[i];
	return bits;
}

/*
 * Number of the flow's template if it stands at the hint, else 0. Hints are set
 * behind the commit, so nobody writes there but one who wipes the extent, or has
 * it in its next life; then jt_extent_reserve() finds another epoch.
 */
JT_INLINE JT_UNORDERED __u32 jt_template_find(const __u8 *frame, const struct jt_geometry *g,
					      __u64 hint, const struct jt_parsed *p)
{
	const __u32 *want = (const __u32 *)&p->key.header;
	__u64 offset = JT_HINT_OFFSET(hint);
	const __u32 *at;
	__u32 head, bits, used = JT_WORDS_ALL;

	if (offset >= g->extent_size)
		return 0;
	at = (const __u32 *)(frame + offset) + 1;
	head = JT_READ(at[-1]);
	bits = (head ^ jt_record_template(0, (__u32)p->template_size)) & ~jt_htonl(0xff00);
	bits |= jt_words_differ(at, want, 0, JT_WORDS_ALL);
	if (p->key.header.kind == JT_TEMPLATE_UDP4) {
		bits |= jt_words_differ(at, want, JT_WORDS_ALL, JT_WORDS_UDP4);
		used = JT_WORDS_UDP4;
	} else if (p->key.header.kind == JT_TEMPLATE_UDP6) {
		bits |= jt_words_differ(at, want, JT_WORDS_ALL, JT_WORDS_UDP6);
		used = JT_WORDS_UDP6;
	}
	if (p->key.header.flags & JT_TEMPLATE_VLAN)
		bits |= at[used] ^ want[JT_WORD_VLAN];
	return bits ? 0 : (jt_ntohl(head) >> 8) & 0xff;
}

/*
 * Write a template record but for its head. That is written behind the message's,
 * so that a gap always begins where its reservation does. Return: the head.
 */
JT_INLINE __u32 jt_template_write(__u8 *record, const struct jt_template *t, __u32 size,
				  __u32 number)
{
	const __u32 *from = (const __u32 *)t;
	__u32 *at = (__u32 *)record + 1;
	__u32 i, used = JT_WORDS_ALL;

	for (i = 0; i < JT_WORDS_ALL; i++)
		at[i] = from[i];
	if (t->kind == JT_TEMPLATE_UDP4) {
		for (i = JT_WORDS_ALL; i < JT_WORDS_UDP4; i++)
			at[i] = from[i];
		used = JT_WORDS_UDP4;
	} else if (t->kind == JT_TEMPLATE_UDP6) {
		for (i = JT_WORDS_ALL; i < JT_WORDS_UDP6; i++)
			at[i] = from[i];
		used = JT_WORDS_UDP6;
	}
	if (t->flags & JT_TEMPLATE_VLAN)
		at[used] = from[JT_WORD_VLAN];
	return jt_record_template(number, size);
}

/*
 * The checksum that goes with the message. A kernel that leaves it to the
 * device puts the folded pseudo header sum there; then it is completed. Should
 * a complete checksum happen to have that value, completing it changes nothing.
 */
JT_INLINE __u16 jt_message_check(struct jt_page *page, const struct jt_parsed *p,
				 const __u8 *payload)
{
	const struct jt_template *t = &p->key.header;
	__u16 check = p->check, length = jt_htons((__u16)(p->length + sizeof(struct jt_udp)));
	__u64 sum;

	if (!p->pseudo || check != (__u16)p->pseudo)
		return check;
	sum = p->pseudo + t->u.udp4.source_port + t->u.udp4.dest_port + length;
	sum += jt_env_sum(page, payload, JT_ALIGN4(p->length));
	check = (__u16)~jt_sum_fold(sum);
	return check ? check : 0xffff; /* RFC 768: zero means "none" */
}

/* Fill in what was reserved at `at`. Return: JT_ABOARD, or why it is lost. */
JT_INLINE int jt_message_write(struct jt_page *page, const struct jt_parsed *p, __u8 *at,
			       __u32 number)
{
	__u64 length = p->length;
	__u32 *head = (__u32 *)at;
	__u8 *payload = at + JT_RECORD_HEAD;
	__u16 check;

	if (length && jt_env_copy(page, p->payload, payload, length)) {
		/* Still a record, so that the frame stays whole. */
		JT_WRITE(*head, jt_record_padding(length));
		return JT_REASON_COPY_FAILED;
	}
	check = jt_message_check(page, p, payload);
	JT_WRITE(*head, jt_record_head(number, length, check));
	return JT_ABOARD;
}

/* Append to extent `number`. Return: JT_ABOARD, a reason, or a jt_page_result. */
JT_INLINE int jt_organize_into(struct jt_page *page, const struct jt_message *m, __u64 epoch,
			       __u64 number)
{
	const struct jt_geometry *g = jt_env_geometry(page);
	const struct jt_parsed *p = m->parsed;
	struct jt_extent *x = jt_page_extent(page, number);
	__u8 *frame = jt_page_frame(page, number);
	__u64 hint = JT_READ(m->flow->hint), before, offset, size, template_size = 0;
	__u32 template = 0, head = 0;
	int result;

	if (!x || !frame)
		return JT_PAGE_FULL;
	/* Another peer's: only a word that is 2^32 epochs old says so. */
	if (JT_EXTENT_PEER(JT_READ(x->word)) != m->peer_id)
		return JT_PAGE_CLOSED;
	if (JT_EPOCH(hint) == (__u32)epoch && JT_HINT_EXTENT(hint) == number)
		template = jt_template_find(frame, g, hint, p);
	if (!template) /* the mask says what is so, to the verifier */
		template_size = JT_RECORD_HEAD + (p->template_size & 0x3f);
	size = template_size + JT_RECORD_HEAD + JT_ALIGN4(p->length);
	result = jt_extent_reserve(x, (__u32)epoch, size, !template, m->peer->limit, &before);
	if (result)
		return result;
	offset = JT_EXTENT_OFFSET(before);
	if (offset >= g->extent_size)
		return JT_PAGE_CLOSED; /* can't be: limit <= extent_size */
	/* Said again for Linux 6.1: it forgets what is compared after a spill. */
	offset &= g->extent_size - 1;
	if (template_size) {
		template = JT_EXTENT_TEMPLATES(before) + 1;
		head = jt_template_write(frame + offset, &p->key.header, (__u32)p->template_size,
					 template);
	}
	result = jt_message_write(page, p, frame + offset + template_size, template);
	if (template_size)
		JT_WRITE(*(__u32 *)(frame + offset), head);
	jt_extent_commit(x, size, result == JT_ABOARD);
	if (template_size)
		JT_WRITE(m->flow->hint, JT_HINT(epoch, number, offset));
	return result;
}

/* True if the message and its template fit an empty frame to the peer. */
JT_INLINE bool jt_message_fits(const struct jt_parsed *p, const struct jt_peer *peer)
{
	return p->length <= JT_RECORD_MAX - 3 &&
	       peer->head + 2 * JT_RECORD_HEAD + p->template_size + JT_ALIGN4(p->length) <=
		       peer->limit;
}

/*
 * jt_organize_open() - Find the open extent of a peer, or open one
 * @closed:	`open` word of an extent that takes no more, ~0: none is known
 * @opened:	set to 1 if an extent was opened
 *
 * Return: JT_PAGE_OK with @epoch and @number set, _AGAIN or _FULL.
 */
JT_INLINE int jt_organize_open(struct jt_page *page, struct jt_peer *peer, __u32 id, __u64 closed,
			       __u64 *epoch, __u64 *number, int *opened)
{
	__u64 open;
	int result;

	*epoch = JT_READ(jt_env_control(page)->epoch);
	open = JT_READ(peer->open);
	*number = (__u32)open;
	if (JT_EPOCH(open) == (__u32)*epoch && open != closed)
		return JT_PAGE_OK;
	result = jt_extent_open(page, peer, id, *epoch, open, number);
	if (result == JT_PAGE_FULL && jt_page_step(page, *epoch))
		return JT_PAGE_FULL;
	if (result != JT_PAGE_OK)
		return JT_PAGE_AGAIN;
	*opened = 1;
	return JT_PAGE_OK;
}

/*
 * jt_organize() - Put a message into the page
 * @page:	this thread's view; its packet is what @m->parsed was read from
 * @m:		message that jt_message_fits(), its flow and peer
 * @opened:	set to 1 if an extent was opened for it
 *
 * Return: JT_ABOARD, or the reason why the message is not in the page.
 */
JT_INLINE int jt_organize(struct jt_page *page, const struct jt_message *m, int *opened)
{
	__u64 epoch, number, closed = ~0ULL, i; /* 64 bits: verifiers forget halves of spills */
	int result;

	for (i = 0; i < JT_ORGANIZE_TRIES; i++) {
		result = jt_organize_open(page, m->peer, m->peer_id, closed, &epoch, &number,
					  opened);
		if (result == JT_PAGE_FULL)
			return JT_REASON_PAGE_FULL;
		if (result != JT_PAGE_OK)
			continue;
		result = jt_organize_into(page, m, epoch, number);
		if (result >= 0)
			return result;
		closed = result == JT_PAGE_CLOSED ? epoch << 32 | number : ~0ULL;
	}
	return JT_REASON_CONTENDED;
}

#endif

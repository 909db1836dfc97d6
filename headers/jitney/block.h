/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Guest frames: many records at once, of a guest that builds them itself.
 *
 *  1. All records of a frame become one block: one reservation in the open
 *     extent of the one peer that they are for, one copy, one commit.
 *  2. What counts is what was copied: every record is checked where it lies in
 *     the page, which its sender can't reach. The first template is read before
 *     to know the peer, and checked again with the others. So it does not matter
 *     if the packet changes meanwhile.
 *  3. The block begins with a blank head until it is found sound, like every
 *     gap (see page.h). If it is not, it becomes padding, wiped: no forged
 *     source and no malformed record leaves.
 *  4. Numbers of templates are 1, 2, ... as they come, and count on from those
 *     that the extent has.
 */
#ifndef JITNEY_BLOCK_H
#define JITNEY_BLOCK_H

#include "lead.h"
#include "page.h"

/* Where the records begin in a guest frame. */
#define JT_BLOCK_START (sizeof(struct jt_eth) + sizeof(struct jt_frame_header))
/* Messages that one step of the walk takes. */
#define JT_BLOCK_RUN 8

struct jt_block {
	__u32 size; /* bytes of all records */
	__u32 templates;
	__u32 messages;
	__u32 guest;
	__u32 peer_id;
	__u32 head; /* of the first record: the last thing that is written */

	/* Of the walk. Numbers are the extent's, which had `base` templates before. */
	__u32 base;
	__u32 last;    /* template */
	__u32 seen;    /* messages, counted from base */
	__u32 payload; /* bytes of it in them */
	__u32 reason;  /* why it must not leave */
	__u32 start;   /* offset of the block in its frame */
	__u64 pos;
	__u64 number; /* of the extent */
	__u8 *frame;
	struct jt_page *page;
};

/*
 * jt_block_open() - Read the header of a guest frame
 * @h:		the header, in memory that nobody changes
 * @room:	bytes behind it
 * @b:		result; all zero on entry
 *
 * Return: JT_ABOARD or a reason.
 */
JT_INLINE int jt_block_open(const struct jt_frame_header *h, __u64 room, struct jt_block *b)
{
	__u32 messages = jt_ntohl(h->sequence);

	b->size = jt_ntohs(h->length);
	b->templates = jt_ntohs(h->guest);
	/* What is counted if it is lost: what it says, if it can be. */
	b->messages = messages <= room / JT_RECORD_HEAD ? messages : 1;
	if (h->version_type != (JT_WIRE_VERSION << 4 | JT_FRAME_GUEST) || h->flags || h->session)
		return JT_REASON_FRAME_VERSION;
	if (b->size != room || b->size % 4 || b->size > JT_EXTENT_SIZE_MAX)
		return JT_REASON_FRAME_LENGTH;
	if (!messages || b->messages != messages || !b->templates ||
	    b->templates > JT_TEMPLATES_MAX)
		return JT_REASON_FRAME_COUNTS;
	return JT_ABOARD;
}

/* An environment may want a function of its own around this one. */
#ifndef jt_env_template_lead
#define jt_env_template_lead jt_template_lead
#endif
/* And it may not need the page in the steps of the walk. */
#ifndef jt_env_block_page
#define jt_env_block_page(page) (page)
#endif

/* Check a template record in the page. Return: its head, with its number there, or 0. */
JT_INLINE __u32 jt_block_template(struct jt_block *b, const __u32 *record, __u32 head)
{
	int lead;

	b->reason = JT_REASON_FRAME_COUNTS;
	if (++b->last > b->base + b->templates)
		return 0;
	lead = jt_env_template_lead(b->page, record, head, b->guest, b->last - b->base);
	b->reason = lead < 0 ? (__u32)-lead : JT_REASON_FRAME_PEERS;
	if (lead < 0 || JT_LEAD_PEER(lead) != b->peer_id)
		return 0;
	return jt_record_template(b->last, JT_LEAD_SIZE(lead));
}

/* Check a record. Return: its head as it will be; 0, and a reason in @b, if it is malformed. */
JT_INLINE __u32 jt_block_record(struct jt_block *b, const __u32 *record, __u32 head,
				const struct jt_record_parts *r)
{
	if (r->number == JT_RECORD_PADDING)
		return head;
	if (r->template) {
		if (r->number && b->base + r->number > b->last)
			return jt_block_template(b, record, head);
		b->reason = r->number ? JT_REASON_TEMPLATE_TWICE : JT_REASON_TEMPLATE_BAD;
		return 0;
	}
	b->reason = JT_REASON_TEMPLATE_UNKNOWN;
	if (b->base + r->number > b->last)
		return 0;
	b->seen++;
	b->payload += r->length;
	return jt_record_head(b->base + r->number, r->length, r->check);
}

/* Bounded wherever it is read: some verifiers take a loop's first turn for all. */
JT_INLINE __u32 *jt_block_at(struct jt_page *page, __u8 *frame, __u64 pos)
{
	JT_OPAQUE(pos);
	return (__u32 *)(frame + (pos & (jt_env_geometry(page)->extent_size - 4)));
}

/* What a run of sound messages came to: {bytes of payload:32 | messages:16 | where it ends:16}. */
#define JT_RUN_END(run) ((run) & 0xffff)
#define JT_RUN_MESSAGES(run) ((run) >> 16 & 0xffff)
#define JT_RUN_PAYLOAD(run) ((run) >> 32)

/*
 * The short way for sound messages, of which most of a block is: those from @pos on, in
 * extent @number. It does not know the block, so that a verifier need not look at it
 * again for all that a block may be.
 */
JT_INLINE __u64 jt_block_run(struct jt_page *page, __u64 number, __u64 pos, __u64 end, __u32 base,
			     __u32 last)
{
	__u8 *frame = jt_page_frame(page, number);
	__u64 payload = 0, seen = 0;
	struct jt_record_parts r;
	__u32 *record;

	if (!frame)
		return pos;
	for (; seen < JT_BLOCK_RUN; seen++) {
		record = jt_block_at(page, frame, pos);
		if (jt_record_open(JT_READ(*record), (__u32)(end - pos), &r) || r.template ||
		    r.number == JT_RECORD_PADDING || base + r.number > last)
			break;
		JT_WRITE(*record, jt_record_head(base + r.number, r.length, r.check));
		pos += r.span;
		payload += r.length;
	}
	return payload << 32 | seen << 16 | pos;
}

#ifndef jt_env_block_run
#define jt_env_block_run jt_block_run
#endif

JT_INLINE __u64 jt_block_messages(struct jt_block *b, __u64 pos, __u64 end)
{
	__u64 run = jt_env_block_run(b->page, b->number, pos, end, b->base, b->last);

	b->seen += JT_RUN_MESSAGES(run);
	b->payload += JT_RUN_PAYLOAD(run);
	return JT_RUN_END(run);
}

/*
 * One step of the walk: check the records at hand, and number them anew.
 * Return: 1 at the end.
 */
JT_NOINLINE long jt_block_step(__u32 index, void *block)
{
	struct jt_block *b = block;
	__u64 pos = b->pos & (2 * JT_EXTENT_SIZE_MAX - 1), end = b->start + b->size;
	struct jt_record_parts r;
	__u32 head, *record;
	int reason;

	(void)index;
	if (pos != b->start)
		pos = jt_block_messages(b, pos, end);
	b->pos = pos;
	if (pos == end)
		return 1;
	record = jt_block_at(b->page, b->frame, pos);
	head = pos == b->start ? b->head : JT_READ(*record);
	reason = jt_record_open(head, (__u32)(end - pos), &r);
	if (reason) {
		b->reason = reason;
		return 1;
	}
	head = jt_block_record(b, record, head, &r);
	if (!head)
		return 1;
	if (pos == b->start)
		b->head = head;
	else
		JT_WRITE(*record, head);
	b->pos = pos + r.span;
	b->reason = JT_REASON_FRAME_COUNTS; /* unless another is found */
	return 0;
}

/* Check the records of a block, and number them anew. Return: JT_ABOARD or a reason. */
JT_INLINE int jt_block_walk(struct jt_page *page, struct jt_block *b)
{
	b->page = jt_env_block_page(page);
	b->pos = b->start;
	b->last = b->seen = b->base;
	b->reason = JT_REASON_FRAME_COUNTS;
	jt_env_loop(b->size / JT_RECORD_HEAD, jt_block_step, b);
	return b->pos == b->start + b->size && b->last == b->base + b->templates &&
			       b->seen == b->base + b->messages ?
		       JT_ABOARD :
		       (int)b->reason;
}

#endif

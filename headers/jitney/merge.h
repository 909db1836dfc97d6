/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A guest frame's block, on its way into the page: see block.h. */
#ifndef JITNEY_MERGE_H
#define JITNEY_MERGE_H

#include "block.h"
#include "organize.h"

/* A padding record's span in a wiped block. */
#define JT_BLOCK_PADDING 2048U

/*
 * jt_block_lead() - Where does a guest frame lead?
 *
 * Its first record says it: it must be a template. Return: as jt_template_lead().
 */
JT_INLINE int jt_block_lead(struct jt_page *page, __u32 size, __u32 guest)
{
	struct jt_flow_key key = {};

	/* Room for a template and a message, if only an empty one. */
	if (size < JT_TEMPLATE_BASE + 2 * JT_RECORD_HEAD)
		return -JT_REASON_RECORD_SHORT;
	if (jt_env_load(page, JT_BLOCK_START, (__u8 *)&key, size < sizeof(key) ? size : sizeof(key),
			sizeof(key)))
		return -JT_REASON_COPY_FAILED;
	return jt_key_lead(page, &key, key.guest, guest, 1);
}

/* Where a block has its room: {none:1 | extent:31 | opened:1 | low bits of an extent's word:31}. */
#define JT_SPOT_NONE (1ULL << 63)
#define JT_SPOT_OPENED (1ULL << 31)
#define JT_SPOT_EXTENT(spot) ((spot) >> 32 & 0x7fffffff)
#define JT_SPOT_REASON 0xffff

/* Reserve in extent @number. Return: JT_PAGE_OK, _CLOSED, _AGAIN, _BUSY or _FULL. */
JT_INLINE int jt_block_try(struct jt_page *page, const struct jt_peer *peer, __u32 id, __u64 epoch,
			   __u64 number, __u32 size, __u32 templates, __u64 *before)
{
	struct jt_extent *x = jt_page_extent(page, number);

	if (!x)
		return JT_PAGE_FULL;
	if (JT_EXTENT_PEER(JT_READ(x->word)) != id)
		return JT_PAGE_CLOSED;
	return jt_extent_reserve(x, (__u32)epoch, size, templates, peer->limit, before);
}

/*
 * jt_block_reserve() - Find room for a block in the open extent of a peer
 *
 * Return: its spot, or JT_SPOT_NONE and a reason.
 */
JT_INLINE __u64 jt_block_reserve(struct jt_page *page, struct jt_peer *peer, __u32 id, __u32 size,
				 __u32 templates)
{
	__u64 epoch, number, before, closed = ~0ULL, i;
	int result, opened = 0;

	if (peer->head + size > peer->limit)
		return JT_SPOT_NONE | JT_REASON_FRAME_LARGE;
	for (i = 0; i < JT_ORGANIZE_TRIES; i++) {
		result = jt_organize_open(page, peer, id, closed, &epoch, &number, &opened);
		if (result == JT_PAGE_FULL)
			return JT_SPOT_NONE | JT_REASON_PAGE_FULL;
		if (result != JT_PAGE_OK)
			continue;
		result = jt_block_try(page, peer, id, epoch, number, size, templates, &before);
		if (result == JT_PAGE_OK)
			return number << 32 | (opened ? JT_SPOT_OPENED : 0) |
			       (before & (JT_SPOT_OPENED - 1));
		closed = result == JT_PAGE_CLOSED ? epoch << 32 | number : ~0ULL;
	}
	return JT_SPOT_NONE | (opened ? JT_SPOT_OPENED : 0) | JT_REASON_CONTENDED;
}

/* A block in extent @number that must not leave: padding, wiped, its first head last. */
JT_INLINE void jt_block_wipe(struct jt_page *page, __u64 number, __u64 start, __u64 size)
{
	__u64 mask = jt_env_geometry(page)->extent_size - 4, at, i;
	__u8 *frame = jt_page_frame(page, number);

	if (!frame)
		return;
	for (i = 4; i < JT_EXTENT_SIZE_MAX && i < size; i += 4) {
		at = start + i;
		JT_OPAQUE(at);
		JT_WRITE(*(__u32 *)(frame + (at & mask)), 0);
	}
	if (size > JT_BLOCK_PADDING) {
		at = start + JT_BLOCK_PADDING;
		JT_OPAQUE(at);
		JT_WRITE(*(__u32 *)(frame + (at & mask)),
			 jt_record_padding((__u32)size - JT_BLOCK_PADDING - JT_RECORD_HEAD));
		size = JT_BLOCK_PADDING;
	}
	JT_OPAQUE(start);
	JT_WRITE(*(__u32 *)(frame + (start & mask)),
		 jt_record_padding((__u32)size - JT_RECORD_HEAD));
}

/* An environment may want functions of their own around these. */
#ifndef jt_env_block_lead
#define jt_env_block_lead jt_block_lead
#define jt_env_block_wipe jt_block_wipe
#define jt_env_block_reserve jt_block_reserve
#endif

/* Fill in and commit what was reserved. Return: JT_ABOARD or a reason. */
JT_INLINE int jt_block_fill(struct jt_page *page, struct jt_block *b, __u64 spot)
{
	__u64 mask = jt_env_geometry(page)->extent_size - 4, start = JT_EXTENT_OFFSET(spot);
	__u64 number = JT_SPOT_EXTENT(spot);
	struct jt_extent *x = jt_page_extent(page, number);
	__u8 *frame = jt_page_frame(page, number);
	int reason;

	if (!x || !frame)
		return JT_REASON_CONTENDED; /* can't be: it was reserved there */
	JT_OPAQUE(start);
	start &= mask; /* changes nothing; for the verifier */
	b->number = number;
	b->frame = frame;
	b->start = (__u32)start;
	b->base = JT_EXTENT_TEMPLATES(spot);
	if (jt_env_load(page, JT_BLOCK_START + JT_RECORD_HEAD, frame + start + JT_RECORD_HEAD,
			b->size - JT_RECORD_HEAD, JT_EXTENT_SIZE_MAX))
		reason = JT_REASON_COPY_FAILED;
	else
		reason = jt_block_walk(page, b);
	if (reason)
		jt_env_block_wipe(page, number, start, b->size);
	else
		JT_WRITE(*(__u32 *)(frame + start), b->head);
	jt_extent_commit(x, b->size, reason ? 0 : b->messages);
	return reason;
}

/*
 * jt_block_organize() - Put the records of a guest frame into the page
 * @page:	this thread's view; its packet is the frame
 * @b:		from jt_block_open(), with what jt_block_lead() said
 * @peer:	the peer that it leads to
 * @opened:	set to 1 if an extent was opened for it
 *
 * Return: JT_ABOARD, or the reason why none of its messages is in the page.
 */
JT_INLINE int jt_block_organize(struct jt_page *page, struct jt_block *b, struct jt_peer *peer,
				int *opened)
{
	__u64 spot = jt_env_block_reserve(page, peer, b->peer_id, b->size, b->templates);

	if (spot & JT_SPOT_OPENED)
		*opened = 1;
	return spot & JT_SPOT_NONE ? (int)(spot & JT_SPOT_REASON) : jt_block_fill(page, b, spot);
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Runs: messages of one flow that a writer has at hand together go into the page by
 * one reservation and one commit. What they leave there is what jt_organize() leaves,
 * one after the other; like every gap, a run's begins with a blank head until the rest
 * is written (see page.h).
 */
#ifndef JITNEY_RUN_H
#define JITNEY_RUN_H

#include "organize.h"

#define JT_RUN_MAX 64U

/* A message of a run, with its checksum complete; it must jt_message_fits(). */
struct jt_run_message {
	__u64 payload; /* offset in the page's packet */
	__u16 length;
	__u16 check; /* be */
};

/* How many fit between @offset and @limit. @size: bytes with them, without them before. */
JT_INLINE __u32 jt_run_fit(const struct jt_run_message *run, __u32 count, __u32 offset, __u32 limit,
			   __u32 *size)
{
	__u32 n, span;

	for (n = 0; n < count; n++) {
		span = JT_RECORD_HEAD + JT_ALIGN4(run[n].length);
		if (offset + *size + span > limit)
			break;
		*size += span;
	}
	return n;
}

/* Write the records from @at on, all but the first one's head. Return: that head. */
JT_INLINE __u32 jt_run_write(struct jt_page *page, const struct jt_run_message *run, __u32 n,
			     __u8 *at, __u32 number)
{
	__u32 i, head, first = 0;

	for (i = 0; i < n; i++) {
		jt_env_copy(page, run[i].payload, at + JT_RECORD_HEAD, run[i].length);
		head = jt_record_head(number, run[i].length, run[i].check);
		if (i)
			JT_WRITE(*(__u32 *)at, head);
		else
			first = head;
		at += JT_RECORD_HEAD + JT_ALIGN4(run[i].length);
	}
	return first;
}

/*
 * jt_organize_run() - Put the first messages of a run into the page
 * @page:	this thread's view; its packet holds the payloads
 * @m:		the flow's template, hint and peer; length, payload and check are the run's
 * @opened:	set to 1 if an extent was opened for it
 *
 * Return: how many went aboard; 0: jt_organize() knows what to do with the first.
 */
JT_INLINE __u32 jt_organize_run(struct jt_page *page, const struct jt_message *m,
				const struct jt_run_message *run, __u32 count, int *opened)
{
	const struct jt_parsed *p = m->parsed;
	__u64 epoch, number, before, hint = JT_READ(m->flow->hint);
	__u32 n, number_of = 0, size = 0, template_size, offset, head, first;
	struct jt_extent *x;
	__u8 *frame;

	if (jt_organize_open(page, m->peer, m->peer_id, ~0ULL, &epoch, &number, opened))
		return 0;
	x = jt_page_extent(page, number);
	frame = jt_page_frame(page, number);
	if (!x || !frame || JT_EXTENT_PEER(JT_READ(x->word)) != m->peer_id)
		return 0;
	if (JT_EPOCH(hint) == (__u32)epoch && JT_HINT_EXTENT(hint) == number)
		number_of = jt_template_find(frame, jt_env_geometry(page), hint, p);
	size = template_size = number_of ? 0 : JT_RECORD_HEAD + p->template_size;
	n = jt_run_fit(run, count, JT_EXTENT_OFFSET(JT_READ(x->word)), m->peer->limit, &size);
	if (!n || jt_extent_reserve(x, (__u32)epoch, size, !number_of, m->peer->limit, &before))
		return 0;
	offset = JT_EXTENT_OFFSET(before);
	if (template_size) {
		number_of = JT_EXTENT_TEMPLATES(before) + 1;
		head = jt_template_write(frame + offset, &p->key.header, p->template_size,
					 number_of);
	}
	first = jt_run_write(page, run, n, frame + offset + template_size, number_of);
	if (template_size)
		JT_WRITE(*(__u32 *)(frame + offset + template_size), first);
	JT_WRITE(*(__u32 *)(frame + offset), template_size ? head : first);
	jt_extent_commit(x, size, n);
	if (template_size)
		JT_WRITE(m->flow->hint, JT_HINT(epoch, number, offset));
	return n;
}

#endif

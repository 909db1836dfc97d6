/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The environment of programs in user space: where the page is, and how a
 * payload and its checksum are read. Included before page.h and organize.h.
 */
#ifndef JITNEY_ENV_USER_H
#define JITNEY_ENV_USER_H

#include <time.h>
#include "wire.h"

/*
 * One writer's view of a page. The geometry is the owner's own copy: what
 * stands in the control area is never trusted for bounds. A view serves one
 * thread; any number of views may look at the same page.
 */
struct jt_page {
	struct jt_control *control;
	struct jt_extent *extents;
	__u8 *memory;
	struct jt_geometry geometry;
	const __u8 *packet; /* what jt_organize() reads the payload from */
};

JT_INLINE const struct jt_geometry *jt_env_geometry(const struct jt_page *page)
{
	return &page->geometry;
}

JT_INLINE struct jt_control *jt_env_control(struct jt_page *page)
{
	return page->control;
}

JT_INLINE struct jt_extent *jt_env_extent(struct jt_page *page, __u32 number)
{
	return number < page->geometry.banks * page->geometry.extents ? &page->extents[number] :
									NULL;
}

JT_INLINE __u8 *jt_env_bank(struct jt_page *page, __u32 bank)
{
	return bank < page->geometry.banks ?
		       page->memory + (size_t)bank * jt_bank_stride(&page->geometry) :
		       NULL;
}

/* Return: 0, or -1 if the packet has no such bytes (BPF only). */
JT_INLINE int jt_env_copy(struct jt_page *page, __u64 offset, __u8 *to, __u64 length)
{
	memcpy(to, page->packet + offset, length);
	return 0;
}

/* As jt_env_copy(), @length 1 to @max, which is a power of two. */
JT_INLINE int jt_env_load(struct jt_page *page, __u64 offset, __u8 *to, __u64 length, __u64 max)
{
	(void)max;
	return jt_env_copy(page, offset, to, length);
}

/* Take steps until one returns other than 0, at most n. */
JT_INLINE void jt_env_loop(__u32 n, long (*step)(__u32 index, void *what), void *what)
{
	__u32 i;

	for (i = 0; i < n && !step(i, what); i++)
		;
}

/*
 * jt_env_flow() - Whose is a template, and where does it lead?
 *
 * Who includes block.h has to define it. It checks that the template's sources
 * are those of the key's guest.
 *
 * Return: the id of a peer, or a negative enum jt_reason.
 */
int jt_env_flow(struct jt_page *page, const struct jt_flow_key *key);

/* One's complement sum over `length` bytes, a multiple of four. */
JT_INLINE __u64 jt_env_sum(struct jt_page *page, const __u8 *from, __u64 length)
{
	__u64 sum = 0;
	__u32 word;

	(void)page;
	for (; length; from += 4, length -= 4) {
		memcpy(&word, from, sizeof(word));
		sum += word;
	}
	return sum;
}

JT_INLINE __u64 jt_env_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (__u64)t.tv_sec * 1000000000 + (__u64)t.tv_nsec;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The memory of a trust domain: a sharing page that helpers of several guests
 * map and organize into in place (method call `map`).
 *
 *   struct jt_control                  settings, epoch, banks' words
 *   struct jt_extent[banks * extents]
 *   struct jt_peer[JT_PEERS_MAX]       by the peers' ids: head, limit, flags, alive_until_ns
 *   banks                              jt_bank_stride() bytes each
 *
 * Each part begins on a page of JT_DOMAIN_ALIGN bytes, so every bank begins on
 * a chunk of the UMEM. It lies in one memfd that is sealed against changes of
 * its size; the banks are part of the uplink's UMEM, and leave without a copy.
 *
 * Ownership: as abi.h says for each field, where "any" is any member. Of a
 * peer's slot the controller fills in head, limit, flags and alive_until_ns,
 * members change `open`; names, addresses and counters stay zero. The controller trusts none
 * of it: it has a geometry, peers and an account of the epochs of its own, and
 * a page that it can't make sense of is reset: `magic` is zero meanwhile, the
 * epoch jumps, and what was aboard is lost. A member writes only while magic
 * is JT_MAGIC and alive_until_ns is not over.
 *
 * Members are isolated from all others, not from one another: any of them can
 * read and change what is in the page until it has left, headers included.
 *
 * Threads: a struct jt_page serves one thread. Each thread of a member that
 * writes has a word `writing` of its own, see jt_writing_begin().
 */
#ifndef JITNEY_DOMAIN_H
#define JITNEY_DOMAIN_H

#include "env_user.h"
#include "page.h"

#define JT_DOMAIN_ALIGN 4096U

JT_ASSERT(JT_DOMAIN_ALIGN % JT_EXTENT_SIZE_MAX == 0, "banks begin on chunks");
JT_ASSERT(JT_BANK_GUARD % JT_DOMAIN_ALIGN == 0, "so does every next one");

JT_INLINE __u64 jt_domain_align(__u64 n)
{
	return (n + JT_DOMAIN_ALIGN - 1) & ~(__u64)(JT_DOMAIN_ALIGN - 1);
}

/* Where the extents begin; the control area begins at 0. All in bytes. */
JT_INLINE __u64 jt_domain_extents(void)
{
	return jt_domain_align(sizeof(struct jt_control));
}

JT_INLINE __u64 jt_domain_peers(const struct jt_geometry *g)
{
	return jt_domain_extents() +
	       jt_domain_align((__u64)g->banks * g->extents * sizeof(struct jt_extent));
}

JT_INLINE __u64 jt_domain_banks(const struct jt_geometry *g)
{
	return jt_domain_peers(g) + jt_domain_align(JT_PEERS_MAX * sizeof(struct jt_peer));
}

/* Size of the whole. */
JT_INLINE __u64 jt_domain_size(const struct jt_geometry *g)
{
	return jt_domain_banks(g) + (__u64)g->banks * jt_bank_stride(g);
}

/*
 * jt_domain_view() - Look at a domain's memory as at a page
 * @memory:	jt_domain_size() bytes, aligned to JT_DOMAIN_ALIGN
 * @geometry:	what the controller said; never what stands in the memory
 * @out:	the view, for one thread; its packet is NULL
 * @peers:	set to the JT_PEERS_MAX slots that jt_organize() uses
 */
JT_INLINE void jt_domain_view(void *memory, const struct jt_geometry *geometry, struct jt_page *out,
			      struct jt_peer **peers)
{
	__u8 *at = (__u8 *)memory;

	*out = (struct jt_page){
		.control = (struct jt_control *)at,
		.extents = (struct jt_extent *)(at + jt_domain_extents()),
		.memory = at + jt_domain_banks(geometry),
		.geometry = *geometry,
	};
	*peers = (struct jt_peer *)(at + jt_domain_peers(geometry));
}

/*
 * A writer's word, in memory that it shares with the controller: odd while it
 * is between reserve and commit. A bank with a gap is blank again once nobody
 * can be writing into that gap any more. So begin before the epoch is read, and
 * end behind the commit; several messages may come between. A writer that is
 * stopped in between holds the bank until it goes on, or is killed.
 */
JT_INLINE void jt_writing_begin(__u64 *writing)
{
	JT_WRITE(*writing, *writing + 1);
	/* The controller steps the epoch, then reads this: one of us sees the other. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

JT_INLINE void jt_writing_end(__u64 *writing)
{
	JT_WRITE(*writing, *writing + 1);
}

#endif

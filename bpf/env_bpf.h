/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The environment of the programs in the kernel: see <jitney/env_user.h>. */
#ifndef JITNEY_ENV_BPF_H
#define JITNEY_ENV_BPF_H

#include "copy.h"

/* What an XDP or a tcx entry point hands to the one worker behind both. */
struct jt_page {
	struct jt_control *control;
	void *ctx;
	bool skb;
};

JT_INLINE const struct jt_geometry *jt_env_geometry(const struct jt_page *page)
{
	const struct jt_geometry *g = (const struct jt_geometry *)&jt_geometry;

	JT_OPAQUE(g); /* known to the verifier, but not yet to the compiler */
	return g;
}

JT_INLINE struct jt_control *jt_env_control(struct jt_page *page)
{
	return page->control;
}

JT_INLINE struct jt_extent *jt_env_extent(struct jt_page *page, __u32 number)
{
	return bpf_map_lookup_elem(&extents, &number);
}

JT_INLINE __u8 *jt_env_bank(struct jt_page *view, __u32 bank)
{
	return bpf_map_lookup_elem(&page, &bank);
}

/* What of the packet can be read without a call. */
JT_INLINE const __u8 *jt_page_data(struct jt_page *page, const __u8 **end)
{
	const struct __sk_buff *skb = page->ctx;
	const struct xdp_md *xdp = page->ctx;

	if (page->skb) {
		*end = (const __u8 *)(long)skb->data_end;
		return (const __u8 *)(long)skb->data;
	}
	*end = (const __u8 *)(long)xdp->data_end;
	return (const __u8 *)(long)xdp->data;
}

/* Of the packet, those of its bytes that lie elsewhere included. */
JT_INLINE __u64 jt_page_length(struct jt_page *page)
{
	return page->skb ? ((struct __sk_buff *)page->ctx)->len : bpf_xdp_get_buff_len(page->ctx);
}

JT_INLINE int jt_env_copy(struct jt_page *page, __u64 offset, __u8 *to, __u64 length)
{
	const __u8 *end, *data = jt_page_data(page, &end);

	if (length >= JT_COPY_MIN && length <= JT_COPY_MAX && offset <= JT_COPY_OFFSET_MAX &&
	    jt_copy(data, end, offset, to, length))
		return 0;
	/* Said again where it is used: older verifiers forget it in between. */
	JT_OPAQUE(length);
	length = ((length - 1) & JT_RECORD_MAX) + 1;
	if (length > JT_RECORD_MAX)
		return -1;
	return page->skb ? bpf_skb_load_bytes(page->ctx, offset, to, length) :
			   bpf_xdp_load_bytes(page->ctx, offset, to, length);
}

/* length: 1 to max, which is a power of two. */
JT_INLINE int jt_env_load(struct jt_page *page, __u64 offset, __u8 *to, __u64 length, __u64 max)
{
	length--;
	JT_OPAQUE(length);
	length = (length & (max - 1)) + 1;
	return page->skb ? bpf_skb_load_bytes(page->ctx, offset, to, length) :
			   bpf_xdp_load_bytes(page->ctx, offset, to, length);
}

JT_INLINE void jt_env_loop(__u32 n, long (*step)(__u32 index, void *what), void *what)
{
	bpf_loop(n, step, what, 0);
}

/* bpf_csum_diff() takes at most this much at a time. */
#define JT_SUM_MAX 512

JT_INLINE __u64 jt_env_sum(struct jt_page *page, const __u8 *from, __u64 length)
{
	__u64 sum = 0, part, at;
	__u32 i;

	if (length <= JT_COPY_MAX)
		return jt_sum_small(from, length);
	for (i = 0; i <= JT_RECORD_MAX / JT_SUM_MAX; i++) {
		at = i * JT_SUM_MAX;
		if (length <= at)
			break;
		part = length - at;
		if (part > JT_SUM_MAX)
			part = JT_SUM_MAX;
		JT_OPAQUE(part);
		part &= 2 * JT_SUM_MAX - 1;
		if (part > JT_SUM_MAX)
			break;
		sum += (__u32)bpf_csum_diff(NULL, 0, (__be32 *)(from + at), part, 0);
	}
	return sum;
}

JT_INLINE __u64 jt_env_now(void)
{
	return bpf_ktime_get_ns();
}

#endif

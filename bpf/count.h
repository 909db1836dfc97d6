/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What both datapath programs do besides their own work: count and tell. */
#ifndef JITNEY_COUNT_H
#define JITNEY_COUNT_H

#include "maps.h"

JT_INLINE void jt_count(__u64 *counter, __u64 n)
{
	__sync_fetch_and_add(counter, n);
}

/* reasons[] has JT_REASON_COUNT entries; the bound is for the verifier. */
JT_INLINE void jt_count_reasons(__u64 *reasons, __u64 reason, __u64 n)
{
	JT_OPAQUE(reason);
	if (reason < JT_REASON_COUNT)
		jt_count(&reasons[reason], n);
}

JT_INLINE void jt_count_reason(__u64 *reasons, __u64 reason)
{
	jt_count_reasons(reasons, reason, 1);
}

JT_INLINE void jt_tell(__u32 kind, __u32 id, __u64 now)
{
	struct jt_event event = { .kind = kind, .id = id, .time_ns = now };

	/* A full ring has woken the controller already. */
	bpf_ringbuf_output(&events, &event, sizeof(event), BPF_RB_FORCE_WAKEUP);
}

JT_INLINE struct jt_control *jt_control(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&control, &zero);
}

#endif

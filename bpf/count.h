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

/* Return: 0, or negative: no room. A full ring has woken the controller already. */
JT_INLINE long jt_tell(__u32 kind, __u32 id, __u64 now)
{
	struct jt_event event = { .kind = kind, .id = id, .time_ns = now };

	return bpf_ringbuf_output(&events, &event, sizeof(event), BPF_RB_FORCE_WAKEUP);
}

JT_INLINE struct jt_control *jt_control(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&control, &zero);
}

/*
 * jt_clock() - CLOCK_MONOTONIC, a tick or two old
 *
 * The number of the tick is a load, the clock is a call; so the first to come in
 * a tick asks the clock for all. Who slept between the two writes leaves the time
 * of an earlier tick behind, until the next one.
 */
JT_INLINE __u64 jt_clock(struct jt_control *c)
{
	__u64 tick = bpf_jiffies64(), now;

	if (JT_READ(c->tick) == tick)
		return JT_READ(c->tick_ns);
	now = bpf_ktime_get_coarse_ns();
	JT_WRITE(c->tick_ns, now);
	JT_WRITE(c->tick, tick);
	return now;
}

#endif

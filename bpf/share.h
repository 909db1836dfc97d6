/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Shares at a vif. What can't be admitted can't wait here: it is dropped. Global
 * functions: see frame.h.
 */
#ifndef JITNEY_SHARE_BPF_H
#define JITNEY_SHARE_BPF_H

#include "count.h"

#define JT_COARSE_NS 20000000ULL /* jt_clock() is no later, at two ticks of 10 ms */

int jt_share_admit(__u32 guest, __u64 now, __u32 messages);
int jt_share_pay(__u32 guest, __u32 payer, __u64 bytes, __u32 messages);

/* Have the controller share out what others leave, unless it does so already. */
JT_INLINE void jt_share_ask(struct jt_share *s, __u32 guest)
{
	if (JT_READ(s->asked) || jt_cas(&s->asked, 0, 1))
		return;
	if (jt_tell(JT_EVENT_BORROW, guest, bpf_ktime_get_ns()))
		JT_WRITE(s->asked, 0); /* no room for the event: the next one asks */
}

/*
 * jt_share_admit() - Who pays for the next message of a guest?
 * @now:	coarse: the clock itself is asked only if there are no tokens by then
 *
 * Return: enum jt_share_payer; if nobody does, @messages are counted as refused.
 */
__attribute__((noinline)) int jt_share_admit(__u32 guest, __u64 now, __u32 messages)
{
	struct jt_share *s = bpf_map_lookup_elem(&shares, &guest);

	if (!s)
		return JT_SHARE_OWN;
	if (JT_READ(s->offered_ns) != now)
		JT_WRITE(s->offered_ns, now);
	if (jt_share_own(s, now) ||
	    (jt_share_soon(s, now, JT_COARSE_NS) && jt_share_own(s, bpf_ktime_get_ns())))
		return JT_SHARE_OWN;
	if (jt_share_grant(s) > 0)
		return JT_SHARE_BORROWED;
	jt_count(&s->refused, messages);
	if (s->settings.borrows)
		jt_share_ask(s, guest);
	return JT_SHARE_NOBODY;
}

/* Charge what jt_share_admit() has admitted. */
__attribute__((noinline)) int jt_share_pay(__u32 guest, __u32 payer, __u64 bytes, __u32 messages)
{
	struct jt_share *s = bpf_map_lookup_elem(&shares, &guest);

	if (!s)
		return 0;
	jt_share_charge(s, payer, bytes, messages);
	if (payer == JT_SHARE_BORROWED && jt_share_grant(s) < (__s64)JT_READ(s->low))
		jt_share_ask(s, guest);
	return 0;
}

/* Zero, which is read for verifiers not to know it: else they follow both cases to the end. */
JT_INLINE int jt_share_nobody(struct jt_control *c)
{
	return (int)JT_READ(c->unused_settings);
}

#endif

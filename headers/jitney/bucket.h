/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Theory of operation: what a guest may send
 *
 * A guest's bucket fills at its rate, up to its burst, and is emptied by the bytes
 * that its messages cause on the uplink. It is kept as one word: the time up to
 * which the guest has paid. While that lies in the past tokens are left; a byte puts
 * it off by what a byte costs. Nobody has to fill it, any number of writers charge it
 * by one atomic addition each, and there is nothing to divide or to overflow.
 *
 *  1. A message is admitted while tokens are left, and charged when its cost is
 *     known. So a bucket may owe one message of each CPU (with `xdp` a block, with
 *     `map` a frame), which comes off later ones: in any time T no more than
 *     rate * (T + burst) and that are charged to it.
 *  2. Tokens beyond the burst are lost: who finds the word too far back moves it up,
 *     unless another has changed it meanwhile.
 *  3. A second word of the same kind counts messages. Both must have tokens.
 *  4. A guest that borrows (work-conserving) may go on without tokens of its own while
 *     it has borrowed less than the controller has granted in all. What is charged
 *     there is not charged here: each byte is charged to one of the two.
 *  5. The clock may be some ms late: then the newest tokens are not seen yet, and as
 *     many of those that should have been lost still count.
 */
#ifndef JITNEY_BUCKET_H
#define JITNEY_BUCKET_H

#include "platform.h"

/* Settings of a guest, as users give them. All zero: it is not limited. */
struct jt_share_settings {
	__u64 rate;	    /* bits a second that are its own; 0: none */
	__u64 message_rate; /* messages a second; 0: any number */
	__u64 burst;	    /* bytes that it may save up; 0: JT_SHARE_BURST_NS of its rate */
	__u32 weight;	    /* of its part of what others leave, as a rate in kbit/s; 0: its rate */
	__u32 borrows;	    /* 1: work-conserving: it may use what others leave */
};

/*
 * A guest's share: entry `id` of the map `shares`. Programs look at it if the guest
 * has JT_GUEST_LIMITED. Settings: controller; the rest is said beside each.
 */
struct jt_share {
	/* Read or written with every message. Times are in JT_SHARE_NS-ths of a ns. */
	__u64 byte_cost;     /* time that a byte takes, times 2^16; 0: none */
	__u64 message_cost;  /* time that a message takes; 0: none */
	__u64 burst;	     /* time that may be saved up */
	__u64 bytes_paid;    /* any: the time up to which bytes are paid */
	__u64 messages_paid; /* any: the same of messages */
	__u64 used;	     /* any: bytes on the uplink; only grows */
	__u64 borrowed;	     /* any: those of them beyond its own tokens; only grows */
	__u64 granted;	     /* controller: what it may have borrowed in all */

	__u64 refused;	  /* any: messages that were turned away or had to wait; only grows */
	__u64 offered_ns; /* when there was last a message to be sent (a hint) */
	__u64 low;	  /* controller: it is to be asked for more if less than this is left */
	__u32 asked;	  /* any: 1: the controller knows that it wants more */
	__u32 unused;
	struct jt_share_settings settings;
};

JT_ASSERT(sizeof(struct jt_share) == 128, "two cache lines");

#define JT_SHARE_NS 32ULL
#define JT_SHARE_FRACTION 16
#define JT_SHARE_NEVER (1ULL << 63)	/* paid up to here: no tokens at all */
#define JT_SHARE_UNLIMITED (1ULL << 62) /* granted: as much as it likes */
#define JT_SHARE_RATE_MIN 8000ULL	/* bits a second; so that no cost overflows */
#define JT_SHARE_RATE_MAX 10000000000000ULL
#define JT_SHARE_MESSAGES_MAX 1000000000ULL /* a second */
#define JT_SHARE_BURST_MAX (1ULL << 30)
#define JT_SHARE_BYTES_MAX (1ULL << 19) /* in one packet */
#define JT_SHARE_BURST_NS 10000000ULL

/* Who pays for a message. */
enum jt_share_payer { JT_SHARE_NOBODY, JT_SHARE_OWN, JT_SHARE_BORROWED };

/* As users see a guest. */
enum jt_share_state {
	JT_SHARE_BLACK,	 /* nothing waits to be sent */
	JT_SHARE_GREEN,	 /* tokens are left */
	JT_SHARE_YELLOW, /* none are, but it may use what others leave */
	JT_SHARE_RED,	 /* none are: it waits */
	JT_SHARE_STATES
};

/* What a byte costs at @rate bits a second. */
JT_INLINE __u64 jt_share_byte_cost(__u64 rate)
{
	return (8000000000ULL * JT_SHARE_NS << JT_SHARE_FRACTION) / rate;
}

/* True if tokens are left at @now, in our unit; those beyond the burst are gone then. */
JT_INLINE bool jt_share_left(__u64 *paid, __u64 now, __u64 burst)
{
	__u64 until = JT_READ(*paid);

	if (until >= now)
		return false;
	if (now - until > burst)
		jt_cas(paid, until, now - burst);
	return true;
}

JT_INLINE bool jt_share_own(struct jt_share *s, __u64 now_ns)
{
	__u64 now = now_ns * JT_SHARE_NS, burst = s->burst;

	return (!s->byte_cost || jt_share_left(&s->bytes_paid, now, burst)) &&
	       (!s->message_cost || jt_share_left(&s->messages_paid, now, burst));
}

/* True if it could have tokens by a clock that is @late_ns before ours. */
JT_INLINE bool jt_share_soon(const struct jt_share *s, __u64 now_ns, __u64 late_ns)
{
	return JT_READ(s->bytes_paid) < (now_ns + late_ns) * JT_SHARE_NS;
}

/* Bytes that may yet be borrowed; less than none if too many were. */
JT_INLINE __s64 jt_share_grant(const struct jt_share *s)
{
	return (__s64)(JT_READ(s->granted) - JT_READ(s->borrowed));
}

/* Who pays for the next message. */
JT_INLINE enum jt_share_payer jt_share_payer(struct jt_share *s, __u64 now_ns)
{
	if (jt_share_own(s, now_ns))
		return JT_SHARE_OWN;
	return jt_share_grant(s) > 0 ? JT_SHARE_BORROWED : JT_SHARE_NOBODY;
}

/* Charge what was sent. @payer: as it was when it was admitted */
JT_INLINE void jt_share_charge(struct jt_share *s, enum jt_share_payer payer, __u64 bytes,
			       __u64 messages)
{
	if (bytes > JT_SHARE_BYTES_MAX)
		bytes = JT_SHARE_BYTES_MAX;
	jt_fetch_add(&s->used, bytes);
	if (payer == JT_SHARE_BORROWED) {
		jt_fetch_add(&s->borrowed, bytes);
		return;
	}
	if (s->byte_cost)
		jt_fetch_add(&s->bytes_paid, bytes * s->byte_cost >> JT_SHARE_FRACTION);
	if (s->message_cost)
		jt_fetch_add(&s->messages_paid, messages * s->message_cost);
}

/* @waits: whether there is something to be sent */
JT_INLINE enum jt_share_state jt_share_state(struct jt_share *s, __u64 now_ns, bool waits)
{
	if (!waits)
		return JT_SHARE_BLACK;
	if (jt_share_own(s, now_ns))
		return JT_SHARE_GREEN;
	return s->settings.borrows ? JT_SHARE_YELLOW : JT_SHARE_RED;
}

#endif

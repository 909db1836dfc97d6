/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The length of a cycle: T = a * mean(T_i) + b * mean(D_i), clamped. T_i is
 * the mean time between two messages of guest i, D_i the mean time that one
 * of its writes takes. Guests that sent nothing do not count.
 *
 * All times are nanoseconds. Pure arithmetic: no state, no clock.
 */
#ifndef JITNEY_CYCLE_H
#define JITNEY_CYCLE_H

#include "platform.h"

struct jt_cycle_settings {
	double weight_interval; /* a */
	double weight_write;	/* b */
	__u64 min_ns;
	__u64 max_ns;
	__u64 latency_ns; /* no cycle is longer; bounds min_ns, too */
	__u64 fixed_ns;	  /* static cycle; 0: compute it */
};

/* Running means over guests. */
struct jt_cycle_sums {
	double interval_ns; /* sum of T_i */
	double write_ns;    /* sum of D_i */
	__u32 intervals;    /* guests with a T_i */
	__u32 writes;	    /* guests with a D_i */
};

/*
 * jt_cycle_add() - Count a guest in
 * @elapsed_ns:	time over which was measured
 * @messages:	its messages in that time
 * @write_ns:	its mean time of a write, 0 if none was measured
 *
 * Return: its T_i, 0 if it sent nothing.
 */
JT_INLINE __u64 jt_cycle_add(struct jt_cycle_sums *s, __u64 elapsed_ns, __u64 messages,
			     __u64 write_ns)
{
	if (!messages)
		return 0;
	s->interval_ns += (double)elapsed_ns / (double)messages;
	s->intervals++;
	if (write_ns) {
		s->write_ns += (double)write_ns;
		s->writes++;
	}
	return elapsed_ns / messages;
}

JT_INLINE __u64 jt_cycle_clamp(const struct jt_cycle_settings *c, double t)
{
	__u64 ns = t >= (double)c->max_ns ? c->max_ns : (__u64)t;

	if (ns < c->min_ns)
		ns = c->min_ns;
	return ns > c->latency_ns ? c->latency_ns : ns;
}

/* Return: the next cycle's length, never 0 if the settings have no 0. */
JT_INLINE __u64 jt_cycle_compute(const struct jt_cycle_settings *c, const struct jt_cycle_sums *s)
{
	double t = 0;

	if (c->fixed_ns)
		return c->fixed_ns > c->latency_ns ? c->latency_ns : c->fixed_ns;
	if (!s->intervals)
		return jt_cycle_clamp(c, (double)c->max_ns);
	t = c->weight_interval * s->interval_ns / s->intervals;
	if (s->writes)
		t += c->weight_write * s->write_ns / s->writes;
	return jt_cycle_clamp(c, t);
}

#endif

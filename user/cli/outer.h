/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What stands in front of a frame's records. */
#ifndef JITNEY_OUTER_H
#define JITNEY_OUTER_H

#include <jitney/parse.h>

/* How this machine's frames travel; host order. */
struct jt_outer {
	__u16 ethertype;
	__u16 udp_port; /* 0: in Ethernet only */
};

/*
 * jt_outer_skip() - Find the records of a data frame
 * @frame, @length:	from its outer Ethernet header on
 * @records, @size:	set to them; pointers are into the frame
 *
 * Return: false for hellos and for what is no well-formed frame of ours.
 */
bool jt_outer_skip(const struct jt_outer *outer, const void *frame, size_t length,
		   const __u8 **records, size_t *size);

#endif

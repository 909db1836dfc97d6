/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Small payloads are copied in place: the kernel's function for it costs several calls. */
#ifndef JITNEY_COPY_BPF_H
#define JITNEY_COPY_BPF_H

#include "maps.h"

#define JT_COPY_MIN 8
#define JT_COPY_MAX 263 /* 8 + a mask */
#define JT_COPY_CHUNK 32
#define JT_COPY_OFFSET_MAX 127 /* where a payload begins: behind all headers */

/* @n is a multiple of eight, and known to the compiler. */
JT_INLINE void jt_copy_words(__u8 *to, const __u8 *from, int n)
{
	int i;

	for (i = 0; i < n / 8; i++)
		((jt_word *)to)[i] = ((const jt_word *)from)[i];
}

/*
 * jt_copy() - Copy JT_COPY_MIN to JT_COPY_MAX bytes out of a packet
 * @data, @end:	what of the packet is at hand
 * @offset:	where to begin in there, at most JT_COPY_OFFSET_MAX
 *
 * The last eight bytes come first, so that what is left are whole words; those of
 * them that were copied already are written once more.
 *
 * Return: false if it is not all at hand.
 */
JT_INLINE bool jt_copy(const __u8 *data, const __u8 *end, __u64 offset, __u8 *to, __u64 length)
{
	const __u8 *from, *last;
	__u64 most, i;

	length -= JT_COPY_MIN;
	/* Bounds for verifiers: said where they are used, or older ones forget them. */
	JT_OPAQUE(length);
	JT_OPAQUE(offset);
	length &= JT_COPY_MAX - JT_COPY_MIN;
	from = data + (offset & JT_COPY_OFFSET_MAX);
	last = from + length;
	if (last + 8 > end)
		return false;
	jt_copy_words(to + length, last, 8);
	most = length + JT_COPY_MIN;
#pragma clang loop unroll(disable)
	for (i = 0; i < JT_COPY_MAX / JT_COPY_CHUNK && most >= JT_COPY_CHUNK; i++) {
		if (from + JT_COPY_CHUNK > end)
			return false;
		jt_copy_words(to, from, JT_COPY_CHUNK);
		from += JT_COPY_CHUNK;
		to += JT_COPY_CHUNK;
		most -= JT_COPY_CHUNK;
	}
	if (most & 16) {
		if (from + 16 > end)
			return false;
		jt_copy_words(to, from, 16);
		from += 16;
		to += 16;
	}
	if (most & 8) {
		if (from + 8 > end)
			return false;
		jt_copy_words(to, from, 8);
	}
	return true;
}

/* @n is a multiple of four, and known to the compiler. */
JT_INLINE __u64 jt_sum_words(const __u8 *from, int n)
{
	__u64 sum = 0;
	int i;

	for (i = 0; i < n / 4; i++)
		sum += ((const __u32 *)from)[i];
	return sum;
}

/* One's complement sum of what jt_copy() has written: @length is a multiple of four. */
JT_INLINE __u64 jt_sum_small(const __u8 *from, __u64 length)
{
	__u64 sum = 0, i;

	JT_OPAQUE(length);
#pragma clang loop unroll(disable)
	for (i = 0; i < (JT_COPY_MAX + 1) / JT_COPY_CHUNK && length >= JT_COPY_CHUNK; i++) {
		sum += jt_sum_words(from, JT_COPY_CHUNK);
		from += JT_COPY_CHUNK;
		length -= JT_COPY_CHUNK;
	}
	if (length & 16) {
		sum += jt_sum_words(from, 16);
		from += 16;
	}
	if (length & 8) {
		sum += jt_sum_words(from, 8);
		from += 8;
	}
	if (length & 4)
		sum += jt_sum_words(from, 4);
	return sum;
}

#endif

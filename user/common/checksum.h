/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* UDP checksums, eight bytes at a time. */
#ifndef JITNEY_CHECKSUM_H
#define JITNEY_CHECKSUM_H

#include <jitney/wire.h>

/* One's complement sum of 64-bit words: the carry comes back in. */
JT_INLINE __u64 jt_sum_add(__u64 sum, __u64 word)
{
	sum += word;
	return sum + (sum < word);
}

/* Copy, and sum up what was copied, as if zeros followed it. */
JT_INLINE __u64 jt_copy_sum(__u8 *to, const __u8 *from, size_t length)
{
	__u64 sum = 0, word;

	for (; length >= sizeof(word); length -= sizeof(word)) {
		memcpy(&word, from, sizeof(word));
		memcpy(to, &word, sizeof(word));
		sum = jt_sum_add(sum, word);
		from += sizeof(word);
		to += sizeof(word);
	}
	if (!length)
		return sum;
	word = 0;
	memcpy(&word, from, length);
	memcpy(to, &word, length);
	return jt_sum_add(sum, word);
}

/*
 * jt_udp_check() - A message's checksum, in network order
 * @fixed:	sum over addresses, protocol and ports
 * @sum:	of the payload
 * @length:	of the payload
 */
JT_INLINE __u16 jt_udp_check(__u64 fixed, __u64 sum, size_t length)
{
	__u16 check;

	/* The length stands in both headers. */
	fixed += 2U * jt_htons((__u16)(length + 8));
	check = (__u16)~jt_sum_fold(jt_sum_add(sum, fixed));
	return check ? check : 0xffff; /* RFC 768: zero means "none" */
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading hellos, from peers and from anybody who can send a frame. */
#ifndef JITNEY_HELLO_H
#define JITNEY_HELLO_H

#include "wire.h"

/* Bytes of an address of this family, 0 if there is no such family. */
JT_INLINE size_t jt_address_size(__u16 family)
{
	switch (family) {
	case JT_FAMILY_MAC:
		return 6;
	case JT_FAMILY_IPV4:
		return 4;
	case JT_FAMILY_IPV6:
		return 16;
	}
	return 0;
}

/* True if it can be a guest's: unicast, not zero, nothing behind it. */
JT_INLINE bool jt_hello_address_sound(const struct jt_hello_address *a)
{
	static const __u8 zero[16];
	size_t size = jt_address_size(ntohs(a->family));

	if (!size || a->zero || memcmp(a->bytes + size, zero, sizeof(zero) - size) ||
	    !memcmp(a->bytes, zero, size))
		return false;
	if (size == 6)
		return !(a->bytes[0] & 1);
	return size == 4 ? a->bytes[0] < 224 : a->bytes[0] != 0xff;
}

/* True if programs can print it as it is: letters, digits, - _ and . */
JT_INLINE bool jt_name_sound(const char name[JT_NAME_SIZE])
{
	size_t i;
	char c;

	for (i = 0; i < JT_NAME_SIZE && name[i]; i++) {
		c = name[i];
		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    c != '-' && c != '_' && c != '.')
			return false;
	}
	return i > 0 && i < JT_NAME_SIZE;
}

/* Address `i` of a hello that jt_hello_read() found sound. */
JT_INLINE struct jt_hello_address jt_hello_address(const __u8 *body, __u32 i)
{
	struct jt_hello_address a;

	memcpy(&a, body + sizeof(struct jt_hello) + i * sizeof(a), sizeof(a));
	return a;
}

/*
 * jt_hello_read() - Check a hello from its first to its last byte
 * @h:		its Jitney header; says how long the body is
 * @body:	as many bytes as @h says
 *
 * Return: true with @out set, or false if anything about it is wrong.
 */
JT_INLINE bool jt_hello_read(const struct jt_frame_header *h, const __u8 *body,
			     struct jt_hello *out)
{
	struct jt_hello_address a;
	__u32 i, n;

	if (ntohs(h->length) < sizeof(*out) || !h->session)
		return false;
	memcpy(out, body, sizeof(*out));
	n = ntohs(out->addresses);
	if (ntohs(h->length) != sizeof(*out) + n * sizeof(a) || out->zero ||
	    out->op < JT_HELLO_PROBE || out->op > JT_HELLO_BYE || !jt_name_sound(out->name) ||
	    (n && out->op != JT_HELLO_ANNOUNCE))
		return false;
	for (i = 0; i < n; i++) {
		a = jt_hello_address(body, i);
		if (!jt_hello_address_sound(&a))
			return false;
	}
	return true;
}

#endif

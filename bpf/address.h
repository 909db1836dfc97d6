/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Keys of the map `addresses`. */
#ifndef JITNEY_ADDRESS_BPF_H
#define JITNEY_ADDRESS_BPF_H

#include "count.h"

/* @size is known to the compiler. */
JT_INLINE void jt_address_set(struct jt_address *a, const void *bytes, int size, __u16 family)
{
	__builtin_memset(a, 0, sizeof(*a));
	if (size == 6)
		__builtin_memcpy(a->bytes, bytes, 6);
	else if (size == 4)
		__builtin_memcpy(a->bytes, bytes, 4);
	else
		__builtin_memcpy(a->bytes, bytes, 16);
	a->family = family;
	a->scope = JT_SCOPE_GUEST;
}

#endif

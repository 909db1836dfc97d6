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

/* A guest whose helper takes frames: only from us may it get any. */
JT_INLINE bool jt_mac_of_helper(const void *mac)
{
	struct jt_place *place;
	struct jt_guest *guest;
	struct jt_address a;
	__u32 id;

	jt_address_set(&a, mac, 6, JT_FAMILY_MAC);
	place = bpf_map_lookup_elem(&addresses, &a);
	if (!place || place->kind != JT_PLACE_GUEST)
		return false;
	id = place->id;
	guest = bpf_map_lookup_elem(&guests, &id);
	return guest && guest->flags & JT_GUEST_HELPER;
}

#endif

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <bpf/bpf.h>
#include <errno.h>

#include "controller/domains.h"
#include "controller/places.h"

void jt_places_changed(struct jt_controller *c)
{
	c->index.stale = true;
	jt_generation_step(c);
}

int jt_place_set(struct jt_controller *c, const struct jt_address *a, const struct jt_place *place)
{
	int map = c->datapath.maps[JT_MAP_addresses];
	struct jt_place old;
	bool same = !bpf_map_lookup_elem(map, a, &old) && old.kind == place->kind &&
		    old.id == place->id && old.flags == place->flags;

	if (bpf_map_update_elem(map, a, place, BPF_ANY))
		return -errno;
	if (!same)
		jt_places_changed(c);
	return 0;
}

struct jt_place jt_place_of(struct jt_controller *c, const uint8_t *mac, struct jt_address ip)
{
	struct jt_address a = jt_address_make(JT_FAMILY_MAC, JT_SCOPE_GUEST, mac);
	const struct jt_place *place = jt_index_find(&c->index, &a);

	if (place)
		return *place;
	place = jt_index_find(&c->index, &ip);
	if (!place || place->kind != JT_PLACE_PEER ||
	    (place->flags & JT_PLACE_LEARNED && !c->options->udp_port))
		return (struct jt_place){ .kind = JT_PLACE_NONE };
	return *place;
}

/* @like: those of one guest or peer; NULL: those that are over. */
static bool goes(const struct jt_place *place, const struct jt_place *like, uint64_t now)
{
	return like ? place->kind == like->kind && place->id == like->id : now > place->until_ns;
}

/* Takes no memory, so that an address never outlives its guest for want of it. */
static void remove_places(struct jt_controller *c, const struct jt_place *like, uint64_t now)
{
	int map = c->datapath.maps[JT_MAP_addresses], i;
	struct jt_address key, kept, *previous = NULL;
	struct jt_place place;
	bool any = false;

	/* Programs add addresses meanwhile: the bound is for their sake. */
	for (i = 0; i < 2 * JT_ADDRESSES_MAX; i++) {
		if (bpf_map_get_next_key(map, previous, &key))
			break;
		if (!bpf_map_lookup_elem(map, &key, &place) && goes(&place, like, now) &&
		    !bpf_map_delete_elem(map, &key)) {
			any = true;
		} else {
			kept = key;
			previous = &kept;
		}
	}
	c->index.stale = true;
	if (any)
		jt_places_changed(c);
}

void jt_places_forget(struct jt_controller *c, enum jt_place_kind kind, uint32_t id)
{
	struct jt_place like = { .kind = kind, .id = id };

	remove_places(c, &like, 0);
}

void jt_places_expire(struct jt_controller *c, uint64_t now)
{
	remove_places(c, NULL, now);
}

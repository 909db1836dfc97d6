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
	jt_index_set(&c->index, a, place);
	if (!same)
		jt_generation_step(c);
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

/* Of one guest or peer. */
struct leavers {
	enum jt_place_kind kind;
	uint32_t id;
	int map;
	bool any;
};

static bool leaves(const struct leavers *l, const struct jt_place *place)
{
	return place->kind == l->kind && place->id == l->id;
}

static int remove_place(void *leavers, const struct jt_address *a, const struct jt_place *place)
{
	struct leavers *l = leavers;

	if (leaves(l, place) && !bpf_map_delete_elem(l->map, a))
		l->any = true;
	return 0;
}

/* In the map itself, without taking memory: an address never outlives its guest. */
void jt_places_forget(struct jt_controller *c, enum jt_place_kind kind, uint32_t id)
{
	struct leavers l = { .kind = kind, .id = id, .map = c->datapath.maps[JT_MAP_addresses] };

	jt_addresses_visit(l.map, remove_place, &l);
	if (l.any)
		jt_places_changed(c);
}

/* What guests have taught so far. */
static uint64_t learned(const struct jt_controller *c)
{
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < c->guest_limit; i++)
		sum += JT_READ(c->datapath.guests[i].learned);
	return sum;
}

void jt_places_expire(struct jt_controller *c, uint64_t now)
{
	int map = c->datapath.maps[JT_MAP_addresses];
	const struct jt_index_entry *e;
	uint64_t taught = learned(c);
	bool any = false;
	size_t i;

	/* The event of an address may have found no room in its ring. */
	if (taught != c->taught)
		c->index.stale = true;
	c->taught = taught;
	if (jt_index_refresh(&c->index, map))
		return;
	for (i = 0; i < c->index.count; i++) {
		e = &c->index.entries[i];
		if (now > e->place.until_ns && !bpf_map_delete_elem(map, &e->address))
			any = true;
	}
	if (any)
		jt_places_changed(c);
}

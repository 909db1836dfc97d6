// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <bpf/bpf.h>
#include <errno.h>

#include "controller/places.h"

static void changed(struct jt_controller *c)
{
	c->index.stale = true;
	__sync_fetch_and_add(&c->datapath.page.control->generation, 1);
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
		changed(c);
	return 0;
}

static bool forget_one(struct jt_controller *c, const struct jt_index_entry *e)
{
	return !bpf_map_delete_elem(c->datapath.maps[JT_MAP_addresses], &e->address);
}

void jt_places_forget(struct jt_controller *c, enum jt_place_kind kind, uint32_t id)
{
	bool any = false;
	size_t i;

	c->index.stale = true;
	if (jt_index_refresh(&c->index, c->datapath.maps[JT_MAP_addresses]))
		return;
	for (i = 0; i < c->index.count; i++)
		if (c->index.entries[i].place.kind == kind && c->index.entries[i].place.id == id)
			any |= forget_one(c, &c->index.entries[i]);
	if (any)
		changed(c);
}

void jt_places_expire(struct jt_controller *c, uint64_t now)
{
	bool any = false;
	size_t i;

	c->index.stale = true;
	if (jt_index_refresh(&c->index, c->datapath.maps[JT_MAP_addresses]))
		return;
	for (i = 0; i < c->index.count; i++)
		if (now > c->index.entries[i].place.until_ns)
			any |= forget_one(c, &c->index.entries[i]);
	if (any)
		changed(c);
}

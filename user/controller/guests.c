// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>

#include "common/log.h"
#include "backend/backend.h"
#include "controller/guests.h"
#include "controller/helpers.h"
#include "controller/places.h"
#include "controller/report_share.h"
#include "controller/share_values.h"
#include "controller/shares.h"

static int guest_find(const struct jt_controller *c, const char *name, const char *interface)
{
	uint32_t i;

	for (i = 0; i < c->guest_limit; i++)
		if (c->guests[i].used &&
		    ((name && !strcmp(c->guests[i].spec.name, name)) ||
		     (interface && !strcmp(c->guests[i].spec.interface, interface))))
			return (int)i;
	return -ENOENT;
}

static int slot_find(const struct jt_controller *c)
{
	uint32_t i;

	for (i = 0; i < JT_GUESTS_MAX; i++)
		if (!c->guests[i].used)
			return (int)i;
	return -ENOSPC;
}

/* Let the programs know whose vif it is. Return: 0 or negative errno. */
static int vif_set(struct jt_controller *c, uint32_t ifindex, uint32_t id)
{
	uint32_t slot = ifindex % JT_GUESTS_MAX, guess = id + 1;

	if (bpf_map_update_elem(c->datapath.maps[JT_MAP_vifs], &ifindex, &id, BPF_ANY))
		return -errno;
	bpf_map_update_elem(c->datapath.maps[JT_MAP_slots], &slot, &guess, BPF_ANY);
	return 0;
}

static void vif_clear(struct jt_controller *c, uint32_t ifindex, uint32_t id)
{
	uint32_t slot = ifindex % JT_GUESTS_MAX, guess, none = 0;

	bpf_map_delete_elem(c->datapath.maps[JT_MAP_vifs], &ifindex);
	if (!bpf_map_lookup_elem(c->datapath.maps[JT_MAP_slots], &slot, &guess) && guess == id + 1)
		bpf_map_update_elem(c->datapath.maps[JT_MAP_slots], &slot, &none, BPF_ANY);
}

/* Stop carrying for a guest; what is aboard still leaves, what arrives is delivered. */
static void guest_stop(struct jt_controller *c, uint32_t id)
{
	if (c->datapath.guests[id].ifindex)
		vif_clear(c, c->datapath.guests[id].ifindex, id);
	jt_detach(&c->guests[id].attachment);
}

static void guest_detach(struct jt_controller *c, uint32_t id)
{
	guest_stop(c, id);
	c->datapath.guests[id].ifindex = 0;
	c->guests[id].up = false;
}

static int guest_attach(struct jt_controller *c, uint32_t id, const struct jt_netdev *dev)
{
	struct jt_guest_state *g = &c->guests[id];
	struct jt_guest *slot = &c->datapath.guests[id];
	int err = jt_attach_vif(&c->datapath, dev, c->options->attach, &g->attachment);

	if (err)
		return err;
	slot->ifindex = dev->ifindex;
	slot->mtu = dev->mtu;
	/* A native redirect to a veth may vanish there; the bridge does it as well. */
	if (g->attachment.mode == JT_MODE_native || g->attachment.mode == JT_MODE_adopted)
		slot->flags &= ~(uint32_t)JT_GUEST_SWITCH;
	else
		slot->flags |= JT_GUEST_SWITCH;
	g->up = dev->up;
	err = vif_set(c, dev->ifindex, id);
	if (err)
		guest_detach(c, id);
	return err;
}

static int set_addresses(struct jt_controller *c, uint32_t id, const char **wrong)
{
	const struct jt_guest_spec *spec = &c->guests[id].spec;
	struct jt_place place = { .kind = JT_PLACE_GUEST, .id = id, .until_ns = JT_NEVER_STALE };
	struct jt_guest *slot = &c->datapath.guests[id];
	unsigned int i;

	for (i = 0; i < spec->count; i++) {
		if (spec->addresses[i].family == JT_FAMILY_MAC)
			memcpy(&slot->mac, spec->addresses[i].bytes, 6);
		else
			slot->flags |= JT_GUEST_STRICT;
		if (jt_place_set(c, &spec->addresses[i], &place)) {
			*wrong = "the address table is full";
			return -ENOSPC;
		}
	}
	return 0;
}

static const char *addresses_taken(struct jt_controller *c, const struct jt_guest_spec *spec)
{
	struct jt_place place;
	unsigned int i;

	for (i = 0; i < spec->count; i++)
		if (!bpf_map_lookup_elem(c->datapath.maps[JT_MAP_addresses], &spec->addresses[i],
					 &place))
			return "one of its addresses belongs to another guest or peer";
	return NULL;
}

/*
 * A guest that only listens may have spoken long before we came. Until it does
 * again, only its bridge can say who it is.
 */
static void find_mac(struct jt_controller *c, uint32_t id, uint32_t ifindex)
{
	struct jt_place place = { .kind = JT_PLACE_GUEST,
				  .id = id,
				  .flags = JT_PLACE_LEARNED,
				  .until_ns = JT_NEVER_STALE },
			taken;
	struct jt_guest *slot = &c->datapath.guests[id];
	struct jt_address a;
	uint8_t mac[6];

	if (slot->mac || jt_netdev_behind(ifindex, mac))
		return;
	a = jt_address_make(JT_FAMILY_MAC, JT_SCOPE_GUEST, mac);
	if (bpf_map_lookup_elem(c->datapath.maps[JT_MAP_addresses], &a, &taken) &&
	    !jt_place_set(c, &a, &place))
		memcpy(&slot->mac, mac, sizeof(mac));
}

static const char *why_not(int err)
{
	switch (err) {
	case -ENODEV:
		return "there is no such interface (`ip link' lists them)";
	case -EBUSY:
		return "its interface runs another XDP program (`bpftool net' lists them)";
	case -ENOMEM:
		return "out of memory";
	case -EOPNOTSUPP:
		return "its driver can't do that: use --attach auto";
	}
	return "its interface takes no program";
}

/* What must hold before a guest can be added. Return: NULL, or what does not. */
static const char *guest_check(struct jt_controller *c, const struct jt_guest_spec *spec)
{
	if (guest_find(c, spec->name, NULL) >= 0)
		return "there is a guest of this name";
	if (guest_find(c, NULL, spec->interface) >= 0)
		return "this interface is another guest's";
	if (!strcmp(spec->interface, c->uplink.name))
		return "this interface is the uplink";
	return addresses_taken(c, spec);
}

static void guest_forget(struct jt_controller *c, uint32_t id)
{
	const struct jt_guest *slot = &c->datapath.guests[id];
	int i;

	c->retired.messages += slot->messages;
	c->retired.bytes += slot->bytes;
	c->retired.delivered += slot->delivered;
	for (i = 0; i < JT_REASON_COUNT; i++)
		c->retired.reasons[i] += slot->reasons[i];
	jt_places_forget(c, JT_PLACE_GUEST, id);
	jt_shares_forget(c, id);
	memset(c->datapath.guests[id].name, 0, JT_NAME_SIZE);
	c->guests[id].used = false;
}

bool jt_guest_open_to_users(const struct jt_guest_spec *spec)
{
	return spec->user != (uid_t)-1 || spec->group != (gid_t)-1;
}

bool jt_guests_open_to_users(const struct jt_controller *c)
{
	unsigned int i;

	for (i = 0; i < c->options->guest_count; i++)
		if (jt_guest_open_to_users(&c->options->guests[i]))
			return true;
	return false;
}

int jt_guest_add(struct jt_controller *c, const struct jt_guest_spec *spec, const char **wrong)
{
	struct jt_netdev dev;
	int id = slot_find(c), err;

	*wrong = id < 0 ? "there are too many guests" : guest_check(c, spec);
	if (*wrong)
		return -EEXIST;
	err = jt_netdev_get(spec->interface, &dev);
	if (err) {
		*wrong = why_not(err);
		return err;
	}
	memset(&c->datapath.guests[id], 0, sizeof(c->datapath.guests[id]));
	memcpy(c->datapath.guests[id].name, spec->name, JT_NAME_SIZE);
	c->guests[id] = (struct jt_guest_state){ .used = true, .spec = *spec };
	c->scheduler.offered[id] = c->scheduler.writes[id] = c->scheduler.writes_ns[id] = 0;
	if ((uint32_t)id >= c->guest_limit)
		c->guest_limit = (uint32_t)id + 1;
	err = jt_shares_set(c, (uint32_t)id, &spec->share, wrong);
	if (!err)
		err = set_addresses(c, (uint32_t)id, wrong);
	if (!err) {
		find_mac(c, (uint32_t)id, dev.ifindex);
		err = guest_attach(c, (uint32_t)id, &dev);
		*wrong = why_not(err);
	}
	if (!err)
		err = jt_link_open(c, (uint32_t)id, wrong);
	if (err) {
		guest_detach(c, (uint32_t)id);
		guest_forget(c, (uint32_t)id);
		return err;
	}
	return id;
}

int jt_guest_remove(struct jt_controller *c, const char *name, const char **wrong)
{
	int id = guest_find(c, name, NULL);

	if (id < 0) {
		*wrong = "there is no guest of this name";
		return id;
	}
	jt_helpers_of_guest_close(c, (uint32_t)id);
	jt_link_close(c, (uint32_t)id);
	guest_detach(c, (uint32_t)id);
	guest_forget(c, (uint32_t)id);
	return 0;
}

int jt_guest_set(struct jt_controller *c, const char *name, const char *changes, const char **wrong)
{
	int id = guest_find(c, name, NULL), err;
	struct jt_share_settings share;

	if (id < 0) {
		*wrong = "there is no guest of this name";
		return id;
	}
	share = c->guests[id].spec.share;
	*wrong = jt_share_change(changes, &share);
	if (*wrong)
		return -EINVAL;
	err = jt_shares_set(c, (uint32_t)id, &share, wrong);
	return err ? err : id;
}

void jt_guests_device(struct jt_controller *c, const struct jt_netdev *dev, bool gone)
{
	int id = guest_find(c, NULL, dev->name);

	if (id < 0)
		return;
	if (gone || dev->ifindex != c->datapath.guests[id].ifindex) {
		if (c->datapath.guests[id].ifindex)
			jt_log("interface %s of guest %s is gone", dev->name,
			       c->guests[id].spec.name);
		/* Who lives behind the next one of this name is for the kernel to say again. */
		jt_link_down(c, (uint32_t)id);
		jt_helpers_of_guest_close(c, (uint32_t)id);
		guest_detach(c, (uint32_t)id);
		if (gone)
			return;
		if (guest_attach(c, (uint32_t)id, dev))
			return;
		jt_log("interface %s of guest %s is back", dev->name, c->guests[id].spec.name);
		jt_link_moved(c, (uint32_t)id);
	}
	if (c->guests[id].up && !dev->up) /* nobody holds the other end of a tap any more */
		jt_link_down(c, (uint32_t)id);
	c->guests[id].up = dev->up;
	c->datapath.guests[id].mtu = dev->mtu;
}

int jt_guests_start(struct jt_controller *c)
{
	const struct jt_options *o = c->options;
	const char *wrong;
	unsigned int i;
	int id;

	for (i = 0; i < o->guest_count; i++) {
		id = jt_guest_add(c, &o->guests[i], &wrong);
		if (id >= 0)
			continue;
		jt_log("failed to add guest %s on %s: %s", o->guests[i].name,
		       o->guests[i].interface, wrong);
		return id;
	}
	wrong = jt_report_overbooked(c);
	if (wrong)
		jt_log("%s", wrong);
	return 0;
}

void jt_guests_stop(struct jt_controller *c)
{
	uint32_t i;

	for (i = 0; i < c->guest_limit; i++)
		if (c->guests[i].used)
			guest_stop(c, i);
}

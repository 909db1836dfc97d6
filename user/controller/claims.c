// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Claimed ports. What the controller takes out of frames for them it puts into
 * the helper's slice. If the helper has an AF_XDP socket instead, two programs
 * know of its ports: the uplink's, which hands over frames that are for them
 * alone, and the guest's, for datagrams.
 */
#include <bpf/bpf.h>
#include <errno.h>

#include "controller/helpers.h"

static int claim_tell(struct jt_controller *c, struct jt_helper *h, uint16_t port, bool taken)
{
	struct jt_claim claim = { .guest = h->guest, .port = htons(port) };
	int map = c->datapath.maps[JT_MAP_claims], err;
	uint32_t one = 1;

	if (!taken) {
		bpf_map_delete_elem(map, &claim);
		return h->backend->port(h, port, false);
	}
	/* The guest's first: what is handed over must be taken there. */
	err = h->backend->port(h, port, true);
	if (!err && bpf_map_update_elem(map, &claim, &one, BPF_ANY))
		err = -errno;
	if (err)
		h->backend->port(h, port, false);
	return err;
}

int jt_claim(struct jt_controller *c, struct jt_helper *h, uint16_t port, bool taken)
{
	int err = 0;

	if (taken && h->claimed >= JT_PORTS_OF_HELPER)
		return -ENOSPC;
	if (h->claiming)
		err = claim_tell(c, h, port, taken);
	h->claimed += taken && !err;
	h->claimed -= !taken;
	if (taken && !err)
		h->ports[port / 64] |= 1ULL << port % 64;
	if (!taken)
		h->ports[port / 64] &= ~(1ULL << port % 64);
	return err;
}

/* As long as there is any such helper, frames are looked into. */
static void look_into_frames(struct jt_controller *c)
{
	struct jt_control *control = c->datapath.page.control;

	if (c->helpers.sockets)
		__sync_fetch_and_or(&control->flags, JT_CONTROL_HELPERS);
	else
		__sync_fetch_and_and(&control->flags, ~(uint32_t)JT_CONTROL_HELPERS);
}

void jt_claims_open(struct jt_controller *c, struct jt_helper *h)
{
	if (h->receive != JT_RECEIVE_XDP || h->unbound)
		return;
	h->claiming = true;
	c->datapath.guests[h->guest].flags |= JT_GUEST_HELPER;
	c->helpers.sockets++;
	look_into_frames(c);
}

void jt_claims_close(struct jt_controller *c, struct jt_helper *h)
{
	uint32_t port;

	if (!h->claiming) /* it failed half-way: the flag may be another one's */
		return;
	c->datapath.guests[h->guest].flags &= ~(uint32_t)JT_GUEST_HELPER;
	for (port = 0; port < 65536; port++)
		if (h->ports[port / 64] & 1ULL << port % 64)
			jt_claim(c, h, (uint16_t)port, false);
	h->claiming = false;
	c->helpers.sockets--;
	look_into_frames(c);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Checks of a guest's host-side interface. */
#include <string.h>

#include "doctor.h"
#include "text.h"

static bool is_veth(const struct jt_patient *p)
{
	return !strcmp(p->device.kind, "veth");
}

static bool attached_by(const struct jt_patient *p, const char *how)
{
	return p->attach && !strcmp(p->attach, how);
}

static void check_attach(struct jt_doctor *d, const struct jt_patient *p)
{
	const char *name = p->device.name;

	if (attached_by(p, "native") && is_veth(p)) {
		jt_found(d, JT_WARN, name,
			 "native XDP on a veth takes segmentation from the guest: TCP is slow");
		jt_mend(d, "start jitneyd with --attach auto");
	} else if (p->attach) {
		jt_found(d, JT_OK, name, "attached: %s", p->attach);
	} else {
		jt_found(d, JT_OK, name, "%s, not attached yet",
			 *p->device.kind ? p->device.kind : p->device.driver);
	}
}

static void check_bridge(struct jt_doctor *d, const struct jt_patient *p)
{
	const char *name = p->device.name;

	if (p->device.bridged) {
		jt_found(d, JT_OK, name, "is in a bridge");
	} else if (jt_device_routed(name)) {
		jt_found(d, JT_OK, name, "is in no bridge, but has an address: it is routed");
	} else {
		jt_found(
			d, JT_WARN, name,
			"is in no bridge and has no address: what Jitney leaves to the kernel goes nowhere");
		jt_mend(d, "ip link set %s master BRIDGE", name);
	}
}

static void check_mtu(struct jt_doctor *d, const struct jt_patient *p)
{
	const struct jt_device *dev = &p->device, *up = &d->uplink_device;

	if (!up->ifindex || dev->mtu <= up->mtu) {
		jt_found(d, JT_OK, dev->name, "%u bytes", dev->mtu);
		return;
	}
	jt_found(d, JT_WARN, dev->name,
		 "%u bytes, more than the uplink's %u: large packets are lost", dev->mtu, up->mtu);
	jt_mend(d, "ip link set %s mtu %u", dev->name, up->mtu);
}

/* Whether packets are redirected to guests: from a guest attached natively. */
static bool redirects(const struct jt_doctor *d)
{
	const json_t *guests = json_object_get(d->guests, "guests"), *g;
	size_t i;

	json_array_foreach(guests, i, g)
		if (!strcmp(jt_get_text(g, "attach"), "native"))
			return true;
	return !d->status;
}

static void check_peer(struct jt_doctor *d, const struct jt_patient *p)
{
	const char *name = p->device.name;
	struct jt_device_peer peer;

	if (!is_veth(p)) {
		jt_found(d, JT_OK, name, "no veth: takes what is redirected to it");
	} else if (jt_device_peer(&p->device, &peer)) {
		jt_found(d, JT_WARN, name, "the other end is in a namespace that was not found");
		jt_mend(d, "in the guest: ethtool -K INTERFACE gro on");
	} else if (peer.gro || peer.device.xdp_id) {
		jt_found(d, JT_OK, name, "the other end, %s, has %s", peer.device.name,
			 peer.gro ? "GRO" : "an XDP program");
	} else if (!redirects(d)) {
		jt_found(d, JT_OK, name,
			 "the other end, %s, has no GRO; nothing is redirected natively",
			 peer.device.name);
	} else {
		jt_found(
			d, JT_WARN, name,
			"the other end, %s, has neither XDP nor GRO: what native XDP redirects to it is lost",
			peer.device.name);
		jt_mend(d, "%sethtool -K %s gro on", peer.prefix, peer.device.name);
	}
}

static void check_vlan(struct jt_doctor *d, const struct jt_patient *p)
{
	const char *name = p->device.name;
	struct jt_device_peer peer;

	if (!is_veth(p) || jt_device_peer(&p->device, &peer) || !peer.vlans) {
		jt_found(d, JT_OK, name, "no VLAN devices behind it were found");
	} else if (!peer.vlan_offload) {
		jt_found(d, JT_OK, name, "the guest's VLAN tags are in its packets");
	} else if (p->attach && !attached_by(p, "native") && !attached_by(p, "generic")) {
		jt_found(d, JT_OK, name,
			 "the guest's VLAN tags are beside its packets, where %s sees them",
			 p->attach);
	} else {
		jt_found(d, p->attach ? JT_FAIL : JT_WARN, name,
			 "%s keeps VLAN tags beside its packets, where XDP does not see them",
			 peer.device.name);
		jt_mend(d, "%sethtool -K %s txvlan off", peer.prefix, peer.device.name);
	}
}

const struct jt_device_checks jt_guest_checks[] = {
	{ "attach", check_attach },
	{ "xdp-program", jt_check_xdp },
	{ "bridge", check_bridge },
	{ "mtu", check_mtu },
	{ "veth-peer", check_peer },
	{ "vlan", check_vlan },
	{ NULL, NULL },
};

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Which devices are looked at, and what holds for all of them. */
#include <string.h>

#include "doctor.h"
#include "text.h"

const json_t *jt_doctor_guest(const struct jt_doctor *d, const char *interface)
{
	const json_t *guests = json_object_get(d->guests, "guests"), *g;
	size_t i;

	json_array_foreach(guests, i, g)
		if (!strcmp(jt_get_text(g, "interface"), interface))
			return g;
	return NULL;
}

/* Return: false if there is nothing more to look at. */
static bool check_present(struct jt_doctor *d, struct jt_patient *p, const char *name)
{
	const struct jt_device *dev = &p->device;

	d->check = "device";
	if (jt_device_read(name, 0, &p->device)) {
		jt_found(d, JT_FAIL, name, "there is no such interface here");
		jt_mend(d, p->guest ? "jitney guest del %s" : "ip link show", p->guest);
		return false;
	}
	if (!dev->up) {
		jt_found(d, JT_FAIL, name, "is down");
		jt_mend(d, "ip link set %s up", name);
	} else if (!dev->carrier) {
		jt_found(d, p->uplink ? JT_FAIL : JT_WARN, name, "has no carrier");
		jt_mend(d,
			p->uplink ? "plug in the cable of %s, or set its other end up" :
				    "start the guest behind %s, and set its interface up",
			name);
	} else {
		jt_found(d, JT_OK, name, "is up");
	}
	return true;
}

static void run_checks(struct jt_doctor *d, const struct jt_patient *p,
		       const struct jt_device_checks *checks)
{
	for (; checks->name; checks++) {
		d->check = checks->name;
		checks->run(d, p);
	}
}

static void look_at_uplink(struct jt_doctor *d)
{
	const json_t *uplink = json_object_get(d->status, "uplink");
	struct jt_patient p = { .uplink = true };

	d->uplink = d->cli->uplink;
	if (!d->uplink)
		d->uplink = json_string_value(json_object_get(uplink, "interface"));
	if (!d->uplink)
		return;
	if (!strcmp(d->uplink, jt_get_text(uplink, "interface")))
		p.attach = json_string_value(json_object_get(uplink, "attach"));
	if (!check_present(d, &p, d->uplink))
		return;
	d->uplink_device = p.device;
	run_checks(d, &p, jt_uplink_checks);
}

static void look_at_guest(struct jt_doctor *d, const char *interface)
{
	const json_t *guest = jt_doctor_guest(d, interface);
	struct jt_patient p = {
		.guest = json_string_value(json_object_get(guest, "name")),
		.attach = json_string_value(json_object_get(guest, "attach")),
	};

	if (check_present(d, &p, interface))
		run_checks(d, &p, jt_guest_checks);
}

void jt_doctor_devices(struct jt_doctor *d)
{
	const json_t *guests = json_object_get(d->guests, "guests"), *g;
	size_t i;

	look_at_uplink(d);
	for (i = 0; i < d->cli->guest_count; i++)
		look_at_guest(d, d->cli->guests[i]);
	if (d->cli->guest_count)
		return;
	json_array_foreach(guests, i, g)
		look_at_guest(d, jt_get_text(g, "interface"));
}

void jt_check_xdp(struct jt_doctor *d, const struct jt_patient *p)
{
	const struct jt_device *dev = &p->device;
	const char *hook = dev->xdp_generic ? "xdpgeneric" : "xdpdrv";

	if (!dev->xdp_id && p->attach &&
	    (!strcmp(p->attach, "native") || !strcmp(p->attach, "generic"))) {
		jt_found(d, JT_FAIL, dev->name, "Jitney's program is not attached any more");
		jt_mend(d, "systemctl restart jitneyd");
	} else if (!dev->xdp_id) {
		jt_found(d, JT_OK, dev->name, "no other program is attached");
	} else if (!strncmp(dev->xdp_name, "jitney", 6)) {
		jt_found(d, JT_OK, dev->name, "Jitney's %s is attached (%s)", dev->xdp_name, hook);
	} else {
		jt_found(d, JT_FAIL, dev->name, "program %u %s is attached: Jitney's can't be",
			 dev->xdp_id, dev->xdp_name);
		jt_mend(d, "ip link set dev %s %s off", dev->name, hook);
	}
}

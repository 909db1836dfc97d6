// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The uplink comes and goes: its sockets, its program, this machine's own address. */
#include <errno.h>
#include <sys/socket.h>

#include "common/log.h"
#include "controller/peers.h"
#include "controller/places.h"
#include "controller/receive.h"
#include "controller/transmit.h"
#include "controller/uplink.h"

static void xsk_ready(struct jt_controller *c, struct jt_watch *w, uint32_t events)
{
	jt_receive_run(c, (unsigned int)(w - c->xsk_watches));
}

void jt_uplink_close(struct jt_controller *c)
{
	unsigned int i;

	jt_receive_count(c);
	for (i = 0; i < c->xsk.count; i++)
		jt_watch_remove(c, &c->xsk_watches[i]);
	jt_detach(&c->uplink_attachment);
	jt_transmit_abandon(c);
	jt_xsk_close(&c->xsk);
}

/* This machine's own address is no guest's, whatever a guest may say. */
static void uplink_own(struct jt_controller *c, const struct jt_netdev *dev)
{
	struct jt_place place = { .kind = JT_PLACE_NONE, .until_ns = JT_NEVER_STALE };
	struct jt_address own = jt_address_make(JT_FAMILY_MAC, JT_SCOPE_GUEST, dev->mac);
	__u64 mac = 0;

	jt_place_set(c, &own, &place);
	memcpy(&mac, dev->mac, sizeof(dev->mac));
	JT_WRITE(c->datapath.page.control->mac, mac);
}

static int uplink_watch(struct jt_controller *c)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < c->xsk.count && !err; i++) {
		c->xsk_watches[i] =
			(struct jt_watch){ .fd = jt_xsk_fd(&c->xsk, i), .ready = xsk_ready };
		err = jt_watch_add(c, &c->xsk_watches[i], EPOLLIN);
	}
	return err;
}

/* c->uplink changes on success only: what failed is tried again when the device changes. */
static int uplink_open(struct jt_controller *c, const struct jt_netdev *dev)
{
	int err = jt_xsk_open(&c->xsk, &c->datapath, dev->name, c->options);

	if (err)
		return err;
	err = uplink_watch(c);
	if (err)
		jt_log("failed to watch the AF_XDP sockets on %s: %s", dev->name, strerror(-err));
	else
		err = jt_attach_uplink(&c->datapath, dev, c->options->attach,
				       &c->uplink_attachment);
	if (err) {
		jt_xsk_close(&c->xsk);
		return err;
	}
	c->uplink = *dev;
	uplink_own(c, dev);
	return 0;
}

static void uplink_lost(struct jt_controller *c)
{
	if (!c->uplink.ifindex)
		return;
	jt_log("uplink %s is gone: all traffic goes the kernel's way", c->options->uplink);
	jt_uplink_close(c);
	c->uplink.up = false;
	c->uplink.ifindex = 0;
	jt_peers_uplink(c);
}

void jt_uplink_changed(struct jt_controller *c, const struct jt_netdev *dev, bool gone)
{
	bool was_up = c->uplink.up, was_same;

	if (gone && (!dev->ifindex || dev->ifindex == c->uplink.ifindex)) {
		uplink_lost(c);
	} else if (!gone && dev->ifindex != c->uplink.ifindex) {
		uplink_lost(c); /* it may live on by another name */
		if (uplink_open(c, dev))
			return;
		jt_log("uplink %s is back", dev->name);
		jt_peers_uplink(c);
	} else if (!gone) {
		if (was_up != dev->up)
			jt_log("uplink %s is %s", dev->name, dev->up ? "up" : "down");
		was_same = was_up == dev->up && c->uplink.mtu == dev->mtu;
		c->uplink = *dev;
		if (!was_same)
			jt_peers_uplink(c);
	}
	jt_shares_uplink(c);
}

int jt_uplink_start(struct jt_controller *c)
{
	struct jt_netdev dev;
	int err = jt_netdev_get(c->options->uplink, &dev);

	if (err) {
		jt_log("failed to find uplink %s: %s", c->options->uplink,
		       err == -ENODEV ? "there is no such interface (`ip link' lists them)" :
					strerror(-err));
		return err;
	}
	return uplink_open(c, &dev);
}

void jt_uplink_poll(struct jt_controller *c)
{
	unsigned int i;

	for (i = 0; i < c->xsk.count; i++)
		recvfrom(jt_xsk_fd(&c->xsk, i), NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

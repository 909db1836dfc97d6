// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Checks of the uplink. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "doctor.h"
#include "text.h"

#define MTU_SMALL 1280	    /* less than that carries no IPv6 */
#define MTU_ONE_BUFFER 3498 /* what native XDP takes in one buffer of 4 KiB */

/* Drivers, as ethtool -i names them, that take XDP programs natively. */
static const struct driver {
	const char *name;
	bool zerocopy;
} drivers[] = {
	{ "veth", false },	{ "tun", false },	   { "virtio_net", true },
	{ "ixgbe", true },	{ "ixgbevf", false },	   { "i40e", true },
	{ "iavf", false },	{ "ice", true },	   { "igb", true },
	{ "igc", true },	{ "mlx4_en", false },	   { "mlx5_core", true },
	{ "bnxt_en", false },	{ "ena", false },	   { "gve", true },
	{ "hv_netvsc", false }, { "mana", false },	   { "nfp", true },
	{ "sfc", false },	{ "qede", false },	   { "nicvf", false },
	{ "stmmac", true },	{ "st_gmac", true },	   { "mvneta", false },
	{ "mvpp2", false },	{ "fsl_dpaa2_eth", true }, { "fsl_enetc", false },
	{ "fec", false },	{ "tsnep", true },	   { "vmxnet3", false },
	{ "bonding", false },	{ "netdevsim", false },
};

static const struct driver *driver_find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (!strcmp(drivers[i].name, name))
			return &drivers[i];
	return NULL;
}

static void check_driver(struct jt_doctor *d, const struct jt_patient *p)
{
	const struct jt_device *dev = &p->device;
	const struct driver *known = driver_find(dev->driver);
	const char *driver = *dev->driver ? dev->driver : *dev->kind ? dev->kind : "its driver";

	if (p->attach && !strcmp(p->attach, "native")) {
		jt_found(d, JT_OK, dev->name, "%s runs the program natively", driver);
	} else if (known && p->attach && !strcmp(driver, "veth")) {
		jt_found(d, JT_OK, dev->name, "veth, %s: its other end keeps its offloads",
			 p->attach);
	} else if (known && p->attach) {
		jt_found(d, JT_WARN, dev->name, "%s could run the program natively, but does not",
			 driver);
		jt_mend(d, "see jitneyd's log, then: ethtool -K %s lro off; start jitneyd anew",
			dev->name);
	} else if (known) {
		jt_found(d, JT_OK, dev->name, "%s takes native XDP%s", driver,
			 known->zerocopy ? ", and zero-copy in newer kernels" : ", no zero-copy");
	} else {
		jt_found(d, JT_WARN, dev->name,
			 "%s is not known to take native XDP: frames are copied once more", driver);
		jt_mend(d, "use the hardware's own interface below %s as uplink, if there is one",
			dev->name);
	}
}

/* Without a controller: as if it ran with its defaults. */
static int queues_with_socket(const json_t *status)
{
	size_t n = json_array_size(json_object_get(json_object_get(status, "uplink"), "queues"));

	return n ? (int)n : 1;
}

static void check_queues(struct jt_doctor *d, const struct jt_patient *p)
{
	int ours = queues_with_socket(d->status);
	const char *name = p->device.name;
	bool combined;
	int queues = jt_device_rx_queues(name, &combined);
	int rules = jt_device_rx_rules(name), steered = jt_device_rss_queue(name);

	if (queues <= 1) {
		jt_found(d, JT_OK, name, "one receive queue");
	} else if (queues <= ours) {
		jt_found(d, JT_OK, name, "%d receive queues, each with a socket", queues);
	} else if (steered >= 0 && steered < ours) {
		jt_found(d, JT_OK, name, "%d receive queues, all is steered to queue %d", queues,
			 steered);
	} else if (rules > 0) {
		jt_found(
			d, JT_WARN, name,
			"%d receive queues and %d rules: what is not on the first %d is copied once more",
			queues, rules, ours);
		jt_mend(d, "ethtool -u %s, and look whether peers' frames go to queue 0", name);
	} else {
		jt_found(d, JT_WARN, name,
			 "%d receive queues: what is not on the first %d is copied once more",
			 queues, ours);
		jt_mend(d,
			combined ? "ethtool -L %s combined 1, or steer: ethtool -X %s equal 1" :
				   "ethtool -L %s rx 1",
			name, name);
	}
}

static void check_mtu(struct jt_doctor *d, const struct jt_patient *p)
{
	const struct jt_device *dev = &p->device;

	if (dev->mtu < MTU_SMALL) {
		jt_found(d, JT_WARN, dev->name, "%u bytes: frames hold few messages", dev->mtu);
		jt_mend(d, "ip link set %s mtu 1500", dev->name);
	} else if (dev->mtu > MTU_ONE_BUFFER && (!p->attach || strcmp(p->attach, "native"))) {
		jt_found(d, JT_WARN, dev->name, "%u bytes: many drivers refuse native XDP above %u",
			 dev->mtu, MTU_ONE_BUFFER);
		jt_mend(d, "ip link set %s mtu %u", dev->name, MTU_ONE_BUFFER);
	} else {
		jt_found(d, JT_OK, dev->name, "%u bytes", dev->mtu);
	}
}

const struct jt_device_checks jt_uplink_checks[] = {
	{ "driver", check_driver },
	{ "xdp-program", jt_check_xdp },
	{ "queues", check_queues },
	{ "mtu", check_mtu },
	{ NULL, NULL },
};

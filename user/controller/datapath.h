/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel's half of Jitney: maps and programs, loaded from the object inside
 * of this program or adopted from where bpftool pinned them; mapped, pinned,
 * attached to devices.
 */
#ifndef JITNEY_DATAPATH_H
#define JITNEY_DATAPATH_H

#include <jitney/bucket.h>
#include <jitney/env_user.h>
#include <jitney/page.h>
#include "controller/options.h"
#include "common/netdev.h"

enum jt_map {
	JT_MAP_page,
	JT_MAP_extents,
	JT_MAP_control,
	JT_MAP_guests,
	JT_MAP_peers,
	JT_MAP_vifs,
	JT_MAP_slots,
	JT_MAP_addresses,
	JT_MAP_flows,
	JT_MAP_crowded,
	JT_MAP_events,
	JT_MAP_frames,
	JT_MAP_xsks,
	JT_MAP_claims,
	JT_MAP_shares,
	JT_MAP_COUNT
};
enum jt_program {
	JT_PROGRAM_vif,
	JT_PROGRAM_vif_tcx,
	JT_PROGRAM_uplink,
	JT_PROGRAM_uplink_tcx,
	JT_PROGRAM_COUNT
};

/* How a program sits on a device. */
enum jt_mode {
	JT_MODE_none,
	JT_MODE_native,
	JT_MODE_generic,
	JT_MODE_tcx,
	JT_MODE_tc,
	JT_MODE_adopted
};
extern const char *const jt_mode_names[];

struct jt_attachment {
	enum jt_mode mode;
	int link; /* descriptor of a bpf_link, or -1 */
	uint32_t ifindex;
	uint32_t handle; /* JT_MODE_tc: of the filter */
};

struct jt_datapath {
	int maps[JT_MAP_COUNT];
	int programs[JT_PROGRAM_COUNT]; /* -1: of no use with this --attach */
	struct jt_page page;		/* the controller's own view */
	struct jt_guest *guests;
	struct jt_share *shares; /* by the ids of the guests */
	struct jt_peer *peers;
	size_t umem_size;    /* bytes at page.memory: all of the below, in this order */
	size_t page_bytes;   /* banks and receive pool */
	size_t domain_bytes; /* the memory of one trust domain */
	uint32_t pool;	     /* entries of the receive pool */
	char *pin;	     /* folder of our pins, or NULL. Borrowed from the options */
};

/* What to do about -EPERM. */
#define JT_NEED_ROOT "run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW"

/* Make it empty, so that it can be closed. */
void jt_datapath_init(struct jt_datapath *d);
/*
 * Load or adopt, map and pin. On failure says why and leaves nothing behind.
 * Return: 0 or negative errno.
 */
int jt_datapath_open(struct jt_datapath *d, const struct jt_options *o);
void jt_datapath_close(struct jt_datapath *d);
/* Empty what another controller may have filled. The programs must pass everything. */
void jt_datapath_forget(struct jt_datapath *d);

/* Attach. Says why on failure. Return: 0 or negative errno; -EBUSY: taken. */
int jt_attach_vif(struct jt_datapath *d, const struct jt_netdev *dev, enum jt_attach how,
		  struct jt_attachment *out);
int jt_attach_uplink(struct jt_datapath *d, const struct jt_netdev *dev, enum jt_attach how,
		     struct jt_attachment *out);
/* Idempotent; the device may be gone. */
void jt_detach(struct jt_attachment *a);

#endif

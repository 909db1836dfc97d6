// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Attaching programs to devices. Links are not pinned: when the controller
 * dies, however it dies, the kernel takes its programs off and everything goes
 * the legacy way. Only a tc filter (kernels before 6.6) stays behind; that is
 * what the programs' look at `alive_until_ns` is for.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <unistd.h>

#include "common/log.h"
#include "controller/datapath.h"

/* <linux/bpf.h> of Debian 12 is older than tcx (6.6). */
#define ATTACH_TCX_INGRESS 46

const char *const jt_mode_names[] = { "none", "native", "generic", "tcx", "tc", "adopted" };

static int attach_link(int program, const struct jt_netdev *dev, int type, uint32_t flags,
		       enum jt_mode mode, struct jt_attachment *out)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags);
	int link = bpf_link_create(program, (int)dev->ifindex, (enum bpf_attach_type)type, &opts);

	if (link < 0)
		return link;
	*out = (struct jt_attachment){ .mode = mode, .link = link, .ifindex = dev->ifindex };
	return 0;
}

static int attach_tc(int program, const struct jt_netdev *dev, struct jt_attachment *out)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)dev->ifindex,
		    .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = program, .priority = 1, .handle = 0x4a54,
		    .flags = BPF_TC_F_REPLACE);
	int err = bpf_tc_hook_create(&hook);

	if (err && err != -EEXIST)
		return err;
	err = bpf_tc_attach(&hook, &opts);
	if (err)
		return err;
	*out = (struct jt_attachment){
		.mode = JT_MODE_tc, .link = -1, .ifindex = dev->ifindex, .handle = opts.handle
	};
	return 0;
}

static int attach_xdp(int program, const struct jt_netdev *dev, bool native,
		      struct jt_attachment *out)
{
	return attach_link(program, dev, BPF_XDP, native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE,
			   native ? JT_MODE_native : JT_MODE_generic, out);
}

static int attach_tcx(int program, const struct jt_netdev *dev, struct jt_attachment *out)
{
	int err = attach_link(program, dev, ATTACH_TCX_INGRESS, 0, JT_MODE_tcx, out);

	return err == -EINVAL || err == -EOPNOTSUPP ? attach_tc(program, dev, out) : err;
}

static uint32_t program_id(int program)
{
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info);

	return bpf_obj_get_info_by_fd(program, &info, &size) ? 0 : info.id;
}

/* The device runs an XDP program. Ours, put there by hand, is as good as attached. */
static int attach_taken(int program, const struct jt_netdev *dev, struct jt_attachment *out)
{
	uint32_t id = jt_netdev_xdp(dev->ifindex);

	if (id && id == program_id(program)) {
		*out = (struct jt_attachment){ .mode = JT_MODE_adopted,
					       .link = -1,
					       .ifindex = dev->ifindex };
		return 0;
	}
	jt_log("failed to attach to %s: it runs XDP program %u already: see `bpftool net', "
	       "take it off with `ip link set dev %s xdp off'",
	       dev->name, id, dev->name);
	return -EBUSY;
}

static int attach_failed(const struct jt_netdev *dev, int err)
{
	if (err == -EOPNOTSUPP)
		jt_log("failed to attach to %s: its driver has no native XDP: use --attach auto",
		       dev->name);
	else
		jt_log("failed to attach to %s: %s", dev->name, strerror(-err));
	return err;
}

/*
 * Native XDP on a veth takes GSO from its peer: bulk TCP through it falls to a
 * third. The tcx entry point costs the guest nothing, so auto takes that.
 */
int jt_attach_vif(struct jt_datapath *d, const struct jt_netdev *dev, enum jt_attach how,
		  struct jt_attachment *out)
{
	int err;

	if (jt_netdev_xdp(dev->ifindex))
		return attach_taken(d->programs[JT_PROGRAM_vif], dev, out);
	if (how == JT_ATTACH_AUTO || how == JT_ATTACH_TCX)
		err = attach_tcx(d->programs[JT_PROGRAM_vif_tcx], dev, out);
	else
		err = attach_xdp(d->programs[JT_PROGRAM_vif], dev, how == JT_ATTACH_NATIVE, out);
	return err ? attach_failed(dev, err) : 0;
}

/*
 * A physical device gets native XDP and an AF_XDP socket. On others XDP would
 * cost what passes: native takes GSO from a veth's peer, generic copies every
 * large packet. There tcx picks out the frames, for one copy of each.
 */
int jt_attach_uplink(struct jt_datapath *d, const struct jt_netdev *dev, enum jt_attach how,
		     struct jt_attachment *out)
{
	int program = d->programs[JT_PROGRAM_uplink], err = -EOPNOTSUPP;
	bool physical = !*dev->kind;

	if (jt_netdev_xdp(dev->ifindex))
		return attach_taken(program, dev, out);
	if (how == JT_ATTACH_GENERIC)
		err = attach_xdp(program, dev, false, out);
	else if (how == JT_ATTACH_NATIVE || (how == JT_ATTACH_AUTO && physical))
		err = attach_xdp(program, dev, true, out);
	if (err == -EOPNOTSUPP && how != JT_ATTACH_NATIVE && how != JT_ATTACH_GENERIC)
		err = attach_tcx(d->programs[JT_PROGRAM_uplink_tcx], dev, out);
	return err ? attach_failed(dev, err) : 0;
}

void jt_detach(struct jt_attachment *a)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)a->ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .priority = 1, .handle = a->handle);

	if (a->mode == JT_MODE_tc)
		bpf_tc_detach(&hook, &opts);
	else if (a->mode != JT_MODE_none && a->mode != JT_MODE_adopted)
		close(a->link);
	*a = (struct jt_attachment){ .mode = JT_MODE_none, .link = -1 };
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <bpf/bpf.h>
#include <errno.h>
#include <unistd.h>

#include "common/netns.h"
#include "common/guest_program.h"
#include "guest.skel.h"

static int load(struct jt_guest_program *p, int socket, uint32_t queue, uint16_t ethertype)
{
	int err;

	p->skeleton = guest_bpf__open();
	if (!p->skeleton)
		return -errno;
	p->skeleton->rodata->jt_ethertype = ethertype;
	err = guest_bpf__load(p->skeleton);
	if (err)
		return err;
	return bpf_map_update_elem(bpf_map__fd(p->skeleton->maps.socket), &queue, &socket,
				   BPF_ANY) ?
		       -errno :
		       0;
}

static int attach(struct jt_guest_program *p, int ns_fd, uint32_t ifindex, uint32_t mode)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = mode);
	int home = jt_netns_enter(ns_fd);

	if (home < 0)
		return home;
	p->link = bpf_link_create(bpf_program__fd(p->skeleton->progs.jitney_guest), (int)ifindex,
				  BPF_XDP, &opts);
	jt_netns_leave(home);
	if (p->link == -EEXIST) /* it is in the other mode */
		return -EBUSY;
	return p->link < 0 ? p->link : 0;
}

int jt_guest_program_open(struct jt_guest_program *p, int ns_fd, uint32_t ifindex, uint32_t mode,
			  int socket, uint32_t queue, uint16_t ethertype)
{
	int err;

	*p = (struct jt_guest_program){ .link = -1 };
	err = load(p, socket, queue, ethertype);
	if (!err)
		err = attach(p, ns_fd, ifindex, mode);
	if (err)
		jt_guest_program_close(p);
	return err;
}

int jt_guest_program_port(struct jt_guest_program *p, uint16_t port, bool taken)
{
	int map = bpf_map__fd(p->skeleton->maps.ports);
	uint64_t bits, bit = 1ULL << port % 64;
	uint32_t word = port / 64;

	if (bpf_map_lookup_elem(map, &word, &bits))
		return -errno;
	bits = taken ? bits | bit : bits & ~bit;
	return bpf_map_update_elem(map, &word, &bits, BPF_ANY) ? -errno : 0;
}

void jt_guest_program_close(struct jt_guest_program *p)
{
	if (!p->skeleton)
		return;
	if (p->link >= 0)
		close(p->link);
	guest_bpf__destroy(p->skeleton);
	*p = (struct jt_guest_program){ .link = -1 };
}

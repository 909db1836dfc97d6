/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The XDP program on a guest's own interface (bpf/guest.bpf.c): frames, and
 * datagrams to claimed ports, go into a helper's AF_XDP socket. It is off when
 * the controller, or the helper's connection, ends.
 */
#ifndef JITNEY_GUEST_PROGRAM_H
#define JITNEY_GUEST_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

struct guest_bpf;

struct jt_guest_program {
	struct guest_bpf *skeleton; /* NULL: there is none */
	int link;		    /* -1: it is not attached */
};

/*
 * jt_guest_program_open() - Load it, and attach it in the guest's namespace
 * @mode:		XDP_FLAGS_DRV_MODE or XDP_FLAGS_SKB_MODE
 * @socket, @queue:	of jt_guest_socket_open()
 * @ethertype:		of frames, in network order
 *
 * Return: 0, -EBUSY: the interface has another XDP program; or negative errno.
 */
int jt_guest_program_open(struct jt_guest_program *p, int ns_fd, uint32_t ifindex, uint32_t mode,
			  int socket, uint32_t queue, uint16_t ethertype);
/* Datagrams to this port, in host order. Return: 0 or negative errno. */
int jt_guest_program_port(struct jt_guest_program *p, uint16_t port, bool taken);
void jt_guest_program_close(struct jt_guest_program *p);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An AF_XDP socket on a guest's own interface, opened for a helper that need not
 * have the right to. It takes the socket over, and maps its rings itself.
 */
#ifndef JITNEY_GUEST_SOCKET_H
#define JITNEY_GUEST_SOCKET_H

#include <stddef.h>
#include <stdint.h>

/*
 * jt_guest_socket_open() - A socket bound in another namespace
 * @ns_fd:	the guest's network namespace
 * @ifindex:	of the guest's interface, there
 * @umem:	memory for its chunks, page-aligned; must outlive the socket
 * @chunk:	bytes of a chunk: 2048 or 4096
 * @queue:	out: the first one that was free
 *
 * Return: its descriptor, -EBUSY: all queues have sockets; or negative errno.
 */
int jt_guest_socket_open(int ns_fd, uint32_t ifindex, void *umem, size_t size, uint32_t chunk,
			 uint32_t *queue);

#endif

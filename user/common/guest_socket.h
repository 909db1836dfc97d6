/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An AF_XDP socket on a guest's own interface, opened for a helper that need not
 * have the right to. It takes the socket over, and maps its rings itself.
 */
#ifndef JITNEY_GUEST_SOCKET_H
#define JITNEY_GUEST_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * jt_guest_socket_open() - A socket of another namespace
 * @ns_fd:	the guest's network namespace
 * @umem:	memory for its chunks, page-aligned; must outlive the socket
 * @chunk:	bytes of a chunk: 2048 or 4096
 *
 * Return: its descriptor, or negative errno.
 */
int jt_guest_socket_open(int ns_fd, void *umem, size_t size, uint32_t chunk);

/*
 * jt_guest_socket_bind() - Bind it, to the first queue that is free
 * @ifindex:	of the guest's interface, in its namespace
 * @queue:	out: which one it is
 *
 * Return: 0, -EBUSY: all queues have sockets; or negative errno.
 */
int jt_guest_socket_bind(int fd, uint32_t ifindex, uint32_t *queue);

/* Can its rings still be mapped when it is bound? If not, who has it could bind it himself. */
bool jt_guest_socket_binds_first(void);

#endif

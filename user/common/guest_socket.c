// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <linux/if_xdp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <jitney/attach.h>
#include "common/netns.h"
#include "common/guest_socket.h"

#define QUEUES_MAX 16

static int set_rings(int fd, void *umem, size_t size, uint32_t chunk)
{
	static const int rings[] = { XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_RX_RING,
				     XDP_TX_RING };
	struct xdp_umem_reg reg = { .addr = (uintptr_t)umem, .len = size, .chunk_size = chunk };
	int entries = JT_SOCKET_RING;
	size_t i;

	if (setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)))
		return -errno;
	for (i = 0; i < JT_ARRAY_SIZE(rings); i++)
		if (setsockopt(fd, SOL_XDP, rings[i], &entries, sizeof(entries)))
			return -errno;
	return 0;
}

/* A queue takes the memory of one socket. */
int jt_guest_socket_bind(int fd, uint32_t ifindex, uint32_t *queue)
{
	struct sockaddr_xdp a = { .sxdp_family = AF_XDP,
				  .sxdp_flags = XDP_COPY | XDP_USE_NEED_WAKEUP,
				  .sxdp_ifindex = ifindex };

	for (; a.sxdp_queue_id < QUEUES_MAX; a.sxdp_queue_id++) {
		*queue = a.sxdp_queue_id;
		if (!bind(fd, (struct sockaddr *)&a, sizeof(a)))
			return 0;
		if (errno != EBUSY)
			break;
	}
	/* Behind the last queue. */
	return errno == EINVAL && a.sxdp_queue_id ? -EBUSY : -errno;
}

int jt_guest_socket_open(int ns_fd, void *umem, size_t size, uint32_t chunk)
{
	int home = jt_netns_enter(ns_fd), fd, err;

	if (home < 0)
		return home;
	fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	err = fd < 0 ? -errno : set_rings(fd, umem, size, chunk);
	jt_netns_leave(home);
	if (!err)
		return fd;
	if (fd >= 0)
		close(fd);
	return err;
}

/* Nobody asks about a kernel by trying: what a socket had bound is free again only a while later. */
bool jt_guest_socket_binds_first(void)
{
	unsigned int major = 0, minor = 0;
	struct utsname u;

	uname(&u);
	sscanf(u.release, "%u.%u", &major, &minor);
	return major > 6 || (major == 6 && minor >= 4);
}

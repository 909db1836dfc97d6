/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Plain AF_XDP: an own UMEM, an own socket on the guest's interface, one frame for
 * each message. Headers are written once into each chunk; what changes is the
 * payload and its checksum.
 */
#ifndef BENCH_PATH_XSK_H
#define BENCH_PATH_XSK_H

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xdp/xsk.h>

#include <jitney/env_user.h>
#include <jitney/parse.h>
#include "common/checksum.h"
#include "message.h"

#define XSK_INTERFACE "eth0"
#define XSK_CHUNKS 2048U
#define XSK_CHUNK 2048U
#define XSK_HEAD (sizeof(struct jt_eth) + sizeof(struct jt_ipv4) + sizeof(struct jt_udp))

struct xsk {
	uint8_t *umem_at;
	struct xsk_umem *umem;
	struct xsk_socket *socket;
	struct xsk_ring_prod fill, tx;
	struct xsk_ring_cons completion;
	uint64_t free[XSK_CHUNKS];
	uint32_t free_count;
	uint64_t sum; /* of what the checksum covers beside the payload */
};

/* Where a datagram to @to would leave, and who its sender is. Return: 0 or -1. */
static int xsk_headers(struct xsk *x, const struct options *o, const struct sockaddr_in *to,
		       uint8_t *head)
{
	struct ifreq request = { .ifr_name = XSK_INTERFACE };
	struct sockaddr_in from = { 0 };
	socklen_t size = sizeof(from);
	uint8_t *m;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct jt_eth eth = { .type = htons(JT_ETH_IPV4) };
	struct jt_ipv4 ip = { .version_ihl = 0x45, .ttl = 64, .protocol = IPPROTO_UDP };
	struct jt_udp udp = { .dest = to->sin_port,
			      .length = htons((uint16_t)(o->size + sizeof(udp))) };
	uint16_t words[sizeof(ip) / 2];
	uint64_t sum = 0;
	size_t i;

	m = eth.dest;
	if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof(*to)) ||
	    getsockname(fd, (struct sockaddr *)&from, &size) ||
	    ioctl(fd, SIOCGIFHWADDR, &request) || !o->mac ||
	    sscanf(o->mac, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", m, m + 1, m + 2, m + 3, m + 4, m + 5) !=
		    6)
		return -1;
	close(fd);
	memcpy(eth.source, request.ifr_hwaddr.sa_data, 6);
	ip.length = htons((uint16_t)(o->size + sizeof(ip) + sizeof(udp)));
	ip.source = from.sin_addr.s_addr;
	ip.dest = to->sin_addr.s_addr;
	memcpy(words, &ip, sizeof(words));
	for (i = 0; i < sizeof(words) / 2; i++)
		sum += words[i];
	ip.check = (uint16_t)~jt_sum_fold(sum);
	udp.source = from.sin_port;
	x->sum = (uint64_t)ip.source + ip.dest + udp.source + udp.dest + htons(IPPROTO_UDP);
	memcpy(head, &eth, sizeof(eth));
	memcpy(head + sizeof(eth), &ip, sizeof(ip));
	memcpy(head + sizeof(eth) + sizeof(ip), &udp, sizeof(udp));
	return 0;
}

static int xsk_open(struct xsk *x, const struct options *o, const struct sockaddr_in *to)
{
	struct xsk_umem_config umem = { .fill_size = XSK_CHUNKS,
					.comp_size = XSK_CHUNKS,
					.frame_size = XSK_CHUNK };
	struct xsk_socket_config config = { .tx_size = XSK_CHUNKS,
					    .libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
					    .bind_flags = XDP_USE_NEED_WAKEUP };
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	uint8_t head[XSK_HEAD];
	uint32_t i;
	int err;

	setrlimit(RLIMIT_MEMLOCK, &unlimited);
	if (xsk_headers(x, o, to, head))
		return complain("write headers", "is --mac an address?");
	x->umem_at = mmap(NULL, (size_t)XSK_CHUNKS * XSK_CHUNK, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (x->umem_at == MAP_FAILED)
		return complain("map memory", strerror(errno));
	err = xsk_umem__create(&x->umem, x->umem_at, (uint64_t)XSK_CHUNKS * XSK_CHUNK, &x->fill,
			       &x->completion, &umem);
	if (!err)
		err = xsk_socket__create(&x->socket, XSK_INTERFACE, 0, x->umem, NULL, &x->tx,
					 &config);
	if (err)
		return complain("open an AF_XDP socket", strerror(-err));
	for (i = 0; i < XSK_CHUNKS; i++) {
		memcpy(x->umem_at + (size_t)i * XSK_CHUNK, head, sizeof(head));
		x->free[x->free_count++] = (uint64_t)i * XSK_CHUNK;
	}
	return 0;
}

static void xsk_reap(struct xsk *x)
{
	uint32_t at, i, n = xsk_ring_cons__peek(&x->completion, XSK_CHUNKS, &at);

	for (i = 0; i < n; i++)
		x->free[x->free_count++] = *xsk_ring_cons__comp_addr(&x->completion, at + i);
	xsk_ring_cons__release(&x->completion, n);
}

/* The kernel takes some at a time. */
static int xsk_kick(struct xsk *x)
{
	while (__atomic_load_n(x->tx.consumer, __ATOMIC_ACQUIRE) != *x->tx.producer) {
		if (sendto(xsk_socket__fd(x->socket), NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 &&
		    errno != EAGAIN && errno != EBUSY && errno != ENOBUFS)
			return -errno;
		xsk_reap(x);
	}
	return 0;
}

/* Return: how many were sent, or a negative errno. */
static int xsk_send(struct xsk *x, const struct iovec *messages, unsigned int count)
{
	uint8_t *at;
	uint32_t to;
	unsigned int i;
	uint16_t check;
	int err;

	xsk_reap(x);
	if (count > x->free_count)
		count = x->free_count;
	if (xsk_ring_prod__reserve(&x->tx, count, &to) != count)
		return -EAGAIN;
	for (i = 0; i < count; i++) {
		struct xdp_desc *d = xsk_ring_prod__tx_desc(&x->tx, to + i);

		*d = (struct xdp_desc){ .addr = x->free[--x->free_count],
					.len = (uint32_t)(XSK_HEAD + messages[i].iov_len) };
		at = x->umem_at + d->addr + XSK_HEAD;
		check = jt_udp_check(x->sum,
				     jt_copy_sum(at, messages[i].iov_base, messages[i].iov_len),
				     messages[i].iov_len);
		memcpy(at - sizeof(check), &check, sizeof(check));
	}
	xsk_ring_prod__submit(&x->tx, count);
	err = xsk_kick(x);
	return err ? err : (int)count;
}

#endif

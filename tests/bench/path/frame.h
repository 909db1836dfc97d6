/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One frame for each message, as those build it who send past the kernel's stack.
 * Its headers stay the same; what changes is the payload and its checksum.
 */
#ifndef BENCH_PATH_FRAME_H
#define BENCH_PATH_FRAME_H

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <jitney/env_user.h>
#include <jitney/parse.h>
#include "common/checksum.h"
#include "message.h"

#define FRAME_INTERFACE "eth0"
#define FRAME_HEAD (sizeof(struct jt_eth) + sizeof(struct jt_ipv4) + sizeof(struct jt_udp))

struct frame {
	uint8_t head[FRAME_HEAD];
	uint64_t sum; /* of what the checksum covers beside the payload */
};

static int dest_read(const char *text, struct sockaddr_in *out)
{
	char host[INET_ADDRSTRLEN] = "";
	unsigned int port = 0;

	*out = (struct sockaddr_in){ .sin_family = AF_INET };
	if (!text || sscanf(text, "%15[0-9.]:%u", host, &port) != 2 || !port || port > 65535 ||
	    inet_pton(AF_INET, host, &out->sin_addr) != 1)
		return complain("read the destination", "it is ADDR:PORT, such as 10.0.0.1:7000");
	out->sin_port = htons((uint16_t)port);
	return 0;
}

static bool mac_read(const char *text, uint8_t *m)
{
	return text && sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", m, m + 1, m + 2, m + 3, m + 4,
			      m + 5) == 6;
}

/* Where a datagram to @to would leave, and who its sender is. Return: 0 or -1. */
static int frame_ends(const struct sockaddr_in *to, struct jt_eth *eth, struct sockaddr_in *from)
{
	struct ifreq request = { .ifr_name = FRAME_INTERFACE };
	socklen_t size = sizeof(*from);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -1;
	err = connect(fd, (const struct sockaddr *)to, sizeof(*to)) ||
	      getsockname(fd, (struct sockaddr *)from, &size) || ioctl(fd, SIOCGIFHWADDR, &request);
	close(fd);
	memcpy(eth->source, request.ifr_hwaddr.sa_data, sizeof(eth->source));
	return err ? -1 : 0;
}

static uint64_t ipv4_sum(const struct jt_ipv4 *ip)
{
	uint16_t words[sizeof(*ip) / 2];
	uint64_t sum = 0;
	size_t i;

	memcpy(words, ip, sizeof(words));
	for (i = 0; i < sizeof(words) / 2; i++)
		sum += words[i];
	return sum;
}

/* Return: 0 or -1. */
static int frame_init(struct frame *f, const struct options *o, const struct sockaddr_in *to)
{
	struct jt_eth eth = { .type = htons(JT_ETH_IPV4) };
	struct jt_ipv4 ip = { .version_ihl = 0x45, .ttl = 64, .protocol = IPPROTO_UDP };
	struct jt_udp udp = { .dest = to->sin_port,
			      .length = htons((uint16_t)(o->size + sizeof(udp))) };
	struct sockaddr_in from = { 0 };

	if (!mac_read(o->mac, eth.dest) || frame_ends(to, &eth, &from))
		return -1;
	ip.length = htons((uint16_t)(o->size + sizeof(ip) + sizeof(udp)));
	ip.source = from.sin_addr.s_addr;
	ip.dest = to->sin_addr.s_addr;
	ip.check = (uint16_t)~jt_sum_fold(ipv4_sum(&ip));
	udp.source = from.sin_port;
	f->sum = (uint64_t)ip.source + ip.dest + udp.source + udp.dest + htons(IPPROTO_UDP);
	memcpy(f->head, &eth, sizeof(eth));
	memcpy(f->head + sizeof(eth), &ip, sizeof(ip));
	memcpy(f->head + sizeof(eth) + sizeof(ip), &udp, sizeof(udp));
	return 0;
}

/* Into a frame that has its headers. */
static void frame_fill(const struct frame *f, uint8_t *at, const struct iovec *message)
{
	uint64_t sum = jt_copy_sum(at + FRAME_HEAD, message->iov_base, message->iov_len);
	uint16_t check = jt_udp_check(f->sum, sum, message->iov_len);

	memcpy(at + FRAME_HEAD - sizeof(check), &check, sizeof(check));
}

#endif

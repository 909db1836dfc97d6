/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What stands for many machines that run Jitney, where two CPUs can't run as many
 * controllers: a packet socket at the wire's end. It answers a probe to any MAC
 * address as the peer who has that would, says what it received, and takes frames
 * apart into messages. So the sending side is the real one, and messages are counted
 * where they are received, but no guest gets them.
 */
#ifndef BENCH_PATH_PEERS_H
#define BENCH_PATH_PEERS_H

#include <linux/if_packet.h>

#include <jitney/hello.h>
#include <jitney/walk.h>

#define PEERS_INTERFACE "uplink"
#define PEERS_MAX 65536U /* by the last two bytes of their MAC addresses */
#define PEERS_SESSION 1

static unsigned int peer_of(const uint8_t *mac)
{
	return (unsigned int)mac[4] << 8 | mac[5];
}

static int peers_socket(void)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(JT_ETHERTYPE_DEFAULT),
				  .sll_ifindex = (int)if_nametoindex(PEERS_INTERFACE) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0 || !at.sll_ifindex || bind(fd, (struct sockaddr *)&at, sizeof(at)))
		return complain("open a packet socket on " PEERS_INTERFACE, strerror(errno));
	return fd;
}

static void peer_reply(int fd, const struct jt_eth *probe, uint32_t received)
{
	struct {
		struct jt_eth eth;
		struct jt_frame_header h;
		struct jt_hello hello;
	} __attribute__((packed, aligned(2))) reply = {
		.eth.type = probe->type,
		.h = { .version_type = JT_WIRE_VERSION << 4 | JT_FRAME_HELLO,
		       .length = htons(sizeof(struct jt_hello)),
		       .guest = htons(JT_GUEST_MANY),
		       .session = htons(PEERS_SESSION) },
		.hello = { .op = JT_HELLO_REPLY, .received = htonl(received), .name = "peer" },
	};

	memcpy(reply.eth.dest, probe->source, 6);
	memcpy(reply.eth.source, probe->dest, 6);
	if (send(fd, &reply, sizeof(reply), 0) < 0)
		complain("answer a probe", strerror(errno));
}

static void peer_frame(struct tally *t, const struct options *o, const uint8_t *records,
		       size_t length)
{
	struct jt_found m;
	struct jt_walk w;
	int found;

	jt_walk_init(&w, records, length);
	while ((found = jt_walk_next(&w, &m)) == 1)
		message_check(t, o, m.payload, m.length);
	t->altered += found < 0;
}

static void peers_take(int fd, struct tally *t, const struct options *o, const uint8_t *at,
		       size_t size)
{
	static uint32_t frames[PEERS_MAX];
	struct jt_frame_header h;
	struct jt_eth eth;
	size_t head = sizeof(eth) + sizeof(h);

	if (size < head)
		return;
	memcpy(&eth, at, sizeof(eth));
	memcpy(&h, at + sizeof(eth), sizeof(h));
	if (ntohs(h.length) > size - head)
		t->altered++;
	else if (h.version_type == (JT_WIRE_VERSION << 4 | JT_FRAME_DATA)) {
		frames[peer_of(eth.dest)]++;
		peer_frame(t, o, at + head, ntohs(h.length));
	} else if (at[head] == JT_HELLO_PROBE)
		peer_reply(fd, &eth, frames[peer_of(eth.dest)]);
}

static int peers_receive(const struct options *o, struct tally *t)
{
	int fd = peers_socket(), n, i;
	static struct batch b;
	uint64_t before;

	if (fd < 0)
		return 1;
	batch_init(&b, fd);
	fputs("ready\n", stderr);
	do {
		before = t->received;
		n = batch_receive(&b);
		t->now_ns = clock_ns(CLOCK_MONOTONIC);
		for (i = 0; i < n; i++)
			peers_take(fd, t, o, b.bytes[i], b.headers[i].msg_len);
		n = t->received > before; /* hellos do not keep it from ending */
	} while (goes_on(t, n));
	return 0;
}

#endif

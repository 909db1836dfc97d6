// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Frames between this machine and the controller of its host: rings, and fences. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <jitney/env_user.h>
#include <jitney/parse.h>
#include "agent.h"

#define BELL (JT_WIRE_VERSION << 4 | JT_FRAME_BELL)
#define FRAME_MIN 60

struct frame {
	struct jt_eth eth;
	struct jt_frame_header header;
	uint8_t padding[FRAME_MIN - sizeof(struct jt_eth) - sizeof(struct jt_frame_header)];
};

JT_ASSERT(sizeof(struct frame) == FRAME_MIN, "as it stands on the wire");

int jt_bell_listen(struct jt_agent *a)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
				  .sll_protocol = JT_READ(a->page->ethertype),
				  .sll_ifindex = (int)a->ifindex };

	return bind(a->bell, (struct sockaddr *)&at, sizeof(at)) ? -errno : 0;
}

int jt_bell_open(struct jt_agent *a)
{
	/* Of Jitney's frames, those that ring. */
	struct sock_filter only[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, sizeof(struct jt_eth)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, BELL, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, FRAME_MIN),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = { JT_ARRAY_SIZE(only), only };
	int yes = 1;

	a->bell = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (a->bell < 0)
		return -errno;
	if (setsockopt(a->bell, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) ||
	    setsockopt(a->bell, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof(yes)))
		return -errno;
	return jt_bell_listen(a);
}

void jt_bell_ring(struct jt_agent *a)
{
	struct frame f = { .eth.type = a->page->ethertype, .header.version_type = BELL };

	memcpy(f.eth.dest, a->mac, sizeof(a->mac));
	memcpy(f.eth.source, a->mac, sizeof(a->mac));
	/* One that is lost is not heard, and then rung again. */
	send(a->bell, &f, sizeof(f), MSG_DONTWAIT);
}

/* What came to this machine's stack before a fence has reached its sockets. */
void jt_bell_take(struct jt_agent *a)
{
	bool fenced = false;
	struct frame f;

	while (recv(a->bell, &f, sizeof(f), 0) == (ssize_t)sizeof(f)) {
		if (!f.header.sequence)
			continue;
		JT_WRITE(a->page->fenced, jt_ntohl(f.header.sequence));
		fenced = true;
	}
	if (fenced && a->session)
		jt_agent_ring(a);
}

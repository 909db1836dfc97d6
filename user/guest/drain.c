// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Theory of operation: from the kernel's way to the page
 *
 *  1. What went the kernel's way may wait in a queue there, of the guest, of the
 *     bridge or of the uplink, and the page would overtake it. Its socket knows: a
 *     packet counts as the socket's until it has left the machine, or a guest's
 *     stack has it. Where the bridge calls netfilter (br_netfilter) packets leave
 *     their socket there: behind it nothing is known of them.
 *  2. So a flow goes to the page when nothing of its socket's lies in a queue. That
 *     is asked once a change, and never while a flow stays on one way.
 *  3. What is sent meanwhile waits: on the kernel's way it would keep the queue full,
 *     and the program on the vif would take it aboard. A handle that must not wait
 *     goes to the page at once, as an unmodified program's flow does.
 *  4. It ends after WAIT_NS: something may lie there for long (a neighbour that does
 *     not answer), and nobody waits for that again for STUCK_NS.
 */
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "guest.h"

#define WAIT_NS 100000000ULL
#define LOOK_NS 50000L
#define STUCK_NS 1000000000ULL

static bool queue_empty(const struct jt_port *port)
{
	int bytes;

	return ioctl(port->fd, SIOCOUTQ, &bytes) < 0 || !bytes;
}

void jt_drain(struct jitney_flow *flow)
{
	const struct timespec look = { 0, LOOK_NS };
	struct jt_port *port = flow->port;
	uint64_t start, now;

	flow->passed = false;
	if (flow->j->flags & JITNEY_NONBLOCK || queue_empty(port))
		return;
	start = now = jt_env_now();
	if (now < port->stuck_until_ns)
		return;
	do {
		nanosleep(&look, NULL);
		now = jt_env_now();
	} while (now - start < WAIT_NS && !queue_empty(port));
	if (now - start >= WAIT_NS)
		port->stuck_until_ns = now + STUCK_NS;
}

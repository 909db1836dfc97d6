/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets out of the controller: rebuilt ones to guests, hellos to peers. They
 * are gathered and handed to the kernel many at a time. Payloads stay where
 * they are until jt_deliver_flush().
 */
#ifndef JITNEY_DELIVER_H
#define JITNEY_DELIVER_H

#include <linux/if_packet.h>
#include <sys/socket.h>
#include <jitney/walk.h>

#define JT_DELIVER_BATCH 128

struct jt_deliver {
	int socket;
	unsigned int count;
	uint16_t ipv4_id;
	struct mmsghdr messages[JT_DELIVER_BATCH];
	struct iovec parts[JT_DELIVER_BATCH][2];
	struct sockaddr_ll to[JT_DELIVER_BATCH];
	struct jt_guest *guests[JT_DELIVER_BATCH];
	uint8_t headers[JT_DELIVER_BATCH][JT_PACKET_HEAD_MAX + 2];
};

/* Return: 0 or negative errno. */
int jt_deliver_open(struct jt_deliver *d);
void jt_deliver_close(struct jt_deliver *d);

/*
 * Gather a message for a guest. @mac: its MAC if the packet was routed to it
 * by IP address (six bytes), or NULL. The frame must outlive the next flush.
 */
void jt_deliver_add(struct jt_deliver *d, const struct jt_found *m, struct jt_guest *guest,
		    const uint8_t *mac);
/* Hand over what was gathered; counts it as delivered, or as lost and why. */
void jt_deliver_flush(struct jt_deliver *d);

/* Send one frame at once. Return: 0 or negative errno. */
int jt_deliver_frame(struct jt_deliver *d, uint32_t ifindex, const void *frame, size_t length);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets out of the controller: rebuilt ones to guests, hellos to peers. What is
 * for guests is gathered, and handed to the kernel many at a time: see deliver.c.
 */
#ifndef JITNEY_DELIVER_H
#define JITNEY_DELIVER_H

#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <sys/socket.h>
#include <jitney/walk.h>

#define JT_DELIVER_PACKETS 64U /* gathered at a time */
#define JT_DELIVER_FLOWS 64U   /* of which runs are open; a power of two */
#define JT_RUN_SEGMENTS 64U    /* UDP_MAX_SEGMENTS of Linux before 6.9 */
#define JT_RUN_BYTES 65472U    /* of payload in one packet */

/* A packet being gathered: one datagram, or a run of one flow's. */
struct jt_delivery {
	struct jt_guest *guest;
	const uint8_t *mac; /* to put into the packet, or NULL */
	uint8_t template[JT_TEMPLATE_MAX];
	uint32_t template_size;
	uint16_t check; /* of the first datagram */
	uint32_t size;	/* of each segment but the last */
	uint32_t bytes; /* of payload */
	uint32_t segments;
	uint64_t pseudo; /* sum over addresses and protocol */
	uint64_t sum;	 /* the same with the ports */
	uint8_t *payload;
	struct virtio_net_hdr vnet;
	uint8_t header[JT_PACKET_HEAD_MAX];
};

struct jt_deliver {
	int socket;
	bool singly; /* this kernel takes no runs */
	unsigned int count;
	uint16_t ipv4_id;
	uint8_t *memory;			    /* of all payloads */
	struct jt_delivery *open[JT_DELIVER_FLOWS]; /* by a hash: the run of a flow that takes more */
	struct jt_delivery packets[JT_DELIVER_PACKETS];
	struct mmsghdr messages[JT_DELIVER_PACKETS];
	struct iovec parts[JT_DELIVER_PACKETS][3];
	struct sockaddr_ll to[JT_DELIVER_PACKETS];
};

/* Return: 0 or negative errno. */
int jt_deliver_open(struct jt_deliver *d);
void jt_deliver_close(struct jt_deliver *d);

/*
 * Gather a message for a guest: it is copied. @mac: the guest's if the packet was
 * routed to it by IP address (six bytes, until the next flush), or NULL.
 */
void jt_deliver_add(struct jt_deliver *d, const struct jt_found *m, struct jt_guest *guest,
		    const uint8_t *mac);
/* Hand over what was gathered; counts it as delivered, or as lost and why. */
void jt_deliver_flush(struct jt_deliver *d);

/* Send one frame at once, without waiting. Return: 0 or negative errno. */
int jt_deliver_frame(struct jt_deliver *d, uint32_t ifindex, const void *frame, size_t length);

#endif

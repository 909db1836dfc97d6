/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets and Jitney's frames as they stand on an interface, taken apart. A frame
 * has many messages: what is behind the first stays to be asked for.
 */
#ifndef JITNEY_PACKET_H
#define JITNEY_PACKET_H

#include <jitney/walk.h>
#include "guest.h"

struct jt_packets {
	bool walking; /* inside of a frame, which must stay where it is */
	struct jt_walk walk;
};

/*
 * jt_packet_take() - Begin with a packet
 * @checked:	its UDP checksum is known to be right, or not filled in
 *
 * Return: true with @out filled if it is a datagram for a port of this handle. A
 * frame has p->walking set, and @out as it was.
 */
bool jt_packet_take(struct jitney *j, struct jt_packets *p, const uint8_t *data, uint32_t length,
		    bool checked, struct jitney_message *out);
/* The next message of the frame; false: there is none, and walking is over. */
bool jt_packet_more(struct jitney *j, struct jt_packets *p, struct jitney_message *out);

#endif

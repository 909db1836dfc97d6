/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets and Jitney's frames as they stand on an interface, taken apart. A frame has
 * many messages, and so has a run, a packet that the kernel would cut into segments:
 * they stay to be asked for.
 */
#ifndef JITNEY_PACKET_H
#define JITNEY_PACKET_H

#include <jitney/walk.h>
#include "guest.h"

struct jt_packets {
	bool walking; /* inside of a frame or a run, which must stay where it is */
	struct jt_walk walk;
	struct jt_template run; /* of the run, of which `left' bytes lie at `rest' */
	const uint8_t *rest;
	uint32_t left, segment;
};

/*
 * jt_packet_take() - Begin with a packet
 * @checked:	its UDP checksum is known to be right, or not filled in
 * @segment:	bytes of each datagram of a run, but perhaps the last; 0: it is none
 *
 * Return: true with @out filled if it is a datagram for a port of this handle. A
 * frame or run has p->walking set, and @out as it was.
 */
bool jt_packet_take(struct jitney *j, struct jt_packets *p, const uint8_t *data, uint32_t length,
		    bool checked, uint32_t segment, struct jitney_message *out);
/* The next message of the frame or run; false: there is none, and walking is over. */
bool jt_packet_more(struct jitney *j, struct jt_packets *p, struct jitney_message *out);

#endif

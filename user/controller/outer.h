/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Outer headers: how frames reach a peer, and how to get past them again. */
#ifndef JITNEY_OUTER_H
#define JITNEY_OUTER_H

#include "controller/controller.h"

/* Offset in an extent of the first record to a peer of this outer family. */
uint32_t jt_outer_head(uint16_t family);

/*
 * Write outer header and Jitney header in front of the records of a frame.
 * @at:	 an extent, or JT_FRAME_START bytes before any other frame
 * @end: where its records end
 */
void jt_outer_write(struct jt_controller *c, uint32_t peer, int type, uint8_t *at, uint32_t end);

/*
 * Find the Jitney header of a frame that was received. It lies where it lies, at
 * any address: take a copy.
 * @from: out: the outer source
 * Return: what follows the header, or NULL if this is no Jitney frame or is cut off.
 */
const uint8_t *jt_outer_read(const struct jt_controller *c, const uint8_t *frame, uint32_t length,
			     struct jt_address *from, struct jt_frame_header *header);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Guest frames for tests of the vif's worker: built, shown, and looked for in the page. */
#ifndef TESTS_FRAMES_H
#define TESTS_FRAMES_H

#include "vif.h"

/* Under construction, and what it has so far. */
extern struct frame records, frame;
extern __u32 templates, messages;

void begin(void);
/* A template to guest @to, from guest @from, in a flow of its own by its number. */
void add_template(__u8 kind, __u8 flags, __u8 from, __u8 to);
/* The kinds of templates, in turn. */
void add_kind(__u32 n);
void add_message(__u32 number, __u32 length);
/* Puts the records into the frame. */
void end(void);

/* Guest one has v4 and v6 addresses and no others; the flows lead to peer one. */
void known_both(void);
enum outcome show_frame(void);
/* Never passed on; @lost messages are counted under @reason, or all are aboard. */
void offer_frame(int reason, __u32 lost);
/* What was built since begin() is dropped, all of it under @reason. */
void refused(int reason);

__u8 *extent_frame(__u32 number);
/* Only sound records, from this guest's own addresses, as many as were committed. */
void extents_check(void);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the tests of the vif's worker share. */
#ifndef TESTS_VIF_H
#define TESTS_VIF_H

#include "harness.h"

enum outcome { PASS, DROP, SWITCH };

struct vif_test {
	const char *name;
	void (*run)(void);
};

extern struct harness h;
extern bool tc; /* now through the tcx entry point */

extern const struct packet_spec v4, v6, icmp, large;

/* Show a packet to the worker, whatever the counters say. */
enum outcome show(const struct packet *p);
/* Send a packet; @reason is counted once (JT_ABOARD: it is in the page), no other is. */
void offer(const struct packet_spec *s, enum outcome outcome, int reason);
/* Source is the guest's, destination is behind peer one. */
void known(const struct packet_spec *s);
/* As if the packet's flow had been quiet for long. */
void quiet(const struct packet_spec *s);
__u64 now_ns(void);

int vif_tests_run(int argc, char **argv, const struct vif_test *tests, size_t count);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The shipped object, loaded and never attached: packets are shown to its
 * programs through BPF_PROG_TEST_RUN, its maps are set up as a controller does.
 */
#ifndef TESTS_HARNESS_H
#define TESTS_HARNESS_H

#include <stdio.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <jitney/bucket.h>
#include <jitney/flow.h>
#include "../common/fixture.h"
#include "../common/frame.h"
#include "../common/vectors.h"

#define HARNESS_OBJECT "build/bpf/jitney.bpf.o" /* unless another is named */
#define HARNESS_EPOCH JT_BANKS_DEFAULT
#define HARNESS_VIF 1 /* the loopback device: it is in every namespace */
#define HARNESS_OTHER_VIF 77

enum { GUEST_ONE = 1, GUEST_OTHER = 2 };
enum { PEER_ONE = 1, PEER_OTHER = 2 };

struct harness {
	struct bpf_object *object;
	int vif, vif_tcx, uplink, uplink_tcx; /* programs */
	int vifs, slots, addresses, crowded, events, frames, xsks, claims;
	/* the mapped maps */
	struct jt_control *control;
	struct jt_extent *extents;
	struct jt_guest *guests;
	struct jt_share *shares;
	struct jt_peer *peers;
	struct jt_flow_slot *flows;
	__u8 *page;
	struct jt_geometry geometry;
};

/* What a program was shown and said. */
struct run {
	int verdict;
	__u32 duration;
	bool changed; /* it changed the packet */
};

#define CHECK(cond)                                                                          \
	do {                                                                                 \
		if (!(cond)) {                                                               \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #cond); \
			exit(1);                                                             \
		}                                                                            \
	} while (0)

/*
 * @path: the object, or a folder in which bpftool has pinned its programs and maps. Ends the
 * program if it can't be loaded.
 */
void harness_open(struct harness *h, const char *path);
void harness_close(struct harness *h);
/* Blank banks, guests 1 and 2, peers 1 and 2, no addresses, no flows. */
void harness_reset(struct harness *h);
/* Only the banks, for benches. */
void harness_reset_banks(struct harness *h);

/* What the map `slots` says of a vif: the id of its guest and one, 0: nothing. */
void slot_set(struct harness *h, __u32 ifindex, __u32 value);

void address_add(struct harness *h, __u16 family, __u16 scope, const __u8 *bytes, __u32 kind,
		 __u32 id);
/* The addresses that a packet of packet_make() comes from and goes to. */
void addresses_of(struct harness *h, const struct packet_spec *s, __u32 guest, __u32 dest_kind,
		  __u32 dest_id);
void address_learned(struct harness *h, __u16 family, const __u8 *bytes, __u32 kind, __u32 id);
bool address_known(struct harness *h, __u16 family, const __u8 *bytes, struct jt_place *place);

/* The flow of a packet; NULL: it has no place in `flows`. */
struct jt_flow *flow_at(struct harness *h, const struct packet *p, __u32 guest);

/* Both: from the loopback device. The verdict is the program's return value. */
struct run run_xdp(int prog, const void *bytes, __u32 length, __u32 repeat);
struct run run_tc(int prog, const void *bytes, __u32 length, __u32 repeat);
/* The same with several datagrams of @gso_size in one packet. */
struct run run_tc_gso(int prog, const void *bytes, __u32 length, __u32 repeat, __u32 gso_size);

/* Events told since the last call, by kind. */
__u32 events_count(struct harness *h, __u32 kind);

/* Frames in the ring buffer since the last call, handed over by now. The last one stays in @last. */
__u32 frames_count(struct frame *last);

#endif

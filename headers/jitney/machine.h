/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Theory of operation: helpers in virtual machines
 *
 * Descriptors can't be handed into a virtual machine. So an agent in the guest
 * (jitney-agent) does there what the controller does for containers: helpers
 * attach to it as they do to a controller (<jitney/attach.h>), and it hands out
 * memory that the guest and the controller share.
 *
 *  1. What agent and controller say to each other stands in one page of shared
 *     memory, this one. It is the last page of a memory file that QEMU shows to the
 *     guest, or a page that a Xen guest grants. Each attached helper has a slot: the
 *     agent copies a question into it and steps `asked'; the controller copies it
 *     out, checks it, writes the answer to the same place and steps `answered'.
 *  2. Both then ring: a frame of type JT_FRAME_BELL on the guest's interface, or an
 *     event channel. A ring says no more than "look"; too many of them do no harm.
 *  3. A helper's memory is its slice, then its own copy of the notice, then a bit
 *     for each port that it has claimed, which the agent copies into its program
 *     where messages arrive through AF_XDP.
 *  4. The guest's clock is another one. The agent writes what it shows whenever it
 *     rings; the controller adds the difference to all times of the notices.
 *  5. All of this page is the guest's to write: the controller believes nothing in it.
 *     It keeps its own count of answers, copies before it checks, and what a guest
 *     can do by lies is what it can do to itself.
 *  6. Either side may end and begin again: `session' and `boot' tell.
 */
#ifndef JITNEY_MACHINE_H
#define JITNEY_MACHINE_H

#include "attach.h"
#include "slice.h"

#define JT_MACHINE_MAGIC 0x4a544d43U /* "JTMC" */
#define JT_MACHINE_VERSION 2
#define JT_MACHINE_SLOTS 16U
#define JT_MACHINE_LISTS 10U  /* pages of grants: as many as the largest slice needs */
#define JT_MACHINE_LIST 1024U /* grants in a page */
#define JT_MACHINE_PAGE 4096U

#define JT_ATTACH_BYE 64 /* the helper is gone; the answer: and so are its mappings */

struct jt_machine_slot {
	__u32 asked;			  /* agent */
	__u32 answered;			  /* controller: then the answer is there */
	__u32 lists[JT_MACHINE_LISTS];	  /* agent, Xen: grants of pages that list the
					       grants of the helper's memory, with HELLO */
	struct jt_attach_message message; /* the question, then the answer */
};

struct jt_machine {
	__u32 magic;	   /* controller: JT_MACHINE_MAGIC while it runs */
	__u32 version;	   /* controller */
	__u64 session;	   /* controller: another one with each start; then all attach anew */
	__u64 boot;	   /* agent: another one with each start; then who was attached is gone */
	__u64 size;	   /* agent: bytes that it sees of a memory file, with this page */
	__u64 clock_ns;	   /* agent: its CLOCK_MONOTONIC as it rang */
	__u64 wakes;	   /* any: set by the controller, taken by the agent: JT_WAKES_* */
	__u32 rung;	   /* agent: how often it rang */
	__u32 heard;	   /* controller: `rung' when it last looked: it lives */
	__u32 extent_size; /* controller: of its geometry, bytes */
	__u16 ethertype;   /* controller, be: of frames */
	__u16 unused;
	__u32 fenced; /* agent: the last fence that it has seen: user/backend/fence.c */
	__u32 unused_fence;
	struct jt_machine_slot slots[JT_MACHINE_SLOTS];
};

/* Xen: this byte of the page is not 0 until the agent has ended, however it did. */
#define JT_MACHINE_ALIVE (JT_MACHINE_PAGE - 1)

/* Bits of `wakes', for slot i. */
#define JT_WAKES_RECEIVE(i) (1ULL << (i))	/* as JT_FD_RECEIVE */
#define JT_WAKES_CYCLE(i) (1ULL << (16 + (i)))	/* as JT_FD_CYCLE */
#define JT_WAKES_CLAIMS(i) (1ULL << (32 + (i))) /* its bits of ports changed */
#define JT_WAKES_GONE(i) (1ULL << (48 + (i)))	/* the controller has cut it off */
#define JT_WAKES_ALL_GONE (0xffffULL << 48)

/* Behind a slice of @size bytes, which is a multiple of a page. */
#define JT_MACHINE_NOTICE ((sizeof(struct jt_notice) + 4095) & ~4095ULL)
#define JT_MACHINE_CLAIMS (65536U / 8)
#define JT_MACHINE_BEHIND (JT_MACHINE_NOTICE + JT_MACHINE_CLAIMS)

JT_ASSERT(sizeof(struct jt_machine) <= JT_MACHINE_ALIVE, "one page");
JT_ASSERT(JT_MACHINE_SLOTS <= 16, "bits of wakes");

#endif

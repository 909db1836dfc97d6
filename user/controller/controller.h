/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The controller: one thread, one loop. Every part below has its own file; this
 * is what they share. No part keeps a descriptor or memory that is not here.
 */
#ifndef JITNEY_CONTROLLER_H
#define JITNEY_CONTROLLER_H

#include <sys/epoll.h>
#include "controller/calls.h"
#include "controller/datapath.h"
#include "controller/deliver.h"
#include "controller/frames.h"
#include "controller/index.h"
#include "controller/notice.h"
#include "controller/options.h"
#include "controller/shares.h"
#include "controller/slices.h"
#include "controller/xsk.h"

struct jt_client;
struct jt_controller;
struct jt_domain;
struct jt_link;

/* A descriptor in the loop. `ready` may close and free what it belongs to. */
struct jt_watch {
	int fd;
	void (*ready)(struct jt_controller *c, struct jt_watch *w, uint32_t events);
};

/* Why a bank left. */
enum jt_swap { JT_SWAP_threshold, JT_SWAP_cycle, JT_SWAP_flush, JT_SWAP_writer, JT_SWAP_COUNT };

struct jt_scheduler {
	struct jt_cycle_settings settings;
	uint64_t start_ns;    /* of the running cycle; 0: asleep */
	uint64_t length_ns;   /* of the running cycle */
	uint64_t drained_ns;  /* what came aboard the main page before has left */
	uint64_t look_ns;     /* asleep: when the timer was set to for rings; 0: it was not */
	uint64_t measured_ns; /* when the sums below were last taken */
	uint64_t mean_interval_ns, mean_write_ns;
	uint64_t swaps[JT_SWAP_COUNT];
	uint64_t empty, recomputed, wakeups;
	uint64_t offered[JT_GUESTS_MAX], writes[JT_GUESTS_MAX], writes_ns[JT_GUESTS_MAX];
};

/* A bank on its way out, from its being closed until it is blank again. */
struct jt_drain {
	uint32_t taken;	      /* extents of the bank */
	uint32_t next;	      /* first extent not handed over */
	uint32_t outstanding; /* frames not completed */
	uint64_t since_ns;    /* when it was closed */
	bool closed;
};

/* One page on its way out: the main one, or a trust domain's. */
struct jt_transmit {
	struct jt_page *page;
	struct jt_domain *domain; /* who can write to it besides us and our programs, or NULL */
	uint64_t epoch;		  /* last one seen active */
	uint64_t send_epoch;	  /* the oldest bank with frames to hand over */
	uint64_t wipe_epoch;	  /* the oldest bank that is not blank again */
	uint64_t swaps, frames, messages;
	bool held;			      /* its frames wait until somebody pays for them */
	uint64_t reset_ns;		      /* when it was found to make no sense; 0: it does */
	uint32_t reset_bank;		      /* the next one to be wiped then */
	struct jt_drain drains[JT_BANKS_MAX]; /* by epoch % banks */
};

struct jt_guest_state {
	struct jt_guest_spec spec;
	struct jt_attachment attachment;
	struct jt_helper *helpers; /* attached, by `next_here' */
	struct jt_link *machine;   /* it is a virtual machine; or NULL */
	int namespace;		   /* where it lived when last asked: the kernel's number and one */
	uint64_t flushed_ns;	   /* when a helper last had the page leave */
	uint64_t barred_until_ns;  /* one was cut off: no other may attach before */
	uint64_t attach_ns;	   /* from then on a virtual machine's program may attach again */
	uint64_t expected_ns;	   /* T_i as a helper said, until it was counted; 0: none did */
	struct jt_guest_calls calls;
	bool used, up;
};

struct jt_peer_state {
	struct jt_address address; /* outer: MAC, or IP of --udp */
	struct jt_address source;  /* --udp: our own */
	bool used, discovered;
	bool reachable;		 /* the next hop's MAC is known */
	bool probing;		 /* the probe that is noted is not answered yet */
	bool silent;		 /* what it did not confirm was counted as lost */
	uint32_t sequence;	 /* of the next frame */
	uint16_t session;	 /* its own; 0: not known */
	uint64_t session_frames; /* received_frames when that began */
	uint64_t heard_ns;	 /* last word from it; 0: none yet */
	uint64_t expires_ns;	 /* discovered ones are forgotten then */
	uint64_t probed_ns;	 /* when the last probe left */
	uint32_t probe_number;	 /* of the last probe, 0: none yet */
	uint32_t asked_number;	 /* of the last one of its own */
	uint32_t hello_number;	 /* of the hello that is being written */
	uint32_t noted;		 /* number of the probe of which we know: */
	uint64_t probe_messages; /* what had been sent before it, and */
	uint64_t probe_drained;	 /* drained_ns, as it left */
	uint64_t seen_messages;	 /* sent, at the last tick */
	uint64_t sent_ns;	 /* when that was another number for the last time */
	uint64_t confirmed;	 /* messages sent before a probe that was answered */
	uint64_t acknowledged;	 /* frames that it says to have received from us */
};

struct jt_capture {
	struct jt_watch watch; /* fd -1: nobody captures */
	uint32_t missed;
};

/* Programs in guests. */
struct jt_helpers {
	struct jt_helper *first; /* by `next' */
	struct jt_helper *dirty; /* by `next_dirty': to be told that something came */
	struct jt_helper *dead;	 /* by `next': closed in this turn of the loop */
	unsigned int count;
	bool more;	      /* their rings hold more than could be taken at a time */
	bool flush;	      /* one has called for a swap */
	unsigned int sockets; /* of them that receive through AF_XDP sockets */
};

/* What guests did that were removed since: totals never shrink. */
struct jt_retired {
	uint64_t messages, bytes, delivered;
	__u64 reasons[JT_REASON_COUNT];
};

#define JT_RECORDS_MAX 256 /* of the ring `frames' in one turn; then others have theirs */

struct jt_controller {
	const struct jt_options *options;
	struct jt_datapath datapath;
	struct jt_xsk xsk;
	struct jt_netdev uplink;
	struct jt_attachment uplink_attachment;
	struct jt_scheduler scheduler;
	struct jt_transmit transmit; /* of the main page */
	struct jt_domain *domains;
	unsigned int domain_count;
	struct jt_transmit *pages[1 + JT_GUESTS_MAX]; /* the main one, then the domains' */
	unsigned int page_count;
	struct jt_deliver deliver;
	struct jt_index index;
	uint64_t taught; /* addresses, by guests, when those were last looked through */
	struct jt_capture capture;
	struct jt_client *clients;
	struct jt_helpers helpers;
	struct jt_link *links;	  /* to agents in virtual machines, by `next' */
	bool links_due;		  /* one of them has rung, or is to lose a helper */
	uint64_t links_looked_ns; /* when they were last looked through */
	struct jt_notice_board board;
	struct jt_netdev_watch *netdev;
	struct ring_buffer *events;
	struct jt_frames frames;
	struct jt_shares shares;
	struct jt_watch xsk_watches[JT_QUEUES_MAX];
	struct jt_watch netdev_watch, events_watch, timer_watch, announce_watch, signal_watch,
		control_watch, shares_watch;
	struct jt_guest_state guests[JT_GUESTS_MAX];
	struct jt_peer_state peers[JT_PEERS_MAX];
	uint32_t guest_limit, peer_limit; /* slots that were ever in use */
	uint64_t started_ns;
	struct jt_retired retired;
	unsigned int record_budget; /* frames that may still be taken from the ring in this turn */
	uint16_t session;
	int epoll;
	bool stop;
};

/* Run until a signal ends it. Return: exit status. */
int jt_controller_run(const struct jt_options *o);

/* The loop's descriptors. Return: 0 or negative errno. */
int jt_watch_add(struct jt_controller *c, struct jt_watch *w, uint32_t events);
void jt_watch_change(struct jt_controller *c, struct jt_watch *w, uint32_t events);
/* Takes it out of the loop; its descriptor is the caller's. */
void jt_watch_remove(struct jt_controller *c, struct jt_watch *w);
/* The same, and closes it. */
void jt_watch_close(struct jt_controller *c, struct jt_watch *w);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the XDP programs, the controller, the tools and the tests share: the
 * keys and values of every map, their sizes, units and owners.
 *
 * Units: _ns is CLOCK_MONOTONIC nanoseconds, _size and bytes are bytes. Fields
 * are in host order unless they are said to be in network order (be).
 * Ownership: every field has one writer, named beside it; "any" means that it
 * is only changed by atomic operations.
 */
#ifndef JITNEY_ABI_H
#define JITNEY_ABI_H

#include "platform.h"
#include "reason.h"

#define JT_MAGIC 0x4a49544eU /* "JITN" */
#define JT_ABI_VERSION 3

#define JT_NAME_SIZE 16 /* with its NUL, as IFNAMSIZ */
#define JT_GUESTS_MAX 1024
#define JT_PEERS_MAX 512
#define JT_BANKS_MAX 16
#define JT_BANKS_MIN 2
#define JT_QUEUES_MAX 64
#define JT_ADDRESSES_MAX 16384
#define JT_LEARNED_MAX 64 /* addresses that one guest may teach */
#define JT_FLOWS_MAX 16384 /* of those that find no place in `flows` */
#define JT_EVENTS_SIZE (64 * 1024)
#define JT_FRAMES_SIZE (4 * 1024 * 1024)

#define JT_EXTENT_SIZE_MIN 2048U
#define JT_EXTENT_SIZE_MAX 4096U
#define JT_PAGE_SIZE_DEFAULT (256U * 1024)
#define JT_BANKS_DEFAULT 4U
#define JT_EXTENT_SIZE_DEFAULT JT_EXTENT_SIZE_MIN
#define JT_SMALL_DEFAULT 512U
#define JT_ETHERTYPE_DEFAULT 0x88b5U /* IEEE Std 802: local experimental 1 */
#define JT_UDP_PORT_DEFAULT 17224U

/*
 * A frame starts this far into its extent, so that the records behind any of
 * the outer headers are aligned to four bytes.
 */
#define JT_FRAME_START 2U

/* No record that starts inside an extent reaches further than this. */
#define JT_RECORD_MAX 2047U
/*
 * Spare bytes behind each bank. They are never written; they let the verifier
 * bound "offset < extent_size, then at most JT_RECORD_MAX bytes" for the last
 * extent of a bank as for any other.
 */
#define JT_BANK_GUARD 4096U

/*
 * Geometry of the sharing page; constant while the maps exist.
 * The map `page` has one entry per bank, then the entries of the receive pool;
 * neighbouring entries are neighbouring memory. So is the UMEM laid out.
 */
struct jt_geometry {
	__u32 page_size;   /* usable bytes of a bank, a multiple of 4096 */
	__u32 banks;	   /* JT_BANKS_MIN .. JT_BANKS_MAX */
	__u32 extent_size; /* 2048 or 4096: the UMEM's chunk size */
	__u32 extents;	   /* in a bank: page_size / extent_size */
	__u64 reciprocal;  /* of extents: see jt_extent_bank() */
};

/* A geometry by what is chosen; the rest follows. */
#define JT_GEOMETRY(page_size, banks, extent_size)                             \
	{                                                                      \
		page_size, banks, extent_size, (page_size) / (extent_size),    \
			JT_RECIPROCAL_ONE / ((page_size) / (extent_size)) + 1, \
	}
#define JT_RECIPROCAL_SHIFT 40
#define JT_RECIPROCAL_ONE (1ULL << JT_RECIPROCAL_SHIFT)

/*
 * number / extents, for an extent's number over all banks, without a division for each
 * write; exact while number and extents are below 2^20.
 */
JT_INLINE __u64 jt_extent_bank(const struct jt_geometry *g, __u64 number)
{
	return (number & 0xfffff) * g->reciprocal >> JT_RECIPROCAL_SHIFT;
}

JT_INLINE __u32 jt_bank_stride(const struct jt_geometry *g)
{
	return g->page_size + JT_BANK_GUARD;
}

/*
 * Templates: the canonical form of the header that many messages share, as it
 * stands in a frame and as the key of a flow. Addresses, ports, the VLAN tag
 * and the flow label are in network order, as in the packet. All that depends
 * on one message (lengths, checksums, the IPv4 identification) is left out.
 */
enum jt_template_kind {
	JT_TEMPLATE_UDP4 = 1,
	JT_TEMPLATE_UDP6 = 2,
	JT_TEMPLATE_ETHERNET = 3, /* the payload is the packet behind Ethernet */
};

#define JT_TEMPLATE_VLAN 0x01 /* a 4-byte VLAN tail follows the template */
#define JT_TEMPLATE_DF 0x02   /* IPv4: don't fragment */
#define JT_TEMPLATE_FLAGS (JT_TEMPLATE_VLAN | JT_TEMPLATE_DF)

struct jt_template_udp4 {
	__u16 source_port; /* be */
	__u16 dest_port;   /* be */
	__u32 source;	   /* be */
	__u32 dest;	   /* be */
};

struct jt_template_udp6 {
	__u16 source_port; /* be */
	__u16 dest_port;   /* be */
	__u32 flow_label;  /* be; the low 20 bits */
	__u8 source[16];
	__u8 dest[16];
};

struct jt_template_ethernet {
	__u16 ethertype; /* be */
	__u16 zero;
};

struct jt_template {
	__u8 kind;  /* enum jt_template_kind */
	__u8 flags; /* JT_TEMPLATE_* */
	__u8 tos;   /* TOS or traffic class */
	__u8 ttl;   /* TTL or hop limit */
	__u8 dest_mac[6];
	__u8 source_mac[6];
	union {
		struct jt_template_udp4 udp4;
		struct jt_template_udp6 udp6;
		struct jt_template_ethernet ethernet;
		__u32 words[10];
	} u;
	__u32 vlan; /* be16 TCI, then zero. In a frame it follows the union's used part */
};

#define JT_TEMPLATE_BASE 16U
#define JT_TEMPLATE_MAX 60U
#define JT_TEMPLATES_MAX 30U /* in one frame; numbered from 1 */

JT_ASSERT(sizeof(struct jt_template_udp4) == 12, "wire format");
JT_ASSERT(sizeof(struct jt_template_udp6) == 40, "wire format");
JT_ASSERT(sizeof(struct jt_template) == JT_TEMPLATE_MAX, "wire format");
JT_ASSERT(offsetof(struct jt_template, u) == JT_TEMPLATE_BASE, "wire format");

/*
 * A bank's word: {epoch:32 | closed:1 | next:31}. `next` counts the extents
 * taken. Any writer adds to it; the controller closes it and prepares it for
 * its next epoch. Padded: one cache line a bank.
 */
struct jt_bank {
	__u64 word;
	__u64 reserved[7];
};

#define JT_BANK_CLOSED (1ULL << 31)
#define JT_BANK_NEXT_MASK 0x7fffffffULL
#define JT_BANK_NEXT(w) ((__u32)((w)&JT_BANK_NEXT_MASK))
#define JT_EPOCH(w) ((__u32)((w) >> 32))

/*
 * An extent's header. word: {epoch:32 | closed:1 | peer:10 | templates:5 |
 * offset:16}; a word of another epoch means that the extent is blank. All of
 * it is one word, so that a writer that slept through a rotation of the banks
 * can change nothing. committed: {messages:32 | bytes:32}, bytes counted from
 * the first record on.
 */
struct jt_extent {
	__u64 word;	 /* any */
	__u64 committed; /* any; the controller resets it */
	__u64 reserved[6];
};

#define JT_EXTENT_CLOSED (1ULL << 31)
#define JT_EXTENT_TEMPLATE (1ULL << 16)
#define JT_EXTENT_OFFSET(w) ((__u32)(w)&0xffffU)
#define JT_EXTENT_TEMPLATES(w) (((__u32)(w) >> 16) & 0x1fU)
#define JT_EXTENT_PEER(w) (((__u32)(w) >> 21) & 0x3ffU)
#define JT_EXTENT_OPEN(epoch, peer, offset) ((__u64)(epoch) << 32 | (__u64)(peer) << 21 | (offset))
#define JT_COMMITTED_MESSAGE (1ULL << 32)
#define JT_COMMITTED_MESSAGES(c) ((__u32)((c) >> 32))
#define JT_COMMITTED_BYTES(c) ((__u32)(c))

JT_ASSERT(sizeof(struct jt_bank) == 64, "a cache line");
JT_ASSERT(sizeof(struct jt_extent) == 64, "a cache line");

/* The control area: the one entry of the map `control`. */
struct jt_control {
	__u32 magic;   /* JT_MAGIC once the page may be written to */
	__u32 version; /* JT_ABI_VERSION */
	struct jt_geometry geometry;
	__u32 small;	       /* largest payload carried, bytes */
	__u32 threshold;       /* extents taken at which the bank counts as full */
	__u64 latency_ns;      /* no message waits longer in the page */
	__u64 cycle_start_ns;  /* announced: when the running cycle began */
	__u64 cycle_ns;	       /* announced: its length; 0: no cycle runs */
	__u64 cycles;	       /* cycles ended since the start */
	__u32 generation;      /* stepped when peers, guests or addresses change */
	__u32 flags;	       /* JT_CONTROL_* */
	__u16 ethertype;       /* be: of frames between machines of one network */
	__u16 udp_port;	       /* be: of frames between machines a router apart; 0: none */
	__u32 unused_settings; /* zero */
	__u64 mac;	       /* of the uplink, in memory order; 0: frames for any are taken */
	__u64 unused_control[4];

	/* Read by every write; changed a few times a cycle. */
	__u64 epoch; /* any: stepped by compare-and-swap. The active bank is epoch % banks */
	__u64 alive_until_ns; /* any: programs pass everything on after it; ~0: no limit */
	__u32 asleep;	      /* any: 1: ring when something comes aboard */
	__u32 rung_epoch;     /* any: epoch for which "full" was rung */
	__u64 tick;	      /* any: the tick in which tick_ns was read from the clock */
	__u64 tick_ns;	      /* any: and what it was then; see jt_clock() */
	__u64 unused_hot[3];

	/* Read with every frame that goes to the controller. */
	__u32 frames_polled; /* 1: it looks into `frames` by itself: nobody need wake it */
	__u32 unused_polled;
	__u64 frames_handed; /* controller: up to this position all messages are where they go */
	__u64 sockets_given; /* any: frames redirected to its AF_XDP sockets, ever */
	__u64 sockets_handed; /* controller: of them, whose messages are where they go, or lost */
	__u64 unused_frames[4];

	__u32 seed[16]; /* drawn at each start: what flows are hashed with. Nobody else's to know */

	struct jt_bank banks[JT_BANKS_MAX];

	__u64 reasons[JT_REASON_COUNT]; /* any: what belongs to no guest and no peer */
};

#define JT_CONTROL_DISCOVER 0x1 /* hellos of unknown machines go to the controller */
#define JT_CONTROL_HELPERS 0x2	/* a guest has JT_GUEST_HELPER: frames are looked into */

JT_ASSERT(JT_PEERS_MAX <= 1024, "a peer's id fits an extent's word");
JT_ASSERT(offsetof(struct jt_control, epoch) % 64 == 0, "hot words on one line");
JT_ASSERT(offsetof(struct jt_control, frames_polled) % 64 == 0, "a line of its own");
JT_ASSERT(offsetof(struct jt_control, banks) % 64 == 0, "a line a bank");

#define JT_NEVER_STALE (~0ULL)

/*
 * A flow that was aboard stays aboard so long, beside the time that a message may wait;
 * and longer, while its peer has not confirmed what was aboard, but not for ever.
 */
#define JT_ORDER_NS 100000000ULL
#define JT_SETTLE_NS 1000000000ULL

/* How long an awakened controller has until the programs call it stale. */
#define JT_WAKE_NS 500000000ULL

/* A guest's slot: entry `id` of the map `guests`. Configuration: controller. */
struct jt_guest {
	char name[JT_NAME_SIZE];
	__u32 ifindex; /* of its vif, in the controller's namespace; 0: slot is free */
	__u32 flags;   /* JT_GUEST_* */
	__u64 mac;     /* six bytes, in memory order; 0: any sets it, once */
	__u64 learned; /* any: addresses that it has taught, at most JT_LEARNED_MAX */
	__u32 mtu;     /* of its vif */
	__u32 rung; /* any: 1: JT_EVENT_BELL is on its way */
	__u64 unused;

	/* Counters: any, atomically; they only grow. */
	__u64 messages;	       /* aboard, from this guest */
	__u64 bytes;	       /* their payload */
	__u64 writes;	       /* sampled writes */
	__u64 writes_ns;       /* time they took: what D is measured by */
	__u64 delivered;       /* messages handed to this guest: controller */
	__u64 delivered_bytes; /* their payload: controller */
	__u64 reasons[JT_REASON_COUNT];
	__u64 interval_ns; /* T_i: mean time between two messages: controller */
	__u64 write_ns;	   /* D_i: mean time of a write: controller */
};

#define JT_GUEST_SWITCH 0x1 /* messages may be redirected to its vif */
#define JT_GUEST_STRICT 0x2 /* only configured addresses; others are spoofed */
#define JT_GUEST_HELPER 0x4 /* takes frames that are for it alone by itself */
#define JT_GUEST_LIMITED 0x8 /* its share is to be looked at: see <jitney/bucket.h> */

/* A peer's slot: entry `id` of the map `peers`. */
struct jt_peer {
	char name[JT_NAME_SIZE]; /* controller; empty: slot is free */
	__u8 mac[6];		 /* outer destination: controller */
	__u16 head;		 /* offset in an extent of the first record, behind the headers */
	__u32 limit;		 /* offset in an extent at which a frame must end */
	__u32 flags;		 /* JT_PEER_* */
	__u8 address[16];	 /* outer destination of --udp: IPv6, or IPv4 mapped */
	__u64 alive_until_ns;	 /* controller; messages pass on after it */
	__u64 settled_ns;	 /* controller: what came aboard before has been handed over there */

	__u64 open;	 /* any: {epoch:32 | extent:32}, its open extent */
	__u64 first_ns;	 /* when a bank was last opened for it (a hint) */
	__u64 gap_ns;	 /* smoothed time between those (a hint) */
	__u64 probed_ns; /* when PROBE was last rung (a hint) */
	__u64 mixed_ns;	 /* when a frame from it last had to go to the controller (a hint) */

	/* Counters: controller, but for received, which the uplink program keeps. */
	__u64 sent_frames;
	__u64 sent_bytes; /* from the Ethernet header on, no FCS */
	__u64 sent_messages;
	__u64 received_next;   /* any: {known:1 | session:31 | sequence expected:32} */
	__u64 received_frames; /* any */
	__u64 received_bytes;  /* any */
	__u64 received_messages;
	__u64 received_lost;		/* any: frames missing in the sequence */
	__u64 received_late;		/* any: frames that came behind their successors */
	__u64 reasons[JT_REASON_COUNT]; /* any */
};

#define JT_SEQUENCE_KNOWN (1ULL << 63)

#define JT_PEER_IPV6 0x1 /* outer header: UDP over IPv6 */
#define JT_PEER_IPV4 0x2 /* outer header: UDP over IPv4 */

/* Addresses and where they are: map `addresses`. */
enum jt_address_family { JT_FAMILY_MAC = 1, JT_FAMILY_IPV4 = 4, JT_FAMILY_IPV6 = 6 };
enum jt_address_scope {
	JT_SCOPE_GUEST = 1, /* a guest, here or behind a peer */
	JT_SCOPE_PEER = 2,  /* the machine itself: outer addresses */
};

struct jt_address {
	__u8 bytes[16]; /* left-aligned; the rest is zero */
	__u16 family;	/* enum jt_address_family */
	__u16 scope;	/* enum jt_address_scope */
};

enum jt_place_kind { JT_PLACE_NONE = 0, JT_PLACE_GUEST = 1, JT_PLACE_PEER = 2 };

struct jt_place {
	__u32 kind;  /* enum jt_place_kind */
	__u32 id;    /* of the guest or peer */
	__u32 flags; /* JT_PLACE_* */
	__u32 unused;
	__u64 until_ns; /* forgotten after it; ~0: never. Controller */
};

#define JT_PLACE_LEARNED 0x1 /* seen, not configured */

/* A port whose messages a guest's helper takes by itself: map `claims`, key -> any. */
struct jt_claim {
	__u32 guest; /* id */
	__u16 port;  /* be */
	__u16 zero;
};
#define JT_CLAIMS_MAX 16384

/* A flow: maps `flows` and `crowded`, which the vif programs fill; see <jitney/flow.h>. */
struct jt_flow_key {
	__u32 guest;
	struct jt_template header;
};

JT_ASSERT(sizeof(struct jt_flow_key) == 64, "a whole number of words");

/*
 * A flow's place may become another's at any time, so
 * nothing here is trusted without a check: `hint` is compared with the bytes
 * that it points to, and `route` carries a tag of destination and generation.
 */
struct jt_flow {
	__u64 hint;	 /* any: {epoch:32 | extent:20 | offset/4:12}, its template in the page */
	__u64 route;	 /* any: {tag:32 | enum jt_place_kind:8 | id of guest or peer:24} */
	__u64 aboard_ns; /* any: when it last wrote, a few ms off */
	__u64 legacy_until_ns; /* any: passes on until then; see MIXED_FLOW */
	__u64 messages;	       /* any, and not atomically: an estimate */
};

/* A place in the map `flows`: entry `way` of set s is s * JT_FLOW_WAYS + way. */
struct jt_flow_slot {
	struct jt_flow_key key;
	struct jt_flow flow;
	__u64 made_ns; /* when the flow got the place */
	__u32 busy;    /* any: 1 while it changes hands */
	__u32 unused[3];
};

#define JT_FLOW_WAYS 4U
#define JT_FLOW_SETS 2048U /* a power of two */

JT_ASSERT(sizeof(struct jt_flow_slot) == 128, "two cache lines");

/* What the programs tell the controller: ring buffer `events`. */
enum jt_event_kind {
	JT_EVENT_ABOARD = 1,  /* first message after the controller went to sleep */
	JT_EVENT_FULL = 2,    /* the threshold was reached */
	JT_EVENT_PROBE = 3,   /* a message for a peer that is not known to live */
	JT_EVENT_LEARNED = 4, /* a guest's address was seen for the first time */
	JT_EVENT_BORROW = 5,  /* a guest wants more of what others leave */
	JT_EVENT_BELL = 6,    /* a virtual machine's agent rings: <jitney/machine.h> */
};

/*
 * A frame that was received where no AF_XDP socket can take it: ring buffer
 * `frames`. Records of two sizes, so that the verifier knows them.
 */
struct jt_frame_small {
	__u32 length; /* of the frame, from its Ethernet header on */
	__u8 bytes[JT_EXTENT_SIZE_MIN];
};

struct jt_frame_large {
	__u32 length;
	__u8 bytes[JT_EXTENT_SIZE_MAX];
};

#define JT_ROUTE(tag, kind, id) ((__u64)(tag) << 32 | (__u64)(kind) << 24 | (id))
#define JT_ROUTE_TAG(route) ((__u32)((route) >> 32))
#define JT_ROUTE_KIND(route) (((__u32)(route) >> 24) & 0xff)
#define JT_ROUTE_ID(route) ((__u32)(route)&0xffffff)

struct jt_event {
	__u32 kind; /* enum jt_event_kind */
	__u32 id;   /* of the peer or guest */
	__u64 time_ns;
};

#endif

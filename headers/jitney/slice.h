/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Theory of operation: a slice
 *
 * A slice is memory that one helper of a guest and the controller map, and no
 * one else: a memfd sealed against shrinking and growing. Behind its header lie
 * two rings of bytes: `send` from the helper to the controller, `receive` the
 * other way. In the header lie two more, of calls and their results: call.h.
 *
 *  1. Positions count bytes since the start and never wrap; the byte of position
 *     p is at p modulo the ring's size, a power of two.
 *  2. A ring has one producer, who alone writes its head, and one consumer, who
 *     alone writes its tail. Both write behind what they did (release), and read
 *     the other's before (acquire).
 *  3. A record is a multiple of eight bytes and does not wrap: where one would,
 *     a skip record fills the ring up to its end.
 *  4. The controller keeps its own copies of the positions and sizes that it
 *     writes, reads every other word once, and bounds it then. Templates are
 *     copied out before they are checked: what a packet's header is made of never
 *     lies where a guest could change it. Payload is read once, into the page.
 *     A helper that breaks the rules is cut off.
 *  5. Who waits says so in memory, with full barriers on both sides, and is then
 *     woken through a descriptor: see `notice' and `receive_waiting'.
 */
#ifndef JITNEY_SLICE_H
#define JITNEY_SLICE_H

#include "call.h"

#define JT_SLICE_MAGIC 0x4a54534cU  /* "JTSL" */
#define JT_NOTICE_MAGIC 0x4a544e54U /* "JTNT" */
#define JT_SLICE_VERSION 3

#define JT_SLICE_REQUESTS 4096U /* struct jt_request_slot [JT_REQUESTS] */
#define JT_SLICE_RESULTS 12288U /* struct jt_result [JT_REQUESTS] */
#define JT_SLICE_HEADER 16384U
#define JT_SLICE_RING_MIN 16384U
#define JT_SLICE_RING_MAX (16U * 1024 * 1024)
#define JT_SLICE_ALIGN 8U
#define JT_SLICE_TEMPLATES 256U /* numbered from 0; a number may be given anew */

enum jt_slice_kind {
	JT_SLICE_MESSAGE = 1,  /* payload behind the record */
	JT_SLICE_TEMPLATE = 2, /* a struct jt_template behind it: number `template' from now on */
	JT_SLICE_SKIP = 3,     /* up to the ring's end; length is 0 */
};

/* send: what the helper wants sent. */
struct jt_slice_record {
	__u16 kind;	/* enum jt_slice_kind */
	__u16 length;	/* bytes of what follows, before padding to eight */
	__u16 template; /* number */
	__u16 check;	/* message: its UDP checksum, complete, in network order */
};

/* receive: a message for one of the ports that the helper has claimed. */
struct jt_slice_arrival {
	__u16 kind;	   /* JT_SLICE_MESSAGE or _SKIP */
	__u16 length;	   /* bytes of the payload behind this record */
	__u16 source_port; /* be */
	__u16 dest_port;   /* be */
	__u8 family;	   /* 4 or 6: of both addresses */
	__u8 tos;	   /* TOS or traffic class */
	__u8 ttl;	   /* TTL or hop limit */
	__u8 unused[5];
	__u8 source[16]; /* left-aligned, the rest zero */
	__u8 dest[16];
};

/* What a slice begins with. A line for each group that one side writes. */
struct jt_slice {
	/* Constant: controller. */
	__u32 magic;
	__u32 version;
	__u32 send_size; /* bytes; a power of two */
	__u32 receive_size;
	__u64 umem_offset; /* of chunks for an AF_XDP socket, in the slice */
	__u64 umem_size;   /* 0: there is no such socket */
	__u64 unused_constant[4];

	/* Helper. */
	__u64 send_head;
	__u64 writes;	    /* sampled writes, and */
	__u64 writes_ns;    /* what they took: D_i */
	__u64 postponed;    /* writes that waited for the next cycle */
	__u64 writing;	    /* `map': odd while between reserve and commit */
	__u64 mapped;	    /* `map': messages that it put aboard itself, and */
	__u64 mapped_bytes; /* their payload */
	__u64 call_head;    /* requests queued: see call.h, also of the other `call' words */

	/* Controller. */
	__u64 send_tail;
	__u64 sent;    /* messages taken aboard out of it */
	__u64 refused; /* messages that were not, by reason in the guest's slot */
	__u64 call_tail;
	__u64 result_head;
	__u64 results_lost; /* that found their ring full */
	__u64 taken_ns; /* when messages last came out of it; ~0: at any time, for all one knows */
	__u64 unused_controller;

	/* Controller. */
	__u64 receive_head;
	__u64 received;	    /* messages put into it */
	__u64 receive_lost; /* messages that found it full */
	__u64 unused_receive[5];

	/* Helper. */
	__u64 receive_tail;
	__u32 receive_waiting; /* any: 1: wake through JT_FD_RECEIVE when something comes */
	__u32 send_waiting;    /* any: 1: wake through JT_FD_CYCLE when there is room again */
	__u64 result_tail;
	__u64 asked;	/* requests over the connection, and */
	__u64 asked_ns; /* what those took */
	__u64 unused_tail[3];
};

/*
 * What the controller tells all helpers: a page that they map read-only. One
 * word at a time is consistent.
 */
struct jt_notice {
	__u32 magic; /* JT_NOTICE_MAGIC; 0: this controller has ended */
	__u32 version;
	__u32 generation; /* stepped when peers, guests or addresses change: ask routes anew */
	__u32 asleep;	  /* 1: ring the doorbell behind the next write */
	__u32 small;	  /* largest payload carried, bytes */
	__u32 unused;
	__u64 latency_ns;
	__u64 cycle_start_ns; /* of the running cycle */
	__u64 cycle_ns;	      /* its length; 0: no cycle runs */
	__u64 swaps;
	__u64 alive_until_ns; /* it hangs or is gone after that; ~0: no limit */
	__u64 unused_notice[8];
	__u64 peer_alive_until_ns[JT_PEERS_MAX];
	__u64 peer_settled_ns[JT_PEERS_MAX]; /* what came aboard before has been handed over there */
	__u16 peer_room[JT_PEERS_MAX]; /* bytes for records in a frame to this peer */
};

JT_ASSERT(sizeof(struct jt_slice_record) == 8, "shared memory");
JT_ASSERT(sizeof(struct jt_slice_arrival) == 48, "shared memory");
JT_ASSERT(sizeof(struct jt_slice) == 5 * 64 && sizeof(struct jt_slice) <= JT_SLICE_REQUESTS,
	  "a line for each group");
JT_ASSERT(JT_SLICE_REQUESTS + JT_REQUESTS * sizeof(struct jt_request_slot) == JT_SLICE_RESULTS &&
		  JT_SLICE_RESULTS + JT_REQUESTS * sizeof(struct jt_result) == JT_SLICE_HEADER,
	  "one behind the other");
JT_ASSERT(offsetof(struct jt_slice, send_head) == 64, "shared memory");
JT_ASSERT(offsetof(struct jt_slice, receive_tail) == 256, "shared memory");

#define JT_SLICE_PAD(n) (((n) + JT_SLICE_ALIGN - 1) & ~(__u64)(JT_SLICE_ALIGN - 1))

/* Bytes of a send record with a body of @length. */
JT_INLINE __u64 jt_slice_span(__u32 length)
{
	return sizeof(struct jt_slice_record) + JT_SLICE_PAD(length);
}

/* Bytes of a receive record with a payload of @length. */
JT_INLINE __u64 jt_arrival_span(__u32 length)
{
	return sizeof(struct jt_slice_arrival) + JT_SLICE_PAD(length);
}

/* The request, and the result, of a position. @slice: its memory */
JT_INLINE struct jt_request_slot *jt_slice_request(void *slice, __u64 position)
{
	return (struct jt_request_slot *)((__u8 *)slice + JT_SLICE_REQUESTS) +
	       (position & (JT_REQUESTS - 1));
}

JT_INLINE struct jt_result *jt_slice_result(void *slice, __u64 position)
{
	return (struct jt_result *)((__u8 *)slice + JT_SLICE_RESULTS) +
	       (position & (JT_REQUESTS - 1));
}

/* Where the rings lie in a slice, and how much memory it takes without its UMEM. */
JT_INLINE __u64 jt_slice_send_offset(void)
{
	return JT_SLICE_HEADER;
}

JT_INLINE __u64 jt_slice_receive_offset(__u32 send_size)
{
	return JT_SLICE_HEADER + (__u64)send_size;
}

JT_INLINE __u64 jt_slice_rings_end(__u32 send_size, __u32 receive_size)
{
	return JT_SLICE_HEADER + (__u64)send_size + receive_size;
}

JT_INLINE bool jt_slice_ring_size_sound(__u32 size)
{
	return size >= JT_SLICE_RING_MIN && size <= JT_SLICE_RING_MAX && !(size & (size - 1));
}

/*
 * jt_ring_room() - Where a producer may put a record
 * @head:	the producer's position
 * @tail:	the consumer's, as read by the producer
 * @size:	of the ring
 * @span:	bytes of the record, a multiple of eight, at most half of @size
 * @skip:	out: bytes to skip first, 0 or what is left up to the ring's end
 *
 * Return: true if record and skip fit.
 */
JT_INLINE bool jt_ring_room(__u64 head, __u64 tail, __u32 size, __u64 span, __u64 *skip)
{
	__u64 left = size - (head & (size - 1));

	*skip = left < span ? left : 0;
	return head - tail <= size && size - (head - tail) >= span + *skip;
}

#endif

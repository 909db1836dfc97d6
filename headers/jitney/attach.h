/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How a helper in a guest attaches: over the controller's Unix stream socket,
 * the one that `jitney' talks JSON to. A connection whose first byte is that of
 * JT_ATTACH_MAGIC is a helper's and stays open as long as it is attached.
 *
 * Both sides send struct jt_attach_message, always all of it, in host order; the
 * helper asks, the controller answers in order. The first question must be
 * JT_ATTACH_HELLO. A connection that breaks the protocol is closed.
 *
 * Descriptors travel beside (SCM_RIGHTS):
 *   question HELLO   the helper's network namespace (/proc/self/ns/net)
 *   answer HELLO     enum jt_attach_fd, those that `fds' has a bit for, in order
 */
#ifndef JITNEY_ATTACH_H
#define JITNEY_ATTACH_H

#include "call.h"

#define JT_ATTACH_MAGIC 0x4854414aU /* "JATH" in memory of little-endian machines */
#define JT_ATTACH_VERSION 3
#define JT_ATTACH_TEXT 120
/*
 * JT_FD_SOCKET: entries of each of its rings, and chunks of its UMEM: first those to
 * send from, with the call xdp; then those to receive into, with receive xdp.
 */
#define JT_SOCKET_RING 2048U
#define JT_SOCKET_SEND_CHUNKS 512U
#define JT_SOCKET_RECEIVE_CHUNKS 1024U
/*
 * Before Linux 6.4 the rings of a socket that is bound can't be mapped any more. There
 * the helper gets one that is not, maps them, and then has the controller bind it;
 * until then the controller answers nothing else.
 */
#define JT_QUEUE_UNBOUND (~0U)

enum jt_attach_op {
	JT_ATTACH_HELLO = 1,   /* attach */
	JT_ATTACH_ROUTE = 2,   /* where does this destination lead? */
	JT_ATTACH_CALL = 3,    /* a request that can't wait (call.h), behind all that are queued */
	JT_ATTACH_BARRIER = 4, /* answered when all that was in the slice is aboard */
	JT_ATTACH_BIND = 5,    /* the rings of JT_FD_SOCKET are mapped: see JT_QUEUE_UNBOUND */
};

/* How messages of this helper get into the page. */
enum jt_attach_call { JT_CALL_NONE, JT_CALL_SLICE, JT_CALL_XDP, JT_CALL_MAP, JT_CALL_COUNT };

#ifndef __bpf__
static const char *const jt_attach_call_names[]
	__attribute__((unused)) = { "none", "slice", "xdp", "map" };
JT_ASSERT(JT_ARRAY_SIZE(jt_attach_call_names) == JT_CALL_COUNT, "a name for every call");
#endif

/* How messages reach it: its slice, or an AF_XDP socket whose UMEM lies in it. */
enum jt_attach_receive { JT_RECEIVE_SLICE = 1, JT_RECEIVE_XDP = 2 };

enum jt_attach_fd {
	JT_FD_SLICE,	/* memory, mapped shared at slice_offset: struct jt_slice */
	JT_FD_NOTICE,	/* memory, mapped read-only at notice_offset: struct jt_notice */
	JT_FD_DOORBELL, /* eventfd: written by the helper, never read by the controller */
	JT_FD_RECEIVE,	/* socket, 8 bytes to be read: the receive ring is no longer empty */
	JT_FD_CYCLE,	/* the same: there is room in the send ring, or a swap was */
	JT_FD_SOCKET,	/* AF_XDP socket on the guest's interface */
	JT_FD_DOMAIN,	/* memfd: the trust domain's page */
	JT_FD_COUNT
};

struct jt_attach_hello {
	char guest[JT_NAME_SIZE]; /* question: empty: whoever lives in this namespace */
	__u32 call;		  /* enum jt_attach_call; 0: only to receive */
	__u32 receive;		  /* enum jt_attach_receive */
	__u32 send_size;	  /* bytes, a power of two */
	__u32 receive_size;
	/* Answer. */
	__u32 fds;	    /* bit i: descriptor i of enum jt_attach_fd came along */
	__u32 ifindex;	    /* of the guest's interface, in the guest's namespace */
	__u64 slice_offset; /* in JT_FD_SLICE: 0, but in virtual machines */
	__u64 slice_size;
	__u64 notice_offset;
	__u64 domain_size;
	__u8 mac[6];	 /* the guest's; question of a virtual machine: its interface's */
	__u16 ethertype; /* be: of guest frames */
	struct jt_geometry geometry;
	__u32 guest_id;
	__u32 queue;   /* of JT_FD_SOCKET, or JT_QUEUE_UNBOUND */
	__u32 machine; /* 1: a virtual machine, where the kernel's way is the longer one */
	__u32 unused;
};

struct jt_attach_route {
	__u8 dest_mac[6];
	__u16 family; /* JT_FAMILY_IPV4 or _IPV6 */
	__u8 dest[16];
	/* Answer. */
	__u32 kind;	  /* enum jt_place_kind */
	__u32 id;	  /* of the peer or guest */
	__u32 generation; /* as in the notice: ask again when it is another */
};

struct jt_attach_message {
	__u32 magic;   /* JT_ATTACH_MAGIC */
	__u16 version; /* JT_ATTACH_VERSION */
	__u16 size;    /* sizeof(struct jt_attach_message) */
	__u32 op;      /* enum jt_attach_op */
	__s32 error;   /* answer: 0 or a negative errno */
	union {
		struct jt_attach_hello hello;
		struct jt_attach_route route;
		struct jt_request request; /* question CALL */
		struct jt_result result;   /* answer CALL, if `error' is 0 */
		char text[JT_ATTACH_TEXT]; /* answer with an error: a sentence, or empty */
	} u;
};

JT_ASSERT(sizeof(struct jt_attach_hello) <= JT_ATTACH_TEXT, "protocol");
JT_ASSERT(sizeof(struct jt_request) <= JT_ATTACH_TEXT, "protocol");
JT_ASSERT(sizeof(struct jt_attach_message) == 16 + JT_ATTACH_TEXT, "protocol");

/* Is it one of this protocol? */
JT_INLINE bool jt_attach_sound(const struct jt_attach_message *m)
{
	return m->magic == JT_ATTACH_MAGIC && m->version == JT_ATTACH_VERSION &&
	       m->size == sizeof(*m);
}

/* Bytes of chunks for the AF_XDP socket that a helper needs; 0: it needs none. */
JT_INLINE __u64 jt_attach_umem(const struct jt_attach_hello *hello, __u32 chunk)
{
	__u32 chunks = (hello->call == JT_CALL_XDP ? JT_SOCKET_SEND_CHUNKS : 0) +
		       (hello->receive == JT_RECEIVE_XDP ? JT_SOCKET_RECEIVE_CHUNKS : 0);

	return (__u64)chunks * chunk;
}

#endif

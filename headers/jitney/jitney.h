/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * libjitney: the guest's side of Jitney. See libjitney(3).
 *
 * A program attaches to the controller of its machine, claims UDP ports and sends
 * and receives messages as through a UDP socket, without a system call for each.
 * What Jitney can't carry (no controller, a destination behind no peer, a message
 * that would travel alone) goes through an ordinary UDP socket that the library
 * keeps for each port; the program need not care.
 *
 * Ownership: what a function hands out says how long it lives.
 * Errors: functions return 0 or a count, or a negative errno; none sets errno.
 * Threads: a handle serves one thread at a time; handles do not share anything.
 * Fork: a handle belongs to the process that opened it. A child must not use it,
 * nor close it; its memory is not there in the child.
 */
#ifndef JITNEY_H
#define JITNEY_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

struct jitney;	    /* an attached program */
struct jitney_flow; /* from one of its ports to one destination */

/* The method call: how messages reach the sharing page. */
enum jitney_call {
	JITNEY_AUTO = 0,  /* the best that can be had */
	JITNEY_STACK = 1, /* through the kernel's stack: needs no controller */
	JITNEY_XDP = 2,	  /* frames of many messages through an AF_XDP socket */
	JITNEY_SLICE = 3, /* memory shared with the controller */
	JITNEY_MAP = 4,	  /* the page itself; for trust domains */
};

/* How messages arrive. Whatever else comes for the port, comes through its UDP socket. */
enum jitney_receive {
	JITNEY_RECEIVE_AUTO = 0,
	JITNEY_RECEIVE_SLICE = 1, /* memory shared with the controller */
	JITNEY_RECEIVE_XDP = 2,	  /* an AF_XDP socket on the guest's interface */
	JITNEY_RECEIVE_RAW = 3,	  /* a packet socket: needs CAP_NET_RAW, and no controller */
	JITNEY_RECEIVE_STACK = 4, /* the UDP socket alone */
};

#define JITNEY_NONBLOCK 0x1 /* never wait: -EAGAIN instead */

struct jitney_options {
	size_t size;	    /* sizeof(struct jitney_options) */
	const char *socket; /* the controller's; NULL: $JITNEY_SOCKET, or /run/jitney.sock */
	const char *guest;  /* name; NULL: the controller knows it by the namespace */
	enum jitney_call call;
	enum jitney_receive receive;
	uint32_t flags;		/* JITNEY_NONBLOCK */
	uint32_t send_bytes;	/* of the ring to the controller; 0: 256 KiB */
	uint32_t receive_bytes; /* of the ring from it; 0: 2 MiB */
};

/* What stays the same in all messages of a flow. */
struct jitney_flow_options {
	size_t size;	    /* sizeof(struct jitney_flow_options) */
	int tos;	    /* TOS or traffic class; -1: the system's default */
	int ttl;	    /* TTL or hop limit; -1: the system's default */
	int vlan;	    /* 802.1Q TCI; -1: none */
	const uint8_t *mac; /* the next hop's, six bytes; NULL: from the neighbour table */
};

/* A message received. */
struct jitney_message {
	const void *data; /* lives until the next call that receives on this handle */
	uint32_t length;  /* bytes */
	uint16_t port;	  /* the own port, host order */
	uint8_t tos;
	uint8_t ttl;
	union {
		struct sockaddr any;
		struct sockaddr_in ipv4;
		struct sockaddr_in6 ipv6;
	} from;
};

/* Counters since jitney_open(); they only grow. */
struct jitney_statistics {
	size_t size;		 /* sizeof(struct jitney_statistics), set by the caller */
	uint64_t sent;		 /* messages that went towards the page */
	uint64_t sent_stack;	 /* messages that went through the UDP socket */
	uint64_t received;	 /* messages from the slice or the AF_XDP socket */
	uint64_t received_stack; /* messages from the UDP sockets */
	uint64_t lost;		 /* messages that came and found no room */
	uint64_t waited;	 /* writes that found no room at first */
	uint64_t postponed;	 /* writes that waited for the next cycle */
	uint64_t attached;	 /* times that this handle was attached */
	enum jitney_call call;	 /* in use now */
	enum jitney_receive receive;
	/* jitney_control(), and what the library called for by itself. */
	uint64_t calls_deferred;  /* that were queued, without a system call */
	uint64_t calls_immediate; /* that went at once */
	uint64_t calls_failed;	  /* of both */
	uint64_t calls_lost;	  /* queued for a controller that was gone before it answered */
};

/*
 * jitney_open() - Attach to the controller
 * @out:	the handle; only set on success. jitney_close() ends it
 * @options:	NULL: all defaults
 *
 * With JITNEY_AUTO it always succeeds: where nothing better is to be had it
 * uses the kernel's stack, and attaches later, when the controller comes.
 *
 * Return: 0; -ENOENT or -ECONNREFUSED: no controller; -EACCES: it does not
 * allow this user; -ESRCH: no such guest; -EPERM: this call is not for this
 * guest; -EPROTO: another version; -EOPNOTSUPP: that call is not offered;
 * -EINVAL; -ENOMEM.
 */
int jitney_open(struct jitney **out, const struct jitney_options *options);
void jitney_close(struct jitney *j);

/* Why the call in use is in use: a sentence. It lives until the next call on the handle. */
const char *jitney_reason(struct jitney *j);

/* Name of a call, such as "slice". */
const char *jitney_call_name(enum jitney_call call);
const char *jitney_receive_name(enum jitney_receive receive);

/*
 * jitney_bind() - Claim a UDP port
 * @port:	host order; 0: any that is free
 *
 * For IPv4 and IPv6, all addresses of this guest.
 *
 * Return: the port; -EADDRINUSE: another program of this guest has it.
 */
int jitney_bind(struct jitney *j, uint16_t port);

/*
 * jitney_connect() - Make a flow
 * @port:	own port, from jitney_bind(); 0: any, which is claimed as long as the
 *		flow lives
 * @to:		IPv4 or IPv6 address and port
 * @options:	NULL: all defaults
 *
 * The flow lives until jitney_disconnect() or jitney_close(). What options say
 * of VLAN and MAC is for the page: the kernel's way is as its routes say.
 *
 * Return: 0; -ENETUNREACH, -EINVAL, -ENOMEM, and what jitney_bind() returns.
 */
int jitney_connect(struct jitney *j, uint16_t port, const struct sockaddr *to, socklen_t length,
		   const struct jitney_flow_options *options, struct jitney_flow **out);
void jitney_disconnect(struct jitney_flow *flow);

#define JITNEY_MORE 0x1 /* more follows at once: `xdp' need not send what it has yet */

/*
 * jitney_send() - Send one message
 *
 * The data is copied. Waits for room unless the handle is JITNEY_NONBLOCK.
 *
 * Return: 0; -EAGAIN: no room now, jitney_fd() tells when there may be; -EMSGSIZE;
 * or what the UDP socket says.
 */
int jitney_send(struct jitney_flow *flow, const void *data, size_t length, int flags);

/* Send many, in order. Return: how many, if any; else as jitney_send(). */
int jitney_send_many(struct jitney_flow *flow, const struct iovec *messages, unsigned int count,
		     int flags);

/* Let what was sent leave now, instead of at the cycle's end. Return: 0 or negative errno. */
int jitney_flush(struct jitney *j);

/* What a program can call for: with jitney_control(). */
enum jitney_routine {
	JITNEY_REPORT = 4,    /* two arguments: ns between two messages that it will send, and of
				 one write, if known, or 0: for the cycle's length, until it
				 was measured */
	JITNEY_FLUSH = 5,     /* as jitney_flush() */
	JITNEY_GIVE_BACK = 6, /* one argument: a position of the receive ring (libjitney does
				 without it) */
	JITNEY_COUNTERS = 7,  /* values: messages that were sent, refused, received, lost; calls;
				 results lost; bytes in the send ring */
	JITNEY_CYCLE = 8,     /* values, ns: the running cycle's length or 0, the next one's, and
				 how long a message may wait */
	JITNEY_WEIGHT = 9,    /* one argument: of this guest where what others leave is shared
				 out, up to what its host gave it (else -EPERM); 0: that */
};

#define JITNEY_VALUES 7

/*
 * jitney_control() - Call for something
 * @arguments:	as many as the routine takes; NULL if none
 * @values:	room for JITNEY_VALUES; NULL: nobody waits for them
 *
 * Without @values the call may be queued: that takes some ns and no system call, and
 * it is executed before any message that is sent after it by the call `slice', at the
 * latest when the cycle ends; while no cycle runs, and the call is not JITNEY_FLUSH, when the
 * controller next wakes. What is to be told goes at once, behind what is queued.
 *
 * Return: 0; -ENOTCONN: there is no controller now; -EPIPE, -ECONNRESET: it has just
 * gone; -EAGAIN: what is queued has to wait, and the handle is JITNEY_NONBLOCK, or
 * it takes too long; -EINVAL, -ERANGE: wrong arguments. Of a queued call that failed,
 * or that a controller took along, only the statistics tell.
 */
int jitney_control(struct jitney *j, enum jitney_routine routine, const uint64_t *arguments,
		   uint64_t *values);

/* Name of a routine, such as "flush". */
const char *jitney_routine_name(enum jitney_routine routine);

/*
 * jitney_receive() - Receive messages, without a copy
 * @out:	room for @max
 * @timeout_ms:	wait for so long if there is none; -1: for ever. JITNEY_NONBLOCK: 0
 *
 * Return: how many; 0: time-out; -EAGAIN if nonblocking; negative errno.
 */
int jitney_receive(struct jitney *j, struct jitney_message *out, unsigned int max, int timeout_ms);

/*
 * jitney_receive_copy() - Receive one message into own memory
 *
 * Waits without end unless the handle is JITNEY_NONBLOCK. A message longer than
 * @size is cut. @from may be NULL.
 *
 * Return: its whole length, or negative errno.
 */
ssize_t jitney_receive_copy(struct jitney *j, void *data, size_t size, struct jitney_message *from);

/*
 * A descriptor for poll, select or epoll: readable when jitney_receive() has
 * something to do, which is not always a message. Level triggered, provided that
 * jitney_receive() was called until it returned -EAGAIN or 0. Owned by the handle.
 *
 * Behind an -EAGAIN (or a count that is less than all) of a call that sends it is
 * readable, too, when there may be room again. It stays so until the next call that
 * sends, or jitney_flush() where there is nothing to be sent any more.
 */
int jitney_fd(struct jitney *j);

void jitney_statistics(struct jitney *j, struct jitney_statistics *out);

#ifdef __cplusplus
}
#endif

#endif

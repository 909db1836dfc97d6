/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Theory of operation: the guest's side
 *
 *  1. Each claimed port has a kernel UDP socket: it is the claim against other
 *     programs, and the way of all messages that the page can't carry.
 *  2. Who decides is flow_way() in send.c, by the rules of bpf/vif.bpf.c. A
 *     message that went the kernel's way meets them there once more.
 *  3. What the controller says stands in its notice. While there is none the
 *     notice is a constant one without its magic: one test for both.
 *  4. The kernel's way is the faster one. A receiver looks at the slice first,
 *     takes what the sockets have, and only then what it saw in the slice: so a
 *     flow that moves from one way to the other stays in order.
 *  5. A controller that goes away leaves memory behind that is still mapped. What
 *     it did not take goes the kernel's way; what it gave is handed out, and the
 *     memory lives until the next receiving call.
 *  6. Nothing here is asked of the kernel per message but where a message must
 *     go through it. Clocks are coarse; slow looks have a time from which on they
 *     are due.
 */
#ifndef JITNEY_GUEST_H
#define JITNEY_GUEST_H

#include <jitney/attach.h>
#include <jitney/env_user.h>
#include <jitney/jitney.h>
#include <jitney/slice.h>

#include "call.h"
#include "view.h"

#define JT_BATCH 64U	       /* messages that one look at a socket takes */
#define JT_DATAGRAM_MAX 65536U /* bytes of one */
#define JT_REASON_SIZE 192
#define JT_UPKEEP_NS 10000000ULL    /* between two looks at the controller's connection */
#define JT_LOOK_NS 1000000000ULL    /* between two looks at a flow's route */
#define JT_ASK_AGAIN_NS 10000000ULL /* the same while its next hop is not known */
#define JT_RETRY_NS 100000000ULL    /* between two tries to attach, at first */
#define JT_RETRY_MAX_NS 800000000ULL

struct jt_port {
	struct jt_port *next;
	int fd;		 /* its UDP socket */
	uint16_t number; /* host order */
	bool automatic;	 /* claimed by jitney_connect(): it goes with its last flow */
	uint32_t flows;
	uint32_t dropped;	 /* by the kernel, as SO_RXQ_OVFL said last */
	uint64_t stuck_until_ns; /* until then nobody waits for its queue */
};

struct jitney_flow {
	struct jitney *j;
	struct jitney_flow *next;
	struct jt_port *port;
	struct jt_template template;
	uint32_t template_size;
	uint64_t sum; /* of what of the pseudo header and the ports is in all messages */

	/* Where it leads. */
	bool known;	     /* the template is complete */
	bool asked;	     /* kind and id are an answer, of that generation */
	uint32_t generation; /* of the notice */
	uint32_t kind;	     /* enum jt_place_kind */
	uint32_t id;
	uint64_t look_ns; /* from then on the route is looked up again */

	/* As in struct jt_flow. */
	uint64_t aboard_ns;
	uint64_t legacy_until_ns;
	bool passed;	/* the kernel's way, since it was aboard last */
	int number;	/* of its template in the slice, -1: none */
	uint64_t frame; /* `xdp': serial number of the frame that has its template, 0: none */
	uint32_t frame_number;	 /* of the template in there */
	struct jt_map_flow *map; /* `map': NULL: not made yet; its template is made if `frame' */

	uint8_t mac[6]; /* of the next hop, as the caller said */
	bool mac_given;
	int vlan;
	struct sockaddr_in6 to; /* or a sockaddr_in */
	socklen_t to_length;
	size_t control_length;
	uint64_t control[8]; /* TOS and TTL for sendmsg() */
};

/* A number of a template in the slice. */
struct jt_number {
	struct jitney_flow *flow;   /* NULL: free */
	uint64_t used;		    /* position behind its last message */
	uint64_t since;		    /* position of the template record */
	struct jt_template now;	    /* holds behind `since' */
	struct jt_template earlier; /* holds before `first' */
	uint64_t first;		    /* position of the record that followed it */
};

/* What this guest knows of the company that a peer's messages have. */
struct jt_company {
	uint64_t swaps; /* when one of its messages went aboard last */
	uint64_t first_ns;
	uint64_t gap_ns;
};

struct jt_sockets; /* sockets.c */
struct jt_raw;	   /* raw.c */
struct jt_xsk;	   /* xsk.h */
struct jt_inbox;   /* inbox.c */
struct jt_xdp;	   /* xdp.c */
struct jt_map;	   /* map.c */
struct jt_map_flow;

struct jitney {
	const struct jt_call *call; /* in use now */
	const struct jt_notice *notice;
	enum jitney_receive receive; /* in use now */
	uint32_t flags;
	uint64_t upkeep_ns; /* when jt_upkeep() is due */

	/* The send ring, and its doorbell. */
	struct jt_view view;
	uint64_t head;	    /* behind the last record */
	uint64_t tail;	    /* the controller's, as last read */
	uint64_t rung;	    /* head when the doorbell was last rung for a sleeper */
	uint64_t bell_next; /* head at which the ring may be half full */
	uint64_t samples;
	uint64_t mean_ns;	  /* of a write */
	uint64_t postponed_cycle; /* start of the cycle in which that happened last */
	struct jt_number *numbers;
	struct jt_queue calls;
	uint64_t weight; /* as called for last; 0: none was */
	struct jt_xsk *xsk;
	struct jt_xdp *xdp;
	struct jt_map *map;
	struct jt_company *peers;

	/* The controller. */
	int connection;
	int fds[JT_FD_COUNT];
	uint32_t ifindex; /* of the guest's interface */
	uint8_t mac[6];
	uint16_t ethertype; /* be: of Jitney's frames */
	bool distrusted;    /* JITNEY_AUTO: this guest is in no trust domain */
	bool machine;	    /* it is a virtual machine: see small_goes() */
	bool lone;	    /* the message at hand is to leave at once */
	uint64_t retry_ns;
	uint64_t retry_gap_ns;

	/* Receiving. */
	struct jt_view old; /* of a controller that is gone */
	bool armed;	    /* receive_waiting is set */
	int epoll;
	int room_fd; /* in there, for who was told -EAGAIN: see room.c; -1: nobody was */
	struct jt_sockets *sockets;
	struct jt_raw *raw;
	struct jt_inbox *inbox;
	struct jitney_message *batch; /* for jitney_receive_copy() */
	unsigned int batch_used, batch_count;

	int netlink;
	struct jt_port *ports;
	struct jitney_flow *flows;
	struct jitney_options options; /* strings are copies */
	struct jitney_statistics statistics;
	uint64_t lost_before; /* in slices that are gone */
	char reason[JT_REASON_SIZE];
};

/*
 * A method call: how messages get into the page. The functions return 0 or a
 * negative errno.
 */
struct jt_call {
	enum jitney_call id;
	uint32_t ask; /* enum jt_attach_call */
	const char *name;
	const char *why; /* for jitney_reason() */
	/* Begin, behind the controller's answer; NULL: this needs no controller. */
	int (*open)(struct jitney *j, const struct jt_attach_hello *hello);
	/*
	 * Write one message; the controller need not see it before `publish'.
	 * -EAGAIN: no room, and the handle does not wait; -EPIPE: the controller is gone.
	 */
	int (*put)(struct jitney_flow *flow, const void *data, uint32_t length);
	void (*publish)(struct jitney *j);
	/*
	 * Whether one of the flow's messages has not left yet: those of a guest that is over
	 * its rate stay for longer than any bound. NULL: none can.
	 */
	bool (*waits)(const struct jitney_flow *flow);
	int (*flush)(struct jitney *j);
	/* The controller is gone: what it did not take goes the kernel's way. */
	void (*close)(struct jitney *j);
};

extern const struct jt_call jt_call_stack, jt_call_slice, jt_call_xdp, jt_call_map;

/* CLOCK_MONOTONIC_COARSE: a few ms off, and some 5 ns a call. */
JT_INLINE uint64_t jt_now_coarse(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

JT_INLINE bool jt_alive(const struct jitney *j, uint64_t now)
{
	return JT_READ(j->notice->magic) == JT_NOTICE_MAGIC &&
	       now <= JT_READ(j->notice->alive_until_ns);
}

/* upkeep.c: the controller comes and goes. */
int jt_attach(struct jitney *j, uint64_t now);
void jt_detach(struct jitney *j, uint64_t now);
void jt_upkeep(struct jitney *j, uint64_t now);
void jt_notice_forget(struct jitney *j);
void jt_say(struct jitney *j, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* attach.c: the protocol. Return: 0 or a negative errno; @m holds the answer. */
int jt_attach_open(struct jitney *j, const char *path, struct jt_attach_message *m);
int jt_attach_ask(struct jitney *j, uint32_t op, struct jt_attach_message *m);
void jt_attach_close(struct jitney *j);
bool jt_attach_lost(const struct jitney *j);

/* doorbell.c: who waits, and who wakes whom. */
void jt_doorbell(struct jitney *j);
void jt_slice_publish(struct jitney *j);
int jt_slice_wait(struct jitney *j, uint64_t span);
void jt_ring_doorbell(struct jitney *j);
int jt_page_wait(struct jitney *j);
int jt_postpone(struct jitney *j, unsigned int count);

/*
 * room.c: who was told -EAGAIN waits for @events of @fd, or for the controller's
 * word. jt_room_done(): behind that, and before @fd is closed.
 */
void jt_room_want(struct jitney *j, int fd, uint32_t events);
void jt_room_want_cycle(struct jitney *j);
void jt_room_done(struct jitney *j);

/* leftover.c: what a controller did not take goes the kernel's way. */
void jt_slice_leftover(struct jitney *j);

/* send.c: what is known of the company that messages have. Return: 0 or -ENOMEM. */
int jt_peers_know(struct jitney *j);
void jt_peers_forget(struct jitney *j);

/* netlink.c: the kernel's routes and neighbours. */
struct jt_hop {
	uint32_t ifindex;
	uint8_t source[16]; /* left-aligned */
	uint8_t mac[6];
};

int jt_netlink_open(void);
int jt_hop_find(int fd, int family, const void *dest, uint32_t scope, struct jt_hop *out);

/* flow.c: templates, and where flows lead. */
void jt_template_forget(struct jitney_flow *flow);
void jt_flow_resolve(struct jitney_flow *flow, uint64_t now);
void jt_template_make(struct jitney_flow *flow, const struct jt_hop *hop, const uint8_t mac[6]);
void jt_flow_control(struct jitney_flow *flow, int tos, int ttl);

/* sockets.c: the kernel's UDP sockets. */
struct jt_sockets *jt_sockets_open(void);
void jt_sockets_close(struct jt_sockets *s);
int jt_sockets_fd(const struct jt_sockets *s);
int jt_port_open(struct jitney *j, uint16_t number, struct jt_port **out);
void jt_port_close(struct jitney *j, struct jt_port *port);
void jt_port_claim(struct jitney *j, const struct jt_port *port);
void jt_port_release(struct jitney *j, struct jt_port *port);
struct jt_port *jt_port_find(const struct jitney *j, uint16_t number);
int jt_socket_send(struct jitney_flow *flow, const struct iovec *messages, unsigned int count);
unsigned int jt_sockets_receive(struct jitney *j, struct jitney_message *out, unsigned int max);

/* drain.c: before a flow that went the kernel's way goes aboard. */
void jt_drain(struct jitney_flow *flow);

/* inbox.c: an AF_XDP socket. */
int jt_inbox_open(struct jitney *j);
void jt_inbox_close(struct jitney *j);
uint64_t jt_inbox_lost(const struct jitney *j);
unsigned int jt_inbox_receive(struct jitney *j, struct jitney_message *out, unsigned int max);

/* raw.c: a packet socket. */
int jt_raw_open(struct jitney *j);
void jt_raw_close(struct jitney *j);
int jt_raw_ports(struct jitney *j);
unsigned int jt_raw_receive(struct jitney *j, struct jitney_message *out, unsigned int max);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Helpers: programs in guests that have attached themselves. One connection each;
 * when it ends, however it ends, the helper is gone. See <jitney/attach.h>.
 */
#ifndef JITNEY_HELPERS_H
#define JITNEY_HELPERS_H

#include <jitney/attach.h>
#include "backend/backend.h"
#include "common/guest_program.h"
#include "common/parcel.h"
#include "controller/controller.h"
#include "controller/domains.h"

#define JT_HELPERS_MAX 4096 /* connections, attached or not yet */
#define JT_HELPERS_OF_GUEST 16
#define JT_PORTS_OF_HELPER 1024 /* the programs' table of them is shared by all */
#define JT_HELPERS_STRANGE 32	/* of one user, not attached yet */

#define JT_FENCE_FLOWS 64U

struct jt_fence_flow {
	uint32_t flow; /* hash */
	uint64_t last_ns;
};

/* What is not shown to a helper in a virtual machine yet: backend/fence.c. */
struct jt_fence {
	bool due;   /* what was put into its ring needs one */
	bool waits; /* one is on its way, with this */
	uint32_t number;
	uint64_t since_ns;
	uint64_t head;	/* of the receive ring when it was sent */
	uint64_t shown; /* head as the helper knows it */
	struct jt_fence_flow flows[JT_FENCE_FLOWS];
};

struct jt_helper {
	struct jt_watch watch;	      /* its connection; -1: it lives in a virtual machine, */
	struct jt_link *machine;      /* this one, and has this */
	unsigned int seat;	      /* slot there */
	uint8_t *behind;	      /* what lies behind its slice there */
	uint64_t offset;	      /* of the slice, as the guest finds it */
	struct jt_notice_copy notice; /* the first of that */
	struct jt_fence fence;
	const struct jt_backend *backend;
	struct jt_watch doorbell;	/* an eventfd; -1: not attached yet */
	struct jt_helper *next, **link; /* in c->helpers */
	struct jt_helper *next_here;	/* in its guest's list */
	struct jt_helper *next_dirty;
	bool dirty; /* its ring has more than it was told */
	bool cut;
	bool claiming; /* counted among c->helpers.sockets */
	uint32_t guest;
	uint32_t call;			  /* enum jt_attach_call */
	uint32_t receive;		  /* enum jt_attach_receive */
	int receive_event, cycle;	  /* our ends of what wakes it */
	int receive_theirs, cycle_theirs; /* its ends, until it has them */
	int socket;			  /* AF_XDP socket in the guest, or -1 */
	bool unbound;			  /* JT_ATTACH_BIND is still to come */
	uint32_t ifindex;		  /* of its guest's interface, in there */
	uint32_t queue;
	struct jt_guest_program program; /* `receive' is xdp: what fills the socket */
	int namespace; /* came along with the question at hand, or waits for that to bind; or -1 */
	pid_t pid;
	uid_t uid;
	gid_t gid;
	struct jt_slice_state slice;
	struct jt_helper_calls calls;
	struct jt_member member;    /* `map': of its trust domain */
	struct jt_domain *own;	    /* --page-per-guest: where its slice's messages go; or NULL */
	uint64_t ports[65536 / 64]; /* claimed, by host order */
	unsigned int claimed;
	struct jt_attach_message question;
	size_t have; /* bytes of it */
};

__attribute__((format(printf, 3, 4))) void jt_helper_refuse(struct jt_helper *h, int err,
							    const char *format, ...);
/* Give back what it got when it attached. Idempotent. */
void jt_helper_release(struct jt_controller *c, struct jt_helper *h);
/* The question is JT_ATTACH_HELLO, or JT_ATTACH_BIND. */
void jt_helper_hello(struct jt_controller *c, struct jt_helper *h);
void jt_helper_bind(struct jt_controller *c, struct jt_helper *h);

/* One more, not attached yet. Return: NULL: there are too many. */
struct jt_helper *jt_helper_new(struct jt_controller *c, const struct jt_backend *backend);
/* Its question is there: answer it. */
void jt_helper_ask(struct jt_controller *c, struct jt_helper *h);
/* It is gone: take what it left, if it was no enemy, and give back what was its. */
void jt_helper_close(struct jt_controller *c, struct jt_helper *h);

/* Take over a connection. It is closed if there is no room for it. */
void jt_helper_open(struct jt_controller *c, int fd);
/* All of them go, or those of a guest. */
void jt_helpers_close(struct jt_controller *c);
void jt_helpers_of_guest_close(struct jt_controller *c, uint32_t guest);
/* Free those that were closed: at the end of a turn, when no event points to them. */
void jt_helpers_reap(struct jt_controller *c);
/* It has broken the rules: it is closed when the loop comes to it. */
void jt_helper_cut(struct jt_controller *c, struct jt_helper *h, const char *why);

/* Ports are claimed and released, and all of them given back (claims.c). Return: 0 or negative errno. */
int jt_claim(struct jt_controller *c, struct jt_helper *h, uint16_t port, bool taken);
void jt_claims_open(struct jt_controller *c, struct jt_helper *h);
void jt_claims_close(struct jt_controller *c, struct jt_helper *h);

/* Whose messages for a port of a guest are, or NULL. @port: network order */
struct jt_helper *jt_helper_of(struct jt_controller *c, uint32_t guest, uint16_t port);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where helpers live, and how the controller shares memory with them and wakes
 * them. Containers have descriptors (netns.c). Virtual machines have an agent and a
 * page for questions (machine.c), over what their hypervisor offers (qemu.c, xen.c).
 */
#ifndef JITNEY_BACKEND_H
#define JITNEY_BACKEND_H

#include <jitney/env_user.h>
#include <jitney/machine.h>
#include "controller/notice.h"
#include "controller/slices.h"

struct jt_controller;
struct jt_guest_spec;
struct jt_helper;
struct jt_parcel;

enum jt_wake { JT_WAKE_RECEIVE, JT_WAKE_CYCLE };

struct jt_backend {
	/*
	 * Make h->slice, whose sizes are set (jt_slice_size()), and what wakes the helper,
	 * by the question at hand. On failure `release' follows. Return: 0 or negative errno.
	 */
	int (*open)(struct jt_controller *c, struct jt_helper *h);
	/* The question is JT_ATTACH_BIND, and its socket is not bound. NULL: it always is. */
	int (*bind)(struct jt_controller *c, struct jt_helper *h);
	/* What goes along with the answer to that: fill @m and @parcel. */
	void (*welcome)(struct jt_controller *c, struct jt_helper *h, struct jt_attach_message *m,
			struct jt_parcel *parcel);
	/* Answer the question at hand. @parcel: NULL: none. Never waits, as all of these. */
	void (*answer)(struct jt_helper *h, const struct jt_attach_message *m,
		       const struct jt_parcel *parcel);
	void (*wake)(struct jt_helper *h, enum jt_wake why);
	/* It receives through an AF_XDP socket: a port of its own. Return: 0 or negative errno. */
	int (*port)(struct jt_helper *h, uint16_t port, bool taken);
	/* It has broken the rules: see that jt_helper_close() comes in a later turn. */
	void (*cut)(struct jt_helper *h);
	/* Give everything back. Idempotent. */
	void (*release)(struct jt_controller *c, struct jt_helper *h);
};

extern const struct jt_backend jt_backend_netns, jt_backend_machine;

/* --- virtual machines ----------------------------------------------------------------- */

#define JT_LINK_TICK_NS 2000000ULL

struct jt_link;

/* What a hypervisor offers. */
struct jt_hypervisor {
	const char *name;
	/* Is it what runs this guest? */
	bool (*runs)(const struct jt_guest_spec *spec);
	/*
	 * A guest was added: prepare, and wait for its agent in the controller's loop.
	 * link->page may be set later. Return: 0 or negative errno, then nothing is left.
	 */
	int (*open)(struct jt_controller *c, struct jt_link *link, const char **wrong);
	void (*close)(struct jt_controller *c, struct jt_link *link);
	/*
	 * Memory for the helper of @slot: s->size bytes, then JT_MACHINE_BEHIND more. Sets
	 * s->memory, s->send and s->receive, and s->copy where rings are not shared.
	 * @behind: out: what lies behind the slice. @offset: out: where the agent finds it.
	 */
	int (*map)(struct jt_link *link, unsigned int slot, struct jt_slice_state *s,
		   uint8_t **behind, uint64_t *offset);
	void (*unmap)(struct jt_link *link, unsigned int slot, struct jt_slice_state *s);
	/* Have the agent look at the page. */
	void (*ring)(struct jt_controller *c, struct jt_link *link);
	/* The guest's interface is another one: perhaps another machine's. NULL: no matter. */
	void (*moved)(struct jt_controller *c, struct jt_link *link);
	/* Was the memory taken away? Then its helpers go, too. NULL: it can't. */
	bool (*lost)(const struct jt_link *link);
};

extern const struct jt_hypervisor jt_hypervisor_qemu, jt_hypervisor_xen;

/* The controller's side of a virtual machine's page. */
struct jt_link {
	const struct jt_hypervisor *hypervisor;
	struct jt_controller *c;
	struct jt_machine *page; /* NULL: nobody is there */
	uint32_t guest;
	uint64_t boot;			   /* of the agent that it talks to */
	uint64_t ahead_ns, ahead_since_ns; /* the guest's clock, and when that was found out */
	struct jt_helper *helpers[JT_MACHINE_SLOTS];
	uint32_t answered[JT_MACHINE_SLOTS];
	uint32_t asked;	      /* the question at hand, as its slot counts */
	bool due;	      /* answers are there: ring */
	bool cut;	      /* a helper is to be closed */
	bool bell;	      /* the agent has rung by a frame: see jt_links_turn() */
	uint64_t heard_ns;    /* when it last rang */
	unsigned int again;   /* rings for what it has not taken */
	uint64_t rang_ns;     /* when it was last rung */
	uint32_t fence;	      /* number of the last one; never 0 */
	bool fencing;	      /* one may be on its way */
	uint64_t rings, rung; /* to the agent, and by it */
	/* Xen: pages mapped now; mappings made, copies by the hypervisor and their pieces. */
	uint64_t granted, maps, copies, segments;
	void *own;	      /* the hypervisor's */
	struct jt_link *next; /* in c->links */
};

/* Return: 0, also if the guest is no virtual machine; or negative errno. */
int jt_link_open(struct jt_controller *c, uint32_t guest, const char **wrong);
void jt_link_close(struct jt_controller *c, uint32_t guest);
/* The controller ends. */
void jt_links_close(struct jt_controller *c);
/* link->page has come: begin with it. */
void jt_link_begin(struct jt_link *link);
/* The guest, its agent or its memory is gone: so are its helpers. link->page is NULL then. */
void jt_link_end(struct jt_link *link);
/* The agent has rung. */
void jt_link_rung(struct jt_link *link);
/* The guest's interface went down, or is another one: its helpers are gone. */
void jt_link_down(struct jt_controller *c, uint32_t guest);
/* It is back, as another one. */
void jt_link_moved(struct jt_controller *c, uint32_t guest);
void jt_link_forget(struct jt_link *link, const struct jt_helper *h);

/* Send a frame that rings, through the guest's interface. @fence: its number, or 0 */
void jt_link_frame(struct jt_link *link, uint32_t fence);
/* Send a fence. Return: its number. */
uint32_t jt_link_fence(struct jt_link *link);

/* fence.c: a frame has messages of a flow for the ring of a virtual machine's helper. */
void jt_fence_look(struct jt_helper *h, const struct jt_slice_arrival *a, uint64_t now);
/* How much of the ring it may be shown now; sends a fence if one is due. */
uint64_t jt_fence_head(struct jt_helper *h, uint64_t now);
/* Fences that have come through, or will not. Return: does any wait? */
bool jt_fence_tick(struct jt_link *link, uint64_t now);

/* The agent has rung, by a frame on the guest's interface. */
void jt_link_bell(struct jt_controller *c, uint32_t guest);

/* At the end of a turn: those that were cut off are closed. */
void jt_links_turn(struct jt_controller *c, uint64_t now);
/* Ring again where it may have been lost. Return: whether to look once more in JT_LINK_TICK_NS. */
bool jt_links_tick(struct jt_controller *c, uint64_t now);

#endif

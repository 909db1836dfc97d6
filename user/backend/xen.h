/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Theory of operation: guests of Xen, with the controller in dom0
 *
 *  1. What is shared is the guest's own memory: its agent grants pages to domain 0.
 *     They are mapped here (xen_memory.c), or, with --xen-copy grant-copy, only what
 *     both sides write often is, and the hypervisor copies the rings.
 *  2. Such memory is never registered as UMEM of an AF_XDP socket of ours: a PV
 *     kernel accepts it and falls over its first packet. What leaves is copied into
 *     a bank before, and nobody else needs it.
 *  3. Set-up is over xenstore (xen_store.c), with the states of other devices:
 *
 *       /local/domain/N/device/jitney/M             the guest's
 *         backend, backend-id, state
 *         page-ref         grant of the page for questions, <jitney/machine.h>
 *         event-channel    unbound port for domain 0
 *       /local/domain/0/backend/jitney/N/M          ours, for the guest to read
 *         frontend, frontend-id, online, state
 *         error            a sentence: why it went to Closing
 *
 *     Ours waits in InitWait. The agent writes both numbers and goes to Initialised;
 *     with the page mapped, ours goes to Connected. When the agent goes anywhere
 *     else, the page is given back: ours goes to Closed, or to InitWait if the agent
 *     is at Initialising, for another beginning.
 *  4. A guest may write anything there at any time, may end or be paused: nothing is
 *     waited for, numbers are bounded, and what Xen does not map is refused. Its
 *     state is looked at so many times a second, and no more.
 *
 * Handles are shared by all guests, and each of them has one of these.
 */
#ifndef JITNEY_XEN_H
#define JITNEY_XEN_H

#include <xenevtchn.h>
#include <xengnttab.h>
#include "controller/helpers.h"

#define JT_XEN_PAGES_MAX 16384U /* of one guest: they take room in dom0 */

/* The memory of one helper. */
struct jt_xen_memory {
	uint8_t *map;	  /* NULL: none */
	uint32_t mapped;  /* pages there */
	uint32_t charged; /* pages of the whole, mapped or not */
	/* Only with grant-copy. */
	uint32_t *refs; /* of the whole slice, a page each */
	uint8_t *rings; /* ours: send, then receive */
	uint64_t pulled, pushed;
};

/* link->own */
struct jt_xen_link {
	struct jt_xen_link *next;
	struct jt_link *link;
	unsigned int domain, device;
	unsigned int state; /* ours, in xenstore */
	int port;	    /* ours of the event channel; -1: none */
	void *page;	    /* as long as it is mapped: longer than link->page */
	bool changed;	    /* its state was written, or a domain has ended */
	bool gone;	    /* the domain */
	uint64_t looked_ns;
	uint32_t pages; /* mapped, of all helpers */
	struct jt_xen_memory memory[JT_MACHINE_SLOTS];
};

/* What all of them share. A loop's turn may still hold its watches when the last has gone. */
struct jt_xen_host {
	struct jt_xen_link *first;
	xengnttab_handle *grants;
	xenevtchn_handle *channels;
	struct xs_handle *store;
	struct jt_watch channels_watch, store_watch, timer_watch;
};

extern struct jt_xen_host jt_xen_host;

/* xen.c. Return: NULL, or what failed. The page is link->page then. */
const char *jt_xen_connect(struct jt_xen_link *x, uint32_t page_ref, uint32_t port);
void jt_xen_disconnect(struct jt_xen_link *x);

/* xen_store.c: the connection, and a guest's directories. Return: 0 or negative errno. */
int jt_xen_store_open(struct jt_controller *c);
void jt_xen_store_close(struct jt_controller *c);
int jt_xen_store_add(struct jt_xen_link *x);
void jt_xen_store_remove(struct jt_xen_link *x);
/* Our state of this guest. */
void jt_xen_store_closed(struct jt_xen_link *x);

/* xen_memory.c, as in struct jt_hypervisor. */
int jt_xen_map(struct jt_link *link, unsigned int slot, struct jt_slice_state *s, uint8_t **behind,
	       uint64_t *offset);
void jt_xen_unmap(struct jt_link *link, unsigned int slot, struct jt_slice_state *s);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * jitney-agent: lets programs of a virtual machine attach to the controller of its
 * host. To them it is a controller (<jitney/attach.h>); what it can't answer by itself
 * it asks the host's through a page that both share (<jitney/machine.h>).
 *
 * One thread, one loop. It is in no message's way: helpers write to memory that the
 * host reads. It passes on who waits, and who is to be woken.
 */
#ifndef JITNEY_AGENT_H
#define JITNEY_AGENT_H

#include <jitney/machine.h>
#include <net/if.h>
#include <sys/types.h>

#include "common/guest_program.h"

struct jt_agent;

/* What this machine runs on: how memory is shared, and how one rings. */
struct jt_host {
	const char *name;
	uint32_t xdp_mode; /* of the program on the interface: XDP_FLAGS_DRV_MODE or XDP_FLAGS_SKB_MODE */
	/*
	 * Find and open it: sets a->page, and a->watch if it rings otherwise than by frames. @wrong: out, static.
	 * Return: 0; -ENODEV: it is not that; or another negative errno.
	 */
	int (*open)(struct jt_agent *a, const char **wrong);
	void (*close)(struct jt_agent *a);
	/* Before HELLO: @size bytes for the helper of @seat. Return: 0 or negative errno. */
	int (*share)(struct jt_agent *a, unsigned int seat, uint64_t size);
	/* The host has answered: the descriptor where that memory is found; it stays the host's. */
	int (*memory)(struct jt_agent *a, unsigned int seat);
	/* The host has it no more. Idempotent. */
	void (*unshare)(struct jt_agent *a, unsigned int seat);
	/* Have the controller look. */
	void (*ring)(struct jt_agent *a);
	/* a->watch is readable: take it. Return: false: the host is gone for good. NULL: no watch */
	bool (*rung)(struct jt_agent *a);
};

extern const struct jt_host jt_host_qemu, jt_host_xen;

/* A connection. */
struct jt_seat {
	int connection; /* -1: nobody sits here */
	bool waiting;	/* for the host's answer */
	bool gone;	/* its program went meanwhile */
	bool leaving;	/* the question is BYE */
	bool attached;
	struct jt_attach_message message; /* of the program, then of the host */
	size_t have;			  /* bytes of it */
	uint32_t asked;
	uint64_t asked_ns;
	int doorbell; /* eventfd */
	int receive, cycle;
	int socket;		/* AF_XDP, */
	bool unbound, receives; /* not bound yet; with a program that fills it */
	uint16_t ethertype;
	struct jt_guest_program program;
	uint8_t *memory;     /* slice, and what lies behind */
	uint64_t size, umem; /* bytes; umem: of those, of its socket */
	uint32_t asked_call, asked_receive;
	uint64_t claims[65536 / 64]; /* as the program knows them */
};

struct jt_agent {
	const struct jt_host *host;
	const char *path; /* of the socket */
	char interface[IFNAMSIZ];
	uint32_t ifindex;
	uint8_t mac[6];
	gid_t group; /* who may attach besides root; -1: nobody */
	struct jt_machine *page;
	uint64_t session; /* of the controller; 0: there is none */
	uint64_t silent;  /* one that did not hear; 0: none */
	uint64_t rang_ns; /* when it rang first for what the controller did not hear */
	uint64_t said_ns; /* when it last rang */
	int epoll, listener, space, signals;
	int bell;  /* frames of the host's: it has rung, or sent a fence */
	int watch; /* readable: the host has rung, by other means; -1: it has none */
	void *own; /* the host's */
	bool stop;
	struct jt_seat seats[JT_MACHINE_SLOTS];
};

/* Run until a signal, or the end of the host's device. Return: exit status. */
int jt_agent_run(struct jt_agent *a);

/* Ring, and write what one has to with it. */
void jt_agent_ring(struct jt_agent *a);

/* Events of a seat's connection, or of its doorbell, from now on. Return: 0 or negative errno. */
int jt_agent_watch(struct jt_agent *a, unsigned int seat);
int jt_agent_watch_doorbell(struct jt_agent *a, unsigned int seat);

/* bell.c: frames. Return: 0 or negative errno. */
int jt_bell_open(struct jt_agent *a);
/* The controller is another one, of another EtherType perhaps; before the first there is none. */
int jt_bell_listen(struct jt_agent *a);
void jt_bell_ring(struct jt_agent *a);
void jt_bell_take(struct jt_agent *a);

/* seat.c: one connection. */
void jt_seat_open(struct jt_agent *a, int connection);
/* Something came from its program, or its end. */
void jt_seat_ready(struct jt_agent *a, unsigned int seat);
/* Has the host answered? */
void jt_seat_look(struct jt_agent *a, unsigned int seat);
/* The program is gone, or must go. @host: false: there is no controller to be told */
void jt_seat_close(struct jt_agent *a, unsigned int seat, bool host);
/* Ports that the host's controller has given to it. */
void jt_seat_claims(struct jt_agent *a, unsigned int seat);

#endif

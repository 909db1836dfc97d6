/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Trust domains: guests whose helpers map one sharing page and organize into it
 * in place. Each domain has a page of its own, in a sealed memfd that is mapped
 * behind the main page and the receive pool, so that one UMEM covers all.
 *
 * To attach a helper: jt_domain_of() says which domain its guest is in, then
 * jt_domain_join(), and only then does the helper get the descriptor. When it is
 * gone, and only then, jt_domain_leave().
 */
#ifndef JITNEY_DOMAINS_H
#define JITNEY_DOMAINS_H

#include <jitney/domain.h>
#include "controller/controller.h"

/*
 * One thread of a helper that writes. The caller's memory, from join to leave;
 * what stands behind `writing` belongs to this file.
 */
struct jt_member {
	const uint64_t *writing; /* see jt_writing_begin(); readable, and 8-byte aligned */
	struct jt_domain *domain;
	struct jt_member *next;
	uint64_t seen[JT_BANKS_MAX]; /* by bank: the write it was in when that closed; 0: none */
};

struct jt_domain {
	const struct jt_trust_spec *spec; /* Borrowed from the options */
	int memory;			  /* memfd */
	struct jt_page page;		  /* the controller's own view */
	struct jt_peer *peers;		  /* in there: what members go by. Never read */
	struct jt_transmit transmit;
	struct jt_member *members;
	uint64_t resets;
	/* Whose shares its frames are charged to: admit.c */
	uint32_t *guests; /* ids */
	unsigned int guest_count, turn;
	uint64_t guests_changed; /* c->shares.changed when they were found */
	enum jt_share_payer payer;
};

/* Between the datapath and the uplink. Return: 0 or negative errno, after a message. */
int jt_domains_start(struct jt_controller *c);
/* From now on members may write. */
void jt_domains_ready(struct jt_controller *c);
/* From now on they should not. */
void jt_domains_stop(struct jt_controller *c);
/* Before the datapath, which unmaps them. */
void jt_domains_close(struct jt_controller *c);

/* The domain that a guest is in, or NULL. */
struct jt_domain *jt_domain_of(struct jt_controller *c, uint32_t guest_id);
/* Return: 0, or -ENOENT if the guest is in no domain. Sets member->domain. */
int jt_domain_join(struct jt_controller *c, uint32_t guest_id, struct jt_member *member);
void jt_domain_leave(struct jt_controller *c, struct jt_member *member);

/* A peer's head, limit, flags or alive_until_ns have changed. */
void jt_domains_peer(struct jt_controller *c, uint32_t id);
/* Peers, guests or addresses have changed: the generation steps, on all pages. */
void jt_generation_step(struct jt_controller *c);

/*
 * The transmitter's questions. A bank was closed: who is inside a write? Later:
 * is any of them still in the same one? Then it may yet write into the bank.
 */
void jt_domain_closed(struct jt_domain *d, uint32_t bank);
bool jt_domain_quiet(const struct jt_domain *d, uint32_t bank);
/* An extent has left in @epoch: blank it, whatever is in it. */
void jt_domain_blank(struct jt_domain *d, uint64_t epoch, uint64_t number);

/* Members left nonsense: count it. */
void jt_domain_bad(struct jt_controller *c);
/*
 * So bad that the page as a whole makes no sense. What is in there is lost, but
 * for frames that were handed over. It is blank again, not before 0.1 s have
 * passed and nobody is inside a write, by calls that wipe one bank each.
 */
void jt_domain_reset(struct jt_controller *c, struct jt_domain *d, const char *what);
void jt_domain_reset_run(struct jt_controller *c, struct jt_domain *d);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the controller takes aboard, or lets leave, of a guest that is limited: as much
 * as its share pays for. The rest stays where it is, until the timer of shares says
 * that somebody pays again; so it is the writer who waits.
 */
#ifndef JITNEY_ADMIT_H
#define JITNEY_ADMIT_H

#include <jitney/bucket.h>

struct jt_controller;
struct jt_domain;

/* Of one guest, at one time. */
struct jt_allowance {
	struct jt_share *share;	   /* NULL: it is not limited */
	enum jt_share_payer payer; /* of what comes next */
	uint64_t now;
	uint64_t bytes; /* on the uplink that are paid for; the last message may reach beyond */
	uint64_t messages;
};

/* Look what a guest may send. Something of it is there to be sent. */
void jt_allow(struct jt_controller *c, uint32_t guest, struct jt_allowance *a);
/* Return: whether anything is paid for. */
static inline bool jt_allowed(const struct jt_allowance *a)
{
	return a->bytes && a->messages;
}
/* Charge what went aboard, and look again. */
void jt_allow_charge(struct jt_allowance *a, uint64_t bytes, uint64_t messages);
/* Nothing is paid for, and something waits. @first: it did not before */
void jt_allow_wait(struct jt_controller *c, const struct jt_allowance *a, bool first);

/*
 * jt_domain_admit() - Does anybody pay for a domain's next frame?
 *
 * Its page leaves frame by frame, at the expense of its guests in turn.
 *
 * @first:	this frame was not asked for before
 *
 * Return: false if none of them pays now.
 */
bool jt_domain_admit(struct jt_controller *c, struct jt_domain *d, bool first);
void jt_domain_charge(struct jt_controller *c, struct jt_domain *d, uint64_t bytes,
		      uint64_t messages);

#endif

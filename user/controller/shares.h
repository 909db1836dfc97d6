/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What each guest may send: the controller's side of <jitney/bucket.h>.
 *
 * Theory of operation: what others leave
 *
 * The uplink has a bucket of its own, the pool: it fills at the uplink's rate, and
 * all that limited guests send is taken from it, whoever pays. What is in there may
 * be borrowed. A tick shares it out among those that want more, by their weights;
 * what one of them does not want is the others' (jt_shares_fill()).
 *
 *  1. Who was turned away or has used up its grant wants all there is; what is left
 *     of its last grant goes back into the pool before it gets another.
 *  2. All others keep a float: some ms of their part. It is not taken from the pool
 *     as long as it lies there, so that an idle guest keeps nothing from the others;
 *     a guest that begins to send has it at once, and asks for more (JT_EVENT_BORROW)
 *     before it is used up.
 *  3. Nothing ticks while nobody wants anything.
 *
 * The rate of the uplink is --uplink-rate, or the link's speed. If neither is known
 * there is nothing to share out: who borrows is not limited. With --uplink-rate every
 * guest is limited; one without a rate has no tokens of its own, and borrows.
 */
#ifndef JITNEY_SHARES_H
#define JITNEY_SHARES_H

#include <jitney/abi.h>
#include <jitney/bucket.h>

struct jt_controller;

/* Who takes part in sharing out, and what comes of it. */
struct jt_want {
	uint64_t weight;
	uint64_t want; /* bytes */
	uint64_t get;  /* out: of them */
	uint32_t guest;
	bool done;
};

struct jt_share_account {
	uint64_t used, refused; /* as last looked at */
	uint64_t floating;	/* bytes that it may borrow without a tick */
	bool hungry;		/* it wants all there is */
};

struct jt_shares {
	uint64_t rate;	    /* of the uplink, bytes a second; 0: not known */
	int64_t pool;	    /* millionths of a byte */
	int64_t bursts;	    /* how much less than nothing may be in there */
	uint64_t ticked_ns; /* when the pool was last filled */
	uint64_t ticks;
	uint64_t due_ns;      /* when the timer expires; 0: it does not */
	uint64_t changed;     /* stepped when guests come, go or are limited otherwise */
	unsigned int limited; /* guests that are */
	bool waiting;	      /* something waits in a slice or a domain's page */
	struct jt_share_account guests[JT_GUESTS_MAX];
	struct jt_want wants[JT_GUESTS_MAX];
};

/* What users are shown of a guest. */
struct jt_share_view {
	struct jt_share_settings settings; /* with what was filled in for what was not given */
	bool limited;
	enum jt_share_state state; /* limited guests only, like all that follows */
	int64_t tokens; /* bytes it may send of its own; INT64_MAX: no limit but messages */
	uint64_t used, borrowed; /* bytes on the uplink, and those of them that were borrowed */
	uint64_t refused;	 /* messages that were turned away or had to wait */
};

/* Return: 0 or negative errno. */
int jt_shares_start(struct jt_controller *c);

/*
 * jt_shares_set() - Give a guest its share, or change it
 * @settings:	as given by the user; all zero: as one without any
 * @wrong:	out: a sentence if it fails
 *
 * Return: 0, or -EINVAL; then nothing has changed.
 */
int jt_shares_set(struct jt_controller *c, uint32_t guest, const struct jt_share_settings *settings,
		  const char **wrong);
/*
 * jt_shares_weight() - A guest asks for another weight
 *
 * From 1 to what its settings say; 0: that. It holds from the next tick on, until
 * somebody sets the guest's share.
 *
 * Return: 0, or -EPERM.
 */
int jt_shares_weight(struct jt_controller *c, uint32_t guest, uint64_t weight);
/* The guest is being removed. */
void jt_shares_forget(struct jt_controller *c, uint32_t guest);
void jt_shares_view(struct jt_controller *c, uint32_t guest, struct jt_share_view *out);
/* The uplink's device has changed: so may have its speed. */
void jt_shares_uplink(struct jt_controller *c);

/* Share out, if the last time is not just past. */
void jt_shares_tick(struct jt_controller *c);
/* A guest wants more (JT_EVENT_BORROW). */
void jt_shares_asked(struct jt_controller *c);
/* Something of a guest waits where the controller has to come for it: look again in time. */
void jt_shares_wait(struct jt_controller *c, const struct jt_share *share, uint64_t now);

/*
 * jt_shares_fill() - Share out @left bytes in proportion to weights
 *
 * Nobody gets more than it wants, and nobody who wants more gets less than its part.
 *
 * Return: what nobody wants, but for what rounding leaves.
 */
uint64_t jt_shares_fill(struct jt_want *wants, unsigned int n, uint64_t left);

#endif

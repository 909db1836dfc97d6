// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "controller/admit.h"
#include "controller/domains.h"

/* --- one guest --------------------------------------------------------------------- */

/* What is left of a time, in units of @cost; some of it if it is not over. */
static uint64_t left_of(uint64_t paid, const struct jt_allowance *a, double cost)
{
	uint64_t now = a->now * JT_SHARE_NS, left = now - paid;

	if (paid >= now)
		return 0;
	if (left > a->share->burst)
		left = a->share->burst;
	return 1 + (uint64_t)((double)left / cost);
}

static void look(struct jt_allowance *a)
{
	const double byte = 1 << JT_SHARE_FRACTION;
	struct jt_share *s = a->share;

	a->payer = jt_share_payer(s, a->now);
	a->messages = UINT64_MAX;
	if (a->payer == JT_SHARE_NOBODY) {
		a->bytes = 0;
	} else if (a->payer == JT_SHARE_BORROWED) {
		a->bytes = (uint64_t)jt_share_grant(s);
	} else {
		a->bytes = UINT64_MAX;
		if (s->byte_cost)
			a->bytes = left_of(JT_READ(s->bytes_paid), a, (double)s->byte_cost / byte);
		if (s->message_cost)
			a->messages =
				left_of(JT_READ(s->messages_paid), a, (double)s->message_cost);
	}
}

void jt_allow(struct jt_controller *c, uint32_t guest, struct jt_allowance *a)
{
	*a = (struct jt_allowance){ .bytes = UINT64_MAX, .messages = UINT64_MAX };
	if (!(c->datapath.guests[guest].flags & JT_GUEST_LIMITED) || c->stop)
		return;
	a->share = &c->datapath.shares[guest];
	a->now = jt_env_now();
	JT_WRITE(a->share->offered_ns, a->now);
	look(a);
}

void jt_allow_charge(struct jt_allowance *a, uint64_t bytes, uint64_t messages)
{
	if (!a->share)
		return;
	jt_share_charge(a->share, a->payer, bytes, messages);
	look(a);
}

void jt_allow_wait(struct jt_controller *c, const struct jt_allowance *a, bool first)
{
	if (first)
		jt_fetch_add(&a->share->refused, 1);
	jt_shares_wait(c, a->share, a->now);
}

/* --- a trust domain ----------------------------------------------------------------- */

/* A domain's guests, by their ids; found again whenever guests have come or gone. */
static void members_find(struct jt_controller *c, struct jt_domain *d)
{
	uint32_t i;

	d->guest_count = 0;
	for (i = 0; i < c->guest_limit && d->guest_count < d->spec->count; i++)
		if (jt_domain_of(c, i) == d)
			d->guests[d->guest_count++] = i;
	d->guests_changed = c->shares.changed;
}

/* True if the domain's guests are limited, all of them, and nobody else writes to its page. */
static bool limited(struct jt_controller *c, struct jt_domain *d)
{
	unsigned int i;

	if (!c->shares.limited || c->options->page_per_guest || c->stop)
		return false;
	if (d->guests_changed != c->shares.changed)
		members_find(c, d);
	for (i = 0; i < d->guest_count; i++)
		if (!(c->datapath.guests[d->guests[i]].flags & JT_GUEST_LIMITED))
			return false;
	return d->guest_count;
}

/* Whose turn it is among those of whom @payer is true. */
static bool turn_find(struct jt_controller *c, struct jt_domain *d, enum jt_share_payer payer,
		      uint64_t now)
{
	unsigned int i, at;

	for (i = 0; i < d->guest_count; i++) {
		at = (d->turn + 1 + i) % d->guest_count;
		if (jt_share_payer(&c->datapath.shares[d->guests[at]], now) != payer)
			continue;
		d->turn = at;
		d->payer = payer;
		return true;
	}
	return false;
}

static void domain_wait(struct jt_controller *c, struct jt_domain *d, uint64_t now, bool first)
{
	struct jt_share *s;
	unsigned int i;

	for (i = 0; i < d->guest_count; i++) {
		s = &c->datapath.shares[d->guests[i]];
		JT_WRITE(s->offered_ns, now);
		if (first)
			jt_fetch_add(&s->refused, 1);
		jt_shares_wait(c, s, now);
	}
}

bool jt_domain_admit(struct jt_controller *c, struct jt_domain *d, bool first)
{
	uint64_t now;

	d->payer = JT_SHARE_NOBODY;
	if (!limited(c, d))
		return true;
	now = jt_env_now();
	if (turn_find(c, d, JT_SHARE_OWN, now) || turn_find(c, d, JT_SHARE_BORROWED, now)) {
		JT_WRITE(c->datapath.shares[d->guests[d->turn]].offered_ns, now);
		return true;
	}
	domain_wait(c, d, now, first);
	return false;
}

void jt_domain_charge(struct jt_controller *c, struct jt_domain *d, uint64_t bytes,
		      uint64_t messages)
{
	if (d->payer)
		jt_share_charge(&c->datapath.shares[d->guests[d->turn]], d->payer, bytes, messages);
}

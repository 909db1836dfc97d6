// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdio.h>

#include "controller/helpers.h"
#include "controller/report_share.h"
#include "controller/shares.h"

static const char *const state_names[] = { "black", "green", "yellow", "red" };

JT_ASSERT(JT_ARRAY_SIZE(state_names) == JT_SHARE_STATES, "a name for each state");

/* Bytes that its helpers have written and that were not taken yet. */
static json_int_t waiting(const struct jt_guest_state *g)
{
	const struct jt_helper *h;
	uint64_t sum = 0, left;

	for (h = g->helpers; h; h = h->next_here) {
		if (!h->slice.header)
			continue;
		left = JT_READ(h->slice.header->send_head) - h->slice.send_tail;
		sum += left <= h->slice.send_size ? left : 0; /* whatever it says */
	}
	return (json_int_t)sum;
}

static void set(json_t *o, const char *key, json_t *value)
{
	json_object_set_new(o, key, value);
}

/* 0 is no limit. */
static json_t *limit(uint64_t n)
{
	return n ? json_integer((json_int_t)n) : json_null();
}

json_t *jt_report_share(struct jt_controller *c, uint32_t guest)
{
	struct jt_share_view v;
	json_t *o;

	jt_shares_view(c, guest, &v);
	if (!v.limited)
		return json_null();
	o = json_object();
	set(o, "state", json_string(state_names[v.state]));
	set(o, "rate", limit(v.settings.rate));
	set(o, "message_rate", limit(v.settings.message_rate));
	set(o, "burst", limit(v.settings.burst));
	set(o, "work_conserving", json_boolean(v.settings.borrows));
	set(o, "weight", json_integer(v.settings.weight));
	set(o, "tokens", v.tokens == INT64_MAX ? json_null() : json_integer(v.tokens));
	set(o, "used", json_integer((json_int_t)v.used));
	set(o, "borrowed", json_integer((json_int_t)v.borrowed));
	set(o, "refused", json_integer((json_int_t)v.refused));
	set(o, "waiting", json_integer(waiting(&c->guests[guest])));
	return o;
}

const char *jt_report_overbooked(const struct jt_controller *c)
{
	static char text[160];
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < c->guest_limit; i++)
		if (c->guests[i].used)
			sum += c->guests[i].spec.share.rate;
	if (!c->shares.rate || sum <= c->shares.rate * 8)
		return NULL;
	snprintf(text, sizeof(text),
		 "the rates of the guests add up to %.6g Mbit/s, and the uplink has %.6g: not all "
		 "can have theirs at a time",
		 (double)sum / 1e6, (double)c->shares.rate * 8 / 1e6);
	return text;
}

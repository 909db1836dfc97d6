// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What helpers called for, as JSON, and what it saved them not to have to wait. */
#include "controller/helpers.h"
#include "controller/report.h"

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

/* Those that were called for. */
static json_t *routines_of(const struct jt_guest_calls *g)
{
	json_t *list = json_array();
	int i;

	for (i = 1; i < JT_ROUTINE_COUNT; i++)
		if (g->routines[i].deferred || g->routines[i].immediate)
			json_array_append_new(
				list, json_pack("{s:s, s:o, s:o, s:o}", "name", jt_routines[i].name,
						"deferred", number(g->routines[i].deferred),
						"immediate", number(g->routines[i].immediate),
						"failed", number(g->routines[i].failed)));
	return list;
}

static json_t *batch_sizes_of(const struct jt_guest_calls *g)
{
	json_t *list = json_array();
	int i;

	for (i = 0; i < JT_BATCH_SIZES; i++)
		json_array_append_new(list, number(g->batch_sizes[i]));
	return list;
}

static uint64_t deferred(const struct jt_guest_calls *g)
{
	uint64_t n = 0;
	int i;

	for (i = 1; i < JT_ROUTINE_COUNT; i++)
		n += g->routines[i].deferred;
	return n;
}

/* What the deferred ones would have taken by the round trips of those that were not. */
static void set_saved(json_t *o, const struct jt_guest_calls *g, uint64_t asked, uint64_t asked_ns)
{
	uint64_t mean = asked ? asked_ns / asked : 0;

	json_object_set_new(o, "round_trip_ns", asked ? number(mean) : json_null());
	json_object_set_new(o, "saved_ns", asked ? number(mean * deferred(g)) : json_null());
}

static json_t *guest(const struct jt_guest_state *state)
{
	const struct jt_guest_calls *g = &state->calls;
	uint64_t waiting = 0, lost = g->results_lost, asked = g->asked, asked_ns = g->asked_ns;
	const struct jt_helper *h;
	json_t *o = json_object();

	for (h = state->helpers; h; h = h->next_here) {
		waiting += jt_calls_waiting(h);
		lost += h->calls.results_lost;
		jt_calls_asked(h, &asked, &asked_ns);
	}
	json_object_set_new(o, "name", json_string(state->spec.name));
	json_object_set_new(o, "routines", routines_of(g));
	json_object_set_new(o, "unknown", number(g->unknown));
	json_object_set_new(o, "waiting", number(waiting));
	json_object_set_new(o, "deepest", number(g->deepest));
	json_object_set_new(o, "batches", number(g->batches));
	json_object_set_new(o, "batch_sizes", batch_sizes_of(g));
	json_object_set_new(o, "batches_ns", number(g->batches_ns));
	json_object_set_new(o, "dropped", number(g->dropped));
	json_object_set_new(o, "results_lost", number(lost));
	set_saved(o, g, asked, asked_ns);
	return o;
}

json_t *jt_report_calls(struct jt_controller *c)
{
	json_t *list = json_array();
	uint32_t i;

	for (i = 0; i < c->guest_limit; i++)
		if (c->guests[i].used)
			json_array_append_new(list, guest(&c->guests[i]));
	return json_pack("{s:o}", "calls", list);
}

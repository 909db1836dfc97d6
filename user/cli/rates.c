// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <string.h>

#include "rates.h"
#include "shares.h"
#include "text.h"

/* Which counter becomes which rate. Tables end with a NULL. */
struct rate {
	const char *counter;
	const char *name;
};

static const struct rate total_rates[] = {
	{ "messages", "messages_per_s" },
	{ "sent_frames", "frames_per_s" },
	{ "sent_bytes", "bytes_per_s" },
	{ "swaps", "swaps_per_s" },
	{ "received_messages", "received_messages_per_s" },
	{ "received_frames", "received_frames_per_s" },
	{ "received_lost", "lost_per_s" },
	{ "delivered", "delivered_per_s" },
	{ "passed", "passed_per_s" },
	{ "dropped", "dropped_per_s" },
	{ NULL, NULL },
};

static const struct rate guest_rates[] = {
	{ "messages", "messages_per_s" },   { "bytes", "bytes_per_s" },
	{ "delivered", "delivered_per_s" }, { "passed", "passed_per_s" },
	{ "dropped", "dropped_per_s" },	    { NULL, NULL },
};

static const struct rate peer_rates[] = {
	{ "sent_messages", "messages_per_s" },
	{ "sent_frames", "frames_per_s" },
	{ "sent_bytes", "bytes_per_s" },
	{ "received_messages", "received_messages_per_s" },
	{ "received_frames", "received_frames_per_s" },
	{ "received_lost", "lost_per_s" },
	{ "dropped", "dropped_per_s" },
	{ NULL, NULL },
};

static json_t *request(const char *command)
{
	return json_pack("{s:s}", "command", command);
}

bool jt_sample_take(const struct jt_line *cli, struct jt_sample *s, char wrong[JT_WRONG_SIZE])
{
	memset(s, 0, sizeof(*s));
	s->status = jt_ask_quietly(cli, request("status"), wrong);
	s->guests = s->status ? jt_ask_quietly(cli, request("guests"), wrong) : NULL;
	s->peers = s->guests ? jt_ask_quietly(cli, request("peers"), wrong) : NULL;
	s->time_ns = jt_now();
	if (!s->peers)
		jt_sample_free(s);
	return s->peers;
}

void jt_sample_free(struct jt_sample *s)
{
	json_decref(s->status);
	json_decref(s->guests);
	json_decref(s->peers);
	memset(s, 0, sizeof(*s));
}

static int64_t grown(const json_t *before, const json_t *now, const char *counter)
{
	int64_t n = jt_get_int(now, counter) - jt_get_int(before, counter);

	return n > 0 ? n : 0;
}

json_t *jt_rounded(double rate)
{
	return json_real((double)(int64_t)(rate * 100 + 0.5) / 100);
}

static void add_rates(json_t *to, const struct rate *rates, const json_t *before, const json_t *now,
		      double seconds)
{
	for (; rates->name; rates++)
		json_object_set_new(
			to, rates->name,
			jt_rounded((double)grown(before, now, rates->counter) / seconds));
}

static void add_per_frame(json_t *to, const json_t *before, const json_t *now)
{
	int64_t frames = grown(before, now, "sent_frames");

	json_object_set_new(
		to, "messages_per_frame",
		frames ? jt_rounded((double)grown(before, now, "sent_messages") / (double)frames) :
			 json_null());
}

const json_t *jt_named(const json_t *list, const char *name)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
		if (!strcmp(jt_get_text(item, "name"), name))
			return item;
	return NULL;
}

/* Who has just come has no "before", and no rates yet. */
static json_t *list_rates(const struct rate *rates, const json_t *before, const json_t *now,
			  double seconds)
{
	json_t *out = json_array(), *row;
	const json_t *item, *old;
	size_t i;

	json_array_foreach(now, i, item) {
		old = jt_named(before, jt_get_text(item, "name"));
		row = json_pack("{s:O?}", "name", json_object_get(item, "name"));
		if (json_object_get(item, "state"))
			json_object_set(row, "state", json_object_get(item, "state"));
		add_rates(row, rates, old ? old : item, item, seconds);
		if (json_object_get(item, "share"))
			jt_share_rates(row, old, item, seconds);
		if (json_object_get(item, "sent_frames"))
			add_per_frame(row, old ? old : item, item);
		json_array_append_new(out, row);
	}
	return out;
}

json_t *jt_rates(const struct jt_sample *before, const struct jt_sample *now)
{
	double seconds = (double)(now->time_ns - before->time_ns) / 1e9;
	const json_t *cycle = json_object_get(now->status, "cycle");
	const json_t *old = json_object_get(before->status, "totals");
	const json_t *new = json_object_get(now->status, "totals");
	json_t *out = json_object();

	json_object_set(out, "name", json_object_get(now->status, "name"));
	json_object_set_new(out, "seconds", jt_rounded(seconds));
	json_object_set_new(out, "cycle_ns", json_integer(jt_get_int(cycle, "length_ns")));
	json_object_set_new(out, "asleep", json_boolean(jt_get_true(cycle, "asleep")));
	add_rates(out, total_rates, old, new, seconds);
	add_per_frame(out, old, new);
	json_object_set_new(out, "guests",
			    list_rates(guest_rates, json_object_get(before->guests, "guests"),
				       json_object_get(now->guests, "guests"), seconds));
	json_object_set_new(out, "peers",
			    list_rates(peer_rates, json_object_get(before->peers, "peers"),
				       json_object_get(now->peers, "peers"), seconds));
	return out;
}

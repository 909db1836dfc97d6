// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* jitney guests --calls: what helpers called for, and what it saved them. */
#include "client.h"
#include "text.h"

static void routines_add(struct jt_table *t, const json_t *guest)
{
	const json_t *r;
	size_t i;

	json_array_foreach(json_object_get(guest, "routines"), i, r) {
		jt_table_text(t, guest, "name");
		jt_table_text(t, r, "name");
		jt_table_number(t, r, "deferred");
		jt_table_number(t, r, "immediate");
		jt_table_number(t, r, "failed");
	}
}

static void time_add(struct jt_table *t, const json_t *guest, const char *key)
{
	if (json_is_integer(json_object_get(guest, key)))
		jt_table_time(t, guest, key);
	else
		jt_table_cell(t, "-");
}

/* "12 3 0 0 1 0 0": of 1, of up to 3, 7, .. */
static void sizes_add(struct jt_table *t, const json_t *guest)
{
	const json_t *sizes = json_object_get(guest, "batch_sizes"), *n;
	char text[JT_TEXT_SIZE * 4] = "";
	size_t i, at = 0;

	json_array_foreach(sizes, i, n) {
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%lld", i ? " " : "",
				       (long long)json_integer_value(n));
		if (at >= sizeof(text))
			break;
	}
	jt_table_cell(t, "%s", text);
}

static int64_t executed(const json_t *guest)
{
	int64_t n = jt_get_int(guest, "unknown");
	const json_t *r;
	size_t i;

	json_array_foreach(json_object_get(guest, "routines"), i, r)
		n += jt_get_int(r, "deferred");
	return n;
}

static void queue_add(struct jt_table *t, const json_t *guest)
{
	int64_t batches = jt_get_int(guest, "batches"), n = executed(guest);

	jt_table_text(t, guest, "name");
	jt_table_number(t, guest, "waiting");
	jt_table_number(t, guest, "deepest");
	jt_table_number(t, guest, "batches");
	jt_table_cell(t, "%s", batches ? JT_RATIO(n, batches) : "-");
	sizes_add(t, guest);
	jt_table_cell(t, "%s", n ? JT_TIME(jt_get_int(guest, "batches_ns") / n) : "-");
	jt_table_number(t, guest, "dropped");
	jt_table_number(t, guest, "unknown");
	time_add(t, guest, "round_trip_ns");
	time_add(t, guest, "saved_ns");
}

static void print(const json_t *answer)
{
	static const char *const routines[] = { "GUEST", "ROUTINE", ">DEFERRED", ">IMMEDIATE",
						">FAILED" };
	static const char *const queues[] = { "GUEST",	     ">QUEUED",	 ">DEEPEST",
					      ">BATCHES",    ">A BATCH", "OF 1 3 7 15 31 63 MORE",
					      ">EACH TAKES", ">DROPPED", ">UNKNOWN",
					      ">ROUND TRIP", ">SAVED" };
	struct jt_table t = JT_TABLE(routines), q = JT_TABLE(queues);
	const json_t *guest;
	size_t i;

	json_array_foreach(json_object_get(answer, "calls"), i, guest) {
		if (!json_array_size(json_object_get(guest, "routines")) && !executed(guest))
			continue;
		routines_add(&t, guest);
		queue_add(&q, guest);
	}
	if (!q.used) {
		puts("no program in a guest has called for anything; see jitney-guest(1)");
		return;
	}
	jt_table_print(&t, stdout, 0);
	putchar('\n');
	jt_table_print(&q, stdout, 0);
}

int jt_show_calls(const struct jt_line *cli)
{
	json_t *answer = jt_ask(cli, json_pack("{s:s}", "command", "calls"));

	if (!answer)
		return JT_EXIT_NO;
	if (!cli->json)
		print(answer);
	json_decref(answer);
	return JT_EXIT_OK;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Rates, live. What is printed is made from the very object that --json prints. */
#include <stdlib.h>

#include "rates.h"
#include "screen.h"
#include "shares.h"
#include "text.h"

#define SECOND_NS 1000000000ULL

static void cell_rate(struct jt_table *t, const json_t *o, const char *key)
{
	double rate = jt_get_real(o, key);

	if (rate > 0 && rate < 10)
		jt_table_cell(t, "%.1f", rate);
	else
		jt_table_cell(t, "%s", JT_NUMBER((int64_t)(rate + 0.5)));
}

static void cell_per_frame(struct jt_table *t, const json_t *o)
{
	const json_t *n = json_object_get(o, "messages_per_frame");

	if (json_is_number(n))
		jt_table_cell(t, "%.1f", json_number_value(n));
	else
		jt_table_cell(t, "-");
}

static void print_total(const json_t *r, FILE *to)
{
	static const char *const heads[] = { "TOTAL",	 ">MESSAGES/S", ">FRAMES/S", ">A FRAME",
					     ">SWAPS/S", ">CYCLE",	">GOT/S",    ">FRAMES/S",
					     ">LOST/S",	 ">PASSED/S",	">DROPPED/S" };
	struct jt_table t = JT_TABLE(heads);

	jt_table_text(&t, r, "name");
	cell_rate(&t, r, "messages_per_s");
	cell_rate(&t, r, "frames_per_s");
	cell_per_frame(&t, r);
	cell_rate(&t, r, "swaps_per_s");
	jt_table_cell(&t, "%s",
		      jt_get_true(r, "asleep") ? "asleep" : JT_TIME(jt_get_int(r, "cycle_ns")));
	cell_rate(&t, r, "received_messages_per_s");
	cell_rate(&t, r, "received_frames_per_s");
	cell_rate(&t, r, "lost_per_s");
	cell_rate(&t, r, "passed_per_s");
	cell_rate(&t, r, "dropped_per_s");
	jt_table_print(&t, to, 0);
}

static void print_guests(const json_t *guests, FILE *to)
{
	static const char *const heads[] = { "GUEST",	     ">MESSAGES/S", ">BYTES/S",
					     ">DELIVERED/S", ">PASSED/S",   ">DROPPED/S" };
	struct jt_table t = JT_TABLE(heads);
	const json_t *g;
	size_t i;

	json_array_foreach(guests, i, g) {
		jt_table_text(&t, g, "name");
		cell_rate(&t, g, "messages_per_s");
		cell_rate(&t, g, "bytes_per_s");
		cell_rate(&t, g, "delivered_per_s");
		cell_rate(&t, g, "passed_per_s");
		cell_rate(&t, g, "dropped_per_s");
	}
	if (t.used)
		jt_table_print(&t, to, 0);
}

/* Of those that are limited. */
static void print_shares(const json_t *guests, FILE *to)
{
	static const char *const heads[] = { "GUEST",	  "SHARE",    ">RATE",	   ">USED",
					     ">BORROWED", ">WAITING", ">REFUSED/S" };
	struct jt_table t = JT_TABLE(heads);
	const json_t *g;
	size_t i;

	json_array_foreach(guests, i, g) {
		if (!json_is_string(json_object_get(g, "state")))
			continue;
		jt_table_text(&t, g, "name");
		jt_table_text(&t, g, "state");
		jt_table_rate(&t, g, "rate");
		jt_table_rate(&t, g, "used_bits_per_s");
		jt_table_rate(&t, g, "borrowed_bits_per_s");
		jt_table_cell(&t, "%s", JT_SIZE(jt_get_int(g, "waiting")));
		cell_rate(&t, g, "refused_per_s");
	}
	if (!t.used)
		return;
	fputc('\n', to);
	jt_table_print(&t, to, 0);
}

static void print_peers(const json_t *peers, FILE *to)
{
	static const char *const heads[] = { "PEER",	  "STATE",    ">MESSAGES/S",
					     ">FRAMES/S", ">A FRAME", ">GOT/S",
					     ">FRAMES/S", ">LOST/S",  ">DROPPED/S" };
	struct jt_table t = JT_TABLE(heads);
	const json_t *p;
	size_t i;

	json_array_foreach(peers, i, p) {
		jt_table_text(&t, p, "name");
		jt_table_text(&t, p, "state");
		cell_rate(&t, p, "messages_per_s");
		cell_rate(&t, p, "frames_per_s");
		cell_per_frame(&t, p);
		cell_rate(&t, p, "received_messages_per_s");
		cell_rate(&t, p, "received_frames_per_s");
		cell_rate(&t, p, "lost_per_s");
		cell_rate(&t, p, "dropped_per_s");
	}
	if (t.used)
		jt_table_print(&t, to, 0);
}

/* Return: the text, the caller's to free; NULL without memory. */
static char *rates_text(const struct jt_line *cli, const json_t *rates)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	if (!to)
		return NULL;
	if (cli->json) {
		json_dumpf(rates, to, JSON_COMPACT | JSON_REAL_PRECISION(12));
		fputc('\n', to);
	} else {
		print_total(rates, to);
		fputc('\n', to);
		print_guests(json_object_get(rates, "guests"), to);
		print_shares(json_object_get(rates, "guests"), to);
		fputc('\n', to);
		print_peers(json_object_get(rates, "peers"), to);
		fputc('\n', to);
	}
	fclose(to);
	return text;
}

static void show_rates(const struct jt_line *cli, const struct jt_screen *screen,
		       const struct jt_sample *before, const struct jt_sample *now)
{
	json_t *rates = jt_rates(before, now);
	char *text = rates_text(cli, rates);

	if (text)
		jt_screen_show(screen, text);
	free(text);
	json_decref(rates);
}

/* Until told to stop. @before is freed. Return: false with @wrong filled. */
static bool top_loop(const struct jt_line *cli, const struct jt_screen *screen,
		     struct jt_sample *before, char wrong[JT_WRONG_SIZE])
{
	struct jt_sample now;
	uint64_t shown = 0;
	bool well = true;

	while (well && (!cli->count || shown < cli->count) &&
	       jt_screen_wait(screen, before->time_ns + SECOND_NS)) {
		well = jt_sample_take(cli, &now, wrong);
		if (!well)
			break;
		show_rates(cli, screen, before, &now);
		jt_sample_free(before);
		*before = now;
		shown++;
		well = !ferror(stdout);
		snprintf(wrong, JT_WRONG_SIZE, "nobody reads the output any more");
	}
	jt_sample_free(before);
	return well;
}

int jt_top(const struct jt_line *cli, char **args)
{
	struct jt_screen screen = { 0 };
	char wrong[JT_WRONG_SIZE];
	struct jt_sample first;
	bool well;

	(void)args;
	if (!jt_sample_take(cli, &first, wrong))
		return jt_refused(cli, wrong);
	jt_stop_catch();
	if (!cli->json)
		jt_screen_open(&screen);
	well = top_loop(cli, &screen, &first, wrong);
	jt_screen_close(&screen);
	return well ? JT_EXIT_OK : jt_refused(cli, wrong);
}

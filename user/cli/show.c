// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Commands that show what the controller knows. Text only: jt_ask() prints the JSON. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "client.h"
#include "shares.h"
#include "text.h"

#define SHARES_NS 200000000L

typedef void (*print_answer)(const json_t *answer);

static int show(const struct jt_line *cli, const char *command, print_answer print)
{
	json_t *answer = jt_ask(cli, json_pack("{s:s}", "command", command));

	if (!answer)
		return JT_EXIT_NO;
	if (!cli->json)
		print(answer);
	json_decref(answer);
	return JT_EXIT_OK;
}

#define LINE(title, ...) (printf("%-10s ", title), printf(__VA_ARGS__), putchar('\n'))

static void print_frames(const json_t *status)
{
	int64_t port = jt_get_int(status, "udp_port");

	if (port)
		LINE("frames", "UDP port %" PRId64, port);
	else
		LINE("frames", "EtherType 0x%04" PRIx64,
		     (uint64_t)jt_get_coded(status, "ethertype"));
}

static void print_uplink(const json_t *uplink)
{
	size_t queues = json_array_size(json_object_get(uplink, "queues"));

	LINE("uplink", "%s (%s), %s, %s, %s, %zu queue%s, MTU %s, %s",
	     jt_get_text(uplink, "interface"), jt_get_text(uplink, "mac"),
	     jt_get_true(uplink, "up") ? "up" : "DOWN", jt_get_text(uplink, "attach"),
	     jt_get_true(uplink, "zerocopy") ? "zero-copy" : "copy mode", queues,
	     queues == 1 ? "" : "s", JT_NUMBER(jt_get_int(uplink, "mtu")),
	     jt_get_int(uplink, "rate") ? JT_RATE((double)jt_get_int(uplink, "rate")) :
					  "rate unknown");
}

static void print_page_settings(const json_t *page)
{
	LINE("page", "%" PRId64 " banks of %s, %" PRId64 " extents of %s each; %s in all",
	     jt_get_int(page, "banks"), JT_SIZE(jt_get_int(page, "page_size")),
	     jt_get_int(page, "extents"), JT_SIZE(jt_get_int(page, "extent_size")),
	     JT_SIZE(jt_get_int(page, "memory")));
	LINE("carries", "payloads up to %" PRId64 " bytes; leaves at %" PRId64 " %% full",
	     jt_get_int(page, "small"), jt_get_int(page, "threshold"));
}

static void print_domains(const json_t *domains)
{
	const json_t *d;
	size_t i;

	json_array_foreach(domains, i, d)
		LINE("domain", "%s: %zu guests, %" PRId64 " members; %s messages in %s frames",
		     jt_get_text(d, "name"), json_array_size(json_object_get(d, "guests")),
		     jt_get_int(d, "members"), JT_NUMBER(jt_get_int(d, "messages")),
		     JT_NUMBER(jt_get_int(d, "frames")));
}

static void print_cycle_short(const json_t *cycle)
{
	LINE("cycle", "%s, %s; no message waits longer than %s; %s", jt_get_text(cycle, "mode"),
	     JT_TIME(jt_get_int(cycle, "length_ns")), JT_TIME(jt_get_int(cycle, "latency_ns")),
	     jt_get_true(cycle, "asleep") ? "asleep" : "awake");
}

static void print_totals(const json_t *t)
{
	LINE("sent", "%s messages in %s frames (%s a frame), %s",
	     JT_NUMBER(jt_get_int(t, "sent_messages")), JT_NUMBER(jt_get_int(t, "sent_frames")),
	     JT_RATIO(jt_get_int(t, "sent_messages"), jt_get_int(t, "sent_frames")),
	     JT_SIZE(jt_get_int(t, "sent_bytes")));
	LINE("received", "%s messages in %s frames (%s a frame), %s; %s frames lost",
	     JT_NUMBER(jt_get_int(t, "received_messages")),
	     JT_NUMBER(jt_get_int(t, "received_frames")),
	     JT_RATIO(jt_get_int(t, "received_messages"), jt_get_int(t, "received_frames")),
	     JT_SIZE(jt_get_int(t, "received_bytes")), JT_NUMBER(jt_get_int(t, "received_lost")));
	LINE("delivered", "%s messages", JT_NUMBER(jt_get_int(t, "delivered")));
	LINE("aboard", "%s messages so far, %s of payload; %s page swaps",
	     JT_NUMBER(jt_get_int(t, "messages")), JT_SIZE(jt_get_int(t, "bytes")),
	     JT_NUMBER(jt_get_int(t, "swaps")));
	LINE("else", "%s passed to the kernel, %s dropped", JT_NUMBER(jt_get_int(t, "passed")),
	     JT_NUMBER(jt_get_int(t, "dropped")));
}

static void print_status(const json_t *status)
{
	LINE("jitneyd", "%s, pid %" PRId64 ", up %s, version %s", jt_get_text(status, "name"),
	     jt_get_int(status, "pid"), JT_TIME(jt_get_int(status, "uptime_ns")),
	     jt_get_text(status, "version"));
	print_uplink(json_object_get(status, "uplink"));
	print_frames(status);
	print_page_settings(json_object_get(status, "page"));
	print_domains(json_object_get(status, "domains"));
	print_cycle_short(json_object_get(status, "cycle"));
	print_totals(json_object_get(status, "totals"));
	LINE("pinned", "%s", jt_get_text(status, "pin"));
}

int jt_show_status(const struct jt_line *cli, char **args)
{
	(void)args;
	return show(cli, "status", print_status);
}

static void print_guests(const json_t *answer)
{
	static const char *const heads[] = { "GUEST",	"INTERFACE",  "ATTACH",	 "STATE",
					     ">ABOARD", ">DELIVERED", ">PASSED", ">DROPPED",
					     ">EVERY",	">WRITE",     "MAC",	 "ADDRESSES" };
	const json_t *guests = json_object_get(answer, "guests"), *g;
	struct jt_table t = JT_TABLE(heads);
	size_t i;

	json_array_foreach(guests, i, g) {
		jt_table_text(&t, g, "name");
		jt_table_text(&t, g, "interface");
		jt_table_text(&t, g, "attach");
		jt_table_cell(&t, "%s%s", jt_get_true(g, "up") ? "up" : "DOWN",
			      jt_get_true(g, "strict") ? ", strict" : "");
		jt_table_number(&t, g, "messages");
		jt_table_number(&t, g, "delivered");
		jt_table_number(&t, g, "passed");
		jt_table_number(&t, g, "dropped");
		jt_table_time(&t, g, "interval_ns");
		jt_table_time(&t, g, "write_ns");
		jt_table_text(&t, g, "mac");
		jt_table_list(&t, g, "addresses");
	}
	if (t.used)
		jt_table_print(&t, stdout, 0);
	else
		puts("no guests; add one with: jitney guest add NAME=IF");
}

static void print_helper(struct jt_table *t, const json_t *guest, const json_t *h)
{
	jt_table_text(t, guest, "name");
	jt_table_number(t, h, "pid");
	jt_table_number(t, h, "uid");
	jt_table_text(t, h, "call");
	jt_table_text(t, h, "receive");
	jt_table_number(t, h, "sent");
	jt_table_number(t, h, "refused");
	jt_table_number(t, h, "waiting");
	jt_table_number(t, h, "postponed");
	jt_table_number(t, h, "received");
	jt_table_number(t, h, "lost");
	jt_table_list(t, h, "ports");
}

static void print_helpers(const json_t *answer)
{
	static const char *const heads[] = { "GUEST",	   ">PID",	">USER",    "CALL",
					     "RECEIVE",	   ">SENT",	">REFUSED", ">WAITING",
					     ">POSTPONED", ">RECEIVED", ">LOST",    "PORTS" };
	const json_t *guests = json_object_get(answer, "guests"), *g, *h;
	struct jt_table t = JT_TABLE(heads);
	size_t i, k;

	json_array_foreach(guests, i, g)
		json_array_foreach(json_object_get(g, "helpers"), k, h)
			print_helper(&t, g, h);
	if (t.used)
		jt_table_print(&t, stdout, 0);
	else
		puts("no program in a guest has attached itself; see jitney-guest(1)");
}

int jt_show_helpers(const struct jt_line *cli, char **args)
{
	(void)args;
	return show(cli, "guests", print_helpers);
}

static bool any_limited(const json_t *answer)
{
	const json_t *g;
	size_t i;

	json_array_foreach(json_object_get(answer, "guests"), i, g)
		if (json_is_object(json_object_get(g, "share")))
			return true;
	return false;
}

/* What shares are used is only seen over some time. */
static void print_shares(const struct jt_line *cli, const json_t *before)
{
	const struct timespec span = { .tv_nsec = SHARES_NS };
	uint64_t begin = jt_now();
	char wrong[JT_WRONG_SIZE];
	json_t *now;

	nanosleep(&span, NULL);
	now = jt_ask_quietly(cli, json_pack("{s:s}", "command", "guests"), wrong);
	if (now)
		jt_shares_print(before, now, (double)(jt_now() - begin) / 1e9);
	json_decref(now);
}

int jt_show_guests(const struct jt_line *cli, char **args)
{
	json_t *answer;

	(void)args;
	if (cli->calls)
		return jt_show_calls(cli);
	answer = jt_ask(cli, json_pack("{s:s}", "command", "guests"));
	if (!answer)
		return JT_EXIT_NO;
	if (!cli->json) {
		print_guests(answer);
		if (any_limited(answer))
			print_shares(cli, answer);
	}
	json_decref(answer);
	return JT_EXIT_OK;
}

static void peer_row(struct jt_table *t, const json_t *p)
{
	jt_table_text(t, p, "name");
	jt_table_cell(t, "%s%s", jt_get_text(p, "state"),
		      jt_get_true(p, "discovered") ? ", found" : "");
	jt_table_text(t, p, json_is_string(json_object_get(p, "address")) ? "address" : "mac");
	jt_table_number(t, p, "sent_messages");
	jt_table_number(t, p, "sent_frames");
	jt_table_cell(t, "%s",
		      JT_RATIO(jt_get_int(p, "sent_messages"), jt_get_int(p, "sent_frames")));
	jt_table_number(t, p, "received_messages");
	jt_table_number(t, p, "received_frames");
	jt_table_number(t, p, "received_lost");
	jt_table_number(t, p, "received_late");
	jt_table_number(t, p, "passed");
	jt_table_number(t, p, "dropped");
	jt_table_list(t, p, "addresses");
}

static void print_peers(const json_t *answer)
{
	static const char *const heads[] = {
		"PEER",	   "STATE", "ADDRESS", ">SENT",	  ">FRAMES",  ">A FRAME",	 ">GOT",
		">FRAMES", ">LOST", ">LATE",   ">PASSED", ">DROPPED", "GUESTS BEHIND IT"
	};
	const json_t *peers = json_object_get(answer, "peers"), *p;
	struct jt_table t = JT_TABLE(heads);
	size_t i;

	json_array_foreach(peers, i, p)
		peer_row(&t, p);
	if (t.used)
		jt_table_print(&t, stdout, 0);
	else
		puts("no peers; start jitneyd with --peer NAME=ADDRESS, or with --discover");
}

int jt_show_peers(const struct jt_line *cli, char **args)
{
	(void)args;
	return show(cli, "peers", print_peers);
}

static double weight(const json_t *cycle, size_t i)
{
	return json_number_value(json_array_get(json_object_get(cycle, "weights"), i));
}

static void print_cycle(const json_t *answer)
{
	const json_t *c = json_object_get(answer, "cycle"), *swaps = json_object_get(c, "swaps");

	LINE("cycle", "%s, %s now; %s", jt_get_text(c, "mode"), JT_TIME(jt_get_int(c, "length_ns")),
	     jt_get_true(c, "asleep") ? "asleep until something comes aboard" : "running");
	LINE("bounds", "%s to %s; no message waits longer than %s",
	     JT_TIME(jt_get_int(c, "min_ns")), JT_TIME(jt_get_int(c, "max_ns")),
	     JT_TIME(jt_get_int(c, "latency_ns")));
	if (jt_get_int(c, "mean_interval_ns"))
		LINE("measured", "a message every %s of a guest, a write takes %s (weights %g, %g)",
		     JT_TIME(jt_get_int(c, "mean_interval_ns")),
		     JT_TIME(jt_get_int(c, "mean_write_ns")), weight(c, 0), weight(c, 1));
	else
		LINE("measured", "nothing lately (weights %g, %g)", weight(c, 0), weight(c, 1));
	LINE("cycles", "%s, of which %s empty; recomputed %s times, woken %s times",
	     JT_NUMBER(jt_get_int(c, "cycles")), JT_NUMBER(jt_get_int(c, "empty_cycles")),
	     JT_NUMBER(jt_get_int(c, "recomputed")), JT_NUMBER(jt_get_int(c, "wakeups")));
	LINE("swaps", "%s by cycle, %s by threshold, %s by flush, %s by a writer",
	     JT_NUMBER(jt_get_int(swaps, "cycle")), JT_NUMBER(jt_get_int(swaps, "threshold")),
	     JT_NUMBER(jt_get_int(swaps, "flush")), JT_NUMBER(jt_get_int(swaps, "writer")));
	LINE("epoch", "%s", JT_NUMBER(jt_get_int(c, "epoch")));
}

int jt_show_cycle(const struct jt_line *cli, char **args)
{
	(void)args;
	return show(cli, "cycle", print_cycle);
}

static void print_extents(const json_t *bank)
{
	static const char *const heads[] = { ">EXTENT",	  "STATE",	"PEER",
					     ">MESSAGES", ">TEMPLATES", ">BYTES" };
	const json_t *extents = json_object_get(bank, "extents"), *e;
	struct jt_table t = JT_TABLE(heads);
	size_t i;

	json_array_foreach(extents, i, e) {
		jt_table_number(&t, e, "extent");
		jt_table_text(&t, e, "state");
		jt_table_text(&t, e, "peer");
		jt_table_number(&t, e, "messages");
		jt_table_number(&t, e, "templates");
		jt_table_number(&t, e, "bytes");
	}
	if (t.used)
		jt_table_print(&t, stdout, 4);
}

static void print_page(const json_t *answer)
{
	const json_t *banks = json_object_get(json_object_get(answer, "page"), "banks"), *b;
	size_t i;

	json_array_foreach(banks, i, b) {
		printf("bank %" PRId64 "  %-8s  epoch %s, %s extents taken\n",
		       jt_get_int(b, "bank"), jt_get_text(b, "state"),
		       JT_NUMBER(jt_get_int(b, "epoch")), JT_NUMBER(jt_get_int(b, "taken")));
		print_extents(b);
	}
}

int jt_show_page(const struct jt_line *cli, char **args)
{
	(void)args;
	return show(cli, "page", print_page);
}

/* Return: how many there were of this kind. */
static size_t print_drops_kind(const json_t *drops, const char *kind, const char *title)
{
	static const char *const heads[] = { ">COUNT", "REASON", "WHERE", "NAME", "MEANS" };
	struct jt_table t = JT_TABLE(heads);
	size_t i, rows;
	const json_t *d;

	json_array_foreach(drops, i, d) {
		if (strcmp(jt_get_text(d, "kind"), kind))
			continue;
		jt_table_number(&t, d, "count");
		jt_table_text(&t, d, "reason");
		jt_table_text(&t, d, "scope");
		jt_table_text(&t, d, "name");
		jt_table_text(&t, d, "text");
	}
	rows = t.used / t.columns;
	if (rows) {
		puts(title);
		jt_table_print(&t, stdout, 2);
	}
	return rows;
}

static void print_drops(const json_t *answer)
{
	const json_t *drops = json_object_get(answer, "drops");

	if (!print_drops_kind(drops, "drop", "dropped:"))
		puts("dropped: nothing");
	print_drops_kind(drops, "pass", "passed to the kernel (no loss):");
}

int jt_show_drops(const struct jt_line *cli, char **args)
{
	(void)args;
	return show(cli, "drops", print_drops);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The table of reasons: names, kinds, and the numbers that are ABI. */
#include "unit.h"
#include <ctype.h>
#include <string.h>
#include <jitney/reason.h>

static void test_names_are_unique_and_plain(void **state)
{
	const char *c;
	int i, j;

	(void)state;
	for (i = 0; i < JT_REASON_COUNT; i++) {
		assert_non_null(jt_reasons[i].name);
		assert_true(strlen(jt_reasons[i].name) > 2);
		assert_true(strlen(jt_reasons[i].text) > 5);
		for (c = jt_reasons[i].name; *c; c++)
			assert_true(islower(*c) || *c == '_');
		for (j = 0; j < i; j++)
			assert_string_not_equal(jt_reasons[i].name, jt_reasons[j].name);
	}
}

static void test_every_reason_has_a_kind_and_a_place(void **state)
{
	int i;

	(void)state;
	assert_int_equal(jt_reasons[JT_ABOARD].kind, JT_KIND_none);
	for (i = 1; i < JT_REASON_COUNT; i++) {
		assert_true(jt_reasons[i].kind == JT_KIND_pass ||
			    jt_reasons[i].kind == JT_KIND_drop);
		assert_int_not_equal(jt_reasons[i].where, JT_WHERE_none);
	}
}

/* Counters are read by number, by programs built earlier. */
static void test_order_is_abi(void **state)
{
	static const char *const order[] = {
		"aboard",	    "not_ip",	      "not_unicast",	"fragment",
		"protocol",	    "segmented",      "too_large",	"no_peer",
		"peer_down",	    "page_full",      "contended",	"stale",
		"cut_through",	    "mixed_flow",     "overtook",	"local",
		"truncated",	    "bad_length",     "spoofed_mac",	"spoofed_ip",
		"no_room",	    "copy_failed",    "unknown_peer",	"frame_short",
		"frame_version",    "frame_length",   "frame_type",	"socket_full",
		"ring_full",	    "record_short",   "record_blank",	"template_bad",
		"template_unknown", "template_twice", "message_bad",	"no_guest",
		"source_bad",	    "deliver_failed", "guest_down",	"tx_failed",
		"uplink_down",	    "peer_gone",      "salvage_gap",	"hello_bad",
		"stale_page",	    "address_taken",  "slice_bad",	"slice_no_peer",
		"slice_full",	    "frame_counts",   "frame_peers",	"frame_large",
		"lost_no_peer",	    "lost_peer_down", "lost_page_full", "lost_contended",
		"lost_stale",	    "lost_no_room",   "lost_taken",	"domain_bad",
		"frame_astray",	    "slice_left",
	};
	size_t i;

	(void)state;
	assert_true(sizeof(order) / sizeof(order[0]) <= JT_REASON_COUNT);
	for (i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		assert_string_equal(jt_reasons[i].name, order[i]);
}

/*
 * Only what is wrong, lost or beyond the guest's rate is dropped by the vif; all else
 * goes the kernel's way, but for guest frames, which the kernel can do nothing with.
 */
static void test_vif_drops_only_what_it_must(void **state)
{
	int i;

	(void)state;
	for (i = 1; i < JT_REASON_COUNT; i++)
		if (jt_reasons[i].where == JT_WHERE_vif && jt_reasons[i].kind == JT_KIND_drop)
			assert_true(i == JT_REASON_SPOOFED_MAC || i == JT_REASON_SPOOFED_IP ||
				    i == JT_REASON_COPY_FAILED || i == JT_REASON_OVER_RATE ||
				    (i >= JT_REASON_FRAME_COUNTS && i <= JT_REASON_LOST_TAKEN));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_are_unique_and_plain),
		cmocka_unit_test(test_every_reason_has_a_kind_and_a_place),
		cmocka_unit_test(test_order_is_abi),
		cmocka_unit_test(test_vif_drops_only_what_it_must),
	};

	return RUN(tests);
}

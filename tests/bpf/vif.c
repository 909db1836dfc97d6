// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "vif.h"

struct harness h;
bool tc;
const struct packet_spec v4 = { .family = 4, .length = 64 };
const struct packet_spec v6 = { .family = 6, .length = 64 };
const struct packet_spec icmp = { .family = 4, .protocol = 1, .length = 64, .first = 8 };
const struct packet_spec large = { .family = 4, .length = 900 };

enum outcome show(const struct packet *p)
{
	struct run r = tc ? run_tc(h.vif_tcx, p->bytes, p->length, 1) :
			    run_xdp(h.vif, p->bytes, p->length, 1);

	CHECK(!r.changed);
	if (r.verdict == (tc ? -1 : 2))
		return PASS;
	if (r.verdict == (tc ? 7 : 4))
		return SWITCH;
	CHECK(r.verdict == (tc ? 2 : 1));
	return DROP;
}

void offer(const struct packet_spec *s, enum outcome outcome, int reason)
{
	struct jt_guest before = h.guests[GUEST_ONE], *guest = &h.guests[GUEST_ONE];
	struct jt_parsed parsed;
	enum outcome got;
	struct packet p;
	int i;

	packet_make(&p, s);
	got = show(&p);
	for (i = 1; i < JT_REASON_COUNT; i++) {
		if (guest->reasons[i] == before.reasons[i] + (i == reason))
			continue;
		fprintf(stderr, "expected %s; %s was counted %llu times\n", jt_reasons[reason].name,
			jt_reasons[i].name, guest->reasons[i] - before.reasons[i]);
		exit(1);
	}
	CHECK(got == outcome);
	CHECK(guest->messages == before.messages + !reason);
	packet_parse(p.bytes, p.length, &parsed);
	CHECK(guest->bytes == before.bytes + (reason ? 0 : parsed.length));
}

void known(const struct packet_spec *s)
{
	addresses_of(&h, s, GUEST_ONE, JT_PLACE_PEER, PEER_ONE);
}

void quiet(const struct packet_spec *s)
{
	struct packet p;

	packet_make(&p, s);
	flow_at(&h, &p, GUEST_ONE)->aboard_ns = 0;
}

__u64 now_ns(void)
{
	return jt_env_now();
}

int vif_tests_run(int argc, char **argv, const struct vif_test *tests, size_t count)
{
	size_t i;

	harness_open(&h, argc > 1 ? argv[1] : HARNESS_OBJECT);
	for (i = 0; i < 2 * count; i++) {
		tc = i & 1;
		harness_reset(&h);
		tests[i / 2].run();
		printf("ok - %s: %s\n", tc ? "jitney_vif_tcx" : "jitney_vif", tests[i / 2].name);
	}
	harness_close(&h);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a message costs in the vif's program: nanoseconds from the packet to the
 * page, by BPF_PROG_TEST_RUN. Batches fill no more than the banks, which are
 * wiped in between; the first batch is not counted. Beside it stands what the
 * test run itself costs, with a program that does nothing.
 */
#include <getopt.h>
#include <linux/bpf.h>
#include "../bpf/harness.h"

#define RUNS 31

struct result {
	const char *program;
	int family;
	__u32 size;
	__u32 median, low, high; /* ns; low and high quartile */
};

static struct harness h;
static bool json;

static int compare(const void *a, const void *b)
{
	__u32 x = *(const __u32 *)a, y = *(const __u32 *)b;

	return x < y ? -1 : x > y;
}

static struct result summarize(const char *program, int family, __u32 size, __u32 *ns)
{
	qsort(ns, RUNS, sizeof(*ns), compare);
	return (struct result){
		program, family, size, ns[RUNS / 2], ns[RUNS / 4], ns[RUNS * 3 / 4]
	};
}

static int empty_program(enum bpf_prog_type type)
{
	const struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 2 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(type, "empty", "GPL", program, 2, NULL);

	CHECK(fd >= 0);
	return fd;
}

static struct result bench(const char *name, int prog, bool tc, const struct packet_spec *spec)
{
	struct packet_spec s = *spec;
	__u32 size = s.length;
	/* A frame's worth of messages for each extent, less a little. */
	__u32 per_frame = (FIXTURE_LIMIT - FIXTURE_HEAD - 60) / (JT_ALIGN4(size) + 4);
	__u32 repeat = h.geometry.banks * h.geometry.extents * per_frame * 9 / 10, i;
	__u32 ns[RUNS + 1];
	struct packet p;

	harness_reset(&h);
	addresses_of(&h, &s, GUEST_ONE, JT_PLACE_PEER, PEER_ONE);
	packet_make(&p, &s);
	for (i = 0; i <= RUNS; i++) {
		harness_reset_banks(&h);
		ns[i] = (tc ? run_tc : run_xdp)(prog, p.bytes, p.length, repeat).duration;
	}
	if (prog == h.vif || prog == h.vif_tcx)
		CHECK(h.guests[GUEST_ONE].messages == (__u64)repeat * (RUNS + 1));
	return summarize(name, s.family, size, ns + 1);
}

#define FRAME_MESSAGES 20

/* A guest frame: many messages at once. What is said is the time for one of them. */
static struct result bench_frame(const char *name, int prog, bool tc, int family)
{
	const struct packet_spec s = { .family = family };
	__u32 repeat = h.geometry.banks * h.geometry.extents * 9 / 10, i, ns[RUNS + 1];
	struct frame f = {};

	harness_reset(&h);
	addresses_of(&h, &s, GUEST_ONE, JT_PLACE_PEER, PEER_ONE);
	frame_of_messages(&f, family == 4 ? JT_TEMPLATE_UDP4 : JT_TEMPLATE_UDP6, FRAME_MESSAGES,
			  64);
	for (i = 0; i <= RUNS; i++) {
		harness_reset_banks(&h);
		ns[i] = (tc ? run_tc : run_xdp)(prog, f.bytes, f.length, repeat).duration /
			FRAME_MESSAGES;
	}
	CHECK(h.guests[GUEST_ONE].messages == (__u64)repeat * FRAME_MESSAGES * (RUNS + 1));
	return summarize(name, family, 64, ns + 1);
}

static void print(const struct result *r, bool last)
{
	if (!json)
		printf("%-23s IPv%d %5u B %8u ns   (%u to %u)\n", r->program, r->family, r->size,
		       r->median, r->low, r->high);
	else
		printf("  {\"program\": \"%s\", \"family\": %d, \"size\": %u, \"median_ns\": %u, "
		       "\"low_quartile_ns\": %u, \"high_quartile_ns\": %u}%s\n",
		       r->program, r->family, r->size, r->median, r->low, r->high, last ? "" : ",");
}

static void bench_all(void)
{
	static const __u32 sizes[] = { 16, 64, 256, 512 };
	int empty_xdp = empty_program(BPF_PROG_TYPE_XDP), entry, i;
	const struct {
		const char *name;
		int prog;
		bool tc;
	} programs[] = {
		{ "empty XDP", empty_xdp, false },
		{ "jitney_vif", h.vif, false },
		{ "jitney_vif_tcx", h.vif_tcx, true },
	};
	struct packet_spec spec;
	struct result r;

	for (entry = 0; entry < 3; entry++) {
		for (i = 0; i < (entry ? 8 : 1); i++) {
			spec = (struct packet_spec){ .family = i < 4 ? 4 : 6,
						     .length = entry ? sizes[i % 4] : 64 };
			r = bench(programs[entry].name, programs[entry].prog, programs[entry].tc,
				  &spec);
			print(&r, false);
		}
	}
	/* As a guest's kernel leaves it to the device: the program completes the checksum. */
	spec = (struct packet_spec){ .family = 4, .length = 64, .check = CHECK_PARTIAL };
	r = bench("partial, jitney_vif", h.vif, false, &spec);
	print(&r, false);
	r = bench("partial, jitney_vif_tcx", h.vif_tcx, true, &spec);
	print(&r, false);
	for (i = 0; i < 4; i++) {
		r = bench_frame(i < 2 ? "frame, jitney_vif" : "frame, jitney_vif_tcx",
				i < 2 ? h.vif : h.vif_tcx, i >= 2, i & 1 ? 6 : 4);
		print(&r, i == 3);
	}
}

static void usage(FILE *to, const char *name)
{
	fprintf(to,
		"usage: %s [--json] [OBJECT]\n"
		"Prints nanoseconds per message: the median of %d runs, and the quartiles.\n",
		name, RUNS);
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' },
						 { "help", no_argument, NULL, 'h' },
						 {} };
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'j') {
			usage(c == 'h' ? stdout : stderr, argv[0]);
			return c == 'h' ? 0 : 2;
		}
		json = true;
	}
	harness_open(&h, optind < argc ? argv[optind] : HARNESS_OBJECT);
	if (json)
		printf("[\n");
	else
		printf("program                 packet        per message (middle half of %d runs)\n",
		       RUNS);
	bench_all();
	if (json)
		printf("]\n");
	harness_close(&h);
	return 0;
}

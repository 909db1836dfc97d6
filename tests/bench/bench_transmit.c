// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a frame costs the controller beyond the system call that sends it: its
 * own code drains full banks of a real page into an AF_XDP socket on a veth,
 * in a network namespace of its own. The page is plain memory and the messages
 * come from the organizer's build for user space, which is timed on the way.
 *
 * Time inside of sendto() is the kernel's: it copies each frame, and takes it
 * to the other end of the veth. The linker puts a wrapper around the call, and
 * what that measures is subtracted. The parts are timed in drains of their own,
 * a bank at a time; so transmit.c is included here and not linked.
 */
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <bpf/bpf.h>

#include "controller/transmit.c"
#include "../common/fixture.h"

#define ROUNDS 15
#define BANKS_A_ROUND 100
#define POOL 8 /* entries behind the banks, as the datapath has them */
#define PEER 0

enum figure { TOTAL, SENDTO, BEYOND, SEAL, REAP, WIPE, ORGANIZE, PARTIAL, FIGURES };
static const char *const names[] = { "total", "sendto", "beyond",   "seal",
				     "reap",  "wipe",	"organize", "organize_partial" };
JT_ASSERT(JT_ARRAY_SIZE(names) == FIGURES, "a name for every figure");

struct traffic {
	struct packet packet;
	struct jt_flow flow;
	uint32_t messages; /* that fill a bank */
	uint32_t per_frame;
};

struct result {
	uint32_t size, per_frame;
	double ns[FIGURES][ROUNDS]; /* a frame; organizer: a message */
};

static struct jt_controller controller;
static uint64_t sendto_ns;

ssize_t __real_sendto(int fd, const void *b, size_t n, int flags, const struct sockaddr *to,
		      socklen_t size);
ssize_t __wrap_sendto(int fd, const void *b, size_t n, int flags, const struct sockaddr *to,
		      socklen_t size);

ssize_t __wrap_sendto(int fd, const void *b, size_t n, int flags, const struct sockaddr *to,
		      socklen_t size)
{
	uint64_t start = jt_env_now();
	ssize_t sent = __real_sendto(fd, b, n, flags, to, size);
	int err = errno;

	sendto_ns += jt_env_now() - start;
	errno = err;
	return sent;
}

static void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "bench_transmit: failed to %s: %s\n", what, strerror(errno));
	exit(1);
}

static void *map_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	must(memory != MAP_FAILED, "map memory");
	return memory;
}

/* As jt_datapath_open() leaves it, on plain memory. */
static void page_open(struct jt_datapath *d)
{
	struct jt_geometry g =
		JT_GEOMETRY(JT_PAGE_SIZE_DEFAULT, JT_BANKS_DEFAULT, JT_EXTENT_SIZE_DEFAULT);

	jt_datapath_init(d);
	d->page.geometry = g;
	d->pool = POOL;
	d->umem_size = d->page_bytes = (size_t)(g.banks + POOL) * jt_bank_stride(&g);
	d->page.memory = map_memory(d->umem_size);
	d->page.control = map_memory(sizeof(struct jt_control));
	d->page.extents = map_memory(sizeof(struct jt_extent) * g.banks * g.extents);
	d->peers = map_memory(sizeof(struct jt_peer) * JT_PEERS_MAX);
	d->guests = map_memory(sizeof(struct jt_guest) * JT_GUESTS_MAX);
	d->maps[JT_MAP_xsks] = bpf_map_create(BPF_MAP_TYPE_XSKMAP, "xsks", 4, 4, 1, NULL);
	must(d->maps[JT_MAP_xsks] >= 0, "make an XSKMAP (are you root?)");
	control_init(d->page.control, &g, 1);
	peer_init(&d->peers[PEER], "b");
}

static void controller_open(struct jt_controller *c)
{
	static const struct jt_options options = { .zerocopy = JT_ZEROCOPY_AUTO, .queues = 1 };
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };

	must(!unshare(CLONE_NEWNET), "enter a network namespace (are you root?)");
	setrlimit(RLIMIT_MEMLOCK, &unlimited);
	must(!system("ip link add jt0 type veth peer name jt1 && ip link set jt0 up && "
		     "ip link set jt1 up"),
	     "make a veth");
	c->options = &options;
	c->capture.watch.fd = -1;
	c->session = 1;
	page_open(&c->datapath);
	must(!jt_netdev_get("jt0", &c->uplink), "find the veth");
	c->uplink.up = true;
	c->peers[PEER] = (struct jt_peer_state){ .used = true, .reachable = true };
	c->peers[PEER].address.family = JT_FAMILY_MAC;
	must(!jt_xsk_open(&c->xsk, &c->datapath, "jt0", &options), "open the socket");
	jt_transmit_start(c);
}

/* Messages of one flow: a template and then payloads, until no more fits a frame. */
static void traffic_init(struct traffic *t, uint32_t size, enum packet_check check)
{
	const struct packet_spec s = { .family = 4, .length = (uint16_t)size, .check = check };
	uint32_t room = FIXTURE_LIMIT - FIXTURE_HEAD;

	memset(t, 0, sizeof(*t));
	packet_make(&t->packet, &s);
	room -= JT_RECORD_HEAD + jt_template_size(JT_TEMPLATE_UDP4, 0);
	t->per_frame = room / (JT_RECORD_HEAD + JT_ALIGN4(size));
	t->messages = t->per_frame * controller.datapath.page.geometry.extents;
}

/* Fill the active bank to the last byte and swap. Return: ns that it took. */
static uint64_t bank_fill(struct jt_controller *c, struct traffic *t)
{
	struct jt_page *page = &c->datapath.page;
	uint64_t epoch = JT_READ(page->control->epoch), start = jt_env_now(), end;
	uint32_t i, failed = 0;

	for (i = 0; i < t->messages; i++)
		failed += page_board(page, t->packet.bytes, t->packet.length, &t->flow,
				     &c->datapath.peers[PEER], PEER) != JT_ABOARD;
	end = jt_env_now();
	must(!failed && JT_READ(page->control->epoch) == epoch, "fill a bank as planned");
	must(jt_page_step(page, epoch) == JT_PAGE_OK, "swap");
	return end - start;
}

static void drain_whole(struct jt_controller *c, uint64_t *ns)
{
	uint64_t start = jt_env_now(), before = sendto_ns;

	while (jt_transmit_run(c))
		;
	ns[TOTAL] += jt_env_now() - start;
	ns[SENDTO] += sendto_ns - before;
}

/* The steps of jt_transmit_run() for one bank, with a look at the clock between them. */
static void drain_in_parts(struct jt_controller *c, uint64_t *ns)
{
	struct jt_transmit *t = &c->transmit;
	uint64_t start = jt_env_now(), sealed, reaped, before = sendto_ns;

	must(bank_send(c, t, t->send_epoch), "hand over a bank at once");
	sealed = jt_env_now();
	while (!kick(c))
		;
	t->send_epoch++;
	while (drain_of(t, t->wipe_epoch)->outstanding)
		reap(c);
	reaped = jt_env_now();
	must(bank_wipe(c, t, t->wipe_epoch++), "wipe a bank");
	ns[WIPE] += jt_env_now() - reaped;
	ns[REAP] += reaped - sealed - (sendto_ns - before);
	ns[SEAL] += sealed - start;
}

static void bench_round(struct jt_controller *c, struct traffic *full, struct traffic *partial,
			struct result *r, uint32_t round)
{
	uint32_t i, frames = BANKS_A_ROUND * c->datapath.page.geometry.extents;
	uint64_t ns[FIGURES] = { 0 }, sent = c->datapath.peers[PEER].sent_frames;

	for (i = 0; i < BANKS_A_ROUND; i++) {
		ns[ORGANIZE] += bank_fill(c, full);
		drain_whole(c, ns);
		ns[PARTIAL] += bank_fill(c, partial);
		drain_in_parts(c, ns);
	}
	must(c->datapath.peers[PEER].sent_frames - sent == 2 * frames, "send every frame");
	ns[BEYOND] = ns[TOTAL] - ns[SENDTO];
	for (i = 0; i < FIGURES; i++)
		r->ns[i][round] =
			(double)ns[i] / (i < ORGANIZE ? frames : frames * full->per_frame);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* The first round warms caches and rings up, and is measured again. */
static void bench(struct jt_controller *c, uint32_t size, struct result *r)
{
	struct traffic full, partial;
	uint32_t i;

	traffic_init(&full, size, CHECK_FULL);
	traffic_init(&partial, size, CHECK_PARTIAL);
	*r = (struct result){ .size = size, .per_frame = full.per_frame };
	bench_round(c, &full, &partial, r, 0);
	for (i = 0; i < ROUNDS; i++)
		bench_round(c, &full, &partial, r, i);
	for (i = 0; i < FIGURES; i++)
		qsort(r->ns[i], ROUNDS, sizeof(r->ns[i][0]), compare);
}

static double median(const struct result *r, enum figure f)
{
	return r->ns[f][ROUNDS / 2];
}

static double spread(const struct result *r, enum figure f)
{
	return median(r, f) > 0 ? (r->ns[f][ROUNDS - 1] - r->ns[f][0]) / median(r, f) : 0;
}

static void print_json(const struct result *r, bool last)
{
	int i;

	printf("  {\"size\": %u, \"messages_per_frame\": %u", r->size, r->per_frame);
	for (i = 0; i < FIGURES; i++)
		printf(", \"%s_ns\": %.1f, \"%s_min_ns\": %.1f, \"%s_spread\": %.3f", names[i],
		       median(r, i), names[i], r->ns[i][0], names[i], spread(r, i));
	printf("}%s\n", last ? "" : ",");
}

static void print_text(const struct result *r)
{
	printf("%4u %8u %7.0f %7.0f %7.0f %6.0f%% %7.0f %6.0f %6.0f %9.1f %8.1f %6.0f%%\n", r->size,
	       r->per_frame, median(r, TOTAL), median(r, SENDTO), median(r, BEYOND),
	       100 * spread(r, BEYOND), median(r, SEAL), median(r, REAP), median(r, WIPE),
	       median(r, ORGANIZE), median(r, PARTIAL), 100 * spread(r, ORGANIZE));
}

static void print_head(void)
{
	printf("Nanoseconds, medians of %d rounds of %u frames; spread: (max - min) / median.\n"
	       "              ----- controller, a frame ----- --- beyond, of it --- "
	       "- organizer, a message -\n"
	       "size messages   total  sendto  beyond spread    seal   reap   wipe      full  "
	       "partial spread\n",
	       ROUNDS, BANKS_A_ROUND * controller.datapath.page.geometry.extents);
}

static void usage(FILE *to, const char *name)
{
	fprintf(to,
		"usage: %s [--json]\n"
		"What a frame costs the controller, and a message the organizer in user space\n"
		"(\"partial\": it completes the UDP checksum, too). Needs root.\n",
		name);
}

static void bench_all(bool json)
{
	static const uint32_t sizes[] = { 16, 64, 256, 512 };
	static struct result r;
	size_t i;

	if (json)
		printf("[\n");
	else
		print_head();
	for (i = 0; i < JT_ARRAY_SIZE(sizes); i++) {
		bench(&controller, sizes[i], &r);
		if (json)
			print_json(&r, i + 1 == JT_ARRAY_SIZE(sizes));
		else
			print_text(&r);
	}
	if (json)
		printf("]\n");
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' },
						 { "help", no_argument, NULL, 'h' },
						 {} };
	bool json = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'j') {
			usage(c == 'h' ? stdout : stderr, argv[0]);
			return c == 'h' ? 0 : 2;
		}
		json = true;
	}
	controller_open(&controller);
	bench_all(json);
	jt_xsk_close(&controller.xsk);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "harness.h"

static struct ring_buffer *ring, *frame_ring;
static __u32 events_seen[8], frames_seen;
static const unsigned long *frames_consumed;
static __u64 *frames_handed;
static struct frame last_frame;

static int event_seen(void *ctx, void *data, size_t size)
{
	const struct jt_event *event = data;

	(void)ctx;
	CHECK(size == sizeof(*event) && event->kind < 8);
	events_seen[event->kind]++;
	return 0;
}

static int frame_seen(void *ctx, void *data, size_t size)
{
	const struct jt_frame_small *frame = data; /* both sizes begin alike */

	(void)ctx;
	CHECK(size == sizeof(struct jt_frame_small) || size == sizeof(struct jt_frame_large));
	CHECK(frame->length <= size - offsetof(struct jt_frame_small, bytes));
	last_frame.length = frame->length;
	memcpy(last_frame.bytes, frame->bytes, frame->length);
	frames_seen++;
	return 0;
}

/* Of the object, or of what bpftool has pinned. */
static int map_fd(const struct harness *h, const char *path, const char *name)
{
	char pin[512];
	int fd;

	if (h->object)
		return bpf_object__find_map_fd_by_name(h->object, name);
	snprintf(pin, sizeof(pin), "%s/%s", path, name);
	fd = bpf_obj_get(pin);
	CHECK(fd >= 0);
	return fd;
}

static int program_fd(const struct harness *h, const char *path, const char *name)
{
	if (h->object)
		return bpf_program__fd(bpf_object__find_program_by_name(h->object, name));
	return map_fd(h, path, name);
}

static void *map_memory(int map, const char *name, size_t stride)
{
	size_t size, page = (size_t)sysconf(_SC_PAGESIZE);
	struct bpf_map_info info = { 0 };
	__u32 length = sizeof(info);
	void *memory;

	CHECK(!bpf_obj_get_info_by_fd(map, &info, &length) && info.value_size <= stride);
	size = (stride * info.max_entries + page - 1) / page * page;
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
	if (memory == MAP_FAILED) {
		fprintf(stderr, "mmap of %s: %s\n", name, strerror(errno));
		exit(1);
	}
	return memory;
}

/* Array entries lie eight bytes aligned. */
#define ALIGN8(n) (((n) + 7) & ~(size_t)7)

static void map_clear(int map, size_t key_size)
{
	__u8 key[128];

	CHECK(key_size <= sizeof(key));
	while (!bpf_map_get_next_key(map, NULL, key))
		bpf_map_delete_elem(map, key);
}

void slot_set(struct harness *h, __u32 ifindex, __u32 value)
{
	__u32 entry = ifindex % JT_GUESTS_MAX;

	CHECK(h->slots < 0 || !bpf_map_update_elem(h->slots, &entry, &value, BPF_ANY));
}

/* What another program has left in pinned maps, and harness_reset() does not see to. */
static void forget(struct harness *h)
{
	__u32 i;

	memset(h->guests, 0, ALIGN8(sizeof(struct jt_guest)) * JT_GUESTS_MAX);
	memset(h->shares, 0, sizeof(struct jt_share) * JT_GUESTS_MAX);
	memset(h->peers, 0, ALIGN8(sizeof(struct jt_peer)) * JT_PEERS_MAX);
	map_clear(h->claims, sizeof(struct jt_claim));
	for (i = 0; i < JT_GUESTS_MAX; i++)
		slot_set(h, i, 0);
}

void harness_open(struct harness *h, const char *path)
{
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	struct stat status;
	struct jt_geometry g =
		JT_GEOMETRY(JT_PAGE_SIZE_DEFAULT, JT_BANKS_DEFAULT, JT_EXTENT_SIZE_DEFAULT);

	memset(h, 0, sizeof(*h));
	setrlimit(RLIMIT_MEMLOCK, &unlimited);
	h->geometry = g;
	if (stat(path, &status) || !S_ISDIR(status.st_mode)) {
		h->object = bpf_object__open_file(path, NULL);
		if (!h->object || bpf_object__load(h->object)) {
			fprintf(stderr, "%s: failed to load: %s\n", path, strerror(errno));
			exit(1);
		}
	}
#define PROG(name) program_fd(h, path, name)
#define MAP(name) map_fd(h, path, name)
#define MEMORY(name, stride) map_memory(MAP(name), name, stride)
	h->vif = PROG("jitney_vif");
	h->vif_tcx = PROG("jitney_vif_tcx");
	h->uplink = PROG("jitney_uplink");
	h->uplink_tcx = PROG("jitney_uplink_tcx");
	h->vifs = MAP("vifs");
	h->slots = MAP("slots");
	h->addresses = MAP("addresses");
	h->crowded = MAP("crowded");
	h->events = MAP("events");
	h->frames = MAP("frames");
	h->xsks = MAP("xsks");
	h->claims = MAP("claims");
	h->control = MEMORY("control", ALIGN8(sizeof(struct jt_control)));
	h->extents = MEMORY("extents", sizeof(struct jt_extent));
	h->guests = MEMORY("guests", ALIGN8(sizeof(struct jt_guest)));
	h->shares = MEMORY("shares", sizeof(struct jt_share));
	h->peers = MEMORY("peers", ALIGN8(sizeof(struct jt_peer)));
	h->flows = MEMORY("flows", sizeof(struct jt_flow_slot));
	h->page = MEMORY("page", jt_bank_stride(&g));
	ring = ring_buffer__new(h->events, event_seen, NULL, NULL);
	frame_ring = ring_buffer__new(h->frames, frame_seen, NULL, NULL);
	frames_consumed =
		mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ, MAP_SHARED, h->frames, 0);
	frames_handed = &h->control->frames_handed;
	CHECK(ring && frame_ring && frames_consumed != MAP_FAILED);
	if (!h->object)
		forget(h);
}

void harness_close(struct harness *h)
{
	ring_buffer__free(ring);
	ring_buffer__free(frame_ring);
	bpf_object__close(h->object);
}

void harness_reset_banks(struct harness *h)
{
	const struct jt_geometry *g = &h->geometry;
	__u64 epoch = h->control->epoch + g->banks;
	__u32 i;

	for (i = 0; i < g->banks * g->extents; i++) {
		if (JT_EPOCH(h->extents[i].word))
			memset(h->page + i / g->extents * jt_bank_stride(g) +
				       i % g->extents * g->extent_size,
			       0, JT_EXTENT_OFFSET(h->extents[i].word));
		h->extents[i].word = 0;
		h->extents[i].committed = 0;
	}
	h->control->epoch = epoch;
	for (i = 0; i < g->banks; i++)
		h->control->banks[(epoch + i) % g->banks].word = jt_bank_blank(epoch + i);
}

static void guest_init(struct harness *h, __u32 id, __u32 ifindex)
{
	struct jt_guest *guest = &h->guests[id];

	memset(guest, 0, sizeof(*guest));
	memset(&h->shares[id], 0, sizeof(h->shares[id]));
	guest->ifindex = ifindex;
	CHECK(!bpf_map_update_elem(h->vifs, &ifindex, &id, BPF_ANY));
	slot_set(h, ifindex, id + 1);
}

void harness_reset(struct harness *h)
{
	const struct jt_geometry *g = &h->geometry;

	memset(h->page, 0, (size_t)g->banks * jt_bank_stride(g));
	memset(h->extents, 0, sizeof(struct jt_extent) * g->banks * g->extents);
	control_init(h->control, g, HARNESS_EPOCH);
	h->control->latency_ns = 1000000000; /* company is to be expected */
	map_clear(h->vifs, sizeof(__u32));
	map_clear(h->addresses, sizeof(struct jt_address));
	map_clear(h->crowded, sizeof(struct jt_flow_key));
	memset(h->flows, 0, sizeof(struct jt_flow_slot) * JT_FLOW_SETS * JT_FLOW_WAYS);
	guest_init(h, GUEST_ONE, HARNESS_VIF);
	guest_init(h, GUEST_OTHER, HARNESS_OTHER_VIF);
	peer_init(&h->peers[PEER_ONE], "one");
	peer_init(&h->peers[PEER_OTHER], "other");
	h->peers[PEER_ONE].first_ns = h->peers[PEER_OTHER].first_ns = jt_env_now();
	ring_buffer__consume(ring);
	frames_count(NULL);
	memset(events_seen, 0, sizeof(events_seen));
}

static struct jt_address address(__u16 family, __u16 scope, const __u8 *bytes)
{
	struct jt_address a = { .family = family, .scope = scope };

	memcpy(a.bytes, bytes, family == JT_FAMILY_MAC ? 6 : family == JT_FAMILY_IPV4 ? 4 : 16);
	return a;
}

void address_add(struct harness *h, __u16 family, __u16 scope, const __u8 *bytes, __u32 kind,
		 __u32 id)
{
	struct jt_address a = address(family, scope, bytes);
	struct jt_place place = { .kind = kind, .id = id, .until_ns = JT_NEVER_STALE };

	CHECK(!bpf_map_update_elem(h->addresses, &a, &place, BPF_ANY));
}

void address_learned(struct harness *h, __u16 family, const __u8 *bytes, __u32 kind, __u32 id)
{
	struct jt_address a = address(family, JT_SCOPE_GUEST, bytes);
	struct jt_place place = {
		.kind = kind, .id = id, .flags = JT_PLACE_LEARNED, .until_ns = JT_NEVER_STALE
	};

	CHECK(!bpf_map_update_elem(h->addresses, &a, &place, BPF_ANY));
}

bool address_known(struct harness *h, __u16 family, const __u8 *bytes, struct jt_place *place)
{
	struct jt_address a = address(family, JT_SCOPE_GUEST, bytes);

	return !bpf_map_lookup_elem(h->addresses, &a, place);
}

void addresses_of(struct harness *h, const struct packet_spec *s, __u32 guest, __u32 dest_kind,
		  __u32 dest_id)
{
	__u16 family = s->family == 4 ? JT_FAMILY_IPV4 : JT_FAMILY_IPV6;
	__u8 bytes[16], last = s->to ? s->to : 2;

	packet_address(bytes, s->family, 1, s->from ? s->from : 1);
	if (guest)
		address_add(h, family, JT_SCOPE_GUEST, bytes, JT_PLACE_GUEST, guest);
	packet_address(bytes, s->family, 2, last);
	address_add(h, family, JT_SCOPE_GUEST, bytes, dest_kind, dest_id);
	packet_mac(bytes, 2, last);
	address_add(h, JT_FAMILY_MAC, JT_SCOPE_GUEST, bytes, dest_kind, dest_id);
}

static bool flow_key(const struct packet *p, __u32 guest, struct jt_flow_key *key)
{
	struct jt_parsed parsed;

	if (packet_parse(p->bytes, p->length, &parsed))
		return false;
	parsed.key.guest = guest;
	*key = parsed.key;
	return true;
}

struct jt_flow *flow_at(struct harness *h, const struct packet *p, __u32 guest)
{
	struct jt_flow_key key;
	struct jt_flow_slot *set;
	__u32 way;

	CHECK(flow_key(p, guest, &key));
	set = h->flows + jt_flow_set(jt_flow_hash(&key, h->control->seed)) * JT_FLOW_WAYS;
	for (way = 0; way < JT_FLOW_WAYS; way++)
		if (jt_key_same(&key, &set[way].key))
			return &set[way].flow;
	return NULL;
}

static struct run run(int prog, struct bpf_test_run_opts *opts)
{
	static __u8 out[16384];
	struct run r = {};
	int err;

	opts->data_out = out;
	opts->data_size_out = sizeof(out);
	err = bpf_prog_test_run_opts(prog, opts);
	if (err) {
		fprintf(stderr, "BPF_PROG_TEST_RUN of %u bytes: %s\n", opts->data_size_in,
			strerror(-err));
		exit(1);
	}
	r.verdict = (int)opts->retval;
	r.duration = opts->duration;
	r.changed = opts->data_size_out != opts->data_size_in ||
		    memcmp(out, opts->data_in, opts->data_size_in);
	return r;
}

/* Without a context the packet comes from the loopback device's first queue. */
struct run run_xdp(int prog, const void *bytes, __u32 length, __u32 repeat)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = bytes, .data_size_in = length,
		    .repeat = (int)repeat);

	return run(prog, &opts);
}

struct run run_tc(int prog, const void *bytes, __u32 length, __u32 repeat)
{
	return run_tc_gso(prog, bytes, length, repeat, 0);
}

struct run run_tc_gso(int prog, const void *bytes, __u32 length, __u32 repeat, __u32 gso_size)
{
	struct __sk_buff skb = { .ingress_ifindex = HARNESS_VIF, .gso_size = gso_size };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = bytes, .data_size_in = length,
		    .repeat = (int)repeat, .ctx_in = &skb, .ctx_size_in = sizeof(skb));

	return run(prog, &opts);
}

__u32 events_count(struct harness *h, __u32 kind)
{
	__u32 n;

	(void)h;
	ring_buffer__consume(ring);
	n = events_seen[kind];
	events_seen[kind] = 0;
	return n;
}

__u32 frames_count(struct frame *last)
{
	__u32 n;

	ring_buffer__consume(frame_ring);
	*frames_handed = *frames_consumed;
	n = frames_seen;
	frames_seen = 0;
	if (last)
		*last = last_frame;
	return n;
}

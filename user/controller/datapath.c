// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <jitney/domain.h>
#include "common/log.h"
#include "controller/datapath.h"
#include "jitney.skel.h"

#define BPF_FS 0xcafe4a11
/* Frames that can be under way from the uplink to us. */
#define POOL_FRAMES 1024

static const char *const map_names[] = { "page",   "extents", "control",   "guests", "peers",
					 "vifs",   "slots",   "addresses", "flows",  "crowded",
					 "events", "frames",  "xsks",	   "claims", "shares" };
static const char *const program_names[] = { "jitney_vif", "jitney_vif_tcx", "jitney_uplink",
					     "jitney_uplink_tcx" };
_Static_assert(JT_ARRAY_SIZE(map_names) == JT_MAP_COUNT, "a name for every map");
_Static_assert(JT_ARRAY_SIZE(program_names) == JT_PROGRAM_COUNT, "a name for every program");

static uint32_t pool_entries(const struct jt_geometry *g)
{
	uint64_t bytes = (uint64_t)POOL_FRAMES * g->extent_size, stride = jt_bank_stride(g);

	return (uint32_t)((bytes + stride - 1) / stride);
}

static int print_nothing(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN && getenv("JITNEY_DEBUG") ? vfprintf(stderr, format, args) : 0;
}

static int load_failed(int err)
{
	char why[128];

	libbpf_strerror(err, why, sizeof(why)); /* it has numbers of its own, too */
	if (err == -EPERM || err == -EACCES)
		jt_log("failed to load the BPF programs: %s: " JT_NEED_ROOT, why);
	else if (err == -ENOMEM)
		jt_log("failed to load the BPF programs: out of locked memory: raise it with "
		       "`ulimit -l unlimited'");
	else if (err == -EMFILE || err == -ENFILE)
		jt_log("failed to load the BPF programs: %s: raise it with `ulimit -n'", why);
	else
		jt_log("failed to load the BPF programs: %s: kernel 6.1 or later is needed; "
		       "JITNEY_DEBUG=1 shows the verifier's words",
		       why);
	return err;
}

static int set_sizes(struct jitney_bpf *skel, const struct jt_geometry *g)
{
	uint32_t pool = pool_entries(g);
	struct bpf_map *page = skel->maps.page;

	memcpy((void *)&skel->rodata->jt_geometry, g, sizeof(*g));
	if (bpf_map__value_size(page) != jt_bank_stride(g) &&
	    bpf_map__set_value_size(page, jt_bank_stride(g)))
		return -EINVAL;
	if (bpf_map__set_max_entries(page, g->banks + pool) ||
	    bpf_map__set_max_entries(skel->maps.extents, g->banks * g->extents))
		return -EINVAL;
	return 0;
}

/* Descriptors of our own, so that the skeleton can go. */
static int keep_descriptors(struct jt_datapath *d, struct bpf_object *object)
{
	const struct bpf_program *prog;
	int i, fd;

	for (i = 0; i < JT_MAP_COUNT; i++) {
		fd = bpf_object__find_map_fd_by_name(object, map_names[i]);
		d->maps[i] = dup(fd);
		if (d->maps[i] < 0)
			return -errno;
	}
	for (i = 0; i < JT_PROGRAM_COUNT; i++) {
		prog = bpf_object__find_program_by_name(object, program_names[i]);
		if (prog && !bpf_program__autoload(prog))
			continue;
		d->programs[i] = dup(bpf_program__fd(prog));
		if (d->programs[i] < 0)
			return -errno;
	}
	return 0;
}

/* jt_attach_vif() takes one or the other; to verify one is half of the time that a start takes. */
static void leave_out(struct jitney_bpf *skel, enum jt_attach how)
{
	bool xdp = how == JT_ATTACH_NATIVE || how == JT_ATTACH_GENERIC;

	bpf_program__set_autoload(xdp ? skel->progs.jitney_vif_tcx : skel->progs.jitney_vif, false);
}

static int load(struct jt_datapath *d, const struct jt_options *o)
{
	struct jitney_bpf *skel;
	int err;

	skel = jitney_bpf__open();
	if (!skel)
		return load_failed(-errno);
	leave_out(skel, o->attach);
	err = set_sizes(skel, &o->geometry);
	if (!err)
		err = jitney_bpf__load(skel);
	if (!err)
		err = keep_descriptors(d, skel->obj);
	jitney_bpf__destroy(skel);
	return err ? load_failed(err) : 0;
}

static int adopt(struct jt_datapath *d, const char *dir)
{
	char path[512];
	int i;

	for (i = 0; i < JT_MAP_COUNT + JT_PROGRAM_COUNT; i++) {
		bool map = i < JT_MAP_COUNT;
		int *fd = map ? &d->maps[i] : &d->programs[i - JT_MAP_COUNT];

		snprintf(path, sizeof(path), "%s/%s", dir,
			 map ? map_names[i] : program_names[i - JT_MAP_COUNT]);
		*fd = bpf_obj_get(path);
		if (*fd >= 0)
			continue;
		jt_log("failed to adopt %s: %s: load with `bpftool prog loadall jitney.bpf.o %s "
		       "pinmaps %s'",
		       path, strerror(errno), dir, dir);
		return -ENOENT;
	}
	return 0;
}

/* bpftool takes the object's default sizes: flags must not say otherwise. */
static int adopt_check(struct jt_datapath *d, const struct jt_options *o)
{
	struct bpf_map_info page = { 0 }, extents = { 0 };
	uint32_t size = sizeof(page);

	if (bpf_obj_get_info_by_fd(d->maps[JT_MAP_page], &page, &size) ||
	    bpf_obj_get_info_by_fd(d->maps[JT_MAP_extents], &extents, &size)) {
		jt_log("failed to adopt %s: %s", o->adopt, strerror(errno));
		return -EINVAL;
	}
	if (page.value_size != jt_bank_stride(&o->geometry) ||
	    extents.max_entries != o->geometry.banks * o->geometry.extents ||
	    page.max_entries != o->geometry.banks + pool_entries(&o->geometry)) {
		jt_log("failed to adopt %s: it was loaded with another geometry: leave "
		       "--page-size, --banks and --extent at their defaults",
		       o->adopt);
		return -EINVAL;
	}
	return 0;
}

/* What another controller knew is not true any more. */
static void empty_map(int fd, void *key)
{
	while (!bpf_map_get_next_key(fd, NULL, key) && !bpf_map_delete_elem(fd, key))
		;
}

static void *map_memory(int fd, size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

static size_t page_round(size_t n)
{
	return (n + 4095) & ~(size_t)4095;
}

static size_t extents_size(const struct jt_geometry *g)
{
	return page_round((size_t)g->banks * g->extents * sizeof(struct jt_extent));
}

#define GUESTS_SIZE page_round(JT_GUESTS_MAX * sizeof(struct jt_guest))
#define SHARES_SIZE page_round(JT_GUESTS_MAX * sizeof(struct jt_share))
#define PEERS_SIZE page_round(JT_PEERS_MAX * sizeof(struct jt_peer))
#define CONTROL_SIZE page_round(sizeof(struct jt_control))

/* The page, at the beginning of a range that keeps room for the domains' pages. */
static void *map_page(struct jt_datapath *d)
{
	void *range = mmap(NULL, d->umem_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (range == MAP_FAILED)
		return NULL;
	if (mmap(range, d->page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		 d->maps[JT_MAP_page], 0) != MAP_FAILED)
		return range;
	munmap(range, d->umem_size);
	return NULL;
}

static int map_all(struct jt_datapath *d, const struct jt_options *o)
{
	const struct jt_geometry *g = &o->geometry;

	d->pool = pool_entries(g);
	d->page_bytes = (size_t)(g->banks + d->pool) * jt_bank_stride(g);
	d->domain_bytes = jt_domain_size(g);
	d->umem_size = d->page_bytes + o->trust_count * d->domain_bytes;
	d->page.geometry = *g;
	d->page.memory = map_page(d);
	d->page.extents = map_memory(d->maps[JT_MAP_extents], extents_size(g));
	d->page.control = map_memory(d->maps[JT_MAP_control], CONTROL_SIZE);
	d->guests = map_memory(d->maps[JT_MAP_guests], GUESTS_SIZE);
	d->shares = map_memory(d->maps[JT_MAP_shares], SHARES_SIZE);
	d->peers = map_memory(d->maps[JT_MAP_peers], PEERS_SIZE);
	if (d->page.memory && d->page.extents && d->page.control && d->guests && d->shares &&
	    d->peers)
		return 0;
	jt_log("failed to map the sharing page: %s", strerror(errno));
	return -ENOMEM;
}

static void unmap_all(struct jt_datapath *d)
{
	const struct {
		void *at;
		size_t size;
	} all[] = {
		{ d->page.memory, d->umem_size },
		{ d->page.extents, extents_size(&d->page.geometry) },
		{ d->page.control, CONTROL_SIZE },
		{ d->guests, GUESTS_SIZE },
		{ d->shares, SHARES_SIZE },
		{ d->peers, PEERS_SIZE },
	};
	size_t i;

	for (i = 0; i < JT_ARRAY_SIZE(all); i++)
		if (all[i].at)
			munmap(all[i].at, all[i].size);
}

/* The folder stays. */
static void unpin(const char *dir)
{
	char path[512];
	int i;

	for (i = 0; i < JT_MAP_COUNT + JT_PROGRAM_COUNT; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir,
			 i < JT_MAP_COUNT ? map_names[i] : program_names[i - JT_MAP_COUNT]);
		unlink(path);
	}
}

static int pin_failed(const char *dir, const char *why)
{
	jt_log("failed to pin in %s: %s", dir, why);
	return -EINVAL;
}

/* Nothing of a folder is touched before it is known to be one of a bpffs. */
static int pin_folder(const char *dir)
{
	bool made = !mkdir(dir, 0700);
	struct statfs fs;

	if (!made && errno != EEXIST)
		return pin_failed(
			dir,
			errno == ENOENT || errno == EPERM || errno == EACCES ?
				"no such place in a bpffs: `mount -t bpf bpf /sys/fs/bpf' first" :
				strerror(errno));
	if (statfs(dir, &fs) || fs.f_type != BPF_FS) {
		if (made)
			rmdir(dir);
		return pin_failed(dir, "this is on no bpffs: `mount -t bpf bpf /sys/fs/bpf' first");
	}
	unpin(dir); /* what a killed controller left; its maps are of no use to anyone */
	return 0;
}

static int pin(struct jt_datapath *d, char *dir)
{
	char path[512];
	int i, err = pin_folder(dir);

	if (err)
		return err;
	d->pin = dir;
	for (i = 0; i < JT_MAP_COUNT + JT_PROGRAM_COUNT; i++) {
		bool map = i < JT_MAP_COUNT;
		int fd = map ? d->maps[i] : d->programs[i - JT_MAP_COUNT];

		snprintf(path, sizeof(path), "%s/%s", dir,
			 map ? map_names[i] : program_names[i - JT_MAP_COUNT]);
		if (fd >= 0 && bpf_obj_pin(fd, path))
			return pin_failed(dir, strerror(errno));
	}
	return 0;
}

void jt_datapath_init(struct jt_datapath *d)
{
	memset(d, 0, sizeof(*d));
	memset(d->maps, -1, sizeof(d->maps));
	memset(d->programs, -1, sizeof(d->programs));
}

#define FLOWS_SIZE page_round(JT_FLOW_SETS *JT_FLOW_WAYS * sizeof(struct jt_flow_slot))

static void forget_flows(struct jt_datapath *d)
{
	void *flows = map_memory(d->maps[JT_MAP_flows], FLOWS_SIZE);

	if (!flows)
		return; /* another seed makes them strangers, too */
	memset(flows, 0, FLOWS_SIZE);
	munmap(flows, FLOWS_SIZE);
}

void jt_datapath_forget(struct jt_datapath *d)
{
	struct jt_flow_key flow;
	struct jt_claim claim;
	struct jt_address address;
	uint32_t ifindex;

	/* `slots' stay: they are guesses, and no guest confirms an old one. */
	empty_map(d->maps[JT_MAP_vifs], &ifindex);
	empty_map(d->maps[JT_MAP_addresses], &address);
	empty_map(d->maps[JT_MAP_crowded], &flow);
	forget_flows(d);
	empty_map(d->maps[JT_MAP_claims], &claim);
	memset(d->guests, 0, JT_GUESTS_MAX * sizeof(*d->guests));
	memset(d->shares, 0, JT_GUESTS_MAX * sizeof(*d->shares));
	memset(d->peers, 0, JT_PEERS_MAX * sizeof(*d->peers));
}

int jt_datapath_open(struct jt_datapath *d, const struct jt_options *o)
{
	int err;

	libbpf_set_print(print_nothing);
	d->page.geometry = o->geometry;
	err = o->adopt ? adopt(d, o->adopt) : load(d, o);
	if (!err && o->adopt)
		err = adopt_check(d, o);
	if (!err)
		err = map_all(d, o);
	if (!err && o->pin)
		err = pin(d, o->pin);
	if (err)
		jt_datapath_close(d);
	return err;
}

void jt_datapath_close(struct jt_datapath *d)
{
	int i;

	if (d->pin) {
		unpin(d->pin);
		rmdir(d->pin);
	}
	d->pin = NULL;
	unmap_all(d);
	for (i = 0; i < JT_MAP_COUNT; i++)
		if (d->maps[i] >= 0)
			close(d->maps[i]);
	for (i = 0; i < JT_PROGRAM_COUNT; i++)
		if (d->programs[i] >= 0)
			close(d->programs[i]);
	jt_datapath_init(d);
}

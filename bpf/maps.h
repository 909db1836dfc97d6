/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maps, once for all programs: weak, so that the linker keeps one of each.
 * Their types are in <jitney/abi.h>. Sizes that depend on the geometry are the
 * defaults; the controller changes them between open and load, bpftool takes
 * them as they are.
 */
#ifndef JITNEY_MAPS_H
#define JITNEY_MAPS_H

#include <jitney/abi.h>
#include <jitney/bucket.h>

#define JT_EXTENTS_DEFAULT (JT_PAGE_SIZE_DEFAULT / JT_EXTENT_SIZE_DEFAULT)
/* Entries of `page` behind the banks: room for 1,024 received frames. */
#define JT_POOL_DEFAULT 8

struct jt_bank_memory {
	__u8 bytes[JT_PAGE_SIZE_DEFAULT + JT_BANK_GUARD];
};

const volatile struct jt_geometry jt_geometry __attribute__((weak)) =
	JT_GEOMETRY(JT_PAGE_SIZE_DEFAULT, JT_BANKS_DEFAULT, JT_EXTENT_SIZE_DEFAULT);

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, JT_BANKS_DEFAULT + JT_POOL_DEFAULT);
	__type(key, __u32);
	__type(value, struct jt_bank_memory);
} page __attribute__((weak)) SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, JT_BANKS_DEFAULT * JT_EXTENTS_DEFAULT);
	__type(key, __u32);
	__type(value, struct jt_extent);
} extents __attribute__((weak)) SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct jt_control);
} control __attribute__((weak)) SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, JT_GUESTS_MAX);
	__type(key, __u32);
	__type(value, struct jt_guest);
} guests __attribute__((weak)) SEC(".maps");

/* What each guest may send; by the ids of the guests. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, JT_GUESTS_MAX);
	__type(key, __u32);
	__type(value, struct jt_share);
} shares __attribute__((weak)) SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, JT_PEERS_MAX);
	__type(key, __u32);
	__type(value, struct jt_peer);
} peers __attribute__((weak)) SEC(".maps");

/* ifindex of a vif -> id of its guest */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, JT_GUESTS_MAX);
	__type(key, __u32);
	__type(value, __u32);
} vifs __attribute__((weak)) SEC(".maps");

/*
 * ifindex of a vif % JT_GUESTS_MAX -> id of its guest and one. Two vifs may have the
 * same entry: then it is one's, and `vifs` knows the other.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, JT_GUESTS_MAX);
	__type(key, __u32);
	__type(value, __u32);
} slots __attribute__((weak)) SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, JT_ADDRESSES_MAX);
	__type(key, struct jt_address);
	__type(value, struct jt_place);
} addresses __attribute__((weak)) SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, JT_CLAIMS_MAX);
	__type(key, struct jt_claim);
	__type(value, __u32);
} claims __attribute__((weak)) SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, JT_FLOW_SETS * JT_FLOW_WAYS);
	__type(key, __u32);
	__type(value, struct jt_flow_slot);
} flows __attribute__((weak)) SEC(".maps");

/* Flows that found all places of their set taken. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, JT_FLOWS_MAX);
	__type(key, struct jt_flow_key);
	__type(value, struct jt_flow);
} crowded __attribute__((weak)) SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, JT_EVENTS_SIZE);
} events __attribute__((weak)) SEC(".maps");

/* Frames received, where no AF_XDP socket can take them: see struct jt_frame_small. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, JT_FRAMES_SIZE);
} frames __attribute__((weak)) SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, JT_QUEUES_MAX);
	__type(key, __u32);
	__type(value, __u32);
} xsks __attribute__((weak)) SEC(".maps");

#endif

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * uplink: what comes from outside. Frames of known peers go to the controller
 * (or to the one guest that takes its frames itself); all else passes.
 *
 * One worker, an XDP and a tcx entry point. From XDP a frame goes to the AF_XDP
 * socket of its queue. Where there is none (tcx, further queues) it is copied
 * into the ring buffer `frames`. tcx is for devices without native XDP: generic
 * XDP would copy each large packet of bulk TCP that passes.
 */
#include "helper.h"

#define JT_LATE_MAX 4096 /* further behind it is another count */
#define JT_SOCKET_HEADROOM 256 /* XDP_PACKET_HEADROOM of <linux/bpf.h> */

/* Compare with the sequence number expected; count what is missing or late. */
JT_INLINE void jt_sequence(struct jt_peer *peer, const struct jt_frame_header *h)
{
	__u64 session = JT_SEQUENCE_KNOWN | (__u64)jt_ntohs(h->session) << 32;
	__u64 old = JT_READ(peer->received_next), now;
	__u32 sequence = jt_ntohl(h->sequence);
	__s32 ahead;
	int i;

	for (i = 0; i < 4; i++) {
		ahead = old >> 32 == session >> 32 ? (__s32)(sequence - (__u32)old) : 0;
		if (ahead < 0 && ahead > -JT_LATE_MAX) {
			jt_count(&peer->received_late, 1);
			return;
		}
		now = jt_cas(&peer->received_next, old, session | (__u32)(sequence + 1));
		if (now == old) {
			if (ahead > 0)
				jt_count(&peer->received_lost, ahead);
			return;
		}
		old = now;
	}
}

/* Check a frame's header. Return: JT_ABOARD if it is sound, else a reason. */
JT_INLINE int jt_frame_check(struct jt_uplink *u, const struct jt_frame_header *h, int *type)
{
	if (!h)
		return JT_REASON_FRAME_SHORT;
	if (h->version_type >> 4 != JT_WIRE_VERSION || h->flags)
		return JT_REASON_FRAME_VERSION;
	*type = h->version_type & 0xf;
	if (*type != JT_FRAME_DATA && *type != JT_FRAME_HELLO)
		return JT_REASON_FRAME_TYPE;
	if (jt_ntohs(h->length) > u->total - u->cursor.offset)
		return JT_REASON_FRAME_LENGTH;
	return JT_ABOARD;
}

/* length: 1 to max, which is a power of two. Said again for Linux 6.1 by a mask. */
JT_INLINE long jt_frame_load(struct jt_uplink *u, bool skb, void *to, __u64 length, __u64 max)
{
	length--;
	JT_OPAQUE(length);
	length = (length & (max - 1)) + 1;
	return skb ? bpf_skb_load_bytes(u->ctx, 0, to, length) :
		     bpf_xdp_load_bytes(u->ctx, 0, to, length);
}

/*
 * How to submit a record. Adding nothing: a look that no CPU moves before the
 * reservation. See user/controller/frames.c.
 */
JT_INLINE __u64 jt_submit_flags(struct jt_control *c)
{
	return jt_fetch_add(&c->frames_polled, 0) ? BPF_RB_NO_WAKEUP : 0;
}

/* Copy a frame of at most max bytes into a record of type. Needs u and skb. */
#define JT_FRAME_COPY(type, max)                                                         \
	({                                                                               \
		type *record = bpf_ringbuf_reserve(&frames, sizeof(type), 0);            \
		__u64 length = u->total;                                                 \
		long err = -1;                                                           \
		if (record) {                                                            \
			JT_OPAQUE(length);                                               \
			if (length && length <= (max))                                   \
				err = jt_frame_load(u, skb, record->bytes, length, max); \
			record->length = length;                                         \
			if (err)                                                         \
				bpf_ringbuf_discard(record, 0);                          \
			else                                                             \
				bpf_ringbuf_submit(record, jt_submit_flags(u->control)); \
		}                                                                        \
		err;                                                                     \
	})

/* Of the ring `frames`, what data leaves to the peers' words: they say who lives. */
#define JT_FRAMES_KEPT (JT_FRAMES_SIZE / 16)

JT_INLINE bool jt_ring_has_room(void)
{
	return bpf_ringbuf_query(&frames, BPF_RB_AVAIL_DATA) < JT_FRAMES_SIZE - JT_FRAMES_KEPT;
}

/* A frame in one buffer that fits into a socket's chunk behind the headroom; the ring takes any. */
JT_INLINE bool jt_socket_takes(const struct jt_uplink *u)
{
	return u->linear == u->total &&
	       u->total <= u->control->geometry.extent_size - JT_SOCKET_HEADROOM;
}

/* Hand a frame to the controller. @skb: known to the compiler at each call. */
JT_INLINE int jt_receive(struct jt_uplink *u, bool skb, int type, __u64 *reasons)
{
	__u32 queue = u->queue;
	long err;

	if (!skb && jt_socket_takes(u) && bpf_map_lookup_elem(&xsks, &queue))
		return JT_SOCKET; /* one that is closed leaves the map */
	if (type == JT_FRAME_DATA && !jt_ring_has_room())
		err = -1;
	else if (u->total <= JT_EXTENT_SIZE_MIN)
		err = JT_FRAME_COPY(struct jt_frame_small, JT_EXTENT_SIZE_MIN);
	else
		err = JT_FRAME_COPY(struct jt_frame_large, JT_EXTENT_SIZE_MAX);
	if (err)
		jt_count_reason(reasons, JT_REASON_RING_FULL);
	return JT_DROP;
}

JT_INLINE int jt_stranger(struct jt_uplink *u, bool skb, int type)
{
	if (type == JT_FRAME_HELLO && u->control->flags & JT_CONTROL_DISCOVER)
		return jt_receive(u, skb, type, u->control->reasons);
	jt_count_reason(u->control->reasons, JT_REASON_UNKNOWN_PEER);
	return JT_PASS;
}

JT_INLINE int jt_frame(struct jt_uplink *u, bool skb)
{
	struct jt_place *place = bpf_map_lookup_elem(&addresses, &u->from);
	const struct jt_frame_header *h = jt_take(&u->cursor, sizeof(*h));
	struct jt_peer *peer = NULL;
	int type = 0, reason = jt_frame_check(u, h, &type);

	if (place && place->kind == JT_PLACE_PEER)
		peer = bpf_map_lookup_elem(&peers, &place->id);
	if (!peer)
		return jt_stranger(u, skb, reason ? 0 : type);
	if (reason || !h) {
		jt_count_reason(peer->reasons, reason);
		return JT_DROP;
	}
	if (type == JT_FRAME_HELLO)
		return jt_receive(u, skb, type, peer->reasons);
	jt_sequence(peer, h);
	jt_count(&peer->received_frames, 1);
	jt_count(&peer->received_bytes, u->total);
	u->vif = jt_helper(u, skb, h, peer, place->id);
	return u->vif ? JT_SWITCH : jt_receive(u, skb, type, peer->reasons);
}

JT_INLINE int jt_uplink_work(struct jt_uplink *u, bool skb)
{
	u->control = jt_control();
	if (!u->control || JT_READ(u->control->magic) != JT_MAGIC)
		return JT_PASS;
	if (!jt_outer(u)) {
		if (!u->astray)
			return JT_PASS;
		jt_count_reason(u->control->reasons, JT_REASON_FRAME_ASTRAY);
		return JT_DROP;
	}
	return jt_frame(u, skb);
}

/*
 * Addressed to the guest, as its device may take nothing else: QEMU's drops frames for
 * other MAC addresses before a program in the guest could see them.
 */
JT_INLINE int jt_redirect_xdp(struct xdp_md *ctx, const struct jt_uplink *u)
{
	__u8 *to = (__u8 *)(long)ctx->data;

	if (to + 6 > (__u8 *)(long)ctx->data_end)
		return XDP_DROP;
	if (u->mac)
		__builtin_memcpy(to, &u->mac, 6);
	return bpf_redirect(u->vif, 0);
}

JT_INLINE int jt_redirect_tcx(struct __sk_buff *skb, const struct jt_uplink *u)
{
	if (u->mac && bpf_skb_store_bytes(skb, 0, &u->mac, 6, 0))
		return TC_ACT_SHOT;
	return bpf_redirect(u->vif, 0);
}

/* Every frame that is counted comes out of the socket, or the kernel counts it as dropped. */
JT_INLINE int jt_redirect_socket(struct jt_uplink *u)
{
	long verdict = bpf_redirect_map(&xsks, u->queue, XDP_DROP);

	if (verdict == XDP_REDIRECT)
		jt_count(&u->control->sockets_given, 1);
	return (int)verdict;
}

SEC("xdp.frags")
int jitney_uplink(struct xdp_md *ctx)
{
	struct jt_uplink u = {
		.ctx = ctx,
		.queue = ctx->rx_queue_index,
		.cursor = { .pos = (const __u8 *)(long)ctx->data,
			    .end = (const __u8 *)(long)ctx->data_end },
	};

	u.total = bpf_xdp_get_buff_len(ctx);
	u.linear = ctx->data_end - ctx->data;
	switch (jt_uplink_work(&u, false)) {
	case JT_PASS:
		return XDP_PASS;
	case JT_SOCKET:
		return jt_redirect_socket(&u);
	case JT_SWITCH:
		return jt_redirect_xdp(ctx, &u);
	}
	return XDP_DROP;
}

SEC("tc")
int jitney_uplink_tcx(struct __sk_buff *skb)
{
	struct jt_uplink u = { .ctx = skb, .total = skb->len };

	if (skb->gso_size)
		return TC_ACT_UNSPEC;
	if (skb->data_end - skb->data < JT_OUTER_MAX && skb->len > skb->data_end - skb->data)
		bpf_skb_pull_data(skb, skb->len < JT_OUTER_MAX ? skb->len : JT_OUTER_MAX);
	u.cursor.pos = (const __u8 *)(long)skb->data;
	u.cursor.end = (const __u8 *)(long)skb->data_end;
	switch (jt_uplink_work(&u, true)) {
	case JT_PASS:
		return TC_ACT_UNSPEC;
	case JT_SWITCH:
		return jt_redirect_tcx(skb, &u);
	}
	return TC_ACT_SHOT;
}

char _license[] SEC("license") = "Dual BSD/GPL";

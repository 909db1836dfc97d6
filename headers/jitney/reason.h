/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Why a packet, frame or message did not travel in the page. One table: the
 * enum, the names that programs print and the counters in the guests' and
 * peers' slots all come from it. The order is ABI: append, never reorder.
 *
 * kind   pass  the packet went on to the kernel untouched (a detour, no loss)
 *        drop  it went nowhere (a loss, or something hostile)
 * where  who counts it: vif and uplink are the XDP programs, tx and rx the
 *        controller
 */
#ifndef JITNEY_REASON_H
#define JITNEY_REASON_H

#define JT_REASONS(X)                                                                            \
	X(NOT_IP, not_ip, pass, vif, "no IP packet (ARP, LLDP, ...)")                            \
	X(NOT_UNICAST, not_unicast, pass, vif, "multicast or broadcast")                         \
	X(FRAGMENT, fragment, pass, vif, "an IP fragment")                                       \
	X(PROTOCOL, protocol, pass, vif, "a protocol that is not carried (TCP, ND, tunnels)")    \
	X(SEGMENTED, segmented, pass, vif, "several datagrams in one packet (UDP GSO)")          \
	X(TOO_LARGE, too_large, pass, vif, "larger than --small")                                \
	X(NO_PEER, no_peer, pass, vif, "destination is behind no known peer")                    \
	X(PEER_DOWN, peer_down, pass, vif, "the peer has not answered lately")                   \
	X(PAGE_FULL, page_full, pass, vif, "no blank bank was left")                             \
	X(CONTENDED, contended, pass, vif, "too many writers at once")                           \
	X(STALE, stale, pass, vif, "the controller is gone or hangs")                            \
	X(CUT_THROUGH, cut_through, pass, vif, "no company was to be expected")                  \
	X(MIXED_FLOW, mixed_flow, pass, vif, "its flow also sends large packets; order is kept") \
	X(OVERTOOK, overtook, pass, vif, "a large packet that passed others of its flow")        \
	X(LOCAL, local, pass, vif, "switched to a guest of this machine")                        \
	X(TRUNCATED, truncated, pass, vif, "headers end before they are complete")               \
	X(BAD_LENGTH, bad_length, pass, vif, "lengths of Ethernet, IP and UDP disagree")         \
	X(SPOOFED_MAC, spoofed_mac, drop, vif, "source MAC is not the guest's")                  \
	X(SPOOFED_IP, spoofed_ip, drop, vif, "source address is not the guest's")                \
	X(NO_ROOM, no_room, pass, vif, "address table is full")                                  \
	X(COPY_FAILED, copy_failed, drop, vif, "the payload could not be read")                  \
	X(UNKNOWN_PEER, unknown_peer, pass, uplink, "a frame from no known peer")                \
	X(FRAME_SHORT, frame_short, drop, uplink, "frame ends inside its Jitney header")         \
	X(FRAME_VERSION, frame_version, drop, uplink, "frame of another version")                \
	X(FRAME_LENGTH, frame_length, drop, uplink, "frame shorter than it says")                \
	X(FRAME_TYPE, frame_type, drop, uplink, "frame of an unknown type")                      \
	X(SOCKET_FULL, socket_full, drop, uplink, "the AF_XDP socket's rings were full")         \
	X(RING_FULL, ring_full, drop, uplink, "the controller takes frames too slowly")          \
	X(RECORD_SHORT, record_short, drop, rx, "record ends after its frame")                   \
	X(RECORD_BLANK, record_blank, drop, rx, "record that was never written")                 \
	X(TEMPLATE_BAD, template_bad, drop, rx, "template of an unknown kind or a wrong length") \
	X(TEMPLATE_UNKNOWN, template_unknown, drop, rx, "message before its template")           \
	X(TEMPLATE_TWICE, template_twice, drop, rx, "template number used twice")                \
	X(MESSAGE_BAD, message_bad, drop, rx, "message that does not fit its template")          \
	X(NO_GUEST, no_guest, drop, rx, "destination is no guest of this machine")               \
	X(SOURCE_BAD, source_bad, drop, rx, "source is a guest of this machine or of another peer") \
	X(DELIVER_FAILED, deliver_failed, drop, rx, "the guest's interface took no more")        \
	X(GUEST_DOWN, guest_down, drop, rx, "the guest's interface is down or gone")             \
	X(TX_FAILED, tx_failed, drop, tx, "the uplink refused the frame")                        \
	X(UPLINK_DOWN, uplink_down, drop, tx, "the uplink is down or gone")                      \
	X(PEER_GONE, peer_gone, drop, tx, "sent to a peer that had stopped answering")           \
	X(SALVAGE_GAP, salvage_gap, drop, tx, "a writer died before it had committed")           \
	X(HELLO_BAD, hello_bad, drop, rx, "malformed hello")                                     \
	X(STALE_PAGE, stale_page, drop, tx, "a dead controller had left it in the page")        \
	X(ADDRESS_TAKEN, address_taken, pass, vif, "source address is announced by a peer")      \
	X(SLICE_BAD, slice_bad, drop, tx, "a helper broke the rules of its slice, and was cut off") \
	X(SLICE_NO_PEER, slice_no_peer, drop, tx, "a helper's message that leads to no peer")    \
	X(SLICE_FULL, slice_full, drop, rx, "the helper did not read its messages in time") \
	X(FRAME_COUNTS, frame_counts, drop, vif, "guest frame that miscounts its records")       \
	X(FRAME_PEERS, frame_peers, drop, vif, "guest frame for more than one peer")             \
	X(FRAME_LARGE, frame_large, drop, vif, "guest frame larger than one to its peer may be") \
	X(LOST_NO_PEER, lost_no_peer, drop, vif, "no_peer, in a guest frame: it can't pass on")  \
	X(LOST_PEER_DOWN, lost_peer_down, drop, vif, "peer_down, in a guest frame")              \
	X(LOST_PAGE_FULL, lost_page_full, drop, vif, "page_full, in a guest frame")              \
	X(LOST_CONTENDED, lost_contended, drop, vif, "contended, in a guest frame")              \
	X(LOST_STALE, lost_stale, drop, vif, "stale, in a guest frame")                          \
	X(LOST_NO_ROOM, lost_no_room, drop, vif, "no_room, in a guest frame")                    \
	X(LOST_TAKEN, lost_taken, drop, vif, "address_taken, in a guest frame") \
	X(DOMAIN_BAD, domain_bad, drop, tx, "nonsense in the page of a trust domain") \
	X(FRAME_ASTRAY, frame_astray, drop, uplink, "a frame that came to a helper past its controller") \
	X(SLICE_LEFT, slice_left, drop, tx, "a helper that is gone had left it behind a full page") \
	X(OVER_RATE, over_rate, drop, vif, "more than the guest's rate, and nothing left to borrow")

enum jt_reason {
	JT_ABOARD = 0, /* not a reason: the message is in the page */
#define X(upper, lower, kind, where, text) JT_REASON_##upper,
	JT_REASONS(X)
#undef X
		JT_REASON_COUNT
};

enum jt_reason_kind { JT_KIND_none, JT_KIND_pass, JT_KIND_drop };
enum jt_reason_where { JT_WHERE_none, JT_WHERE_vif, JT_WHERE_uplink, JT_WHERE_rx, JT_WHERE_tx };

#ifndef __bpf__
struct jt_reason_info {
	const char *name;
	const char *text;
	enum jt_reason_kind kind;
	enum jt_reason_where where;
};

static const struct jt_reason_info jt_reasons[] __attribute__((unused)) = {
	{ "aboard", "in the page", JT_KIND_none, JT_WHERE_none },
#define X(upper, lower, kind, where, text) { #lower, text, JT_KIND_##kind, JT_WHERE_##where },
	JT_REASONS(X)
#undef X
};
_Static_assert(sizeof(jt_reasons) / sizeof(jt_reasons[0]) == JT_REASON_COUNT,
	       "a name for every reason");
#endif

#endif

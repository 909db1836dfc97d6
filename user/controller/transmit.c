// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Theory of operation: banks on their way out
 *
 * Banks leave in the order of their epochs, extents in the order of their
 * numbers; so do sequence numbers, and so a flow's messages stay in order.
 *
 *   close     no writer takes a new extent; how many were taken is known
 *   seal      the extent's word is final; then its bytes settle
 *   hand over outer header and Jitney header are written in front of the
 *             records, the descriptor goes to the TX ring: no copy
 *   complete  the kernel has given the frame back
 *   wipe      all frames are back: zero what was written, renew the bank's word
 *
 * A writer that has reserved and not committed holds its bank back in "seal".
 * After SETTLE_NS its extent is sent without it (salvage), and the bank waits
 * with being wiped until the writer is through: late bytes land in its own gap.
 */
#include <errno.h>

#include "common/log.h"
#include "controller/capture.h"
#include "controller/outer.h"
#include "controller/transmit.h"

#define SETTLE_NS 20000000ULL
#define KICKS_MAX 256

static struct jt_drain *drain_of(struct jt_controller *c, uint64_t epoch)
{
	return &c->transmit.drains[epoch % c->datapath.page.geometry.banks];
}

static uint64_t extent_number(const struct jt_geometry *g, uint64_t epoch, uint32_t i)
{
	return epoch % g->banks * g->extents + i;
}

/*
 * Messages that a dead controller left in adopted banks are too old to be sent:
 * count them under their peers, who were its own.
 */
static void count_leftover(struct jt_page *page)
{
	uint32_t number, n = page->geometry.banks * page->geometry.extents, left = 0;

	for (number = 0; number < n; number++)
		left += JT_COMMITTED_MESSAGES(JT_READ(page->extents[number].committed));
	if (left)
		jt_log("%u messages that another controller had left in the page are lost", left);
	__sync_fetch_and_add(&page->control->reasons[JT_REASON_STALE_PAGE], left);
}

void jt_transmit_start(struct jt_controller *c)
{
	struct jt_page *page = &c->datapath.page;
	uint64_t epoch = page->control->epoch + page->geometry.banks, e;

	count_leftover(page);
	memset(page->extents, 0,
	       (size_t)page->geometry.banks * page->geometry.extents * sizeof(*page->extents));
	memset(page->memory, 0, (size_t)page->geometry.banks * jt_bank_stride(&page->geometry));
	for (e = epoch; e < epoch + page->geometry.banks; e++)
		page->control->banks[e % page->geometry.banks].word = jt_bank_blank(e);
	page->control->epoch = epoch;
	c->scheduler.epoch = epoch;
	c->transmit = (struct jt_transmit){ .send_epoch = epoch, .wipe_epoch = epoch };
}

bool jt_transmit_empty(struct jt_controller *c)
{
	struct jt_page *page = &c->datapath.page;
	uint64_t epoch = JT_READ(page->control->epoch);

	return !JT_BANK_NEXT(JT_READ(jt_page_bank(page, epoch)->word));
}

/* Count a frame's messages under a reason instead of sending it. */
static void frame_lost(struct jt_controller *c, uint32_t peer, uint32_t messages, int reason)
{
	__sync_fetch_and_add(&c->datapath.peers[peer].reasons[reason], messages);
}

static void frame_sent(struct jt_controller *c, uint32_t id, const uint8_t *frame, uint32_t length,
		       uint32_t messages)
{
	struct jt_peer *peer = &c->datapath.peers[id];

	peer->sent_frames++;
	peer->sent_bytes += length;
	peer->sent_messages += messages;
	c->peers[id].sequence++;
	if (c->capture.watch.fd >= 0)
		jt_capture_frame(c, JT_CAPTURE_SENT, frame, length);
}

/* Where the records of a sealed extent end, and how many messages; 0: not settled yet. */
static uint32_t frame_end(struct jt_controller *c, struct jt_extent *x, uint64_t word,
			  uint8_t *frame, uint32_t head, uint64_t since_ns, uint32_t *messages)
{
	uint32_t to = JT_EXTENT_OFFSET(word), end;
	uint64_t committed;

	if (jt_extent_settled(x, word, head)) {
		*messages = JT_COMMITTED_MESSAGES(JT_READ(x->committed));
		return to;
	}
	if (jt_env_now() - since_ns <= SETTLE_NS)
		return 0;
	committed = JT_READ(x->committed);
	end = jt_extent_salvage(frame, head, to, committed);
	*messages = jt_records_count(frame, head, end);
	frame_lost(c, JT_EXTENT_PEER(word), JT_COMMITTED_MESSAGES(committed) - *messages + 1,
		   JT_REASON_SALVAGE_GAP);
	return end;
}

/*
 * Hand over one extent. Return: true if it is done with, be it sent or lost;
 * false: call again, it has not settled or the ring is full.
 */
static bool extent_send(struct jt_controller *c, uint64_t epoch, uint32_t i)
{
	struct jt_page *page = &c->datapath.page;
	uint64_t number = extent_number(&page->geometry, epoch, i);
	struct jt_extent *x = jt_page_extent(page, number);
	struct jt_drain *drain = drain_of(c, epoch);
	uint8_t *frame = jt_page_frame(page, number);
	uint64_t word = jt_extent_seal(x, (uint32_t)epoch);
	uint32_t id = JT_EXTENT_PEER(word), head, end, messages;

	if (id >= JT_PEERS_MAX)
		return true; /* no writer makes such a word */
	head = c->datapath.peers[id].head;
	if (JT_EXTENT_OFFSET(word) <= head)
		return true; /* never opened, or never written to */
	end = frame_end(c, x, word, frame, head, drain->since_ns, &messages);
	if (!end)
		return false;
	if (!messages || end <= head)
		return true;
	if (!c->peers[id].used || !c->peers[id].reachable) {
		frame_lost(c, id, messages, JT_REASON_PEER_GONE);
		return true;
	}
	if (!c->uplink.up || !c->xsk.socket) {
		frame_lost(c, id, messages, JT_REASON_UPLINK_DOWN);
		return true;
	}
	jt_outer_write(c, id, JT_FRAME_DATA, frame, end);
	if (!jt_xsk_send(&c->xsk, frame + JT_FRAME_START, end - JT_FRAME_START))
		return false;
	drain->outstanding++;
	frame_sent(c, id, frame + JT_FRAME_START, end - JT_FRAME_START, messages);
	return true;
}

static void reap(struct jt_controller *c)
{
	const struct jt_geometry *g = &c->datapath.page.geometry;
	const uint8_t *frame;

	while (c->xsk.socket && jt_xsk_completed(&c->xsk, &frame))
		c->transmit.drains[(size_t)(frame - c->datapath.page.memory) / jt_bank_stride(g)]
			.outstanding--;
}

/* Return: true if the kernel has everything. */
static bool kick(struct jt_controller *c)
{
	static struct jt_log_limit limit;
	int i, err = -EAGAIN;

	if (!c->xsk.socket || !c->uplink.up)
		return true;
	for (i = 0; i < KICKS_MAX && err == -EAGAIN; i++) {
		err = jt_xsk_kick(&c->xsk);
		if (err == -EBUSY) {
			__sync_fetch_and_add(
				&c->datapath.page.control->reasons[JT_REASON_TX_FAILED], 1);
			err = -EAGAIN;
		}
		reap(c);
	}
	if (err && err != -EAGAIN)
		jt_log_limited(&limit, "failed to send on %s: %s", c->uplink.name, strerror(-err));
	return !jt_xsk_pending(&c->xsk);
}

/* Hand over a bank. Return: true if all of it is. */
static bool bank_send(struct jt_controller *c, uint64_t epoch)
{
	struct jt_drain *drain = drain_of(c, epoch);

	if (!drain->closed) {
		drain->taken = jt_bank_close(&c->datapath.page, epoch);
		drain->next = 0;
		drain->since_ns = jt_env_now();
		drain->closed = true;
	}
	while (drain->next < drain->taken && extent_send(c, epoch, drain->next))
		drain->next++;
	return drain->next == drain->taken;
}

/* True if every extent of a bank that was sent is committed to the end. */
static bool bank_settled(struct jt_controller *c, uint64_t epoch)
{
	struct jt_page *page = &c->datapath.page;
	struct jt_extent *x;
	uint32_t i, id;
	uint64_t word;

	for (i = 0; i < drain_of(c, epoch)->taken; i++) {
		x = jt_page_extent(page, extent_number(&page->geometry, epoch, i));
		word = JT_READ(x->word);
		id = JT_EXTENT_PEER(word);
		if (id < JT_PEERS_MAX && !jt_extent_settled(x, word, c->datapath.peers[id].head))
			return false;
	}
	return true;
}

/* Return: true if the bank is blank again. */
static bool bank_wipe(struct jt_controller *c, uint64_t epoch)
{
	struct jt_page *page = &c->datapath.page;
	struct jt_drain *drain = drain_of(c, epoch);
	uint64_t number;
	struct jt_extent *x;
	uint32_t i;

	if (drain->outstanding || !bank_settled(c, epoch))
		return false;
	for (i = 0; i < drain->taken; i++) {
		number = extent_number(&page->geometry, epoch, i);
		x = jt_page_extent(page, number);
		jt_extent_wipe(x, jt_page_frame(page, number), JT_READ(x->word));
	}
	*drain = (struct jt_drain){ 0 };
	jt_bank_renew(page, epoch);
	return true;
}

bool jt_transmit_run(struct jt_controller *c)
{
	struct jt_transmit *t = &c->transmit;
	uint64_t epoch = JT_READ(c->datapath.page.control->epoch);
	bool sent = kick(c); /* what a device that was down has not taken */

	while (t->send_epoch < epoch && sent) {
		sent = bank_send(c, t->send_epoch);
		sent = kick(c) && sent;
		if (sent)
			t->send_epoch++;
	}
	reap(c);
	while (t->wipe_epoch < t->send_epoch && bank_wipe(c, t->wipe_epoch))
		t->wipe_epoch++;
	return t->wipe_epoch < epoch;
}

void jt_transmit_abandon(struct jt_controller *c)
{
	uint32_t i;

	for (i = 0; i < c->datapath.page.geometry.banks; i++) {
		__sync_fetch_and_add(&c->datapath.page.control->reasons[JT_REASON_UPLINK_DOWN],
				     c->transmit.drains[i].outstanding);
		c->transmit.drains[i].outstanding = 0;
	}
}

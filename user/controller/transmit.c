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
 *
 * The main page and each trust domain's are drained one after the other, into
 * one TX ring and with one sequence for each peer. Whatever a domain's members
 * write to its page harms nobody else:
 *
 *  1. Epochs go by our own account. What stands in the page is believed only
 *     if it is where honest writers can have brought it.
 *  2. A word is read once and checked, by the controller's own peers, before
 *     it is used; every loop over words of theirs has a bound.
 *  3. An extent that makes no sense is dropped. A bank's word or an epoch that
 *     makes none resets the page (jt_domain_reset()).
 *  4. A gap holds a bank until whoever can be writing there is through or gone
 *     (jt_domain_quiet()), be it ever filled or not.
 */
#include <errno.h>

#include "common/log.h"
#include "controller/admit.h"
#include "controller/capture.h"
#include "controller/domains.h"
#include "controller/outer.h"
#include "controller/transmit.h"

#define SETTLE_NS 20000000ULL
#define RESET_POLL_MS 20
#define KICKS_MAX 256

static struct jt_drain *drain_of(struct jt_transmit *t, uint64_t epoch)
{
	return &t->drains[epoch % t->page->geometry.banks];
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

void jt_transmit_blank(struct jt_transmit *t, uint64_t epoch)
{
	struct jt_page *page = t->page;
	uint64_t e;

	for (e = epoch; e < epoch + page->geometry.banks; e++)
		JT_WRITE(page->control->banks[e % page->geometry.banks].word, jt_bank_blank(e));
	t->epoch = t->send_epoch = t->wipe_epoch = epoch;
	JT_WRITE(page->control->epoch, epoch);
}

void jt_transmit_start(struct jt_controller *c)
{
	struct jt_page *page = &c->datapath.page;

	count_leftover(page);
	memset(page->extents, 0,
	       (size_t)page->geometry.banks * page->geometry.extents * sizeof(*page->extents));
	memset(page->memory, 0, (size_t)page->geometry.banks * jt_bank_stride(&page->geometry));
	c->transmit = (struct jt_transmit){ .page = page };
	jt_transmit_blank(&c->transmit, page->control->epoch + page->geometry.banks);
	c->pages[0] = &c->transmit;
	c->page_count = 1;
}

bool jt_transmit_empty(struct jt_transmit *t)
{
	uint64_t epoch = JT_READ(t->page->control->epoch);

	return t->reset_ns || !JT_BANK_NEXT(JT_READ(jt_page_bank(t->page, epoch)->word));
}

bool jt_transmit_epoch(struct jt_controller *c, struct jt_transmit *t, uint64_t *epoch)
{
	*epoch = JT_READ(t->page->control->epoch);
	if (!t->domain)
		return true;
	if (t->reset_ns)
		return false;
	if (*epoch >= t->epoch && *epoch >= t->send_epoch &&
	    *epoch - t->wipe_epoch < t->page->geometry.banks)
		return true;
	jt_domain_reset(c, t->domain, "the epoch");
	return false;
}

/* Count a frame's messages under a reason instead of sending it. */
static void frame_lost(struct jt_controller *c, uint32_t peer, uint32_t messages, int reason)
{
	__sync_fetch_and_add(&c->datapath.peers[peer].reasons[reason], messages);
}

static void frame_sent(struct jt_controller *c, struct jt_transmit *t, uint32_t id,
		       const uint8_t *frame, uint32_t length, uint32_t messages)
{
	struct jt_peer *peer = &c->datapath.peers[id];

	peer->sent_frames++;
	peer->sent_bytes += length;
	peer->sent_messages += messages;
	t->frames++;
	t->messages += messages;
	c->peers[id].sequence++;
	if (c->capture.watch.fd >= 0)
		jt_capture_frame(c, JT_CAPTURE_SENT, frame, length);
}

/* Where the records of a sealed extent end, and how many messages; 0: not settled yet. */
static uint32_t frame_end(struct jt_controller *c, uint64_t word, uint64_t committed,
			  uint8_t *frame, uint32_t head, uint64_t since_ns, uint32_t *messages)
{
	uint32_t to = JT_EXTENT_OFFSET(word), end, counted = JT_COMMITTED_MESSAGES(committed);

	*messages = counted;
	if (JT_COMMITTED_BYTES(committed) == jt_extent_reserved(word, head))
		return to;
	if (jt_env_now() - since_ns <= SETTLE_NS)
		return 0;
	end = jt_extent_salvage(frame, head, to, committed);
	*messages = jt_records_count(frame, head, end);
	/* Some may be there and not committed. */
	frame_lost(c, JT_EXTENT_PEER(word), counted >= *messages ? counted - *messages + 1 : 0,
		   JT_REASON_SALVAGE_GAP);
	return end;
}

/* True if honest members can have left a sealed extent so. */
static bool extent_sound(struct jt_controller *c, uint64_t word, uint64_t committed)
{
	uint32_t id = JT_EXTENT_PEER(word), offset = JT_EXTENT_OFFSET(word);
	const struct jt_peer *peer;

	if (!offset)
		return true; /* taken, never opened */
	if (id >= JT_PEERS_MAX)
		return false;
	peer = &c->datapath.peers[id];
	return offset >= peer->head && offset <= peer->limit &&
	       JT_COMMITTED_MESSAGES(committed) <= offset / JT_RECORD_HEAD;
}

/*
 * Hand over one extent. Return: true if it is done with, be it sent or lost;
 * false: call again, it has not settled or the ring is full.
 */
static bool extent_send(struct jt_controller *c, struct jt_transmit *t, uint64_t epoch, uint32_t i)
{
	uint64_t number = extent_number(&t->page->geometry, epoch, i), committed;
	struct jt_extent *x = jt_page_extent(t->page, number);
	struct jt_drain *drain = drain_of(t, epoch);
	uint8_t *frame = jt_page_frame(t->page, number);
	uint32_t id, head, end, messages;
	bool held = t->held;
	__u64 word;

	t->held = false;
	if (!jt_extent_try_seal(x, (uint32_t)epoch, &word)) {
		if (t->domain)
			jt_domain_reset(c, t->domain, "an extent that never stops changing");
		return false;
	}
	committed = JT_READ(x->committed);
	id = JT_EXTENT_PEER(word);
	if (t->domain && !extent_sound(c, word, committed)) {
		jt_domain_bad(c);
		return true;
	}
	if (id >= JT_PEERS_MAX)
		return true; /* no writer makes such a word */
	head = c->datapath.peers[id].head;
	if (JT_EXTENT_OFFSET(word) <= head)
		return true; /* never opened, or never written to */
	end = frame_end(c, word, committed, frame, head, drain->since_ns, &messages);
	if (!end)
		return false;
	if (!messages || end <= head)
		return true;
	if (!c->peers[id].used || !c->peers[id].reachable) {
		frame_lost(c, id, messages, JT_REASON_PEER_GONE);
		return true;
	}
	if (!c->uplink.up || !c->xsk.count) {
		frame_lost(c, id, messages, JT_REASON_UPLINK_DOWN);
		return true;
	}
	t->held = t->domain && !jt_domain_admit(c, t->domain, !held);
	if (t->held)
		return false;
	jt_outer_write(c, id, JT_FRAME_DATA, frame, end);
	/* One queue for a peer: its frames stay in order. */
	if (!jt_xsk_send(&c->xsk, id, frame + JT_FRAME_START, end - JT_FRAME_START))
		return false;
	drain->outstanding++;
	if (t->domain)
		jt_domain_charge(c, t->domain, end - JT_FRAME_START, messages);
	frame_sent(c, t, id, frame + JT_FRAME_START, end - JT_FRAME_START, messages);
	return true;
}

/* The page that a frame of the UMEM is in: what the kernel gives back is never of the pool. */
static struct jt_transmit *page_of(struct jt_controller *c, const uint8_t *frame)
{
	const struct jt_datapath *d = &c->datapath;
	size_t at = (size_t)(frame - d->page.memory);

	return c->pages[at < d->page_bytes ? 0 : 1 + (at - d->page_bytes) / d->domain_bytes];
}

static void reap(struct jt_controller *c)
{
	uint32_t stride = jt_bank_stride(&c->datapath.page.geometry);
	struct jt_transmit *t;
	const uint8_t *frame;

	while (jt_xsk_completed(&c->xsk, &frame)) {
		t = page_of(c, frame);
		t->drains[(size_t)(frame - t->page->memory) / stride].outstanding--;
	}
}

/* Return: true if the kernel has everything. */
static bool kick(struct jt_controller *c)
{
	static struct jt_log_limit limit;
	int i, err = -EAGAIN;

	if (!c->xsk.count || !c->uplink.up)
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

/* Return: false if a domain's bank makes no sense. */
static bool bank_close(struct jt_controller *c, struct jt_transmit *t, uint64_t epoch)
{
	struct jt_drain *drain = drain_of(t, epoch);
	uint32_t extents = t->page->geometry.extents;
	__u64 word;

	if (!t->domain) {
		drain->taken = jt_bank_close(t->page, epoch);
	} else if (jt_bank_try_close(t->page, epoch, &word) && JT_EPOCH(word) == (uint32_t)epoch) {
		drain->taken = JT_BANK_NEXT(word) < extents ? JT_BANK_NEXT(word) : extents;
		jt_domain_closed(t->domain, (uint32_t)(epoch % t->page->geometry.banks));
	} else {
		jt_domain_reset(c, t->domain, "a bank's word");
		return false;
	}
	drain->next = 0;
	drain->since_ns = jt_env_now();
	drain->closed = true;
	return true;
}

/* Hand over a bank. Return: true if all of it is. */
static bool bank_send(struct jt_controller *c, struct jt_transmit *t, uint64_t epoch)
{
	struct jt_drain *drain = drain_of(t, epoch);

	if (!drain->closed && !bank_close(c, t, epoch))
		return false;
	while (drain->next < drain->taken && extent_send(c, t, epoch, drain->next))
		drain->next++;
	return drain->closed && drain->next == drain->taken; /* not closed: it was reset */
}

/* True if every extent of a bank that was sent is committed to the end. */
static bool bank_settled(struct jt_controller *c, struct jt_transmit *t, uint64_t epoch)
{
	struct jt_extent *x;
	uint32_t i, id;
	uint64_t word;

	for (i = 0; i < drain_of(t, epoch)->taken; i++) {
		x = jt_page_extent(t->page, extent_number(&t->page->geometry, epoch, i));
		word = JT_READ(x->word);
		id = JT_EXTENT_PEER(word);
		if (id < JT_PEERS_MAX && !jt_extent_settled(x, word, c->datapath.peers[id].head))
			return false;
	}
	return true;
}

/* A bank with a gap waits for its writer: he fills it, or can't any more. */
static bool bank_left(struct jt_controller *c, struct jt_transmit *t, uint64_t epoch)
{
	return bank_settled(c, t, epoch) ||
	       (t->domain &&
		jt_domain_quiet(t->domain, (uint32_t)(epoch % t->page->geometry.banks)));
}

/* Return: true if the bank is blank again. */
static bool bank_wipe(struct jt_controller *c, struct jt_transmit *t, uint64_t epoch)
{
	struct jt_drain *drain = drain_of(t, epoch);
	struct jt_extent *x;
	uint64_t number;
	uint32_t i;

	if (drain->outstanding || !bank_left(c, t, epoch))
		return false;
	for (i = 0; i < drain->taken; i++) {
		number = extent_number(&t->page->geometry, epoch, i);
		x = jt_page_extent(t->page, number);
		if (t->domain) /* whose word may say anything by now */
			jt_domain_blank(t->domain, epoch, number);
		else
			jt_extent_wipe(x, jt_page_frame(t->page, number), JT_READ(x->word));
	}
	*drain = (struct jt_drain){ 0 };
	jt_bank_renew(t->page, epoch);
	return true;
}

/* @taken: whether the kernel has all that was queued. Return: true if something is left. */
static bool page_run(struct jt_controller *c, struct jt_transmit *t, bool *taken)
{
	bool sent = *taken;
	uint64_t epoch;

	if (t->reset_ns)
		jt_domain_reset_run(c, t->domain);
	if (!jt_transmit_epoch(c, t, &epoch))
		return true;
	if (!sent)
		t->held = false; /* it is the device that keeps it, and is looked at */
	while (t->send_epoch < epoch && sent) {
		sent = bank_send(c, t, t->send_epoch);
		*taken = kick(c);
		sent = sent && *taken;
		if (sent)
			t->send_epoch++;
	}
	reap(c);
	while (t->wipe_epoch < t->send_epoch && bank_wipe(c, t, t->wipe_epoch))
		t->wipe_epoch++;
	return t->wipe_epoch < epoch;
}

bool jt_transmit_run(struct jt_controller *c)
{
	bool taken = kick(c); /* what a device that was down has not taken */
	bool left = false;
	unsigned int i;

	for (i = 0; i < c->page_count; i++)
		left |= page_run(c, c->pages[i], &taken);
	return left;
}

bool jt_transmit_step(struct jt_controller *c, struct jt_transmit *t, uint64_t epoch)
{
	if (!jt_page_step(t->page, epoch))
		return true;
	jt_transmit_run(c); /* perhaps a bank comes back */
	if (t->reset_ns)
		return false;
	if (!jt_page_step(t->page, epoch))
		return true;
	if (t->domain && epoch + 1 - t->wipe_epoch < t->page->geometry.banks)
		jt_domain_reset(c, t->domain, "a blank bank's word");
	return false;
}

/*
 * A page that is reset has banks to be wiped, too, but no hurry; and for one that is
 * held shares have a timer.
 */
static bool page_waiting(const struct jt_transmit *t)
{
	return !t->reset_ns && !t->held && t->send_epoch != JT_READ(t->page->control->epoch);
}

bool jt_transmit_waiting(struct jt_controller *c)
{
	unsigned int i;

	for (i = 0; i < c->page_count; i++)
		if (c->pages[i]->reset_ns || page_waiting(c->pages[i]))
			return true;
	return false;
}

int jt_transmit_timeout(struct jt_controller *c)
{
	int ms = -1;
	unsigned int i;

	for (i = 0; i < c->page_count; i++) {
		if (c->uplink.up && page_waiting(c->pages[i]))
			return 1;
		if (c->pages[i]->reset_ns)
			ms = RESET_POLL_MS;
	}
	return ms;
}

void jt_transmit_abandon(struct jt_controller *c)
{
	struct jt_drain *drain;
	unsigned int i;
	uint32_t b;

	for (i = 0; i < c->page_count; i++) {
		for (b = 0; b < c->datapath.page.geometry.banks; b++) {
			drain = &c->pages[i]->drains[b];
			__sync_fetch_and_add(
				&c->datapath.page.control->reasons[JT_REASON_UPLINK_DOWN],
				drain->outstanding);
			drain->outstanding = 0;
		}
	}
}

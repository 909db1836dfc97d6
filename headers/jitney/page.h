/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Theory of operation: the sharing page
 *
 * The page is a ring of banks. Bank `epoch % banks` is active. A bank is cut
 * into extents, each of which grows into one outgoing frame for one peer.
 *
 *  1. The epoch only grows. Bank b is blank for epoch e exactly if its word is
 *     {e, open}; only then may the epoch step to e. Who slept before taking an
 *     extent may take one of a later life: that extent stays empty, no more.
 *  2. An extent belongs to epoch e exactly if its word says e. Everything that
 *     decides about an extent is in that one word and changes by compare-and-
 *     swap, so who slept through a rotation changes nothing.
 *  3. Bytes [a, b) of an extent belong to the one writer whose CAS moved the
 *     offset from a to b. It writes the four bytes of a record's head last,
 *     then adds b - a to `committed`. Blank memory is zero, a head never is.
 *  4. A closed extent's word does not change until the bank is blank again.
 *     It is settled when committed equals what was reserved. Only then (or
 *     after salvage) is it sent, and only settled extents are wiped: late
 *     writers hold their bank back, they never write into its next life.
 *  5. Writers never wait. They get a reason, and the packet goes another way.
 *
 * Locks: none. Any number of writers in BPF and user space; one controller
 * closes, drains and wipes.
 */
#ifndef JITNEY_PAGE_H
#define JITNEY_PAGE_H

#include "wire.h"

/* Results of the functions below that are no reasons. */
enum jt_page_result {
	JT_PAGE_OK = 0,
	JT_PAGE_AGAIN = -1,  /* the epoch or the open extent moved: look again */
	JT_PAGE_CLOSED = -2, /* this extent takes no more */
	JT_PAGE_FULL = -3,   /* the active bank is used up */
	JT_PAGE_BUSY = -4,   /* others were faster too often */
};

#define JT_CAS_TRIES 4
/* More changes than honest writers make of a word: an extent has room for fewer messages. */
#define JT_CLOSE_TRIES 2048

JT_INLINE __u64 jt_bank_blank(__u64 epoch)
{
	return epoch << 32;
}

JT_INLINE struct jt_bank *jt_page_bank(struct jt_page *page, __u64 epoch)
{
	__u64 bank = epoch % jt_env_geometry(page)->banks;

	/* A mask and no comparison: a verifier may have forgotten that at the second use. */
	JT_OPAQUE(bank);
	return &jt_env_control(page)->banks[bank & (JT_BANKS_MAX - 1)];
}

/* An extent by its number over all banks; NULL: no such one. */
JT_INLINE struct jt_extent *jt_page_extent(struct jt_page *page, __u64 number)
{
	return jt_env_extent(page, (__u32)number);
}

/* Where the frame of an extent begins; NULL: no such one. */
JT_INLINE __u8 *jt_page_frame(struct jt_page *page, __u64 number)
{
	const struct jt_geometry *g = jt_env_geometry(page);
	__u64 bank = jt_extent_bank(g, number);
	__u64 index = number - bank * g->extents;
	__u8 *memory = jt_env_bank(page, (__u32)bank);

	if (!memory)
		return NULL;
	JT_OPAQUE(index);
	if (index >= g->extents)
		return NULL;
	return memory + index * g->extent_size;
}

/*
 * jt_extent_reserve() - Make room for records in an open extent
 * @size:	bytes of the message records, and of the template records with them
 * @templates:	how many template records are among them
 * @limit:	where the frame must end
 * @before:	the word as it was: offset and number of templates
 *
 * Closes the extent if they do not fit.
 *
 * Return: JT_PAGE_OK, _AGAIN (other epoch), _CLOSED or _BUSY.
 */
JT_INLINE int jt_extent_reserve(struct jt_extent *x, __u32 epoch, __u32 size, __u32 templates,
				__u32 limit, __u64 *before)
{
	__u64 old = JT_READ(x->word), word, now;
	int i;

	for (i = 0; i < JT_CAS_TRIES; i++) {
		if (JT_EPOCH(old) != epoch)
			return JT_PAGE_AGAIN;
		if (old & JT_EXTENT_CLOSED)
			return JT_PAGE_CLOSED;
		if (JT_EXTENT_OFFSET(old) + size > limit ||
		    JT_EXTENT_TEMPLATES(old) + templates > JT_TEMPLATES_MAX)
			word = old | JT_EXTENT_CLOSED;
		else
			word = old + size + templates * JT_EXTENT_TEMPLATE;
		now = jt_cas(&x->word, old, word);
		if (now == old) {
			*before = old;
			return word & JT_EXTENT_CLOSED ? JT_PAGE_CLOSED : JT_PAGE_OK;
		}
		old = now;
	}
	return JT_PAGE_BUSY;
}

/* Make reserved bytes visible, and the messages in them. A writer's last act. */
JT_INLINE void jt_extent_commit(struct jt_extent *x, __u64 bytes, __u32 messages)
{
	jt_fetch_add(&x->committed, bytes + messages * JT_COMMITTED_MESSAGE);
}

/* Take an extent's memory out of the open bank; *number is over all banks. */
JT_INLINE int jt_bank_take(struct jt_page *page, __u64 epoch, __u64 *number)
{
	const struct jt_geometry *g = jt_env_geometry(page);
	struct jt_bank *bank = jt_page_bank(page, epoch);
	__u64 word;

	/* Look before adding: a full bank's count must not grow without end. */
	word = JT_READ(bank->word);
	if (JT_EPOCH(word) != (__u32)epoch || word & JT_BANK_CLOSED)
		return JT_PAGE_AGAIN;
	if (JT_BANK_NEXT(word) >= g->extents)
		return JT_PAGE_FULL;
	word = jt_fetch_add(&bank->word, 1);
	if (JT_EPOCH(word) != (__u32)epoch || word & JT_BANK_CLOSED)
		return JT_PAGE_AGAIN;
	if (JT_BANK_NEXT(word) >= g->extents)
		return JT_PAGE_FULL;
	*number = epoch % g->banks * g->extents + JT_BANK_NEXT(word);
	return JT_PAGE_OK;
}

/*
 * Open the extent that was taken, and give it to the peer. Since the taking the
 * writer may have slept. If the extent was sealed meanwhile, its word is of this
 * epoch. If the bank lives another life already, so may the extent: no word that
 * was read before the bank's is of a later life than the bank's was.
 */
JT_INLINE int jt_extent_install(struct jt_page *page, struct jt_peer *peer, __u32 id, __u64 epoch,
				__u64 old, __u64 number)
{
	struct jt_bank *bank = jt_page_bank(page, epoch);
	struct jt_extent *x = jt_page_extent(page, number);
	__u64 word;

	if (!x)
		return JT_PAGE_FULL;
	word = JT_READ(x->word);
	/* Adding nothing: a look that no CPU moves before the other. */
	if (JT_EPOCH(word) == (__u32)epoch ||
	    JT_EPOCH(jt_fetch_add(&bank->word, 0)) != (__u32)epoch ||
	    jt_cas(&x->word, word, JT_EXTENT_OPEN(epoch, id, peer->head)) != word)
		return JT_PAGE_AGAIN;
	if (jt_cas(&peer->open, old, epoch << 32 | (__u32)number) != old)
		return JT_PAGE_AGAIN;
	return JT_PAGE_OK;
}

/*
 * jt_extent_open() - Give a peer a new open extent
 * @old:	the peer's `open` word that was found unusable
 *
 * Of several writers that try at once one wins; the others' extents stay empty.
 * So the frames of a peer are ordered by extent number inside a bank.
 *
 * Return: JT_PAGE_OK, _AGAIN or _FULL.
 */
JT_INLINE int jt_extent_open(struct jt_page *page, struct jt_peer *peer, __u32 id, __u64 epoch,
			     __u64 old, __u64 *number)
{
	int err = jt_bank_take(page, epoch, number);

	return err ? err : jt_extent_install(page, peer, id, epoch, old, *number);
}

/*
 * jt_page_step() - Swap: make the next bank the active one
 *
 * Anybody may: it costs one compare-and-swap. The controller drains the old
 * bank whenever it gets to it, in the order of the epochs.
 *
 * Return: JT_PAGE_OK if the epoch is no longer @epoch, JT_PAGE_FULL if the next
 * bank is not blank.
 */
JT_INLINE int jt_page_step(struct jt_page *page, __u64 epoch)
{
	struct jt_bank *next = jt_page_bank(page, epoch + 1);

	if ((JT_READ(next->word) & ~JT_BANK_NEXT_MASK) != jt_bank_blank(epoch + 1))
		return JT_READ(jt_env_control(page)->epoch) == epoch ? JT_PAGE_FULL : JT_PAGE_OK;
	jt_cas(&jt_env_control(page)->epoch, epoch, epoch + 1);
	return JT_PAGE_OK;
}

#ifndef __bpf__
/* From here on: the controller's side. */

/* Close a bank that is no longer active. Return: how many extents were taken. */
JT_INLINE __u32 jt_bank_close(struct jt_page *page, __u64 epoch)
{
	__u64 word = __sync_fetch_and_or(&jt_page_bank(page, epoch)->word, JT_BANK_CLOSED);
	__u32 taken = JT_BANK_NEXT(word), extents = jt_env_geometry(page)->extents;

	return taken < extents ? taken : extents;
}

/*
 * jt_bank_try_close() - Close a bank that hostile writers may change, too
 * @word:	set to the bank's word; its epoch and count may say anything
 *
 * Return: false if somebody never stopped changing it.
 */
JT_INLINE bool jt_bank_try_close(struct jt_page *page, __u64 epoch, __u64 *word)
{
	struct jt_bank *bank = jt_page_bank(page, epoch);
	__u64 old = JT_READ(bank->word), now;
	int i;

	for (i = 0; i < JT_CLOSE_TRIES; i++) {
		now = jt_cas(&bank->word, old, old | JT_BANK_CLOSED);
		*word = old | JT_BANK_CLOSED;
		if (now == old)
			return true;
		old = now;
	}
	return false;
}

/*
 * jt_extent_try_seal() - Seal an extent; idempotent
 * @word:	set to its final word
 *
 * Return: false if somebody never stopped changing it. Each of an extent's
 * messages can change it once, so no honest writers do.
 */
JT_INLINE bool jt_extent_try_seal(struct jt_extent *x, __u32 epoch, __u64 *word)
{
	__u64 old = JT_READ(x->word), now;
	int i;

	for (i = 0; i < JT_CLOSE_TRIES; i++) {
		if (JT_EPOCH(old) != epoch)
			*word = (__u64)epoch << 32 | JT_EXTENT_CLOSED; /* taken, never opened */
		else
			*word = old | JT_EXTENT_CLOSED;
		if (*word == old)
			return true;
		now = jt_cas(&x->word, old, *word);
		if (now == old)
			return true;
		old = now;
	}
	return false;
}

/* The same among writers that can be trusted. Return: its final word. */
JT_INLINE __u64 jt_extent_seal(struct jt_extent *x, __u32 epoch)
{
	__u64 word;

	while (!jt_extent_try_seal(x, epoch, &word))
		;
	return word;
}

/* Bytes reserved behind `head`, by a sealed extent's word. */
JT_INLINE __u32 jt_extent_reserved(__u64 word, __u32 head)
{
	return JT_EXTENT_OFFSET(word) > head ? JT_EXTENT_OFFSET(word) - head : 0;
}

/* True if all that was reserved is committed. */
JT_INLINE bool jt_extent_settled(const struct jt_extent *x, __u64 word, __u32 head)
{
	return JT_COMMITTED_BYTES(JT_READ(x->committed)) == jt_extent_reserved(word, head);
}

/* Bytes of the record at `at` with its padding, 0 if it is blank or too long. */
JT_INLINE __u32 jt_record_span(const __u8 *at, __u32 room)
{
	struct jt_record r;
	__u32 size, head;

	memcpy(&r, at, sizeof(r));
	head = jt_ntohs(r.head);
	JT_ONCE(head);
	size = JT_RECORD_HEAD + JT_ALIGN4(head & 0x7ff);
	return head >> 11 && size <= room ? size : 0;
}

/* True for the head of a message record, false for template and padding. */
JT_INLINE bool jt_record_is_message(const __u8 *at)
{
	return at[0] >> 3 != JT_RECORD_SPECIAL;
}

/*
 * jt_extent_salvage() - Make a frame with gaps fit to be sent
 * @frame:	the extent's memory
 * @from, @to:	its records
 * @committed:	the extent's `committed`
 *
 * A writer died, or sleeps, between reserve and commit. Its bytes begin with a
 * blank head. If one gap explains all that is missing, it becomes a padding
 * record and the rest is kept; otherwise the frame ends at the first gap. A
 * writer that wakes up later only writes inside its own gap.
 *
 * Return: where the frame ends now.
 */
JT_INLINE __u32 jt_extent_salvage(__u8 *frame, __u32 from, __u32 to, __u64 committed)
{
	__u32 missing = to - from - JT_COMMITTED_BYTES(committed);
	__u32 at = from, gap = 0, messages = 0, span;

	while (at < to && to - at >= JT_RECORD_HEAD) {
		span = jt_record_span(frame + at, to - at);
		if (span) {
			messages += jt_record_is_message(frame + at);
		} else {
			if (gap || missing < JT_RECORD_HEAD || missing > to - at ||
			    missing > JT_RECORD_MAX)
				break;
			gap = at;
			span = missing;
		}
		at += span;
	}
	if (at != to || messages != JT_COMMITTED_MESSAGES(committed))
		return gap ? gap : at;
	if (gap)
		jt_cas((__u32 *)(frame + gap), 0, jt_record_padding(missing - JT_RECORD_HEAD));
	return to;
}

/* Messages among the records [from, to) of a frame that was salvaged. */
JT_INLINE __u32 jt_records_count(const __u8 *frame, __u32 from, __u32 to)
{
	__u32 at, span, messages = 0;

	for (at = from; at < to && to - at >= JT_RECORD_HEAD; at += span) {
		span = jt_record_span(frame + at, to - at);
		if (!span)
			break;
		messages += jt_record_is_message(frame + at);
	}
	return messages;
}

/* Wipe an extent that was sent; its bank becomes blank when all are wiped. */
JT_INLINE void jt_extent_wipe(struct jt_extent *x, __u8 *frame, __u64 word)
{
	memset(frame, 0, JT_EXTENT_OFFSET(word));
	JT_WRITE(x->committed, 0);
}

/* The bank that was active in `epoch` is wiped: blank for its next turn. */
JT_INLINE void jt_bank_renew(struct jt_page *page, __u64 epoch)
{
	__u64 next = epoch + jt_env_geometry(page)->banks;

	JT_WRITE(jt_page_bank(page, epoch)->word, jt_bank_blank(next));
}
#endif

#endif

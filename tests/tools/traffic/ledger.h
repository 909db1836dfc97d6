/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A flow's ledger: which of its messages have arrived.
 *
 * A message that carries its sequence says which one it is. A shorter one is
 * looked for: it is the next one, or one that is missing, or one further on,
 * or one that was there already. Of 0 to 3 bytes too little is left to search
 * far, so those are placed near the expected one or counted as `unplaced`,
 * which never happens where nothing was lost.
 */
#ifndef TRAFFIC_LEDGER_H
#define TRAFFIC_LEDGER_H

#include <errno.h>
#include <stdlib.h>

#include "message.h"

#define LEDGER_STEP_MAX (1ULL << 24) /* messages that a flow can be ahead */
#define LEDGER_SEARCH 65536U
#define LEDGER_SEARCH_SHORT 64U

struct ledger {
	struct spec spec;
	uint64_t next;	  /* one behind the last that arrived */
	uint64_t oldest;  /* all below it have arrived */
	uint64_t arrived; /* different ones */
	uint64_t altered;
	uint64_t out_of_order;
	uint64_t duplicated;
	uint64_t unplaced;
	uint64_t *seen; /* a bit each */
	uint64_t seen_words;
};

static inline bool ledger_seen(const struct ledger *l, uint64_t k)
{
	return k / 64 < l->seen_words && l->seen[k / 64] >> (k % 64) & 1;
}

static int ledger_grow(struct ledger *l, uint64_t k)
{
	uint64_t words = l->seen_words ? l->seen_words : 1024;
	uint64_t *seen;

	if (k / 64 < l->seen_words)
		return 0;
	while (words <= k / 64)
		words *= 2;
	seen = realloc(l->seen, words * sizeof(*seen));
	if (!seen)
		return -ENOMEM;
	memset(seen + l->seen_words, 0, (words - l->seen_words) * sizeof(*seen));
	l->seen = seen;
	l->seen_words = words;
	return 0;
}

static int ledger_enter(struct ledger *l, uint64_t k)
{
	int err = ledger_grow(l, k);

	if (err)
		return err;
	if (ledger_seen(l, k)) {
		l->duplicated++;
		return 0;
	}
	l->seen[k / 64] |= 1ULL << (k % 64);
	l->arrived++;
	if (k < l->next)
		l->out_of_order++;
	else
		l->next = k + 1;
	while (ledger_seen(l, l->oldest))
		l->oldest++;
	return 0;
}

/* Look for a short message in [from, to), seen or not. Return: true and @k. */
static bool ledger_search(const struct ledger *l, uint64_t from, uint64_t to, bool seen,
			  const uint8_t *bytes, uint32_t size, uint64_t *k)
{
	for (; from < to; from++)
		if (ledger_seen(l, from) == seen && message_is(&l->spec, from, bytes, size)) {
			*k = from;
			return true;
		}
	return false;
}

/* Which message a short one is. Return: true and @k. */
static bool ledger_place(const struct ledger *l, const uint8_t *bytes, uint32_t size, uint64_t *k)
{
	uint64_t reach = size < 4 ? LEDGER_SEARCH_SHORT : LEDGER_SEARCH;
	uint64_t back = l->next - l->oldest > reach ? l->next - reach : l->oldest;

	*k = l->next;
	if (message_is(&l->spec, *k, bytes, size))
		return true;
	if (ledger_search(l, back, l->next, false, bytes, size, k) ||
	    ledger_search(l, l->next, l->next + reach, false, bytes, size, k))
		return true;
	back = l->next > reach ? l->next - reach : 0;
	return ledger_search(l, back, l->next, true, bytes, size, k);
}

/*
 * ledger_add() - Enter a message that arrived
 *
 * Return: true if it is one of the flow's, unaltered; then @k says which.
 */
static bool ledger_add(struct ledger *l, const uint8_t *bytes, uint32_t size, uint64_t *k)
{
	bool good;

	if (size >= SEQUENCE_FROM) {
		memcpy(k, bytes + 16, sizeof(*k));
		good = *k < l->next + LEDGER_STEP_MAX && message_is(&l->spec, *k, bytes, size);
	} else {
		good = ledger_place(l, bytes, size, k);
		if (!good && size < 4 && l->next > l->oldest) {
			l->unplaced++;
			return false;
		}
	}
	if (!good || ledger_enter(l, *k)) {
		l->altered++;
		return false;
	}
	return true;
}

/* Return: messages that are missing of @sent, those that were altered among them. */
static uint64_t ledger_lost(const struct ledger *l, uint64_t sent)
{
	uint64_t there = l->arrived + l->unplaced;

	return sent > there ? sent - there : 0;
}

#endif

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdlib.h>
#include <string.h>

#include "message.h"

#define MAGIC 0x4a544d53U /* "JTMS" */
#define SENDERS 1024U	  /* a power of two; more are counted as one */
#define WINDOW 1024U	  /* numbers behind the newest that are remembered */

struct header {
	uint32_t magic;
	uint32_t hash; /* of all but itself */
	uint32_t run;  /* drawn by the sender */
	uint32_t sequence;
	uint64_t sent_ns;
};

_Static_assert(sizeof(struct header) == JT_MESSAGE_MIN, "what a receiver expects");

struct sender {
	bool used;
	uint32_t run;
	uint16_t port;
	uint8_t address[16];
	uint32_t next; /* expected */
	uint64_t got;  /* different ones */
	uint64_t reordered, duplicated;
	uint64_t seen[WINDOW / 64]; /* by number modulo WINDOW */
};

struct jt_senders {
	struct jt_tally tally;
	struct sender table[SENDERS];
};

static uint64_t mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * 0x9e3779b97f4a7c15ULL;
	return h ^ h >> 29;
}

static uint32_t hash(const uint8_t *p, size_t size)
{
	uint64_t h = size, word;

	for (; size >= sizeof(word); p += sizeof(word), size -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		h = mix(h, word);
	}
	word = 0;
	memcpy(&word, p, size);
	h = mix(h, word);
	return (uint32_t)(h ^ h >> 32);
}

void jt_message_make(uint8_t *to, size_t size, uint32_t run, uint32_t sequence)
{
	struct header h = { .magic = MAGIC, .run = run, .sequence = sequence };
	size_t i;

	for (i = 0; i < size; i++)
		to[i] = (uint8_t)(sequence + i);
	if (size < sizeof(h))
		return;
	h.sent_ns = jt_now();
	memcpy(to, &h, sizeof(h));
	h.hash = hash(to, size);
	memcpy(to, &h, sizeof(h));
}

struct jt_senders *jt_senders_new(void)
{
	return calloc(1, sizeof(struct jt_senders));
}

void jt_senders_free(struct jt_senders *s)
{
	free(s);
}

static bool same_sender(const struct sender *s, const struct sender *key)
{
	return s->run == key->run && s->port == key->port &&
	       !memcmp(s->address, key->address, sizeof(s->address));
}

static struct sender *sender_find(struct jt_senders *s, const struct jitney_message *m,
				  uint32_t run)
{
	struct sender key = { .used = true, .run = run, .port = m->from.ipv4.sin_port }, *at;
	uint32_t i, start;

	if (m->from.any.sa_family == AF_INET)
		memcpy(key.address, &m->from.ipv4.sin_addr, 4);
	else
		memcpy(key.address, &m->from.ipv6.sin6_addr, 16);
	start = hash(key.address, sizeof(key.address)) + key.port + run;
	for (i = 0; i < SENDERS; i++) {
		at = &s->table[(start + i) % SENDERS];
		if (at->used && same_sender(at, &key))
			return at;
		if (!at->used) {
			*at = key;
			s->tally.senders++;
			return at;
		}
	}
	return &s->table[start % SENDERS];
}

/* Mark a number. Return: true if it was marked before. */
static bool mark(struct sender *s, uint32_t sequence)
{
	uint64_t *word = &s->seen[sequence % WINDOW / 64], bit = 1ULL << sequence % 64;
	bool was = *word & bit;

	*word |= bit;
	return was;
}

static void sequence_count(struct sender *s, uint32_t sequence)
{
	uint32_t i, gap = sequence - s->next;

	if (sequence >= s->next) {
		for (i = 0; i <= gap && i < WINDOW; i++) /* make room for those that are new */
			s->seen[(sequence - i) % WINDOW / 64] &= ~(1ULL << (sequence - i) % 64);
		mark(s, sequence);
		s->next = sequence + 1;
		s->got++;
		return;
	}
	if (s->next - sequence <= WINDOW && mark(s, sequence)) {
		s->duplicated++;
		return;
	}
	s->reordered++;
	s->got++;
}

void jt_message_check(struct jt_senders *s, const struct jitney_message *m, uint64_t now,
		      struct jt_times *times)
{
	uint8_t copy[JT_PAYLOAD_MAX];
	struct header h;
	uint32_t want;

	s->tally.received++;
	s->tally.bytes += m->length;
	if (m->length < sizeof(h) || m->length > sizeof(copy))
		return;
	memcpy(&h, m->data, sizeof(h));
	if (h.magic != MAGIC)
		return;
	s->tally.checked++;
	want = h.hash;
	h.hash = 0;
	memcpy(copy, m->data, m->length);
	memcpy(copy, &h, sizeof(h));
	if (hash(copy, m->length) != want) {
		s->tally.altered++;
		return;
	}
	sequence_count(sender_find(s, m, h.run), h.sequence);
	if (now >= h.sent_ns)
		jt_times_add(times, now - h.sent_ns);
}

void jt_senders_tell(const struct jt_senders *s, struct jt_tally *out)
{
	unsigned int i;

	*out = s->tally;
	for (i = 0; i < SENDERS; i++) {
		out->lost += s->table[i].next - s->table[i].got;
		out->reordered += s->table[i].reordered;
		out->duplicated += s->table[i].duplicated;
	}
	/* An altered one is missing in the sequence, too. */
	out->lost -= out->altered < out->lost ? out->altered : out->lost;
}

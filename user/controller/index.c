// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>

#include "controller/index.h"

#define BATCH 256

int jt_addresses_visit(int map, jt_address_visit visit, void *context)
{
	struct jt_address keys[BATCH];
	struct jt_place places[BATCH];
	uint32_t at = 0, n, i;
	void *from = NULL;
	int err = 0, result = 0;

	while (!err && !result) {
		n = BATCH;
		err = bpf_map_lookup_batch(map, from, &at, keys, places, &n, NULL);
		if (err && err != -ENOENT)
			return err;
		for (i = 0; i < n && !result; i++)
			result = visit(context, &keys[i], &places[i]);
		from = &at;
	}
	return result;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct jt_address));
}

static bool make_room(struct jt_index *index)
{
	size_t room = index->room ? 2 * index->room : 64;
	struct jt_index_entry *bigger;

	if (index->count < index->room)
		return true;
	bigger = realloc(index->entries, room * sizeof(*bigger));
	if (!bigger)
		return false;
	index->entries = bigger;
	index->room = room;
	return true;
}

static int append(void *context, const struct jt_address *a, const struct jt_place *place)
{
	struct jt_index *index = context;

	if (!make_room(index))
		return -ENOMEM;
	index->entries[index->count++] = (struct jt_index_entry){ *a, *place };
	return 0;
}

int jt_index_refresh(struct jt_index *index, int map)
{
	int err;

	if (!index->stale)
		return 0;
	index->count = 0;
	err = jt_addresses_visit(map, append, index);
	if (index->count)
		qsort(index->entries, index->count, sizeof(*index->entries), compare);
	index->stale = err;
	return err;
}

/* Return: the position of an address, or the one where it would be. */
static size_t position(const struct jt_index *index, const struct jt_address *a)
{
	size_t low = 0, high = index->count, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (compare(&index->entries[middle], a) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void jt_index_set(struct jt_index *index, const struct jt_address *a, const struct jt_place *place)
{
	size_t at = position(index, a);
	struct jt_index_entry *e;

	if (index->stale)
		return;
	if (at < index->count && !compare(&index->entries[at], a)) {
		index->entries[at].place = *place;
		return;
	}
	if (!make_room(index)) {
		index->stale = true;
		return;
	}
	e = &index->entries[at];
	memmove(e + 1, e, (index->count++ - at) * sizeof(*e));
	*e = (struct jt_index_entry){ *a, *place };
}

const struct jt_place *jt_index_find(const struct jt_index *index, const struct jt_address *a)
{
	size_t at = position(index, a);

	if (at == index->count || compare(&index->entries[at], a))
		return NULL;
	return &index->entries[at].place;
}

void jt_index_free(struct jt_index *index)
{
	free(index->entries);
	memset(index, 0, sizeof(*index));
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>

#include "controller/index.h"

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct jt_address));
}

int jt_index_refresh(struct jt_index *index, int map)
{
	struct jt_address key, *previous = NULL;
	struct jt_index_entry *bigger;
	size_t room = index->count;
	int err = 0;

	if (!index->stale)
		return 0;
	index->count = 0;
	while (index->count < JT_ADDRESSES_MAX) {
		err = bpf_map_get_next_key(map, previous, &key);
		if (err)
			break;
		if (index->count >= room || !index->entries) {
			room = room ? 2 * room : 64;
			bigger = realloc(index->entries, room * sizeof(*bigger));
			if (!bigger)
				return -ENOMEM;
			index->entries = bigger;
		}
		index->entries[index->count].address = key;
		if (!bpf_map_lookup_elem(map, &key, &index->entries[index->count].place))
			index->count++;
		previous = &key;
	}
	if (index->entries)
		qsort(index->entries, index->count, sizeof(*index->entries), compare);
	if (err && err != -ENOENT)
		return err;
	index->stale = false;
	return 0;
}

const struct jt_place *jt_index_find(const struct jt_index *index, const struct jt_address *a)
{
	const struct jt_index_entry *e;

	if (!index->entries)
		return NULL;
	e = bsearch(a, index->entries, index->count, sizeof(*index->entries), compare);
	return e ? &e->place : NULL;
}

void jt_index_free(struct jt_index *index)
{
	free(index->entries);
	memset(index, 0, sizeof(*index));
}

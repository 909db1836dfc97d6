/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The map `addresses` as the controller looks things up in it: a sorted copy,
 * made anew after a change, so that receiving takes no system call.
 */
#ifndef JITNEY_INDEX_H
#define JITNEY_INDEX_H

#include <jitney/abi.h>

struct jt_index_entry {
	struct jt_address address;
	struct jt_place place;
};

struct jt_index {
	struct jt_index_entry *entries;
	size_t count;
	bool stale; /* the map has changed: refresh before the next use */
};

/* Read the map anew if it has changed. Return: 0 or negative errno. */
int jt_index_refresh(struct jt_index *index, int map);
/* Return: where an address is, or NULL. */
const struct jt_place *jt_index_find(const struct jt_index *index, const struct jt_address *a);
void jt_index_free(struct jt_index *index);

#endif

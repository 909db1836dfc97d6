/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The map `addresses` as the controller looks things up in it: a sorted copy, so
 * that receiving takes no system call. What the controller changes it changes in
 * both; after what programs have added the copy is made anew.
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
	size_t count, room;
	bool stale; /* the map has changed: refresh before the next use */
};

/* What is done with each entry of the map. Return: 0 to go on, or negative errno. */
typedef int (*jt_address_visit)(void *context, const struct jt_address *a,
				const struct jt_place *place);

/*
 * Visit all that is in the map; an entry may be deleted when visited. Some hundred
 * entries a system call, and no memory. Return: 0 or negative errno.
 */
int jt_addresses_visit(int map, jt_address_visit visit, void *context);

/* Read the map anew if it has changed. Return: 0 or negative errno. */
int jt_index_refresh(struct jt_index *index, int map);
/* An address has been put into the map. */
void jt_index_set(struct jt_index *index, const struct jt_address *a, const struct jt_place *place);
/* Return: where an address is, or NULL. */
const struct jt_place *jt_index_find(const struct jt_index *index, const struct jt_address *a);
void jt_index_free(struct jt_index *index);

#endif

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The index follows the map `addresses`, read anew or told of one change. */
#include "unit.h"
#include <bpf/bpf.h>
#include <unistd.h>

#include "controller/index.h"

#define MANY 1000U /* more than one batch */

static struct jt_index x;
static int map;

static int begin(void **state)
{
	(void)state;
	x = (struct jt_index){ .stale = true };
	map = bpf_map_create(BPF_MAP_TYPE_HASH, "addresses", sizeof(struct jt_address),
			     sizeof(struct jt_place), MANY, NULL);
	return map < 0 ? -1 : 0;
}

static int end(void **state)
{
	(void)state;
	jt_index_free(&x);
	close(map);
	return 0;
}

/* In no order: what comes next lies anywhere among those before. */
static struct jt_address address(uint32_t i)
{
	struct jt_address a = { .family = JT_FAMILY_IPV4, .scope = JT_SCOPE_GUEST };
	uint32_t mixed = i * 2654435761U;

	memcpy(a.bytes, &mixed, sizeof(mixed));
	return a;
}

static struct jt_place place(uint32_t id)
{
	return (struct jt_place){ .kind = JT_PLACE_GUEST, .id = id };
}

static void put_into_map(uint32_t i)
{
	struct jt_address a = address(i);
	struct jt_place p = place(i);

	assert_int_equal(bpf_map_update_elem(map, &a, &p, BPF_ANY), 0);
}

static void set(uint32_t i, uint32_t id)
{
	struct jt_address a = address(i);
	struct jt_place p = place(id);

	jt_index_set(&x, &a, &p);
}

/* Return: the id that it is known under, or -1. */
static int find(uint32_t i)
{
	struct jt_address a = address(i);
	const struct jt_place *p = jt_index_find(&x, &a);

	return p ? (int)p->id : -1;
}

static void test_empty(void **state)
{
	(void)state;
	assert_int_equal(jt_index_refresh(&x, map), 0);
	assert_int_equal(x.count, 0);
	assert_int_equal(find(0), -1);
}

static void test_all_of_the_map_is_read(void **state)
{
	uint32_t i;

	(void)state;
	for (i = 0; i < MANY; i++)
		put_into_map(i);
	assert_int_equal(jt_index_refresh(&x, map), 0);
	assert_int_equal(x.count, MANY);
	for (i = 0; i < MANY; i++)
		assert_int_equal(find(i), i);
	assert_int_equal(find(MANY), -1);
}

static void test_changes_one_by_one(void **state)
{
	uint32_t i;

	(void)state;
	assert_int_equal(jt_index_refresh(&x, map), 0);
	for (i = 0; i < MANY; i++)
		set(i, i);
	for (i = 0; i < MANY; i += 2)
		set(i, i + MANY);
	assert_int_equal(x.count, MANY);
	for (i = 0; i < MANY; i++)
		assert_int_equal(find(i), i % 2 ? i : i + MANY);
	for (i = 1; i < MANY; i++)
		assert_true(memcmp(&x.entries[i - 1].address, &x.entries[i].address,
				   sizeof(struct jt_address)) < 0);
}

/* The map has it, and will be read. */
static void test_a_change_while_stale_waits_for_the_map(void **state)
{
	(void)state;
	put_into_map(1);
	set(2, 2);
	assert_int_equal(x.count, 0);
	assert_int_equal(jt_index_refresh(&x, map), 0);
	assert_int_equal(find(1), 1);
	assert_int_equal(find(2), -1);
}

static int delete (void *context, const struct jt_address *a, const struct jt_place *p)
{
	(void)p;
	++*(unsigned int *)context;
	return bpf_map_delete_elem(map, a);
}

static void test_visited_entries_may_be_deleted(void **state)
{
	unsigned int visited = 0;
	struct jt_address left;
	uint32_t i;

	(void)state;
	for (i = 0; i < MANY; i++)
		put_into_map(i);
	assert_int_equal(jt_addresses_visit(map, delete, &visited), 0);
	assert_int_equal(visited, MANY);
	assert_int_not_equal(bpf_map_get_next_key(map, NULL, &left), 0);
}

static int refuse(void *context, const struct jt_address *a, const struct jt_place *p)
{
	++*(unsigned int *)context;
	return -1;
}

static void test_a_visit_can_be_ended(void **state)
{
	unsigned int visited = 0;

	(void)state;
	put_into_map(1);
	put_into_map(2);
	assert_int_equal(jt_addresses_visit(map, refuse, &visited), -1);
	assert_int_equal(visited, 1);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_empty),
		TEST(test_all_of_the_map_is_read),
		TEST(test_changes_one_by_one),
		TEST(test_a_change_while_stale_waits_for_the_map),
		TEST(test_visited_entries_may_be_deleted),
		TEST(test_a_visit_can_be_ended),
	};

	return RUN(tests);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A sharing page in plain memory, set up as a controller sets up its own.
 * Every part is an allocation of its exact size, so that ASan guards its end.
 */
#ifndef TESTS_FIXTURE_H
#define TESTS_FIXTURE_H

#include <jitney/env_user.h>
#include <jitney/organize.h>
#include <jitney/walk.h>
#include "packet.h"

#define FIXTURE_PEERS 4
#define FIXTURE_HEAD (JT_FRAME_START + 14 + sizeof(struct jt_frame_header))
#define FIXTURE_LIMIT (JT_FRAME_START + 14 + 1500)

struct fixture {
	struct jt_page page;
	struct jt_peer *peers;
};

static TEST_UNUSED void *test_alloc(size_t size)
{
	void *memory;

	if (posix_memalign(&memory, 64, size))
		abort();
	memset(memory, 0, size);
	return memory;
}

static TEST_UNUSED void control_init(struct jt_control *c, const struct jt_geometry *g, __u64 epoch)
{
	__u32 i;

	memset(c, 0, sizeof(*c));
	c->magic = JT_MAGIC;
	c->version = JT_ABI_VERSION;
	c->geometry = *g;
	c->small = JT_SMALL_DEFAULT;
	c->threshold = g->extents + 1;
	c->latency_ns = 10000000;
	c->ethertype = htons(JT_ETHERTYPE_DEFAULT);
	c->epoch = epoch;
	c->alive_until_ns = JT_NEVER_STALE;
	for (i = 0; i < g->banks; i++)
		c->banks[(epoch + i) % g->banks].word = jt_bank_blank(epoch + i);
}

static TEST_UNUSED void peer_init(struct jt_peer *p, const char *name)
{
	memset(p, 0, sizeof(*p));
	strncpy(p->name, name, sizeof(p->name) - 1);
	p->head = FIXTURE_HEAD;
	p->limit = FIXTURE_LIMIT;
	p->alive_until_ns = JT_NEVER_STALE;
}

static TEST_UNUSED void fixture_init(struct fixture *f, __u32 banks, __u32 extents, __u64 epoch)
{
	struct jt_geometry g = JT_GEOMETRY(extents * 2048, banks, 2048);
	int i;

	memset(f, 0, sizeof(*f));
	f->page.geometry = g;
	f->page.control = test_alloc(sizeof(struct jt_control));
	f->page.extents = test_alloc(sizeof(struct jt_extent) * banks * extents);
	f->page.memory = test_alloc((size_t)banks * jt_bank_stride(&g));
	f->peers = test_alloc(sizeof(struct jt_peer) * FIXTURE_PEERS);
	control_init(f->page.control, &g, epoch);
	for (i = 0; i < FIXTURE_PEERS; i++)
		peer_init(&f->peers[i], "peer");
}

static TEST_UNUSED void fixture_free(struct fixture *f)
{
	free(f->page.control);
	free(f->page.extents);
	free(f->page.memory);
	free(f->peers);
}

/* As jt_parse(), for the packet as a whole. */
static TEST_UNUSED int packet_parse(const void *bytes, __u32 length, struct jt_parsed *out)
{
	memset(out, 0, sizeof(*out));
	return jt_parse(bytes, (const __u8 *)bytes + length, length, false, 0, out);
}

/* Parse and organize. Return: as jt_organize(). */
static TEST_UNUSED int page_board(struct jt_page *page, const __u8 *bytes, __u32 length,
				  struct jt_flow *flow, struct jt_peer *peer, __u32 peer_id)
{
	struct jt_parsed parsed;
	struct jt_message m = { &parsed, flow, peer, peer_id };
	int opened = 0, reason = packet_parse(bytes, length, &parsed);

	if (reason)
		return reason;
	if (!jt_message_fits(&parsed, peer))
		return JT_REASON_TOO_LARGE;
	page->packet = bytes;
	return jt_organize(page, &m, &opened);
}

/* Whole packet from a message. */
static TEST_UNUSED void packet_rebuild(struct packet *p, const struct jt_found *m, __u16 id)
{
	p->length = jt_packet_build(m, id, p->bytes);
	memcpy(p->bytes + p->length, m->payload, m->length);
	p->length += m->length;
}

/* Seal, wipe and renew a bank whose every extent is settled. */
static TEST_UNUSED void page_recycle(struct jt_page *page, __u64 epoch)
{
	__u32 i, taken = jt_bank_close(page, epoch);
	__u64 first = epoch % page->geometry.banks * page->geometry.extents, word;

	for (i = 0; i < taken; i++) {
		word = jt_extent_seal(jt_page_extent(page, first + i), (__u32)epoch);
		jt_extent_wipe(jt_page_extent(page, first + i), jt_page_frame(page, first + i),
			       word);
	}
	jt_bank_renew(page, epoch);
}

#endif

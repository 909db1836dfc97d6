// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Memory of helpers in guests of Xen. Which pages it is made of stands in pages that
 * the guest grants as well; those are copied, once. The rings lie on pages of their
 * own, so a ring's page is a grant's page, and a ring ends where a page does.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "backend/xen.h"
#include "common/log.h"

#define PAGE JT_MACHINE_PAGE
#define HEADER_PAGES (JT_SLICE_HEADER / PAGE)
#define BEHIND_PAGES ((uint32_t)(JT_MACHINE_BEHIND / PAGE))
#define BATCH 64U /* segments of a copy: 256 KiB */
#define BARRED_NS 1000000000ULL

JT_ASSERT(JT_SLICE_HEADER % JT_MACHINE_PAGE == 0 && JT_SLICE_RING_MIN % JT_MACHINE_PAGE == 0 &&
		  JT_MACHINE_BEHIND % JT_MACHINE_PAGE == 0,
	  "rings have pages of their own");

/* --- copies -------------------------------------------------------------------------- */

/* Have the hypervisor copy. All or nothing is believed. Return: 0 or negative errno. */
static int segments_copy(struct jt_link *link, xengnttab_grant_copy_segment_t *segments,
			 uint32_t count)
{
	uint32_t i;

	link->copies++;
	link->segments += count;
	if (xengnttab_grant_copy(jt_xen_host.grants, count, segments))
		return errno ? -errno : -EIO;
	for (i = 0; i < count; i++)
		if (segments[i].status != GNTST_okay)
			return -EFAULT;
	return 0;
}

/* What one copy moves: between a ring of ours, and that of a helper's slice. */
struct ring {
	struct jt_link *link;
	const uint32_t *refs; /* from its first page on */
	uint8_t *ours;
	uint32_t size;
	bool to_guest;
};

static xengnttab_grant_copy_segment_t segment(const struct ring *r, uint64_t at, uint32_t length)
{
	const struct jt_xen_link *x = r->link->own;
	xengnttab_grant_copy_segment_t s = { .len = (uint16_t)length };
	union xengnttab_copy_ptr theirs = { .foreign = { .ref = r->refs[at / PAGE],
							 .offset = (uint16_t)(at % PAGE),
							 .domid = (uint16_t)x->domain } };

	if (r->to_guest) {
		s.source.virt = r->ours + at;
		s.dest = theirs;
		s.flags = GNTCOPY_dest_gref;
	} else {
		s.source = theirs;
		s.dest.virt = r->ours + at;
		s.flags = GNTCOPY_source_gref;
	}
	return s;
}

/* Positions from @from to @to of a ring, at most its size. Return: 0 or negative errno. */
static int ring_copy(const struct ring *r, uint64_t from, uint64_t to)
{
	xengnttab_grant_copy_segment_t segments[BATCH];
	uint32_t count = 0, length;
	uint64_t at;
	int err;

	while (from != to) {
		at = from & (r->size - 1);
		length = PAGE - (uint32_t)(at % PAGE);
		if (length > to - from)
			length = (uint32_t)(to - from);
		segments[count++] = segment(r, at, length);
		from += length;
		if (count < BATCH && from != to)
			continue;
		err = segments_copy(r->link, segments, count);
		if (err)
			return err;
		count = 0;
	}
	return 0;
}

static struct jt_xen_memory *memory_of(struct jt_slice_state *s, struct jt_link **link)
{
	struct jt_helper *h =
		(struct jt_helper *)((uint8_t *)s - offsetof(struct jt_helper, slice));

	*link = h->machine;
	return &((struct jt_xen_link *)h->machine->own)->memory[h->seat];
}

/* @head: up to a ring's size ahead of the tail. It may have gone back: what is here stays. */
static int pull(struct jt_slice_state *s, uint64_t head)
{
	struct ring r = { .ours = s->send, .size = s->send_size };
	struct jt_xen_memory *m = memory_of(s, &r.link);
	int err;

	if ((int64_t)(head - m->pulled) <= 0)
		return 0;
	r.refs = m->refs + HEADER_PAGES;
	err = ring_copy(&r, m->pulled, head);
	if (!err)
		m->pulled = head;
	return err;
}

static int push(struct jt_slice_state *s)
{
	struct ring r = { .ours = s->receive, .size = s->receive_size, .to_guest = true };
	struct jt_xen_memory *m = memory_of(s, &r.link);
	int err;

	r.refs = m->refs + HEADER_PAGES + s->send_size / PAGE;
	err = ring_copy(&r, m->pushed, s->receive_head);
	if (!err)
		m->pushed = s->receive_head;
	return err;
}

static const struct jt_slice_copy grant_copy = { .pull = pull, .push = push };

/* --- mappings ------------------------------------------------------------------------ */

/* The grants of @count pages, out of the lists. Return: 0 or negative errno. */
static int refs_read(struct jt_link *link, unsigned int slot, uint32_t *refs, uint32_t count)
{
	const struct jt_xen_link *x = link->own;
	xengnttab_grant_copy_segment_t s;
	uint32_t i, n, list = 0;
	int err = 0;

	for (i = 0; !err && i < count; i += n) {
		n = count - i < JT_MACHINE_LIST ? count - i : JT_MACHINE_LIST;
		s = (xengnttab_grant_copy_segment_t){
			.source.foreign = { .ref = JT_READ(link->page->slots[slot].lists[list++]),
					    .domid = (uint16_t)x->domain },
			.dest.virt = refs + i,
			.len = (uint16_t)(n * sizeof(*refs)),
			.flags = GNTCOPY_source_gref
		};
		err = segments_copy(link, &s, 1);
	}
	return err;
}

/* Map @count pages, one behind the other. Return: 0 or negative errno. */
static int pages_map(struct jt_link *link, struct jt_xen_memory *m, uint32_t *refs, uint32_t count)
{
	struct jt_xen_link *x = link->own;

	m->map = xengnttab_map_domain_grant_refs(jt_xen_host.grants, count, x->domain, refs,
						 PROT_READ | PROT_WRITE);
	if (!m->map)
		return errno ? -errno : -EFAULT;
	m->mapped = count;
	link->maps++;
	link->granted += count;
	return 0;
}

static int map_all(struct jt_link *link, struct jt_xen_memory *m, struct jt_slice_state *s,
		   uint32_t *refs, uint32_t pages)
{
	int err = pages_map(link, m, refs, pages);

	if (err)
		return err;
	s->send = m->map + jt_slice_send_offset();
	s->receive = m->map + jt_slice_receive_offset(s->send_size);
	return 0;
}

/* Only the header, and what lies behind the slice. The rings are copied. */
static int map_ends(struct jt_link *link, struct jt_xen_memory *m, struct jt_slice_state *s,
		    const uint32_t *refs, uint32_t pages)
{
	uint32_t ends[HEADER_PAGES + BEHIND_PAGES];
	int err;

	memcpy(ends, refs, HEADER_PAGES * sizeof(*refs));
	memcpy(ends + HEADER_PAGES, refs + pages - BEHIND_PAGES, BEHIND_PAGES * sizeof(*refs));
	m->rings = mmap(NULL, (size_t)s->send_size + s->receive_size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (m->rings == MAP_FAILED) {
		m->rings = NULL;
		return -ENOMEM;
	}
	err = pages_map(link, m, ends, HEADER_PAGES + BEHIND_PAGES);
	if (err)
		return err;
	s->send = m->rings;
	s->receive = m->rings + s->send_size;
	s->copy = &grant_copy;
	return 0;
}

static int memory_map(struct jt_link *link, unsigned int slot, struct jt_xen_memory *m,
		      struct jt_slice_state *s, uint32_t pages)
{
	bool copy = link->c->options->xen_copy == JT_XEN_GRANT_COPY;
	int err;

	m->refs = malloc(pages * sizeof(*m->refs));
	if (!m->refs)
		return -ENOMEM;
	err = refs_read(link, slot, m->refs, pages);
	if (!err)
		err = copy ? map_ends(link, m, s, m->refs, pages) :
			     map_all(link, m, s, m->refs, pages);
	return err;
}

/* Its agent lies about its memory, or has none. It costs time: it may not ask again at once. */
static void complain(struct jt_link *link, int err)
{
	struct jt_controller *c = link->c;
	static struct jt_log_limit limit;

	c->guests[link->guest].barred_until_ns = jt_env_now() + BARRED_NS;
	__sync_fetch_and_add(&c->datapath.guests[link->guest].reasons[JT_REASON_SLICE_BAD], 1);
	jt_log_limited(&limit, "memory that guest %s grants can't be had: %s",
		       c->guests[link->guest].spec.name, strerror(-err));
}

int jt_xen_map(struct jt_link *link, unsigned int slot, struct jt_slice_state *s, uint8_t **behind,
	       uint64_t *offset)
{
	uint64_t pages = (s->size + JT_MACHINE_BEHIND) / PAGE;
	struct jt_xen_link *x = link->own;
	struct jt_xen_memory *m = &x->memory[slot];
	int err;

	if (pages > JT_MACHINE_LISTS * JT_MACHINE_LIST || pages > JT_XEN_PAGES_MAX - x->pages)
		return -ENOSPC;
	m->charged = (uint32_t)pages; /* rings that are copied are memory of ours */
	x->pages += m->charged;
	err = memory_map(link, slot, m, s, (uint32_t)pages);
	if (err) {
		jt_xen_unmap(link, slot, s);
		complain(link, err);
		return err;
	}
	s->memory = m->map;
	*behind = m->map + (uint64_t)(m->mapped - BEHIND_PAGES) * PAGE;
	*offset = 0; /* of a file that holds nothing else */
	if (!s->copy) {
		free(m->refs);
		m->refs = NULL;
	}
	return 0;
}

void jt_xen_unmap(struct jt_link *link, unsigned int slot, struct jt_slice_state *s)
{
	struct jt_xen_link *x = link->own;
	struct jt_xen_memory *m = &x->memory[slot];

	if (m->map) {
		xengnttab_unmap(jt_xen_host.grants, m->map, m->mapped);
		link->granted -= m->mapped;
	}
	if (m->rings)
		munmap(m->rings, (size_t)s->send_size + s->receive_size);
	free(m->refs);
	x->pages -= m->charged;
	*m = (struct jt_xen_memory){ 0 };
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Theory of operation: order into a virtual machine
 *
 * What is written to a slice is there at once; what the kernel delivers goes through
 * the guest's interface and its stack, and may still be on its way. So a flow whose
 * messages came that way, and now come through the page, would overtake itself.
 *
 *  1. When a flow comes through the page that has not for a while, a numbered frame is
 *     sent to the guest's interface, behind all that went there before. The agent sees it
 *     behind all that, and says so (jt_machine.fenced).
 *  2. Up to then nothing that was put into the helper's ring since is shown to it. One
 *     frame is enough for all that a cycle brings.
 *  3. An agent that does not answer is not waited for: order is a courtesy.
 */
#include "backend/backend.h"
#include "controller/helpers.h"

#define WHILE_NS 50000000ULL /* a flow that came within it can't have gone another way */
#define WAIT_NS 20000000ULL

/* Of a flow to this helper. Two that are taken for one cost a frame more, or order. */
static uint32_t flow_of(const struct jt_slice_arrival *a)
{
	uint64_t words[2];

	memcpy(words, a->source, sizeof(words));
	words[0] ^= words[1] ^ (uint64_t)a->source_port << 32 ^ (uint64_t)a->dest_port << 16;
	return (uint32_t)(words[0] * 0x9e3779b97f4a7c15ULL >> 32);
}

void jt_fence_look(struct jt_helper *h, const struct jt_slice_arrival *a, uint64_t now)
{
	uint32_t flow = flow_of(a);
	struct jt_fence_flow *f = &h->fence.flows[flow % JT_FENCE_FLOWS];

	if (f->flow != flow || now - f->last_ns > WHILE_NS)
		h->fence.due = true;
	f->flow = flow;
	f->last_ns = now;
}

static bool passed(const struct jt_helper *h, uint64_t now)
{
	const struct jt_fence *f = &h->fence;

	return !h->machine->page || now - f->since_ns > WAIT_NS ||
	       (int32_t)(JT_READ(h->machine->page->fenced) - f->number) >= 0;
}

uint64_t jt_fence_head(struct jt_helper *h, uint64_t now)
{
	struct jt_fence *f = &h->fence;

	if (f->waits && !passed(h, now))
		return f->shown;
	if (f->waits)
		f->shown = f->head;
	f->waits = f->due;
	if (f->due) {
		f->due = false;
		f->head = h->slice.receive_head;
		f->since_ns = now;
		f->number = jt_link_fence(h->machine);
		h->machine->fencing = true;
		return f->shown;
	}
	f->shown = h->slice.receive_head;
	return f->shown;
}

bool jt_fence_tick(struct jt_link *link, uint64_t now)
{
	bool any = false, some = false;
	struct jt_helper *h;
	unsigned int i;

	for (i = 0; link->fencing && i < JT_MACHINE_SLOTS; i++) {
		h = link->helpers[i];
		if (!h || !h->fence.waits)
			continue;
		if (passed(h, now)) {
			jt_slice_dirty(link->c, h);
			some = true;
		} else {
			any = true;
		}
	}
	link->fencing = any;
	if (some)
		jt_slices_flush(link->c); /* may send the next */
	return link->fencing;
}

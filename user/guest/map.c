// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The call `map': this guest is in a trust domain, and its messages go into the
 * domain's page in place, by the organizer that the controller and the programs
 * in the kernel use. See <jitney/domain.h>; what is read of the page decides about
 * nothing but this domain's own messages.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <jitney/domain.h>
#include <jitney/organize.h>
#include "common/checksum.h"
#include "guest.h"

struct jt_map {
	void *memory;
	size_t size;
	struct jt_page page;
	struct jt_peer *peers;
	uint32_t opened; /* extents since the last look whether the page is full enough */
};

/* What the organizer wants of a flow. */
struct jt_map_flow {
	struct jt_parsed parsed;
	struct jt_flow flow;
	uint64_t made; /* for this attachment */
};

static void map_close(struct jitney *j)
{
	struct jitney_flow *f;

	for (f = j->flows; f; f = f->next)
		jt_template_forget(f);
	if (j->map && j->map->memory)
		munmap(j->map->memory, j->map->size);
	free(j->map);
	j->map = NULL;
	jt_peers_forget(j);
}

static bool geometry_sound(const struct jt_geometry *g)
{
	return g->banks >= JT_BANKS_MIN && g->banks <= JT_BANKS_MAX && g->extents &&
	       (g->extent_size == JT_EXTENT_SIZE_MIN || g->extent_size == JT_EXTENT_SIZE_MAX) &&
	       g->page_size / g->extent_size == g->extents &&
	       g->reciprocal == JT_RECIPROCAL_ONE / g->extents + 1;
}

static int map_open(struct jitney *j, const struct jt_attach_hello *hello)
{
	struct jt_map *m = calloc(1, sizeof(*m));

	j->map = m;
	if (!m || jt_peers_know(j)) {
		map_close(j);
		return -ENOMEM;
	}
	m->size = hello->domain_size;
	if (j->fds[JT_FD_DOMAIN] >= 0 && j->fds[JT_FD_DOORBELL] >= 0 && j->fds[JT_FD_CYCLE] >= 0 &&
	    geometry_sound(&hello->geometry) && m->size == jt_domain_size(&hello->geometry))
		m->memory = jt_map(j->fds[JT_FD_DOMAIN], 0, m->size, PROT_READ | PROT_WRITE);
	if (!m->memory) {
		map_close(j);
		return -EPROTO;
	}
	jt_domain_view(m->memory, &hello->geometry, &m->page, &m->peers);
	return 0;
}

/* Made when a flow first writes, and again when its template changes. */
static int flow_make(struct jitney_flow *flow)
{
	struct jt_map_flow *m = flow->map;

	if (!m)
		m = flow->map = malloc(sizeof(*m));
	if (!m)
		return -ENOMEM;
	memset(m, 0, sizeof(*m));
	m->parsed.key.header = flow->template;
	m->parsed.template_size = flow->template_size;
	m->made = flow->j->statistics.attached;
	flow->frame = 1;
	return 0;
}

static uint16_t check_of(const struct jitney_flow *flow, const void *data, uint32_t length)
{
	const uint8_t *from = data;
	uint64_t sum = 0, word;
	uint32_t left = length;

	for (; left >= sizeof(word); left -= sizeof(word), from += sizeof(word)) {
		memcpy(&word, from, sizeof(word));
		sum = jt_sum_add(sum, word);
	}
	word = 0;
	memcpy(&word, from, left);
	return jt_udp_check(flow->sum, jt_sum_add(sum, word), length);
}

/* One try. Return: a reason, JT_ABOARD, or JT_REASON_STALE: the page is not for writing now. */
static int write_in_place(struct jitney_flow *flow, const void *data)
{
	struct jitney *j = flow->j;
	struct jt_map *m = j->map;
	struct jt_message message = { .parsed = &flow->map->parsed,
				      .flow = &flow->map->flow,
				      .peer = &m->peers[flow->id],
				      .peer_id = flow->id };
	__u64 *writing = &j->view.slice->writing;
	int opened = 0, reason = JT_REASON_STALE;

	m->page.packet = data;
	jt_writing_begin(writing);
	if (JT_READ(m->page.control->magic) == JT_MAGIC &&
	    jt_message_fits(message.parsed, message.peer))
		reason = jt_organize(&m->page, &message, &opened);
	jt_writing_end(writing);
	m->opened += (uint32_t)opened;
	return reason;
}

static int map_put(struct jitney_flow *flow, const void *data, uint32_t length)
{
	struct jitney *j = flow->j;
	struct jt_slice *slice = j->view.slice;
	int reason, err;

	if ((!flow->frame || flow->map->made != j->statistics.attached) && flow_make(flow))
		return -ENOMEM;
	flow->map->parsed.length = length;
	flow->map->parsed.check = check_of(flow, data, length);
	while ((reason = write_in_place(flow, data))) {
		if (reason == JT_REASON_CONTENDED)
			continue;
		if (reason != JT_REASON_PAGE_FULL)
			return -EPIPE;
		err = jt_page_wait(j);
		if (err)
			return err;
	}
	JT_WRITE(slice->mapped, slice->mapped + 1);
	JT_WRITE(slice->mapped_bytes, slice->mapped_bytes + length);
	return 0;
}

/* Its last message is in the frame that has its template: the bank is blank when that has left. */
static bool map_waits(const struct jitney_flow *flow)
{
	const struct jt_map_flow *m = flow->map;
	struct jt_page *page = &flow->j->map->page;
	uint64_t epoch = JT_READ(page->control->epoch);

	if (!m || !m->flow.hint || m->made != flow->j->statistics.attached)
		return false;
	epoch -= (uint32_t)epoch - JT_EPOCH(m->flow.hint); /* all 64 bits of it */
	return JT_EPOCH(JT_READ(jt_page_bank(page, epoch)->word)) == (uint32_t)epoch;
}

/* As bpf/board.h does: ring for who sleeps, and when the page is as full as it should be. */
static void map_publish(struct jitney *j)
{
	struct jt_map *m = j->map;
	struct jt_control *control = m->page.control;
	uint64_t epoch;
	uint32_t rung;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (JT_READ(control->asleep) && jt_cas(&control->asleep, 1, 0) == 1)
		jt_ring_doorbell(j);
	if (!m->opened)
		return;
	m->opened = 0;
	epoch = JT_READ(control->epoch);
	if (JT_BANK_NEXT(JT_READ(jt_page_bank(&m->page, epoch)->word)) <
	    JT_READ(control->threshold))
		return;
	rung = JT_READ(control->rung_epoch);
	if (rung != (uint32_t)epoch && jt_cas(&control->rung_epoch, rung, (uint32_t)epoch) == rung)
		jt_ring_doorbell(j);
}

const struct jt_call jt_call_map = {
	.id = JITNEY_MAP,
	.ask = JT_CALL_MAP,
	.name = "map",
	.why = "this guest is in a trust domain",
	.open = map_open,
	.put = map_put,
	.publish = map_publish,
	.waits = map_waits,
	.flush = jt_call_flush,
	.close = map_close,
};

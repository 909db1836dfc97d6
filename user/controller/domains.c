// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/log.h"
#include "controller/domains.h"
#include "controller/transmit.h"

#define RESET_NS 100000000ULL
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/* A memfd that keeps its size, mapped at @at. Return: 0 or negative errno. */
static int memory_map(struct jt_domain *d, uint8_t *at, size_t size)
{
	d->memory = memfd_create("jitney-domain", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (d->memory < 0 || ftruncate(d->memory, (off_t)size) ||
	    fcntl(d->memory, F_ADD_SEALS, SEALS) ||
	    mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, d->memory, 0) ==
		    MAP_FAILED)
		return -errno;
	return 0;
}

/* A writer goes on in its peer's open extent, unless records begin elsewhere now. */
static void peer_fill(struct jt_controller *c, struct jt_domain *d, uint32_t id)
{
	const struct jt_peer *from = &c->datapath.peers[id];
	struct jt_peer *to = &d->peers[id];

	if (JT_READ(to->head) != from->head)
		JT_WRITE(to->open, 0);
	JT_WRITE(to->head, from->head);
	JT_WRITE(to->limit, from->limit);
	JT_WRITE(to->flags, from->flags);
	JT_WRITE(to->alive_until_ns, from->alive_until_ns);
}

/* All that members read, but for the epoch and the banks' words. */
static void domain_fill(struct jt_controller *c, struct jt_domain *d)
{
	const struct jt_control *from = c->datapath.page.control;
	struct jt_control *to = d->page.control;
	uint32_t i;

	to->version = JT_ABI_VERSION;
	to->geometry = d->page.geometry;
	to->small = from->small;
	to->threshold = from->threshold;
	to->latency_ns = from->latency_ns;
	to->cycle_start_ns = from->cycle_start_ns;
	to->cycle_ns = from->cycle_ns;
	to->ethertype = from->ethertype;
	to->udp_port = from->udp_port;
	to->rung_epoch = 0;
	JT_WRITE(to->alive_until_ns, JT_READ(from->alive_until_ns));
	JT_WRITE(to->generation, from->generation);
	for (i = 0; i < JT_PEERS_MAX; i++) {
		JT_WRITE(d->peers[i].open, 0);
		peer_fill(c, d, i);
	}
}

static int domain_start(struct jt_controller *c, struct jt_domain *d, uint8_t *at)
{
	const struct jt_datapath *path = &c->datapath;
	int err = memory_map(d, at, path->domain_bytes);

	d->guests = calloc(d->spec->count, sizeof(*d->guests));
	if (!err && !d->guests)
		err = -ENOMEM;
	if (err) {
		jt_log("failed to make the page of trust domain %s: %s", d->spec->name,
		       strerror(-err));
		free(d->guests);
		if (d->memory >= 0)
			close(d->memory);
		return err;
	}
	jt_domain_view(at, &path->page.geometry, &d->page, &d->peers);
	d->transmit = (struct jt_transmit){ .page = &d->page, .domain = d };
	domain_fill(c, d);
	jt_transmit_blank(&d->transmit, path->page.geometry.banks);
	c->pages[c->page_count++] = &d->transmit;
	c->domain_count++; /* from here on it is complete */
	return 0;
}

int jt_domains_start(struct jt_controller *c)
{
	const struct jt_options *o = c->options;
	uint8_t *at = c->datapath.page.memory + c->datapath.page_bytes;
	unsigned int i;
	int err = 0;

	if (!o->trust_count)
		return 0;
	c->domains = calloc(o->trust_count, sizeof(*c->domains));
	if (!c->domains) {
		jt_log("failed to make trust domains: out of memory");
		return -ENOMEM;
	}
	for (i = 0; !err && i < o->trust_count; i++) {
		c->domains[i].spec = &o->trusts[i];
		err = domain_start(c, &c->domains[i], at + i * c->datapath.domain_bytes);
	}
	return err;
}

void jt_domains_ready(struct jt_controller *c)
{
	unsigned int i;

	for (i = 0; i < c->domain_count; i++)
		JT_WRITE(c->domains[i].page.control->magic, JT_MAGIC);
}

void jt_domains_stop(struct jt_controller *c)
{
	unsigned int i;

	for (i = 0; i < c->domain_count; i++)
		JT_WRITE(c->domains[i].page.control->magic, 0);
}

void jt_domains_close(struct jt_controller *c)
{
	unsigned int i;

	for (i = 0; i < c->domain_count; i++) {
		free(c->domains[i].guests);
		close(c->domains[i].memory);
	}
	free(c->domains);
	c->domains = NULL;
	c->domain_count = 0;
	c->page_count = 1;
}

struct jt_domain *jt_domain_of(struct jt_controller *c, uint32_t guest_id)
{
	const struct jt_trust_spec *spec;
	unsigned int i;

	if (guest_id >= c->guest_limit || !c->guests[guest_id].used)
		return NULL;
	spec = jt_trust_find(c->options, c->guests[guest_id].spec.name);
	for (i = 0; i < c->domain_count; i++)
		if (c->domains[i].spec == spec)
			return &c->domains[i];
	return NULL;
}

int jt_domain_join(struct jt_controller *c, uint32_t guest_id, struct jt_member *member)
{
	struct jt_domain *d = jt_domain_of(c, guest_id);

	if (!d)
		return -ENOENT;
	*member = (struct jt_member){ .writing = member->writing, .domain = d, .next = d->members };
	d->members = member;
	return 0;
}

void jt_domain_leave(struct jt_controller *c, struct jt_member *member)
{
	struct jt_member **at = &member->domain->members;

	while (*at != member)
		at = &(*at)->next;
	*at = member->next;
	member->domain = NULL;
}

void jt_domain_closed(struct jt_domain *d, uint32_t bank)
{
	struct jt_member *m;
	uint64_t word;

	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* the other side of jt_writing_begin()'s */
	for (m = d->members; m; m = m->next) {
		word = JT_READ(*m->writing);
		m->seen[bank] = word & 1 ? word : 0;
	}
}

bool jt_domain_quiet(const struct jt_domain *d, uint32_t bank)
{
	const struct jt_member *m;

	for (m = d->members; m; m = m->next)
		if (m->seen[bank] && JT_READ(*m->writing) == m->seen[bank])
			return false;
	return true;
}

void jt_domain_bad(struct jt_controller *c)
{
	__sync_fetch_and_add(&c->datapath.page.control->reasons[JT_REASON_DOMAIN_BAD], 1);
}

/*
 * The epoch jumps to one that no bank is blank for: nobody who begins to write
 * finds room until jt_domain_reset_run() is through.
 */
void jt_domain_reset(struct jt_controller *c, struct jt_domain *d, const char *what)
{
	static struct jt_log_limit limit;
	struct jt_transmit *t = &d->transmit;
	uint32_t b, banks = d->page.geometry.banks;

	if (t->reset_ns)
		return;
	jt_log_limited(&limit, "%s in the page of trust domain %s makes no sense: reset", what,
		       d->spec->name);
	jt_domain_bad(c);
	d->resets++;
	t->reset_ns = jt_env_now();
	t->reset_bank = 0;
	t->epoch = (t->epoch > t->send_epoch ? t->epoch : t->send_epoch) + 2ULL * banks;
	t->send_epoch = t->wipe_epoch = t->epoch;
	JT_WRITE(d->page.control->magic, 0);
	for (b = 0; b < banks; b++) {
		t->drains[b] = (struct jt_drain){ .outstanding = t->drains[b].outstanding };
		JT_WRITE(d->page.control->banks[b].word, JT_BANK_CLOSED);
	}
	JT_WRITE(d->page.control->epoch, t->epoch);
	for (b = 0; b < banks; b++)
		jt_domain_closed(d, b);
}

void jt_domain_blank(struct jt_domain *d, uint64_t epoch, uint64_t number)
{
	struct jt_extent *x = jt_page_extent(&d->page, number);

	memset(jt_page_frame(&d->page, number), 0, d->page.geometry.extent_size);
	/* A word that no earlier life had: who slept since then changes nothing. */
	JT_WRITE(x->word, epoch << 32 | JT_EXTENT_CLOSED);
	JT_WRITE(x->committed, 0);
}

void jt_domain_reset_run(struct jt_controller *c, struct jt_domain *d)
{
	const struct jt_geometry *g = &d->page.geometry;
	struct jt_transmit *t = &d->transmit;
	uint32_t b = t->reset_bank;

	if (jt_env_now() - t->reset_ns < RESET_NS || t->drains[b].outstanding ||
	    !jt_domain_quiet(d, b))
		return;
	memset(jt_env_bank(&d->page, b), 0, jt_bank_stride(g));
	memset(d->page.extents + (size_t)b * g->extents, 0, g->extents * sizeof(struct jt_extent));
	if (++t->reset_bank < g->banks)
		return;
	domain_fill(c, d);
	jt_transmit_blank(t, t->epoch);
	t->reset_ns = 0;
	if (c->started_ns && !c->stop)
		JT_WRITE(d->page.control->magic, JT_MAGIC);
}

void jt_domains_peer(struct jt_controller *c, uint32_t id)
{
	unsigned int i;

	for (i = 0; i < c->domain_count; i++)
		peer_fill(c, &c->domains[i], id);
}

void jt_generation_step(struct jt_controller *c)
{
	struct jt_control *control = c->datapath.page.control;
	uint32_t generation = __sync_add_and_fetch(&control->generation, 1);
	unsigned int i;

	JT_NOTICE_SET(&c->board, generation, generation);
	for (i = 0; i < c->domain_count; i++)
		JT_WRITE(c->domains[i].page.control->generation, generation);
}

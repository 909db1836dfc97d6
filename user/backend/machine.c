// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Helpers in virtual machines, whatever runs those: questions in a page of shared
 * memory, by the rules of <jitney/machine.h>. All of it is the guest's to write, so
 * each word is read once, and nothing of it is believed.
 */
#include <errno.h>
#include <stdlib.h>

#include "backend/backend.h"
#include "common/log.h"
#include <jitney/parse.h>
#include "controller/helpers.h"
#include "controller/scheduler.h"

#define CLOCK_NS 5000000000ULL /* then a new look at the guest's clock is better than an old one */
#define FRAME_MIN 60	       /* of Ethernet, without its FCS */
#define LOOK_NS 1000000000ULL  /* between two looks for who is gone */
#define RINGS_MAX 8	       /* to an agent that does not take what it was rung for */

static void ring(struct jt_link *link, uint64_t now)
{
	link->rang_ns = now;
	link->rings++;
	link->hypervisor->ring(link->c, link);
	jt_scheduler_look(link->c, now + JT_LINK_TICK_NS); /* it may be lost */
}

void jt_link_frame(struct jt_link *link, uint32_t fence)
{
	const struct jt_guest *slot = &link->c->datapath.guests[link->guest];
	struct jt_eth eth = { .type = htons(link->c->options->ethertype) };
	struct jt_frame_header h = { .version_type = JT_WIRE_VERSION << 4 | JT_FRAME_BELL,
				     .sequence = htonl(fence) };
	uint8_t frame[FRAME_MIN] = { 0 };

	if (!slot->ifindex || !slot->mac)
		return; /* no word has come from there yet */
	memcpy(eth.dest, &slot->mac, 6);
	memcpy(eth.source, &slot->mac, 6);
	memcpy(frame, &eth, sizeof(eth));
	memcpy(frame + sizeof(eth), &h, sizeof(h));
	jt_deliver_frame(&link->c->deliver, slot->ifindex, frame, sizeof(frame));
}

uint32_t jt_link_fence(struct jt_link *link)
{
	if (!++link->fence)
		link->fence++;
	link->rings++;
	jt_link_frame(link, link->fence);
	jt_scheduler_look(link->c, jt_env_now() + JT_LINK_TICK_NS);
	return link->fence;
}

/* Bits that the agent is to take. One ring is enough for all that come before it looks. */
static void wake(struct jt_link *link, uint64_t bits)
{
	if (link->page && !__atomic_fetch_or(&link->page->wakes, bits, __ATOMIC_SEQ_CST))
		ring(link, jt_env_now());
}

/* --- one helper ------------------------------------------------------------------------- */

static int machine_open(struct jt_controller *c, struct jt_helper *h)
{
	const struct jt_attach_hello *q = &h->question.u.hello;
	struct jt_link *link = h->machine;
	uint64_t umem = jt_attach_umem(q, c->options->geometry.extent_size);
	int err = jt_slice_size(&h->slice, q->send_size, q->receive_size, umem);

	if (!err)
		err = link->hypervisor->map(link, h->seat, &h->slice, &h->behind, &h->offset);
	if (err)
		return err;
	jt_slice_begin(&h->slice, umem);
	memset(h->behind, 0, JT_MACHINE_BEHIND);
	memset(&h->fence, 0, sizeof(h->fence));
	h->notice = (struct jt_notice_copy){ .notice = (struct jt_notice *)h->behind,
					     .ahead_ns = link->ahead_ns };
	jt_notice_copy(&c->board, &h->notice);
	return 0;
}

static void machine_welcome(struct jt_controller *c, struct jt_helper *h,
			    struct jt_attach_message *m, struct jt_parcel *parcel)
{
	m->u.hello.machine = 1;
	m->u.hello.slice_offset = h->offset;
	m->u.hello.notice_offset = h->offset + h->slice.size;
}

static void machine_answer(struct jt_helper *h, const struct jt_attach_message *m,
			   const struct jt_parcel *parcel)
{
	struct jt_link *link = h->machine;
	struct jt_machine_slot *slot;

	if (!link->page)
		return;
	slot = &link->page->slots[h->seat];
	slot->message = *m;
	link->answered[h->seat] = link->asked;
	JT_WRITE(slot->answered, link->asked);
	link->due = true;
}

static void machine_wake(struct jt_helper *h, enum jt_wake why)
{
	wake(h->machine,
	     why == JT_WAKE_RECEIVE ? JT_WAKES_RECEIVE(h->seat) : JT_WAKES_CYCLE(h->seat));
}

static int machine_port(struct jt_helper *h, uint16_t port, bool taken)
{
	uint64_t *word = (uint64_t *)(h->behind + JT_MACHINE_NOTICE) + port / 64;
	uint64_t bits = h->ports[port / 64], bit = 1ULL << port % 64;

	JT_WRITE(*word, taken ? bits | bit : bits & ~bit);
	wake(h->machine, JT_WAKES_CLAIMS(h->seat));
	return 0;
}

/* An agent's next word is looked at in a turn of its own: have it say one. */
static void machine_cut(struct jt_helper *h)
{
	h->machine->cut = h->machine->c->links_due = true;
	wake(h->machine, JT_WAKES_GONE(h->seat));
}

static void machine_release(struct jt_controller *c, struct jt_helper *h)
{
	jt_notice_copy_end(&c->board, &h->notice);
	if (h->slice.memory)
		h->machine->hypervisor->unmap(h->machine, h->seat, &h->slice);
	h->behind = NULL;
	jt_slice_forget(&h->slice);
}

const struct jt_backend jt_backend_machine = {
	.open = machine_open,
	.welcome = machine_welcome,
	.answer = machine_answer,
	.wake = machine_wake,
	.port = machine_port,
	.cut = machine_cut,
	.release = machine_release,
};

/* --- the page ---------------------------------------------------------------------------- */

static void helper_end(struct jt_link *link, unsigned int seat)
{
	struct jt_helper *h = link->helpers[seat];

	link->helpers[seat] = NULL;
	if (h)
		jt_helper_close(link->c, h);
}

static void helpers_end(struct jt_link *link)
{
	unsigned int i;

	for (i = 0; i < JT_MACHINE_SLOTS; i++)
		helper_end(link, i);
}

/* A helper that said good-bye, or that was cut off: it has no memory of ours from here on. */
static void bye(struct jt_link *link, unsigned int seat)
{
	struct jt_machine_slot *slot = &link->page->slots[seat];

	helper_end(link, seat);
	link->answered[seat] = link->asked;
	JT_WRITE(slot->message.error, 0);
	JT_WRITE(slot->answered, link->asked);
	link->due = true;
}

static void question(struct jt_link *link, unsigned int seat, uint32_t asked)
{
	struct jt_helper *h = link->helpers[seat];
	struct jt_attach_message m;

	memcpy(&m, (const void *)&link->page->slots[seat].message, sizeof(m));
	link->asked = asked;
	if (m.op == JT_ATTACH_BYE) {
		bye(link, seat);
		return;
	}
	if (!h)
		h = jt_helper_new(link->c, &jt_backend_machine);
	if (!h)
		return; /* the agent asks again */
	link->helpers[seat] = h;
	h->machine = link;
	h->seat = seat;
	h->guest = link->guest;
	h->question = m;
	jt_helper_ask(link->c, h);
}

/* The less a look was delayed, the less is the difference that it shows. */
static void clock_look(struct jt_link *link)
{
	uint64_t now = jt_env_now(), ahead = JT_READ(link->page->clock_ns) - now;
	unsigned int i;

	if (link->ahead_since_ns && now - link->ahead_since_ns < CLOCK_NS &&
	    (int64_t)(ahead - link->ahead_ns) <= 0)
		return;
	link->ahead_ns = ahead;
	link->ahead_since_ns = now;
	for (i = 0; i < JT_MACHINE_SLOTS; i++) {
		if (!link->helpers[i] || !link->helpers[i]->behind)
			continue;
		link->helpers[i]->notice.ahead_ns = ahead;
		jt_notice_times(&link->c->board, &link->helpers[i]->notice);
	}
}

/* Another agent, or the same one anew: nobody is attached. */
static void boot_look(struct jt_link *link)
{
	uint64_t boot = JT_READ(link->page->boot);

	if (boot == link->boot)
		return;
	helpers_end(link);
	link->boot = boot;
	link->ahead_since_ns = 0;
	memset(link->answered, 0, sizeof(link->answered));
}

void jt_link_rung(struct jt_link *link)
{
	uint32_t asked;
	unsigned int i;

	link->rung++;
	link->heard_ns = jt_env_now();
	if (!link->page)
		return;
	JT_WRITE(link->page->heard, JT_READ(link->page->rung));
	boot_look(link);
	clock_look(link);
	/* What an agent that has ended once asked is nobody's question. */
	for (i = 0; link->page && link->boot && i < JT_MACHINE_SLOTS; i++) {
		asked = JT_READ(link->page->slots[i].asked);
		if (asked != link->answered[i])
			question(link, i, asked);
	}
	if (link->page)
		jt_fence_tick(link, jt_env_now());
	if (link->due && link->page)
		ring(link, jt_env_now());
	link->due = false;
	jt_scheduler_rung(link->c); /* for all that its helpers have written */
}

void jt_link_bell(struct jt_controller *c, uint32_t guest)
{
	if (guest < JT_GUESTS_MAX && c->guests[guest].used && c->guests[guest].machine)
		c->guests[guest].machine->bell = c->links_due = true;
}

/* Once a turn, however often it rings: up to then the program tells of no other. */
static void bell_heard(struct jt_link *link)
{
	link->bell = false;
	__atomic_store_n(&link->c->datapath.guests[link->guest].rung, 0, __ATOMIC_SEQ_CST);
	jt_link_rung(link);
}

void jt_link_begin(struct jt_link *link)
{
	struct jt_machine *page = link->page;

	link->boot = 0;
	page->magic = 0;
	page->version = JT_MACHINE_VERSION;
	page->session = jt_env_now();
	page->boot = 0;
	page->extent_size = link->c->options->geometry.extent_size;
	page->ethertype = htons(link->c->options->ethertype);
	page->wakes = 0;
	page->fenced = link->fence;
	memset(page->slots, 0, sizeof(page->slots));
	JT_WRITE(page->magic, JT_MACHINE_MAGIC);
	ring(link, jt_env_now());
}

void jt_link_end(struct jt_link *link)
{
	helpers_end(link);
	if (!link->page)
		return;
	JT_WRITE(link->page->magic, 0);
	ring(link, jt_env_now());
	link->page = NULL;
}

/* --- all of them -------------------------------------------------------------------------- */

static const struct jt_hypervisor *hypervisor_of(const struct jt_guest_spec *spec)
{
	if (jt_hypervisor_qemu.runs(spec))
		return &jt_hypervisor_qemu;
	return jt_hypervisor_xen.runs(spec) ? &jt_hypervisor_xen : NULL;
}

int jt_link_open(struct jt_controller *c, uint32_t guest, const char **wrong)
{
	const struct jt_hypervisor *hypervisor = hypervisor_of(&c->guests[guest].spec);
	struct jt_link *link;
	int err;

	if (!hypervisor)
		return 0;
	link = calloc(1, sizeof(*link));
	if (!link)
		return -ENOMEM;
	*link = (struct jt_link){ .hypervisor = hypervisor, .c = c, .guest = guest };
	err = hypervisor->open(c, link, wrong);
	if (err) {
		free(link);
		return err;
	}
	link->next = c->links;
	c->links = link;
	c->guests[guest].machine = link;
	return 0;
}

void jt_link_close(struct jt_controller *c, uint32_t guest)
{
	struct jt_link *link = c->guests[guest].machine, **at = &c->links;

	if (!link)
		return;
	jt_link_end(link);
	link->hypervisor->close(c, link);
	while (*at != link)
		at = &(*at)->next;
	*at = link->next;
	c->guests[guest].machine = NULL;
	free(link);
}

void jt_links_close(struct jt_controller *c)
{
	while (c->links)
		jt_link_close(c, c->links->guest);
}

void jt_link_down(struct jt_controller *c, uint32_t guest)
{
	struct jt_link *link = c->guests[guest].machine;

	if (!link || !link->page)
		return;
	helpers_end(link);
	wake(link, JT_WAKES_ALL_GONE);
}

void jt_link_moved(struct jt_controller *c, uint32_t guest)
{
	struct jt_link *link = c->guests[guest].machine;

	if (link && link->hypervisor->moved)
		link->hypervisor->moved(c, link);
}

void jt_link_forget(struct jt_link *link, const struct jt_helper *h)
{
	if (link->helpers[h->seat] == h)
		link->helpers[h->seat] = NULL;
}

static void cut_end(struct jt_link *link)
{
	unsigned int i;

	for (i = 0; i < JT_MACHINE_SLOTS; i++)
		if (link->helpers[i] && link->helpers[i]->cut)
			helper_end(link, i);
	link->cut = false;
}

/* An agent says something every CLOCK_NS while a program of its is attached. */
static bool silent(const struct jt_link *link, uint64_t now)
{
	unsigned int i;

	if (now < link->heard_ns + 3 * CLOCK_NS) /* it may have rung since @now */
		return false;
	for (i = 0; i < JT_MACHINE_SLOTS; i++)
		if (link->helpers[i] && link->helpers[i]->slice.header)
			return true;
	return false;
}

/* The machine was reset, or its agent killed: its ports are its kernel's again. */
static void silence(struct jt_link *link)
{
	helpers_end(link);
	wake(link, JT_WAKES_ALL_GONE);
}

/* Without a cause it looks at nothing but the time: there may be many machines. */
void jt_links_turn(struct jt_controller *c, uint64_t now)
{
	struct jt_link *link;

	if (!c->links_due && now - c->links_looked_ns < LOOK_NS)
		return;
	c->links_due = false;
	c->links_looked_ns = now;
	for (link = c->links; link; link = link->next) {
		if (link->bell)
			bell_heard(link);
		if (link->cut)
			cut_end(link);
		if (link->page && silent(link, now))
			silence(link);
		if (link->page && link->hypervisor->lost && link->hypervisor->lost(link)) {
			jt_log("the memory of guest %s was taken away: its helpers are gone",
			       c->guests[link->guest].spec.name);
			jt_link_end(link);
		}
	}
}

bool jt_links_tick(struct jt_controller *c, uint64_t now)
{
	struct jt_link *link;
	bool any = false;

	for (link = c->links; link; link = link->next) {
		any |= jt_fence_tick(link, now);
		if (!link->page || !link->boot || !JT_READ(link->page->wakes)) {
			link->again = 0;
			continue;
		}
		if (link->again < RINGS_MAX && now - link->rang_ns > JT_LINK_TICK_NS) {
			link->again++;
			ring(link, now);
		}
		any |= link->again < RINGS_MAX;
	}
	return any;
}

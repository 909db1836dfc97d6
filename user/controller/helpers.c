// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "controller/foreign.h"
#include "controller/helpers.h"
#include "controller/places.h"
#include "controller/scheduler.h"

#define BARRED_NS 1000000000ULL /* after one was cut off: attaching costs the controller's time */
#define REST_TRIES 8U		/* swaps for what a dead one left */

static void leave_guest(struct jt_controller *c, struct jt_helper *h)
{
	struct jt_helper **at = &c->guests[h->guest].helpers;

	while (*at && *at != h)
		at = &(*at)->next_here;
	if (*at)
		*at = h->next_here;
}

void jt_helper_release(struct jt_controller *c, struct jt_helper *h)
{
	jt_claims_close(c, h);
	if (h->member.domain)
		jt_domain_leave(c, &h->member);
	h->backend->release(c, h);
}

static void namespace_close(struct jt_helper *h)
{
	if (h->namespace >= 0)
		close(h->namespace);
	h->namespace = -1;
}

static void helper_close(struct jt_controller *c, struct jt_helper *h)
{
	int connection;

	if (h->slice.header) {
		jt_slices_flush(c); /* nobody is on that list now */
		jt_calls_close(c, h);
		leave_guest(c, h);
	}
	*h->link = h->next;
	if (h->next)
		h->next->link = h->link;
	c->helpers.count--;
	connection = h->watch.fd;
	if (connection >= 0) {
		jt_watch_remove(c, &h->watch);
		jt_foreign_close(connection);
	}
	jt_helper_release(c, h);
	if (h->machine)
		jt_link_forget(h->machine, h);
	namespace_close(h);
	h->next = c->helpers.dead;
	c->helpers.dead = h;
}

void jt_helpers_reap(struct jt_controller *c)
{
	struct jt_helper *h;

	while ((h = c->helpers.dead)) {
		c->helpers.dead = h->next;
		free(h);
	}
}

void jt_helper_cut(struct jt_controller *c, struct jt_helper *h, const char *why)
{
	static struct jt_log_limit limit;

	if (h->cut)
		return;
	h->cut = true;
	c->guests[h->guest].barred_until_ns = jt_env_now() + BARRED_NS;
	__sync_fetch_and_add(&c->datapath.guests[h->guest].reasons[JT_REASON_SLICE_BAD], 1);
	jt_log_limited(&limit, "cut off process %d of guest %s: %s", h->pid,
		       c->guests[h->guest].spec.name, why);
	h->backend->cut(h);
}

struct jt_helper *jt_helper_of(struct jt_controller *c, uint32_t guest, uint16_t port)
{
	struct jt_helper *h;

	port = ntohs(port);
	for (h = c->guests[guest].helpers; h; h = h->next_here)
		if (h->ports[port / 64] & 1ULL << port % 64)
			return h;
	return NULL;
}

/* --- answers --------------------------------------------------------------------- */

void jt_helper_refuse(struct jt_helper *h, int err, const char *format, ...)
{
	struct jt_attach_message m = h->question;
	va_list args;

	va_start(args, format);
	jt_refusal(&m, err, format, args);
	va_end(args);
	h->backend->answer(h, &m, NULL);
}

/* --- what an attached one may ask ---------------------------------------------------- */

static void route(struct jt_controller *c, struct jt_helper *h)
{
	struct jt_attach_message m = h->question;
	struct jt_attach_route *r = &m.u.route;
	struct jt_place to = { .kind = JT_PLACE_NONE };

	r->generation = JT_READ(c->datapath.page.control->generation);
	if ((r->family == JT_FAMILY_IPV4 || r->family == JT_FAMILY_IPV6) &&
	    !jt_index_refresh(&c->index, c->datapath.maps[JT_MAP_addresses]))
		to = jt_place_of(c, r->dest_mac,
				 jt_address_make(r->family, JT_SCOPE_GUEST, r->dest));
	r->kind = to.kind;
	r->id = to.id;
	m.error = 0;
	h->backend->answer(h, &m, NULL);
}

static void barrier(struct jt_controller *c, struct jt_helper *h)
{
	struct jt_attach_message m = h->question;

	m.error = jt_slice_collect(c, h) ? 0 : -EAGAIN;
	h->backend->answer(h, &m, NULL);
}

void jt_helper_ask(struct jt_controller *c, struct jt_helper *h)
{
	static void (*const ops[])(struct jt_controller * c, struct jt_helper * h) = {
		[JT_ATTACH_HELLO] = jt_helper_hello, [JT_ATTACH_ROUTE] = route,
		[JT_ATTACH_CALL] = jt_calls_ask,     [JT_ATTACH_BARRIER] = barrier,
		[JT_ATTACH_BIND] = jt_helper_bind,
	};
	uint32_t op = h->question.op;

	h->calls.questions++;
	if (!jt_attach_sound(&h->question))
		jt_helper_refuse(h, -EPROTO, "this controller speaks version %d",
				 JT_ATTACH_VERSION);
	else if (op >= JT_ARRAY_SIZE(ops) || !ops[op])
		jt_helper_refuse(h, -EOPNOTSUPP, "there is no such question");
	else if (op != JT_ATTACH_HELLO && !h->slice.header)
		jt_helper_refuse(h, -ENOTCONN, "it is not attached");
	else if (h->unbound && op != JT_ATTACH_BIND)
		jt_helper_refuse(h, -ENOTCONN, "its AF_XDP socket is not bound");
	else
		ops[op](c, h);
	if (!h->unbound)
		namespace_close(h);
}

/* --- the connection ------------------------------------------------------------------ */

static bool has_rest(const struct jt_helper *h)
{
	return JT_READ(h->slice.header->send_head) != h->slice.send_tail || jt_calls_pending(h);
}

/*
 * Who was killed had published what lies in its slice: it leaves all the same, and
 * what it called for is done. If the page is full and no bank comes back soon, the
 * rest of it is lost and counted.
 */
static void take_rest(struct jt_controller *c, struct jt_helper *h)
{
	struct jt_slice_state *s = &h->slice;
	unsigned int i;

	if (!s->header || h->cut)
		return;
	jt_scheduler_rung(c);
	for (i = 0; i < REST_TRIES && !h->cut && has_rest(h); i++)
		jt_scheduler_flush(c);
	__sync_fetch_and_add(&c->datapath.guests[h->guest].reasons[JT_REASON_SLICE_LEFT],
			     jt_slice_left(s));
}

void jt_helper_close(struct jt_controller *c, struct jt_helper *h)
{
	take_rest(c, h);
	helper_close(c, h);
}

static void helper_ready(struct jt_controller *c, struct jt_watch *w, uint32_t events)
{
	struct jt_helper *h = (struct jt_helper *)w; /* its first member */
	ssize_t n = jt_foreign_receive(w->fd, (char *)&h->question + h->have,
				       sizeof(h->question) - h->have, &h->namespace);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		jt_helper_close(c, h);
		return;
	}
	h->have += (size_t)n;
	if (h->have < sizeof(h->question))
		return;
	h->have = 0;
	jt_helper_ask(c, h);
}

/* Are there so many connections of this user already that say nothing? */
static bool too_strange(struct jt_controller *c, uid_t uid)
{
	const struct jt_helper *h;
	unsigned int n = 0;

	for (h = c->helpers.first; h; h = h->next)
		n += h->uid == uid && !h->slice.header;
	return uid && uid != geteuid() && n >= JT_HELPERS_STRANGE;
}

struct jt_helper *jt_helper_new(struct jt_controller *c, const struct jt_backend *backend)
{
	struct jt_helper *h = c->helpers.count < JT_HELPERS_MAX ? calloc(1, sizeof(*h)) : NULL;

	if (!h)
		return NULL;
	h->backend = backend;
	h->watch.fd = h->doorbell.fd = h->receive_event = h->cycle = h->socket = -1;
	h->receive_theirs = h->cycle_theirs = -1;
	h->namespace = h->slice.fd = -1;
	h->next = c->helpers.first;
	h->link = &c->helpers.first;
	if (h->next)
		h->next->link = &h->next;
	c->helpers.first = h;
	c->helpers.count++;
	return h;
}

void jt_helper_open(struct jt_controller *c, int fd)
{
	struct jt_helper *h = NULL;
	struct ucred who = { 0 };
	socklen_t size = sizeof(who);

	if (!getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) && !too_strange(c, who.uid))
		h = jt_helper_new(c, &jt_backend_netns);
	if (!h) {
		jt_foreign_close(fd);
		return;
	}
	h->watch = (struct jt_watch){ .fd = fd, .ready = helper_ready };
	h->pid = who.pid;
	h->uid = who.uid;
	h->gid = who.gid;
	if (jt_watch_add(c, &h->watch, EPOLLIN))
		helper_close(c, h);
}

void jt_helpers_close(struct jt_controller *c)
{
	while (c->helpers.first)
		helper_close(c, c->helpers.first);
	jt_helpers_reap(c);
}

void jt_helpers_of_guest_close(struct jt_controller *c, uint32_t guest)
{
	while (c->guests[guest].helpers)
		helper_close(c, c->guests[guest].helpers);
}

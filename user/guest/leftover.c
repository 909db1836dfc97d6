// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a controller that is gone has not taken from the send ring goes the
 * kernel's way, in order, before anything else of its flows does.
 *
 * A template holds from its record on. Where the controller stopped, a number has
 * its last template, `now', if it has taken the record of that; if it has taken
 * none since `earlier' was the last, that. In between (the number was given anew
 * twice) nobody knows any more, and its messages are left out.
 */
#include <netinet/in.h>
#include <stdlib.h>

#include "guest.h"

struct leftover {
	struct jitney *j;
	uint64_t tail;
	const struct jt_template *at[JT_SLICE_TEMPLATES]; /* what holds here, by number */
	struct jt_template read[JT_SLICE_TEMPLATES];	  /* of records met on the way */
};

static void address_set(struct jitney_flow *f)
{
	const struct jt_template *t = &f->template;
	struct sockaddr_in *ipv4 = (struct sockaddr_in *)&f->to;

	memset(&f->to, 0, sizeof(f->to));
	if (t->kind == JT_TEMPLATE_UDP4) {
		ipv4->sin_family = AF_INET;
		ipv4->sin_port = t->u.udp4.dest_port;
		ipv4->sin_addr.s_addr = t->u.udp4.dest;
		f->to_length = sizeof(*ipv4);
		return;
	}
	f->to.sin6_family = AF_INET6;
	f->to.sin6_port = t->u.udp6.dest_port;
	memcpy(&f->to.sin6_addr, t->u.udp6.dest, 16);
	if (IN6_IS_ADDR_LINKLOCAL(&f->to.sin6_addr))
		f->to.sin6_scope_id = f->j->ifindex;
	f->to_length = sizeof(f->to);
}

/* Through a flow for the purpose: its own may have another template by now, or be gone. */
static void message_send(struct leftover *l, const struct jt_template *t, uint8_t *data,
			 uint32_t length)
{
	struct jitney_flow f = { .j = l->j, .template = *t };
	struct iovec message = { data, length };

	f.port = jt_port_find(l->j, jt_ntohs(t->u.udp4.source_port));
	if (!f.port)
		return;
	address_set(&f);
	jt_flow_control(&f, t->tos, t->ttl);
	jt_socket_send(&f, &message, 1);
}

static void record_take(struct leftover *l, const struct jt_slice_record *r, uint8_t *body)
{
	uint32_t number = r->template & (JT_SLICE_TEMPLATES - 1);

	if (r->kind == JT_SLICE_MESSAGE && l->at[number]) {
		message_send(l, l->at[number], body, r->length);
	} else if (r->kind == JT_SLICE_TEMPLATE) {
		memcpy(&l->read[number], body, sizeof(l->read[number]));
		l->at[number] = &l->read[number];
	}
}

static void walk(struct leftover *l)
{
	struct jt_view *s = &l->j->view;
	struct jt_slice_record r;
	uint64_t at = l->tail, place, left, span;

	while (at != l->j->head) {
		place = at & (s->send_size - 1);
		left = s->send_size - place;
		memcpy(&r, s->send + place, sizeof(r));
		span = r.kind == JT_SLICE_SKIP ? left : jt_slice_span(r.length);
		if (span > left || span > l->j->head - at)
			return;
		record_take(l, &r, s->send + place + sizeof(r));
		at += span;
	}
}

void jt_slice_leftover(struct jitney *j)
{
	uint64_t tail = JT_READ(j->view.slice->send_tail);
	struct leftover *l;
	unsigned int i;

	if (tail == j->head || j->head - tail > j->view.send_size)
		return;
	l = calloc(1, sizeof(*l));
	if (!l)
		return;
	l->j = j;
	l->tail = tail;
	for (i = 0; i < JT_SLICE_TEMPLATES; i++) {
		const struct jt_number *n = &j->numbers[i];

		if (n->used && n->since < tail)
			l->at[i] = &n->now;
		else if (n->used && n->first >= tail)
			l->at[i] = &n->earlier;
	}
	walk(l);
	free(l);
}

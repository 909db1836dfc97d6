/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A handle of libjitney as if a controller had given it a slice: the slice and
 * the notice are plain memory, and the test is the controller.
 */
#ifndef TESTS_HANDLE_H
#define TESTS_HANDLE_H

#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest/guest.h"
#include <jitney/parse.h>
#include "packet.h"

struct handle {
	struct jitney *j;
	struct jt_notice *notice;
	struct jitney_flow *flow;
	int controller; /* its end of the connection */
	uint64_t tail;	/* of the send ring, as the controller has it */
	struct jt_template templates[JT_SLICE_TEMPLATES];
};

static TEST_UNUSED void slice_give(struct jitney *j, uint32_t send_size, uint32_t receive_size)
{
	size_t size = jt_slice_rings_end(send_size, receive_size);
	struct jt_slice *slice = aligned_alloc(4096, size);

	memset(slice, 0, size);
	slice->send_size = send_size;
	slice->receive_size = receive_size;
	j->view =
		(struct jt_view){ .slice = slice,
				  .size = size,
				  .send = (uint8_t *)slice + jt_slice_send_offset(),
				  .receive = (uint8_t *)slice + jt_slice_receive_offset(send_size),
				  .send_size = send_size,
				  .receive_size = receive_size };
}

static TEST_UNUSED void notice_give(struct handle *h)
{
	h->notice = calloc(1, sizeof(*h->notice));
	h->notice->magic = JT_NOTICE_MAGIC;
	h->notice->small = 512;
	h->notice->latency_ns = 2000000;
	h->notice->alive_until_ns = UINT64_MAX;
	h->notice->peer_alive_until_ns[0] = UINT64_MAX;
	h->notice->peer_room[0] = 1480;
	h->j->notice = h->notice;
}

/* A flow to peer 0 whose route is known for ever. */
static TEST_UNUSED struct jitney_flow *flow_give(struct handle *h, const char *to, uint16_t port)
{
	struct jt_hop hop = { .source = { 127, 0, 0, 1 }, .mac = { 2, 0, 0, 0, 0, 2 } };
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct jitney_flow *flow;
	const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };

	inet_pton(AF_INET, to, &at.sin_addr);
	if (jitney_connect(h->j, 0, (struct sockaddr *)&at, sizeof(at), NULL, &flow))
		abort();
	jt_template_make(flow, &hop, mac);
	flow->known = true;
	flow->asked = true;
	flow->kind = JT_PLACE_PEER;
	flow->look_ns = UINT64_MAX;
	return flow;
}

static TEST_UNUSED void handle_open(struct handle *h, uint32_t send_size, uint32_t flags)
{
	struct jitney_options options = { .size = sizeof(options),
					  .call = JITNEY_STACK,
					  .flags = flags };
	static const struct jt_attach_hello hello;
	int ends[2];

	memset(h, 0, sizeof(*h));
	if (jitney_open(&h->j, &options) || socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
		abort();
	h->controller = ends[0];
	h->j->connection = ends[1];
	h->j->upkeep_ns = UINT64_MAX;
	h->j->fds[JT_FD_DOORBELL] = eventfd(0, EFD_NONBLOCK);
	h->j->fds[JT_FD_CYCLE] = eventfd(0, EFD_NONBLOCK);
	slice_give(h->j, send_size, JT_SLICE_RING_MIN);
	notice_give(h);
	if (jt_call_slice.open(h->j, &hello))
		abort();
	h->j->call = &jt_call_slice;
	h->j->peers[0].swaps = 0; /* as the notice says: no message is alone */
	h->flow = flow_give(h, "127.0.0.1", 9);
}

static TEST_UNUSED void handle_close(struct handle *h)
{
	h->j->view.slice->send_tail = h->j->head; /* nothing is left over */
	jt_call_slice.close(h->j);
	free(h->j->view.slice);
	free(h->notice);
	memset(&h->j->view, 0, sizeof(h->j->view));
	jt_attach_close(h->j);
	close(h->controller);
	h->j->call = &jt_call_stack;
	h->j->notice = NULL;
	jt_notice_forget(h->j);
	jitney_close(h->j);
}

/*
 * Take the next message out of the send ring, as a controller does.
 * Return: 1 with @out set, its body in the ring; 0: the ring is empty; -1: it makes no sense.
 */
static TEST_UNUSED int ring_next(struct handle *h, struct jt_slice_record *out,
				 const uint8_t **body)
{
	struct jt_view *s = &h->j->view;
	uint64_t head = JT_READ(s->slice->send_head), at, span;

	while (h->tail != head) {
		at = h->tail & (s->send_size - 1);
		memcpy(out, s->send + at, sizeof(*out));
		*body = s->send + at + sizeof(*out);
		span = out->kind == JT_SLICE_SKIP ? s->send_size - at : jt_slice_span(out->length);
		if (span > s->send_size - at || span > head - h->tail ||
		    out->template >= JT_SLICE_TEMPLATES)
			return -1;
		h->tail += span;
		if (out->kind == JT_SLICE_MESSAGE)
			return 1;
		if (out->kind == JT_SLICE_TEMPLATE)
			memcpy(&h->templates[out->template], *body, sizeof(h->templates[0]));
		else if (out->kind != JT_SLICE_SKIP)
			return -1;
	}
	return 0;
}

/* What was taken is the helper's again. */
static TEST_UNUSED void ring_give_back(struct handle *h)
{
	JT_WRITE(h->j->view.slice->send_tail, h->tail);
}

#endif

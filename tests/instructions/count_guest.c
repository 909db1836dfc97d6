// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * libjitney's instructions for a message of 64 bytes: the encapsulator, and what is
 * received out of a slice.
 */
#include "../unit/unit.h"
#include "../common/handle.h"
#include "count.h"

#define MESSAGES 100U
#define MANY 32U
#define SIZE 64U

static uint8_t payload[SIZE];

static void send_one(void)
{
	struct handle h;
	unsigned int i;

	handle_open(&h, 1U << 20, 0);
	jitney_send(h.flow, payload, SIZE, 0); /* with the template */
	counting();
	for (i = 0; i < MESSAGES; i++)
		jitney_send(h.flow, payload, SIZE, 0);
	counted("jitney_send()", MESSAGES);
	handle_close(&h);
}

static void send_many(void)
{
	struct iovec messages[MANY];
	struct handle h;
	unsigned int i;

	for (i = 0; i < MANY; i++)
		messages[i] = (struct iovec){ payload, SIZE };
	handle_open(&h, 1U << 20, 0);
	jitney_send(h.flow, payload, SIZE, 0);
	counting();
	for (i = 0; i < MESSAGES; i++)
		jitney_send_many(h.flow, messages, MANY, 0);
	counted("jitney_send_many()", MESSAGES * MANY);
	handle_close(&h);
}

static void receive(void)
{
	struct jt_slice_arrival a = { .kind = JT_SLICE_MESSAGE, .length = SIZE, .family = 4 };
	struct jitney_message out[MANY];
	struct jt_view *s;
	struct handle h;
	unsigned int n;
	uint64_t head;

	handle_open(&h, JT_SLICE_RING_MIN, JITNEY_NONBLOCK);
	s = &h.j->view;
	for (head = 0; head < MESSAGES * jt_arrival_span(SIZE); head += jt_arrival_span(SIZE))
		memcpy(s->receive + head, &a, sizeof(a));
	JT_WRITE(s->slice->receive_head, head);
	counting();
	n = jt_view_receive(h.j, s, head, out, MANY);
	counted("a message out of a slice", n);
	jt_view_release(s);
	handle_close(&h);
}

/* Without the results, which are looked at once a queue. */
static void call(void)
{
	static const uint64_t arguments[] = { 100000, 100 };
	struct handle h;
	unsigned int i;

	handle_open(&h, JT_SLICE_RING_MIN, 0);
	counting();
	for (i = 0; i < JT_REQUESTS; i++)
		jitney_control(h.j, JITNEY_REPORT, arguments, NULL);
	counted("jitney_control(), deferred", JT_REQUESTS);
	handle_close(&h);
}

int main(void)
{
	send_one();
	send_many();
	receive();
	call();
	return 0;
}

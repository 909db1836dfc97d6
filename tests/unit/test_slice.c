// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * libjitney from the inside: rings, which way a message goes, and what is received
 * in which order.
 */
#include "unit.h"
#include "../common/handle.h"
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>

static void put_one(struct handle *h, uint32_t length, uint32_t number)
{
	uint8_t payload[512];

	memset(payload, (int)number, length);
	assert_int_equal(jitney_send(h->flow, payload, length, 0), 0);
}

static void expect_one(struct handle *h, uint32_t length, uint32_t number)
{
	struct jt_slice_record r;
	const uint8_t *body;
	uint32_t i;

	assert_int_equal(ring_next(h, &r, &body), 1);
	assert_int_equal(r.length, length);
	for (i = 0; i < length; i++)
		assert_int_equal(body[i], (uint8_t)number);
	assert_memory_equal(&h->templates[r.template], &h->flow->template,
			    sizeof(h->flow->template));
}

/* Every length, so that the ring's end is met everywhere, and behind a full ring. */
static void test_ring_wraps(void **state)
{
	struct handle h;
	uint32_t n, i;

	(void)state;
	handle_open(&h, JT_SLICE_RING_MIN, 0);
	for (n = 0; n < 20000; n++) {
		for (i = 0; i < n % 5; i++)
			put_one(&h, (n * 7 + i) % 512, n + i);
		for (i = 0; i < n % 5; i++)
			expect_one(&h, (n * 7 + i) % 512, n + i);
		ring_give_back(&h);
	}
	assert_int_equal(h.j->statistics.waited, 0);
	assert_int_equal(h.j->statistics.sent_stack, 0);
	assert_int_equal(h.j->view.slice->send_head, h.tail);
	handle_close(&h);
}

static void test_ring_fills(void **state)
{
	struct jt_slice_record r;
	const uint8_t *body;
	uint8_t payload[100] = { 0 };
	uint64_t rung;
	struct handle h;
	int n = 0, err;

	(void)state;
	handle_open(&h, JT_SLICE_RING_MIN, JITNEY_NONBLOCK);
	while (!(err = jitney_send(h.flow, payload, sizeof(payload), 0)))
		n++;
	assert_int_equal(err, -EAGAIN);
	assert_in_range(n, 140, 146); /* of 112 bytes, behind a template of 72 */
	assert_int_equal(h.j->view.slice->send_waiting, 1);
	assert_int_equal(h.j->statistics.waited, 1);
	assert_int_equal(read(h.j->fds[JT_FD_DOORBELL], &rung, 8), 8);
	assert_int_equal(jitney_send(h.flow, payload, sizeof(payload), 0), -EAGAIN);
	while (n--)
		assert_int_equal(ring_next(&h, &r, &body), 1);
	assert_int_equal(ring_next(&h, &r, &body), 0);
	ring_give_back(&h);
	put_one(&h, 100, 1);
	expect_one(&h, 100, 1);
	handle_close(&h);
}

static bool readable(struct jitney *j)
{
	struct pollfd p = { .fd = jitney_fd(j), .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

/* Who was told -EAGAIN hears of room, and of it only until the next call that sends. */
static void test_room_is_told(void **state)
{
	uint8_t payload[100] = { 0 };
	struct handle h;

	(void)state;
	handle_open(&h, JT_SLICE_RING_MIN, JITNEY_NONBLOCK);
	eventfd_write(h.j->fds[JT_FD_CYCLE], 1);
	assert_false(readable(h.j)); /* nobody waits */
	while (!jitney_send(h.flow, payload, sizeof(payload), 0))
		;
	assert_true(readable(h.j)); /* a word from before: no harm, it looks once more */
	assert_int_equal(jitney_send(h.flow, payload, sizeof(payload), 0), -EAGAIN);
	assert_int_equal(h.j->view.slice->send_waiting, 1);
	assert_false(readable(h.j));
	h.tail = h.j->head;
	ring_give_back(&h);
	assert_false(readable(h.j)); /* it is the controller's word that counts */
	assert_int_equal(jt_cas(&h.j->view.slice->send_waiting, 1, 0), 1);
	eventfd_write(h.j->fds[JT_FD_CYCLE], 1);
	assert_true(readable(h.j));
	assert_true(readable(h.j));
	assert_int_equal(jitney_send(h.flow, payload, sizeof(payload), 0), 0);
	assert_false(readable(h.j));
	assert_int_equal(h.j->view.slice->send_waiting, 0);
	while (!jitney_send(h.flow, payload, sizeof(payload), 0))
		;
	eventfd_write(h.j->fds[JT_FD_CYCLE], 1);
	assert_true(readable(h.j));
	h.j->call = &jt_call_stack; /* nobody would answer a flush */
	jitney_flush(h.j);	    /* it has thought better of it */
	h.j->call = &jt_call_slice;
	assert_false(readable(h.j));
	handle_close(&h);
}

/* A long write waits for the next cycle, once, and is told when that begins. */
static void test_postponed(void **state)
{
	const struct iovec two[] = { { "1", 1 }, { "2", 1 } };
	struct handle h;

	(void)state;
	handle_open(&h, JT_SLICE_RING_MIN, JITNEY_NONBLOCK);
	h.j->mean_ns = 1000000000;
	assert_int_equal(jitney_send_many(h.flow, two, 2, 0), 2); /* no cycle runs */
	h.j->mean_ns = 1000000000;
	h.notice->cycle_start_ns = jt_env_now();
	h.notice->cycle_ns = 1000000000;
	assert_int_equal(jitney_send_many(h.flow, two, 2, 0), -EAGAIN);
	assert_int_equal(h.j->view.slice->send_waiting, 1);
	assert_false(readable(h.j));
	eventfd_write(h.j->fds[JT_FD_CYCLE], 1);
	assert_true(readable(h.j));
	assert_int_equal(jitney_send_many(h.flow, two, 2, 0), 2); /* once a cycle */
	assert_false(readable(h.j));
	assert_int_equal(h.j->view.slice->postponed, 1);
	assert_int_equal(h.j->statistics.postponed, 1);
	handle_close(&h);
}

static uint64_t rings(struct handle *h)
{
	uint64_t n;

	return read(h->j->fds[JT_FD_DOORBELL], &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static void test_doorbell(void **state)
{
	struct handle h;
	int i;

	(void)state;
	handle_open(&h, JT_SLICE_RING_MIN, 0);
	put_one(&h, 10, 1);
	assert_int_equal(rings(&h), 0); /* awake */
	h.notice->asleep = 1;
	put_one(&h, 10, 1);
	put_one(&h, 10, 1);
	assert_int_equal(rings(&h), 1); /* one a sleep */
	for (i = 0; i < 3; i++)
		expect_one(&h, 10, 1);
	ring_give_back(&h); /* it has been awake, and sleeps again */
	put_one(&h, 10, 1);
	assert_int_equal(rings(&h), 1);
	h.notice->asleep = 0;
	for (i = 0; i < 250; i++)
		put_one(&h, 24, 1);
	assert_int_equal(rings(&h), 0);
	for (i = 0; i < 10; i++)
		put_one(&h, 24, 1);
	assert_int_equal(rings(&h), 1); /* half full */
	handle_close(&h);
}

/* More flows than numbers: each message still has its own flow's template. */
static void test_many_flows(void **state)
{
	enum { FLOWS = 300 };
	struct jitney_flow *flows[FLOWS];
	struct jt_slice_record r;
	const uint8_t *body;
	struct handle h;
	unsigned int i, n;

	(void)state;
	handle_open(&h, JT_SLICE_RING_MIN * 4, 0);
	for (i = 0; i < FLOWS; i++) {
		flows[i] = flow_give(&h, "127.0.0.1", (uint16_t)(1000 + i));
		assert_non_null(flows[i]);
	}
	for (n = 0; n < 5000; n++) {
		i = n < 2500 ? n % FLOWS : (unsigned int)random() % FLOWS;
		assert_int_equal(jitney_send(flows[i], &i, sizeof(i), 0), 0);
		assert_int_equal(ring_next(&h, &r, &body), 1);
		assert_memory_equal(body, &i, sizeof(i));
		assert_int_equal(ntohs(h.templates[r.template].u.udp4.dest_port), 1000 + i);
		ring_give_back(&h);
	}
	handle_close(&h);
}

static void test_ways(void **state)
{
	uint8_t payload[2000] = { 0 };
	struct handle h;

	(void)state;
	handle_open(&h, JT_SLICE_RING_MIN, 0);
	put_one(&h, 10, 1);
	assert_int_equal(jitney_send(h.flow, payload, 600, 0), 0); /* large, and was aboard */
	assert_int_equal(h.j->statistics.sent, 2);
	assert_int_equal(jitney_send(h.flow, payload, 1500, 0), 0); /* fits no frame */
	assert_int_equal(h.j->statistics.sent_stack, 1);
	h.flow->aboard_ns = 0;
	assert_int_equal(jitney_send(h.flow, payload, 10, 0), 0); /* its last one still waits */
	assert_int_equal(h.j->statistics.sent, 3);
	h.j->view.slice->send_tail = h.j->view.slice->send_head;
	h.flow->aboard_ns = 0;
	assert_int_equal(jitney_send(h.flow, payload, 10, 0), 0); /* behind a large one */
	assert_int_equal(h.j->statistics.sent_stack, 2);
	h.flow->legacy_until_ns = 0;
	h.notice->swaps = 1;
	assert_int_equal(jitney_send(h.flow, payload, 10, 0), 0); /* alone */
	assert_int_equal(h.j->statistics.sent_stack, 3);
	put_one(&h, 10, 1);
	put_one(&h, 10, 1); /* the mean of the gaps has come down */
	put_one(&h, 10, 1);
	assert_int_equal(h.j->statistics.sent_stack, 4);
	assert_int_equal(h.j->statistics.sent, 5);
	h.notice->peer_alive_until_ns[0] = 1;
	h.j->statistics.sent_stack = 0;
	assert_int_equal(jitney_send(h.flow, payload, 10, 0), 0);
	h.notice->peer_alive_until_ns[0] = UINT64_MAX;
	h.notice->alive_until_ns = 1;
	assert_int_equal(jitney_send(h.flow, payload, 10, 0), 0);
	h.notice->alive_until_ns = UINT64_MAX;
	h.notice->magic = 0;
	assert_int_equal(jitney_send(h.flow, payload, 10, 0), 0);
	assert_int_equal(h.j->statistics.sent_stack, 3);
	handle_close(&h);
}

static void arrive(struct jt_view *s, uint64_t *head, uint32_t length, uint32_t number)
{
	struct jt_slice_arrival a = { .kind = JT_SLICE_MESSAGE,
				      .length = (uint16_t)length,
				      .family = number & 1 ? 6 : 4,
				      .dest_port = htons(7000),
				      .source_port = htons((uint16_t)number),
				      .source = { 10, 0, 0, 1 } };
	struct jt_slice_arrival skip = { .kind = JT_SLICE_SKIP };
	__u64 gap;
	uint8_t *at;

	assert_true(jt_ring_room(*head, s->slice->receive_tail, s->receive_size,
				 jt_arrival_span(length), &gap));
	if (gap)
		memcpy(s->receive + (*head & (s->receive_size - 1)), &skip, 8);
	at = s->receive + ((*head + gap) & (s->receive_size - 1));
	memcpy(at, &a, sizeof(a));
	memset(at + sizeof(a), (int)number, length);
	*head += gap + jt_arrival_span(length);
}

static void test_receive(void **state)
{
	struct jitney_message m[8];
	struct jt_view *s;
	uint64_t head = 0;
	struct handle h;
	uint32_t n, i;

	(void)state;
	handle_open(&h, JT_SLICE_RING_MIN, 0);
	s = &h.j->view;
	for (n = 0; n < 5000; n++) {
		for (i = 0; i < n % 6; i++)
			arrive(s, &head, (n * 13 + i) % 600, n + i);
		assert_int_equal(jt_view_receive(h.j, s, head, m, 8), n % 6);
		for (i = 0; i < n % 6; i++) {
			assert_int_equal(m[i].length, (n * 13 + i) % 600);
			assert_int_equal(m[i].port, 7000);
			assert_int_equal(ntohs(m[i].from.ipv4.sin_port), (uint16_t)(n + i));
			assert_int_equal(m[i].from.any.sa_family, (n + i) & 1 ? AF_INET6 : AF_INET);
			if (m[i].length)
				assert_int_equal(((const uint8_t *)m[i].data)[m[i].length - 1],
						 (uint8_t)(n + i));
		}
		jt_view_release(s);
		assert_int_equal(s->slice->receive_tail, head);
	}
	handle_close(&h);
}

/* Nothing that stands in the ring makes the library read outside of it. */
static void test_receive_nonsense(void **state)
{
	struct jitney_message m[64];
	struct handle h;
	uint32_t n, i;
	unsigned int got;

	(void)state;
	handle_open(&h, JT_SLICE_RING_MIN, 0);
	for (n = 0; n < 3000; n++) {
		struct jt_view *s = &h.j->view;

		for (i = 0; i < s->receive_size; i += 8) {
			uint64_t word = (uint64_t)random() << 33 ^ (uint64_t)random();

			if (!(random() % 4))
				word = (word & 0x3ff0000ULL) | (random() % 4 ? 1 : 3);
			memcpy(s->receive + i, &word, 8);
		}
		/* Close to the ring's end. */
		s->taken = s->receive_size * 3ULL - ((uint64_t)random() % 2048 & ~7ULL);
		got = jt_view_receive(h.j, s, s->taken + (uint64_t)random() % 20000, m, 64);
		for (i = 0; i < got; i++)
			assert_true((const uint8_t *)m[i].data >= s->receive &&
				    (const uint8_t *)m[i].data + m[i].length <=
					    s->receive + s->receive_size);
	}
	handle_close(&h);
}

/* What a controller leaves behind goes through the sockets, in order. */
static void test_leftover(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t length = sizeof(at);
	int fd = socket(AF_INET, SOCK_DGRAM, 0), i, got;
	struct jt_slice_record r;
	const uint8_t *body;
	struct handle h;

	(void)state;
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &length), 0);
	handle_open(&h, JT_SLICE_RING_MIN * 4, 0);
	h.flow = flow_give(&h, "127.0.0.1", ntohs(at.sin_port));
	for (i = 0; i < 100; i++)
		assert_int_equal(jitney_send(h.flow, &i, sizeof(i), 0), 0);
	for (i = 0; i < 40; i++) /* the controller got so far */
		assert_int_equal(ring_next(&h, &r, &body), 1);
	ring_give_back(&h);
	jt_slice_leftover(h.j);
	for (i = 40; i < 100; i++) {
		assert_int_equal(recv(fd, &got, sizeof(got), MSG_DONTWAIT), sizeof(got));
		assert_int_equal(got, i);
	}
	assert_int_equal(recv(fd, &got, sizeof(got), MSG_DONTWAIT), -1);
	assert_int_equal(h.j->statistics.sent_stack, 60);
	close(fd);
	handle_close(&h);
}

/* The descriptor is readable while there is something, from sockets and from a slice. */
static void test_fd(void **state)
{
	struct jitney_message m[4];
	struct sockaddr_in to = { .sin_family = AF_INET };
	uint64_t head = 0;
	char text[8] = { 0 };
	struct handle h;
	int fd = socket(AF_INET, SOCK_DGRAM, 0), port;

	(void)state;
	handle_open(&h, JT_SLICE_RING_MIN, JITNEY_NONBLOCK);
	h.j->fds[JT_FD_RECEIVE] = eventfd(0, EFD_NONBLOCK);
	assert_int_equal(epoll_ctl(h.j->epoll, EPOLL_CTL_ADD, h.j->fds[JT_FD_RECEIVE],
				   &(struct epoll_event){ .events = EPOLLIN }),
			 0);
	port = jitney_bind(h.j, 0);
	assert_true(port > 0);
	assert_int_equal(jitney_receive(h.j, m, 4, -1), -EAGAIN);
	assert_false(readable(h.j));
	to.sin_port = htons((uint16_t)port);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(sendto(fd, "four", 4, 0, (struct sockaddr *)&to, sizeof(to)), 4);
	assert_true(readable(h.j));
	assert_int_equal(jitney_receive_copy(h.j, text, 2, m), 4);
	assert_string_equal(text, "fo");
	assert_int_equal(m[0].port, port);
	assert_int_equal(m[0].from.any.sa_family, AF_INET);
	assert_int_equal(m[0].ttl, 64);
	assert_int_equal(jitney_receive_copy(h.j, text, 2, NULL), -EAGAIN);
	assert_false(readable(h.j));
	/* The slice, behind the socket: what came the kernel's way is older. */
	assert_int_equal(h.j->view.slice->receive_waiting, 1);
	arrive(&h.j->view, &head, 3, 2);
	JT_WRITE(h.j->view.slice->receive_head, head);
	eventfd_write(h.j->fds[JT_FD_RECEIVE], 1);
	assert_int_equal(sendto(fd, "first", 5, 0, (struct sockaddr *)&to, sizeof(to)), 5);
	assert_true(readable(h.j));
	assert_int_equal(jitney_receive(h.j, m, 4, -1), 2);
	assert_int_equal(m[0].length, 5);
	assert_int_equal(m[1].length, 3);
	assert_int_equal(jitney_receive(h.j, m, 4, -1), -EAGAIN);
	assert_false(readable(h.j));
	close(fd);
	handle_close(&h);
}

static void test_ports_go_with_their_last_flow(void **state)
{
	struct jitney_flow *one;
	uint16_t any, asked;
	struct handle h;

	(void)state;
	handle_open(&h, JT_SLICE_RING_MIN, 0);
	one = flow_give(&h, "127.0.0.1", 9);
	any = one->port->number;
	jitney_disconnect(one);
	assert_null(jt_port_find(h.j, any));
	one = flow_give(&h, "127.0.0.1", 9);
	asked = one->port->number;
	assert_int_equal(jitney_bind(h.j, asked), asked); /* from here on it is wanted for itself */
	jitney_disconnect(one);
	assert_non_null(jt_port_find(h.j, asked));
	handle_close(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ring_wraps),
		cmocka_unit_test(test_ring_fills),
		cmocka_unit_test(test_doorbell),
		cmocka_unit_test(test_many_flows),
		cmocka_unit_test(test_ways),
		cmocka_unit_test(test_receive),
		cmocka_unit_test(test_receive_nonsense),
		cmocka_unit_test(test_leftover),
		cmocka_unit_test(test_fd),
		cmocka_unit_test(test_room_is_told),
		cmocka_unit_test(test_postponed),
		cmocka_unit_test(test_ports_go_with_their_last_flow),
	};

	return RUN(tests);
}

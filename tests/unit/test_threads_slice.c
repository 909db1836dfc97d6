// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Helper and controller at once, under ThreadSanitizer: the send ring, and both wake-ups. */
#include "unit.h"
#include "../common/handle.h"
#include <poll.h>
#include <pthread.h>

#define MESSAGES 200000U

static void sleep_if_empty(struct handle *h)
{
	struct pollfd p = { .fd = h->j->fds[JT_FD_DOORBELL], .events = POLLIN };
	uint64_t n;

	__atomic_store_n(&h->notice->asleep, 1, __ATOMIC_SEQ_CST);
	/* Not a fence: ThreadSanitizer knows none. */
	if (__atomic_load_n(&h->j->view.slice->send_head, __ATOMIC_SEQ_CST) == h->tail) {
		assert_int_equal(poll(&p, 1, 10000), 1);
		assert_int_equal(read(p.fd, &n, sizeof(n)), sizeof(n));
	}
	JT_WRITE(h->notice->asleep, 0);
}

static void wake_waiting(struct handle *h)
{
	if (jt_cas(&h->j->view.slice->send_waiting, 1, 0) == 1)
		eventfd_write(h->j->fds[JT_FD_CYCLE], 1);
}

static void *controller(void *arg)
{
	struct handle *h = arg;
	struct jt_slice_record r;
	const uint8_t *body;
	uint32_t want = 0, got;

	while (want < MESSAGES) {
		while (ring_next(h, &r, &body) == 1) {
			memcpy(&got, body, sizeof(got));
			assert_int_equal(got, want);
			want++;
		}
		ring_give_back(h);
		wake_waiting(h);
		if (want < MESSAGES)
			sleep_if_empty(h);
	}
	return NULL;
}

static void test_send_ring(void **state)
{
	struct handle h;
	pthread_t thread;
	uint32_t i;

	(void)state;
	handle_open(&h, JT_SLICE_RING_MIN, 0);
	assert_int_equal(pthread_create(&thread, NULL, controller, &h), 0);
	for (i = 0; i < MESSAGES; i++)
		assert_int_equal(jitney_send(h.flow, &i, sizeof(i) + i % 60, 0), 0);
	pthread_join(thread, NULL);
	assert_int_equal(h.j->statistics.sent, MESSAGES);
	handle_close(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_send_ring),
	};

	return RUN(tests);
}

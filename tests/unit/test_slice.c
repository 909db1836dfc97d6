// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * libjitney from the inside: rings, checksums, and templates that are what a
 * kernel's UDP socket sends.
 */
#include "unit.h"
#include "../common/handle.h"
#include "guest/checksum.h"
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>

/* RFC 1071 by the book: two bytes at a time. */
static uint16_t plain_check(const uint8_t *p, size_t n, uint32_t sum)
{
	for (; n > 1; p += 2, n -= 2)
		sum += (uint32_t)(p[0] << 8 | p[1]);
	if (n)
		sum += (uint32_t)p[0] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum & 0xffff;
	return htons(sum ? (uint16_t)sum : 0xffff);
}

static void test_checksum(void **state)
{
	uint8_t from[600], to[600];
	const uint8_t fixed[] = { 10, 0, 0, 1, 10, 0, 0, 2, 0, 17, 0x1f, 0x90, 0xff, 0xff };
	uint64_t sum, words = 0;
	uint16_t word;
	size_t n, i;

	(void)state;
	for (i = 0; i < sizeof(fixed); i += 2) {
		memcpy(&word, fixed + i, 2);
		words += word;
	}
	for (n = 0; n < sizeof(from); n++) {
		uint8_t packet[sizeof(fixed) + 4 + sizeof(from)];
		const uint8_t lengths[] = { (uint8_t)((n + 8) >> 8), (uint8_t)(n + 8) };

		for (i = 0; i < n; i++)
			from[i] = n % 3 ? (uint8_t)random() : 0xff;
		memset(to, 0xaa, sizeof(to));
		sum = jt_copy_sum(to, from, n);
		assert_memory_equal(to, from, n);
		assert_true(n == sizeof(from) || to[n] == 0xaa);
		memcpy(packet, fixed, sizeof(fixed));
		memcpy(packet + sizeof(fixed), lengths, 2);
		memcpy(packet + sizeof(fixed) + 2, lengths, 2);
		memcpy(packet + sizeof(fixed) + 4, from, n);
		assert_int_equal(jt_udp_check(words, sum, n),
				 plain_check(packet, sizeof(fixed) + 4 + n, 0));
	}
	/* A sum of 0xffff would make zero, which means that there is none. */
	assert_int_equal(jt_udp_check(0, jt_sum_add(0xffff, 0) - 2U * htons(8), 0), 0xffff);
}

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
	assert_int_equal(h.j->share.slice->send_head, h.tail);
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
	assert_int_equal(h.j->share.slice->send_waiting, 1);
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
	assert_int_equal(h.j->statistics.sent, 4);
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

static void arrive(struct jt_share *s, uint64_t *head, uint32_t length, uint32_t number)
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
	struct jt_share *s;
	uint64_t head = 0;
	struct handle h;
	uint32_t n, i;

	(void)state;
	handle_open(&h, JT_SLICE_RING_MIN, 0);
	s = &h.j->share;
	for (n = 0; n < 5000; n++) {
		for (i = 0; i < n % 6; i++)
			arrive(s, &head, (n * 13 + i) % 600, n + i);
		assert_int_equal(jt_share_receive(h.j, s, head, m, 8), n % 6);
		for (i = 0; i < n % 6; i++) {
			assert_int_equal(m[i].length, (n * 13 + i) % 600);
			assert_int_equal(m[i].port, 7000);
			assert_int_equal(ntohs(m[i].from.ipv4.sin_port), (uint16_t)(n + i));
			assert_int_equal(m[i].from.any.sa_family, (n + i) & 1 ? AF_INET6 : AF_INET);
			if (m[i].length)
				assert_int_equal(((const uint8_t *)m[i].data)[m[i].length - 1],
						 (uint8_t)(n + i));
		}
		jt_share_release(s);
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
		struct jt_share *s = &h.j->share;

		for (i = 0; i < s->receive_size; i += 8) {
			uint64_t word = (uint64_t)random() << 33 ^ (uint64_t)random();

			if (!(random() % 4))
				word = (word & ~0xffffULL) | (random() % 2 ? 1 : 3);
			memcpy(s->receive + i, &word, 8);
		}
		s->taken = (uint64_t)random() & ~7ULL;
		got = jt_share_receive(h.j, s, s->taken + (uint64_t)random() % 20000, m, 64);
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

/* An interface whose neighbours are all known, in a namespace of the test's own. */
static bool network_make(void)
{
	return !unshare(CLONE_NEWNET) &&
	       !system("export PATH=$PATH:/usr/sbin:/sbin; exec 2>/dev/null;"
		       "ip link add eth0 type veth peer name far && ip link set far up && ip link set eth0 address 02:00:00:00:00:01 up &&"
		       "ip address add 10.9.0.1/24 dev eth0 &&"
		       "ip address add fd09::1/64 dev eth0 nodad &&"
		       "ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev eth0 nud permanent &&"
		       "ip neigh add fd09::2 lladdr 02:00:00:00:00:02 dev eth0 nud permanent &&"
		       "ip route add 192.0.2.0/24 via 10.9.0.2");
}

/* Send one datagram the kernel's way. Return: what jt_parse() says of its packet. */
static void kernel_says(struct jitney_flow *flow, int packets, struct jt_parsed *out)
{
	struct iovec message = { "hello", 5 };
	uint8_t packet[256];
	ssize_t n;

	assert_int_equal(jt_socket_send(flow, &message, 1), 1);
	do {
		memset(out, 0, sizeof(*out));
		n = recv(packets, packet, sizeof(packet), 0);
		assert_true(n > 0);
	} while (jt_parse(packet, packet + n, (size_t)n, false, 0, out) ||
		 out->key.header.kind == JT_TEMPLATE_ETHERNET ||
		 out->key.header.u.udp4.dest_port != htons(7000));
	if (out->key.header.kind == JT_TEMPLATE_UDP6)
		out->key.header.u.udp6.flow_label = 0; /* drawn by the kernel */
}

static void same_template(struct jitney *j, int packets, const char *to,
			  const struct jitney_flow_options *options)
{
	struct sockaddr_in at4 = { .sin_family = AF_INET, .sin_port = htons(7000) };
	struct sockaddr_in6 at6 = { .sin6_family = AF_INET6, .sin6_port = htons(7000) };
	bool ipv4 = inet_pton(AF_INET, to, &at4.sin_addr) == 1;
	struct jitney_flow *flow;
	struct jt_parsed p;

	inet_pton(AF_INET6, to, &at6.sin6_addr);
	assert_int_equal(
		ipv4 ? jitney_connect(j, 0, (struct sockaddr *)&at4, sizeof(at4), options, &flow) :
		       jitney_connect(j, 0, (struct sockaddr *)&at6, sizeof(at6), options, &flow),
		0);
	jt_flow_resolve(flow, jt_now_coarse());
	assert_true(flow->known);
	kernel_says(flow, packets, &p);
	assert_memory_equal(&flow->template, &p.key.header, sizeof(p.key.header));
	assert_int_equal(flow->template_size, p.template_size);
	jitney_disconnect(flow);
}

static void test_template_as_kernel(void **state)
{
	struct jitney_flow_options marked = {
		.size = sizeof(marked), .tos = 0x48, .ttl = 9, .vlan = -1
	};
	struct jitney_options options = { .size = sizeof(options), .call = JITNEY_STACK };
	struct sockaddr_ll all = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	struct jitney *j;
	int packets;

	(void)state;
	if (!network_make()) {
		print_message("requires the right to make interfaces\n");
		skip();
	}
	packets = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	all.sll_ifindex = (int)if_nametoindex("eth0");
	assert_int_equal(bind(packets, (struct sockaddr *)&all, sizeof(all)), 0);
	assert_int_equal(jitney_open(&j, &options), 0);
	j->ifindex = if_nametoindex("eth0");
	memcpy(j->mac, "\x02\0\0\0\0\x01", 6);
	same_template(j, packets, "10.9.0.2", NULL);
	same_template(j, packets, "192.0.2.7", NULL);
	same_template(j, packets, "fd09::2", NULL);
	same_template(j, packets, "::ffff:10.9.0.2", NULL);
	same_template(j, packets, "10.9.0.2", &marked);
	same_template(j, packets, "fd09::2", &marked);
	jitney_close(j);
	close(packets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_checksum),   cmocka_unit_test(test_ring_wraps),
		cmocka_unit_test(test_ring_fills), cmocka_unit_test(test_doorbell),
		cmocka_unit_test(test_many_flows), cmocka_unit_test(test_ways),
		cmocka_unit_test(test_receive),	   cmocka_unit_test(test_receive_nonsense),
		cmocka_unit_test(test_leftover),   cmocka_unit_test(test_template_as_kernel),
	};

	return RUN(tests);
}

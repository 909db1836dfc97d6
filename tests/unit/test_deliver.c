// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the controller hands to guests: which datagrams share a packet, the packets'
 * exact headers, and what becomes of those that the kernel refuses. The system
 * calls are the test's own (--wrap); what a run becomes is cut here as the kernel
 * cuts it.
 */
#include "unit.h"
#include <errno.h>
#include <stdlib.h>
#include "../common/packet.h"
#include "common/checksum.h"
#include "controller/deliver.h"

#define FLOWS 5
#define PACKETS_MAX 4096
#define MESSAGES_MAX 20000

/* A packet as the kernel got it. */
struct taken {
	struct virtio_net_hdr vnet;
	uint8_t to[6];
	int ifindex;
	uint16_t protocol;
	uint32_t length;
	uint8_t *bytes;
};

static struct jt_deliver d;
static struct jt_guest guests[2];
static struct taken taken[PACKETS_MAX];
static unsigned int taken_count;
static int refuse_runs;		  /* errno for packets with several datagrams, 0: none */
static int refuse_ifindex;	  /* packets to it fail ... */
static int refuse_with = ENOBUFS; /* ... with this */

ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *m, unsigned int n, int flags);

ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags)
{
	const struct sockaddr_ll *to = m->msg_name;
	struct taken *t = &taken[taken_count];
	size_t i;

	(void)fd;
	(void)flags;
	assert_int_equal(m->msg_iov[0].iov_len, sizeof(t->vnet));
	memcpy(&t->vnet, m->msg_iov[0].iov_base, sizeof(t->vnet));
	errno = refuse_with;
	if (to->sll_ifindex == refuse_ifindex)
		return -1;
	errno = refuse_runs;
	if (refuse_runs && t->vnet.gso_type)
		return -1;
	t->length = 0;
	t->bytes = malloc(70000);
	for (i = 1; i < m->msg_iovlen; i++) {
		memcpy(t->bytes + t->length, m->msg_iov[i].iov_base, m->msg_iov[i].iov_len);
		t->length += (uint32_t)m->msg_iov[i].iov_len;
	}
	memcpy(t->to, to->sll_addr, 6);
	t->ifindex = to->sll_ifindex;
	t->protocol = to->sll_protocol;
	taken_count++;
	assert_true(taken_count < PACKETS_MAX);
	return t->length;
}

int __wrap_sendmmsg(int fd, struct mmsghdr *m, unsigned int n, int flags)
{
	unsigned int i;

	for (i = 0; i < n && __wrap_sendmsg(fd, &m[i].msg_hdr, flags) >= 0; i++)
		;
	return i ? (int)i : -1;
}

static void forget(void)
{
	while (taken_count)
		free(taken[--taken_count].bytes);
}

static int set_up(void **state)
{
	(void)state;
	refuse_runs = 0;
	refuse_ifindex = 0;
	refuse_with = ENOBUFS;
	memset(guests, 0, sizeof(guests));
	guests[0].ifindex = 10;
	guests[1].ifindex = 11;
	guests[0].mtu = guests[1].mtu = 1500;
	return jt_deliver_open(&d); /* a packet socket wants root */
}

static int tear_down(void **state)
{
	(void)state;
	forget();
	jt_deliver_close(&d);
	return 0;
}

/* --- messages ------------------------------------------------------------------------- */

struct message {
	uint8_t template[JT_TEMPLATE_MAX];
	uint8_t payload[1500];
	struct jt_found found;
};

static uint64_t sum_of(const struct jt_template *t)
{
	uint64_t sum = t->u.udp4.source_port + t->u.udp4.dest_port + htons(17);

	return sum + (t->kind == JT_TEMPLATE_UDP4 ? (uint64_t)t->u.udp4.source + t->u.udp4.dest :
						    jt_sum_ipv6(&t->u.words[2], &t->u.words[6]));
}

static struct jt_template template_of(unsigned int flow)
{
	struct jt_template t = { .kind = flow % 2 ? JT_TEMPLATE_UDP6 : JT_TEMPLATE_UDP4,
				 .flags = flow % 2 ? 0 : JT_TEMPLATE_DF,
				 .tos = 8,
				 .ttl = 9,
				 .dest_mac = { 2, 0, 0, 0, 0, 1 },
				 .source_mac = { 2, 0, 0, 0, 0, 2 } };

	if (flow % 2) {
		memset(t.u.udp6.source, 0xfd, 16);
		memset(t.u.udp6.dest, 0xfc, 16);
		t.u.udp6.flow_label = htonl(0x12345);
	} else {
		t.u.udp4.source = htonl(0x0a000001);
		t.u.udp4.dest = htonl(0x0a000002);
	}
	t.u.udp4.source_port = htons((uint16_t)(1000 + flow));
	t.u.udp4.dest_port = htons(2000);
	return t;
}

static void message_of(struct message *m, const struct jt_template *t, uint32_t length,
		       uint8_t first)
{
	uint8_t copy[sizeof(m->payload)];
	uint32_t i;

	for (i = 0; i < length; i++)
		m->payload[i] = (uint8_t)(first + i);
	m->found = (struct jt_found){ .bytes = m->template,
				      .template_size = jt_template_size(t->kind, t->flags),
				      .length = length,
				      .payload = m->payload };
	m->found.check = jt_udp_check(sum_of(t), jt_copy_sum(copy, m->payload, length), length);
	jt_template_store(m->template, t, m->found.template_size);
}

static struct message *add(unsigned int flow, uint32_t length, uint8_t first)
{
	static struct message m;
	struct jt_template t = template_of(flow);

	message_of(&m, &t, length, first);
	jt_deliver_add(&d, &m.found, &guests[0], NULL);
	return &m;
}

/* Everything that was gathered, as so many packets. */
static void flushed(unsigned int packets)
{
	jt_deliver_flush(&d);
	assert_int_equal(taken_count, packets);
}

/* --- what is in a run -------------------------------------------------------------------- */

static void test_run_of_ipv4(void **state)
{
	const uint8_t *ip, *udp;
	uint32_t i;

	(void)state;
	for (i = 0; i < 5; i++)
		add(0, 100, (uint8_t)i);
	add(0, 40, 5); /* shorter: the last one */
	add(0, 40, 6);
	flushed(2);
	assert_int_equal(taken[0].vnet.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(taken[0].vnet.gso_type, 5); /* UDP_L4, of virtio 1.3 */
	assert_int_equal(taken[0].vnet.gso_size, 100);
	assert_int_equal(taken[0].vnet.hdr_len, 42);
	assert_int_equal(taken[0].vnet.csum_start, 34);
	assert_int_equal(taken[0].vnet.csum_offset, 6);
	assert_int_equal(taken[0].ifindex, 10);
	assert_int_equal(taken[0].protocol, htons(0x0800));
	assert_memory_equal(taken[0].to, "\2\0\0\0\0\1", 6);
	assert_int_equal(taken[0].length, 42 + 540);
	ip = taken[0].bytes + 14;
	udp = ip + 20;
	assert_int_equal(ip[2] << 8 | ip[3], 568);
	assert_int_equal(ip[1], 8);
	assert_int_equal(ip[8], 9);
	assert_int_equal(udp[4] << 8 | udp[5], 548);
	/* The pseudo header: 10.0.0.1, 10.0.0.2, 17, 548. */
	assert_int_equal(udp[6] << 8 | udp[7], 0x0a00 + 1 + 0x0a00 + 2 + 17 + 548);
	for (i = 0; i < 540; i++)
		assert_int_equal(udp[8 + i], (uint8_t)(i / 100 + i % 100));
	/* Alone: as it came. */
	assert_int_equal(taken[1].vnet.gso_type, 0);
	assert_int_equal(taken[1].vnet.flags, 0);
	assert_int_equal(taken[1].length, 42 + 40);
	assert_int_equal((taken[1].bytes[18] << 8 | taken[1].bytes[19]) - (ip[4] << 8 | ip[5]),
			 6); /* identifications are counted on */
	assert_int_equal(guests[0].delivered, 7);
	assert_int_equal(guests[0].delivered_bytes, 580);
}

static void test_run_of_ipv6(void **state)
{
	(void)state;
	add(1, 64, 1);
	add(1, 64, 2);
	flushed(1);
	assert_int_equal(taken[0].vnet.hdr_len, 62);
	assert_int_equal(taken[0].vnet.csum_start, 54);
	assert_int_equal(taken[0].protocol, htons(0x86dd));
	assert_int_equal(taken[0].bytes[18] << 8 | taken[0].bytes[19], 8 + 128);
}

static void test_limits(void **state)
{
	uint32_t i;

	(void)state;
	for (i = 0; i < 2 * JT_RUN_SEGMENTS + 1; i++)
		add(0, 64, (uint8_t)i);
	flushed(3);
	assert_int_equal(taken[0].length, 42 + 64 * JT_RUN_SEGMENTS);
	assert_int_equal(taken[2].length, 42 + 64);
	forget();
	for (i = 0; i < 60; i++)
		add(0, 1400, (uint8_t)i);
	flushed(2); /* a packet ends at 64 KiB */
	assert_int_equal(taken[0].length, 42 + 46 * 1400);
	assert_int_equal(guests[0].delivered, 2 * JT_RUN_SEGMENTS + 1 + 60);
	forget();
	guests[0].mtu = 500; /* what is longer is for the kernel to refuse, one by one */
	for (i = 0; i < 4; i++)
		add(0, 472, 1);
	for (i = 0; i < 4; i++)
		add(0, 473, 1);
	flushed(5);
	assert_int_equal(taken[0].vnet.gso_size, 472);
	assert_int_equal(taken[1].length, 42 + 473);
}

/* Each of these goes by itself, and what follows does not overtake it. */
static void test_what_does_not_join(void **state)
{
	static const uint8_t mac[6] = { 2, 9, 9, 9, 9, 9 };
	struct jt_template t = template_of(0);
	struct message m;

	(void)state;
	add(0, 64, 1);
	add(0, 65, 2); /* longer */
	add(0, 0, 3);  /* empty */
	message_of(&m, &t, 65, 4);
	m.found.check ^= 1; /* altered on its way */
	jt_deliver_add(&d, &m.found, &guests[0], NULL);
	m.found.check = 0; /* without */
	jt_deliver_add(&d, &m.found, &guests[0], NULL);
	message_of(&m, &t, 65, 5);
	jt_deliver_add(&d, &m.found, &guests[1], NULL);
	jt_deliver_add(&d, &m.found, &guests[0], mac);
	t.flags |= JT_TEMPLATE_VLAN;
	t.vlan = htons(7);
	message_of(&m, &t, 65, 6);
	jt_deliver_add(&d, &m.found, &guests[0], NULL);
	jt_deliver_add(&d, &m.found, &guests[0], NULL);
	t = (struct jt_template){ .kind = JT_TEMPLATE_ETHERNET };
	t.u.ethernet.ethertype = htons(0x0800);
	message_of(&m, &t, 60, 7);
	jt_deliver_add(&d, &m.found, &guests[0], NULL);
	jt_deliver_add(&d, &m.found, &guests[0], NULL);
	flushed(11);
	assert_int_equal(taken[3].bytes[42], 4);
	assert_int_equal(taken[4].bytes[40] | taken[4].bytes[41], 0);
	assert_int_equal(taken[5].ifindex, 11);
	assert_memory_equal(taken[6].to, mac, 6);
	assert_memory_equal(taken[6].bytes, mac, 6);
	assert_int_equal(taken[7].protocol, htons(0x8100));
	assert_int_equal(taken[9].length, 14 + 60);
}

/* --- any sequence: what arrives of a flow is what was sent, in order ------------------------ */

static struct sent {
	uint32_t flow, length;
	uint16_t check;
	uint8_t first;
} sent[MESSAGES_MAX];

static unsigned int next_of[FLOWS]; /* the message expected next of each */

/* The next message of the flow is this one: as it is, or cut out of a run. */
static void arrived(unsigned int count, unsigned int flow, const uint8_t *payload, uint32_t length,
		    uint16_t check)
{
	unsigned int i = next_of[flow];
	uint32_t at;

	while (i < count && sent[i].flow != flow)
		i++;
	assert_true(i < count);
	assert_int_equal(length, sent[i].length);
	assert_int_equal(check, sent[i].check);
	for (at = 0; at < length; at++)
		assert_int_equal(payload[at], (uint8_t)(sent[i].first + at));
	next_of[flow] = i + 1;
}

static void cut(const struct taken *t, unsigned int count)
{
	uint32_t head = t->protocol == htons(0x0800) ? 42 : 62, at, length;
	uint32_t size = t->vnet.gso_size ? t->vnet.gso_size : t->length - head;
	unsigned int flow = (unsigned int)(t->bytes[head - 8] << 8 | t->bytes[head - 7]) - 1000;
	struct jt_template template = template_of(flow);
	uint8_t copy[1500];
	uint16_t check;

	for (at = head; at < t->length || at == head; at += length) {
		length = t->length - at < size ? t->length - at : size;
		memcpy(&check, t->bytes + head - 2, 2);
		if (t->vnet.gso_size)
			check = jt_udp_check(sum_of(&template),
					     jt_copy_sum(copy, t->bytes + at, length), length);
		arrived(count, flow, t->bytes + at, length, check);
		if (!length)
			break;
	}
}

static void any_sequence(unsigned int count)
{
	struct message *m;
	unsigned int i;

	memset(next_of, 0, sizeof(next_of));
	for (i = 0; i < count; i++) {
		struct jt_template t;
		static struct message message;

		sent[i] = (struct sent){ .flow = (uint32_t)random() % FLOWS,
					 .length = random() % 8 ? 64 : (uint32_t)random() % 200,
					 .first = (uint8_t)random() };
		t = template_of(sent[i].flow);
		m = &message;
		message_of(m, &t, sent[i].length, sent[i].first);
		if (!(random() % 20))
			m->found.check = random() % 2 ? 0 : (uint16_t)(m->found.check + 1);
		sent[i].check = m->found.check;
		jt_deliver_add(&d, &m->found, &guests[0], NULL);
		if (!(random() % 500))
			jt_deliver_flush(&d);
	}
	jt_deliver_flush(&d);
	for (i = 0; i < taken_count; i++)
		cut(&taken[i], count);
	for (i = 0; i < count; i++) /* none is left out */
		assert_true(next_of[sent[i].flow] > i);
	assert_int_equal(guests[0].delivered, count);
}

static void test_any_sequence(void **state)
{
	(void)state;
	srandom(1);
	any_sequence(5000);
	assert_true(taken_count < 3000);
}

/* --- what the kernel refuses ------------------------------------------------------------- */

static void test_kernel_without_runs(void **state)
{
	(void)state;
	srandom(2);
	refuse_runs = EINVAL;
	any_sequence(3000);
	assert_int_equal(taken_count, 3000);
	assert_true(d.singly);
}

static void test_full_guest(void **state)
{
	struct jt_template t = template_of(0);
	struct message m;
	unsigned int i;

	(void)state;
	refuse_ifindex = 10;
	for (i = 0; i < 10; i++) {
		add(0, 64, (uint8_t)i);
		message_of(&m, &t, 64, (uint8_t)i);
		jt_deliver_add(&d, &m.found, &guests[1], NULL);
	}
	flushed(1);
	assert_int_equal(guests[0].reasons[JT_REASON_DELIVER_FAILED], 10);
	assert_int_equal(guests[0].delivered, 0);
	assert_int_equal(guests[1].delivered, 10);
	refuse_with = ENETDOWN;
	add(0, 64, 1);
	add(0, 64, 1);
	flushed(1);
	assert_int_equal(guests[0].reasons[JT_REASON_GUEST_DOWN], 2);
}

/* A run is refused by a kernel that has none, and its pieces for other reasons. */
static void test_pieces_are_refused(void **state)
{
	(void)state;
	refuse_runs = EINVAL;
	add(0, 64, 1);
	add(0, 64, 2);
	refuse_ifindex = 10;
	refuse_with = EINVAL;
	flushed(0);
	assert_int_equal(guests[0].reasons[JT_REASON_DELIVER_FAILED], 2);
	assert_false(d.singly); /* it may have been the guest's interface */
}

static void test_frame(void **state)
{
	static const uint8_t frame[60] = { 2, 1, 1, 1, 1, 1 };

	(void)state;
	assert_int_equal(jt_deliver_frame(&d, 12, frame, sizeof(frame)), 0);
	assert_int_equal(taken[0].ifindex, 12);
	assert_int_equal(taken[0].length, sizeof(frame));
	assert_int_equal(taken[0].vnet.gso_type, 0);
	refuse_ifindex = 12;
	refuse_with = ENETDOWN;
	assert_int_equal(jt_deliver_frame(&d, 12, frame, sizeof(frame)), -ENETDOWN);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_run_of_ipv4),	 TEST(test_run_of_ipv6),
		TEST(test_limits),	 TEST(test_what_does_not_join),
		TEST(test_any_sequence), TEST(test_kernel_without_runs),
		TEST(test_full_guest),	 TEST(test_pieces_are_refused),
		TEST(test_frame),
	};

	return RUN(tests);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* libjitney's templates are what a kernel's UDP socket sends. Skipped without the right to unshare. */
#include "unit.h"
#include "../common/handle.h"
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>

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
		cmocka_unit_test(test_template_as_kernel),
	};

	return RUN(tests);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The guest's own program: what goes to the helper's socket, and that all else passes. */
#include <linux/if_xdp.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>
#include "harness.h"

#define OBJECT "build/bpf/guest.bpf.o"

static int prog, ports, sockets;

static void port_take(__u16 port, bool take)
{
	__u32 word = port / 64;
	__u64 bits = 0;

	CHECK(!bpf_map_lookup_elem(ports, &word, &bits));
	bits = take ? bits | 1ULL << port % 64 : bits & ~(1ULL << port % 64);
	CHECK(!bpf_map_update_elem(ports, &word, &bits, BPF_ANY));
}

static void show(const void *bytes, __u32 length, bool taken)
{
	struct run r = run_xdp(prog, bytes, length, 1);

	CHECK(!r.changed);
	CHECK(r.verdict == (taken ? 4 : 2)); /* XDP_REDIRECT, XDP_PASS */
}

static void datagram(const struct packet_spec *s, bool taken)
{
	struct packet p;

	packet_make(&p, s);
	show(p.bytes, p.length, taken);
}

static void test_ports(void)
{
	struct packet_spec s = { .length = 20 };
	static const __u16 taken[] = { 1, 63, 64, 5000, 65535 };
	size_t i;

	for (i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		for (s.family = 4; s.family <= 6; s.family += 2) {
			for (s.vlan = 0;; s.vlan = 1) {
				s.dest_port = taken[i];
				datagram(&s, false);
				port_take(taken[i], true);
				datagram(&s, true);
				s.dest_port = taken[i] ^ 1;
				datagram(&s, false);
				s.dest_port = taken[i] ^ 64;
				datagram(&s, false);
				port_take(taken[i], false);
				if (s.vlan)
					break;
			}
		}
	puts("ok - jitney_guest: ports");
}

static void test_not_plain(void)
{
	struct packet_spec s = { .family = 4, .length = 20 };
	struct packet p;
	__u32 n;

	port_take(5000, true);
	for (s.protocol = 1; s.protocol; s.protocol++)
		if (s.protocol != 17)
			datagram(&s, false);
	s.frag = 0x2000;
	datagram(&s, false);
	s.frag = 3;
	datagram(&s, false);
	s.frag = 0x4000;
	datagram(&s, true);
	packet_make(&p, &s);
	p.bytes[14] = 0x46; /* options */
	show(p.bytes, p.length, false);
	for (s.family = 4; s.family <= 6; s.family += 2) {
		packet_make(&p, &s);
		for (n = 15; n < p.length; n++)
			show(p.bytes, n, n >= (s.family == 4 ? 42U : 62U));
	}
	s.family = 6;
	s.protocol = 44;
	datagram(&s, false);
	port_take(5000, false);
	puts("ok - jitney_guest: only plain datagrams");
}

static void test_frames(void)
{
	struct frame f;
	__u32 n;

	frame_of_messages(&f, 1, 2, 10);
	show(f.bytes, f.length, false); /* a guest frame is none for a guest */
	f.bytes[14] = 0x11;
	show(f.bytes, f.length, true);
	for (n = 15; n < f.length; n++)
		show(f.bytes, n, n >= 26);
	f.bytes[14] = 0x12; /* a hello */
	show(f.bytes, f.length, false);
	f.bytes[14] = 0x21;
	show(f.bytes, f.length, false);
	f.bytes[14] = 0x11;
	f.bytes[13]++;
	show(f.bytes, f.length, false);
	puts("ok - jitney_guest: frames");
}

static void test_without_socket(void)
{
	struct packet_spec s = { .family = 4, .length = 20 };
	__u32 queue = 0;

	port_take(5000, true);
	datagram(&s, true);
	bpf_map_delete_elem(sockets, &queue);
	datagram(&s, false);
	puts("ok - jitney_guest: passes without a socket");
}

int main(int argc, char **argv)
{
	struct bpf_object *object = bpf_object__open_file(OBJECT, NULL);
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	__u32 queue = 0, entries = 64;

	(void)argc, (void)argv;
	CHECK(object && !bpf_object__load(object));
	prog = bpf_program__fd(bpf_object__find_program_by_name(object, "jitney_guest"));
	ports = bpf_object__find_map_fd_by_name(object, "ports");
	sockets = bpf_object__find_map_fd_by_name(object, "socket");
	CHECK(fd >= 0 && !setsockopt(fd, SOL_XDP, XDP_RX_RING, &entries, sizeof(entries)));
	CHECK(!bpf_map_update_elem(sockets, &queue, &fd, BPF_ANY));
	test_ports();
	test_not_plain();
	test_frames();
	test_without_socket();
	close(fd);
	bpf_object__close(object);
	return 0;
}

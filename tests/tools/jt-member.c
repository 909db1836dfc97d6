// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A member of a trust domain in its plainest form: maps the domain's memory, puts
 * datagrams for the first peer into the page, and rings nobody. The page's geometry
 * is the default one.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <jitney/domain.h>
#include "common/fixture.h"

static void usage(const char *name)
{
	fprintf(stderr,
		"usage: %s MEMORY COUNT SOURCE_MAC SOURCE_IP DEST_MAC DEST_IP PORT\n"
		"COUNT datagrams of a line each, as from one guest to another, into the page of\n"
		"a trust domain: MEMORY is its memfd, as in /proc/PID/fd/N.\n",
		name);
	exit(2);
}

static void read_mac(const char *text, __u8 *out)
{
	unsigned int b[6], i;

	if (sscanf(text, "%x:%x:%x:%x:%x:%x", b, b + 1, b + 2, b + 3, b + 4, b + 5) != 6)
		exit(2);
	for (i = 0; i < 6; i++)
		out[i] = (__u8)b[i];
}

static void datagram(struct packet *p, char **argv, unsigned int i)
{
	struct packet_spec s = {
		.family = 4, .dest_port = (__u16)atoi(argv[7]), .check = CHECK_FULL, .length = 16
	};
	__u8 *ip = p->bytes + 14;
	char line[32];

	packet_make(p, &s);
	read_mac(argv[3], p->bytes + 6);
	read_mac(argv[5], p->bytes);
	if (inet_pton(AF_INET, argv[4], ip + 12) != 1 || inet_pton(AF_INET, argv[6], ip + 16) != 1)
		exit(2);
	snprintf(line, sizeof(line), "message %7u\n", i);
	memcpy(ip + 28, line, 16);
	packet_udp_check(ip, ip + 20, 8 + 16, CHECK_FULL);
}

int main(int argc, char **argv)
{
	const struct jt_geometry g =
		JT_GEOMETRY(JT_PAGE_SIZE_DEFAULT, JT_BANKS_DEFAULT, JT_EXTENT_SIZE_DEFAULT);
	unsigned int i, count = argc == 8 ? (unsigned int)atoi(argv[2]) : 0;
	struct jt_flow flow = { 0 };
	struct jt_peer *peers;
	struct jt_page page;
	struct packet p;
	void *memory;
	int fd, reason;

	if (!count)
		usage(argv[0]);
	fd = open(argv[1], O_RDWR);
	memory = mmap(NULL, jt_domain_size(&g), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd < 0 || memory == MAP_FAILED) {
		perror(argv[1]);
		return 1;
	}
	jt_domain_view(memory, &g, &page, &peers);
	if (page.control->magic != JT_MAGIC) {
		fprintf(stderr, "%s: no page to write to\n", argv[1]);
		return 1;
	}
	for (i = 0; i < count; i++) {
		datagram(&p, argv, i);
		reason = page_board(&page, p.bytes, p.length, &flow, &peers[0], 0);
		if (reason) {
			fprintf(stderr, "message %u: %s\n", i, jt_reasons[reason].text);
			return 1;
		}
	}
	return 0;
}

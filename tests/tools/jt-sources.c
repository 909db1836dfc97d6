// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Whose messages are in a capture of the wire: each source of a template in a
 * Jitney frame, once: "MAC ADDRESS COUNT" a line, the count being frames. A frame
 * whose records are malformed is a line "malformed COUNT".
 */
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>

#include <jitney/walk.h>

#define SOURCES_MAX 1024

static struct source {
	char text[96];
	unsigned long count;
} sources[SOURCES_MAX];
static unsigned int source_count;
static unsigned long malformed;

static void count(const char *text)
{
	unsigned int i;

	for (i = 0; i < source_count; i++)
		if (!strcmp(sources[i].text, text))
			break;
	if (i == SOURCES_MAX)
		return;
	if (i == source_count)
		snprintf(sources[source_count++].text, sizeof(sources[0].text), "%s", text);
	sources[i].count++;
}

static void count_template(const uint8_t *bytes, uint32_t size)
{
	char text[96], ip[INET6_ADDRSTRLEN] = "-";
	struct jt_template t;

	jt_template_load(&t, bytes, size);
	if (t.kind == JT_TEMPLATE_UDP4)
		inet_ntop(AF_INET, &t.u.udp4.source, ip, sizeof(ip));
	else if (t.kind == JT_TEMPLATE_UDP6)
		inet_ntop(AF_INET6, t.u.udp6.source, ip, sizeof(ip));
	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x %s", t.source_mac[0],
		 t.source_mac[1], t.source_mac[2], t.source_mac[3], t.source_mac[4],
		 t.source_mac[5], ip);
	count(text);
}

static void frame(const uint8_t *bytes, uint32_t length)
{
	struct jt_frame_header h;
	struct jt_found m;
	struct jt_walk w;
	int i, found;

	if (length < 14 + sizeof(h))
		return;
	memcpy(&h, bytes + 14, sizeof(h));
	if ((bytes[12] << 8 | bytes[13]) != JT_ETHERTYPE_DEFAULT ||
	    h.version_type != (JT_WIRE_VERSION << 4 | JT_FRAME_DATA))
		return;
	if (jt_ntohs(h.length) > length - 14 - sizeof(h)) {
		malformed++;
		return;
	}
	jt_walk_init(&w, bytes + 14 + sizeof(h), jt_ntohs(h.length));
	while ((found = jt_walk_next(&w, &m)) > 0)
		;
	malformed += found < 0;
	for (i = 1; i <= (int)JT_TEMPLATES_MAX; i++)
		if (w.templates[i].bytes)
			count_template(w.templates[i].bytes, w.templates[i].size);
}

int main(int argc, char **argv)
{
	char why[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *head;
	const uint8_t *bytes;
	unsigned int i;
	pcap_t *p;

	if (argc != 2) {
		fprintf(stderr, "usage: jt-sources CAPTURE\n");
		return 2;
	}
	p = pcap_open_offline(argv[1], why);
	if (!p) {
		fprintf(stderr, "jt-sources: %s\n", why);
		return 1;
	}
	while (pcap_next_ex(p, &head, &bytes) == 1)
		frame(bytes, head->caplen);
	pcap_close(p);
	for (i = 0; i < source_count; i++)
		printf("%s %lu\n", sources[i].text, sources[i].count);
	if (malformed)
		printf("malformed %lu\n", malformed);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* pcap: send the UDP payloads of a capture again, when they were sent or at a rate. */
#include <errno.h>
#include <netinet/in.h>
#include <pcap/pcap.h>
#include <string.h>

#include "cli.h"

struct replay {
	struct jt_run run;
	struct jitney_flow *flow;
	pcap_t *capture;
	uint64_t bytes;
	uint64_t skipped;  /* packets that are no whole datagram */
	uint64_t first_ns; /* the capture's clock */
	bool begun;
};

struct bytes {
	const uint8_t *at;
	size_t left;
};

static unsigned int half(const uint8_t *p)
{
	return (unsigned int)(p[0] << 8 | p[1]);
}

static bool cut(struct bytes *b, size_t n)
{
	if (b->left < n)
		return false;
	b->at += n;
	b->left -= n;
	return true;
}

static bool skip_ethernet(struct bytes *b)
{
	unsigned int type;

	if (b->left < 14)
		return false;
	type = half(b->at + 12);
	cut(b, 14);
	while ((type == 0x8100 || type == 0x88a8) && b->left >= 4) {
		type = half(b->at + 2);
		cut(b, 4);
	}
	return type == 0x0800 || type == 0x86dd;
}

static bool skip_link(int type, struct bytes *b)
{
	switch (type) {
	case DLT_EN10MB:
		return skip_ethernet(b);
	case DLT_RAW:
		return true;
	case DLT_NULL:
	case DLT_LOOP:
		return cut(b, 4);
	case DLT_LINUX_SLL:
		return cut(b, 16);
	case DLT_LINUX_SLL2:
		return cut(b, 20);
	}
	return false;
}

static bool skip_ip(struct bytes *b)
{
	size_t total, head;

	if (b->left >= 20 && *b->at >> 4 == 4) {
		head = (size_t)(*b->at & 15) * 4;
		total = half(b->at + 2);
		if (b->at[9] != IPPROTO_UDP || half(b->at + 6) & 0x3fff)
			return false;
	} else if (b->left >= 40 && *b->at >> 4 == 6) {
		head = 40;
		total = 40 + half(b->at + 4);
		if (b->at[6] != IPPROTO_UDP)
			return false;
	} else {
		return false;
	}
	return total >= head && b->left >= total && cut(b, head);
}

/* Return: true if the packet is a datagram as a whole; @b is its payload then. */
static bool payload_find(int link, struct bytes *b)
{
	size_t length;

	if (!skip_link(link, b) || !skip_ip(b) || b->left < 8)
		return false;
	length = half(b->at + 4);
	if (length < 8 || length > b->left)
		return false;
	cut(b, 8);
	b->left = length - 8;
	return true;
}

static uint64_t due(struct replay *r, const struct pcap_pkthdr *h)
{
	uint64_t at = (uint64_t)h->ts.tv_sec * 1000000000 + (uint64_t)h->ts.tv_usec;

	if (r->run.line->rate > 0)
		return r->run.start_ns +
		       (uint64_t)((double)r->run.messages * 1e9 / r->run.line->rate);
	if (!r->begun)
		r->first_ns = at;
	r->begun = true;
	return r->run.start_ns + (at > r->first_ns ? at - r->first_ns : 0);
}

static void wait_until(struct replay *r, uint64_t at)
{
	uint64_t now;

	while (jt_run_goes_on(&r->run)) {
		now = jt_now();
		if (now >= at)
			return;
		jt_sleep_until(at - now > 100000000 ? now + 100000000 : at);
	}
}

static int send_packet(struct replay *r, const struct pcap_pkthdr *h, struct bytes b)
{
	int err;

	if (!payload_find(pcap_datalink(r->capture), &b)) {
		r->skipped++;
		return JT_EXIT_OK;
	}
	wait_until(r, due(r, h));
	if (!jt_run_goes_on(&r->run))
		return JT_EXIT_OK;
	err = jitney_send(r->flow, b.at, b.left, 0);
	if (err)
		return err == -EINTR ? JT_EXIT_OK :
				       jt_complain("failed to send: %s", strerror(-err));
	r->bytes += b.left;
	jt_run_count(&r->run, 1);
	return JT_EXIT_OK;
}

static int work(struct replay *r)
{
	struct pcap_pkthdr *h;
	const uint8_t *data;
	int status = JT_EXIT_OK, n;

	while (!status && jt_run_goes_on(&r->run)) {
		n = pcap_next_ex(r->capture, &h, &data);
		if (n == PCAP_ERROR_BREAK)
			break;
		if (n < 0)
			return jt_complain("the capture is broken: %s", pcap_geterr(r->capture));
		status = send_packet(r, h, (struct bytes){ data, h->caplen });
	}
	return status;
}

int jt_pcap(const struct jt_line *line, char **args)
{
	char wrong[PCAP_ERRBUF_SIZE];
	struct replay r = { 0 };
	json_t *result;
	int status;

	r.capture =
		pcap_open_offline_with_tstamp_precision(args[0], PCAP_TSTAMP_PRECISION_NANO, wrong);
	if (!r.capture)
		return jt_complain("failed to read a capture: %s", wrong);
	status = jt_run_begin(&r.run, line, "pcap");
	if (status)
		goto out;
	status = jt_flow_open(&r.run, args[1], &r.flow);
	if (status) {
		jitney_close(r.run.j);
		goto out;
	}
	status = work(&r);
	result = json_pack("{s:s, s:I, s:I, s:I}", "command", "pcap", "sent",
			   (json_int_t)r.run.messages, "bytes", (json_int_t)r.bytes, "skipped",
			   (json_int_t)r.skipped);
	status = jt_run_end(&r.run, result, status);
out:
	pcap_close(r.capture);
	return status;
}

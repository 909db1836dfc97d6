// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What goes through the page, as a file for Wireshark. The controller's stream
 * is read as it comes; every whole record becomes one packet on the interface
 * "frames", and one for each of its messages on "messages". A frame is walked
 * to its end before its first message is written: a malformed one has none.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <jitney/walk.h>

#include "client.h"
#include "outer.h"
#include "pcapng.h"
#include "text.h"

#define SECOND_NS 1000000000ULL
#define FRAME_MAX 65536U

/* What the controller sends in front of each frame; host order. */
struct capture_head {
	uint64_t time_ns;
	uint32_t length;
	uint8_t direction;
	uint8_t zero[3];
	uint32_t missed;
	uint32_t zero2;
};
JT_ASSERT(sizeof(struct capture_head) == 24, "docs/control-protocol.md");

struct capture {
	const struct jt_line *cli;
	struct jt_client client;
	struct jt_outer outer;
	struct jt_pcapng *file;
	uint64_t frames;
	uint64_t messages;
	uint64_t missed;
	uint64_t end_ns;   /* 0: none */
	uint64_t shown_ns; /* when progress was last printed */
	bool progress;
	bool garbled; /* the stream makes no sense: ends the capture */
	int err;      /* of the file: ends the capture */
};

static void write_message(struct capture *c, const struct capture_head *head,
			  const struct jt_found *m)
{
	__u8 packet[JT_PACKET_HEAD_MAX + JT_RECORD_MAX];
	__u32 size = jt_packet_build(m, 0, packet);

	memcpy(packet + size, m->payload, m->length);
	c->err = jt_pcapng_write(c->file, JT_PCAPNG_MESSAGES, head->direction, head->time_ns,
				 packet, size + m->length);
	c->messages += !c->err;
}

static bool frame_is_sound(const __u8 *records, size_t size)
{
	struct jt_found m;
	struct jt_walk w;
	int found;

	jt_walk_init(&w, records, size);
	do
		found = jt_walk_next(&w, &m);
	while (found > 0);
	return !found;
}

static void write_messages(struct capture *c, const struct capture_head *head, const char *frame)
{
	const __u8 *records;
	struct jt_found m;
	struct jt_walk w;
	size_t size;

	if (!jt_outer_skip(&c->outer, frame, head->length, &records, &size) ||
	    !frame_is_sound(records, size))
		return;
	jt_walk_init(&w, records, size);
	while (!c->err && jt_walk_next(&w, &m) > 0)
		write_message(c, head, &m);
}

static void write_frame(struct capture *c, const struct capture_head *head, const char *frame)
{
	c->missed = head->missed;
	c->err = jt_pcapng_write(c->file, JT_PCAPNG_FRAMES, head->direction, head->time_ns, frame,
				 head->length);
	if (c->err)
		return;
	c->frames++;
	write_messages(c, head, frame);
}

static bool capture_done(const struct capture *c)
{
	return c->err || c->garbled || (c->cli->count && c->frames >= c->cli->count);
}

/* Write the whole records among the bytes read. */
static void capture_records(struct capture *c)
{
	struct capture_head head;
	size_t at = 0;

	while (!capture_done(c) && c->client.used - at >= sizeof(head)) {
		memcpy(&head, c->client.data + at, sizeof(head));
		c->garbled = head.length > FRAME_MAX;
		if (c->garbled || c->client.used - at - sizeof(head) < head.length)
			break;
		write_frame(c, &head, c->client.data + at + sizeof(head));
		at += sizeof(head) + head.length;
	}
	jt_client_take(&c->client, at);
	if (!c->err)
		c->err = jt_pcapng_flush(c->file);
}

static void capture_progress(struct capture *c, uint64_t now)
{
	if (!c->progress || now - c->shown_ns < SECOND_NS)
		return;
	c->shown_ns = now;
	fprintf(stderr, "\r%s frames, %s messages, %s missed ", JT_NUMBER((int64_t)c->frames),
		JT_NUMBER((int64_t)c->messages), JT_NUMBER((int64_t)c->missed));
}

/* Until told to stop. Return: false if the controller went away before. */
static bool capture_loop(struct capture *c)
{
	struct pollfd ready = { .fd = c->client.fd, .events = POLLIN };
	uint64_t now, left = SECOND_NS;
	long n;

	capture_records(c);
	while (!capture_done(c) && !jt_stopped) {
		now = jt_now();
		capture_progress(c, now);
		if (c->end_ns && now >= c->end_ns)
			break;
		if (c->end_ns && c->end_ns - now < SECOND_NS)
			left = c->end_ns - now;
		if (poll(&ready, 1, (int)(left / 1000000) + 1) <= 0)
			continue;
		n = jt_client_read(&c->client);
		if (!n || (n < 0 && n != -EINTR && n != -EAGAIN))
			return false;
		capture_records(c);
	}
	return true;
}

static void capture_summary(const struct capture *c, FILE *to)
{
	if (c->progress)
		fputs("\r\033[K", stderr);
	if (c->cli->json)
		fprintf(to,
			"{\"ok\":true,\"frames\":%" PRIu64 ",\"messages\":%" PRIu64
			",\"missed\":%" PRIu64 "}\n",
			c->frames, c->messages, c->missed);
	else
		fprintf(to, "%s frames, %s messages, %s missed\n", JT_NUMBER((int64_t)c->frames),
			JT_NUMBER((int64_t)c->messages), JT_NUMBER((int64_t)c->missed));
}

static int capture_verdict(const struct capture *c, const char *path, bool stayed)
{
	/* Whoever reads a pipe may leave when it has seen enough. */
	if (c->err && c->err != EPIPE)
		return jt_complain("failed to write %s: %s", path, jt_pcapng_reason(c->err));
	if (c->garbled)
		return jt_complain(
			"the capture is not understood: are jitney and jitneyd of one version?");
	return stayed ? JT_EXIT_OK : jt_complain("the controller ended the capture: is it gone?");
}

static int capture_run(struct capture *c, const char *path)
{
	bool stayed;
	int err;

	jt_stop_catch();
	c->file = jt_pcapng_open(path, &err);
	if (!c->file)
		return jt_complain("failed to create %s: %s", path, jt_pcapng_reason(err));
	c->progress = isatty(STDERR_FILENO) && !c->cli->json;
	c->shown_ns = jt_now();
	if (c->cli->seconds)
		c->end_ns = c->shown_ns + c->cli->seconds * SECOND_NS;
	stayed = capture_loop(c);
	err = jt_pcapng_close(c->file);
	if (!c->err)
		c->err = err;
	capture_summary(c, strcmp(path, "-") ? stdout : stderr);
	return capture_verdict(c, path, stayed);
}

/* Connect and be let in. Return: NULL, or what is wrong, in @wrong. */
static const char *capture_ask(struct capture *c, char wrong[JT_WRONG_SIZE])
{
	json_t *answer =
		jt_client_ask(&c->client, json_pack("{s:s}", "command", "capture"), NULL, wrong);
	const char *said = jt_get_text(answer, "error");

	if (!answer)
		return wrong;
	if (!jt_get_true(answer, "ok"))
		snprintf(wrong, JT_WRONG_SIZE, "%s", said);
	else
		wrong = NULL;
	json_decref(answer);
	return wrong;
}

int jt_capture(const struct jt_line *cli, char **args)
{
	struct capture c = { .cli = cli };
	char wrong[JT_WRONG_SIZE];
	json_t *status = jt_ask_quietly(cli, json_pack("{s:s}", "command", "status"), wrong);
	int err;

	if (!status)
		return jt_refused(cli, wrong);
	c.outer.ethertype = (__u16)jt_get_coded(status, "ethertype");
	c.outer.udp_port = (__u16)jt_get_int(status, "udp_port");
	json_decref(status);
	err = jt_client_open(&c.client, cli->socket);
	if (err) {
		jt_client_explain(err, cli->socket, wrong);
		return jt_refused(cli, wrong);
	}
	if (capture_ask(&c, wrong))
		err = jt_refused(cli, wrong);
	else
		err = capture_run(&c, args[0]);
	jt_client_close(&c.client);
	return err;
}

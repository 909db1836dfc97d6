// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* recv: count and check what comes, or print it line by line. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"

struct receiver {
	struct jt_run run;
	struct jt_senders *senders;
	struct jt_times times;
	bool done; /* nobody reads the output any more */
};

static void take(struct receiver *r, const struct jitney_message *m, int count)
{
	uint64_t now = jt_now();
	int i;

	for (i = 0; i < count; i++) {
		jt_message_check(r->senders, &m[i], now, &r->times);
		if (!r->run.line->print)
			continue;
		fwrite(m[i].data, 1, m[i].length, stdout);
		fputc('\n', stdout);
	}
	jt_run_count(&r->run, (unsigned int)count);
	if (r->run.line->print && fflush(stdout))
		r->done = true;
}

static int work(struct receiver *r)
{
	struct jitney_message m[JT_MANY];
	uint64_t left;
	int n;

	while (!r->done && jt_run_goes_on(&r->run)) {
		left = r->run.line->count ? r->run.line->count - r->run.messages : JT_MANY;
		n = jitney_receive(r->run.j, m, left < JT_MANY ? (unsigned int)left : JT_MANY,
				   jt_run_patience(&r->run));
		if (n < 0 && n != -EINTR)
			return jt_complain("failed to receive: %s", strerror(-n));
		if (n > 0)
			take(r, m, n);
	}
	return r->done ? JT_EXIT_NO : JT_EXIT_OK;
}

static json_t *tell(const struct receiver *r)
{
	struct jt_tally t;
	json_t *result;

	jt_senders_tell(r->senders, &t);
	result =
		json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "command", "recv",
			  "received", (json_int_t)t.received, "bytes", (json_int_t)t.bytes,
			  "checked", (json_int_t)t.checked, "lost", (json_int_t)t.lost, "reordered",
			  (json_int_t)t.reordered, "duplicated", (json_int_t)t.duplicated,
			  "altered", (json_int_t)t.altered, "senders", (json_int_t)t.senders);
	jt_times_tell(&r->times, result);
	return result;
}

int jt_bind_or_complain(struct jt_run *run, uint16_t port)
{
	int err = jitney_bind(run->j, port);

	if (err == -EADDRINUSE)
		return jt_complain("port %u is taken by another program: see ss -ulpn", port);
	if (err == -EACCES)
		return jt_complain("port %u is for root: choose one from 1024 on", port);
	return err < 0 ? jt_complain("failed to claim port %u: %s", port, strerror(-err)) :
			 JT_EXIT_OK;
}

static int receive(struct receiver *r, const struct jt_line *line, uint16_t port)
{
	int status = jt_run_begin(&r->run, line, "recv");

	if (status)
		return status;
	status = jt_bind_or_complain(&r->run, port);
	if (status) {
		jitney_close(r->run.j);
		return status;
	}
	fputs("recv: ready\n", stderr);
	status = work(r);
	return jt_run_end(&r->run, tell(r), status);
}

int jt_recv(const struct jt_line *line, char **args)
{
	struct receiver *r;
	uint16_t port;
	int status = jt_port(args[0], &port);

	if (status)
		return status;
	r = calloc(1, sizeof(*r));
	if (!r)
		return jt_complain("there is too little memory");
	r->senders = jt_senders_new();
	status = r->senders ? receive(r, line, port) : jt_complain("there is too little memory");
	jt_senders_free(r->senders);
	free(r);
	return status;
}

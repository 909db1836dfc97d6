// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* ping: how long a message and its answer take. The other side runs `echo'. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#define WAIT_NS 1000000000ULL /* for the last answer */

struct ping {
	struct jt_run run;
	struct jitney_flow *flow;
	uint8_t *payload;
	uint64_t number; /* of this run: answers to another's are not counted */
	uint64_t sent, received, bytes;
	struct jt_times times;
};

struct mark {
	uint64_t number;
	uint64_t sent_ns;
};

static int send_one(struct ping *p)
{
	struct mark mark = { p->number, jt_now() };
	int err;

	memcpy(p->payload, &mark, sizeof(mark));
	err = jitney_send(p->flow, p->payload, p->run.line->size, 0);
	if (err && err != -EINTR)
		return jt_complain("failed to send: %s", strerror(-err));
	p->sent += !err;
	jt_run_count(&p->run, !err);
	return JT_EXIT_OK;
}

/* Take answers until @until, or until all are there if @all. */
static int take_answers(struct ping *p, uint64_t until, bool all)
{
	struct jitney_message m[JT_MANY];
	uint64_t now = jt_now();
	struct mark mark;
	int n, i, ms;

	do {
		ms = until <= now ? 0 : (int)((until - now + 999999) / 1000000);
		n = jitney_receive(p->run.j, m, JT_MANY, ms < 100 ? ms : 100);
		now = jt_now();
		if (n < 0 && n != -EINTR)
			return jt_complain("failed to receive: %s", strerror(-n));
		for (i = 0; i < n; i++) {
			if (m[i].length < sizeof(mark))
				continue;
			memcpy(&mark, m[i].data, sizeof(mark));
			if (mark.number != p->number || mark.sent_ns > now)
				continue;
			p->received++;
			jt_times_add(&p->times, now - mark.sent_ns);
		}
	} while (now < until && !jt_stopped && !(all && p->received >= p->sent));
	return JT_EXIT_OK;
}

static int work(struct ping *p)
{
	uint64_t gap = (uint64_t)(p->run.line->interval * 1e9), next = p->run.start_ns;
	int status = JT_EXIT_OK;

	while (!status && jt_run_goes_on(&p->run)) {
		status = send_one(p);
		next += gap;
		/* Without an interval each waits for its answer. */
		if (!status)
			status = take_answers(p, gap ? next : jt_now() + WAIT_NS, !gap);
	}
	if (!status && p->received < p->sent)
		status = take_answers(p, jt_now() + WAIT_NS, true);
	return status;
}

static json_t *tell(const struct ping *p)
{
	uint64_t lost = p->sent > p->received ? p->sent - p->received : 0;
	json_t *result =
		json_pack("{s:s, s:I, s:I, s:I}", "command", "ping", "sent", (json_int_t)p->sent,
			  "received", (json_int_t)p->received, "lost", (json_int_t)lost);

	jt_times_tell(&p->times, result);
	return result;
}

static int ping(struct ping *p, const struct jt_line *line, const char *to)
{
	int status = jt_run_begin(&p->run, line, "ping");

	if (status)
		return status;
	status = jt_flow_open(&p->run, to, &p->flow);
	if (status) {
		jitney_close(p->run.j);
		return status;
	}
	p->number = jt_now() ^ (uint64_t)getpid() << 40;
	status = work(p);
	if (!status && !p->received)
		status = jt_complain("%s has not answered: run jitney-guest echo there", to);
	return jt_run_end(&p->run, tell(p), status);
}

int jt_ping(const struct jt_line *line, char **args)
{
	struct ping *p = calloc(1, sizeof(*p));
	int status;

	if (line->size < sizeof(struct mark)) {
		jt_complain("--size: ping needs at least %zu bytes", sizeof(struct mark));
		free(p);
		return JT_EXIT_USAGE;
	}
	if (p)
		p->payload = calloc(1, line->size);
	if (p && p->payload)
		status = ping(p, line, args[0]);
	else
		status = jt_complain("there is too little memory");
	if (p)
		free(p->payload);
	free(p);
	return status;
}

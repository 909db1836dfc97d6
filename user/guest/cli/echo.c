// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* echo: send back what comes, to where it came from. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

#define FLOWS 64U /* answered at a time; a newer one takes the place of an older one */

struct echo {
	struct jt_run run;
	uint16_t port;
	uint64_t sent;
	struct {
		struct jitney_flow *flow;
		struct sockaddr_in6 to;
	} flows[FLOWS];
};

static socklen_t address_of(const struct jitney_message *m, struct sockaddr_in6 *out)
{
	memset(out, 0, sizeof(*out));
	if (m->from.any.sa_family == AF_INET) {
		memcpy(out, &m->from.ipv4, sizeof(m->from.ipv4));
		return sizeof(m->from.ipv4);
	}
	*out = m->from.ipv6;
	return sizeof(*out);
}

/* Return: the flow back to where the message came from, NULL if there can't be one. */
static struct jitney_flow *flow_back(struct echo *e, const struct jitney_message *m)
{
	struct sockaddr_in6 to;
	socklen_t length = address_of(m, &to);
	const uint8_t *bytes = (const uint8_t *)&to;
	unsigned int i, at = 0;

	for (i = 0; i < sizeof(to); i++)
		at = at * 31 + bytes[i];
	at %= FLOWS;
	if (e->flows[at].flow && !memcmp(&e->flows[at].to, &to, sizeof(to)))
		return e->flows[at].flow;
	jitney_disconnect(e->flows[at].flow);
	e->flows[at].flow = NULL;
	e->flows[at].to = to;
	if (jitney_connect(e->run.j, e->port, (struct sockaddr *)&to, length, &e->run.line->flow,
			   &e->flows[at].flow))
		return NULL;
	return e->flows[at].flow;
}

static int work(struct echo *e)
{
	struct jitney_message m[JT_MANY];
	struct jitney_flow *flow;
	int n, i;

	while (jt_run_goes_on(&e->run)) {
		n = jitney_receive(e->run.j, m, JT_MANY, jt_run_patience(&e->run));
		if (n < 0 && n != -EINTR)
			return jt_complain("failed to receive: %s", strerror(-n));
		for (i = 0; i < n; i++) {
			flow = flow_back(e, &m[i]);
			if (flow && !jitney_send(flow, m[i].data, m[i].length, 0))
				e->sent++;
		}
		if (n > 0)
			jt_run_count(&e->run, (unsigned int)n);
	}
	return JT_EXIT_OK;
}

int jt_echo(const struct jt_line *line, char **args)
{
	struct echo e = { 0 };
	json_t *result;
	int status = jt_port(args[0], &e.port);

	if (!status)
		status = jt_run_begin(&e.run, line, "echo");
	if (status)
		return status;
	status = jt_bind_or_complain(&e.run, e.port);
	if (status) {
		jitney_close(e.run.j);
		return status;
	}
	fputs("echo: ready\n", stderr);
	status = work(&e);
	result = json_pack("{s:s, s:I, s:I}", "command", "echo", "received",
			   (json_int_t)e.run.messages, "sent", (json_int_t)e.sent);
	return jt_run_end(&e.run, result, status);
}

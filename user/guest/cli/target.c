// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Ports and destinations on the command line. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static int wrong(const char *text, const char *advice)
{
	jt_complain("%s: %s", text, advice);
	return JT_EXIT_USAGE;
}

int jt_port(const char *text, uint16_t *out)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || !n || n > 65535)
		return wrong(text, "write a port from 1 to 65535");
	*out = (uint16_t)n;
	return JT_EXIT_OK;
}

static bool address(char *text, uint16_t port, struct sockaddr_in6 *out, socklen_t *length)
{
	struct sockaddr_in *ipv4 = (struct sockaddr_in *)out;
	char *scope;

	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, text, &ipv4->sin_addr) == 1) {
		ipv4->sin_family = AF_INET;
		ipv4->sin_port = htons(port);
		*length = sizeof(*ipv4);
		return true;
	}
	scope = strchr(text, '%');
	if (scope) {
		*scope++ = '\0';
		out->sin6_scope_id = if_nametoindex(scope);
	}
	out->sin6_family = AF_INET6;
	out->sin6_port = htons(port);
	*length = sizeof(*out);
	return inet_pton(AF_INET6, text, &out->sin6_addr) == 1 && (!scope || out->sin6_scope_id);
}

int jt_destination(const char *text, struct sockaddr_in6 *out, socklen_t *length)
{
	static const char advice[] = "write ADDR:PORT, such as 10.0.0.1:7000 or [fd00::1]:7000";
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + IF_NAMESIZE + 1];
	uint16_t port;
	size_t n;

	if (!colon)
		return wrong(text, advice);
	n = (size_t)(colon - text);
	if (*text == '[' && n > 1 && text[n - 1] == ']') {
		text++;
		n -= 2;
	} else if (memchr(text, ':', n)) {
		return wrong(text, advice);
	}
	if (n >= sizeof(host))
		return wrong(text, advice);
	memcpy(host, text, n);
	host[n] = '\0';
	if (jt_port(colon + 1, &port))
		return JT_EXIT_USAGE;
	return address(host, port, out, length) ? JT_EXIT_OK : wrong(text, advice);
}

static int flow_failed(const struct jt_run *run, const char *to, int err)
{
	if (err == -EADDRINUSE)
		return jt_complain("port %u is taken by another program: choose another with "
				   "--source-port",
				   run->line->source_port);
	if (err == -ENETUNREACH || err == -EHOSTUNREACH)
		return jt_complain("there is no route to %s: see ip route", to);
	return jt_complain("failed to make a flow to %s: %s", to, strerror(-err));
}

int jt_flow_open(struct jt_run *run, const char *to, struct jitney_flow **out)
{
	struct sockaddr_in6 address;
	socklen_t length;
	int err = jt_destination(to, &address, &length);

	if (err)
		return err;
	err = jitney_connect(run->j, run->line->source_port, (struct sockaddr *)&address, length,
			     &run->line->flow, out);
	if (err)
		return flow_failed(run, to, err);
	run->start_ns = jt_now(); /* what is sent at a rate is due from here on */
	return JT_EXIT_OK;
}

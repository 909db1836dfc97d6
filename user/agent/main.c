// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <argp.h>
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "common/log.h"
#include "common/netdev.h"

#ifndef JT_VERSION
#define JT_VERSION "(unreleased)"
#endif

#define SOCKET_DEFAULT "/run/jitney.sock"

const char *argp_program_version = "jitney-agent " JT_VERSION;

static const struct argp_option options[] = {
	{ "socket", 's', "PATH", 0, "where programs attach (" SOCKET_DEFAULT ")", 0 },
	{ "interface", 'i', "IF", 0, "that leads to the host (the only one of this machine)", 0 },
	{ "group", 'g', "GROUP", 0, "whose programs may attach, besides root's", 0 },
	{ 0 },
};

static error_t option(int key, char *value, struct argp_state *state)
{
	struct jt_agent *a = state->input;
	const struct group *g;

	switch (key) {
	case 's':
		a->path = value;
		return 0;
	case 'i':
		if (strlen(value) >= sizeof(a->interface))
			argp_error(state, "--interface: the name is too long");
		snprintf(a->interface, sizeof(a->interface), "%s", value);
		return 0;
	case 'g':
		g = getgrnam(value);
		if (!g)
			argp_error(state, "--group: there is no group %s", value);
		else
			a->group = g->gr_gid;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* The one interface that is none of this machine's own. */
static int interface_find(struct jt_agent *a)
{
	struct if_nameindex *all = if_nameindex(), *i;
	struct jt_netdev dev;
	unsigned int n = 0;

	for (i = all; i && i->if_index; i++) {
		if (jt_netdev_get(i->if_name, &dev) || *dev.kind || !strcmp(i->if_name, "lo"))
			continue;
		n++;
		snprintf(a->interface, sizeof(a->interface), "%s", i->if_name);
	}
	if_freenameindex(all);
	return n == 1 ? 0 : -ENODEV;
}

static int interface_read(struct jt_agent *a)
{
	struct jt_netdev dev;
	int err = *a->interface ? 0 : interface_find(a);

	if (err) {
		jt_log("which interface leads to the host? Say it: --interface IF");
		return err;
	}
	err = jt_netdev_get(a->interface, &dev);
	if (err) {
		jt_log("there is no interface %s", a->interface);
		return err;
	}
	a->ifindex = dev.ifindex;
	memcpy(a->mac, dev.mac, sizeof(a->mac));
	return 0;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		options, option,
		NULL,	 "Let programs of this virtual machine attach to its host's jitneyd.",
		NULL,	 NULL,
		NULL
	};
	static struct jt_agent a = { .path = SOCKET_DEFAULT, .group = (gid_t)-1 };

	argp_parse(&argp, argc, argv, 0, NULL, &a);
	return interface_read(&a) ? EXIT_FAILURE : jt_agent_run(&a);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* attach and status: what this guest gets from the controller. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

int jt_status(const struct jt_line *line, char **args)
{
	struct jt_run run;
	int status = jt_run_begin(&run, line, "status");

	(void)args;
	if (status)
		return status;
	return jt_run_end(&run, json_pack("{s:s}", "command", "status"), status);
}

static void say(struct jt_run *run)
{
	struct jitney_statistics s = { .size = sizeof(s) };

	jitney_statistics(run->j, &s);
	fprintf(stderr, "attach: %s (receiving: %s)\n", jitney_reason(run->j),
		jitney_receive_name(s.receive));
}

/* Stay, and tell of each change. */
int jt_attach(const struct jt_line *line, char **args)
{
	struct jitney_statistics s = { .size = sizeof(s) };
	struct jitney_message m[JT_MANY];
	enum jitney_call call = JITNEY_AUTO;
	struct jt_run run;
	int status = jt_run_begin(&run, line, "attach"), n;

	(void)args;
	if (status)
		return status;
	while (jt_run_goes_on(&run)) {
		jitney_statistics(run.j, &s);
		if (s.call != call)
			say(&run);
		call = s.call;
		n = jitney_receive(run.j, m, JT_MANY, jt_run_patience(&run));
		if (n < 0 && n != -EINTR) {
			status = jt_complain("failed to receive: %s", strerror(-n));
			break;
		}
	}
	return jt_run_end(&run, json_pack("{s:s}", "command", "attach"), status);
}

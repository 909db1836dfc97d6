// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Commands that change something. */
#include <inttypes.h>
#include <string.h>

#include "client.h"
#include "shares.h"
#include "text.h"

int jt_change_flush(const struct jt_line *cli, char **args)
{
	json_t *answer = jt_ask(cli, json_pack("{s:s}", "command", "flush"));

	(void)args;
	if (!answer)
		return JT_EXIT_NO;
	if (!cli->json)
		puts(jt_get_true(answer, "swapped") ? "sent what was aboard" :
						      "nothing was aboard");
	json_decref(answer);
	return JT_EXIT_OK;
}

/* It was done, but it may not be what was meant. */
static void warn(const json_t *answer)
{
	const char *warning = json_string_value(json_object_get(answer, "warning"));

	if (warning)
		jt_complain("%s", warning);
}

static int guest_add(const struct jt_line *cli, const char *spec)
{
	json_t *answer = jt_ask(cli, json_pack("{s:s, s:s}", "command", "guest-add", "spec", spec));

	if (!answer)
		return JT_EXIT_NO;
	if (!cli->json && !cli->given)
		printf("added as guest %" PRId64 "\n", jt_get_int(answer, "id"));
	warn(answer);
	json_decref(answer);
	return JT_EXIT_OK;
}

int jt_change_guest_add(const struct jt_line *cli, char **args)
{
	/* What is to be printed may have been added before. */
	int status = cli->given && !strchr(args[0], '=') ? JT_EXIT_OK : guest_add(cli, args[0]);

	*strchrnul(args[0], '=') = '\0';
	return status || !cli->given ? status : jt_machine_print(cli, args[0]);
}

int jt_change_guest_del(const struct jt_line *cli, char **args)
{
	json_t *answer =
		jt_ask(cli, json_pack("{s:s, s:s}", "command", "guest-del", "name", args[0]));

	if (!answer)
		return JT_EXIT_NO;
	if (!cli->json)
		printf("removed %s\n", args[0]);
	json_decref(answer);
	return JT_EXIT_OK;
}

int jt_change_guest_set(const struct jt_line *cli, char **args)
{
	char share[256] = "";
	json_t *answer;
	size_t i;

	for (i = 1; args[i]; i++) {
		if (strlen(share) + strlen(args[i]) + 2 > sizeof(share))
			return jt_refused(cli, "that is too long for a share");
		strcat(share, i > 1 ? "," : "");
		strcat(share, args[i]);
	}
	answer = jt_ask(cli, json_pack("{s:s, s:s, s:s}", "command", "guest-set", "name", args[0],
				       "share", share));
	if (!answer)
		return JT_EXIT_NO;
	if (!cli->json)
		jt_share_print(args[0], json_object_get(answer, "share"));
	warn(answer);
	json_decref(answer);
	return JT_EXIT_OK;
}

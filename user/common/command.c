// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/command.h"

int jt_complain(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return JT_EXIT_NO;
}

static int command_width(const struct jt_command *c)
{
	return (int)(strlen(c->name) + strlen(c->synopsis));
}

char *jt_commands_help(const struct jt_commands *c, const char *text)
{
	const struct jt_command *end = c->table + c->count, *one;
	int width = 0;
	char *out;
	size_t size;
	FILE *f = open_memstream(&out, &size);

	if (!f)
		return NULL;
	for (one = c->table; one < end; one++)
		if (width < command_width(one))
			width = command_width(one);
	fprintf(f, "%s\n\n", text);
	for (one = c->table; one < end; one++)
		fprintf(f, "  %s %s%*s%s\n", one->name, one->synopsis,
			width - command_width(one) + 3, "", one->help);
	return fclose(f) ? NULL : out;
}

/* Return: how many words its name takes, 0 if the line doesn't begin with it. */
static int command_matches(const struct jt_command *c, char **words, int count)
{
	const char *second = strchr(c->name, ' ');
	size_t first = second ? (size_t)(second - c->name) : strlen(c->name);

	if (strlen(words[0]) != first || strncmp(words[0], c->name, first))
		return 0;
	if (!second)
		return 1;
	return count > 1 && !strcmp(words[1], second + 1) ? 2 : 0;
}

static const struct jt_command *command_find(const struct jt_commands *c, char **words, int count,
					     int *used)
{
	size_t i;

	for (i = 0; i < c->count; i++) {
		*used = command_matches(&c->table[i], words, count);
		if (*used)
			return &c->table[i];
	}
	return NULL;
}

static int wrong_usage(const char *what, const char *name)
{
	jt_complain("%s%s: see %s --help", what, name, program_invocation_short_name);
	return JT_EXIT_USAGE;
}

static int command_check(const struct jt_commands *c, const struct jt_command *one,
			 unsigned int given, int arguments)
{
	unsigned int extra = given & ~one->options;
	size_t i;

	for (i = 0; i < c->option_count; i++) {
		if (!(extra & 1U << i))
			continue;
		jt_complain("%s does not take %s: see %s --help", one->name, c->options[i],
			    program_invocation_short_name);
		return JT_EXIT_USAGE;
	}
	if (arguments >= one->least && arguments <= one->most)
		return JT_EXIT_OK;
	jt_complain("write: %s %s%s%s", program_invocation_short_name, one->name,
		    *one->synopsis ? " " : "", one->synopsis);
	return JT_EXIT_USAGE;
}

int jt_commands_run(const struct jt_commands *c, const struct jt_line *line, unsigned int given,
		    char **words, int count)
{
	const struct jt_command *one;
	int used;

	if (!count)
		return wrong_usage("a command is missing", "");
	one = command_find(c, words, count, &used);
	if (!one)
		return wrong_usage("there is no command ", words[0]);
	if (command_check(c, one, given, count - used))
		return JT_EXIT_USAGE;
	return one->run(line, words + used);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Programs that consist of commands: their table, and what is said of a wrong line. */
#ifndef JITNEY_COMMAND_H
#define JITNEY_COMMAND_H

#include <stddef.h>

enum jt_exit {
	JT_EXIT_OK = 0,
	JT_EXIT_NO = 1,	   /* it failed, the controller said no, or problems were found */
	JT_EXIT_USAGE = 2, /* the command line is wrong */
};

/* What the command line said: each program has its own. */
struct jt_line;

typedef int (*jt_command_run)(const struct jt_line *line, char **args);

struct jt_command {
	const char *name; /* one word, or two */
	const char *synopsis;
	const char *help;
	jt_command_run run;
	int least, most;      /* arguments */
	unsigned int options; /* bits of those that it takes */
};

struct jt_commands {
	const struct jt_command *table;
	size_t count;
	const char *const *options; /* what not all commands take; by bit */
	size_t option_count;
};

/* Return: @text and the commands, for free(); NULL if there is too little memory. */
char *jt_commands_help(const struct jt_commands *c, const char *text);

/*
 * jt_commands_run() - Run the command that a line names
 * @given:	bits of the options that stand in it
 * @words:	what is no option
 *
 * Return: the program's exit status.
 */
int jt_commands_run(const struct jt_commands *c, const struct jt_line *line, unsigned int given,
		    char **words, int count);

/* Say one sentence on standard error, behind the program's name. Return: JT_EXIT_NO. */
int jt_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif

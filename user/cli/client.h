/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The controller's socket: one request, one answer, a line each. */
#ifndef JITNEY_CLIENT_H
#define JITNEY_CLIENT_H

#include "cli.h"

#define JT_WRONG_SIZE 512

/*
 * A connection. Bytes that were read and not yet taken are data[0 .. used);
 * they are the caller's to look at and to take. Owns the descriptor and the
 * buffer until jt_client_close().
 */
struct jt_client {
	int fd;
	char *data;
	size_t used;
	size_t room;
};

/* Connect. Return: 0, or negative errno with nothing to close. */
int jt_client_open(struct jt_client *c, const char *path);
void jt_client_close(struct jt_client *c);

/* Read once. Return: bytes, 0 at the end, or negative errno (-EAGAIN: too late). */
long jt_client_read(struct jt_client *c);
void jt_client_take(struct jt_client *c, size_t bytes);

/*
 * jt_client_ask() - Send a request and read its answer's line
 * @request:	taken over, also on failure
 * @line:	set to the line as it came, the caller's to free; may be NULL
 * @wrong:	filled with one sentence when there is no answer
 *
 * Return: the answer, whether it says ok or not, or NULL.
 */
json_t *jt_client_ask(struct jt_client *c, json_t *request, char **line, char wrong[JT_WRONG_SIZE]);

/* Say why nobody answers at @path, and what to do. */
void jt_client_explain(int err, const char *path, char wrong[JT_WRONG_SIZE]);

/*
 * Ask over a connection of its own; the answer says ok. Nothing is printed.
 * Return: the answer, or NULL with @wrong filled.
 */
json_t *jt_ask_quietly(const struct jt_line *cli, json_t *request, char wrong[JT_WRONG_SIZE]);

/*
 * As above, for commands: complains by itself, and with --json prints the
 * answer, so that only text for people is left to print.
 */
json_t *jt_ask(const struct jt_line *cli, json_t *request);

/* With --json: print {"ok": false, "error": @wrong}. Complain. Return: JT_EXIT_NO. */
int jt_refused(const struct jt_line *cli, const char *wrong);

#endif

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "client.h"

#define ANSWER_SECONDS 10
#define ROOM_FIRST (64U << 10)
#define LINE_MAX (64U << 20)

int jt_client_open(struct jt_client *c, const char *path)
{
	struct timeval patience = { .tv_sec = ANSWER_SECONDS };
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int err;

	memset(c, 0, sizeof(*c));
	if (strlen(path) >= sizeof(to.sun_path))
		return -ENAMETOOLONG;
	memcpy(to.sun_path, path, strlen(path));
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return -errno;
	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(c->fd, (struct sockaddr *)&to, sizeof(to))) {
		err = -errno;
		close(c->fd);
		return err;
	}
	return 0;
}

void jt_client_close(struct jt_client *c)
{
	close(c->fd);
	free(c->data);
}

long jt_client_read(struct jt_client *c)
{
	size_t room = c->room ? c->room * 2 : ROOM_FIRST;
	char *bigger;
	long n;

	if (c->used == c->room) {
		bigger = room > LINE_MAX ? NULL : realloc(c->data, room);
		if (!bigger)
			return -ENOMEM;
		c->data = bigger;
		c->room = room;
	}
	n = recv(c->fd, c->data + c->used, c->room - c->used, 0);
	if (n < 0)
		return -errno;
	c->used += (size_t)n;
	return n;
}

void jt_client_take(struct jt_client *c, size_t bytes)
{
	c->used -= bytes;
	memmove(c->data, c->data + bytes, c->used);
}

/* Return: the next line without its newline, the caller's; NULL with *err set. */
static char *client_line(struct jt_client *c, int *err)
{
	size_t seen = 0;
	char *end = NULL, *line;
	long n;

	while (!end) {
		n = jt_client_read(c);
		*err = n < 0 ? (int)n : -ECONNRESET;
		if (n <= 0)
			return NULL;
		end = memchr(c->data + seen, '\n', c->used - seen);
		seen = c->used;
	}
	line = strndup(c->data, (size_t)(end - c->data));
	*err = -ENOMEM;
	jt_client_take(c, (size_t)(end - c->data) + 1);
	return line;
}

static int client_send(struct jt_client *c, json_t *request)
{
	char *text = json_dumps(request, JSON_COMPACT);
	size_t length, sent = 0;
	ssize_t n;

	json_decref(request);
	if (!text)
		return -ENOMEM;
	length = strlen(text);
	text[length++] = '\n';
	while (sent < length) {
		n = send(c->fd, text + sent, length - sent, MSG_NOSIGNAL);
		if (n < 0)
			break;
		sent += (size_t)n;
	}
	free(text);
	return sent < length ? -errno : 0;
}

json_t *jt_client_ask(struct jt_client *c, json_t *request, char **line, char wrong[JT_WRONG_SIZE])
{
	int err = client_send(c, request);
	char *text = err ? NULL : client_line(c, &err);
	json_error_t where;
	json_t *answer;

	if (!text) {
		snprintf(wrong, JT_WRONG_SIZE,
			 "the controller gave no answer (%s): look at its log",
			 err == -EAGAIN ? "it hangs" : strerror(-err));
		return NULL;
	}
	answer = json_loads(text, 0, &where);
	if (!json_is_object(answer)) {
		snprintf(wrong, JT_WRONG_SIZE,
			 "the answer is not understood (%s): is this jitneyd's socket?",
			 where.text);
		json_decref(answer);
		answer = NULL;
	}
	if (line && answer)
		*line = text;
	else
		free(text);
	return answer;
}

void jt_client_explain(int err, const char *path, char wrong[JT_WRONG_SIZE])
{
	if (err == -EACCES || err == -EPERM)
		snprintf(wrong, JT_WRONG_SIZE,
			 "not allowed to talk to the controller at %s: run jitney as root", path);
	else if (err == -ENOENT || err == -ECONNREFUSED || err == -ENOTDIR)
		snprintf(
			wrong, JT_WRONG_SIZE,
			"no controller answers at %s: start jitneyd, or name its socket with --socket",
			path);
	else
		snprintf(wrong, JT_WRONG_SIZE, "failed to connect to %s: %s", path, strerror(-err));
}

/* Return: an answer that says ok, or NULL with @wrong filled. */
static json_t *ask(const struct jt_line *cli, json_t *request, char **line,
		   char wrong[JT_WRONG_SIZE])
{
	struct jt_client c;
	int err = jt_client_open(&c, cli->socket);
	const char *said;
	json_t *answer;

	if (err) {
		json_decref(request);
		jt_client_explain(err, cli->socket, wrong);
		return NULL;
	}
	answer = jt_client_ask(&c, request, line, wrong);
	jt_client_close(&c);
	if (!answer || json_is_true(json_object_get(answer, "ok")))
		return answer;
	said = json_string_value(json_object_get(answer, "error"));
	snprintf(wrong, JT_WRONG_SIZE, "%s", said ? said : "the controller refused");
	json_decref(answer);
	return NULL;
}

json_t *jt_ask_quietly(const struct jt_line *cli, json_t *request, char wrong[JT_WRONG_SIZE])
{
	return ask(cli, request, NULL, wrong);
}

int jt_refused(const struct jt_line *cli, const char *wrong)
{
	json_t *answer = cli->json ? json_pack("{s:b, s:s}", "ok", 0, "error", wrong) : NULL;

	if (answer) {
		json_dumpf(answer, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(answer);
	}
	return jt_complain("%s", wrong);
}

json_t *jt_ask(const struct jt_line *cli, json_t *request)
{
	char wrong[JT_WRONG_SIZE], *line = NULL;
	json_t *answer = ask(cli, request, &line, wrong);

	if (!answer)
		jt_refused(cli, wrong);
	else if (cli->json)
		puts(line);
	free(line);
	return answer;
}

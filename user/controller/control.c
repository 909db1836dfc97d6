// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/log.h"
#include "controller/capture.h"
#include "controller/control.h"
#include "controller/guests.h"
#include "controller/receive.h"
#include "controller/report.h"
#include "controller/scheduler.h"

#define REQUEST_MAX 4096

/* A connection: first it reads a line, then it writes an answer. */
struct client {
	struct jt_watch watch;
	char request[REQUEST_MAX];
	size_t have;
	char *answer;
	size_t size, written;
};

static void client_close(struct jt_controller *c, struct client *client)
{
	jt_watch_close(c, &client->watch);
	free(client->answer);
	free(client);
}

static json_t *refuse(const char *why)
{
	return json_pack("{s:b, s:s}", "ok", 0, "error", why);
}

static json_t *flush(struct jt_controller *c, json_t *request)
{
	return json_pack("{s:b}", "swapped", jt_scheduler_flush(c));
}

static json_t *guest_add(struct jt_controller *c, json_t *request)
{
	const char *text = json_string_value(json_object_get(request, "spec")), *wrong;
	struct jt_guest_spec spec;
	int id;

	if (!text)
		return refuse("the request has no spec");
	wrong = jt_guest_spec_parse(text, &spec);
	if (wrong)
		return refuse(wrong);
	id = jt_guest_add(c, &spec, &wrong);
	return id < 0 ? refuse(wrong) : json_pack("{s:i}", "id", id);
}

static json_t *guest_del(struct jt_controller *c, json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "name")), *wrong;

	if (!name)
		return refuse("the request has no name");
	return jt_guest_remove(c, name, &wrong) < 0 ? refuse(wrong) : json_object();
}

#define REPORT(name)                                                             \
	static json_t *name(struct jt_controller *c, json_t *request)            \
	{                                                                        \
		return jt_report_##name(c);                                      \
	}
REPORT(status)
REPORT(guests)
REPORT(peers)
REPORT(cycle)
REPORT(page)
REPORT(drops)

static const struct command {
	const char *name;
	json_t *(*run)(struct jt_controller *c, json_t *request);
} commands[] = {
	{ "status", status }, { "guests", guests },	  { "peers", peers },
	{ "cycle", cycle },   { "page", page },		  { "drops", drops },
	{ "flush", flush },   { "guest-add", guest_add }, { "guest-del", guest_del },
};

static json_t *execute(struct jt_controller *c, json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "command"));
	json_t *answer;
	size_t i;

	for (i = 0; name && i < JT_ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i].name, name))
			continue;
		jt_receive_count(c);
		answer = commands[i].run(c, request);
		if (answer && !json_object_get(answer, "ok"))
			json_object_set_new(answer, "ok", json_true());
		return answer;
	}
	return refuse(name ? "there is no such command" : "the request names no command");
}

static void client_write(struct jt_controller *c, struct client *client)
{
	ssize_t n = send(client->watch.fd, client->answer + client->written,
			 client->size - client->written, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n > 0)
		client->written += (size_t)n;
	if (client->written == client->size || (n < 0 && errno != EAGAIN))
		client_close(c, client);
	else
		jt_watch_change(c, &client->watch, EPOLLOUT);
}

/* The connection becomes the capture's; the answer's line goes in front. */
static void client_capture(struct jt_controller *c, struct client *client)
{
	static const char yes[] = "{\"ok\": true}\n";
	int fd = dup(client->watch.fd);

	if (fd < 0 || send(fd, yes, sizeof(yes) - 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ||
	    !jt_capture_start(c, fd))
		close(fd);
	client_close(c, client);
}

static bool is_capture(const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "command"));

	return name && !strcmp(name, "capture");
}

static void client_answer(struct jt_controller *c, struct client *client)
{
	json_t *request = json_loadb(client->request, client->have, 0, NULL), *answer;

	if (is_capture(request) && c->capture.watch.fd < 0) {
		json_decref(request);
		client_capture(c, client);
		return;
	}
	if (!request)
		answer = refuse("the request is no JSON object on one line");
	else if (is_capture(request))
		answer = refuse("somebody captures already");
	else
		answer = execute(c, request);
	json_decref(request);
	client->answer = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
	json_decref(answer);
	if (!client->answer) {
		client_close(c, client);
		return;
	}
	client->size = strlen(client->answer);
	client->answer[client->size++] = '\n'; /* in place of the NUL */
	client_write(c, client);
}

static void client_ready(struct jt_controller *c, struct jt_watch *w, uint32_t events)
{
	struct client *client = (struct client *)w; /* its first member */
	ssize_t n;

	if (client->answer) {
		client_write(c, client);
		return;
	}
	n = recv(w->fd, client->request + client->have, REQUEST_MAX - client->have, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 0)
		client->have += (size_t)n;
	if (memchr(client->request, '\n', client->have) || client->have == REQUEST_MAX)
		client_answer(c, client);
	else if (n <= 0)
		client_close(c, client);
}

static void control_ready(struct jt_controller *c, struct jt_watch *w, uint32_t events)
{
	int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct client *client = fd < 0 ? NULL : calloc(1, sizeof(*client));

	if (!client) {
		if (fd >= 0)
			close(fd);
		return;
	}
	client->watch = (struct jt_watch){ .fd = fd, .ready = client_ready };
	if (jt_watch_add(c, &client->watch, EPOLLIN)) {
		close(fd);
		free(client);
	}
}

static int failed(const char *path, const char *why)
{
	jt_log("failed to listen at %s: %s", path, why);
	return -EADDRINUSE;
}

/* A socket file that nobody listens at is a dead controller's. */
static int remove_stale(const struct sockaddr_un *a)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int err = connect(fd, (const struct sockaddr *)a, sizeof(*a));

	close(fd);
	if (!err)
		return failed(a->sun_path, "another controller serves there: give this one "
					   "another --socket");
	unlink(a->sun_path);
	return 0;
}

int jt_control_start(struct jt_controller *c)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int n = snprintf(a.sun_path, sizeof(a.sun_path), "%s", c->options->socket), fd;

	if (n >= (int)sizeof(a.sun_path))
		return failed(c->options->socket, "the path is longer than 107 bytes");
	if (remove_stale(&a))
		return -EADDRINUSE;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	c->control_watch = (struct jt_watch){ .fd = fd, .ready = control_ready };
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) || chmod(a.sun_path, 0600) ||
	    listen(fd, 16))
		return failed(a.sun_path, strerror(errno));
	return jt_watch_add(c, &c->control_watch, EPOLLIN);
}

void jt_control_stop(struct jt_controller *c)
{
	if (c->control_watch.fd < 0)
		return;
	jt_watch_close(c, &c->control_watch);
	unlink(c->options->socket);
}

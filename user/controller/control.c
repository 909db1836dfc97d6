// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/log.h"
#include "controller/capture.h"
#include "controller/control.h"
#include "controller/foreign.h"
#include "controller/guests.h"
#include "controller/helpers.h"
#include "controller/receive.h"
#include "controller/report.h"
#include "controller/report_share.h"
#include "controller/scheduler.h"

#define REQUEST_MAX 4096
#define STRANGERS_MAX 64 /* connections of other users that have not said what they want */

/* A connection: first it reads a line, then it writes an answer. */
struct jt_client {
	struct jt_watch watch;
	struct jt_client *next, **link; /* in c->clients */
	bool trusted;			/* root's, or of the user that we run as */
	char request[REQUEST_MAX];
	size_t have;
	char *answer;
	size_t size, written;
};

static void clients_accept(struct jt_controller *c);

/* Return: its descriptor, which is no longer in the loop. */
static int client_forget(struct jt_controller *c, struct jt_client *client)
{
	int fd = client->watch.fd;

	*client->link = client->next;
	if (client->next)
		client->next->link = client->link;
	jt_watch_remove(c, &client->watch);
	free(client->answer);
	free(client);
	return fd;
}

/* Its descriptor may be the one that another client waits for. */
static void client_close(struct jt_controller *c, struct jt_client *client)
{
	jt_foreign_close(client_forget(c, client));
	clients_accept(c);
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
	if (id >= 0 && jt_guest_open_to_users(&spec))
		chmod(c->options->socket, 0666);
	return id < 0 ? refuse(wrong) :
			json_pack("{s:i, s:s?}", "id", id, "warning", jt_report_overbooked(c));
}

static json_t *guest_set(struct jt_controller *c, json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "name")), *wrong;
	const char *share = json_string_value(json_object_get(request, "share"));
	int id;

	if (!name || !share)
		return refuse(name ? "the request has no share" : "the request has no name");
	id = jt_guest_set(c, name, share, &wrong);
	return id < 0 ? refuse(wrong) :
			json_pack("{s:o, s:s?}", "share", jt_report_share(c, (uint32_t)id),
				  "warning", jt_report_overbooked(c));
}

static json_t *guest_del(struct jt_controller *c, json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "name")), *wrong;

	if (!name)
		return refuse("the request has no name");
	return jt_guest_remove(c, name, &wrong) < 0 ? refuse(wrong) : json_object();
}

#define REPORT(name)                                                  \
	static json_t *name(struct jt_controller *c, json_t *request) \
	{                                                             \
		return jt_report_##name(c);                           \
	}
REPORT(status)
REPORT(guests)
REPORT(peers)
REPORT(cycle)
REPORT(page)
REPORT(drops)
REPORT(calls)

static const struct command {
	const char *name;
	json_t *(*run)(struct jt_controller *c, json_t *request);
} commands[] = {
	{ "status", status },	    { "guests", guests },	{ "peers", peers },
	{ "cycle", cycle },	    { "page", page },		{ "drops", drops },
	{ "calls", calls },	    { "flush", flush },		{ "guest-add", guest_add },
	{ "guest-del", guest_del }, { "guest-set", guest_set },
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

static void client_write(struct jt_controller *c, struct jt_client *client)
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
static void client_capture(struct jt_controller *c, struct jt_client *client)
{
	static const char yes[] = "{\"ok\": true}\n";
	int fd = client_forget(c, client);

	if (send(fd, yes, sizeof(yes) - 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ||
	    !jt_capture_start(c, fd))
		jt_foreign_close(fd);
}

static bool is_capture(const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "command"));

	return name && !strcmp(name, "capture");
}

static void client_answer(struct jt_controller *c, struct jt_client *client)
{
	json_t *request = json_loadb(client->request, client->have, 0, NULL), *answer;

	if (client->trusted && is_capture(request) && c->capture.watch.fd < 0) {
		json_decref(request);
		client_capture(c, client);
		return;
	}
	if (!client->trusted)
		answer = refuse("only root may ask that");
	else if (!request)
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

/* A helper: from here on it is not the connection of a client. */
static bool is_helper(struct jt_controller *c, struct jt_client *client)
{
	static const uint32_t magic = JT_ATTACH_MAGIC;
	char first;

	if (client->have || recv(client->watch.fd, &first, 1, MSG_PEEK | MSG_DONTWAIT) != 1 ||
	    first != *(const char *)&magic)
		return false;
	jt_helper_open(c, client_forget(c, client));
	return true;
}

static void client_ready(struct jt_controller *c, struct jt_watch *w, uint32_t events)
{
	struct jt_client *client = (struct jt_client *)w; /* its first member */
	ssize_t n;

	if (client->answer) {
		client_write(c, client);
		return;
	}
	if (is_helper(c, client))
		return;
	n = jt_foreign_receive(w->fd, client->request + client->have, REQUEST_MAX - client->have,
			       NULL);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 0)
		client->have += (size_t)n;
	if (memchr(client->request, '\n', client->have) || client->have == REQUEST_MAX)
		client_answer(c, client);
	else if (n <= 0)
		client_close(c, client);
}

static unsigned int strangers(const struct jt_controller *c)
{
	const struct jt_client *client;
	unsigned int n = 0;

	for (client = c->clients; client; client = client->next)
		n += !client->trusted;
	return n;
}

static void client_open(struct jt_controller *c, int fd)
{
	struct jt_client *client = calloc(1, sizeof(*client));
	struct ucred who = { .uid = (uid_t)-1 };
	socklen_t size = sizeof(who);

	if (!client) {
		jt_foreign_close(fd);
		return;
	}
	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size);
	client->trusted = !who.uid || who.uid == geteuid();
	if (!client->trusted && strangers(c) >= STRANGERS_MAX) {
		jt_foreign_close(fd);
		free(client);
		return;
	}
	client->watch = (struct jt_watch){ .fd = fd, .ready = client_ready };
	if (jt_watch_add(c, &client->watch, EPOLLIN)) {
		jt_foreign_close(fd);
		free(client);
		return;
	}
	client->next = c->clients;
	client->link = &c->clients;
	if (c->clients)
		c->clients->link = &client->next;
	c->clients = client;
}

/*
 * The socket is watched for its edges: where there is no descriptor left for a
 * client it waits for one, and the loop does not turn meanwhile.
 */
static void clients_accept(struct jt_controller *c)
{
	int fd;

	while ((fd = accept4(c->control_watch.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0 ||
	       errno == EINTR || errno == ECONNABORTED)
		if (fd >= 0)
			client_open(c, fd);
}

static void control_ready(struct jt_controller *c, struct jt_watch *w, uint32_t events)
{
	clients_accept(c);
}

static int failed(const char *path, const char *why)
{
	jt_log("failed to listen at %s: %s", path, why);
	return -EADDRINUSE;
}

/* A socket file that nobody listens at is a dead controller's. Other files are not ours. */
static int remove_stale(int fd, const struct sockaddr_un *a)
{
	int err = connect(fd, (const struct sockaddr *)a, sizeof(*a)) ? errno : 0;
	struct stat file;

	if (!err || err == EAGAIN)
		return failed(a->sun_path, "another controller serves there: give this one "
					   "another --socket");
	if (err == ECONNREFUSED && !lstat(a->sun_path, &file) && S_ISSOCK(file.st_mode))
		unlink(a->sun_path);
	return 0;
}

/*
 * From its first moment on the file is its owner's only, unless other users may
 * attach: who asks for what is looked at behind the door then.
 */
static int bind_path(struct jt_controller *c, int fd, const struct sockaddr_un *a)
{
	mode_t mask = umask(jt_guests_open_to_users(c) ? 0111 : 0177);
	int err = bind(fd, (const struct sockaddr *)a, sizeof(*a)) ? errno : 0;

	umask(mask);
	return err ? failed(a->sun_path, strerror(err)) : 0;
}

static int control_listen(struct jt_controller *c, int fd, const struct sockaddr_un *a)
{
	c->control_watch = (struct jt_watch){ .fd = fd, .ready = control_ready };
	if (listen(fd, 16) || jt_watch_add(c, &c->control_watch, EPOLLIN | EPOLLET))
		return failed(a->sun_path, strerror(errno));
	return 0;
}

int jt_control_start(struct jt_controller *c)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int n = snprintf(a.sun_path, sizeof(a.sun_path), "%s", c->options->socket), fd, err;

	if (n >= (int)sizeof(a.sun_path))
		return failed(c->options->socket, "the path is longer than 107 bytes");
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return failed(a.sun_path, strerror(errno));
	err = remove_stale(fd, &a);
	if (!err)
		err = bind_path(c, fd, &a);
	if (err)
		close(fd);
	return err ? err : control_listen(c, fd, &a);
}

void jt_control_stop(struct jt_controller *c)
{
	if (c->control_watch.fd < 0)
		return;
	jt_watch_close(c, &c->control_watch);
	unlink(c->options->socket);
	while (c->clients)
		client_close(c, c->clients);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Handles: made, asked about, ended. */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"

#define SEND_BYTES (256U << 10)
#define RECEIVE_BYTES (2U << 20)
#define SOCKET_DEFAULT "/run/jitney.sock"
#define DRAIN_TRIES 100
#define DRAIN_US 2000

static const char *const call_names[] = {
	[JITNEY_AUTO] = "auto",	  [JITNEY_STACK] = "stack", [JITNEY_XDP] = "xdp",
	[JITNEY_SLICE] = "slice", [JITNEY_MAP] = "map",
};

static const char *const receive_names[] = {
	[JITNEY_RECEIVE_AUTO] = "auto",	  [JITNEY_RECEIVE_SLICE] = "slice",
	[JITNEY_RECEIVE_XDP] = "xdp",	  [JITNEY_RECEIVE_RAW] = "raw",
	[JITNEY_RECEIVE_STACK] = "stack",
};

const struct jt_call jt_call_stack = {
	.id = JITNEY_STACK,
	.name = "stack",
	.why = "asked for",
};

const char *jitney_call_name(enum jitney_call call)
{
	return (size_t)call < JT_ARRAY_SIZE(call_names) ? call_names[call] : "unknown";
}

const char *jitney_receive_name(enum jitney_receive receive)
{
	return (size_t)receive < JT_ARRAY_SIZE(receive_names) ? receive_names[receive] : "unknown";
}

static uint32_t ring_size(uint32_t asked, uint32_t usual)
{
	uint32_t size = JT_SLICE_RING_MIN;

	if (!asked)
		return usual;
	while (size < asked && size < JT_SLICE_RING_MAX)
		size *= 2;
	return size;
}

static int options_check(const struct jitney_options *o)
{
	if (o->size < sizeof(*o) || (size_t)o->call >= JT_ARRAY_SIZE(call_names) ||
	    (size_t)o->receive >= JT_ARRAY_SIZE(receive_names) || o->flags & ~JITNEY_NONBLOCK)
		return -EINVAL;
	if (o->guest && (!*o->guest || strlen(o->guest) >= JT_NAME_SIZE))
		return -EINVAL;
	return 0;
}

static int options_take(struct jitney *j, const struct jitney_options *o)
{
	const char *path = o ? o->socket : NULL;

	if (o)
		j->options = *o;
	j->options.guest = NULL;
	if (!path)
		path = secure_getenv("JITNEY_SOCKET");
	j->options.socket = strdup(path && *path ? path : SOCKET_DEFAULT);
	if (o && o->guest)
		j->options.guest = strdup(o->guest);
	j->options.send_bytes = ring_size(j->options.send_bytes, SEND_BYTES);
	j->options.receive_bytes = ring_size(j->options.receive_bytes, RECEIVE_BYTES);
	j->flags = j->options.flags;
	return j->options.socket && (!o || !o->guest || j->options.guest) ? 0 : -ENOMEM;
}

static int memory_take(struct jitney *j)
{
	struct epoll_event event = { .events = EPOLLIN };

	j->batch = calloc(JT_BATCH, sizeof(*j->batch));
	j->sockets = jt_sockets_open();
	j->epoll = epoll_create1(EPOLL_CLOEXEC);
	j->netlink = jt_netlink_open();
	if (!j->batch || !j->sockets)
		return -ENOMEM;
	if (j->netlink < 0)
		return j->netlink;
	if (j->epoll < 0 || epoll_ctl(j->epoll, EPOLL_CTL_ADD, jt_sockets_fd(j->sockets), &event))
		return -errno;
	return 0;
}

static bool needs_controller(const struct jitney *j)
{
	return j->options.call > JITNEY_STACK || j->options.receive == JITNEY_RECEIVE_SLICE ||
	       j->options.receive == JITNEY_RECEIVE_XDP;
}

static int begin(struct jitney *j)
{
	int err;

	if (j->options.receive == JITNEY_RECEIVE_RAW) {
		err = jt_raw_open(j);
		if (err)
			return err;
	}
	j->retry_gap_ns = JT_RETRY_NS;
	if (j->options.call == JITNEY_STACK && !needs_controller(j)) {
		j->retry_ns = UINT64_MAX;
		jt_say(j, "stack: %s", jt_call_stack.why);
		return 0;
	}
	err = jt_attach(j, jt_now_coarse());
	return needs_controller(j) ? err : 0;
}

static struct jitney *handle_new(void)
{
	struct jitney *j = calloc(1, sizeof(*j));
	unsigned int i;

	if (!j)
		return NULL;
	for (i = 0; i < JT_FD_COUNT; i++)
		j->fds[i] = -1;
	j->connection = -1;
	j->epoll = -1;
	j->room_fd = -1;
	j->netlink = -1;
	jt_notice_forget(j);
	j->call = &jt_call_stack;
	j->ethertype = jt_htons(JT_ETHERTYPE_DEFAULT);
	return j;
}

int jitney_open(struct jitney **out, const struct jitney_options *options)
{
	int err = options ? options_check(options) : 0;
	struct jitney *j;

	if (err)
		return err;
	j = handle_new();
	if (!j)
		return -ENOMEM;
	err = options_take(j, options);
	if (!err)
		err = memory_take(j);
	if (!err) {
		j->receive = j->options.receive == JITNEY_RECEIVE_RAW ? JITNEY_RECEIVE_RAW :
									JITNEY_RECEIVE_STACK;
		err = begin(j);
	}
	if (err) {
		jitney_close(j);
		return err;
	}
	*out = j;
	return 0;
}

/*
 * What lies in the slice must be aboard before the controller sees this end. While
 * its page is full it says -EAGAIN; banks come back within milliseconds.
 */
static void drain(struct jitney *j)
{
	struct jt_attach_message m = { 0 };
	int err = j->call->put ? -EAGAIN : 0, i;

	for (i = 0; i < DRAIN_TRIES && err == -EAGAIN; i++) {
		if (JT_READ(j->view.slice->send_tail) == j->head)
			return;
		if (i)
			usleep(DRAIN_US);
		err = jt_attach_ask(j, JT_ATTACH_BARRIER, &m);
	}
}

void jitney_close(struct jitney *j)
{
	if (!j)
		return;
	if (j->call->publish)
		j->call->publish(j);
	drain(j);
	jt_detach(j, 0);
	jt_view_unmap(&j->old);
	while (j->flows)
		jitney_disconnect(j->flows);
	while (j->ports)
		jt_port_close(j, j->ports);
	jt_raw_close(j);
	jt_sockets_close(j->sockets);
	if (j->epoll >= 0)
		close(j->epoll);
	if (j->netlink >= 0)
		close(j->netlink);
	free(j->batch);
	free((char *)j->options.socket);
	free((char *)j->options.guest);
	free(j);
}

/* What the controller refuses, or has not claimed yet, comes through the port's socket. */
void jt_port_claim(struct jitney *j, const struct jt_port *port)
{
	struct jt_request request = { .routine = JT_ROUTINE_claim,
				      .u.arguments = { port->number } };

	if (j->receive == JITNEY_RECEIVE_SLICE || j->receive == JITNEY_RECEIVE_XDP)
		jt_call(j, &request);
}

static int claim(struct jitney *j, const struct jt_port *port)
{
	if (j->raw)
		return jt_raw_ports(j);
	jt_port_claim(j, port);
	return 0;
}

int jitney_bind(struct jitney *j, uint16_t number)
{
	struct jt_port *port = number ? jt_port_find(j, number) : NULL;
	int err;

	if (port) {
		port->automatic = false;
		return port->number;
	}
	err = jt_port_open(j, number, &port);
	if (err)
		return err;
	err = claim(j, port);
	if (!err)
		return port->number;
	jt_port_close(j, port);
	return err;
}

/*
 * Nobody uses the port any more: let other programs have it. That can't wait: from
 * the moment on that the socket is closed, what comes may be theirs.
 */
void jt_port_release(struct jitney *j, struct jt_port *port)
{
	struct jt_request request = { .routine = JT_ROUTINE_release,
				      .u.arguments = { port->number } };

	/* If its claim still waits, this waits behind it. */
	if ((j->receive == JITNEY_RECEIVE_SLICE || j->receive == JITNEY_RECEIVE_XDP) &&
	    jt_call_now(j, &request, NULL) == -EAGAIN)
		jt_call(j, &request);
	jt_port_close(j, port);
	if (j->raw)
		jt_raw_ports(j);
}

const char *jitney_reason(struct jitney *j)
{
	return j->reason;
}

int jitney_fd(struct jitney *j)
{
	return j->epoll;
}

int jitney_flush(struct jitney *j)
{
	jt_room_done(j);
	return j->call->flush ? j->call->flush(j) : 0;
}

void jitney_statistics(struct jitney *j, struct jitney_statistics *out)
{
	size_t size = out->size < sizeof(j->statistics) ? out->size : sizeof(j->statistics);
	struct jitney_statistics now;

	jt_calls_reap(j);
	now = j->statistics;
	now.lost += j->lost_before + jt_inbox_lost(j);
	if (j->view.slice)
		now.lost += JT_READ(j->view.slice->receive_lost);
	now.size = size;
	now.call = j->call->id;
	now.receive = j->receive;
	memcpy(out, &now, size);
}

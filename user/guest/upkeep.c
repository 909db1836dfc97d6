// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The controller comes and goes, and the handle lives on: attach, notice that
 * nobody is there any more, try again.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "xsk.h"

static const struct jt_notice no_notice;

void jt_say(struct jitney *j, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(j->reason, sizeof(j->reason), format, args);
	va_end(args);
}

static void say_refused(struct jitney *j, int err, const struct jt_attach_message *m)
{
	const char *path = j->options.socket;

	if (m->error && memchr(m->u.text, 0, sizeof(m->u.text)) && *m->u.text)
		jt_say(j, "stack: the controller says: %s", m->u.text);
	else if (err == -ENOENT || err == -ECONNREFUSED || err == -ENOTDIR)
		jt_say(j, "stack: no controller answers at %s", path);
	else if (err == -EACCES || err == -EPERM)
		jt_say(j, "stack: this user may not talk to the controller at %s", path);
	else
		jt_say(j, "stack: failed to attach to the controller at %s: %s", path,
		       strerror(-err));
}

/* The call that is used; NULL: the slice is only to receive from. */
static const struct jt_call *wanted_call(const struct jitney *j)
{
	switch (j->options.call) {
	case JITNEY_STACK:
		return NULL;
	case JITNEY_XDP:
		return &jt_call_xdp;
	case JITNEY_MAP:
		return &jt_call_map;
	case JITNEY_AUTO:
		return j->distrusted ? &jt_call_slice : &jt_call_map;
	default:
		return &jt_call_slice;
	}
}

static bool wanted_slice(const struct jitney *j)
{
	return j->options.receive == JITNEY_RECEIVE_AUTO ?
		       j->options.call != JITNEY_STACK :
		       j->options.receive == JITNEY_RECEIVE_SLICE;
}

static void hello_fill(const struct jitney *j, struct jt_attach_message *m)
{
	const struct jt_call *call = wanted_call(j);
	struct jt_attach_hello *h = &m->u.hello;

	memset(m, 0, sizeof(*m));
	if (j->options.guest)
		memcpy(h->guest, j->options.guest, strlen(j->options.guest));
	h->call = call ? call->ask : JT_CALL_NONE;
	h->receive = j->options.receive == JITNEY_RECEIVE_XDP ? JT_RECEIVE_XDP : JT_RECEIVE_SLICE;
	h->send_size = j->options.send_bytes;
	h->receive_size = j->options.receive_bytes;
}

static int watch(struct jitney *j, int fd)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP };

	return epoll_ctl(j->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

/* By hand: another process may have it open, too, so closing it here takes it out of nothing. */
static void unwatch(struct jitney *j, int fd)
{
	if (fd >= 0)
		epoll_ctl(j->epoll, EPOLL_CTL_DEL, fd, NULL);
}

void jt_notice_forget(struct jitney *j)
{
	if (j->notice && j->notice != &no_notice)
		munmap((void *)j->notice, sizeof(*j->notice));
	j->notice = &no_notice;
}

static int notice_map(struct jitney *j, uint64_t offset)
{
	const struct jt_notice *n = jt_map(j->fds[JT_FD_NOTICE], offset, sizeof(*n), PROT_READ);

	if (!n)
		return -errno;
	j->notice = n;
	return JT_READ(n->magic) == JT_NOTICE_MAGIC ? 0 : -EPROTO;
}

static int inbox_open(struct jitney *j)
{
	int err = j->xsk ? jt_inbox_open(j) : -EPROTO;

	return err ? err : watch(j, j->fds[JT_FD_SOCKET]);
}

/* Map and set up what the controller gave. */
static int begin(struct jitney *j, const struct jt_attach_hello *hello)
{
	const struct jt_call *call = wanted_call(j);
	int err = -EPROTO;

	if (j->fds[JT_FD_SLICE] < 0 || j->fds[JT_FD_NOTICE] < 0 || j->fds[JT_FD_RECEIVE] < 0)
		return err;
	j->ifindex = hello->ifindex;
	j->machine = hello->machine;
	j->ethertype = hello->ethertype;
	memcpy(j->mac, hello->mac, sizeof(j->mac));
	err = jt_view_map(&j->view, j->fds[JT_FD_SLICE], hello->slice_offset, hello->slice_size);
	if (!err)
		err = notice_map(j, hello->notice_offset);
	if (!err)
		jt_calls_begin(j);
	if (!err)
		err = watch(j, j->fds[JT_FD_RECEIVE]);
	if (!err)
		err = watch(j, j->connection);
	if (!err && j->fds[JT_FD_SOCKET] >= 0)
		err = jt_xsk_open(j, hello);
	if (!err && j->options.receive == JITNEY_RECEIVE_XDP)
		err = inbox_open(j);
	if (!err && call)
		err = call->open(j, hello);
	if (err)
		return err;
	j->call = call ? call : &jt_call_stack;
	if (wanted_slice(j))
		j->receive = JITNEY_RECEIVE_SLICE;
	if (j->inbox)
		j->receive = JITNEY_RECEIVE_XDP;
	JT_WRITE(j->view.slice->receive_waiting, 1);
	j->armed = true;
	return 0;
}

static void flows_forget(struct jitney *j)
{
	struct jitney_flow *f;

	for (f = j->flows; f; f = f->next) {
		f->known = false;
		f->asked = false;
		f->look_ns = 0;
		f->number = -1;
		f->frame = 0;
	}
}

static void retry_later(struct jitney *j, uint64_t now)
{
	j->retry_ns = now + j->retry_gap_ns;
	if (j->retry_gap_ns < JT_RETRY_MAX_NS)
		j->retry_gap_ns *= 2;
}

static void unattach(struct jitney *j)
{
	jt_room_done(j);
	jt_calls_end(j);
	unwatch(j, j->fds[JT_FD_RECEIVE]);
	unwatch(j, j->connection);
	unwatch(j, j->fds[JT_FD_SOCKET]);
	jt_inbox_close(j);
	jt_xsk_close(j);
	jt_attach_close(j);
	jt_notice_forget(j);
	j->call = &jt_call_stack;
	j->armed = false;
	if (j->receive != JITNEY_RECEIVE_RAW)
		j->receive = JITNEY_RECEIVE_STACK;
}

/* Return: 0, or why the handle is as it was. */
int jt_attach(struct jitney *j, uint64_t now)
{
	struct jt_attach_message m;
	int err;

	j->distrusted = false;
	do {
		hello_fill(j, &m);
		err = jt_attach_open(j, j->options.socket, &m);
	} while (err == -EPERM && j->options.call == JITNEY_AUTO && !j->distrusted &&
		 (j->distrusted = true));
	if (!err) {
		err = begin(j, &m.u.hello);
		if (err) {
			unattach(j);
			jt_view_unmap(&j->view);
		}
	}
	if (err) {
		say_refused(j, err, &m);
		retry_later(j, now);
		return err;
	}
	jt_say(j, "%s: %s", j->call->name, j->call->why);
	j->retry_gap_ns = JT_RETRY_NS;
	j->statistics.attached++;
	flows_forget(j);
	jt_calls_again(j);
	return 0;
}

/* What was received stays until it was handed out, and is no longer looked at. */
static void share_retire(struct jitney *j)
{
	struct jt_slice *old = j->old.slice;

	j->lost_before += JT_READ(j->view.slice->receive_lost);
	/* A second one in a row: who has messages in hand out of the first keeps those. */
	if (old && JT_READ(old->receive_tail) != j->old.taken) {
		jt_view_unmap(&j->view);
		return;
	}
	jt_view_unmap(&j->old);
	j->old = j->view;
	memset(&j->view, 0, sizeof(j->view));
}

void jt_detach(struct jitney *j, uint64_t now)
{
	const struct jt_call *call = j->call;

	if (j->connection < 0)
		return;
	unattach(j);
	if (call->close)
		call->close(j);
	share_retire(j);
	jt_say(j, "stack: the controller at %s is gone", j->options.socket);
	j->retry_ns = now + JT_RETRY_NS;
	j->retry_gap_ns = JT_RETRY_NS;
}

/* The slow look at the controller: is it there still, is it there again? */
void jt_upkeep(struct jitney *j, uint64_t now)
{
	j->upkeep_ns = now + JT_UPKEEP_NS;
	/* One that says good-bye goes on for a moment, and takes what lies in the slice. */
	if (j->connection >= 0 && jt_attach_lost(j))
		jt_detach(j, now);
	if (j->connection < 0 && now >= j->retry_ns)
		jt_attach(j, now);
}

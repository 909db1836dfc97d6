// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The loop: programs come and go, the host rings, and so do programs. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <jitney/env_user.h>
#include "agent.h"
#include "common/log.h"
#include "common/parcel.h"

#define EVENTS_MAX 32
#define BACKLOG 64
#define AGAIN_MS 20	      /* between two rings that the host did not hear */
#define DEAD_NS 1000000000ULL /* a controller that hears nothing for so long is none */
#define CLOCK_MS 5000	      /* between two words about the time */
#define WHILE_NONE_MS 500     /* between two looks for a controller, while there is none */

/* What an event belongs to: a seat's connection or doorbell, or one of these. */
enum { LISTENER = JT_MACHINE_SLOTS, HOST, BELL, SIGNALS, DOORBELLS };

static int watch(struct jt_agent *a, int fd, uint32_t events, uint64_t what)
{
	struct epoll_event e = { .events = events, .data.u64 = what };

	return epoll_ctl(a->epoll, EPOLL_CTL_ADD, fd, &e) ? -errno : 0;
}

void jt_agent_ring(struct jt_agent *a)
{
	struct jt_machine *page = a->page;

	a->said_ns = jt_env_now();
	if (page->rung == JT_READ(page->heard))
		a->rang_ns = a->said_ns;
	JT_WRITE(page->clock_ns, a->said_ns);
	JT_WRITE(page->rung, page->rung + 1);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	a->host->ring(a);
}

static void seats_close(struct jt_agent *a)
{
	unsigned int i;

	for (i = 0; i < JT_MACHINE_SLOTS; i++)
		jt_seat_close(a, i, false);
}

/* A controller that has just begun, or gone: nobody is attached to it. */
static void session_look(struct jt_agent *a)
{
	struct jt_machine *page = a->page;
	bool there = JT_READ(page->magic) == JT_MACHINE_MAGIC &&
		     JT_READ(page->version) == JT_MACHINE_VERSION;
	uint64_t session = there ? JT_READ(page->session) : 0;

	if (session && session == a->silent) {
		if (page->rung != JT_READ(page->heard))
			return;
		a->silent = 0;
	}
	if (session == a->session)
		return;
	seats_close(a);
	a->session = session;
	if (!session) {
		jt_log("the host's controller is gone");
		return;
	}
	jt_bell_listen(a);
	memset(page->slots, 0, sizeof(page->slots));
	JT_WRITE(page->heard, page->rung);
	JT_WRITE(page->boot, jt_env_now());
	jt_agent_ring(a);
	jt_log("attached to the host's controller");
}

/* Bits of @wakes: see <jitney/machine.h>. */
static void wake(struct jt_agent *a, uint64_t wakes)
{
	struct jt_seat *s;
	unsigned int i;

	for (i = 0; i < JT_MACHINE_SLOTS; i++) {
		s = &a->seats[i];
		if (s->attached && wakes & JT_WAKES_RECEIVE(i))
			jt_ringer_ring(s->receive);
		if (s->attached && wakes & JT_WAKES_CYCLE(i))
			jt_ringer_ring(s->cycle);
		if (s->attached && wakes & JT_WAKES_CLAIMS(i))
			jt_seat_claims(a, i);
		if (wakes & JT_WAKES_GONE(i))
			jt_seat_close(a, i, true);
	}
}

/* Everything that the host may have done. */
static void look(struct jt_agent *a)
{
	unsigned int i;

	session_look(a);
	if (!a->session)
		return;
	wake(a, __atomic_exchange_n(&a->page->wakes, 0, __ATOMIC_SEQ_CST));
	for (i = 0; i < JT_MACHINE_SLOTS; i++)
		jt_seat_look(a, i);
}

static bool unheard(const struct jt_agent *a)
{
	return a->session && a->page->rung != JT_READ(a->page->heard);
}

/* Is a program attached, or, if @waiting, does one wait for the host's answer? */
static bool any(const struct jt_agent *a, bool waiting)
{
	const struct jt_seat *s;

	for (s = a->seats; s < a->seats + JT_MACHINE_SLOTS; s++)
		if (waiting ? s->waiting : s->attached)
			return true;
	return false;
}

static int patience(const struct jt_agent *a)
{
	if (unheard(a) || (a->session && any(a, true)))
		return AGAIN_MS;
	if (!a->session)
		return WHILE_NONE_MS;
	return any(a, false) ? CLOCK_MS : -1;
}

static bool dead(const struct jt_agent *a)
{
	return unheard(a) && jt_env_now() - a->rang_ns > DEAD_NS;
}

/* It is time for a word to the host, whatever programs do meanwhile. */
static bool due(const struct jt_agent *a)
{
	return dead(a) ||
	       (a->session && jt_env_now() - a->said_ns > CLOCK_MS * 1000000ULL && any(a, false));
}

/* Nothing happened for a while. */
static void idle(struct jt_agent *a)
{
	if (dead(a)) {
		jt_log("the host's controller does not answer");
		seats_close(a);
		a->silent = a->session;
		a->session = 0;
	} else if (a->silent || unheard(a) || any(a, true) || any(a, false)) {
		jt_agent_ring(a);
	}
	look(a);
}

static void accept_all(struct jt_agent *a)
{
	int fd;

	while ((fd = accept4(a->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		jt_seat_open(a, fd);
}

static void event(struct jt_agent *a, uint64_t what)
{
	switch (what) {
	case LISTENER:
		accept_all(a);
		break;
	case HOST:
		if (!a->host->rung(a))
			a->stop = true;
		break;
	case BELL:
		jt_bell_take(a);
		break;
	case SIGNALS:
		a->stop = true;
		break;
	default:
		if (what < JT_MACHINE_SLOTS)
			jt_seat_ready(a, (unsigned int)what);
		else if (a->session)
			jt_agent_ring(a);
	}
}

int jt_agent_watch(struct jt_agent *a, unsigned int seat)
{
	return watch(a, a->seats[seat].connection, EPOLLIN | EPOLLRDHUP, seat);
}

int jt_agent_watch_doorbell(struct jt_agent *a, unsigned int seat)
{
	return watch(a, a->seats[seat].doorbell, EPOLLIN | EPOLLET, DOORBELLS);
}

static void loop(struct jt_agent *a)
{
	struct epoll_event events[EVENTS_MAX];
	int i, n;

	look(a);
	while (!a->stop) {
		n = epoll_wait(a->epoll, events, EVENTS_MAX, patience(a));
		for (i = 0; i < n; i++)
			event(a, events[i].data.u64);
		if (n)
			look(a);
		if (!n || due(a))
			idle(a);
	}
}

/* --- start and end ------------------------------------------------------------------------ */

static int listener_open(struct jt_agent *a)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	bool all;

	if (strlen(a->path) >= sizeof(at.sun_path))
		return -ENAMETOOLONG;
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", a->path);
	a->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (a->listener < 0)
		return -errno;
	unlink(a->path);
	all = !bind(a->listener, (struct sockaddr *)&at, sizeof(at)) &&
	      !chmod(a->path, a->group == (gid_t)-1 ? 0600 : 0660) &&
	      !chown(a->path, (uid_t)-1, a->group) && !listen(a->listener, BACKLOG);
	return all ? watch(a, a->listener, EPOLLIN, LISTENER) : -errno;
}

static int signals_open(struct jt_agent *a)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	a->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return a->signals < 0 ? -errno : watch(a, a->signals, EPOLLIN, SIGNALS);
}

static int host_open(struct jt_agent *a, const char **wrong)
{
	static const struct jt_host *const hosts[] = { &jt_host_xen, &jt_host_qemu };
	unsigned int i;
	int err = -ENODEV;

	for (i = 0; err == -ENODEV && i < JT_ARRAY_SIZE(hosts); i++) {
		*wrong = NULL;
		a->host = hosts[i];
		err = hosts[i]->open(a, wrong);
	}
	return err;
}

static int start(struct jt_agent *a)
{
	const char *wrong = NULL;
	int err = host_open(a, &wrong);

	if (err) {
		jt_log("failed to share memory with the host: %s",
		       wrong ? wrong : "it has given none to this machine");
		return err;
	}
	err = jt_bell_open(a);
	if (err) {
		jt_log("failed to open a packet socket: %s", strerror(-err));
		return err;
	}
	err = watch(a, a->bell, EPOLLIN, BELL);
	if (!err && a->watch >= 0)
		err = watch(a, a->watch, EPOLLIN, HOST);
	if (!err)
		err = signals_open(a);
	if (!err)
		err = listener_open(a);
	if (err)
		jt_log("failed to listen at %s: %s", a->path, strerror(-err));
	return err;
}

int jt_agent_run(struct jt_agent *a)
{
	unsigned int i;
	int err;

	a->epoll = epoll_create1(EPOLL_CLOEXEC);
	a->space = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	a->listener = a->bell = a->watch = a->signals = -1;
	for (i = 0; i < JT_MACHINE_SLOTS; i++)
		a->seats[i].connection = -1;
	err = a->epoll < 0 || a->space < 0 ? -errno : start(a);
	if (!err) {
		jt_log("ready: %s, %s", a->host->name, a->interface);
		loop(a);
		seats_close(a);
		JT_WRITE(a->page->boot, 0);
		jt_agent_ring(a);
		unlink(a->path);
	}
	if (a->own)
		a->host->close(a);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <bpf/libbpf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/log.h"
#include "backend/backend.h"
#include "controller/capture.h"
#include "controller/control.h"
#include "controller/domains.h"
#include "controller/guests.h"
#include "controller/helpers.h"
#include "controller/peers.h"
#include "controller/places.h"
#include "controller/process.h"
#include "controller/receive.h"
#include "controller/scheduler.h"
#include "controller/transmit.h"
#include "controller/uplink.h"

#define EVENTS_MAX 16
#define LINGER_NS 40000000ULL
#define GRACE_US 10000 /* a program that has begun is through by then */

int jt_watch_add(struct jt_controller *c, struct jt_watch *w, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = w };

	return epoll_ctl(c->epoll, EPOLL_CTL_ADD, w->fd, &e) ? -errno : 0;
}

void jt_watch_change(struct jt_controller *c, struct jt_watch *w, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = w };

	epoll_ctl(c->epoll, EPOLL_CTL_MOD, w->fd, &e);
}

void jt_watch_remove(struct jt_controller *c, struct jt_watch *w)
{
	epoll_ctl(c->epoll, EPOLL_CTL_DEL, w->fd, NULL);
	w->fd = -1;
}

void jt_watch_close(struct jt_controller *c, struct jt_watch *w)
{
	int fd = w->fd;

	if (fd < 0)
		return;
	jt_watch_remove(c, w);
	close(fd);
}

static int event(void *context, void *data, size_t size)
{
	struct jt_controller *c = context;
	const struct jt_event *e = data;

	switch (e->kind) {
	case JT_EVENT_ABOARD:
		jt_scheduler_wake(c, e->time_ns);
		break;
	case JT_EVENT_FULL:
		jt_scheduler_full(c);
		break;
	case JT_EVENT_PROBE:
		jt_peers_probe(c, e->id);
		break;
	case JT_EVENT_BORROW:
		jt_shares_asked(c);
		break;
	case JT_EVENT_BELL:
		jt_link_bell(c, e->id);
		break;
	case JT_EVENT_LEARNED:
		jt_places_changed(c);
		jt_peers_announce(c);
		break;
	}
	return 0;
}

static void events_ready(struct jt_controller *c, struct jt_watch *w, uint32_t events)
{
	jt_frames_take(c);
}

static void announce_ready(struct jt_controller *c, struct jt_watch *w, uint32_t events)
{
	uint64_t expired;

	if (read(w->fd, &expired, sizeof(expired)) == sizeof(expired))
		jt_peers_announce(c);
}

static void signal_ready(struct jt_controller *c, struct jt_watch *w, uint32_t events)
{
	c->stop = true;
}

static void device_changed(void *owner, const struct jt_netdev *dev, bool gone)
{
	struct jt_controller *c = owner;

	if (!strcmp(dev->name, c->options->uplink))
		jt_uplink_changed(c, dev, gone);
	else
		jt_guests_device(c, dev, gone);
}

static void device_look(struct jt_controller *c, const char *name)
{
	struct jt_netdev dev = { 0 };
	bool gone = jt_netdev_get(name, &dev) == -ENODEV;

	snprintf(dev.name, sizeof(dev.name), "%s", name);
	if (gone || dev.ifindex)
		device_changed(c, &dev, gone);
}

static void netdev_ready(struct jt_controller *c, struct jt_watch *w, uint32_t events)
{
	uint32_t i;

	if (!jt_netdev_watch_read(c->netdev))
		return;
	/* More happened than the socket could hold. */
	device_look(c, c->options->uplink);
	for (i = 0; i < c->guest_limit; i++)
		if (c->guests[i].used)
			device_look(c, c->guests[i].spec.interface);
}

static int control_fill(struct jt_controller *c)
{
	const struct jt_options *o = c->options;
	struct jt_control *control = c->datapath.page.control;

	control->version = JT_ABI_VERSION;
	control->geometry = o->geometry;
	control->small = o->small;
	control->threshold = (o->geometry.extents * o->threshold + 99) / 100;
	control->latency_ns = o->cycle.latency_ns;
	control->flags = o->discover ? JT_CONTROL_DISCOVER : 0;
	control->ethertype = htons(o->ethertype);
	control->udp_port = htons(o->udp_port);
	control->rung_epoch = 0;
	control->frames_polled = 0;
	c->board.notice->small = o->small;
	c->board.notice->latency_ns = o->cycle.latency_ns;
	jt_places_changed(c);
	if (getrandom(control->seed, sizeof(control->seed), 0) == sizeof(control->seed))
		return 0;
	jt_log("failed to draw random numbers: %s", strerror(errno));
	return -EIO;
}

static int datapath_start(struct jt_controller *c)
{
	int err = jt_datapath_open(&c->datapath, c->options);

	if (err)
		return err;
	/* Adopted programs may run already: from here on they pass everything. */
	JT_WRITE(c->datapath.page.control->magic, 0);
	usleep(GRACE_US);
	jt_datapath_forget(&c->datapath);
	err = control_fill(c);
	if (!err)
		jt_transmit_start(c);
	return err;
}

static int signals_start(struct jt_controller *c)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	c->signal_watch = (struct jt_watch){ .fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC),
					     .ready = signal_ready };
	return c->signal_watch.fd < 0 ? -errno : jt_watch_add(c, &c->signal_watch, EPOLLIN);
}

static int announce_start(struct jt_controller *c)
{
	struct itimerspec t = { .it_interval.tv_sec = JT_ANNOUNCE_NS / 1000000000,
				.it_value.tv_nsec = 1 };

	if (!c->options->discover)
		return 0;
	c->announce_watch = (struct jt_watch){ .fd = timerfd_create(CLOCK_MONOTONIC,
								    TFD_NONBLOCK | TFD_CLOEXEC),
					       .ready = announce_ready };
	if (c->announce_watch.fd < 0 || timerfd_settime(c->announce_watch.fd, 0, &t, NULL))
		return -errno;
	return jt_watch_add(c, &c->announce_watch, EPOLLIN);
}

static int netdev_start(struct jt_controller *c)
{
	c->netdev = jt_netdev_watch_open(device_changed, c);
	if (!c->netdev)
		return -errno;
	c->netdev_watch =
		(struct jt_watch){ .fd = jt_netdev_watch_fd(c->netdev), .ready = netdev_ready };
	return jt_watch_add(c, &c->netdev_watch, EPOLLIN);
}

static int events_start(struct jt_controller *c)
{
	int err;

	c->events = ring_buffer__new(c->datapath.maps[JT_MAP_events], event, c, NULL);
	if (!c->events)
		return -errno;
	err = ring_buffer__add(c->events, c->datapath.maps[JT_MAP_frames], jt_receive_record, c);
	if (!err)
		err = jt_frames_open(c);
	if (err)
		return err;
	c->events_watch =
		(struct jt_watch){ .fd = ring_buffer__epoll_fd(c->events), .ready = events_ready };
	return jt_watch_add(c, &c->events_watch, EPOLLIN);
}

static int epoll_start(struct jt_controller *c)
{
	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	return c->epoll < 0 ? -errno : 0;
}

static int deliver_start(struct jt_controller *c)
{
	return jt_deliver_open(&c->deliver);
}

static int notice_start(struct jt_controller *c)
{
	return jt_notice_open(&c->board);
}

/* In this order; controller_stop() undoes whatever was done. */
static const struct step {
	int (*start)(struct jt_controller *c);
	const char *action; /* NULL: it says itself what it failed to do */
} steps[] = {
	{ epoll_start, "make an epoll descriptor" },
	{ deliver_start, "open a packet socket" },
	{ notice_start, "make memory for helpers" },
	{ signals_start, "wait for signals" },
	{ jt_control_start, NULL },
	{ datapath_start, NULL },
	{ jt_domains_start, NULL },
	{ netdev_start, "watch interfaces" },
	{ events_start, "take events of the BPF programs" },
	{ jt_uplink_start, NULL },
	{ jt_peers_start, NULL },
	{ jt_shares_start, "set the timer of shares" },
	{ jt_guests_start, NULL },
	{ jt_scheduler_start, "set the timer of cycles" },
	{ announce_start, "set the timer of announcements" },
};

static int controller_start(struct jt_controller *c)
{
	const struct step *s;
	int err = 0;

	for (s = steps; !err && s < steps + JT_ARRAY_SIZE(steps); s++) {
		err = s->start(c);
		if (err && s->action)
			jt_log("failed to %s: %s%s", s->action, strerror(-err),
			       err == -EPERM || err == -EACCES ? ": " JT_NEED_ROOT : "");
	}
	return err;
}

/* One turn of the loop: wait for at most `timeout` ms, then serve what is ready. */
static void turn(struct jt_controller *c, int timeout)
{
	struct epoll_event events[EVENTS_MAX];
	struct jt_watch *w;
	int i, n;

	c->record_budget = JT_RECORDS_MAX;
	if (c->options->busy_poll_us)
		jt_uplink_poll(c);
	n = c->helpers.more ? epoll_wait(c->epoll, events, EVENTS_MAX, 0) :
			      jt_frames_wait(c, events, EVENTS_MAX, timeout);
	for (i = 0; i < n; i++) {
		w = events[i].data.ptr;
		if (w->fd >= 0) /* another one's event may have closed it */
			w->ready(c, w, events[i].events);
	}
	jt_frames_turn(c);
	jt_receive_turn(c);
	jt_links_turn(c, jt_env_now());
	jt_helpers_reap(c);
	if (c->helpers.more)
		jt_scheduler_rung(c);
	if (jt_transmit_waiting(c))
		jt_transmit_run(c);
	/* Awake by a writer's word whose event found no room in the ring. */
	if (!c->scheduler.start_ns && !JT_READ(c->datapath.page.control->asleep))
		jt_scheduler_wake(c, jt_env_now());
	jt_scheduler_alive(c);
	jt_process_share(jt_env_now());
}

/* The peers have been told; what they had sent before still arrives. */
static void linger(struct jt_controller *c)
{
	uint64_t end = jt_env_now() + LINGER_NS;

	jt_watch_close(c, &c->signal_watch); /* it stays readable */
	while (jt_env_now() < end)
		turn(c, LINGER_NS / 1000000 / 4);
	jt_scheduler_flush(c); /* what a guest's last packet had just put aboard */
}

static void controller_stop(struct jt_controller *c)
{
	if (c->board.notice)
		JT_NOTICE_SET(&c->board, magic, 0);
	if (c->datapath.page.control) {
		/* What passes soon overtakes what is aboard: let that be little. */
		if (c->started_ns) {
			jt_scheduler_rung(c); /* nothing is held any more */
			jt_transmit_run(c);
			jt_scheduler_flush(c);
		}
		jt_guests_stop(c); /* from here on everything passes */
		jt_domains_stop(c);
		if (c->started_ns)
			jt_scheduler_flush(c);
		jt_peers_stop(c);
		if (c->started_ns)
			linger(c);
		jt_uplink_close(c);
	}
	jt_capture_stop(c);
	jt_control_stop(c);
	jt_helpers_close(c);
	jt_links_close(c);
	jt_notice_close(&c->board);
	jt_watch_close(c, &c->timer_watch);
	jt_watch_close(c, &c->announce_watch);
	jt_watch_close(c, &c->shares_watch);
	jt_watch_close(c, &c->signal_watch);
	if (c->events)
		ring_buffer__free(c->events);
	jt_frames_close(c);
	jt_netdev_watch_close(c->netdev);
	jt_deliver_close(&c->deliver);
	jt_index_free(&c->index);
	jt_domains_close(c);
	jt_datapath_close(&c->datapath);
}

static uint16_t new_session(void)
{
	uint16_t session = 0;

	while (!session)
		if (getrandom(&session, sizeof(session), 0) != sizeof(session))
			session = (uint16_t)getpid();
	return session;
}

static struct jt_controller *controller_new(const struct jt_options *o)
{
	struct jt_controller *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->options = o;
	c->session = new_session();
	c->capture.watch.fd = c->control_watch.fd = c->timer_watch.fd = -1;
	c->shares_watch.fd = c->announce_watch.fd = c->signal_watch.fd = c->deliver.socket =
		c->epoll = -1;
	c->board.fd = -1;
	jt_datapath_init(&c->datapath);
	return c;
}

int jt_controller_run(const struct jt_options *o)
{
	struct jt_controller *c = controller_new(o);
	int err;

	if (!c) {
		jt_log("failed to start: out of memory");
		return EXIT_FAILURE;
	}
	err = jt_process_prepare(o->cpu);
	if (!err)
		err = controller_start(c);
	if (!err) {
		c->started_ns = jt_env_now();
		JT_WRITE(c->datapath.page.control->magic, JT_MAGIC);
		JT_NOTICE_SET(&c->board, magic, JT_NOTICE_MAGIC);
		jt_domains_ready(c);
		jt_log("ready");
		while (!c->stop)
			turn(c, jt_transmit_timeout(c));
	}
	controller_stop(c);
	if (c->epoll >= 0)
		close(c->epoll);
	free(c);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

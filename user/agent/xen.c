// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A guest of Xen: pages of ours are granted to domain 0, and an event channel rings.
 * What the two directories in xenstore say is described in user/backend/xen.h. They
 * are domain 0's to make: until then, and whenever its controller is gone, nobody is
 * attached, and we wait.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <xen/gntalloc.h>
#include <xen/io/xenbus.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>

#include <jitney/env_user.h>
#include "agent.h"
#include "common/log.h"
#include "common/netdev.h"

#define PATH 96
#define REFUSALS_MAX 3
#define LIMIT "/sys/module/xen_gntalloc/parameters/limit"
#define SPARE 1024U /* pages for others than us, and for some that are not free yet */

/* A helper's memory: a descriptor of its own, in which it is what comes first. */
struct shared {
	int file;
	void *lists;		    /* pages with the grants of that */
	uint32_t pages, list_pages; /* 0: none */
};

/* The page for questions, and what rings. */
struct page {
	uint8_t *memory;
	uint32_t ref;
	int port;
};

struct xen {
	struct xs_handle *store;
	xenevtchn_handle *channels;
	xengntshr_handle *grants; /* of pages for questions, and of lists */
	struct page page;
	unsigned int device, refusals;
	bool watched;
	uint32_t pages; /* shared, of all */
	struct shared seats[JT_MACHINE_SLOTS];
};

/* --- xenstore ------------------------------------------------------------------------------ */

/* What stands at a path, as text. Return: false: nothing. */
static bool text_read(const struct xen *x, const char *path, char *out, size_t size)
{
	unsigned int length;
	char *text = xs_read(x->store, XBT_NULL, path, &length);
	bool fits = text && length < size;

	if (fits)
		memcpy(out, text, length + 1); /* the library ends it */
	free(text);
	return fits;
}

static void front_write(const struct xen *x, const char *key, uint32_t value)
{
	char path[PATH], text[16];

	snprintf(path, sizeof(path), "device/jitney/%u/%s", x->device, key);
	snprintf(text, sizeof(text), "%u", value);
	xs_write(x->store, XBT_NULL, path, text, (unsigned int)strlen(text));
}

/* Return: a state, or XenbusStateUnknown. */
static unsigned int state_read(const struct xen *x, const char *path)
{
	char text[16];

	return text_read(x, path, text, sizeof(text)) ? (unsigned int)atoi(text) :
							XenbusStateUnknown;
}

static unsigned int front_state(const struct xen *x)
{
	char path[PATH];

	snprintf(path, sizeof(path), "device/jitney/%u/state", x->device);
	return state_read(x, path);
}

/* A path of the other side's directory. Return: false: there is none. */
static bool back_path(const struct xen *x, const char *key, char path[2 * PATH])
{
	char front[PATH], back[PATH];

	snprintf(front, sizeof(front), "device/jitney/%u/backend", x->device);
	if (!text_read(x, front, back, sizeof(back)))
		return false;
	snprintf(path, 2 * PATH, "%s/%s", back, key);
	return true;
}

/* --- a connection --------------------------------------------------------------------------- */

static void page_unshare(struct xen *x, struct page *p)
{
	if (p->memory)
		xengntshr_unshare(x->grants, p->memory, 1);
	if (p->port >= 0)
		xenevtchn_unbind(x->channels, (evtchn_port_t)p->port);
	*p = (struct page){ .port = -1 };
}

/* As long as we live a byte of it says so: it changes, and the channel rings, when we end. */
static int page_share(struct xen *x, struct page *p)
{
	int err;

	p->memory = NULL;
	p->port = xenevtchn_bind_unbound_port(x->channels, 0);
	if (p->port < 0)
		return -errno;
	p->memory = xengntshr_share_page_notify(x->grants, 0, &p->ref, 1, JT_MACHINE_ALIVE,
						(evtchn_port_t)p->port);
	if (!p->memory) {
		err = errno ? -errno : -ENOMEM;
		page_unshare(x, p);
		return err;
	}
	p->memory[JT_MACHINE_ALIVE] = 1;
	return 0;
}

/* It waits for a page and a channel: new ones each time, so nothing is left of what was. */
static void offer(struct jt_agent *a, struct xen *x)
{
	struct page fresh = { .port = -1 };
	int err = page_share(x, &fresh);

	if (err) {
		jt_log("a page can't be granted to domain 0: %s", strerror(-err));
		return;
	}
	page_unshare(x, &x->page);
	x->page = fresh;
	a->page = (struct jt_machine *)fresh.memory;
	front_write(x, "page-ref", fresh.ref);
	front_write(x, "event-channel", (uint32_t)fresh.port);
	front_write(x, "state", XenbusStateInitialised);
}

static void refused(struct xen *x)
{
	char path[2 * PATH], text[128];

	if (!back_path(x, "error", path) || !text_read(x, path, text, sizeof(text)))
		snprintf(text, sizeof(text), "it does not say why");
	jt_log("domain 0 can't share memory with us: %s", text);
	x->refusals++;
	front_write(x, "state", XenbusStateClosed);
}

/* One step further, from where both are. */
static void step(struct jt_agent *a, struct xen *x)
{
	unsigned int ours = front_state(x), theirs;
	char path[2 * PATH];

	if (!ours || !back_path(x, "state", path))
		return;
	theirs = state_read(x, path);
	if (theirs == XenbusStateInitWait && ours == XenbusStateInitialising) {
		offer(a, x);
	} else if (theirs == XenbusStateConnected && ours == XenbusStateInitialised) {
		x->refusals = 0;
		front_write(x, "state", XenbusStateConnected);
	} else if (theirs == XenbusStateClosing && ours == XenbusStateInitialised) {
		refused(x);
	} else if (theirs == XenbusStateClosed && ours != XenbusStateInitialising &&
		   x->refusals < REFUSALS_MAX) {
		front_write(x, "state", XenbusStateInitialising);
	}
}

/*
 * The other side's state has a watch of its own; its path is not known before its
 * directory is there, and the same then for good.
 */
static void back_watch(struct xen *x)
{
	char path[2 * PATH];

	if (!x->watched && back_path(x, "state", path))
		x->watched = xs_watch(x->store, path, "back");
}

/* Return: false: xenstore has ended. */
static bool store_look(struct jt_agent *a, struct xen *x)
{
	bool any = false;
	char **event;

	while ((event = xs_check_watch(x->store))) {
		free(event);
		any = true;
	}
	if (errno != EAGAIN)
		return false;
	back_watch(x);
	if (any)
		step(a, x);
	return true;
}

static bool xen_rung(struct jt_agent *a)
{
	struct xen *x = a->own;
	int port;

	while ((port = xenevtchn_pending(x->channels)) >= 0)
		xenevtchn_unmask(x->channels, (evtchn_port_t)port);
	return store_look(a, x);
}

static void xen_ring(struct jt_agent *a)
{
	const struct xen *x = a->own;

	xenevtchn_notify(x->channels, (evtchn_port_t)x->page.port);
}

/* --- memory ---------------------------------------------------------------------------------- */

/* So many pages of ours are granted then: the kernel has a limit. Return: 0, or negative errno. */
static int limit_raise(uint32_t pages)
{
	FILE *f = fopen(LIMIT, "r+e");
	unsigned int limit, need = pages + SPARE;
	int err = 0;

	if (!f)
		return 0; /* it will say so */
	if (fscanf(f, "%u", &limit) == 1 && limit < need) {
		rewind(f);
		if (fprintf(f, "%u", need) < 0 || fflush(f))
			err = -ENOSPC;
	}
	fclose(f);
	if (err)
		jt_log("this machine may grant %u pages, and %u are needed: echo %u >" LIMIT, limit,
		       need, need);
	return err;
}

/* Grants of @s->pages, in pages that are granted, too, and that the slot lists. */
static int lists_share(struct jt_agent *a, unsigned int seat, const uint32_t *refs)
{
	struct jt_machine_slot *slot = &a->page->slots[seat];
	struct xen *x = a->own;
	struct shared *s = &x->seats[seat];
	uint32_t lists[JT_MACHINE_LISTS];

	s->lists = xengntshr_share_pages(x->grants, 0, (int)s->list_pages, lists, 0);
	if (!s->lists)
		return errno ? -errno : -ENOMEM;
	memcpy(s->lists, refs, s->pages * sizeof(*refs));
	memcpy(slot->lists, lists, s->list_pages * sizeof(*lists));
	return 0;
}

/*
 * The library would have us map them only once, and programs are to map them, too: it is
 * the device that is asked. Pages stay as long as a descriptor or a mapping of theirs.
 */
static int pages_share(struct jt_agent *a, unsigned int seat)
{
	struct shared *s = &((struct xen *)a->own)->seats[seat];
	struct ioctl_gntalloc_alloc_gref *q =
		calloc(1, sizeof(*q) + s->pages * sizeof(q->gref_ids[0]));
	int err = 0;

	if (!q)
		return -ENOMEM;
	*q = (struct ioctl_gntalloc_alloc_gref){ .flags = GNTALLOC_FLAG_WRITABLE,
						 .count = s->pages };
	if (ioctl(s->file, IOCTL_GNTALLOC_ALLOC_GREF, q))
		err = -errno;
	else if (q->index)
		err = -EIO; /* a program looks for its slice at 0 */
	else
		err = lists_share(a, seat, q->gref_ids);
	free(q);
	return err;
}

static void xen_unshare(struct jt_agent *a, unsigned int seat)
{
	struct xen *x = a->own;
	struct shared *s = &x->seats[seat];

	if (!s->pages)
		return;
	if (s->lists)
		xengntshr_unshare(x->grants, s->lists, s->list_pages);
	close(s->file);
	x->pages -= s->pages + s->list_pages;
	*s = (struct shared){ 0 };
}

static int xen_share(struct jt_agent *a, unsigned int seat, uint64_t size)
{
	struct xen *x = a->own;
	struct shared *s = &x->seats[seat];
	uint32_t pages = (uint32_t)(size / JT_MACHINE_PAGE),
		 lists = (pages + JT_MACHINE_LIST - 1) / JT_MACHINE_LIST;
	int err;

	if (lists > JT_MACHINE_LISTS)
		return -EINVAL;
	xen_unshare(a, seat);
	err = limit_raise(x->pages + pages + lists);
	if (err)
		return err;
	s->file = open("/dev/xen/gntalloc", O_RDWR | O_CLOEXEC);
	if (s->file < 0)
		return -errno;
	s->pages = pages;
	s->list_pages = lists;
	x->pages += pages + lists;
	err = pages_share(a, seat);
	if (err)
		xen_unshare(a, seat);
	return err;
}

static int xen_memory(struct jt_agent *a, unsigned int seat)
{
	return ((const struct xen *)a->own)->seats[seat].file;
}

/* --- start and end --------------------------------------------------------------------------- */

/* Only the kernel knows our interface's number among the guest's. */
static unsigned int device_of(const char *interface)
{
	unsigned int device;
	char name[64], rest;

	return jt_netdev_bus_name(interface, name, sizeof(name)) &&
			       sscanf(name, "vif-%u%c", &device, &rest) == 1 ?
		       device :
		       0;
}

static int watches_open(struct jt_agent *a, struct xen *x)
{
	struct epoll_event store = { .events = EPOLLIN }, channels = { .events = EPOLLIN };
	int fd = xenevtchn_fd(x->channels);
	char path[PATH];

	snprintf(path, sizeof(path), "device/jitney/%u", x->device);
	if (!xs_watch(x->store, path, "front"))
		return errno ? -errno : -EIO;
	a->watch = epoll_create1(EPOLL_CLOEXEC);
	if (a->watch < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) ||
	    epoll_ctl(a->watch, EPOLL_CTL_ADD, xs_fileno(x->store), &store) ||
	    epoll_ctl(a->watch, EPOLL_CTL_ADD, fd, &channels))
		return -errno;
	return 0;
}

static void xen_close(struct jt_agent *a)
{
	struct xen *x = a->own;
	unsigned int i;

	if (x->store)
		front_write(x, "state", XenbusStateClosed);
	for (i = 0; i < JT_MACHINE_SLOTS; i++)
		xen_unshare(a, i);
	if (x->grants) {
		page_unshare(x, &x->page);
		xengntshr_close(x->grants);
	}
	if (x->channels)
		xenevtchn_close(x->channels);
	if (x->store)
		xs_close(x->store);
	if (a->watch >= 0)
		close(a->watch);
	free(x);
	a->own = NULL;
}

static int handles_open(struct jt_agent *a, struct xen *x, const char **wrong)
{
	int err;

	*wrong = "no xenstore";
	x->store = xs_open(0);
	if (!x->store)
		return -errno;
	*wrong = "no event channels: modprobe xen-evtchn";
	x->channels = xenevtchn_open(NULL, 0);
	if (!x->channels)
		return -errno;
	*wrong = "no pages can be granted: modprobe xen-gntalloc";
	x->grants = xengntshr_open(NULL, 0);
	if (!x->grants)
		return -errno;
	err = limit_raise(1);
	if (!err)
		err = page_share(x, &x->page);
	a->page = (struct jt_machine *)x->page.memory;
	return err;
}

static int xen_open(struct jt_agent *a, const char **wrong)
{
	struct xen *x;
	int err;

	if (access("/dev/xen/xenbus", F_OK))
		return -ENODEV;
	x = calloc(1, sizeof(*x));
	if (!x)
		return -ENOMEM;
	a->own = x;
	x->page.port = -1;
	x->device = device_of(a->interface);
	err = handles_open(a, x, wrong);
	if (!err) {
		*wrong = "xenstore can't be watched";
		err = watches_open(a, x);
	}
	if (err) {
		xen_close(a);
		return err;
	}
	*wrong = NULL;
	/* What another one of us left there; then the two watches, which fire at once. */
	if (front_state(x) > XenbusStateInitialising)
		front_write(x, "state", XenbusStateInitialising);
	return 0;
}

/*
 * Native XDP needs netback to leave room in front of packets. netfront asks it to look
 * what it is to leave before it has written that, so netback may see the old word; then
 * the program sees other bytes than the packet's. Nor do packets of several pieces pass.
 */
const struct jt_host jt_host_xen = {
	.name = "xen",
	.xdp_mode = XDP_FLAGS_SKB_MODE,
	.open = xen_open,
	.close = xen_close,
	.share = xen_share,
	.memory = xen_memory,
	.unshare = xen_unshare,
	.ring = xen_ring,
	.rung = xen_rung,
};

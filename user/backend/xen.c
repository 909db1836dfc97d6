// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Guests of Xen: handles, event channels, and the page for questions. See xen.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xenstore.h>
#include <xentoollog.h>

#include "backend/xen.h"
#include "common/log.h"
#include "common/netdev.h"

struct jt_xen_host jt_xen_host;

/* What a guest's grants make the library say is said once, by us. */
static void quiet(struct xentoollog_logger *logger, xentoollog_level level, int errnoval,
		  const char *context, const char *format, va_list args)
{
}

static void no_progress(struct xentoollog_logger *logger, const char *context, const char *what,
			int percent, unsigned long done, unsigned long total)
{
}

static void not_destroyed(struct xentoollog_logger *logger)
{
}

static xentoollog_logger logger = { quiet, no_progress, not_destroyed };

/* --- whose guest it is ----------------------------------------------------------------- */

/* The kernel's name for what is behind an interface, whatever that is called itself. */
static bool vif_find(const char *interface, unsigned int *domain, unsigned int *device)
{
	char name[64], rest;

	return sscanf(interface, "vif%u.%u%c", domain, device, &rest) == 2 ||
	       (jt_netdev_bus_name(interface, name, sizeof(name)) &&
		sscanf(name, "vif-%u-%u%c", domain, device, &rest) == 2);
}

/* Guests without helpers need nothing of all this. */
static bool can_have_helpers(const struct jt_guest_spec *spec, struct xs_handle *store,
			     unsigned int domain)
{
	static const char *const devices[] = { "/dev/xen/gntdev", "/dev/xen/evtchn" };
	unsigned int i;

	if (!domain || !xs_is_domain_introduced(store, domain)) {
		jt_log("guest %s has no helpers: there is no domain %u", spec->name, domain);
		return false;
	}
	for (i = 0; i < JT_ARRAY_SIZE(devices); i++) {
		if (!access(devices[i], R_OK | W_OK))
			continue;
		jt_log("guest %s has no helpers: %s: %s", spec->name, devices[i], strerror(errno));
		return false;
	}
	return true;
}

static bool runs(const struct jt_guest_spec *spec)
{
	unsigned int domain, device;
	struct xs_handle *store;
	bool can;

	if (!vif_find(spec->interface, &domain, &device))
		return false;
	store = xs_open(0);
	if (!store)
		return false;
	can = can_have_helpers(spec, store, domain);
	xs_close(store);
	return can;
}

/* --- event channels ---------------------------------------------------------------------- */

static bool agent_lives(const struct jt_link *link)
{
	return JT_READ(((const uint8_t *)link->page)[JT_MACHINE_ALIVE]);
}

static void channel_ready(struct jt_controller *c, struct jt_watch *w, uint32_t events)
{
	xenevtchn_port_or_error_t port = xenevtchn_pending(jt_xen_host.channels);
	struct jt_xen_link *x = jt_xen_host.first;

	while (x && x->port != port)
		x = x->next;
	if (port < 0 || !x)
		return;
	xenevtchn_unmask(jt_xen_host.channels, (evtchn_port_t)port);
	if (agent_lives(x->link)) {
		jt_link_rung(x->link);
		return;
	}
	jt_xen_disconnect(x);
	jt_xen_store_closed(x);
}

static void ring(struct jt_controller *c, struct jt_link *link)
{
	const struct jt_xen_link *x = link->own;

	/* If the other end is gone, xenstore will tell. */
	xenevtchn_notify(jt_xen_host.channels, (evtchn_port_t)x->port);
}

const char *jt_xen_connect(struct jt_xen_link *x, uint32_t page_ref, uint32_t port)
{
	struct jt_xen_host *host = &jt_xen_host;
	void *page =
		xengnttab_map_grant_ref(host->grants, x->domain, page_ref, PROT_READ | PROT_WRITE);

	if (!page)
		return "the page of page-ref can't be mapped";
	x->port = xenevtchn_bind_interdomain(host->channels, x->domain, port);
	if (x->port < 0) {
		xengnttab_unmap(host->grants, page, 1);
		return "event-channel is no port that is open for domain 0";
	}
	x->page = x->link->page = page;
	x->link->granted++;
	jt_link_begin(x->link);
	return NULL;
}

void jt_xen_disconnect(struct jt_xen_link *x)
{
	jt_link_end(x->link);
	if (x->port >= 0)
		xenevtchn_unbind(jt_xen_host.channels, (evtchn_port_t)x->port);
	x->port = -1;
	if (!x->page)
		return;
	xengnttab_unmap(jt_xen_host.grants, x->page, 1);
	x->page = NULL;
	x->link->granted--;
}

/* --- all guests ------------------------------------------------------------------------ */

static void host_close(struct jt_controller *c)
{
	struct jt_xen_host *host = &jt_xen_host;

	jt_xen_store_close(c);
	if (host->channels) {
		if (host->channels_watch.fd >= 0)
			jt_watch_remove(c, &host->channels_watch);
		xenevtchn_close(host->channels);
	}
	if (host->grants)
		xengnttab_close(host->grants);
	host->channels = NULL;
	host->grants = NULL;
}

static int host_open(struct jt_controller *c, const char **wrong)
{
	struct jt_xen_host *host = &jt_xen_host;
	int err;

	*wrong = "grants or event channels can't be opened";
	host->grants = xengnttab_open(&logger, 0);
	host->channels = host->grants ? xenevtchn_open(&logger, 0) : NULL;
	host->channels_watch = (struct jt_watch){ .fd = -1, .ready = channel_ready };
	host->store_watch.fd = host->timer_watch.fd = -1;
	err = host->channels ? 0 : -errno;
	if (!err) {
		host->channels_watch.fd = xenevtchn_fd(host->channels);
		/* An event that was taken already is not waited for. */
		fcntl(host->channels_watch.fd, F_SETFL, O_NONBLOCK);
		err = jt_watch_add(c, &host->channels_watch, EPOLLIN);
	}
	if (!err) {
		*wrong = "xenstore can't be watched";
		err = jt_xen_store_open(c);
	}
	if (err)
		host_close(c);
	return err;
}

static int xen_open(struct jt_controller *c, struct jt_link *link, const char **wrong)
{
	struct jt_xen_host *host = &jt_xen_host;
	struct jt_xen_link *x;
	int err = host->first ? 0 : host_open(c, wrong);

	if (err)
		return err;
	*wrong = "its directories in xenstore can't be made";
	x = calloc(1, sizeof(*x));
	err = x ? 0 : -ENOMEM;
	if (!err) {
		x->link = link;
		x->port = -1;
		vif_find(c->guests[link->guest].spec.interface, &x->domain, &x->device);
		err = jt_xen_store_add(x);
	}
	if (err) {
		free(x);
		if (!host->first)
			host_close(c);
		return err;
	}
	*wrong = NULL;
	link->own = x;
	x->next = host->first;
	host->first = x;
	return 0;
}

/* A guest that was started again is another domain. */
static void moved(struct jt_controller *c, struct jt_link *link)
{
	struct jt_xen_link *x = link->own;
	unsigned int domain, device;

	if (!vif_find(c->guests[link->guest].spec.interface, &domain, &device) ||
	    (domain == x->domain && device == x->device))
		return;
	jt_xen_disconnect(x);
	if (!x->gone)
		jt_xen_store_remove(x);
	x->domain = domain;
	x->device = device;
	x->gone = jt_xen_store_add(x);
	if (x->gone)
		jt_log("guest %s has no helpers: its directories in xenstore can't be made",
		       c->guests[link->guest].spec.name);
}

static void xen_close(struct jt_controller *c, struct jt_link *link)
{
	struct jt_xen_link *x = link->own, **at = &jt_xen_host.first;

	jt_xen_disconnect(x);
	if (!x->gone)
		jt_xen_store_remove(x);
	while (*at != x)
		at = &(*at)->next;
	*at = x->next;
	free(x);
	if (!jt_xen_host.first)
		host_close(c);
}

const struct jt_hypervisor jt_hypervisor_xen = {
	.name = "xen",
	.runs = runs,
	.open = xen_open,
	.close = xen_close,
	.map = jt_xen_map,
	.unmap = jt_xen_unmap,
	.ring = ring,
	.moved = moved,
};

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Set-up over xenstore: see xen.h. What is read there was written by guests. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <xen/io/xenbus.h>
#include <xenstore.h>

#include "backend/xen.h"
#include "common/log.h"

#define LOOK_NS 20000000ULL /* a guest's state is looked at this often at most */
#define EVENTS_TURN 1024
#define TRIES 8 /* of a transaction: others write, too */
#define PATH 96
#define GONE "@releaseDomain"

/* --- paths and values ------------------------------------------------------------------ */

static void front_path(const struct jt_xen_link *x, const char *key, char path[PATH])
{
	snprintf(path, PATH, "/local/domain/%u/device/jitney/%u%s", x->domain, x->device, key);
}

static void back_path(const struct jt_xen_link *x, const char *key, char path[PATH])
{
	snprintf(path, PATH, "/local/domain/0/backend/jitney/%u/%u%s", x->domain, x->device, key);
}

static bool text_write(xs_transaction_t t, const char *path, const char *value)
{
	return xs_write(jt_xen_host.store, t, path, value, (unsigned int)strlen(value));
}

/* A decimal number of the guest's, up to @max. Return: it, or negative errno. */
static int64_t front_number(const struct jt_xen_link *x, const char *key, uint32_t max)
{
	unsigned int length, i;
	int64_t n = 0;
	char path[PATH], *text;

	front_path(x, key, path);
	text = xs_read(jt_xen_host.store, XBT_NULL, path, &length);
	if (!text)
		return errno ? -errno : -EIO;
	if (!length || length > 10)
		n = -EINVAL;
	for (i = 0; n >= 0 && i < length; i++)
		n = text[i] >= '0' && text[i] <= '9' ? n * 10 + text[i] - '0' : -EINVAL;
	free(text);
	return n > max ? -ERANGE : n;
}

static void state_set(struct jt_xen_link *x, unsigned int state, const char *error)
{
	char path[PATH], text[16];

	if (x->state == state)
		return;
	x->state = state;
	if (error) {
		back_path(x, "/error", path);
		text_write(XBT_NULL, path, error);
	}
	back_path(x, "/state", path);
	snprintf(text, sizeof(text), "%u", state);
	text_write(XBT_NULL, path, text);
}

void jt_xen_store_closed(struct jt_xen_link *x)
{
	state_set(x, XenbusStateClosed, NULL);
}

/* --- a guest's directories -------------------------------------------------------------- */

/* An empty directory of @owner's, that @reader may read. What is written there is so, too. */
static bool directory_make(xs_transaction_t t, const char *path, unsigned int owner,
			   unsigned int reader)
{
	struct xs_permissions may[] = { { owner, XS_PERM_NONE }, { reader, XS_PERM_READ } };

	xs_rm(jt_xen_host.store, t, path);
	return xs_mkdir(jt_xen_host.store, t, path) &&
	       xs_set_permissions(jt_xen_host.store, t, path, may, 2);
}

static bool directories_make(const struct jt_xen_link *x, xs_transaction_t t)
{
	char front[PATH], back[PATH], path[PATH], domain[16];
	const struct {
		void (*where)(const struct jt_xen_link *x, const char *key, char path[PATH]);
		const char *key, *value;
	} all[] = {
		{ back_path, "/frontend", front },
		{ back_path, "/frontend-id", domain },
		{ back_path, "/online", "1" },
		{ back_path, "/state", "2" }, /* XenbusStateInitWait */
		{ front_path, "/backend", back },
		{ front_path, "/backend-id", "0" },
		{ front_path, "/state", "1" }, /* XenbusStateInitialising */
	};
	unsigned int i;

	front_path(x, "", front);
	back_path(x, "", back);
	snprintf(domain, sizeof(domain), "%u", x->domain);
	if (!directory_make(t, back, 0, x->domain) || !directory_make(t, front, x->domain, 0))
		return false;
	for (i = 0; i < JT_ARRAY_SIZE(all); i++) {
		all[i].where(x, all[i].key, path);
		if (!text_write(t, path, all[i].value))
			return false;
	}
	return true;
}

static int directories_write(struct jt_xen_link *x)
{
	xs_transaction_t t;
	unsigned int i;
	bool made;

	for (i = 0; i < TRIES; i++) {
		t = xs_transaction_start(jt_xen_host.store);
		if (t == XBT_NULL)
			return errno ? -errno : -EIO;
		made = directories_make(x, t);
		if (xs_transaction_end(jt_xen_host.store, t, !made) && made)
			return 0;
		if (errno != EAGAIN)
			return errno ? -errno : -EIO;
	}
	return -EAGAIN;
}

int jt_xen_store_add(struct jt_xen_link *x)
{
	char path[PATH], token[32];
	int err = directories_write(x);

	x->state = XenbusStateInitWait;
	if (err)
		return err;
	front_path(x, "/state", path);
	snprintf(token, sizeof(token), "%u/%u", x->domain, x->device);
	if (xs_watch(jt_xen_host.store, path, token))
		return 0;
	err = errno ? -errno : -EIO;
	jt_xen_store_remove(x);
	return err;
}

void jt_xen_store_remove(struct jt_xen_link *x)
{
	char path[PATH], token[32], **left;
	unsigned int count;

	front_path(x, "/state", path);
	snprintf(token, sizeof(token), "%u/%u", x->domain, x->device);
	xs_unwatch(jt_xen_host.store, path, token);
	if (!x->gone) {
		front_path(x, "", path);
		xs_rm(jt_xen_host.store, XBT_NULL, path);
	}
	back_path(x, "", path);
	xs_rm(jt_xen_host.store, XBT_NULL, path);
	/* And the domain's, behind its last device. */
	*strrchr(path, '/') = '\0';
	left = xs_directory(jt_xen_host.store, XBT_NULL, path, &count);
	if (left && !count)
		xs_rm(jt_xen_host.store, XBT_NULL, path);
	free(left);
}

/* --- what guests do ----------------------------------------------------------------------- */

static void begin(struct jt_xen_link *x)
{
	int64_t page = front_number(x, "/page-ref", UINT32_MAX);
	int64_t port = front_number(x, "/event-channel", INT32_MAX);
	const char *wrong = page < 0  ? "page-ref is no number" :
			    port <= 0 ? "event-channel is no port" :
					jt_xen_connect(x, (uint32_t)page, (uint32_t)port);
	static struct jt_log_limit limit;

	state_set(x, wrong ? XenbusStateClosing : XenbusStateConnected, wrong);
	if (wrong)
		jt_log_limited(&limit, "the agent of guest %s can't be served: %s",
			       x->link->c->guests[x->link->guest].spec.name, wrong);
}

static void look(struct jt_xen_link *x)
{
	int64_t state = front_number(x, "/state", 8);

	if (!xs_is_domain_introduced(jt_xen_host.store, x->domain)) {
		x->gone = true;
		jt_xen_disconnect(x);
		jt_xen_store_remove(x);
	} else if (state == XenbusStateInitialised || state == XenbusStateConnected) {
		if (x->state == XenbusStateInitWait && state == XenbusStateInitialised)
			begin(x);
	} else {
		jt_xen_disconnect(x);
		state_set(x,
			  state == XenbusStateInitialising ? XenbusStateInitWait :
							     XenbusStateClosed,
			  NULL);
	}
}

static void looks(void)
{
	struct itimerspec later = { .it_value.tv_nsec = LOOK_NS };
	uint64_t now = jt_env_now();
	struct jt_xen_link *x;
	bool wait = false;

	for (x = jt_xen_host.first; x; x = x->next) {
		if (!x->changed || x->gone)
			continue;
		if (now - x->looked_ns < LOOK_NS) {
			wait = true;
			continue;
		}
		x->changed = false;
		x->looked_ns = now;
		look(x);
	}
	if (wait)
		timerfd_settime(jt_xen_host.timer_watch.fd, 0, &later, NULL);
}

static void timer_ready(struct jt_controller *c, struct jt_watch *w, uint32_t events)
{
	uint64_t expired;

	if (read(w->fd, &expired, sizeof(expired)) == sizeof(expired))
		looks();
}

/* A watch has fired. Its token says whose. */
static void changed(const char *token)
{
	unsigned int domain = 0, device = 0;
	struct jt_xen_link *x;
	bool all = !strcmp(token, GONE);

	if (!all && sscanf(token, "%u/%u", &domain, &device) != 2)
		return;
	for (x = jt_xen_host.first; x; x = x->next)
		if (all || (x->domain == domain && x->device == device))
			x->changed = true;
}

static void store_ready(struct jt_controller *c, struct jt_watch *w, uint32_t events)
{
	char **event = NULL;
	unsigned int i;

	for (i = 0; i < EVENTS_TURN; i++) {
		errno = 0;
		event = xs_check_watch(jt_xen_host.store);
		if (!event)
			break;
		changed(event[XS_WATCH_TOKEN]);
		free(event);
	}
	if (!event && errno != EAGAIN) {
		jt_log("xenstore has ended: agents in guests can't come from here on");
		jt_watch_remove(c, w);
		return;
	}
	looks();
}

/* --- the connection ------------------------------------------------------------------------ */

int jt_xen_store_open(struct jt_controller *c)
{
	struct jt_xen_host *host = &jt_xen_host;
	int err;

	host->timer_watch = (struct jt_watch){ .fd = -1, .ready = timer_ready };
	host->store_watch = (struct jt_watch){ .fd = -1, .ready = store_ready };
	host->store = xs_open(0);
	if (!host->store || !xs_watch(host->store, GONE, GONE))
		return errno ? -errno : -EIO;
	host->timer_watch.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (host->timer_watch.fd < 0)
		return -errno;
	err = jt_watch_add(c, &host->timer_watch, EPOLLIN);
	host->store_watch.fd = xs_fileno(host->store);
	return err ? err : jt_watch_add(c, &host->store_watch, EPOLLIN);
}

void jt_xen_store_close(struct jt_controller *c)
{
	struct jt_xen_host *host = &jt_xen_host;

	if (host->store_watch.fd >= 0)
		jt_watch_remove(c, &host->store_watch);
	jt_watch_close(c, &host->timer_watch);
	if (host->store)
		xs_close(host->store);
	host->store = NULL;
}

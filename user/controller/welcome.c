// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A helper attaches. Which guest it is in is for the kernel to say, not for it:
 * the other end of the guest's vif is in the namespace that it handed over. Whose
 * programs may attach is for the guest's user= and group=.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/guest_socket.h"
#include "common/netns.h"
#include "controller/helpers.h"
#include "controller/places.h"

#define ATTACH_BURST 32ULL
#define ATTACH_NS 50000000ULL

static bool lives_in(struct jt_controller *c, uint32_t guest, int id, uint32_t *ifindex)
{
	int there;
	bool known = !jt_netns_of(c->datapath.guests[guest].ifindex, &there, ifindex);

	c->guests[guest].namespace = known ? there + 1 : 0;
	return known && there == id;
}

/*
 * The namespace that it handed over, as the kernel numbers it; negative: none that we
 * know. It must be the one that its connection comes from: a descriptor of another
 * one is easily had (/run/netns).
 */
static int namespace_of(const struct jt_helper *h)
{
	int theirs = h->namespace < 0 ? -1 : ioctl(h->watch.fd, SIOCGSKNS);
	struct stat from, given;
	bool same;

	if (theirs < 0)
		return -ENOENT;
	same = !fstat(theirs, &from) && !fstat(h->namespace, &given) &&
	       from.st_ino == given.st_ino && from.st_dev == given.st_dev;
	close(theirs);
	return same ? jt_netns_id(h->namespace) : -ENOENT;
}

static bool allowed(struct jt_controller *c, const struct jt_helper *h, uint32_t guest)
{
	const struct jt_guest_spec *spec = &c->guests[guest].spec;

	return !h->uid || h->uid == geteuid() ||
	       (spec->user != (uid_t)-1 && h->uid == spec->user) ||
	       (spec->group != (gid_t)-1 && h->gid == spec->group);
}

static void guest_refuse(struct jt_helper *h, bool known, bool forbidden)
{
	const char *name = h->question.u.hello.guest;

	if (*name && !known)
		jt_helper_refuse(h, -ESRCH, "there is no guest %s", name);
	else if (forbidden)
		jt_helper_refuse(h, -EACCES,
				 "user %u may not attach as %s%s: add user= to its --guest", h->uid,
				 *name ? "guest " : "this guest", name);
	else if (*name)
		jt_helper_refuse(h, -ESRCH, "this process is not in the namespace of guest %s",
				 name);
	else
		jt_helper_refuse(h, -ESRCH, "no guest of this controller lives in this namespace");
}

static bool asked_for(const struct jt_controller *c, const struct jt_helper *h, uint32_t guest)
{
	const char *name = h->question.u.hello.guest;

	return c->guests[guest].used && (!*name || !strcmp(name, c->guests[guest].spec.name));
}

/* Who is asked about first: those that lived there, those not known yet, all. */
enum turn { LIVED_THERE, UNKNOWN, ALL, TURNS };

static bool has_turn(const struct jt_controller *c, uint32_t guest, int id, enum turn turn,
		     const bool *asked)
{
	int namespace = c->guests[guest].namespace;

	if (asked[guest])
		return false;
	return turn == LIVED_THERE ? namespace == id + 1 : turn == UNKNOWN ? !namespace : true;
}

/*
 * Return: the guest that it may attach as, or negative errno after an answer. The
 * kernel is asked about guests that this user may attach as, and no others, and not
 * about all for each helper: each of its answers takes a while.
 */
static int guest_find(struct jt_controller *c, struct jt_helper *h, uint32_t *ifindex)
{
	unsigned int known = 0, may = 0;
	bool asked[JT_GUESTS_MAX] = { false };
	enum turn turn;
	int id = -1;
	uint32_t i;

	for (i = 0; i < c->guest_limit; i++) {
		known += asked_for(c, h, i);
		may += asked_for(c, h, i) && allowed(c, h, i);
	}
	if (may)
		id = namespace_of(h);
	for (turn = LIVED_THERE; id >= 0 && turn < TURNS; turn++) {
		for (i = 0; i < c->guest_limit; i++) {
			if (!asked_for(c, h, i) || !allowed(c, h, i) ||
			    !has_turn(c, i, id, turn, asked))
				continue;
			asked[i] = true;
			if (lives_in(c, i, id, ifindex))
				return (int)i;
		}
	}
	guest_refuse(h, known, may < known);
	return -ESRCH;
}

/* A virtual machine is one guest, whoever asks in there. */
static int machine_guest(struct jt_controller *c, struct jt_helper *h)
{
	uint32_t guest = h->machine->guest;

	if (asked_for(c, h, guest))
		return (int)guest;
	guest_refuse(h, true, false);
	return -ESRCH;
}

static unsigned int helpers_of(struct jt_controller *c, uint32_t guest)
{
	const struct jt_helper *h;
	unsigned int n = 0;

	for (h = c->guests[guest].helpers; h; h = h->next_here)
		n++;
	return n;
}

/* What its interface has: of a virtual machine's, its agent says so. */
static int mac_of(const struct jt_helper *h, uint32_t ifindex, uint8_t mac[6])
{
	static const uint8_t nobody[6];
	struct jt_netdev dev;
	int err;

	if (h->machine) {
		memcpy(mac, h->question.u.hello.mac, 6);
		return mac[0] & 1 || !memcmp(mac, nobody, 6) ? -EADDRNOTAVAIL : 0;
	}
	err = jt_netns_device(h->namespace, ifindex, &dev);
	if (!err)
		memcpy(mac, dev.mac, 6);
	return err;
}

/* The MAC that its templates must have: what its interface has, if nobody said another. */
static int learn_mac(struct jt_controller *c, struct jt_helper *h, uint32_t guest, uint32_t ifindex)
{
	uint8_t given[6];
	struct jt_guest *slot = &c->datapath.guests[guest];
	struct jt_place mine = { .kind = JT_PLACE_GUEST,
				 .id = guest,
				 .flags = JT_PLACE_LEARNED,
				 .until_ns = JT_NEVER_STALE };
	struct jt_address a;
	__u64 mac = 0;
	int err;

	if (JT_READ(slot->mac))
		return 0;
	err = mac_of(h, ifindex, given);
	if (err)
		return err;
	a = jt_address_make(JT_FAMILY_MAC, JT_SCOPE_GUEST, given);
	if (jt_index_refresh(&c->index, c->datapath.maps[JT_MAP_addresses]) ||
	    jt_index_find(&c->index, &a))
		return -EADDRNOTAVAIL;
	memcpy(&mac, given, sizeof(given));
	jt_cas(&slot->mac, 0, mac);
	return jt_place_set(c, &a, &mine);
}

static int slice_open(struct jt_controller *c, struct jt_helper *h, uint32_t guest)
{
	int err = h->backend->open(c, h);

	if (!err && h->call == JT_CALL_MAP) {
		h->member.writing = (const uint64_t *)&h->slice.header->writing;
		err = jt_domain_join(c, guest, &h->member);
	}
	if (err)
		jt_helper_release(c, h);
	return err;
}

static void welcome(struct jt_controller *c, struct jt_helper *h)
{
	struct jt_attach_message m = h->question;
	struct jt_attach_hello *a = &m.u.hello;
	struct jt_parcel parcel = { 0 };

	h->backend->welcome(c, h, &m, &parcel);
	m.error = 0;
	memcpy(a->guest, c->guests[h->guest].spec.name, sizeof(a->guest));
	memcpy(a->mac, &c->datapath.guests[h->guest].mac, sizeof(a->mac));
	a->fds = parcel.fds;
	a->ifindex = h->ifindex;
	a->slice_size = h->slice.size;
	a->ethertype = htons(c->options->ethertype);
	a->geometry = c->options->geometry;
	a->guest_id = h->guest;
	h->backend->answer(h, &m, &parcel);
}

/* What a question can have wrong in itself. Return: 0 or negative errno, after an answer. */
static int hello_check(struct jt_helper *h)
{
	const struct jt_attach_hello *q = &h->question.u.hello;

	if (h->slice.header)
		jt_helper_refuse(h, -EISCONN, "it is attached already");
	else if (strnlen(q->guest, sizeof(q->guest)) == sizeof(q->guest) ||
		 !jt_slice_ring_size_sound(q->send_size) ||
		 !jt_slice_ring_size_sound(q->receive_size))
		jt_helper_refuse(h, -EINVAL, "a ring has 16 KiB to 16 MiB, a power of two");
	else if (q->call > JT_CALL_MAP || q->receive < JT_RECEIVE_SLICE ||
		 q->receive > JT_RECEIVE_XDP)
		jt_helper_refuse(h, -EOPNOTSUPP, "this controller does not offer that");
	else
		return 0;
	return -EINVAL;
}

/*
 * Who holds a socket that is not bound could bind it to any interface of its
 * namespace, and send what he likes there: only root may do that anyway.
 */
static bool may_bind(const struct jt_helper *h)
{
	const struct jt_attach_hello *q = &h->question.u.hello;

	return !jt_attach_umem(q, 1) || !h->uid || h->uid == geteuid() ||
	       jt_guest_socket_binds_first();
}

static void attach_refuse(struct jt_helper *h, int err)
{
	jt_helper_refuse(h, err, "%s",
			 err == -EBUSY ? "another program has an AF_XDP socket, or an XDP "
					 "program, on this guest's interface" :
					 strerror(-err));
}

/* A container's interface takes one such socket; of a machine's nothing else is known here. */
static bool receives_already(struct jt_controller *c, const struct jt_helper *h, uint32_t guest)
{
	const struct jt_helper *o = h->machine ? c->guests[guest].helpers : NULL;

	while (o && o->receive != JT_RECEIVE_XDP)
		o = o->next_here;
	return o && h->question.u.hello.receive == JT_RECEIVE_XDP;
}

/* To attach costs the controller time: a machine may some times at once, and then so often. */
static bool too_often(struct jt_controller *c, const struct jt_helper *h, uint32_t guest)
{
	uint64_t now = jt_env_now(), *next = &c->guests[guest].attach_ns;

	if (!h->machine)
		return false;
	if (*next < now)
		*next = now;
	if (*next - now > ATTACH_BURST * ATTACH_NS)
		return true;
	*next += ATTACH_NS;
	return false;
}

/* What this guest's helpers can't have. Return: 0 or negative errno, after an answer. */
static int guest_check(struct jt_controller *c, struct jt_helper *h, uint32_t guest)
{
	const char *name = c->guests[guest].spec.name;

	if (h->question.u.hello.call == JT_CALL_MAP &&
	    (h->machine || c->options->page_per_guest || !jt_domain_of(c, guest)))
		jt_helper_refuse(h, -EPERM, "guest %s is in no trust domain: --trust NAME=%s", name,
				 name);
	else if (jt_env_now() < c->guests[guest].barred_until_ns)
		jt_helper_refuse(h, -EAGAIN, "a helper of guest %s was just cut off: wait a second",
				 name);
	else if (helpers_of(c, guest) >= JT_HELPERS_OF_GUEST)
		jt_helper_refuse(h, -EUSERS, "guest %s has %d helpers already", name,
				 JT_HELPERS_OF_GUEST);
	else if (!may_bind(h))
		jt_helper_refuse(h, -EOPNOTSUPP,
				 "before Linux 6.4 only helpers of root can have an AF_XDP socket");
	else if (receives_already(c, h, guest))
		attach_refuse(h, -EBUSY);
	else if (too_often(c, h, guest))
		jt_helper_refuse(h, -EAGAIN, "guest %s attaches too often", name);
	else
		return 0;
	return -EPERM;
}

void jt_helper_hello(struct jt_controller *c, struct jt_helper *h)
{
	int guest, err;

	if (hello_check(h))
		return;
	guest = h->machine ? machine_guest(c, h) : guest_find(c, h, &h->ifindex);
	if (guest < 0 || guest_check(c, h, (uint32_t)guest))
		return;
	h->call = h->question.u.hello.call;
	h->receive = h->question.u.hello.receive;
	err = learn_mac(c, h, (uint32_t)guest, h->ifindex);
	if (!err)
		err = slice_open(c, h, (uint32_t)guest);
	if (err) {
		attach_refuse(h, err);
		return;
	}
	h->guest = (uint32_t)guest;
	if (c->options->page_per_guest)
		h->own = jt_domain_of(c, h->guest);
	h->next_here = c->guests[guest].helpers;
	c->guests[guest].helpers = h;
	jt_claims_open(c, h);
	welcome(c, h);
}

void jt_helper_bind(struct jt_controller *c, struct jt_helper *h)
{
	struct jt_attach_message m = h->question;
	int err = h->unbound ? h->backend->bind(c, h) : -EISCONN;

	if (err) {
		attach_refuse(h, err);
		return;
	}
	h->unbound = false;
	jt_claims_open(c, h);
	m.error = 0;
	h->backend->answer(h, &m, NULL);
}

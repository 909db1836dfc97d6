// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A program of this machine, as it attaches: its questions go to the host's
 * controller one at a time, and its answers come back with descriptors of ours.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <jitney/env_user.h>
#include "agent.h"
#include "common/guest_socket.h"
#include "common/log.h"
#include "common/parcel.h"

/* What this machine lacks is its owner's affair: it stands in our log, too. */
__attribute__((format(printf, 3, 4))) static void refuse(struct jt_seat *s, int err,
							 const char *format, ...)
{
	static struct jt_log_limit limit;
	struct jt_attach_message m = s->message;
	va_list args;

	va_start(args, format);
	jt_refusal(&m, err, format, args);
	va_end(args);
	jt_log_limited(&limit, "refused a program: %s", m.u.text);
	jt_parcel_send(s->connection, &m, NULL);
}

void jt_seat_open(struct jt_agent *a, int connection)
{
	struct jt_seat *s = a->seats;

	while (s < a->seats + JT_MACHINE_SLOTS && (s->connection >= 0 || s->waiting))
		s++;
	if (s == a->seats + JT_MACHINE_SLOTS) {
		close(connection);
		return;
	}
	*s = (struct jt_seat){ .connection = connection,
			       .doorbell = -1,
			       .receive = -1,
			       .cycle = -1,
			       .socket = -1,
			       .program.link = -1 };
	if (jt_agent_watch(a, (unsigned int)(s - a->seats)))
		jt_shut(&s->connection);
}

/* What was given to the program that sat here, but for the host's memory. */
static void give_back(struct jt_seat *s)
{
	jt_guest_program_close(&s->program);
	jt_shut(&s->socket);
	jt_shut(&s->doorbell);
	jt_shut(&s->receive);
	jt_shut(&s->cycle);
	if (s->memory)
		munmap(s->memory, s->size);
	s->memory = NULL;
	s->attached = false;
}

static void ask(struct jt_agent *a, unsigned int seat)
{
	struct jt_seat *s = &a->seats[seat];
	struct jt_machine_slot *slot = &a->page->slots[seat];

	slot->message = s->message;
	s->asked = slot->asked + 1;
	s->waiting = true;
	JT_WRITE(slot->asked, s->asked);
	jt_agent_ring(a);
}

static void bye(struct jt_agent *a, unsigned int seat)
{
	struct jt_seat *s = &a->seats[seat];

	s->leaving = true;
	s->message = (struct jt_attach_message){ .magic = JT_ATTACH_MAGIC,
						 .version = JT_ATTACH_VERSION,
						 .size = sizeof(s->message),
						 .op = JT_ATTACH_BYE };
	ask(a, seat);
}

void jt_seat_close(struct jt_agent *a, unsigned int seat, bool host)
{
	struct jt_seat *s = &a->seats[seat];
	bool sat = s->connection >= 0 || s->waiting;

	if (!sat || (host && s->leaving))
		return;
	jt_shut(&s->connection);
	give_back(s);
	if (host && s->waiting) { /* the slot is the host's until it has answered */
		s->gone = true;
		return;
	}
	if (host && a->session) {
		bye(a, seat);
		return;
	}
	a->host->unshare(a, seat);
	s->waiting = s->leaving = s->gone = false;
}

static int socket_bind(struct jt_agent *a, struct jt_seat *s, uint32_t *queue)
{
	int err = jt_guest_socket_bind(s->socket, a->ifindex, queue);

	if (!err && s->receives)
		err = jt_guest_program_open(&s->program, a->space, a->ifindex, a->host->xdp_mode,
					    s->socket, *queue, s->ethertype);
	return err;
}

/* --- questions ---------------------------------------------------------------------------- */

/* An AF_XDP socket receives from one queue; what came into another one would be lost. */
static bool one_queue(const struct jt_agent *a)
{
	char path[64 + IFNAMSIZ];

	snprintf(path, sizeof(path), "/sys/class/net/%s/queues/rx-1", a->interface);
	return access(path, F_OK);
}

/* A program that attaches: the host has to have memory for it. Return: 0, or negative after an answer. */
static int hello(struct jt_agent *a, unsigned int seat)
{
	struct jt_seat *s = &a->seats[seat];
	struct jt_attach_hello *q = &s->message.u.hello;
	int err;

	memcpy(q->mac, a->mac, sizeof(q->mac));
	if (s->attached || !jt_slice_ring_size_sound(q->send_size) ||
	    !jt_slice_ring_size_sound(q->receive_size))
		return 0; /* the controller knows what to say */
	if (q->receive == JT_RECEIVE_XDP && !one_queue(a)) {
		refuse(s, -EOPNOTSUPP, "%s has several queues: ethtool -L %s combined 1",
		       a->interface, a->interface);
		return -EOPNOTSUPP;
	}
	s->asked_call = q->call;
	s->asked_receive = q->receive;
	s->umem = jt_attach_umem(q, a->page->extent_size);
	s->size = jt_slice_rings_end(q->send_size, q->receive_size) + s->umem + JT_MACHINE_BEHIND;
	err = a->host->share(a, seat, s->size);
	if (err)
		refuse(s, err, "%llu KiB of memory can't be shared with the host: %s",
		       (unsigned long long)s->size / 1024, strerror(-err));
	return err;
}

/* It has mapped the socket's rings: the host knows nothing of that. */
static void bind_socket(struct jt_agent *a, struct jt_seat *s)
{
	struct jt_attach_message m = s->message;
	uint32_t queue;

	m.error = s->unbound ? socket_bind(a, s, &queue) : -EISCONN;
	memset(&m.u, 0, sizeof(m.u));
	s->unbound = s->unbound && m.error;
	if (!m.error)
		jt_seat_claims(a, (unsigned int)(s - a->seats)); /* it may have claimed meanwhile */
	jt_parcel_send(s->connection, &m, NULL);
}

static void question(struct jt_agent *a, unsigned int seat)
{
	struct jt_seat *s = &a->seats[seat];

	if (!jt_attach_sound(&s->message) || s->message.op == JT_ATTACH_BYE)
		refuse(s, -EPROTO, "this agent speaks version %d", JT_ATTACH_VERSION);
	else if (!a->session)
		refuse(s, -ECONNREFUSED, "the host runs no controller for this machine");
	else if (s->message.op == JT_ATTACH_BIND)
		bind_socket(a, s);
	else if (s->message.op != JT_ATTACH_HELLO || !hello(a, seat))
		ask(a, seat);
}

void jt_seat_ready(struct jt_agent *a, unsigned int seat)
{
	struct jt_seat *s = &a->seats[seat];
	ssize_t n = -1;

	if (s->connection < 0)
		return;
	/* Who asks before it was answered breaks the protocol. */
	errno = EPROTO;
	if (!s->waiting)
		n = recv(s->connection, (char *)&s->message + s->have, sizeof(s->message) - s->have,
			 MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		jt_seat_close(a, seat, true);
		return;
	}
	s->have += (size_t)n;
	if (s->have < sizeof(s->message))
		return;
	s->have = 0;
	question(a, seat);
}

/* --- answers ------------------------------------------------------------------------------- */

static int socket_open(struct jt_agent *a, struct jt_seat *s, struct jt_attach_hello *h)
{
	if (!s->umem)
		return 0;
	s->socket = jt_guest_socket_open(a->space, s->memory + h->slice_size - s->umem, s->umem,
					 h->geometry.extent_size);
	if (s->socket < 0)
		return s->socket;
	s->receives = h->receive == JT_RECEIVE_XDP;
	s->ethertype = h->ethertype;
	s->unbound = !jt_guest_socket_binds_first();
	h->queue = JT_QUEUE_UNBOUND;
	return s->unbound ? 0 : socket_bind(a, s, &h->queue);
}

/* @memory, @theirs: descriptors. Return: 0, or negative errno: then s is as it was but for what is given back. */
static int set_up(struct jt_agent *a, struct jt_seat *s, struct jt_attach_hello *h, int memory,
		  int theirs[2])
{
	int err;

	/* Other programs can write to the page, too: what was asked is what counts. */
	if (s->attached || h->call != s->asked_call || h->receive != s->asked_receive ||
	    h->slice_size > s->size || s->size - h->slice_size != JT_MACHINE_BEHIND ||
	    s->umem != jt_attach_umem(h, h->geometry.extent_size))
		return -EPROTO;
	s->memory = mmap(NULL, s->size, PROT_READ | PROT_WRITE, MAP_SHARED, memory,
			 (off_t)h->slice_offset);
	if (s->memory == MAP_FAILED) {
		s->memory = NULL;
		return -errno;
	}
	err = jt_ringer_open(&s->receive, &theirs[0]);
	if (!err)
		err = jt_ringer_open(&s->cycle, &theirs[1]);
	if (err)
		return err;
	s->doorbell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = s->doorbell < 0 ? -errno : jt_agent_watch_doorbell(a, (unsigned int)(s - a->seats));
	return err ? err : socket_open(a, s, h);
}

static void welcome_fail(struct jt_agent *a, unsigned int seat, int err)
{
	struct jt_seat *s = &a->seats[seat];

	if (err == -EFAULT)
		refuse(s, -EOPNOTSUPP,
		       "an AF_XDP socket can't use this memory: give it as an NVDIMM");
	else if (err == -EBUSY)
		refuse(s, err, "another program has an AF_XDP socket, or an XDP program, on %s",
		       a->interface);
	else
		refuse(s, err, "%s", strerror(-err));
	jt_seat_close(a, seat, true);
}

/* The controller has taken it: so what it needs here, too. */
static void welcome(struct jt_agent *a, unsigned int seat)
{
	struct jt_seat *s = &a->seats[seat];
	struct jt_attach_hello *h = &s->message.u.hello;
	int memory = a->host->memory(a, seat), theirs[2] = { -1, -1 };
	struct jt_parcel parcel = { 0 };
	int err = set_up(a, s, h, memory, theirs);

	if (!err) {
		jt_parcel_add(&parcel, JT_FD_SLICE, memory);
		jt_parcel_add(&parcel, JT_FD_NOTICE, memory);
		jt_parcel_add(&parcel, JT_FD_DOORBELL, s->doorbell);
		jt_parcel_add(&parcel, JT_FD_RECEIVE, theirs[0]);
		jt_parcel_add(&parcel, JT_FD_CYCLE, theirs[1]);
		jt_parcel_add(&parcel, JT_FD_SOCKET, s->socket);
		h->fds = parcel.fds;
		h->ifindex = a->ifindex;
		s->attached = true;
		jt_parcel_send(s->connection, &s->message, &parcel);
	}
	jt_shut(&theirs[0]);
	jt_shut(&theirs[1]);
	if (err)
		welcome_fail(a, seat, err);
}

void jt_seat_look(struct jt_agent *a, unsigned int seat)
{
	struct jt_seat *s = &a->seats[seat];
	struct jt_machine_slot *slot = &a->page->slots[seat];
	bool refused;

	if (!s->waiting || JT_READ(slot->answered) != s->asked)
		return;
	s->waiting = false;
	if (s->leaving) {
		s->leaving = false;
		a->host->unshare(a, seat);
		return;
	}
	if (s->gone) {
		s->gone = false;
		bye(a, seat);
		return;
	}
	s->message = slot->message;
	refused = s->message.error;
	if (s->message.op == JT_ATTACH_HELLO && !refused) {
		welcome(a, seat);
		return;
	}
	if (s->message.op == JT_ATTACH_HELLO && !s->attached)
		a->host->unshare(a, seat);
	jt_parcel_send(s->connection, &s->message, NULL);
}

void jt_seat_claims(struct jt_agent *a, unsigned int seat)
{
	struct jt_seat *s = &a->seats[seat];
	const uint64_t *now = (const uint64_t *)(s->memory + s->size - JT_MACHINE_CLAIMS);
	uint64_t bits, changed;
	unsigned int word, bit;

	if (!s->program.skeleton)
		return;
	for (word = 0; word < JT_ARRAY_SIZE(s->claims); word++) {
		bits = JT_READ(now[word]);
		for (changed = bits ^ s->claims[word]; changed; changed &= changed - 1) {
			bit = (unsigned int)__builtin_ctzll(changed);
			jt_guest_program_port(&s->program, (uint16_t)(word * 64 + bit),
					      bits >> bit & 1);
		}
		s->claims[word] = bits;
	}
}

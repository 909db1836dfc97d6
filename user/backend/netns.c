// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Helpers in network namespaces: all that they need are descriptors. A slice is a
 * memfd, made, sealed, and given back here.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/backend.h"
#include "common/guest_socket.h"
#include "controller/helpers.h"
#include "controller/scheduler.h"

/* --- a slice's memory --------------------------------------------------------------- */

static int slice_map(struct jt_slice_state *s)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	void *at;
	int err;

	s->fd = memfd_create("jitney-slice", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (s->fd < 0)
		return -errno;
	/* All of it now: later, memory that lacks would be a signal and no error. */
	err = -posix_fallocate(s->fd, 0, (off_t)s->size);
	if (!err && fcntl(s->fd, F_ADD_SEALS, seals))
		err = -errno;
	if (err)
		return err;
	at = mmap(NULL, s->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, s->fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	s->memory = at;
	s->send = s->memory + jt_slice_send_offset();
	s->receive = s->memory + jt_slice_receive_offset(s->send_size);
	return 0;
}

int jt_slice_open(struct jt_slice_state *s, uint32_t send_size, uint32_t receive_size,
		  uint64_t umem_size)
{
	int err = jt_slice_size(s, send_size, receive_size, umem_size);

	if (!err)
		err = slice_map(s);
	if (err)
		jt_slice_close(s);
	else
		jt_slice_begin(s, umem_size);
	return err;
}

void jt_slice_close(struct jt_slice_state *s)
{
	if (s->memory)
		munmap(s->memory, s->size);
	if (s->fd >= 0)
		close(s->fd);
	jt_slice_forget(s);
}

/* --- what wakes whom ------------------------------------------------------------------ */

static void doorbell_ready(struct jt_controller *c, struct jt_watch *w, uint32_t events)
{
	jt_scheduler_rung(c);
}

/* The doorbell is watched for its edges and never read, which could block, too. */
static int events_open(struct jt_controller *c, struct jt_helper *h)
{
	int err = jt_ringer_open(&h->receive_event, &h->receive_theirs);

	if (!err)
		err = jt_ringer_open(&h->cycle, &h->cycle_theirs);
	if (err)
		return err;
	h->doorbell = (struct jt_watch){ .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
					 .ready = doorbell_ready };
	return h->doorbell.fd < 0 ? -errno : jt_watch_add(c, &h->doorbell, EPOLLIN | EPOLLET);
}

static void netns_wake(struct jt_helper *h, enum jt_wake why)
{
	jt_ringer_ring(why == JT_WAKE_RECEIVE ? h->receive_event : h->cycle);
}

/* --- coming and going ------------------------------------------------------------------- */

/*
 * To the guest's interface, with what fills it. Native: generic XDP looks at nothing that
 * a tc program has redirected. That takes GSO from who sends to the guest, which is the
 * price of this way.
 */
static int netns_bind(struct jt_controller *c, struct jt_helper *h)
{
	int err = jt_guest_socket_bind(h->socket, h->ifindex, &h->queue);

	if (!err && h->receive == JT_RECEIVE_XDP)
		err = jt_guest_program_open(&h->program, h->namespace, h->ifindex,
					    XDP_FLAGS_DRV_MODE, h->socket, h->queue,
					    htons(c->options->ethertype));
	return err;
}

static int socket_open(struct jt_controller *c, struct jt_helper *h)
{
	const struct jt_slice *s = h->slice.header;

	if (!s->umem_size)
		return 0;
	h->socket = jt_guest_socket_open(h->namespace, h->slice.memory + s->umem_offset,
					 s->umem_size, c->options->geometry.extent_size);
	if (h->socket < 0)
		return h->socket;
	h->unbound = !jt_guest_socket_binds_first();
	h->queue = JT_QUEUE_UNBOUND;
	return h->unbound ? 0 : netns_bind(c, h);
}

static int netns_open(struct jt_controller *c, struct jt_helper *h)
{
	const struct jt_attach_hello *q = &h->question.u.hello;
	int err = jt_slice_open(&h->slice, q->send_size, q->receive_size,
				jt_attach_umem(q, c->options->geometry.extent_size));

	if (!err)
		err = socket_open(c, h);
	return err ? err : events_open(c, h);
}

static void netns_welcome(struct jt_controller *c, struct jt_helper *h, struct jt_attach_message *m,
			  struct jt_parcel *parcel)
{
	jt_parcel_add(parcel, JT_FD_SLICE, h->slice.fd);
	jt_parcel_add(parcel, JT_FD_NOTICE, c->board.fd);
	jt_parcel_add(parcel, JT_FD_DOORBELL, h->doorbell.fd);
	jt_parcel_add(parcel, JT_FD_RECEIVE, h->receive_theirs);
	jt_parcel_add(parcel, JT_FD_CYCLE, h->cycle_theirs);
	jt_parcel_add(parcel, JT_FD_SOCKET, h->socket);
	m->u.hello.queue = h->queue;
	if (!h->member.domain)
		return;
	jt_parcel_add(parcel, JT_FD_DOMAIN, h->member.domain->memory);
	m->u.hello.domain_size = jt_domain_size(&c->options->geometry);
}

static void netns_answer(struct jt_helper *h, const struct jt_attach_message *m,
			 const struct jt_parcel *parcel)
{
	jt_parcel_send(h->watch.fd, m, parcel);
	/* What is only the helper's now shows us its end, and it ours. */
	jt_shut(&h->receive_theirs);
	jt_shut(&h->cycle_theirs);
}

static int netns_port(struct jt_helper *h, uint16_t port, bool taken)
{
	return jt_guest_program_port(&h->program, port, taken);
}

static void netns_cut(struct jt_helper *h)
{
	shutdown(h->watch.fd, SHUT_RDWR);
}

static void netns_release(struct jt_controller *c, struct jt_helper *h)
{
	jt_watch_close(c, &h->doorbell);
	jt_shut(&h->receive_event);
	jt_shut(&h->cycle);
	jt_shut(&h->receive_theirs);
	jt_shut(&h->cycle_theirs);
	jt_shut(&h->socket);
	h->unbound = false;
	jt_guest_program_close(&h->program);
	jt_slice_close(&h->slice);
}

const struct jt_backend jt_backend_netns = {
	.open = netns_open,
	.bind = netns_bind,
	.welcome = netns_welcome,
	.answer = netns_answer,
	.wake = netns_wake,
	.port = netns_port,
	.cut = netns_cut,
	.release = netns_release,
};

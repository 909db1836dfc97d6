// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The call `slice': records into the send ring, and arrivals out of the receive
 * ring. <jitney/slice.h> has the rules.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <stdlib.h>

#include "common/checksum.h"
#include "guest.h"

/* Return: memory that no child inherits, and that no message faults on; NULL with errno set. */
void *jt_map(int fd, uint64_t offset, size_t size, int protection)
{
	struct stat st;
	void *memory;

	if (fstat(fd, &st))
		return NULL;
	/* Reading behind a file's end would be a SIGBUS; of a device mmap() knows the end. */
	if (!S_ISCHR(st.st_mode) &&
	    ((uint64_t)st.st_size < size || (uint64_t)st.st_size - size < offset)) {
		errno = EPROTO;
		return NULL;
	}
	memory = mmap(NULL, size, protection, MAP_SHARED | MAP_POPULATE, fd, (off_t)offset);
	if (memory == MAP_FAILED)
		return NULL;
	madvise(memory, size, MADV_DONTFORK);
	return memory;
}

int jt_view_map(struct jt_view *s, int fd, uint64_t offset, uint64_t size)
{
	struct jt_slice *slice;
	uint32_t send, receive;

	if (size < sizeof(*slice) || size > SIZE_MAX / 2)
		return -EPROTO;
	slice = jt_map(fd, offset, size, PROT_READ | PROT_WRITE);
	if (!slice)
		return -errno;
	send = JT_READ(slice->send_size);
	receive = JT_READ(slice->receive_size);
	if (slice->magic != JT_SLICE_MAGIC || slice->version != JT_SLICE_VERSION ||
	    !jt_slice_ring_size_sound(send) || !jt_slice_ring_size_sound(receive) ||
	    jt_slice_rings_end(send, receive) > size) {
		munmap(slice, size);
		return -EPROTO;
	}
	*s = (struct jt_view){ .slice = slice,
			       .size = size,
			       .send = (uint8_t *)slice + jt_slice_send_offset(),
			       .receive = (uint8_t *)slice + jt_slice_receive_offset(send),
			       .send_size = send,
			       .receive_size = receive,
			       .taken = JT_READ(slice->receive_tail) };
	return 0;
}

void jt_view_unmap(struct jt_view *s)
{
	if (s->slice)
		munmap(s->slice, s->size);
	memset(s, 0, sizeof(*s));
}

/* Room for a record of @span bytes, behind a skip if need be. NULL: none. */
static uint8_t *ring_take(struct jitney *j, uint64_t span)
{
	struct jt_view *s = &j->view;
	struct jt_slice_record skip = { .kind = JT_SLICE_SKIP };
	__u64 gap;
	uint8_t *at;

	if (!jt_ring_room(j->head, j->tail, s->send_size, span, &gap)) {
		j->tail = JT_READ(s->slice->send_tail);
		if (!jt_ring_room(j->head, j->tail, s->send_size, span, &gap))
			return NULL;
	}
	if (gap) {
		memcpy(s->send + (j->head & (s->send_size - 1)), &skip, sizeof(skip));
		j->head += gap;
	}
	at = s->send + (j->head & (s->send_size - 1));
	j->head += span;
	return at;
}

/* The same, and wait if the handle does. */
static int ring_reserve(struct jitney *j, uint64_t span, uint8_t **at)
{
	int err;

	for (;;) {
		*at = ring_take(j, span);
		if (*at)
			return 0;
		err = jt_slice_wait(j, span);
		if (err)
			return err;
	}
}

/* A free number, or the one that was not used for the longest time. */
static int number_take(struct jitney *j)
{
	struct jt_number *numbers = j->numbers;
	unsigned int i, best = 0;

	for (i = 0; i < JT_SLICE_TEMPLATES; i++) {
		if (!numbers[i].flow)
			return (int)i;
		if (numbers[i].used < numbers[best].used)
			best = i;
	}
	numbers[best].flow->number = -1;
	return (int)best;
}

static int template_put(struct jitney_flow *flow)
{
	struct jitney *j = flow->j;
	struct jt_slice_record r = { .kind = JT_SLICE_TEMPLATE, .length = sizeof(flow->template) };
	struct jt_number *n;
	uint8_t *at;
	int number, err;

	err = ring_reserve(j, jt_slice_span(r.length), &at);
	if (err)
		return err;
	number = number_take(j);
	n = &j->numbers[number];
	r.template = (uint16_t)number;
	memcpy(at, &r, sizeof(r));
	memcpy(at + sizeof(r), &flow->template, sizeof(flow->template));
	/* What holds at the controller's position: see leftover.c. */
	if (n->since < JT_READ(j->view.slice->send_tail)) {
		n->earlier = n->now;
		n->first = j->head - jt_slice_span(r.length);
	}
	n->now = flow->template;
	n->since = j->head - jt_slice_span(r.length);
	n->used = j->head;
	n->flow = flow;
	flow->number = number;
	return 0;
}

static int slice_put(struct jitney_flow *flow, const void *data, uint32_t length)
{
	struct jitney *j = flow->j;
	struct jt_slice_record r = { .kind = JT_SLICE_MESSAGE, .length = (uint16_t)length };
	uint64_t sum;
	uint8_t *at;
	int err;

	if (flow->number < 0) {
		err = template_put(flow);
		if (err)
			return err;
	}
	err = ring_reserve(j, jt_slice_span(length), &at);
	if (err)
		return err;
	sum = jt_copy_sum(at + sizeof(r), data, length);
	r.template = (uint16_t)flow->number;
	r.check = jt_udp_check(flow->sum, sum, length);
	memcpy(at, &r, sizeof(r));
	j->numbers[flow->number].used = j->head;
	return 0;
}

static bool slice_waits(const struct jitney_flow *flow)
{
	const struct jitney *j = flow->j;

	return flow->number >= 0 &&
	       j->numbers[flow->number].used > JT_READ(j->view.slice->send_tail);
}

static void slice_free(struct jitney *j)
{
	free(j->numbers);
	j->numbers = NULL;
	jt_peers_forget(j);
}

static int slice_open(struct jitney *j, const struct jt_attach_hello *hello)
{
	(void)hello;
	j->numbers = calloc(JT_SLICE_TEMPLATES, sizeof(*j->numbers));
	if (!j->numbers || jt_peers_know(j) || j->fds[JT_FD_DOORBELL] < 0 ||
	    j->fds[JT_FD_CYCLE] < 0) {
		slice_free(j);
		return -EPROTO;
	}
	j->head = JT_READ(j->view.slice->send_head);
	j->tail = JT_READ(j->view.slice->send_tail);
	j->rung = j->tail;
	j->bell_next = j->tail + j->view.send_size / 2;
	j->mean_ns = 0;
	j->samples = 0;
	return 0;
}

static void slice_close(struct jitney *j)
{
	struct jitney_flow *f;

	jt_slice_leftover(j);
	for (f = j->flows; f; f = f->next)
		f->number = -1;
	slice_free(j);
}

const struct jt_call jt_call_slice = {
	.id = JITNEY_SLICE,
	.ask = JT_CALL_SLICE,
	.name = "slice",
	.why = "the controller shares memory with this guest",
	.open = slice_open,
	.put = slice_put,
	.publish = jt_slice_publish,
	.waits = slice_waits,
	.flush = jt_call_flush,
	.close = slice_close,
};

static void arrival_tell(const struct jitney *j, const struct jt_slice_arrival *a,
			 const uint8_t *data, struct jitney_message *out)
{
	memset(out, 0, sizeof(*out));
	out->data = data;
	out->length = a->length;
	out->port = jt_ntohs(a->dest_port);
	out->tos = a->tos;
	out->ttl = a->ttl;
	if (a->family == 4) {
		out->from.ipv4.sin_family = AF_INET;
		out->from.ipv4.sin_port = a->source_port;
		memcpy(&out->from.ipv4.sin_addr, a->source, 4);
		return;
	}
	out->from.ipv6.sin6_family = AF_INET6;
	out->from.ipv6.sin6_port = a->source_port;
	memcpy(&out->from.ipv6.sin6_addr, a->source, 16);
	if (IN6_IS_ADDR_LINKLOCAL(&out->from.ipv6.sin6_addr))
		out->from.ipv6.sin6_scope_id = j->ifindex;
}

/* Return: bytes of the record at @at, 0 if it is none. @left: up to the ring's end or head. */
static uint64_t arrival_take(const struct jitney *j, const uint8_t *at, uint64_t left,
			     struct jitney_message *out)
{
	struct jt_slice_arrival a;

	if (left < sizeof(a))
		return 0;
	memcpy(&a, at, sizeof(a));
	if (a.kind != JT_SLICE_MESSAGE || jt_arrival_span(a.length) > left)
		return 0;
	arrival_tell(j, &a, at + sizeof(a), out);
	return jt_arrival_span(a.length);
}

/*
 * Hand out what lies before @head, in place. Records are not believed further
 * than the ring reaches: one that is wrong ends what can be had of it.
 */
unsigned int jt_view_receive(struct jitney *j, struct jt_view *s, uint64_t head,
			     struct jitney_message *out, unsigned int max)
{
	uint64_t place, left, span;
	unsigned int n = 0;
	uint16_t kind;

	if (head - s->taken > s->receive_size)
		head = s->taken;
	while (n < max && s->taken != head) {
		place = s->taken & (s->receive_size - 1);
		left = s->receive_size - place;
		if (left > head - s->taken)
			left = head - s->taken;
		memcpy(&kind, s->receive + place, sizeof(kind));
		if (kind == JT_SLICE_SKIP) {
			s->taken += left;
			continue;
		}
		span = arrival_take(j, s->receive + place, left, &out[n]);
		if (!span) {
			s->taken = head;
			break;
		}
		s->taken += span;
		n++;
	}
	return n;
}

/* What was handed out is no longer looked at. */
void jt_view_release(struct jt_view *s)
{
	if (s->slice && JT_READ(s->slice->receive_tail) != s->taken)
		JT_WRITE(s->slice->receive_tail, s->taken);
}

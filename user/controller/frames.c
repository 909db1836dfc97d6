// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Theory of operation: noticing frames
 *
 * To wake the controller for each frame costs more than the frame: an interrupt
 * where it arrived, which a virtual machine pays dearly for, and a turn of the loop
 * here. So while frames come close upon each other the controller says
 * `frames_polled', and looks by itself every LOOK_NS. A frame waits no longer.
 *
 *  1. A program reserves its record, then reads the word, then submits. The
 *     controller takes the word back, then compares what is reserved with what it has
 *     consumed. There are full barriers on both sides: either it is woken, or it sees
 *     that something comes and goes on looking.
 *  2. `frames_handed' says up to where all messages have been handed over: a frame that
 *     a program takes to a helper itself must not overtake one that is here.
 *  3. What is taken apart is copied, to a slice or to be delivered. So runs of a flow
 *     reach over many frames, and readers are woken once for them.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "controller/controller.h"
#include "controller/receive.h"

#define LOOK_NS 50000
#define NEAR_NS 200000ULL  /* two frames closer than that: more is to be expected */
#define QUIET_NS 100000ULL /* nothing for so long: no more is */

static const unsigned long *position_map(int fd, off_t at, size_t size)
{
	void *p = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, at);

	return p == MAP_FAILED ? NULL : p;
}

int jt_frames_open(struct jt_controller *c)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int fd = c->datapath.maps[JT_MAP_frames];

	c->frames.consumed = position_map(fd, 0, page);
	c->frames.produced = position_map(fd, (off_t)page, page);
	return c->frames.consumed && c->frames.produced ? 0 : -errno;
}

void jt_frames_close(struct jt_controller *c)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (c->frames.consumed)
		munmap((void *)c->frames.consumed, page);
	if (c->frames.produced)
		munmap((void *)c->frames.produced, page);
	c->frames = (struct jt_frames){ 0 };
}

int jt_frames_wait(struct jt_controller *c, struct epoll_event *events, int max, int timeout)
{
	static const struct timespec look = { .tv_nsec = LOOK_NS };

	return c->frames.polled ? epoll_pwait2(c->epoll, events, max, &look, NULL) :
				  epoll_wait(c->epoll, events, max, timeout);
}

void jt_frames_take(struct jt_controller *c)
{
	ring_buffer__consume(c->events);
	jt_receive_hand_over(c);
	JT_WRITE(c->datapath.page.control->frames_handed, JT_READ(*c->frames.consumed));
}

static void polled_set(struct jt_controller *c, bool polled)
{
	c->frames.polled = polled;
	JT_WRITE(c->datapath.page.control->frames_polled, polled);
}

/* Return: true if a record is there, or about to be. */
static bool reserved(const struct jt_controller *c)
{
	return JT_READ(*c->frames.produced) != JT_READ(*c->frames.consumed);
}

void jt_frames_turn(struct jt_controller *c)
{
	struct jt_frames *f = &c->frames;
	unsigned int budget = c->record_budget;
	uint64_t now;

	if (f->polled && budget == JT_RECORDS_MAX)
		jt_frames_take(c);
	budget = c->record_budget;
	if (!f->polled && budget == JT_RECORDS_MAX)
		return;
	now = jt_env_now();
	if (budget < JT_RECORDS_MAX) {
		if (!f->polled && now - f->last_ns < NEAR_NS)
			polled_set(c, true);
		f->last_ns = now;
	} else if (now - f->last_ns > QUIET_NS) {
		polled_set(c, false);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (reserved(c))
			polled_set(c, true);
	}
}

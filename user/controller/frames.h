/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Frames that come in through the ring buffer `frames', and events. */
#ifndef JITNEY_FRAMES_H
#define JITNEY_FRAMES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct jt_controller;

/* When to look for frames. */
struct jt_frames {
	const unsigned long *produced, *consumed; /* positions in the ring; NULL: never looked at */
	uint64_t last_ns;			  /* when a frame came last */
	bool polled;
};

/* Return: 0 or negative errno. */
int jt_frames_open(struct jt_controller *c);
void jt_frames_close(struct jt_controller *c);

/* epoll_wait(), which ends earlier if it is time to look. @timeout: ms, or -1 */
int jt_frames_wait(struct jt_controller *c, struct epoll_event *events, int max, int timeout);
/* Take what has come, within the turn's budget. */
void jt_frames_take(struct jt_controller *c);
/* At the end of each turn: look for frames, and decide how the next ones will be noticed. */
void jt_frames_turn(struct jt_controller *c);

#endif

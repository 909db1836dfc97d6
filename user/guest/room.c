// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Who was told -EAGAIN waits for room on jitney_fd(), beside what it waits for to
 * receive. What says that there is room depends on what was full: the descriptor
 * is part of the handle's epoll from the refusal to the next call that sends. So a
 * handle that is never refused pays one comparison for all this.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "guest.h"

/* The socket may be there already, to receive from. */
static void watch(struct jitney *j, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events };

	if (!epoll_ctl(j->epoll, EPOLL_CTL_ADD, fd, &event) || errno != EEXIST)
		return;
	event.events |= EPOLLIN | EPOLLRDHUP;
	epoll_ctl(j->epoll, EPOLL_CTL_MOD, fd, &event);
}

void jt_room_want(struct jitney *j, int fd, uint32_t events)
{
	jt_room_done(j);
	watch(j, fd, events);
	j->room_fd = fd;
}

void jt_room_want_cycle(struct jitney *j)
{
	jt_room_want(j, j->fds[JT_FD_CYCLE], EPOLLIN);
	JT_WRITE(j->view.slice->send_waiting, 1);
}

void jt_room_done(struct jitney *j)
{
	struct epoll_event receive = { .events = EPOLLIN | EPOLLRDHUP };
	uint64_t count;

	if (j->room_fd < 0)
		return;
	if (j->inbox && j->room_fd == j->fds[JT_FD_SOCKET])
		epoll_ctl(j->epoll, EPOLL_CTL_MOD, j->room_fd, &receive);
	else
		epoll_ctl(j->epoll, EPOLL_CTL_DEL, j->room_fd, NULL);
	if (j->room_fd == j->fds[JT_FD_CYCLE]) {
		JT_WRITE(j->view.slice->send_waiting, 0);
		if (read(j->room_fd, &count, sizeof(count)) < 0)
			count = 0; /* it was not told yet: one word too many for who waits next */
	}
	j->room_fd = -1;
}

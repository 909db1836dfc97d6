/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Connections of people that are not trusted, and the descriptors that they send
 * along. To close one may take as long as its sender likes: a socket lingers, a
 * file system in user space does not answer. So what is not wanted is closed by a
 * thread of its own, also if it came where none is asked for.
 */
#ifndef JITNEY_FOREIGN_H
#define JITNEY_FOREIGN_H

#include <sys/types.h>

/*
 * As recv(), without waiting. @fd: takes one descriptor of a namespace that came along,
 * if it is -1; NULL: none is wanted.
 */
ssize_t jt_foreign_receive(int connection, void *data, size_t size, int *fd);
/* Close a connection, and what may be on its way in there. */
void jt_foreign_close(int connection);

#endif

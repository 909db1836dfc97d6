/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What whoever lets helpers attach hands to them: answers, descriptors, and rings. */
#ifndef JITNEY_PARCEL_H
#define JITNEY_PARCEL_H

#include <jitney/attach.h>
#include <stdarg.h>

/* Descriptors that go along with an answer. */
struct jt_parcel {
	uint32_t fds; /* bits, by enum jt_attach_fd */
	int list[JT_FD_COUNT];
	int count;
};

/* In the order of enum jt_attach_fd. @fd: stays the caller's; negative: none */
void jt_parcel_add(struct jt_parcel *p, enum jt_attach_fd which, int fd);

/* Turn a question into an answer that it was refused, with a sentence. */
__attribute__((format(printf, 3, 0))) void jt_refusal(struct jt_attach_message *m, int err,
						      const char *format, va_list args);

/*
 * Send an answer without waiting; who does not read it loses its connection.
 * @parcel: NULL: none
 */
void jt_parcel_send(int connection, const struct jt_attach_message *m,
		    const struct jt_parcel *parcel);

/* JT_FD_RECEIVE or JT_FD_CYCLE, and our end of it. Return: 0 or negative errno. */
int jt_ringer_open(int *ours, int *theirs);
/* Never waits. */
void jt_ringer_ring(int ours);

/* Close it, if it is one. */
void jt_shut(int *fd);

#endif

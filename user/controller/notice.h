/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What all helpers of guests are told: one page that they map and can't write to. A
 * helper in a virtual machine has a copy of its own, whose times are by its clock.
 */
#ifndef JITNEY_NOTICE_H
#define JITNEY_NOTICE_H

#include <jitney/slice.h>

struct jt_notice_copy {
	struct jt_notice_copy *next;
	struct jt_notice *notice;
	uint64_t ahead_ns; /* of its clock, compared with ours; may wrap */
};

struct jt_notice_board {
	struct jt_notice *notice; /* NULL: not open */
	int fd;			  /* a memfd; others can only map it read-only */
	struct jt_notice_copy *copies;
};

#define JT_NOTICE_SIZE ((sizeof(struct jt_notice) + 4095) & ~(size_t)4095)

/* Return: 0 or negative errno. */
int jt_notice_open(struct jt_notice_board *b);
void jt_notice_close(struct jt_notice_board *b);

/* A copy is written from now on. The memory is the caller's. */
void jt_notice_copy(struct jt_notice_board *b, struct jt_notice_copy *copy);
/* Its clock has changed. */
void jt_notice_times(struct jt_notice_board *b, struct jt_notice_copy *copy);
void jt_notice_copy_end(struct jt_notice_board *b, struct jt_notice_copy *copy);

/* A time of ours by another clock; never and not at all are the same everywhere. */
static inline uint64_t jt_notice_time(uint64_t ns, uint64_t ahead_ns)
{
	return !ns || ns == JT_NEVER_STALE ? ns : ns + ahead_ns;
}

/* Write a field of all; JT_NOTICE_TIME: one that is a time. */
#define JT_NOTICE_SET(b, field, value)                                     \
	do {                                                               \
		struct jt_notice_copy *copy_;                              \
                                                                           \
		JT_WRITE((b)->notice->field, value);                       \
		for (copy_ = (b)->copies; copy_; copy_ = copy_->next)      \
			JT_WRITE(copy_->notice->field, value);             \
	} while (0)

#define JT_NOTICE_TIME(b, field, ns)                                                        \
	do {                                                                                \
		struct jt_notice_copy *copy_;                                               \
                                                                                            \
		JT_WRITE((b)->notice->field, ns);                                           \
		for (copy_ = (b)->copies; copy_; copy_ = copy_->next)                       \
			JT_WRITE(copy_->notice->field, jt_notice_time(ns, copy_->ahead_ns)); \
	} while (0)

#endif

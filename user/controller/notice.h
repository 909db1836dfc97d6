/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What all helpers of guests are told: one page that they map and can't write to. */
#ifndef JITNEY_NOTICE_H
#define JITNEY_NOTICE_H

#include <jitney/slice.h>

struct jt_notice_board {
	struct jt_notice *notice; /* NULL: not open */
	int fd;			  /* a memfd; others can only map it read-only */
};

#define JT_NOTICE_SIZE ((sizeof(struct jt_notice) + 4095) & ~(size_t)4095)

/* Return: 0 or negative errno. */
int jt_notice_open(struct jt_notice_board *b);
void jt_notice_close(struct jt_notice_board *b);

#endif

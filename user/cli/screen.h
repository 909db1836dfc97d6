/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A terminal that is drawn over again and again, and given back as it was. */
#ifndef JITNEY_SCREEN_H
#define JITNEY_SCREEN_H

#include <stdbool.h>
#include <stdint.h>
#include <termios.h>

/*
 * Between open and close the terminal shows its other screen, and keys come at
 * once. The caller catches signals, so that close is reached.
 */
struct jt_screen {
	bool drawn; /* standard output is a terminal */
	bool keys;  /* standard input is one */
	struct termios before;
};

void jt_screen_open(struct jt_screen *s);
void jt_screen_close(struct jt_screen *s);

/* Show text, cut to the terminal's size; without one, print it behind the last. */
void jt_screen_show(const struct jt_screen *s, const char *text);

/* Wait for a time on jt_now()'s clock. Return: false to quit: q, or a signal. */
bool jt_screen_wait(const struct jt_screen *s, uint64_t until_ns);

#endif

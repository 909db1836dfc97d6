// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli.h"
#include "screen.h"

void jt_screen_open(struct jt_screen *s)
{
	struct termios raw;

	s->drawn = isatty(STDOUT_FILENO);
	s->keys = s->drawn && !tcgetattr(STDIN_FILENO, &s->before);
	if (s->keys) {
		raw = s->before;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	if (s->drawn) {
		fputs("\033[?1049h\033[?25l", stdout); /* other screen, no cursor */
		fflush(stdout);
	}
}

void jt_screen_close(struct jt_screen *s)
{
	if (s->drawn) {
		fputs("\033[?25h\033[?1049l", stdout);
		fflush(stdout);
	}
	if (s->keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &s->before);
}

static void draw(const char *text, int rows, int columns)
{
	int length;

	fputs("\033[H", stdout);
	for (; *text && rows; rows--) {
		length = (int)strcspn(text, "\n");
		printf("%.*s\033[K%s", length < columns ? length : columns, text,
		       rows > 1 ? "\r\n" : "");
		text += length + (text[length] == '\n');
	}
	fputs("\033[J", stdout);
}

void jt_screen_show(const struct jt_screen *s, const char *text)
{
	struct winsize size = { 0 };

	if (!s->drawn)
		fputs(text, stdout);
	else if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_row || !size.ws_col)
		draw(text, 24, 80);
	else
		draw(text, size.ws_row, size.ws_col);
	fflush(stdout);
}

static bool wants_to_quit(void)
{
	char key = 0;

	return read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q';
}

bool jt_screen_wait(const struct jt_screen *s, uint64_t until_ns)
{
	struct pollfd keys = { .fd = STDIN_FILENO, .events = POLLIN };
	uint64_t now = jt_now();

	while (!jt_stopped && now < until_ns) {
		if (poll(&keys, s->keys, (int)((until_ns - now) / 1000000) + 1) > 0 &&
		    wants_to_quit())
			return false;
		now = jt_now();
	}
	return !jt_stopped;
}

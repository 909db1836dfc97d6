// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* send: generated messages at a rate, or lines of standard input. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "message.h"

struct sender {
	struct jt_run run;
	struct jitney_flow *flow;
	uint64_t bytes;
	uint32_t number; /* of this run */
	uint8_t *memory; /* JT_MANY messages */
	struct iovec messages[JT_MANY];
};

/* How many are due now; waits for the first. */
static unsigned int due(struct sender *s)
{
	const struct jt_line *line = s->run.line;
	uint64_t n = JT_MANY, left = line->count - s->run.messages, now, at;

	if (line->count && left < n)
		n = left;
	if (!(line->rate > 0))
		return (unsigned int)n;
	at = s->run.start_ns + (uint64_t)((double)s->run.messages * 1e9 / line->rate);
	now = jt_now();
	if (at > now && at - now > 100000000) { /* a signal or --seconds may come first */
		jt_sleep_until(now + 100000000);
		return 0;
	}
	if (at > now) {
		jt_sleep_until(at);
		now = at;
	}
	at = 1 + (uint64_t)((double)(now - at) * line->rate / 1e9);
	return (unsigned int)(at < n ? at : n);
}

static int send_all(struct sender *s, unsigned int count)
{
	unsigned int done = 0;
	int n = 0;

	while (done < count && !jt_stopped) {
		n = jitney_send_many(s->flow, s->messages + done, count - done, 0);
		if (n == -EINTR)
			continue;
		if (n < 0)
			break;
		done += (unsigned int)n;
	}
	jt_run_count(&s->run, done);
	if (n == -EMSGSIZE)
		return jt_complain("the messages are too large for the way to there: choose a "
				   "smaller --size");
	return n < 0 && n != -EINTR ? jt_complain("failed to send: %s", strerror(-n)) : JT_EXIT_OK;
}

static int send_generated(struct sender *s)
{
	size_t size = s->run.line->size, i;
	int status = JT_EXIT_OK;
	unsigned int n;

	while (!status && jt_run_goes_on(&s->run)) {
		n = due(s);
		for (i = 0; i < n; i++) {
			s->messages[i] = (struct iovec){ s->memory + i * size, size };
			jt_message_make(s->memory + i * size, size, s->number,
					(uint32_t)(s->run.messages + i));
		}
		if (n)
			status = send_all(s, n);
	}
	s->bytes = s->run.messages * size;
	return status;
}

static int send_lines(struct sender *s)
{
	char *text = NULL;
	size_t room = 0;
	ssize_t n;
	int status = JT_EXIT_OK;

	while (!status && jt_run_goes_on(&s->run)) {
		errno = 0;
		n = getline(&text, &room, stdin);
		if (n < 0)
			break;
		if (n && text[n - 1] == '\n')
			n--;
		if ((size_t)n > JT_PAYLOAD_MAX) {
			status = jt_complain("a line is longer than a message may be (%u bytes)",
					     JT_PAYLOAD_MAX);
			break;
		}
		s->messages[0] = (struct iovec){ text, (size_t)n };
		s->bytes += (size_t)n;
		status = send_all(s, 1);
	}
	free(text);
	return status;
}

/* Lines are for pipes, where nothing says that messages are to be made. */
static bool wants_lines(const struct jt_line *line, const char *word)
{
	struct stat st;

	if (word)
		return true;
	return !(line->given & (JT_GIVEN_COUNT | JT_GIVEN_SIZE)) && !fstat(STDIN_FILENO, &st) &&
	       S_ISFIFO(st.st_mode);
}

int jt_send(const struct jt_line *line, char **args)
{
	struct sender s = { .number = (uint32_t)(jt_now() ^ (uint64_t)getpid() << 16) };
	json_t *result;
	int status;

	if (args[1] && strcmp(args[1], "-")) {
		jt_complain("%s: behind the address only - may stand, for standard input", args[1]);
		return JT_EXIT_USAGE;
	}
	status = jt_run_begin(&s.run, line, "send");
	if (status)
		return status;
	s.memory = calloc(JT_MANY, line->size + 1);
	status = s.memory ? jt_flow_open(&s.run, args[0], &s.flow) :
			    jt_complain("there is too little memory for messages of this size");
	if (status) {
		jitney_close(s.run.j);
		free(s.memory);
		return status;
	}
	status = wants_lines(line, args[1]) ? send_lines(&s) : send_generated(&s);
	result = json_pack("{s:s, s:I, s:I}", "command", "send", "sent", (json_int_t)s.run.messages,
			   "bytes", (json_int_t)s.bytes);
	free(s.memory);
	return jt_run_end(&s.run, result, status);
}

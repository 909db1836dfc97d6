// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a call costs its caller, queued and over the connection: libjitney on one
 * CPU, on another the controller's own code for calls behind a socket of its own.
 * Medians of several rounds.
 */
#include <getopt.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/un.h>
#include "../unit/slices.h"
#include <jitney/jitney.h>

#define ROUNDS 9
#define BURST 48U /* queued in a row: less than there is room for */
#define BURSTS 2000U
#define ASKED 5000U

static char path[64];

static void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* --- the controller ------------------------------------------------------------------- */

static void welcome(void)
{
	struct jt_attach_message m = helper.question;
	struct jt_parcel parcel = { 0 };

	jt_parcel_add(&parcel, JT_FD_SLICE, helper.slice.fd);
	jt_parcel_add(&parcel, JT_FD_NOTICE, c.board.fd);
	jt_parcel_add(&parcel, JT_FD_DOORBELL, eventfd(0, EFD_CLOEXEC));
	jt_parcel_add(&parcel, JT_FD_RECEIVE, eventfd(0, EFD_CLOEXEC));
	jt_parcel_add(&parcel, JT_FD_CYCLE, eventfd(0, EFD_CLOEXEC));
	m.u.hello.fds = parcel.fds;
	m.u.hello.slice_size = helper.slice.size;
	jt_parcel_send(helper.watch.fd, &m, &parcel);
	close(parcel.list[2]);
	close(parcel.list[3]);
	close(parcel.list[4]);
}

static void *serve(void *arg)
{
	int fd = accept(*(int *)arg, NULL, NULL);

	run_on(1);
	close(helper.watch.fd);
	helper.watch.fd = fd;
	while (recv(fd, &helper.question, sizeof(helper.question), MSG_WAITALL) ==
	       sizeof(helper.question)) {
		c.scheduler.start_ns++; /* a cycle's budget each time */
		if (helper.question.op == JT_ATTACH_HELLO)
			welcome();
		else
			jt_calls_ask(&c, &helper);
	}
	return NULL;
}

static int listen_at(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(path, sizeof(path), "/tmp/bench_calls.%d", getpid());
	memcpy(a.sun_path, path, sizeof(path));
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 1))
		abort();
	return fd;
}

/* --- the guest ------------------------------------------------------------------------- */

static struct jitney *attach(void)
{
	struct jitney_options o = { .size = sizeof(o),
				    .socket = path,
				    .call = JITNEY_SLICE,
				    .send_bytes = RING,
				    .receive_bytes = RING };
	struct jitney *j;

	if (jitney_open(&j, &o))
		abort();
	return j;
}

static void ask(struct jitney *j)
{
	uint64_t values[JITNEY_VALUES];

	if (jitney_control(j, JITNEY_CYCLE, NULL, values))
		abort();
}

/* Nanoseconds of a queued call. Behind each burst all of it is executed. */
static double deferred(struct jitney *j)
{
	static const uint64_t arguments[] = { 100000, 100 };
	uint64_t start, took = 0;
	unsigned int i, n;

	for (n = 0; n < BURSTS; n++) {
		start = jt_env_now();
		for (i = 0; i < BURST; i++)
			jitney_control(j, JITNEY_REPORT, arguments, NULL);
		took += jt_env_now() - start;
		ask(j);
	}
	return (double)took / (BURSTS * BURST);
}

static double immediate(struct jitney *j)
{
	uint64_t start = jt_env_now();
	unsigned int i;

	for (i = 0; i < ASKED; i++)
		ask(j);
	return (double)(jt_env_now() - start) / ASKED;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *ns)
{
	qsort(ns, ROUNDS, sizeof(*ns), ascending);
	return ns[ROUNDS / 2];
}

static void bench(struct jitney *j, bool json)
{
	const struct jt_guest_calls *g = &c.guests[GUEST].calls;
	struct jitney_statistics s = { .size = sizeof(s) };
	double queued[ROUNDS], asked[ROUNDS], a, b, executed;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		queued[i] = deferred(j);
		asked[i] = immediate(j);
	}
	jitney_statistics(j, &s);
	if (s.calls_failed || s.calls_deferred != (uint64_t)ROUNDS * BURSTS * BURST)
		abort(); /* not what was to be measured */
	a = median(queued);
	b = median(asked);
	executed = (double)g->batches_ns / (double)s.calls_deferred;
	printf(json ? "{\"deferred_ns\":%.1f,\"executed_ns\":%.1f,\"immediate_ns\":%.1f,"
		      "\"ratio\":%.1f}\n" :
		      "a call  deferred: %.1f ns (the controller: %.1f ns);  immediate: %.1f ns;  "
		      "%.0f times as much\n",
	       a, executed, b, b / a);
}

int main(int argc, char **argv)
{
	static const struct option options_long[] = { { "json", no_argument, NULL, 'j' }, { 0 } };
	bool json = getopt_long(argc, argv, "j", options_long, NULL) == 'j';
	struct jitney *j;
	pthread_t thread;
	int listener;

	set_up(NULL);
	c.timer_watch.fd = -1;
	c.board.notice->magic = JT_NOTICE_MAGIC;
	c.board.notice->alive_until_ns = UINT64_MAX;
	listener = listen_at();
	if (pthread_create(&thread, NULL, serve, &listener))
		abort();
	run_on(0);
	j = attach();
	unlink(path);
	bench(j, json);
	jitney_close(j);
	pthread_join(thread, NULL);
	close(listener);
	tear_down(NULL);
	return 0;
}

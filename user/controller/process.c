// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "controller/process.h"

/*
 * One thread, one CPU: what it sends from two CPUs in turn waits in two queues,
 * and may come out of them in another order. Which one depends on the namespace,
 * so that the controllers of several share no CPU without need.
 */
static int take_cpu(int wanted)
{
	struct stat ns = { 0 };
	cpu_set_t allowed, one;
	int cpu = wanted, skip;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) || stat("/proc/self/ns/net", &ns))
		return 0;
	skip = (int)(ns.st_ino % (unsigned int)CPU_COUNT(&allowed));
	for (cpu = wanted < 0 ? 0 : wanted; wanted < 0 && (!CPU_ISSET(cpu, &allowed) || skip--);
	     cpu++)
		;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	return sched_setaffinity(0, sizeof(one), &one) && wanted >= 0 ? -errno : 0;
}

/*
 * A latency bound can't be kept by a thread that waits for its turn behind those
 * it serves. What can't be had is not needed to work.
 */
static int take_priority(void)
{
	struct sched_param p = { .sched_priority = 1 };

	return sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &p);
}

#define WINDOW_NS 20000000ULL
#define FAIR_NS 400000000ULL /* then it looks what it needs: less than peers wait for its word */
#define BUSY_SHARE(ns) ((ns) / 10 * 9)
#define NICE_WHEN_FAIR 5 /* a quarter, beside one other process: those it serves go first */

/* What the scheduler says of this thread. */
static struct {
	int fd;	   /* -1: the priority could not be had, or this could not be asked */
	bool fair; /* one among others just now */
	uint64_t at_ns, since_ns, ran_ns, waited_ns;
} share = { .fd = -1 };

static bool share_read(uint64_t *ran, uint64_t *waited)
{
	char text[96];
	ssize_t n = pread(share.fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return sscanf(text, "%" SCNu64 " %" SCNu64, ran, waited) == 2;
}

static void share_set(bool fair)
{
	struct sched_param p = { 0 };

	if (fair && !sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, &p))
		setpriority(PRIO_PROCESS, 0, NICE_WHEN_FAIR);
	else if (!fair)
		take_priority();
	share.fair = fair;
}

/*
 * Among others, time that it waits for its turn is time that it has work for: how
 * little it would need by itself shows only when it does not wait.
 */
void jt_process_share(uint64_t now)
{
	uint64_t elapsed = now - share.at_ns, ran = 0, waited = 0, busy;

	if (share.fd < 0 || elapsed < WINDOW_NS || !share_read(&ran, &waited))
		return;
	busy = ran - share.ran_ns + (share.fair ? waited - share.waited_ns : 0);
	if (share.fair != (busy > BUSY_SHARE(elapsed)) ||
	    (share.fair && now - share.since_ns > FAIR_NS)) {
		share_set(!share.fair);
		share.since_ns = now;
	}
	share.at_ns = now;
	share.ran_ns = ran;
	share.waited_ns = waited;
}

static void take_limits(void)
{
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY }, files;

	setrlimit(RLIMIT_MEMLOCK, &unlimited); /* what it can't have is said where it lacks */
	if (getrlimit(RLIMIT_NOFILE, &files))
		return;
	files.rlim_cur = files.rlim_max; /* each helper takes four */
	setrlimit(RLIMIT_NOFILE, &files);
}

int jt_process_prepare(int cpu)
{
	int err = take_cpu(cpu);

	if (err)
		jt_log("failed to run on CPU %d: %s", cpu,
		       err == -EINVAL ? "there is no such one, or it may not" : strerror(-err));
	if (!take_priority())
		share.fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	take_limits();
	return err;
}

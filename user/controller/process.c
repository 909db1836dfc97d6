// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

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
static void take_priority(void)
{
	struct sched_param p = { .sched_priority = 1 };

	sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &p);
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
	take_priority();
	take_limits();
	return err;
}

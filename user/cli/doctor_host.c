// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Checks of the machine. With a controller running, its process is looked at, not ours. */
#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "doctor.h"
#include "text.h"

#define PIN_DEFAULT "/sys/fs/bpf"
#define MEMORY_DEFAULT (4 << 20)

/* Effective capabilities of the controller, or of this process. */
static uint64_t capabilities(const struct jt_doctor *d)
{
	char path[64] = "/proc/self/status", line[256];
	uint64_t caps = 0;
	FILE *f;

	if (d->pid)
		snprintf(path, sizeof(path), "/proc/%d/status", d->pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "CapEff: %" SCNx64, &caps) == 1)
			break;
	if (f)
		fclose(f);
	return caps;
}

static const struct {
	const char *name;
	uint64_t bit;
} needed[] = {
	{ "CAP_BPF", 1ULL << CAP_BPF },
	{ "CAP_NET_ADMIN", 1ULL << CAP_NET_ADMIN },
	{ "CAP_NET_RAW", 1ULL << CAP_NET_RAW },
	{ "CAP_PERFMON", 1ULL << CAP_PERFMON },
};

static void check_privileges(struct jt_doctor *d)
{
	uint64_t caps = capabilities(d);
	char missing[128] = "";
	size_t i;

	if (caps & 1ULL << CAP_SYS_ADMIN) /* stands for CAP_BPF and CAP_PERFMON */
		caps |= 1ULL << CAP_BPF | 1ULL << CAP_PERFMON;
	for (i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (caps & needed[i].bit)
			continue;
		strcat(missing, " ");
		strcat(missing, needed[i].name);
	}
	if (!*missing) {
		jt_found(d, JT_OK, NULL, "all that are needed");
		return;
	}
	jt_found(d, JT_FAIL, NULL, "%s has not:%s", d->pid ? "the controller" : "this process",
		 missing);
	jt_mend(d, d->pid ? "run jitneyd as root, or give its unit these capabilities" :
			    "run it as root: sudo jitney doctor");
}

static void check_kernel(struct jt_doctor *d)
{
	unsigned int major = 0, minor = 0, version;
	struct utsname u;

	uname(&u);
	sscanf(u.release, "%u.%u", &major, &minor);
	version = major * 1000 + minor;
	if (version < 5015) {
		jt_found(d, JT_FAIL, NULL, "Linux %s lacks what the programs need", u.release);
		jt_mend(d, "boot Linux 6.1 or newer");
	} else if (version < 6001) {
		jt_found(d, JT_WARN, NULL, "Linux %s is older than what Jitney is tested on",
			 u.release);
		jt_mend(d, "boot Linux 6.1 or newer");
	} else {
		jt_found(d, JT_OK, NULL, "Linux %s, %s", u.release,
			 version >= 6006 ?
				 "with tcx" :
			 version >= 6004 ?
				 "no tcx before 6.6: tc is used in its place" :
				 "no tcx before 6.6: tc is used in its place; before 6.4 "
				 "only helpers of root can have an AF_XDP socket (call xdp)");
	}
}

static void check_btf(struct jt_doctor *d)
{
	if (!access("/sys/kernel/btf/vmlinux", R_OK)) {
		jt_found(d, JT_OK, NULL, "the kernel tells its types");
		return;
	}
	jt_found(d, JT_FAIL, NULL, "the kernel does not tell its types (/sys/kernel/btf/vmlinux)");
	jt_mend(d, "mount /sys, or boot a kernel with CONFIG_DEBUG_INFO_BTF=y");
}

static void check_af_xdp(struct jt_doctor *d)
{
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd >= 0) {
		close(fd);
		jt_found(d, JT_OK, NULL, "sockets can be opened");
		return;
	}
	jt_found(d, JT_FAIL, NULL, "no socket can be opened: %s", strerror(errno));
	jt_mend(d, errno == EPERM ? "run it as root: sudo jitney doctor" :
				    "boot a kernel with CONFIG_XDP_SOCKETS=y");
}

static void check_jit(struct jt_doctor *d)
{
	FILE *f = fopen("/proc/sys/net/core/bpf_jit_enable", "re");
	int on = 1;
	bool known = f && fscanf(f, "%d", &on) == 1;

	if (f)
		fclose(f);
	if (on) {
		jt_found(d, JT_OK, NULL,
			 known ? "programs are compiled" : "not to be seen from here");
		return;
	}
	jt_found(d, JT_WARN, NULL, "programs are interpreted, which is several times slower");
	jt_mend(d, "sysctl -w net.core.bpf_jit_enable=1");
}

/* The nearest folder above a path that is there, as the controller sees it. */
static long filesystem_of(const struct jt_doctor *d, const char *pin)
{
	char path[4096];
	struct statfs fs;

	if (d->pid)
		snprintf(path, sizeof(path), "/proc/%d/root/%s", d->pid, pin);
	else
		snprintf(path, sizeof(path), "%s", pin);
	while (statfs(path, &fs)) {
		if (errno != ENOENT || !strcmp(path, "/") || !strcmp(path, "."))
			return 0;
		memmove(path, dirname(path), strlen(dirname(path)) + 1);
	}
	return fs.f_type;
}

static void check_bpffs(struct jt_doctor *d)
{
	const char *pin = d->cli->pin;

	if (!pin && d->status)
		pin = json_string_value(json_object_get(d->status, "pin"));
	if (!pin && d->status) {
		jt_found(d, JT_OK, NULL, "the controller pins nothing");
		return;
	}
	if (!pin)
		pin = PIN_DEFAULT;
	if ((uint32_t)filesystem_of(d, pin) == BPF_FS_MAGIC) {
		jt_found(d, JT_OK, NULL, "%s is in a bpffs", pin);
		return;
	}
	jt_found(d, d->cli->pin || d->status ? JT_FAIL : JT_WARN, NULL,
		 "%s is in no bpffs: nothing can be pinned there", pin);
	if (!strncmp(pin, PIN_DEFAULT, strlen(PIN_DEFAULT)))
		pin = PIN_DEFAULT;
	jt_mend(d, "mkdir -p %s; mount -t bpf bpf %s", pin, pin);
}

static void check_memlock(struct jt_doctor *d)
{
	int64_t memory = jt_get_int(json_object_get(d->status, "page"), "memory");
	const json_t *domain;
	struct rlimit limit = { 0 };
	size_t i;

	if (!memory)
		memory = MEMORY_DEFAULT;
	json_array_foreach(json_object_get(d->status, "domains"), i, domain)
		memory += jt_get_int(domain, "memory");
	if (capabilities(d) & 1ULL << CAP_IPC_LOCK) {
		jt_found(d, JT_OK, NULL, "no limit for who has CAP_IPC_LOCK");
		return;
	}
	prlimit(d->pid, RLIMIT_MEMLOCK, NULL, &limit);
	if (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= (rlim_t)memory) {
		jt_found(d, JT_OK, NULL, "the limit leaves room for the page");
		return;
	}
	jt_found(d, JT_FAIL, NULL, "%s may be locked, the page needs %s",
		 JT_SIZE((int64_t)limit.rlim_cur), JT_SIZE(memory));
	jt_mend(d, "ulimit -l unlimited, or LimitMEMLOCK=infinity in jitneyd's unit");
}

static const struct {
	const char *name;
	void (*run)(struct jt_doctor *d);
} checks[] = {
	{ "privileges", check_privileges }, { "kernel", check_kernel }, { "btf", check_btf },
	{ "af-xdp", check_af_xdp },	    { "jit", check_jit },	{ "bpffs", check_bpffs },
	{ "memlock", check_memlock },
};

void jt_doctor_host(struct jt_doctor *d)
{
	size_t i;

	for (i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		d->check = checks[i].name;
		checks[i].run(d);
	}
}

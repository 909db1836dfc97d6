// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Checks of a dom0: what its guests' helpers need, and whether its vifs are guests. */
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "doctor.h"
#include "text.h"

#define DOM0_UUID "00000000-0000-0000-0000-000000000000"
#define VIF_SCRIPT "/etc/xen/scripts/vif-jitney"
#define VIF_DRIVER "vif" /* as xen-netback's interfaces say */

/* The first line of a file; empty if there is none. */
static const char *line_of(const char *path, char *out, int size)
{
	FILE *f = fopen(path, "re");

	if (!f || !fgets(out, size, f))
		*out = 0;
	if (f)
		fclose(f);
	out[strcspn(out, "\n")] = 0;
	return out;
}

static bool is_dom0(void)
{
	char text[64];

	return !strcmp(line_of("/sys/hypervisor/type", text, sizeof(text)), "xen") &&
	       !strcmp(line_of("/sys/hypervisor/uuid", text, sizeof(text)), DOM0_UUID);
}

static void check_version(struct jt_doctor *d)
{
	char major[16], minor[16];

	jt_found(d, JT_OK, NULL, "this is dom0 of Xen %s.%s",
		 line_of("/sys/hypervisor/version/major", major, sizeof(major)),
		 line_of("/sys/hypervisor/version/minor", minor, sizeof(minor)));
}

static void check_device(struct jt_doctor *d)
{
	static const struct {
		const char *path, *module, *what;
	} devices[] = {
		{ "/dev/xen/gntdev", "xen-gntdev", "guests' memory can't be mapped" },
		{ "/dev/xen/evtchn", "xen-evtchn", "guests' helpers can't ring" },
	};
	size_t i;

	for (i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		if (!access(devices[i].path, R_OK | W_OK)) {
			jt_found(d, JT_OK, NULL, "%s is there", devices[i].path);
			continue;
		}
		jt_found(d, JT_WARN, NULL, "no %s: %s", devices[i].path, devices[i].what);
		jt_mend(d, "modprobe %s", devices[i].module);
	}
}

static void check_store(struct jt_doctor *d)
{
	const struct sockaddr_un store = { .sun_family = AF_UNIX,
					   .sun_path = "/run/xenstored/socket" };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool answers = fd >= 0 && !connect(fd, (const struct sockaddr *)&store, sizeof(store));

	if (fd >= 0)
		close(fd);
	/* One that runs in a domain of its own is reached through the kernel. */
	if (answers || !access("/dev/xen/xenbus", R_OK | W_OK)) {
		jt_found(d, JT_OK, NULL, "can be reached");
		return;
	}
	jt_found(d, JT_FAIL, NULL, "can't be reached: no domain gets an interface");
	jt_mend(d, "systemctl start xen");
}

static void check_script(struct jt_doctor *d)
{
	if (!access(VIF_SCRIPT, X_OK)) {
		jt_found(d, JT_OK, NULL, "script=vif-jitney makes guests of domains");
		return;
	}
	jt_found(d, JT_WARN, NULL, VIF_SCRIPT " can't be run: domains have to be added by hand");
	jt_mend(d, "install -D -m 755 scripts/xen/vif-jitney " VIF_SCRIPT);
}

/* A controller that was started anew knows nothing of those that run. */
static void check_vifs(struct jt_doctor *d)
{
	struct if_nameindex *all = if_nameindex(), *one;
	struct jt_device dev;

	for (one = all; d->guests && one && one->if_index; one++) {
		if (jt_device_read(NULL, (int)one->if_index, &dev) ||
		    strcmp(dev.driver, VIF_DRIVER))
			continue;
		if (jt_doctor_guest(d, dev.name)) {
			jt_found(d, JT_OK, dev.name, "is a guest's");
			continue;
		}
		jt_found(d, JT_WARN, dev.name, "is no guest's: its packets go the kernel's way");
		jt_mend(d, "jitney guest add NAME=%s, or script=vif-jitney in the vif's line",
			dev.name);
	}
	if (all)
		if_freenameindex(all);
}

static const struct {
	const char *name;
	void (*run)(struct jt_doctor *d);
} checks[] = {
	{ "xen", check_version },	{ "xen-device", check_device }, { "xenstore", check_store },
	{ "vif-script", check_script }, { "vif", check_vifs },
};

void jt_doctor_xen(struct jt_doctor *d)
{
	size_t i;

	if (!is_dom0())
		return;
	for (i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		d->check = checks[i].name;
		checks[i].run(d);
	}
}

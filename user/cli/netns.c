// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Other network namespaces. The kernel names a veth's other end by an ifindex
 * and the number that this namespace gives to that one's; which of the
 * machine's namespaces has that number is asked of each, named or not.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/netns.h"
#include "device.h"

static int open_netns(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/*
 * Search the entries of a folder for the namespace numbered @nsid.
 * @tail: behind an entry's name; @command: in front of one that is to run there
 * Return: a descriptor of it with @prefix filled, or -ENOENT.
 */
static int netns_search(int nsid, const char *folder, const char *tail, const char *command,
			char *prefix, size_t size)
{
	DIR *entries = opendir(folder);
	struct dirent *e;
	char path[512];
	int fd = -ENOENT;

	while (entries && fd < 0 && (e = readdir(entries))) {
		/* In /proc, processes are numbers. */
		if (e->d_name[0] == '.' || (*tail && !isdigit((unsigned char)e->d_name[0])))
			continue;
		snprintf(path, sizeof(path), "%s/%s%s", folder, e->d_name, tail);
		fd = open_netns(path);
		if (fd >= 0 && jt_netns_id(fd) != nsid) {
			close(fd);
			fd = -ENOENT;
		}
		if (fd >= 0)
			snprintf(prefix, size, "%s %.64s%s ", command, e->d_name,
				 *tail ? " -n" : "");
	}
	if (entries)
		closedir(entries);
	return fd < 0 ? -ENOENT : fd;
}

static int netns_find(int nsid, char *prefix, size_t size)
{
	int fd = netns_search(nsid, "/run/netns", "", "ip netns exec", prefix, size);

	return fd < 0 ? netns_search(nsid, "/proc", "/ns/net", "nsenter -t", prefix, size) : fd;
}

/* Whether a device has VLAN devices, from "name | id | device" lines. */
static bool has_vlans(const char *name)
{
	FILE *f = fopen("/proc/self/net/vlan/config", "re");
	char line[256], below[IFNAMSIZ];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%*s | %*u | %15s", below) == 1 && !strcmp(below, name);
	if (f)
		fclose(f);
	return found;
}

static int peer_read(int ifindex, struct jt_device_peer *out)
{
	int err = jt_device_read(NULL, ifindex, &out->device);

	if (err)
		return err;
	out->gro = jt_device_feature(out->device.name, "rx-gro") > 0;
	out->vlan_offload = jt_device_feature(out->device.name, "tx-vlan-hw-insert") > 0;
	out->vlans = has_vlans(out->device.name);
	return 0;
}

int jt_device_peer(const struct jt_device *vif, struct jt_device_peer *out)
{
	int there, here, err;

	memset(out, 0, sizeof(*out));
	if (!vif->peer)
		return -ENOENT;
	if (vif->peer_nsid == JT_DEVICE_HERE)
		return peer_read(vif->peer, out);
	there = netns_find(vif->peer_nsid, out->prefix, sizeof(out->prefix));
	if (there < 0)
		return there;
	here = jt_netns_enter(there);
	err = here < 0 ? here : peer_read(vif->peer, out);
	if (here >= 0)
		jt_netns_leave(here);
	close(there);
	return err;
}

int jt_device_namespace(int pid)
{
	char path[64];
	int fd, err = 0;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	fd = open_netns(path);
	if (fd < 0)
		return fd;
	if (setns(fd, CLONE_NEWNET))
		err = -errno;
	close(fd);
	return err;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * QEMU: memory of an NVDIMM in device mode (/dev/dax*), or of an ivshmem device, whose
 * BAR lies in sysfs. Rings are frames on this machine's interface. See
 * user/backend/qemu.c for the host's side.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jitney/env_user.h>
#include "agent.h"

#define IVSHMEM_VENDOR 0x1af4
#define IVSHMEM_DEVICE 0x1110

struct qemu {
	int memory; /* the device, or file */
	uint64_t size;
	uint8_t *page;
};

/* A number in a file of sysfs. Return: it, or 0. */
static uint64_t number_in(const char *folder, const char *name)
{
	char path[256], text[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	fclose(f);
	return strtoull(text, NULL, 0);
}

static int page_map(struct jt_agent *a, struct qemu *q, const char *path)
{
	void *at;

	q->memory = open(path, O_RDWR | O_CLOEXEC | O_SYNC);
	if (q->memory < 0)
		return -errno;
	at = mmap(NULL, JT_MACHINE_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, q->memory,
		  (off_t)(q->size - JT_MACHINE_PAGE));
	if (at == MAP_FAILED)
		return -errno;
	q->page = at;
	a->page = at;
	return 0;
}

/* A DAX device, by its name. Return: 0, or negative errno. */
static int dax_open(struct jt_agent *a, struct qemu *q, const char *name, const char **wrong)
{
	char folder[128], path[64];

	snprintf(folder, sizeof(folder), "/sys/bus/dax/devices/%s", name);
	snprintf(path, sizeof(path), "/dev/%s", name);
	q->size = number_in(folder, "size");
	if (q->size < 2 * JT_MACHINE_PAGE)
		return -ENODEV;
	*wrong = "the NVDIMM is not aligned by 4 KiB: ndctl create-namespace -f -e namespace0.0 "
		 "-m devdax -M mem --align 4096";
	if (number_in(folder, "align") != JT_MACHINE_PAGE || q->size % JT_MACHINE_PAGE)
		return -EINVAL;
	*wrong = "its device can't be mapped";
	return page_map(a, q, path);
}

static int ivshmem_open(struct jt_agent *a, struct qemu *q, const char *folder, const char **wrong)
{
	char path[256];
	struct stat st;

	if (number_in(folder, "vendor") != IVSHMEM_VENDOR ||
	    number_in(folder, "device") != IVSHMEM_DEVICE)
		return -ENODEV;
	snprintf(path, sizeof(path), "%s/resource2_wc", folder);
	if (stat(path, &st))
		snprintf(path, sizeof(path), "%s/resource2", folder);
	*wrong = "its ivshmem device can't be mapped";
	if (stat(path, &st))
		return -errno;
	q->size = (uint64_t)st.st_size;
	return page_map(a, q, path);
}

/* The first device of a kind that can be had. */
static int find(struct jt_agent *a, struct qemu *q, const char **wrong)
{
	static const char *const where[] = { "/sys/bus/dax/devices/*", "/sys/bus/pci/devices/*" };
	int err = -ENODEV;
	size_t i, k;
	glob_t g;

	for (k = 0; k < JT_ARRAY_SIZE(where); k++) {
		if (glob(where[k], 0, NULL, &g))
			continue;
		for (i = 0; err == -ENODEV && i < g.gl_pathc; i++)
			err = k ? ivshmem_open(a, q, g.gl_pathv[i], wrong) :
				  dax_open(a, q, strrchr(g.gl_pathv[i], '/') + 1, wrong);
		globfree(&g);
	}
	return err;
}

/* --- memory ---------------------------------------------------------------------------------- */

static void qemu_close(struct jt_agent *a)
{
	struct qemu *q = a->own;

	if (q->page)
		munmap(q->page, JT_MACHINE_PAGE);
	if (q->memory >= 0)
		close(q->memory);
	free(q);
	a->own = NULL;
}

static int qemu_open(struct jt_agent *a, const char **wrong)
{
	struct qemu *q = calloc(1, sizeof(*q));
	int err;

	if (!q)
		return -ENOMEM;
	q->memory = -1;
	a->own = q;
	err = find(a, q, wrong);
	if (!err && JT_READ(a->page->magic) != JT_MACHINE_MAGIC) {
		*wrong = "no controller of the host has begun with it";
		err = -ECONNREFUSED;
	}
	if (err)
		qemu_close(a);
	else
		JT_WRITE(a->page->size, q->size);
	return err;
}

/* The host chooses a place. */
static int qemu_share(struct jt_agent *a, unsigned int seat, uint64_t size)
{
	return 0;
}

static int qemu_memory(struct jt_agent *a, unsigned int seat)
{
	return ((const struct qemu *)a->own)->memory;
}

static void qemu_unshare(struct jt_agent *a, unsigned int seat)
{
}

const struct jt_host jt_host_qemu = {
	.name = "qemu",
	.xdp_mode = XDP_FLAGS_DRV_MODE,
	.open = qemu_open,
	.close = qemu_close,
	.share = qemu_share,
	.memory = qemu_memory,
	.unshare = qemu_unshare,
	.ring = jt_bell_ring,
};

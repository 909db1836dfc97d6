// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a virtual machine is started with, so that it is a guest of the controller:
 * its tap, and a network card that leaves to the host what the host can do better.
 */
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "device.h"
#include "text.h"

#define QUEUES_MAX 8 /* more would be more than one controller serves */

struct machine {
	const char *name;
	const char *interface;
	const char *mac;
	const char *memory; /* a file that is shared with it; NULL: none */
	uint64_t memory_size;
	unsigned int queues;
};

static void print_qemu(const struct machine *m)
{
	printf("-netdev tap,id=%s,ifname=%s,script=no,downscript=no", m->name, m->interface);
	if (m->queues > 1)
		printf(",queues=%u", m->queues);
	printf(" -device virtio-net-pci,netdev=%s,mac=%s", m->name, m->mac);
	/* A vector for each direction of each queue, for changes, and for control. */
	if (m->queues > 1)
		printf(",mq=on,vectors=%u", 2 * m->queues + 2);
	if (m->memory_size)
		printf(" -machine nvdimm=on -m slots=1,maxmem=256G -object memory-backend-file,"
		       "id=jitney-%s,share=on,mem-path=%s,size=%" PRIu64
		       " -device nvdimm,id=nv-%s,memdev=jitney-%s",
		       m->name, m->memory, m->memory_size, m->name, m->name);
	putchar('\n');
}

static void print_libvirt(const struct machine *m)
{
	printf("<interface type='ethernet'>\n"
	       "  <target dev='%s' managed='no'/>\n"
	       "  <mac address='%s'/>\n"
	       "  <model type='virtio'/>\n",
	       m->interface, m->mac);
	if (m->queues > 1)
		printf("  <driver queues='%u'/>\n", m->queues);
	puts("</interface>");
	if (m->memory_size)
		printf("<memory model='nvdimm' access='shared'>\n"
		       "  <source><path>%s</path></source>\n"
		       "  <target><size unit='B'>%" PRIu64 "</size><node>0</node></target>\n"
		       "</memory>\n",
		       m->memory, m->memory_size);
}

/* It goes into XML, and onto command lines. */
static bool is_plain(const char *name)
{
	return name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				 "_.-")] == '\0';
}

static const json_t *guest_named(const json_t *answer, const char *name)
{
	const json_t *guests = json_object_get(answer, "guests"), *g;
	size_t i;

	json_array_foreach(guests, i, g)
		if (!strcmp(jt_get_text(g, "name"), name))
			return g;
	return NULL;
}

static int no_guest(const struct machine *m)
{
	return jt_complain("no guest of this name: add it with: jitney guest add %s=IF,mac=M",
			   m->name);
}

static int no_mac(const struct machine *m)
{
	return jt_complain(
		"guest %s: its MAC address is not known yet; say it: jitney guest del %s; "
		"jitney guest add %s=%s,mac=M",
		m->name, m->name, m->name, m->interface);
}

static int no_tap(const struct machine *m)
{
	return jt_complain("guest %s: its interface %s is no tap; for a virtual machine make one: "
			   "ip tuntap add dev %s mode tap vnet_hdr",
			   m->name, m->interface, m->interface);
}

static int memory_read(struct machine *m)
{
	struct stat st;

	if (stat(m->memory, &st))
		return jt_complain("guest %s: its memory file %s is gone", m->name, m->memory);
	if (strpbrk(m->memory, " ,'\"<>&"))
		return jt_complain("guest %s: the path %s can't be quoted: choose a plain one",
				   m->name, m->memory);
	m->memory_size = (uint64_t)st.st_size;
	return JT_EXIT_OK;
}

static int machine_read(const json_t *answer, struct machine *m)
{
	const json_t *guest = is_plain(m->name) ? guest_named(answer, m->name) : NULL;
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	struct jt_device dev;

	if (!guest)
		return no_guest(m);
	m->interface = jt_get_text(guest, "interface");
	m->mac = json_string_value(json_object_get(guest, "mac"));
	m->memory = json_string_value(json_object_get(json_object_get(guest, "machine"), "memory"));
	if (jt_device_read(m->interface, 0, &dev) || strcmp(dev.kind, "tun"))
		return no_tap(m);
	if (!m->mac)
		return no_mac(m);
	if (dev.queues > 1)
		m->queues = processors < QUEUES_MAX ? (unsigned int)processors : QUEUES_MAX;
	return m->memory && *m->memory ? memory_read(m) : JT_EXIT_OK;
}

int jt_machine_print(const struct jt_line *cli, const char *name)
{
	json_t *answer = jt_ask(cli, json_pack("{s:s}", "command", "guests"));
	struct machine m = { .name = name, .queues = 1 };
	int err;

	if (!answer)
		return JT_EXIT_NO;
	err = machine_read(answer, &m);
	if (!err && cli->given & JT_OPTION_PRINT_QEMU)
		print_qemu(&m);
	if (!err && cli->given & JT_OPTION_PRINT_LIBVIRT)
		print_libvirt(&m);
	json_decref(answer);
	return err;
}

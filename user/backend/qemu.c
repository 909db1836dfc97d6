// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * QEMU: the memory is a file that it shows to the guest, as an NVDIMM (then it has
 * struct pages there, and an AF_XDP socket may use it) or as an ivshmem device (plain
 * memory). The page for questions is the last one of the file, the only place that
 * both sides know: the guest's kernel keeps the beginning to itself.
 *
 * Rings are frames on the guest's interface: they need no device of their own.
 *
 * Whoever may write to the file may shorten it, and what was mapped is then a signal:
 * it is answered by memory of our own in that place, and the guest's helpers are gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/backend.h"
#include "common/log.h"
#include "controller/helpers.h"

#define FILE_DEFAULT (64U << 20)
#define FILE_MIN (1U << 20)

struct span {
	uint64_t start, end; /* in the file; the same: none */
};

struct memory {
	struct memory *next; /* of all */
	uint8_t *at;
	uint64_t size;
	int fd;
	volatile sig_atomic_t broken;
	struct span spans[JT_MACHINE_SLOTS];
};

static struct memory *memories; /* for the signal's handler */

/* The memory at @fault was taken away: put other memory there. */
static void on_sigbus(int signal_number, siginfo_t *info, void *context)
{
	const uint8_t *fault = info->si_addr;
	struct memory *m;

	for (m = memories; m; m = m->next) {
		if (fault < m->at || fault >= m->at + m->size)
			continue;
		if (mmap(m->at, m->size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
			break;
		m->broken = 1;
		return;
	}
	signal(SIGBUS, SIG_DFL); /* it happens again at once */
}

static void watch_memory(struct memory *m)
{
	struct sigaction action = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };

	m->next = memories;
	memories = m;
	sigaction(SIGBUS, &action, NULL);
}

static void unwatch_memory(struct memory *m)
{
	struct memory **at = &memories;

	while (*at && *at != m)
		at = &(*at)->next;
	if (*at)
		*at = m->next;
}

static bool runs(const struct jt_guest_spec *spec)
{
	return *spec->memory;
}

/* Make the file if there is none: its guest's user may open it. Return: 0 or negative errno. */
static int file_open(struct memory *m, const struct jt_guest_spec *spec, const char **wrong)
{
	struct stat st;

	*wrong = "its memory file can't be opened or made";
	m->fd = open(spec->memory, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	/* Whatever our umask: its group may write to it, too. */
	if (m->fd >= 0 && (fchown(m->fd, spec->user, spec->group) || fchmod(m->fd, 0660)))
		return -errno;
	if (m->fd < 0 && errno == EEXIST)
		m->fd = open(spec->memory, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (m->fd < 0 || fstat(m->fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (!st.st_size && ftruncate(m->fd, FILE_DEFAULT))
		return -errno;
	if (!st.st_size)
		st.st_size = FILE_DEFAULT;
	*wrong = "its memory file must have a multiple of 4K, 1M at least";
	m->size = (uint64_t)st.st_size;
	return m->size < FILE_MIN || m->size % JT_MACHINE_PAGE ? -EINVAL : 0;
}

/* What is used of it has to be there: memory that lacks later would be a signal. */
static int memory_open(struct memory *m, const char **wrong)
{
	int err = -posix_fallocate(m->fd, (off_t)(m->size - JT_MACHINE_PAGE), JT_MACHINE_PAGE);
	void *at = MAP_FAILED;

	*wrong = "there is no memory for it";
	if (!err)
		at = mmap(NULL, m->size, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
	if (at == MAP_FAILED)
		return err ? err : -errno;
	m->at = at;
	watch_memory(m);
	return 0;
}

static void memory_close(struct memory *m)
{
	if (m->at) {
		unwatch_memory(m);
		munmap(m->at, m->size);
	}
	if (m->fd >= 0)
		close(m->fd);
	free(m);
}

static int qemu_open(struct jt_controller *c, struct jt_link *link, const char **wrong)
{
	struct memory *m = calloc(1, sizeof(*m));
	int err = m ? file_open(m, &c->guests[link->guest].spec, wrong) : -ENOMEM;

	if (!err)
		err = memory_open(m, wrong);
	if (err) {
		if (m)
			memory_close(m);
		return err;
	}
	*wrong = NULL;
	link->own = m;
	link->page = (struct jt_machine *)(m->at + m->size - JT_MACHINE_PAGE);
	jt_link_begin(link);
	return 0;
}

static void qemu_close(struct jt_controller *c, struct jt_link *link)
{
	memory_close(link->own);
}

/* The first gap from @from on, which is not 0. Return: its start, or 0: there is none. */
static uint64_t place_find(const struct memory *m, uint64_t from, uint64_t size)
{
	uint64_t end = m->size - JT_MACHINE_PAGE;
	unsigned int i = 0;

	while (i < JT_MACHINE_SLOTS) {
		if (from > end || size > end - from)
			return 0;
		if (from < m->spans[i].end && m->spans[i].start < from + size) {
			from = m->spans[i].end;
			i = 0;
		} else {
			i++;
		}
	}
	return from;
}

static int qemu_map(struct jt_link *link, unsigned int slot, struct jt_slice_state *s,
		    uint8_t **behind, uint64_t *offset)
{
	struct memory *m = link->own;
	uint64_t seen = JT_READ(link->page->size), size = s->size + JT_MACHINE_BEHIND, at, base;
	int err;

	if (seen > m->size || seen % JT_MACHINE_PAGE)
		return -EINVAL;
	base = m->size - seen;
	at = place_find(m, base ? base : JT_MACHINE_PAGE, size);
	if (!at)
		return -ENOSPC;
	err = -posix_fallocate(m->fd, (off_t)at, (off_t)size);
	if (err)
		return err;
	m->spans[slot] = (struct span){ at, at + size };
	s->memory = m->at + at;
	s->send = s->memory + jt_slice_send_offset();
	s->receive = s->memory + jt_slice_receive_offset(s->send_size);
	*behind = s->memory + s->size;
	*offset = at - base;
	return 0;
}

static void qemu_unmap(struct jt_link *link, unsigned int slot, struct jt_slice_state *s)
{
	struct memory *m = link->own;

	m->spans[slot] = (struct span){ 0, 0 };
}

static void qemu_ring(struct jt_controller *c, struct jt_link *link)
{
	jt_link_frame(link, 0);
}

static bool qemu_lost(const struct jt_link *link)
{
	return ((const struct memory *)link->own)->broken;
}

const struct jt_hypervisor jt_hypervisor_qemu = {
	.name = "qemu",
	.runs = runs,
	.open = qemu_open,
	.close = qemu_close,
	.map = qemu_map,
	.unmap = qemu_unmap,
	.ring = qemu_ring,
	.lost = qemu_lost,
};

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Xen as far as a controller in dom0 sees it, with one guest whose side the test has:
 * its pages and grants, and event channels; xenstore is in fake_store.h. Calls of the libraries end here
 * (-Wl,--wrap); what is asked for wrongly fails the test.
 */
#ifndef TESTS_UNIT_FAKE_XEN_H
#define TESTS_UNIT_FAKE_XEN_H

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include "machine.h"
#include "backend/xen.h"

#define DOMAIN 7U
#define PAGES 512U
#define GRANTS 4096U
#define PORT 9 /* ours of the channel */
#define PAGE 4096U

static struct {
	int file; /* the guest's memory */
	uint8_t *memory;
	struct {
		uint16_t page;
		bool there, writable;
	} grants[GRANTS];
	unsigned int mapped; /* pages, in dom0 */
	unsigned int copies, segments;
	int copy_fails; /* the call that does, from now on; 0: none */
	bool segment_fails;
	int events; /* descriptor */
	unsigned int open, bound, rung, unmasked;
	bool pending, unbound_there;
	bool gone; /* the domain */
} xen;

/* --- grants ------------------------------------------------------------------------------- */

static uint8_t *guest_page(unsigned int n)
{
	return xen.memory + (size_t)n * PAGE;
}

static TEST_UNUSED void grant(uint32_t ref, unsigned int page_number, bool writable)
{
	xen.grants[ref].page = (uint16_t)page_number;
	xen.grants[ref].there = true;
	xen.grants[ref].writable = writable;
}

static bool granted(uint32_t domain, uint32_t ref, bool write)
{
	assert_int_equal(domain, DOMAIN);
	return ref < GRANTS && xen.grants[ref].there && (!write || xen.grants[ref].writable) &&
	       !xen.gone;
}

xengnttab_handle *__wrap_xengnttab_open(struct xentoollog_logger *logger, unsigned int flags)
{
	(void)flags;
	assert_non_null(logger); /* or it would write what guests make it say */
	xen.open++;
	return (xengnttab_handle *)&xen;
}

int __wrap_xengnttab_close(xengnttab_handle *h)
{
	assert_ptr_equal(h, &xen);
	xen.open--;
	return 0;
}

void *__wrap_xengnttab_map_domain_grant_refs(xengnttab_handle *h, uint32_t count, uint32_t domain,
					     uint32_t *refs, int prot)
{
	uint8_t *at =
		mmap(NULL, (size_t)count * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t i;

	assert_ptr_equal(h, &xen);
	assert_true(at != MAP_FAILED);
	for (i = 0; i < count; i++) {
		if (!granted(domain, refs[i], prot & PROT_WRITE)) {
			munmap(at, (size_t)count * PAGE);
			errno = EINVAL;
			return NULL;
		}
		assert_ptr_equal(mmap(at + (size_t)i * PAGE, PAGE, prot, MAP_SHARED | MAP_FIXED,
				      xen.file, (off_t)xen.grants[refs[i]].page * PAGE),
				 at + (size_t)i * PAGE);
	}
	xen.mapped += count;
	return at;
}

void *__wrap_xengnttab_map_grant_ref(xengnttab_handle *h, uint32_t domain, uint32_t ref, int prot)
{
	return __wrap_xengnttab_map_domain_grant_refs(h, 1, domain, &ref, prot);
}

int __wrap_xengnttab_unmap(xengnttab_handle *h, void *start, uint32_t count)
{
	assert_ptr_equal(h, &xen);
	assert_in_range(count, 1, xen.mapped);
	xen.mapped -= count;
	return munmap(start, (size_t)count * PAGE);
}

static int16_t segment_copy(const xengnttab_grant_copy_segment_t *s)
{
	bool out = s->flags == GNTCOPY_dest_gref;
	uint32_t ref = out ? s->dest.foreign.ref : s->source.foreign.ref;
	uint32_t offset = out ? s->dest.foreign.offset : s->source.foreign.offset;
	uint8_t *theirs;

	assert_true(out || s->flags == GNTCOPY_source_gref);
	assert_in_range(s->len, 1, PAGE);
	assert_in_range(offset + s->len, 1, PAGE);
	if (!granted(out ? s->dest.foreign.domid : s->source.foreign.domid, ref, out))
		return GNTST_bad_gntref;
	theirs = guest_page(xen.grants[ref].page) + offset;
	memcpy(out ? theirs : s->dest.virt, out ? s->source.virt : theirs, s->len);
	return GNTST_okay;
}

int __wrap_xengnttab_grant_copy(xengnttab_handle *h, uint32_t count,
				xengnttab_grant_copy_segment_t *segments)
{
	uint32_t i;

	assert_ptr_equal(h, &xen);
	assert_in_range(count, 1, 64);
	xen.copies++;
	xen.segments += count;
	if (xen.copy_fails && !--xen.copy_fails && !xen.segment_fails) {
		errno = ENOMEM;
		return -1;
	}
	for (i = 0; i < count; i++)
		segments[i].status = segment_copy(&segments[i]);
	if (xen.segment_fails && !xen.copy_fails)
		segments[count - 1].status = GNTST_general_error;
	return 0;
}

/* --- event channels ----------------------------------------------------------------------- */

xenevtchn_handle *__wrap_xenevtchn_open(struct xentoollog_logger *logger, unsigned int flags)
{
	(void)logger, (void)flags;
	xen.open++;
	xen.events = eventfd(0, 0);
	return (xenevtchn_handle *)&xen;
}

int __wrap_xenevtchn_close(xenevtchn_handle *h)
{
	(void)h;
	xen.open--;
	xen.bound = 0;
	return close(xen.events);
}

int __wrap_xenevtchn_fd(xenevtchn_handle *h)
{
	(void)h;
	return xen.events;
}

int __wrap_xenevtchn_notify(xenevtchn_handle *h, evtchn_port_t port)
{
	(void)h;
	assert_int_equal(port, PORT);
	xen.rung++;
	return 0;
}

int __wrap_xenevtchn_bind_interdomain(xenevtchn_handle *h, uint32_t domain, evtchn_port_t port)
{
	(void)h;
	assert_int_equal(domain, DOMAIN);
	errno = EINVAL;
	if (port != 33 || !xen.unbound_there)
		return -1;
	xen.unbound_there = false;
	xen.bound++;
	return PORT;
}

int __wrap_xenevtchn_unbind(xenevtchn_handle *h, evtchn_port_t port)
{
	(void)h;
	assert_int_equal(port, PORT);
	assert_int_equal(xen.bound, 1);
	xen.bound--;
	return 0;
}

int __wrap_xenevtchn_pending(xenevtchn_handle *h)
{
	uint64_t n;

	(void)h;
	return read(xen.events, &n, sizeof(n)) == sizeof(n) ? PORT : -1;
}

int __wrap_xenevtchn_unmask(xenevtchn_handle *h, evtchn_port_t port)
{
	(void)h;
	assert_int_equal(port, PORT);
	xen.unmasked++;
	return 0;
}

#endif

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* In place of xen*.c where the libraries of Xen were not there to build with. */
#include "backend/backend.h"

static bool runs(const struct jt_guest_spec *spec)
{
	return false;
}

const struct jt_hypervisor jt_hypervisor_xen = { .name = "xen", .runs = runs };

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is said of a virtual machine: its memory, and how often either side rang. */
#include <jansson.h>

#include "backend/backend.h"
#include "controller/report.h"

static void set(json_t *o, const char *key, uint64_t n)
{
	json_object_set_new(o, key, json_integer((json_int_t)n));
}

json_t *jt_report_machine(const struct jt_controller *c, uint32_t id)
{
	const struct jt_link *link = c->guests[id].machine;

	json_t *o;

	if (!link)
		return json_null();
	o = json_pack("{s:s,s:s,s:b}", "by", link->hypervisor->name, "memory",
		      c->guests[id].spec.memory, "agent", link->page && link->boot);
	set(o, "rings", link->rings);
	set(o, "rung", link->rung);
	set(o, "granted", link->granted);
	set(o, "maps", link->maps);
	set(o, "copies", link->copies);
	set(o, "segments", link->segments);
	return o;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is said of a virtual machine: its memory, and how often either side rang. */
#include <jansson.h>

#include "backend/backend.h"
#include "controller/report.h"

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

json_t *jt_report_machine(const struct jt_controller *c, uint32_t id)
{
	const struct jt_link *link = c->guests[id].machine;

	if (!link)
		return json_null();
	return json_pack("{s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o}", "by",
			 link->hypervisor->name, "memory", c->guests[id].spec.memory, "agent",
			 link->page && link->boot, "rings", number(link->rings), "rung",
			 number(link->rung), "granted", number(link->granted), "maps",
			 number(link->maps), "copies", number(link->copies), "segments",
			 number(link->segments));
}

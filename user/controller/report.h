/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the controller says of itself, as JSON. Callers own what is returned. */
#ifndef JITNEY_REPORT_H
#define JITNEY_REPORT_H

#include <jansson.h>
#include "controller/controller.h"

json_t *jt_report_status(struct jt_controller *c);
json_t *jt_report_guests(struct jt_controller *c);
json_t *jt_report_peers(struct jt_controller *c);
json_t *jt_report_cycle(struct jt_controller *c);
json_t *jt_report_page(struct jt_controller *c);
json_t *jt_report_calls(struct jt_controller *c);
json_t *jt_report_drops(struct jt_controller *c);

/* Of a guest: null if it is no virtual machine with an agent. */
json_t *jt_report_machine(const struct jt_controller *c, uint32_t id);

#endif

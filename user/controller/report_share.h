/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef JITNEY_REPORT_SHARE_H
#define JITNEY_REPORT_SHARE_H

#include <jansson.h>
#include "controller/controller.h"

/* A guest's share; null if it is not limited. */
json_t *jt_report_share(struct jt_controller *c, uint32_t guest);

/* A sentence if guests were given more than there is, or NULL. It lives until the next call. */
const char *jt_report_overbooked(const struct jt_controller *c);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef JITNEY_ETHTOOL_H
#define JITNEY_ETHTOOL_H

#include <stddef.h>

/* The driver's name. Return: 0, or negative errno with an empty name. */
int jt_ethtool_driver(const char *name, char *driver, size_t size);

#endif

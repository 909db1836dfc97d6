/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The kernel's counters of UDP, in this network namespace. */
#ifndef TRAFFIC_COUNTERS_H
#define TRAFFIC_COUNTERS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kernel_counters {
	uint64_t bad_checksum, buffer_full;
};

static void counters_add(struct kernel_counters *c, const char *path, const char *checksum,
			 const char *full)
{
	char names[4096], values[4096], *name, *value, *rest_n, *rest_v;
	FILE *file = fopen(path, "r");

	/* snmp has a line of names, then a line of values. */
	while (file && fgets(names, sizeof(names), file) && fgets(values, sizeof(values), file)) {
		if (strncmp(names, "Udp:", 4))
			continue;
		name = strtok_r(names, " \n", &rest_n);
		value = strtok_r(values, " \n", &rest_v);
		while (name && value) {
			if (!strcmp(name, checksum))
				c->bad_checksum += strtoull(value, NULL, 10);
			if (!strcmp(name, full))
				c->buffer_full += strtoull(value, NULL, 10);
			name = strtok_r(NULL, " \n", &rest_n);
			value = strtok_r(NULL, " \n", &rest_v);
		}
	}
	if (file)
		fclose(file);
}

static struct kernel_counters counters_read(void)
{
	struct kernel_counters c = { 0 };
	unsigned long long value;
	char line[256], name[128];
	FILE *file;

	counters_add(&c, "/proc/self/net/snmp", "InCsumErrors", "RcvbufErrors");
	file = fopen("/proc/self/net/snmp6", "r");
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%127s %llu", name, &value) != 2)
			continue;
		if (!strcmp(name, "Udp6InCsumErrors"))
			c.bad_checksum += value;
		if (!strcmp(name, "Udp6RcvbufErrors"))
			c.buffer_full += value;
	}
	if (file)
		fclose(file);
	return c;
}

#endif

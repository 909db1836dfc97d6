/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef BENCH_PATH_OPTIONS_H
#define BENCH_PATH_OPTIONS_H

#include <getopt.h>
#include <stdlib.h>

#include "message.h"

/* @words: how many are no options: what to do, how, and so on. They end up last. */
static bool options_read(int argc, char **argv, int words, struct options *o)
{
	static const struct option table[] = {
		{ "dest", required_argument, NULL, 'd' },
		{ "mac", required_argument, NULL, 'm' },
		{ "port", required_argument, NULL, 'p' },
		{ "run", required_argument, NULL, 'r' },
		{ "size", required_argument, NULL, 's' },
		{ "seconds", required_argument, NULL, 't' },
		{ "socket", required_argument, NULL, 'c' },
		{ 0 },
	};
	int key;

	while ((key = getopt_long(argc, argv, "", table, NULL)) != -1) {
		if (key == 'd')
			o->dest = optarg;
		else if (key == 'm')
			o->mac = optarg;
		else if (key == 'p')
			o->port = (uint16_t)strtoul(optarg, NULL, 10);
		else if (key == 'r')
			o->run = strtoul(optarg, NULL, 10) & 0xffffff;
		else if (key == 's')
			o->size = strtoul(optarg, NULL, 10);
		else if (key == 't')
			o->seconds = strtod(optarg, NULL);
		else if (key == 'c')
			o->socket = optarg;
		else
			return false;
	}
	return optind == argc - words && o->size >= MESSAGE_MIN && o->size <= MESSAGE_MAX &&
	       o->seconds > 0;
}

#endif

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Sender and receiver for the comparison in scripts/bench: one kind of message, and
 * one loop around it, for every way that it can take.
 */
#include "path/options.h"
#include "path/receive.h"

static void usage(void)
{
	puts("Usage: bench_path send WAY --dest ADDR:PORT [OPTION...]\n"
	     "       bench_path recv WAY [OPTION...]\n\n"
	     "Send as fast as it goes by: sendto sendmmsg gso af_xdp; through a controller: xdp\n"
	     "slice map. Receive as: plain (recvmmsg), helper (slice), helper-xdp. JSON tells the\n"
	     "result; recv ends behind SIGTERM, when nothing comes any more.\n\n"
	     "  --dest ADDR:PORT  IPv4\n"
	     "  --mac MAC         of the receiver; af_xdp only\n"
	     "  --port PORT       recv: 7000\n"
	     "  --run N           number of the run, the same for both: others do not count\n"
	     "  --size N          bytes of a message: 16 to 1024 (64)\n"
	     "  --seconds S       send: for so long (1)\n"
	     "  --socket PATH     the controller's");
}

int main(int argc, char **argv)
{
	struct options o = { .port = 7000, .size = 64, .seconds = 1 };

	if (argc == 2 && !strcmp(argv[1], "--help")) {
		usage();
		return 0;
	}
	if (options_read(argc, argv, 2, &o)) {
		o.how = argv[optind + 1];
		if (!strcmp(argv[optind], "send"))
			return path_send(&o);
		if (!strcmp(argv[optind], "recv"))
			return path_receive(&o);
	}
	fputs("bench_path: this can't be understood; see bench_path --help\n", stderr);
	return 2;
}

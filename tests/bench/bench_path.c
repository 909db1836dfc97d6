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
	     "Send by: sendto sendmmsg gso af_xdp; through a controller: xdp slice map. Receive as:\n"
	     "plain (recvmmsg), helper (slice), helper-xdp, peers (all of them, by their frames on\n"
	     "the wire). JSON tells the result; recv ends behind SIGTERM, when nothing comes any\n"
	     "more.\n\n"
	     "  --dest ADDR:PORT  IPv4\n"
	     "  --destinations N  this address and those that follow it (1)\n"
	     "  --halt            send: stop when all is open and when all is sent, until SIGCONT\n"
	     "  --netns NAME      send: for guests in the namespaces NAME1, NAME2, ..\n"
	     "  --guests N        how many (1)\n"
	     "  --burst N         messages of a guest to a destination in a row, up to 256 (256)\n"
	     "  --rate N          messages a second, of all; their latency is measured from 24 bytes\n"
	     "                    on (0: as fast as it goes)\n"
	     "  --load G[-H]:N:FROM:TO\n"
	     "                    send: guests G to H N messages a second each (0: as fast as it\n"
	     "                    goes) from second FROM to second TO; repeat. Nobody waits for\n"
	     "                    room; latency is measured where G and H are 1\n"
	     "  --buckets MS      recv: messages of each of --guests in each of such spans\n"
	     "  --mac MAC         of the receiver; af_xdp only\n"
	     "  --port PORT       recv: 7000\n"
	     "  --run N           number of the run, the same for both: others do not count\n"
	     "  --size N          bytes of a message: 16 to 1024 (64)\n"
	     "  --seconds S       send: for so long (1)\n"
	     "  --socket PATH     the controller's");
}

int main(int argc, char **argv)
{
	struct options o = {
		.port = 7000, .size = 64, .guests = 1, .destinations = 1, .burst = TURN, .seconds = 1
	};

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

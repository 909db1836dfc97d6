// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Sender and receiver of the comparison in scripts/bench whose way is DPDK: one port,
 * any virtual device, to a forwarder that polls on the same CPU. Whoever finds nothing
 * to do gives the CPU to it.
 *
 * A forwarder is never idle, so its CPU time counts only while messages pass: it is
 * read here, not by whoever starts and ends it.
 */
#include <dirent.h>
#include <sched.h>
#include <signal.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>

#include "path/frame.h"
#include "path/options.h"

#define PORT 0
#define DESCRIPTORS 1024U
#define BUFFERS 8191U
#define BUFFER_CACHE 256U
#define BURST 256U
#define LINK_MS 5000U
#define IDLE_NS 1000000U /* nothing for so long: the CPU time is read */
#define QUIET_NS 50000000U

struct guest {
	const struct options *o;
	const char *forwarder; /* its process id */
	struct rte_mempool *in, *out;
	struct frame frame;
};

/* What the process and the forwarder have used. */
struct usage {
	uint64_t own_ns, forwarder_ns;
};

static volatile bool stopping;

static void on_signal(int number)
{
	stopping = true;
}

/* Of all its threads: one forwards, and which is DPDK's affair. */
static uint64_t process_ns(const char *pid)
{
	char path[320];
	unsigned long long ns;
	uint64_t sum = 0;
	struct dirent *d;
	DIR *tasks;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.20s/task", pid);
	tasks = opendir(path);
	while (tasks && (d = readdir(tasks))) {
		snprintf(path, sizeof(path), "/proc/%.20s/task/%s/schedstat", pid, d->d_name);
		f = d->d_name[0] == '.' ? NULL : fopen(path, "r");
		if (f && fscanf(f, "%llu", &ns) == 1)
			sum += ns;
		if (f)
			fclose(f);
	}
	if (tasks)
		closedir(tasks);
	return sum;
}

static struct usage usage_now(const struct guest *g)
{
	return (struct usage){ clock_ns(CLOCK_PROCESS_CPUTIME_ID), process_ns(g->forwarder) };
}

/* --- the port ----------------------------------------------------------------------- */

static int eal_start(char *program, const char *device)
{
	char prefix[32], vdev[256];
	char *args[] = { program,
			 "--no-huge",
			 "-m",
			 "128",
			 "--no-pci",
			 "--no-shconf",
			 "--no-telemetry",
			 "--file-prefix",
			 prefix,
			 "--vdev",
			 vdev,
			 "--log-level",
			 "error",
			 NULL };

	snprintf(prefix, sizeof(prefix), "bench%d", (int)getpid());
	snprintf(vdev, sizeof(vdev), "%s", device);
	if (rte_eal_init((int)RTE_DIM(args) - 1, args) < 0 || !rte_eth_dev_is_valid_port(PORT))
		return complain("start DPDK with that device", rte_strerror(rte_errno));
	return 0;
}

static int port_start(struct guest *g)
{
	struct rte_eth_conf conf = { 0 };
	int err;

	g->in = rte_pktmbuf_pool_create("in", BUFFERS, BUFFER_CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
					0);
	g->out = rte_pktmbuf_pool_create("out", BUFFERS, BUFFER_CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
					 SOCKET_ID_ANY);
	if (!g->in || !g->out)
		return complain("make buffers", rte_strerror(rte_errno));
	err = rte_eth_dev_configure(PORT, 1, 1, &conf);
	if (!err)
		err = rte_eth_rx_queue_setup(PORT, 0, DESCRIPTORS, SOCKET_ID_ANY, NULL, g->in);
	if (!err)
		err = rte_eth_tx_queue_setup(PORT, 0, DESCRIPTORS, SOCKET_ID_ANY, NULL);
	if (!err)
		err = rte_eth_dev_start(PORT);
	return err ? complain("start the port", rte_strerror(-err)) : 0;
}

static int port_wait(void)
{
	struct rte_eth_link link = { 0 };
	unsigned int i;

	for (i = 0; i < LINK_MS; i++) {
		if (!rte_eth_link_get_nowait(PORT, &link) && link.link_status)
			return 0;
		usleep(1000);
	}
	return complain("reach the forwarder", "the link stays down");
}

/* --- sending -------------------------------------------------------------------------- */

static void head_write(struct rte_mempool *pool, void *frame, void *buffer, unsigned int index)
{
	struct frame *f = frame;

	memcpy(rte_pktmbuf_mtod((struct rte_mbuf *)buffer, uint8_t *), f->head, sizeof(f->head));
}

static void burst_make(const struct guest *g, struct rte_mbuf **bufs, uint64_t number)
{
	static uint8_t bytes[MESSAGE_MAX];
	struct iovec message = { bytes, g->o->size };
	unsigned int i;

	for (i = 0; i < BURST; i++) {
		message_make(bytes, g->o->size, g->o->run << RUN_SHIFT | (number + i));
		frame_fill(&g->frame, rte_pktmbuf_mtod(bufs[i], uint8_t *), &message);
		rte_pktmbuf_data_len(bufs[i]) = (uint16_t)(FRAME_HEAD + g->o->size);
		rte_pktmbuf_pkt_len(bufs[i]) = FRAME_HEAD + g->o->size;
	}
}

static void burst_send(struct rte_mbuf **bufs)
{
	unsigned int at = 0, n;

	while (at < BURST) {
		n = rte_eth_tx_burst(PORT, 0, bufs + at, (uint16_t)(BURST - at));
		if (!n)
			sched_yield();
		at += n;
	}
}

static int guest_send(struct guest *g)
{
	struct rte_mbuf *bufs[BURST];
	uint64_t number = 0, begin, end, now;
	struct usage first, last;
	struct sockaddr_in to;

	if (dest_read(g->o->dest, &to))
		return 1;
	if (frame_init(&g->frame, g->o, &to))
		return complain("write headers", "is --mac an address?");
	rte_mempool_obj_iter(g->out, head_write, &g->frame);
	first = usage_now(g);
	begin = now = clock_ns(CLOCK_MONOTONIC);
	for (end = begin + (uint64_t)(g->o->seconds * 1e9); now < end; number += BURST) {
		while (rte_pktmbuf_alloc_bulk(g->out, bufs, BURST))
			sched_yield();
		burst_make(g, bufs, number);
		burst_send(bufs);
		now = clock_ns(CLOCK_MONOTONIC);
	}
	last = usage_now(g);
	printf("{\"sent\":%llu,\"sent_stack\":0,\"seconds\":%.6f,\"cpu_ns\":%llu,"
	       "\"forwarder_ns\":%llu}\n",
	       (unsigned long long)number, (double)(now - begin) / 1e9,
	       (unsigned long long)(last.own_ns - first.own_ns),
	       (unsigned long long)(last.forwarder_ns - first.forwarder_ns));
	usleep(QUIET_NS / 1000); /* the rings are this process's, and go with it */
	return 0;
}

/* --- receiving ------------------------------------------------------------------------ */

/* The sum of what is right is all ones. */
static bool checksum_wrong(const struct rte_ipv4_hdr *ip, const struct rte_udp_hdr *udp)
{
	uint32_t sum = rte_raw_cksum(udp, ntohs(udp->dgram_len)) + rte_ipv4_phdr_cksum(ip, 0);

	return (uint16_t)(sum + (sum >> 16)) != 0xffff;
}

/* Not all that comes is a message: hosts look for neighbours, too. */
static void frame_check(struct tally *t, const struct options *o, const struct rte_mbuf *m)
{
	const uint8_t *at = rte_pktmbuf_mtod(m, const uint8_t *);
	const struct rte_ipv4_hdr *ip = (const void *)(at + sizeof(struct rte_ether_hdr));
	const struct rte_udp_hdr *udp = (const void *)(ip + 1);
	const struct rte_ether_hdr *eth = (const void *)at;

	if (rte_pktmbuf_data_len(m) < FRAME_HEAD + o->size ||
	    eth->ether_type != htons(RTE_ETHER_TYPE_IPV4) || ip->version_ihl != RTE_IPV4_VHL_DEF ||
	    ip->next_proto_id != IPPROTO_UDP || udp->dst_port != htons(o->port))
		return;
	if (udp->dgram_len != htons((uint16_t)(sizeof(*udp) + o->size)) ||
	    ip->total_length != htons((uint16_t)(sizeof(*ip) + sizeof(*udp) + o->size)) ||
	    checksum_wrong(ip, udp))
		t->altered++;
	else
		message_check(t, o, at + FRAME_HEAD, o->size);
}

static unsigned int burst_receive(const struct guest *g, struct tally *t)
{
	struct rte_mbuf *bufs[BURST];
	unsigned int i, n = rte_eth_rx_burst(PORT, 0, bufs, BURST);

	for (i = 0; i < n; i++)
		frame_check(t, g->o, bufs[i]);
	rte_pktmbuf_free_bulk(bufs, n);
	return n;
}

static int guest_receive(struct guest *g)
{
	struct usage first = { 0 }, last = { 0 };
	static struct tally t;
	uint64_t now = 0, read_ns = 0;

	fputs("ready\n", stderr);
	while (!stopping || now - t.last_ns < QUIET_NS) {
		if (burst_receive(g, &t)) {
			tally_time(&t);
			if (t.received && !first.own_ns)
				first = usage_now(g);
			continue;
		}
		now = clock_ns(CLOCK_MONOTONIC);
		if (read_ns != t.last_ns && now - t.last_ns > IDLE_NS) {
			last = usage_now(g);
			read_ns = t.last_ns;
		}
		sched_yield();
	}
	printf("{\"received\":%llu,\"altered\":%llu,\"reordered\":%llu,\"seconds\":%.6f,"
	       "\"cpu_ns\":%llu,\"forwarder_ns\":%llu}\n",
	       (unsigned long long)t.received, (unsigned long long)t.altered,
	       (unsigned long long)t.reordered, (double)(t.last_ns - t.first_ns) / 1e9,
	       (unsigned long long)(last.own_ns - first.own_ns),
	       (unsigned long long)(last.forwarder_ns - first.forwarder_ns));
	return 0;
}

static void usage(void)
{
	puts("Usage: bench_dpdk send DEVICE FORWARDER --dest ADDR:PORT --mac MAC [OPTION...]\n"
	     "       bench_dpdk recv DEVICE FORWARDER [OPTION...]\n\n"
	     "Send as fast as it goes, or receive, by a virtual device of DPDK, as its --vdev takes\n"
	     "it, such as net_memif0,role=client,socket=PATH. FORWARDER is the process at its other\n"
	     "end. JSON tells the result; recv ends behind SIGTERM, when nothing comes any more.\n\n"
	     "  --dest ADDR:PORT  IPv4\n"
	     "  --mac MAC         of the receiver\n"
	     "  --port PORT       recv: 7000\n"
	     "  --run N           number of the run, the same for both: others do not count\n"
	     "  --size N          bytes of a message: 16 to 1024 (64)\n"
	     "  --seconds S       send: for so long (1)");
}

int main(int argc, char **argv)
{
	struct options o = {
		.port = 7000, .size = 64, .guests = 1, .destinations = 1, .seconds = 1
	};
	struct guest g = { .o = &o };
	bool sends;
	int err;

	if (argc == 2 && !strcmp(argv[1], "--help")) {
		usage();
		return 0;
	}
	if (!options_read(argc, argv, 3, &o) ||
	    (strcmp(argv[optind], "send") && strcmp(argv[optind], "recv"))) {
		fputs("bench_dpdk: this can't be understood; see bench_dpdk --help\n", stderr);
		return 2;
	}
	sends = !strcmp(argv[optind], "send");
	g.forwarder = argv[optind + 2];
	signal(SIGTERM, on_signal);
	if (eal_start(argv[0], argv[optind + 1]) || port_start(&g) || port_wait())
		return 1;
	err = sends ? guest_send(&g) : guest_receive(&g);
	fflush(stdout);
	_exit(err); /* DPDK's own end may stumble over its threads */
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Frames as lines of hexadecimal digits: sends them on an interface, or prints
 * those that come in. White space and colons between digits, empty lines and
 * what follows a '#' do not count. VLAN tags stand in the frame, also where
 * the kernel has taken them out.
 */
#include <argp.h>
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAME_MAX 65536
#define TAG_SIZE 4

enum option_key { KEY_VLAN = 256, KEY_OUTGOING, KEY_QUIET };

struct options {
	const char *interface;
	const char *file;
	unsigned long repeat;
	unsigned long count;
	unsigned long gap_us;
	double timeout;
	long ethertype; /* -1: any */
	long vlan;	/* -1: any, -2: untagged ones only */
	bool outgoing;
	bool quiet;
};

static const struct argp_option table[] = {
	{ NULL, 0, NULL, 0, "send:", 1 },
	{ "file", 'f', "FILE", 0, "read the frames from here (default: standard input)", 1 },
	{ "repeat", 'r', "N", 0, "send all of them N times (default 1)", 1 },
	{ "gap", 'g', "US", 0, "microseconds between two frames (default 0)", 1 },
	{ NULL, 0, NULL, 0, "listen:", 2 },
	{ "count", 'c', "N", 0, "end after N frames; fewer are an error (default: no limit)", 2 },
	{ "timeout", 't', "S", 0, "end after S seconds (default 5)", 2 },
	{ "ethertype", 'e', "TYPE", 0, "only frames of this type (behind a VLAN tag)", 2 },
	{ "vlan", KEY_VLAN, "ID", 0, "only frames of this VLAN; none: without a tag", 2 },
	{ "outgoing", KEY_OUTGOING, NULL, 0, "also frames that this machine sends there", 2 },
	{ "quiet", KEY_QUIET, NULL, 0, "only count", 2 },
	{ 0 },
};

static unsigned long whole(struct argp_state *state, const char *text, unsigned long max)
{
	char *end;
	unsigned long value = strtoul(text, &end, 0);

	if (end == text || *end || text[0] == '-' || value > max)
		argp_error(state, "'%s' is no whole number up to %lu", text, max);
	return value;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;
	char *end;

	switch (key) {
	case 'f':
		o->file = arg;
		return 0;
	case 'r':
		o->repeat = whole(state, arg, 1000000000UL);
		return 0;
	case 'g':
		o->gap_us = whole(state, arg, 1000000000UL);
		return 0;
	case 'c':
		o->count = whole(state, arg, 1000000000UL);
		return 0;
	case 't':
		o->timeout = strtod(arg, &end);
		if (end == arg || *end || !(o->timeout >= 0 && o->timeout <= 1e6))
			argp_error(state, "'%s' is no number of seconds", arg);
		return 0;
	case 'e':
		o->ethertype = (long)whole(state, arg, 0xffff);
		return 0;
	case KEY_VLAN:
		o->vlan = strcmp(arg, "none") ? (long)whole(state, arg, 4095) : -2;
		return 0;
	case KEY_OUTGOING:
		o->outgoing = true;
		return 0;
	case KEY_QUIET:
		o->quiet = true;
		return 0;
	case ARGP_KEY_ARG:
		if (o->interface)
			argp_error(state, "one interface only");
		o->interface = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "an interface is missing");
	}
	return ARGP_ERR_UNKNOWN;
}

/* Return: a packet socket on the interface, or a negative errno. */
static int frame_socket(const char *interface, bool listening)
{
	struct sockaddr_ll a = { .sll_family = AF_PACKET,
				 .sll_protocol = listening ? htons(ETH_P_ALL) : 0 };
	int fd, on = 1, size = 64 << 20;

	a.sll_ifindex = (int)if_nametoindex(interface);
	if (!a.sll_ifindex)
		return -ENODEV;
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&a, sizeof(a))) {
		on = errno;
		close(fd);
		return -on;
	}
	return fd;
}

/* Return: bytes of the frame, or -EINVAL. */
static int hex_parse(const char *line, uint8_t *out)
{
	int nibbles = 0;

	for (; *line && *line != '#'; line++) {
		if (isspace((unsigned char)*line) || *line == ':')
			continue;
		if (!isxdigit((unsigned char)*line) || nibbles == 2 * FRAME_MAX)
			return -EINVAL;
		out[nibbles / 2] =
			(uint8_t)(out[nibbles / 2] << 4 |
				  (isdigit((unsigned char)*line) ? *line - '0' :
								   (*line | 0x20) - 'a' + 10));
		nibbles++;
	}
	return nibbles % 2 ? -EINVAL : nibbles / 2;
}

static int send_frame(int fd, const uint8_t *frame, size_t size)
{
	while (send(fd, frame, size, 0) < 0) {
		if (errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
			return -errno;
		usleep(50);
	}
	return 0;
}

/* Send the lines of a file once. Return: 0, or -EINVAL for a line that is none. */
static int send_lines(const struct options *o, int fd, FILE *file, unsigned long *sent,
		      unsigned long *refused)
{
	static uint8_t frame[FRAME_MAX + 1];
	unsigned long number = 0;
	char *line = NULL;
	size_t room = 0;
	int size = 0, err;

	while (size >= 0 && getline(&line, &room, file) >= 0) {
		number++;
		size = hex_parse(line, frame);
		if (size < 0)
			fprintf(stderr, "send: line %lu is not a frame in hexadecimal\n", number);
		if (size <= 0)
			continue;
		err = send_frame(fd, frame, (size_t)size);
		if (err)
			fprintf(stderr, "send: line %lu, %d bytes: %s\n", number, size,
				strerror(-err));
		*(err ? refused : sent) += 1;
		if (o->gap_us)
			usleep((useconds_t)o->gap_us);
	}
	free(line);
	return size < 0 ? size : 0;
}

/* Standard input may be a pipe, which cannot be read again: keep what it says. */
static FILE *lines_open(const char *path)
{
	FILE *from = path ? fopen(path, "r") : stdin, *file;
	char block[4096];
	size_t n;

	if (!from)
		return NULL;
	file = tmpfile();
	while (file && (n = fread(block, 1, sizeof(block), from)) > 0)
		fwrite(block, 1, n, file);
	if (path)
		fclose(from);
	return file;
}

static int send_main(const struct options *o, int fd)
{
	unsigned long sent = 0, refused = 0, i;
	FILE *file = lines_open(o->file);
	int err = 0;

	if (!file) {
		fprintf(stderr, "send: failed to open %s: %s\n",
			o->file ? o->file : "a temporary file", strerror(errno));
		return 1;
	}
	for (i = 0; i < o->repeat && !err; i++) {
		rewind(file);
		err = send_lines(o, fd, file, &sent, &refused);
	}
	fclose(file);
	printf("{\"sent\":%lu,\"refused\":%lu}\n", sent, refused);
	return err ? 2 : refused > 0;
}

/*
 * Read a frame to frame + TAG_SIZE, and put back its tag.
 *
 * Return: its size with @start set, or 0 if there was none.
 */
static ssize_t frame_read(int fd, uint8_t *frame, struct sockaddr_ll *from, uint8_t **start)
{
	uint8_t control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	struct iovec part = { frame + TAG_SIZE, FRAME_MAX };
	struct msghdr h = { .msg_name = from,
			    .msg_namelen = sizeof(*from),
			    .msg_iov = &part,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	ssize_t size = recvmsg(fd, &h, MSG_DONTWAIT);
	struct tpacket_auxdata aux;
	struct cmsghdr *c;
	uint16_t tag[2];

	*start = frame + TAG_SIZE;
	if (size < 14)
		return 0;
	for (c = CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c)) {
		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		if (!(aux.tp_status & TP_STATUS_VLAN_VALID))
			continue;
		tag[0] = htons(aux.tp_status & TP_STATUS_VLAN_TPID_VALID ? aux.tp_vlan_tpid :
									   ETH_P_8021Q);
		tag[1] = htons(aux.tp_vlan_tci);
		memmove(frame, frame + TAG_SIZE, 12);
		memcpy(frame + 12, tag, sizeof(tag));
		*start = frame;
		size += TAG_SIZE;
	}
	return size;
}

static bool frame_wanted(const struct options *o, const uint8_t *frame, ssize_t size,
			 const struct sockaddr_ll *from)
{
	long type = frame[12] << 8 | frame[13], vlan = -2;

	if (from->sll_pkttype == PACKET_OUTGOING && !o->outgoing)
		return false;
	if ((type == ETH_P_8021Q || type == ETH_P_8021AD) && size >= 18) {
		vlan = (frame[14] << 8 | frame[15]) & 4095;
		type = frame[16] << 8 | frame[17];
	}
	return (o->vlan == -1 || o->vlan == vlan) && (o->ethertype < 0 || o->ethertype == type);
}

static void frame_print(const uint8_t *frame, ssize_t size)
{
	ssize_t i;

	for (i = 0; i < size; i++)
		printf("%02x", frame[i]);
	printf("\n");
	fflush(stdout);
}

static double seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int listen_main(const struct options *o, int fd)
{
	static uint8_t frame[FRAME_MAX + TAG_SIZE];
	double end = seconds_now() + o->timeout, left;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct sockaddr_ll from;
	unsigned long seen = 0;
	uint8_t *start;
	ssize_t size;

	fprintf(stderr, "listen: ready\n");
	while ((left = end - seconds_now()) > 0 && (!o->count || seen < o->count)) {
		if (poll(&p, 1, (int)(left * 1000) + 1) <= 0)
			continue;
		size = frame_read(fd, frame, &from, &start);
		if (size <= 0 || !frame_wanted(o, start, size, &from))
			continue;
		seen++;
		if (!o->quiet)
			frame_print(start, size);
	}
	fprintf(stderr, "listen: %lu frames\n", seen);
	return o->count && seen < o->count;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		table,
		parse,
		"INTERFACE",
		"Send frames (jt-frames send) or print them (jt-frames listen)."
		"\vA frame is a line of hexadecimal digits.",
		NULL,
		NULL,
		NULL
	};
	struct options o = { .repeat = 1, .timeout = 5, .ethertype = -1, .vlan = -1 };
	bool sending = argc > 1 && !strcmp(argv[1], "send");
	int fd;

	argp_err_exit_status = 2;
	if (argc < 2 || (!sending && strcmp(argv[1], "listen") && argv[1][0] != '-')) {
		fprintf(stderr, "jt-frames: say send or listen first; see jt-frames --help\n");
		return 2;
	}
	if (argv[1][0] != '-') {
		argv[1] = argv[0]; /* what argp calls us */
		argc--;
		argv++;
	}
	if (argp_parse(&argp, argc, argv, 0, NULL, &o))
		return 2;
	fd = frame_socket(o.interface, !sending);
	if (fd < 0) {
		fprintf(stderr, "jt-frames: failed to open %s: %s\n", o.interface, strerror(-fd));
		return 1;
	}
	return sending ? send_main(&o, fd) : listen_main(&o, fd);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <argp.h>
#include <ini.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/address.h"
#include "controller/options.h"
#include "controller/share_values.h"
#include "controller/values.h"

#define MS 1000000ULL
#define SOCKET_DEFAULT "/run/jitney.sock"

const char *argp_program_version = "jitneyd " JT_VERSION;

typedef const char *(*set_option)(struct jt_options *o, const char *value);

static const char *set_uplink(struct jt_options *o, const char *value)
{
	return jt_value_text(value, o->uplink, sizeof(o->uplink));
}

static const char *set_name(struct jt_options *o, const char *value)
{
	return jt_value_name(value, strlen(value), o->name);
}

/* Make room for one more entry behind `count`. Return: it, or NULL. */
static void *grow(void **array, unsigned int count, size_t size)
{
	void *bigger = realloc(*array, (count + 1) * size);

	if (!bigger)
		return NULL;
	*array = bigger;
	return memset((char *)bigger + count * size, 0, size);
}

static const char *set_guest(struct jt_options *o, const char *value)
{
	struct jt_guest_spec *g = grow((void **)&o->guests, o->guest_count, sizeof(*g));
	const char *wrong = g ? jt_guest_spec_parse(value, g) : "out of memory";
	unsigned int i;

	if (wrong)
		return wrong;
	for (i = 0; i < o->guest_count; i++) {
		if (!strcmp(o->guests[i].name, g->name))
			return "this guest was named before";
		if (!strcmp(o->guests[i].interface, g->interface))
			return "this interface is another guest's";
	}
	o->guest_count++;
	return NULL;
}

static const char *set_peer(struct jt_options *o, const char *value)
{
	struct jt_peer_spec *p = grow((void **)&o->peers, o->peer_count, sizeof(*p));
	const char *address = strchr(value, '=');
	unsigned int i;

	if (!p)
		return "out of memory";
	if (!address || jt_value_name(value, (size_t)(address - value), p->name))
		return "write it NAME=MAC, or NAME=IP with --udp (a name has up to 15 characters)";
	if (jt_address_parse(address + 1, JT_SCOPE_PEER, &p->address))
		return "this is no MAC or IP address";
	for (i = 0; i < o->peer_count; i++)
		if (!strcmp(o->peers[i].name, p->name))
			return "this peer was named before";
	o->peer_count++;
	return NULL;
}

static const char *set_remote(struct jt_options *o, const char *value)
{
	struct jt_remote_spec *r = grow((void **)&o->remotes, o->remote_count, sizeof(*r));
	const char *peer = strchr(value, '=');
	char text[JT_ADDRESS_TEXT];

	if (!r)
		return "out of memory";
	if (!peer || (size_t)(peer - value) >= sizeof(text) ||
	    jt_value_name(peer + 1, strlen(peer + 1), r->peer))
		return "write it ADDRESS=PEER";
	snprintf(text, sizeof(text), "%.*s", (int)(peer - value), value);
	if (jt_address_parse(text, JT_SCOPE_GUEST, &r->address))
		return "this is no MAC or IP address";
	o->remote_count++;
	return NULL;
}

static const char *set_page_per_guest(struct jt_options *o, const char *value)
{
	return jt_value_switch(value, &o->page_per_guest);
}

static const char *set_discover(struct jt_options *o, const char *value)
{
	return jt_value_switch(value, &o->discover);
}

static const char *set_cycle(struct jt_options *o, const char *value)
{
	o->cycle.fixed_ns = 0;
	return strcmp(value, "auto") ? jt_value_time(value, &o->cycle.fixed_ns) : NULL;
}

static const char *set_cycle_min(struct jt_options *o, const char *value)
{
	return jt_value_time(value, &o->cycle.min_ns);
}

static const char *set_cycle_max(struct jt_options *o, const char *value)
{
	return jt_value_time(value, &o->cycle.max_ns);
}

static const char *set_latency(struct jt_options *o, const char *value)
{
	o->latency_given = true;
	return jt_value_time(value, &o->cycle.latency_ns);
}

static const char *set_weights(struct jt_options *o, const char *value)
{
	char rest;

	if (sscanf(value, "%lf,%lf%c", &o->cycle.weight_interval, &o->cycle.weight_write, &rest) !=
		    2 ||
	    !(o->cycle.weight_interval >= 0) || !(o->cycle.weight_write >= 0))
		return "write two numbers that are not negative, as in 1,1";
	return NULL;
}

static const char *set_threshold(struct jt_options *o, const char *value)
{
	return jt_value_number(value, 1, 100, &o->threshold);
}

static const char *set_page_size(struct jt_options *o, const char *value)
{
	const char *wrong = jt_value_size(value, &o->geometry.page_size);

	if (wrong)
		return wrong;
	if (!o->geometry.page_size || o->geometry.page_size % 4096 ||
	    o->geometry.page_size > JT_PAGE_SIZE_MAX)
		return "a page is a multiple of 4K, 3M at most";
	return NULL;
}

static const char *set_banks(struct jt_options *o, const char *value)
{
	return jt_value_number(value, JT_BANKS_MIN, JT_BANKS_MAX, &o->geometry.banks);
}

static const char *set_queues(struct jt_options *o, const char *value)
{
	return jt_value_number(value, 1, JT_QUEUES_MAX, &o->queues);
}

static const char *set_extent(struct jt_options *o, const char *value)
{
	const char *wrong = jt_value_size(value, &o->geometry.extent_size);

	if (wrong)
		return wrong;
	if (o->geometry.extent_size != JT_EXTENT_SIZE_MIN &&
	    o->geometry.extent_size != JT_EXTENT_SIZE_MAX)
		return "an extent has 2K or 4K";
	return NULL;
}

static const char *set_small(struct jt_options *o, const char *value)
{
	return jt_value_number(value, 1, JT_RECORD_MAX - 3, &o->small);
}

static const char *set_ethertype(struct jt_options *o, const char *value)
{
	unsigned int type;
	const char *wrong = jt_value_number(value, 0x600, 0xffff, &type);

	if (!wrong && (type == 0x0800 || type == 0x86dd || type == 0x0806 || type == 0x8100))
		wrong = "this EtherType has an owner; the local experimental ones are 0x88b5, 0x88b6";
	o->ethertype = (uint16_t)type;
	return wrong;
}

static const char *set_udp(struct jt_options *o, const char *value)
{
	unsigned int port = JT_UDP_PORT_DEFAULT;
	const char *wrong = value ? jt_value_number(value, 1, 65535, &port) : NULL;

	o->udp_port = (uint16_t)port;
	return wrong;
}

static const char *set_attach(struct jt_options *o, const char *value)
{
	static const char *const names[] = { "auto", "native", "generic", "tcx", NULL };

	return jt_value_choice(value, names, &o->attach);
}

static const char *set_zerocopy(struct jt_options *o, const char *value)
{
	static const char *const names[] = { "auto", "on", "off", NULL };

	return jt_value_choice(value, names, &o->zerocopy);
}

static const char *set_xen_copy(struct jt_options *o, const char *value)
{
	static const char *const names[] = { "map", "grant-copy", NULL };

	return jt_value_choice(value, names, &o->xen_copy);
}

static const char *set_uplink_rate(struct jt_options *o, const char *value)
{
	__u64 rate = 0;
	const char *wrong = jt_value_rate(value, &rate);

	o->uplink_rate = rate;
	return wrong;
}

static const char *set_busy_poll(struct jt_options *o, const char *value)
{
	o->busy_poll_us = 20;
	return value ? jt_value_number(value, 1, 10000, &o->busy_poll_us) : NULL;
}

static const char *set_cpu(struct jt_options *o, const char *value)
{
	unsigned int cpu;
	const char *wrong = jt_value_number(value, 0, CPU_SETSIZE - 1, &cpu);

	o->cpu = (int)cpu;
	return wrong;
}

static const char *set_path(char **to, const char *value)
{
	free(*to);
	*to = strdup(value);
	return *to ? NULL : "out of memory";
}

static const char *set_pin(struct jt_options *o, const char *value)
{
	return set_path(&o->pin, value);
}

static const char *set_adopt(struct jt_options *o, const char *value)
{
	return set_path(&o->adopt, value);
}

static const char *set_socket(struct jt_options *o, const char *value)
{
	return set_path(&o->socket, value);
}

static const char *set_config(struct jt_options *o, const char *value);

/* The table. Keys of argp are the index here, behind the printable ones. */
#define KEY 256
static const struct jt_flag {
	struct argp_option option;
	set_option set;
} flags[] = {
#define FLAG(name, arg, optional, set, doc)             \
	{                                               \
		{ name, 0, arg, optional, doc, 0 }, set \
	}
	FLAG("uplink", "IF", 0, set_uplink, "interface to the outside"),
	FLAG("guest", "NAME=IF[,KEY=VALUE]...", 0, set_guest,
	     "a guest and its host-side interface; repeat. mac=, ip=: with ip= it may use no other "
	     "addresses; user=, group=: they may attach helpers to it, besides root; memory=: file that "
	     "QEMU shares with it; rate=, burst=, "
	     "messages=, work-conserving=, weight=: its share of the uplink"),
	FLAG("peer", "NAME=ADDRESS", 0, set_peer,
	     "another machine that runs Jitney: its MAC, or its IP with --udp; repeat"),
	FLAG("remote", "ADDRESS=PEER", 0, set_remote,
	     "a guest's MAC or IP address and the peer it is behind; repeat"),
	FLAG("trust", "DOMAIN=GUEST[,GUEST]...", 0, jt_trust_parse,
	     "guests that trust each other: their helpers may map one page (method call map); repeat"),
	FLAG("discover", NULL, 0, set_discover,
	     "announce guests and learn which are behind which peer"),
	FLAG("uplink-rate", "RATE", 0, set_uplink_rate,
	     "what guests share, as 500mbit or 2.5gbit (the link's speed)"),
	FLAG("cycle", "auto|TIME", 0, set_cycle, "length of a cycle (auto)"),
	FLAG("cycle-min", "TIME", 0, set_cycle_min, "shortest computed cycle (1ms)"),
	FLAG("cycle-max", "TIME", 0, set_cycle_max, "longest computed cycle (100ms)"),
	FLAG("weights", "A,B", 0, set_weights, "weights of a computed cycle (1,1)"),
	FLAG("latency", "TIME", 0, set_latency,
	     "longest time a message waits (2ms; with a static cycle, the cycle)"),
	FLAG("threshold", "PERCENT", 0, set_threshold, "the page leaves when so full (90)"),
	FLAG("page-size", "SIZE", 0, set_page_size, "bytes of a bank (256K)"),
	FLAG("banks", "N", 0, set_banks, "number of banks (4)"),
	FLAG("extent", "SIZE", 0, set_extent,
	     "bytes of an extent: 2K, or 4K for large frames (2K)"),
	FLAG("page-per-guest", NULL, 0, set_page_per_guest,
	     "no sharing page for slices: each guest has its own, to compare with"),
	FLAG("small", "BYTES", 0, set_small, "largest payload to carry (512)"),
	FLAG("ethertype", "N", 0, set_ethertype, "EtherType of frames (0x88b5)"),
	FLAG("udp", "PORT", OPTION_ARG_OPTIONAL, set_udp,
	     "frames over UDP, for peers a router apart (port 17224)"),
	FLAG("attach", "auto|native|generic|tcx", 0, set_attach,
	     "how programs are attached (auto)"),
	FLAG("zerocopy", "auto|on|off", 0, set_zerocopy, "zero-copy on the uplink (auto)"),
	FLAG("xen-copy", "map|grant-copy", 0, set_xen_copy,
	     "how slices of Xen's guests are read and written (map)"),
	FLAG("queues", "N", 0, set_queues, "queues of the uplink with an AF_XDP socket each (1)"),
	FLAG("busy-poll", "US", OPTION_ARG_OPTIONAL, set_busy_poll,
	     "poll the uplink's driver for so long before sleeping (off; 20)"),
	FLAG("cpu", "N", 0, set_cpu, "the CPU that it runs on (one of those that it may)"),
	FLAG("pin", "DIR", 0, set_pin, "pin maps and programs in this folder of a bpffs"),
	FLAG("adopt", "DIR", 0, set_adopt, "use what bpftool prog loadall ... pinmaps left there"),
	FLAG("socket", "PATH", 0, set_socket,
	     "where the jitney command connects (" SOCKET_DEFAULT ")"),
	FLAG("name", "NAME", 0, set_name, "name of this machine to its peers (its host name)"),
	FLAG("config", "FILE", 0, set_config, "read flags from a file, a line `name = value' each"),
#undef FLAG
};

/* Return: NULL, or what is wrong. *unknown is set if there is no such flag. */
static const char *option_set(struct jt_options *o, const char *name, const char *value)
{
	size_t i;

	for (i = 0; i < JT_ARRAY_SIZE(flags); i++) {
		if (strcmp(flags[i].option.name, name))
			continue;
		if (!*value &&
		    (flags[i].option.flags & OPTION_ARG_OPTIONAL || !flags[i].option.arg))
			value = NULL;
		return flags[i].set(o, value);
	}
	return "there is no such flag";
}

struct config_read {
	struct jt_options *options;
	char wrong[256];
};

static int config_line(void *user, const char *section, const char *name, const char *value)
{
	struct config_read *c = user;
	const char *wrong = option_set(c->options, name, value);

	if (wrong && !*c->wrong)
		snprintf(c->wrong, sizeof(c->wrong), "%s = %s: %s", name, value, wrong);
	return !wrong;
}

static const char *set_config(struct jt_options *o, const char *value)
{
	static struct config_read c;
	static char text[512];
	struct stat file;
	int line;

	if (o->depth)
		return "a configuration file can't name another one";
	if (stat(value, &file) || S_ISDIR(file.st_mode))
		return "can't be read";
	c = (struct config_read){ .options = o };
	o->depth++;
	line = ini_parse(value, config_line, &c);
	o->depth--;
	if (!line)
		return NULL;
	if (line < 0)
		return "can't be read";
	snprintf(text, sizeof(text), "line %d: %s", line,
		 *c.wrong ? c.wrong : "not `name = value'");
	return text;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct jt_options *o = state->input;
	const char *wrong;

	if (key == ARGP_KEY_ARG)
		argp_failure(state, 2, 0, "%s: what is this? There are only flags; see --help",
			     arg);
	if (key < KEY || key >= KEY + (int)JT_ARRAY_SIZE(flags))
		return ARGP_ERR_UNKNOWN;
	wrong = flags[key - KEY].set(o, arg);
	if (wrong)
		argp_failure(state, 2, 0, "--%s%s%s: %s", flags[key - KEY].option.name,
			     arg ? " " : "", arg ? arg : "", wrong);
	return 0;
}

/* What only holds or fails for the flags together. Return: NULL or what is wrong. */
static const char *options_check(struct jt_options *o)
{
	unsigned int i;

	if (!o->socket)
		return "--socket: out of memory";
	if (!*o->uplink)
		return "--uplink is missing: name the interface to the outside";
	if (o->cycle.min_ns > o->cycle.max_ns)
		return "--cycle-min is longer than --cycle-max";
	if (o->geometry.page_size < o->geometry.extent_size)
		return "--page-size is smaller than --extent";
	if (o->adopt && o->pin)
		return "--adopt uses what is pinned already: leave --pin away";
	if (o->discover && !o->peer_count && o->udp_port)
		return "--discover finds nobody behind a router: name peers with --peer";
	for (i = 0; i < o->peer_count; i++)
		if ((o->peers[i].address.family == JT_FAMILY_MAC) != !o->udp_port)
			return "--peer takes a MAC address, and an IP address with --udp";
	o->geometry = (struct jt_geometry)JT_GEOMETRY(o->geometry.page_size, o->geometry.banks,
						      o->geometry.extent_size);
	if (o->cycle.fixed_ns && !o->latency_given)
		o->cycle.latency_ns = o->cycle.fixed_ns;
	return o->page_per_guest ? jt_trust_each(o) : NULL;
}

static void options_default(struct jt_options *o)
{
	*o = (struct jt_options){
		.cycle = { .weight_interval = 1,
			   .weight_write = 1,
			   .min_ns = 1 * MS,
			   .max_ns = 100 * MS,
			   .latency_ns = 2 * MS },
		.threshold = 90,
		.geometry = { .page_size = JT_PAGE_SIZE_DEFAULT,
			      .banks = JT_BANKS_DEFAULT,
			      .extent_size = JT_EXTENT_SIZE_DEFAULT },
		.small = JT_SMALL_DEFAULT,
		.queues = 1,
		.cpu = -1,
		.ethertype = JT_ETHERTYPE_DEFAULT,
		.socket = strdup(SOCKET_DEFAULT),
	};
	gethostname(o->name, sizeof(o->name) - 1);
	if (!jt_name_sound(o->name))
		snprintf(o->name, sizeof(o->name), "jitney");
}

void jt_options_read(struct jt_options *o, int argc, char **argv)
{
	struct argp_option table[JT_ARRAY_SIZE(flags) + 1] = { 0 };
	struct argp argp = {
		.options = table,
		.parser = parse,
		.doc = "The controller of Jitney: guests' small packets share one page and leave "
		       "together.\vTIME is a number with us, ms or s; SIZE takes K and M; "
		       "RATE, bits a second, takes kbit, mbit and gbit.",
	};
	const char *wrong;
	size_t i;

	options_default(o);
	argp_err_exit_status = 2;
	for (i = 0; i < JT_ARRAY_SIZE(flags); i++) {
		table[i] = flags[i].option;
		table[i].key = KEY + (int)i;
	}
	if (argp_parse(&argp, argc, argv, 0, NULL, o)) {
		fprintf(stderr, "jitneyd: failed to read the flags: out of memory\n");
		exit(EXIT_FAILURE);
	}
	wrong = options_check(o);
	if (wrong) {
		fprintf(stderr, "jitneyd: %s\n", wrong);
		exit(2);
	}
}

void jt_options_free(struct jt_options *o)
{
	unsigned int i;

	for (i = 0; i < o->trust_count; i++)
		free(o->trusts[i].guests);
	free(o->trusts);
	free(o->guests);
	free(o->peers);
	free(o->remotes);
	free(o->pin);
	free(o->adopt);
	free(o->socket);
}

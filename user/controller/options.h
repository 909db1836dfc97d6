/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the controller was told, by flags and by --config: one table for both. */
#ifndef JITNEY_OPTIONS_H
#define JITNEY_OPTIONS_H

#include <net/if.h>
#include <sys/types.h>
#include <jitney/bucket.h>
#include <jitney/cycle.h>
#include "common/address.h"

enum jt_attach { JT_ATTACH_AUTO, JT_ATTACH_NATIVE, JT_ATTACH_GENERIC, JT_ATTACH_TCX };
enum jt_zerocopy { JT_ZEROCOPY_AUTO, JT_ZEROCOPY_ON, JT_ZEROCOPY_OFF };
enum jt_xen_copy { JT_XEN_MAP, JT_XEN_GRANT_COPY };

#define JT_GUEST_ADDRESSES_MAX 16
#define JT_DOMAINS_MAX 8
#define JT_PATH_SIZE 108 /* of a path, with its NUL */

/* --guest NAME=IF[,mac=M][,ip=A]...[,user=U][,group=G][,memory=FILE] */
struct jt_guest_spec {
	char name[JT_NAME_SIZE];
	char interface[IFNAMSIZ];
	struct jt_address addresses[JT_GUEST_ADDRESSES_MAX];
	unsigned int count;
	uid_t user; /* whose programs may attach, besides root's and our own; -1: nobody's */
	gid_t group;
	char memory[JT_PATH_SIZE]; /* that QEMU shares with the guest; empty: none */
	struct jt_share_settings share;
};

/* --peer NAME=ADDRESS */
struct jt_peer_spec {
	char name[JT_NAME_SIZE];
	struct jt_address address;
};

/* --remote ADDRESS=PEER */
struct jt_remote_spec {
	struct jt_address address;
	char peer[JT_NAME_SIZE];
};

/* --trust DOMAIN=GUEST[,GUEST]...: guests that may map one page, by name */
struct jt_trust_spec {
	char name[JT_NAME_SIZE];
	char (*guests)[JT_NAME_SIZE];
	unsigned int count;
};

struct jt_options {
	char name[JT_NAME_SIZE];
	char uplink[IFNAMSIZ];
	struct jt_guest_spec *guests;
	struct jt_peer_spec *peers;
	struct jt_remote_spec *remotes;
	unsigned int guest_count;
	unsigned int peer_count;
	unsigned int remote_count;
	struct jt_trust_spec *trusts;
	unsigned int trust_count;
	bool page_per_guest; /* the trusts are guests, one each, and nobody maps their pages */
	bool discover;
	struct jt_cycle_settings cycle;
	bool latency_given;
	unsigned int threshold; /* percent */
	struct jt_geometry geometry;
	unsigned int small;
	uint16_t ethertype; /* host order */
	uint16_t udp_port;  /* host order; 0: Ethernet frames */
	enum jt_attach attach;
	enum jt_zerocopy zerocopy;
	enum jt_xen_copy xen_copy;
	unsigned int queues;  /* of the uplink, with a socket each */
	uint64_t uplink_rate; /* bits a second, for guests to share; 0: not given */
	unsigned int busy_poll_us;
	int cpu; /* that it runs on; -1: any one */
	char *pin;
	char *adopt;
	char *socket;
	unsigned int depth; /* of --config inside --config */
};

/*
 * Read the command line. Wrong input ends the program: one sentence on standard
 * error, exit status 2. The options own their memory until jt_options_free().
 */
void jt_options_read(struct jt_options *o, int argc, char **argv);
void jt_options_free(struct jt_options *o);

/* Add DOMAIN=GUEST[,GUEST]... Return: NULL, or what is wrong with it. */
const char *jt_trust_parse(struct jt_options *o, const char *text);

/* --page-per-guest: a domain for each guest. Return: NULL, or what is wrong. */
const char *jt_trust_each(struct jt_options *o);

/* The trust domain that a guest is in, by its name, or NULL. */
const struct jt_trust_spec *jt_trust_find(const struct jt_options *o, const char *guest);

/* Read NAME=IF[,...]. Return: NULL, or what is wrong with it. */
const char *jt_guest_spec_parse(const char *text, struct jt_guest_spec *out);

#endif

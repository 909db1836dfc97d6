/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The command `jitney`: what its parts share. Every command is a function of
 * what the command line said and of its arguments; it prints its result on
 * standard output, says what went wrong on standard error, and returns the
 * program's exit status.
 */
#ifndef JITNEY_CLI_H
#define JITNEY_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/command.h"

#define JT_SOCKET_DEFAULT "/run/jitney.sock"
#define JT_SHARE_FIELDS 5 /* that `guest set' can change */

/* What the command line said. Strings are argv's. */
struct jt_line {
	const char *socket;
	bool json;
	uint64_t count;	  /* --count; 0: no limit */
	uint64_t seconds; /* --seconds; 0: no limit */
	const char *uplink;
	const char *pin;
	bool calls;	     /* --calls */
	const char **guests; /* interfaces named with --guest */
	size_t guest_count;
	unsigned int given; /* JT_OPTION_*: what only some commands take */
};

#define JT_OPTION_COUNT 0x1
#define JT_OPTION_SECONDS 0x2
#define JT_OPTION_UPLINK 0x4
#define JT_OPTION_GUEST 0x8
#define JT_OPTION_PIN 0x10
#define JT_OPTION_CALLS 0x20
#define JT_OPTION_PRINT_QEMU 0x40
#define JT_OPTION_PRINT_LIBVIRT 0x80

int jt_show_status(const struct jt_line *cli, char **args);
int jt_show_guests(const struct jt_line *cli, char **args);
int jt_show_calls(const struct jt_line *cli);
int jt_show_helpers(const struct jt_line *cli, char **args);
int jt_show_peers(const struct jt_line *cli, char **args);
int jt_show_cycle(const struct jt_line *cli, char **args);
int jt_show_page(const struct jt_line *cli, char **args);
int jt_show_drops(const struct jt_line *cli, char **args);
int jt_change_flush(const struct jt_line *cli, char **args);
int jt_change_guest_add(const struct jt_line *cli, char **args);
int jt_change_guest_set(const struct jt_line *cli, char **args);
int jt_change_guest_del(const struct jt_line *cli, char **args);
/* What the virtual machine of a guest is started with. */
int jt_machine_print(const struct jt_line *cli, const char *name);
int jt_top(const struct jt_line *cli, char **args);
int jt_doctor(const struct jt_line *cli, char **args);
int jt_capture(const struct jt_line *cli, char **args);

/*
 * From jt_stop_catch() on, SIGINT and SIGTERM interrupt a wait and set
 * jt_stopped, and SIGPIPE is an error of write().
 */
extern volatile int jt_stopped;
void jt_stop_catch(void);

/* CLOCK_MONOTONIC, nanoseconds. */
uint64_t jt_now(void);

#endif

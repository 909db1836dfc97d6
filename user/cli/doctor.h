/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `jitney doctor`: tables of checks. A check looks at one thing and says what
 * it found with jt_found(), once or more, and with jt_mend() behind it the
 * command that mends it. Nothing is changed.
 */
#ifndef JITNEY_DOCTOR_H
#define JITNEY_DOCTOR_H

#include "cli.h"
#include "device.h"

enum jt_verdict { JT_OK, JT_WARN, JT_FAIL, JT_VERDICTS };

struct jt_doctor {
	const struct jt_line *cli;
	json_t *findings; /* array, as --json prints it */
	json_t *status;	  /* answers of the controller, NULL: it gave none */
	json_t *guests;
	json_t *peers;
	json_t *drops;
	int pid;			/* of the controller, 0: not known */
	char wrong[512];		/* why it gave none */
	const char *check;		/* name of the one that runs */
	const char *uplink;		/* name, NULL: not known */
	struct jt_device uplink_device; /* ifindex 0: not there */
	size_t counts[JT_VERDICTS];
};

/* @subject: a device, guest or peer; NULL: the machine. */
void jt_found(struct jt_doctor *d, enum jt_verdict verdict, const char *subject, const char *format,
	      ...) __attribute__((format(printf, 4, 5)));
/* What mends the last finding. */
void jt_mend(struct jt_doctor *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What the controller says of the guest on an interface. Return: NULL if it knows none. */
const json_t *jt_doctor_guest(const struct jt_doctor *d, const char *interface);

/* A device that a check looks at. */
struct jt_patient {
	struct jt_device device;
	const char *guest;  /* name, NULL: it is the uplink, or not known */
	const char *attach; /* how the controller attached to it, NULL: not known */
	bool uplink;
};

/* The tables, run in this order. */
void jt_doctor_controller(struct jt_doctor *d);
void jt_doctor_host(struct jt_doctor *d);
void jt_doctor_xen(struct jt_doctor *d); /* only on dom0 */
void jt_doctor_devices(struct jt_doctor *d);
void jt_doctor_counters(struct jt_doctor *d);

/* Checks of doctor_uplink.c and doctor_guest.c; each for every patient of its role. */
typedef void (*jt_device_check)(struct jt_doctor *d, const struct jt_patient *p);
struct jt_device_checks {
	const char *name;
	jt_device_check run;
};
extern const struct jt_device_checks jt_uplink_checks[], jt_guest_checks[];

/* Both tables have it: another program on the device. */
void jt_check_xdp(struct jt_doctor *d, const struct jt_patient *p);

#endif

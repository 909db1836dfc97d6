/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A pcapng file with two interfaces, written by libwiretap. */
#ifndef JITNEY_PCAPNG_H
#define JITNEY_PCAPNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum jt_pcapng_interface { JT_PCAPNG_FRAMES, JT_PCAPNG_MESSAGES };
enum jt_pcapng_direction { JT_PCAPNG_SENT = 1, JT_PCAPNG_RECEIVED = 2 };

struct jt_pcapng;

/*
 * Errors are positive errno, or negative numbers of libwiretap's; both are for
 * jt_pcapng_reason().
 */
const char *jt_pcapng_reason(int err);

/*
 * Create the file; "-" is standard output. One file at a time.
 * Return: the file, owned by the caller, or NULL with *err set.
 */
struct jt_pcapng *jt_pcapng_open(const char *path, int *err);

/* Write a packet. @direction 0 is unknown. Return: 0 or an error. */
int jt_pcapng_write(struct jt_pcapng *p, enum jt_pcapng_interface interface, unsigned int direction,
		    uint64_t time_ns, const void *bytes, size_t length);

/* Hand on what was written so far. Return: 0 or an error. */
int jt_pcapng_flush(struct jt_pcapng *p);

/* Finish and free. Return: 0, or an error: the file is then not whole. */
int jt_pcapng_close(struct jt_pcapng *p);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Values of flags. Each reader returns NULL and sets *out, or returns what is
 * wrong as the end of a sentence and leaves *out alone.
 */
#ifndef JITNEY_VALUES_H
#define JITNEY_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jitney/abi.h>

/* A bank is one value of a map, which old kernels limit to 4 MiB. */
#define JT_PAGE_SIZE_MAX (3U << 20)

const char *jt_value_text(const char *value, char *out, size_t size);
const char *jt_value_name(const char *value, size_t length, char out[JT_NAME_SIZE]);
const char *jt_value_number(const char *value, unsigned int min, unsigned int max,
			    unsigned int *out);
/* A number and the factor that its unit stands for; 0: malformed. @units ends with NULL. */
double jt_value_scaled(const char *value, const char *const *units, const double *factors);
const char *jt_value_time(const char *value, __u64 *ns);
const char *jt_value_size(const char *value, __u32 *bytes);
const char *jt_value_switch(const char *value, bool *out);
/* @names ends with NULL; @out is an enum's index into it. */
const char *jt_value_choice(const char *value, const char *const *names, void *out);

#endif

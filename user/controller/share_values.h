/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A guest's share of the uplink as users write it, behind --guest and `jitney guest
 * set'. What is wrong is the end of a sentence, as in values.h.
 */
#ifndef JITNEY_SHARE_VALUES_H
#define JITNEY_SHARE_VALUES_H

#include <jitney/bucket.h>

/* The keys below, as usage shows them. */
#define JT_SHARE_KEYS "[,rate=R][,burst=B][,messages=N][,work-conserving=yes|no][,weight=N]"

/* Bits a second, with a unit: 50mbit. */
const char *jt_value_rate(const char *value, __u64 *bits);

/*
 * jt_share_field() - Read KEY=VALUE
 * @wrong:	out: NULL, or what is wrong with the value; @out is unchanged then
 *
 * Return: false if the key is none of a share's.
 */
bool jt_share_field(const char *field, struct jt_share_settings *out, const char **wrong);

/* What only holds or fails for the fields together. Return: NULL, or what is wrong. */
const char *jt_share_check(const struct jt_share_settings *s);

/*
 * jt_share_change() - Read [,]KEY=VALUE[,KEY=VALUE]..., all of it or nothing
 *
 * Return: NULL, or what is wrong; @s is unchanged then.
 */
const char *jt_share_change(const char *text, struct jt_share_settings *s);

#endif

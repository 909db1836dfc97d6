// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdio.h>
#include <string.h>

#include "controller/share_values.h"
#include "controller/values.h"

#define RATE_MAX 1e12
#define BURST_MIN 1514 /* a frame of the usual MTU */
#define NONE "none"    /* takes a limit, and what hangs on it, away again */

const char *jt_value_rate(const char *value, __u64 *bits)
{
	static const char *const units[] = { "bit", "kbit", "mbit", "gbit", NULL };
	static const double factors[] = { 1, 1e3, 1e6, 1e9 };
	double n = jt_value_scaled(value, units, factors);

	if (!(n >= JT_SHARE_RATE_MIN && n <= RATE_MAX))
		return "write a rate from 8kbit to 1000gbit, as in 500kbit, 50mbit or 2.5gbit";
	*bits = (__u64)n;
	return NULL;
}

static const char *set_rate(const char *value, struct jt_share_settings *s)
{
	if (strcmp(value, NONE))
		return jt_value_rate(value, &s->rate);
	s->rate = s->burst = 0;
	return NULL;
}

static const char *set_burst(const char *value, struct jt_share_settings *s)
{
	static const char *const units[] = { "", "b", "kb", "K", "mb", "M", NULL };
	static const double factors[] = { 1, 1, 1024, 1024, 1 << 20, 1 << 20 };
	double n = jt_value_scaled(value, units, factors);

	if (!strcmp(value, "auto"))
		n = 0;
	else if (!(n >= BURST_MIN && n <= 1U << 30))
		return "a burst is auto, or holds a frame at least: 1514 bytes to 1024mb, as in 32kb";
	s->burst = (__u64)n;
	return NULL;
}

static const char *set_messages(const char *value, struct jt_share_settings *s)
{
	static const char *const units[] = { "", "k", "m", NULL };
	static const double factors[] = { 1, 1e3, 1e6 };
	double n = jt_value_scaled(value, units, factors);

	if (!strcmp(value, NONE))
		n = 0;
	else if (!(n >= 1 && n <= 1e9))
		return "write messages a second from 1 to 1000m, as in 500, 20k or 1.5m";
	s->message_rate = (__u64)n;
	return NULL;
}

static const char *set_borrows(const char *value, struct jt_share_settings *s)
{
	bool yes = false;
	const char *wrong = jt_value_switch(value, &yes);

	if (wrong)
		return wrong;
	s->borrows = yes;
	if (!yes)
		s->weight = 0;
	return NULL;
}

static const char *set_weight(const char *value, struct jt_share_settings *s)
{
	if (strcmp(value, "auto"))
		return jt_value_number(value, 1, 1000000000, &s->weight);
	s->weight = 0;
	return NULL;
}

static const struct {
	const char *key;
	const char *(*set)(const char *value, struct jt_share_settings *s);
} fields[] = {
	{ "rate=", set_rate },	       { "burst=", set_burst },
	{ "messages=", set_messages }, { "work-conserving=", set_borrows },
	{ "weight=", set_weight },
};

bool jt_share_field(const char *field, struct jt_share_settings *out, const char **wrong)
{
	static char text[160];
	size_t i, length;

	for (i = 0; i < JT_ARRAY_SIZE(fields); i++) {
		length = strlen(fields[i].key);
		if (strncmp(field, fields[i].key, length) != 0)
			continue;
		*wrong = fields[i].set(field + length, out);
		if (*wrong) {
			snprintf(text, sizeof(text), "%.40s: %s", field, *wrong);
			*wrong = text;
		}
		return true;
	}
	return false;
}

const char *jt_share_check(const struct jt_share_settings *s)
{
	if (s->burst && !s->rate)
		return "burst= is what a guest may save up of its rate: give rate=, too";
	if (s->weight && !s->borrows && (s->rate || s->message_rate))
		return "weight= is for guests that use what others leave: give work-conserving=yes, too";
	return NULL;
}

const char *jt_share_change(const char *text, struct jt_share_settings *s)
{
	struct jt_share_settings changed = *s;
	char copy[256], *rest = copy, *field;
	const char *wrong = NULL;

	if (!*text || strlen(text) >= sizeof(copy))
		return "write what is to change, as in rate=50mbit,work-conserving=yes";
	snprintf(copy, sizeof(copy), "%s", text);
	while (!wrong && (field = strsep(&rest, ",")))
		if (!jt_share_field(field, &changed, &wrong))
			wrong = "only rate=, burst=, messages=, work-conserving= and weight= can be set";
	if (!wrong)
		wrong = jt_share_check(&changed);
	if (!wrong)
		*s = changed;
	return wrong;
}

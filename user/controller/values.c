// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <ctype.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "controller/options.h"
#include "controller/share_values.h"
#include "controller/values.h"

const char *jt_value_text(const char *value, char *out, size_t size)
{
	if (!*value || strlen(value) >= size)
		return "the name is empty or too long";
	snprintf(out, size, "%s", value);
	return NULL;
}

const char *jt_value_name(const char *value, size_t length, char out[JT_NAME_SIZE])
{
	size_t i;

	if (!length || length >= JT_NAME_SIZE)
		return "a name has 1 to 15 characters";
	for (i = 0; i < length; i++)
		if (!isalnum((unsigned char)value[i]) && !strchr("-_.", value[i]))
			return "a name has letters, digits, - _ and . only";
	memcpy(out, value, length);
	out[length] = 0;
	return NULL;
}

const char *jt_value_number(const char *value, unsigned int min, unsigned int max,
			    unsigned int *out)
{
	static char text[64];
	char *end;
	unsigned long n = strtoul(value, &end, 0);

	if (!isdigit((unsigned char)*value) || *end || n < min || n > max) {
		snprintf(text, sizeof(text), "write a number from %u to %u", min, max);
		return text;
	}
	*out = (unsigned int)n;
	return NULL;
}

double jt_value_scaled(const char *value, const char *const *units, const double *factors)
{
	char *end;
	double n = strtod(value, &end);
	int i;

	if (!isdigit((unsigned char)*value))
		return 0;
	for (i = 0; units[i]; i++)
		if (!strcmp(end, units[i]))
			return n * factors[i];
	return 0;
}

const char *jt_value_time(const char *value, __u64 *ns)
{
	static const char *const units[] = { "us", "ms", "s", NULL };
	static const double factors[] = { 1e3, 1e6, 1e9 };
	double n = jt_value_scaled(value, units, factors);

	if (!(n >= 1e3 && n <= 3600e9))
		return "write a time from 1us to 3600s, as in 500us, 2ms or 1s";
	*ns = (__u64)n;
	return NULL;
}

const char *jt_value_size(const char *value, __u32 *bytes)
{
	static const char *const units[] = { "", "K", "M", NULL };
	static const double factors[] = { 1, 1024, 1024 * 1024 };
	double n = jt_value_scaled(value, units, factors);

	if (!(n >= 1 && n <= 1U << 30))
		return "write a size, as in 65536, 256K or 1M";
	*bytes = (__u32)n;
	return NULL;
}

const char *jt_value_switch(const char *value, bool *out)
{
	if (!value || !strcmp(value, "yes"))
		*out = true;
	else if (!strcmp(value, "no"))
		*out = false;
	else
		return "write yes or no";
	return NULL;
}

const char *jt_value_choice(const char *value, const char *const *names, void *out)
{
	static char text[128];
	unsigned int i;
	size_t n = 0;

	for (i = 0; names[i]; i++) {
		if (!strcmp(value, names[i])) {
			memcpy(out, &i, sizeof(i));
			return NULL;
		}
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s",
				      i ? ", " : "write one of ", names[i]);
	}
	return text;
}

static const char *guest_address(const char *text, bool mac, struct jt_guest_spec *out)
{
	struct jt_address *a = &out->addresses[out->count];

	if (out->count == JT_GUEST_ADDRESSES_MAX)
		return "a guest has up to 16 addresses here";
	if (jt_address_parse(text, JT_SCOPE_GUEST, a) || (a->family == JT_FAMILY_MAC) != mac ||
	    (mac && a->bytes[0] & 1))
		return mac ? "mac= takes a unicast MAC address" :
			     "ip= takes an IPv4 or IPv6 address";
	out->count++;
	return NULL;
}

static const char *guest_user(const char *text, struct jt_guest_spec *out)
{
	const struct passwd *found = getpwnam(text);
	unsigned int id;

	if (!found && jt_value_number(text, 0, INT_MAX, &id))
		return "user= takes a user of this machine, by name or number";
	out->user = found ? found->pw_uid : id;
	return NULL;
}

static const char *guest_group(const char *text, struct jt_guest_spec *out)
{
	const struct group *found = getgrnam(text);
	unsigned int id;

	if (!found && jt_value_number(text, 0, INT_MAX, &id))
		return "group= takes a group of this machine, by name or number";
	out->group = found ? found->gr_gid : id;
	return NULL;
}

static const char *guest_memory(const char *text, struct jt_guest_spec *out)
{
	return *text == '/' && !jt_value_text(text, out->memory, sizeof(out->memory)) ?
		       NULL :
		       "memory= takes the whole path of a file, up to 107 characters";
}

static const char *guest_field(const char *field, struct jt_guest_spec *out)
{
	const char *wrong;

	if (jt_share_field(field, &out->share, &wrong))
		return wrong;
	if (!strncmp(field, "mac=", 4))
		return guest_address(field + 4, true, out);
	if (!strncmp(field, "ip=", 3))
		return guest_address(field + 3, false, out);
	if (!strncmp(field, "memory=", 7))
		return guest_memory(field + 7, out);
	if (!strncmp(field, "user=", 5))
		return guest_user(field + 5, out);
	if (!strncmp(field, "group=", 6))
		return guest_group(field + 6, out);
	return "only mac=, ip=, user=, group=, memory=, rate=, burst=, messages=, work-conserving= and weight= "
	       "may follow the interface";
}

const char *jt_guest_spec_parse(const char *text, struct jt_guest_spec *out)
{
	char copy[1024], *field, *rest = copy, *interface;
	const char *wrong = NULL;

	*out = (struct jt_guest_spec){ .user = (uid_t)-1, .group = (gid_t)-1 };
	if (strlen(text) >= sizeof(copy))
		return "this is too long";
	snprintf(copy, sizeof(copy), "%s", text);
	field = strsep(&rest, ",");
	interface = strchr(field, '=');
	if (!interface || jt_value_name(field, (size_t)(interface - field), out->name))
		return "write it NAME=IF[,mac=M][,ip=A][,user=U][,group=G][,memory=FILE]" JT_SHARE_KEYS
		       " (a name has up to 15 characters)";
	if (jt_value_text(interface + 1, out->interface, sizeof(out->interface)))
		return "the interface's name is empty or too long";
	while (!wrong && (field = strsep(&rest, ",")))
		wrong = guest_field(field, out);
	return wrong ? wrong : jt_share_check(&out->share);
}

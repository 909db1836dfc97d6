// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdlib.h>
#include <string.h>

#include "controller/options.h"
#include "controller/values.h"

#define FORM "write it DOMAIN=GUEST[,GUEST]... (a name has up to 15 characters)"
#define TOO_MANY "there are up to 8 domains"
_Static_assert(JT_DOMAINS_MAX == 8, "as TOO_MANY says, and the manual");

const struct jt_trust_spec *jt_trust_find(const struct jt_options *o, const char *guest)
{
	unsigned int i, k;

	for (i = 0; i < o->trust_count; i++)
		for (k = 0; k < o->trusts[i].count; k++)
			if (!strcmp(o->trusts[i].guests[k], guest))
				return &o->trusts[i];
	return NULL;
}

/* Return: NULL if memory is out. */
static struct jt_trust_spec *domain_add(struct jt_options *o, const char name[JT_NAME_SIZE])
{
	void *bigger = realloc(o->trusts, (o->trust_count + 1) * sizeof(*o->trusts));
	struct jt_trust_spec *t;

	if (!bigger)
		return NULL;
	o->trusts = bigger;
	t = &o->trusts[o->trust_count++];
	*t = (struct jt_trust_spec){ 0 };
	memcpy(t->name, name, JT_NAME_SIZE);
	return t;
}

/* The domain of this name, made if there is none yet. Return: NULL if there is no room. */
static struct jt_trust_spec *domain_get(struct jt_options *o, const char name[JT_NAME_SIZE])
{
	unsigned int i;

	for (i = 0; i < o->trust_count; i++)
		if (!strcmp(o->trusts[i].name, name))
			return &o->trusts[i];
	return i < JT_DOMAINS_MAX ? domain_add(o, name) : NULL;
}

static const char *guest_add(struct jt_options *o, struct jt_trust_spec *t, const char *guest,
			     size_t length)
{
	char name[JT_NAME_SIZE] = { 0 };
	void *bigger;

	if (jt_value_name(guest, length, name))
		return FORM;
	if (jt_trust_find(o, name))
		return "one of its guests is in a domain already";
	bigger = realloc(t->guests, (t->count + 1) * sizeof(*t->guests));
	if (!bigger)
		return "out of memory";
	t->guests = bigger;
	memcpy(t->guests[t->count++], name, sizeof(name));
	return NULL;
}

const char *jt_trust_each(struct jt_options *o)
{
	const char *wrong = o->trust_count ? "--page-per-guest leaves no pages to --trust" : NULL;
	struct jt_trust_spec *t;
	unsigned int i;

	for (i = 0; i < o->guest_count && !wrong; i++) {
		t = domain_add(o, o->guests[i].name);
		wrong = t ? guest_add(o, t, t->name, strlen(t->name)) : "out of memory";
	}
	return wrong;
}

const char *jt_trust_parse(struct jt_options *o, const char *text)
{
	const char *guest = strchr(text, '='), *wrong;
	char name[JT_NAME_SIZE] = { 0 };
	struct jt_trust_spec *t;
	size_t length;

	if (!guest || jt_value_name(text, (size_t)(guest - text), name))
		return FORM;
	t = domain_get(o, name);
	if (!t)
		return TOO_MANY;
	do {
		length = strcspn(++guest, ",");
		wrong = guest_add(o, t, guest, length);
		guest += length;
	} while (!wrong && *guest);
	return wrong;
}

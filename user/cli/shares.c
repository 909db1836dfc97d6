// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <inttypes.h>
#include <string.h>

#include "rates.h"
#include "shares.h"

const char *jt_text_rate(char out[JT_TEXT_SIZE], double bits)
{
	static const struct {
		const char *name;
		double size;
	} units[] = { { "Gbit/s", 1e9 }, { "Mbit/s", 1e6 }, { "kbit/s", 1e3 }, { "bit/s", 1 } };
	unsigned int i = 0;

	while (i < 3 && bits < units[i].size)
		i++;
	snprintf(out, JT_TEXT_SIZE, "%.3g %s", bits / units[i].size, units[i].name);
	return out;
}

void jt_share_rates(json_t *to, const json_t *before, const json_t *now, double seconds)
{
	static const struct {
		const char *counter, *name;
		double unit;
	} rates[] = { { "used", "used_bits_per_s", 8 },
		      { "borrowed", "borrowed_bits_per_s", 8 },
		      { "refused", "refused_per_s", 1 } };
	const json_t *a = json_object_get(before, "share"), *b = json_object_get(now, "share");
	bool limited = json_is_object(b);
	int64_t grown;
	size_t i;

	json_object_set_new(to, "state",
			    limited ? json_copy(json_object_get(b, "state")) : json_null());
	json_object_set_new(to, "rate",
			    limited ? json_copy(json_object_get(b, "rate")) : json_null());
	for (i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		grown = jt_get_int(b, rates[i].counter) - jt_get_int(a, rates[i].counter);
		json_object_set_new(to, rates[i].name,
				    limited && json_is_object(a) && grown >= 0 ?
					    jt_rounded((double)grown * rates[i].unit / seconds) :
					    json_null());
	}
	json_object_set_new(to, "waiting",
			    limited ? json_integer(jt_get_int(b, "waiting")) : json_null());
}

void jt_table_rate(struct jt_table *t, const json_t *o, const char *key)
{
	const json_t *rate = json_object_get(o, key);

	jt_table_cell(t, "%s", json_is_number(rate) ? JT_RATE(json_number_value(rate)) : "-");
}

static void cell_limit(struct jt_table *t, const json_t *share, const char *key)
{
	int64_t n = jt_get_int(share, key);

	jt_table_cell(t, "%s", n ? JT_NUMBER(n) : "-");
}

static void row(struct jt_table *t, const json_t *guest, const json_t *rates)
{
	const json_t *share = json_object_get(guest, "share");

	jt_table_text(t, guest, "name");
	jt_table_text(t, share, "state");
	jt_table_rate(t, share, "rate");
	jt_table_rate(t, rates, "used_bits_per_s");
	jt_table_rate(t, rates, "borrowed_bits_per_s");
	jt_table_cell(t, "%s", JT_SIZE(jt_get_int(share, "waiting")));
	jt_table_number(t, share, "refused");
	cell_limit(t, share, "message_rate");
	jt_table_cell(t, "%s",
		      json_is_integer(json_object_get(share, "burst")) ?
			      JT_SIZE(jt_get_int(share, "burst")) :
			      "-");
	jt_table_cell(t, "%s", jt_get_true(share, "work_conserving") ? "yes" : "no");
	jt_table_number(t, share, "weight");
}

void jt_shares_print(const json_t *before, const json_t *now, double seconds)
{
	static const char *const heads[] = { "GUEST",		"SHARE",       ">RATE",
					     ">USED",		">BORROWED",   ">WAITING",
					     ">REFUSED",	">MESSAGES/S", ">BURST",
					     "WORK-CONSERVING", ">WEIGHT" };
	const json_t *old = json_object_get(before, "guests"), *guest;
	struct jt_table t = JT_TABLE(heads);
	json_t *rates;
	size_t i;

	json_array_foreach(json_object_get(now, "guests"), i, guest) {
		if (!json_is_object(json_object_get(guest, "share")))
			continue;
		rates = json_object();
		jt_share_rates(rates, jt_named(old, jt_get_text(guest, "name")), guest, seconds);
		row(&t, guest, rates);
		json_decref(rates);
	}
	if (!t.used)
		return;
	putchar('\n');
	jt_table_print(&t, stdout, 0);
}

void jt_share_print(const char *name, const json_t *share)
{
	int64_t rate = jt_get_int(share, "rate"), messages = jt_get_int(share, "message_rate");

	if (!json_is_object(share)) {
		printf("%s is not limited\n", name);
		return;
	}
	printf("%s: %s", name, rate ? JT_RATE((double)rate) : "no rate of its own");
	if (rate)
		printf(", burst %s", JT_SIZE(jt_get_int(share, "burst")));
	if (messages)
		printf(", %s messages/s", JT_NUMBER(messages));
	if (jt_get_true(share, "work_conserving"))
		printf(", work-conserving with weight %s", JT_NUMBER(jt_get_int(share, "weight")));
	putchar('\n');
}

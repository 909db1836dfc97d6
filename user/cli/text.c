// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

const char *jt_text_number(char out[JT_TEXT_SIZE], int64_t n)
{
	char digits[24];
	int length = snprintf(digits, sizeof(digits), "%" PRId64, n), i, at = 0;

	for (i = 0; i < length; i++) {
		if (i && (length - i) % 3 == 0 && digits[i - 1] != '-')
			out[at++] = ',';
		out[at++] = digits[i];
	}
	out[at] = '\0';
	return out;
}

struct unit {
	const char *name;
	int64_t size;
};

/* The largest unit that leaves at least 1; units end with one of size 1. */
static const struct unit *unit_of(const struct unit *u, int64_t n)
{
	while (u->size > 1 && n < u->size)
		u++;
	return u;
}

static const char *text_unit(char out[JT_TEXT_SIZE], const struct unit *units, int64_t n)
{
	const struct unit *u = unit_of(units, n);
	double value = (double)n / (double)u->size;
	int digits = n % u->size == 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;

	snprintf(out, JT_TEXT_SIZE, "%.*f %s", digits, value, u->name);
	return out;
}

const char *jt_text_time(char out[JT_TEXT_SIZE], int64_t ns)
{
	static const struct unit units[] = {
		{ "s", 1000000000 }, { "ms", 1000000 }, { "us", 1000 }, { "ns", 1 }
	};
	static const struct unit long_units[] = {
		{ "d", 86400 }, { "h", 3600 }, { "min", 60 }, { "s", 1 }
	};
	int64_t seconds = ns / 1000000000;
	const struct unit *u;

	if (seconds < 60)
		return text_unit(out, units, ns);
	u = unit_of(long_units, seconds);
	snprintf(out, JT_TEXT_SIZE, "%" PRId64 " %s %" PRId64 " %s", seconds / u->size, u->name,
		 seconds % u->size / u[1].size, u[1].name);
	return out;
}

const char *jt_text_size(char out[JT_TEXT_SIZE], int64_t bytes)
{
	static const struct unit units[] = { { "TiB", 1LL << 40 },
					     { "GiB", 1 << 30 },
					     { "MiB", 1 << 20 },
					     { "KiB", 1 << 10 },
					     { "bytes", 1 } };

	return text_unit(out, units, bytes);
}

const char *jt_text_ratio(char out[JT_TEXT_SIZE], double a, double b)
{
	if (b > 0)
		snprintf(out, JT_TEXT_SIZE, "%.1f", a / b);
	else
		strcpy(out, "-");
	return out;
}

int64_t jt_get_int(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

double jt_get_real(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

int jt_get_true(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

const char *jt_get_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "-";
}

int64_t jt_get_coded(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? strtoll(text, NULL, 0) : jt_get_int(object, key);
}

void jt_table_cell(struct jt_table *t, const char *format, ...)
{
	char **bigger = realloc(t->cells, (t->used + 1) * sizeof(*bigger));
	va_list args;

	if (!bigger)
		abort();
	t->cells = bigger;
	va_start(args, format);
	if (vasprintf(&t->cells[t->used++], format, args) < 0)
		abort();
	va_end(args);
}

void jt_table_number(struct jt_table *t, const json_t *object, const char *key)
{
	jt_table_cell(t, "%s", JT_NUMBER(jt_get_int(object, key)));
}

void jt_table_text(struct jt_table *t, const json_t *object, const char *key)
{
	jt_table_cell(t, "%s", jt_get_text(object, key));
}

void jt_table_time(struct jt_table *t, const json_t *object, const char *key)
{
	int64_t ns = jt_get_int(object, key);

	jt_table_cell(t, "%s", ns ? JT_TIME(ns) : "-");
}

void jt_table_list(struct jt_table *t, const json_t *object, const char *key)
{
	const json_t *list = json_object_get(object, key), *item;
	char *text = NULL;
	size_t size, i;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		abort();
	json_array_foreach(list, i, item) {
		fputs(i ? " " : "", f);
		if (json_is_integer(item))
			fprintf(f, "%" JSON_INTEGER_FORMAT, json_integer_value(item));
		else
			fputs(json_string_value(item), f);
	}
	if (fclose(f))
		abort();
	jt_table_cell(t, "%s", *text ? text : "-");
	free(text);
}

static void table_measure(const struct jt_table *t, int *widths)
{
	size_t i;
	int width;

	for (i = 0; i < t->columns; i++)
		widths[i] = (int)strlen(t->heads[i]) - (*t->heads[i] == '>');
	for (i = 0; i < t->used; i++) {
		width = (int)strlen(t->cells[i]);
		if (width > widths[i % t->columns])
			widths[i % t->columns] = width;
	}
}

static void table_row(const struct jt_table *t, FILE *to, int indent, char *const *cells,
		      const int *widths)
{
	size_t i;
	int width;

	fprintf(to, "%*s", indent, "");
	for (i = 0; i < t->columns; i++) {
		width = widths[i];
		if (*t->heads[i] != '>') /* the last column ends where its text does */
			width = i + 1 < t->columns ? -width : 0;
		fprintf(to, "%s%*s", i ? "  " : "", width, cells[i]);
	}
	fputc('\n', to);
}

void jt_table_print(struct jt_table *t, FILE *to, int indent)
{
	int *widths = calloc(t->columns, sizeof(*widths));
	char **heads = calloc(t->columns, sizeof(*heads));
	size_t i;

	if (!widths || !heads)
		abort();
	table_measure(t, widths);
	for (i = 0; i < t->columns; i++)
		heads[i] = (char *)t->heads[i] + (*t->heads[i] == '>');
	table_row(t, to, indent, heads, widths);
	for (i = 0; i + t->columns <= t->used; i += t->columns)
		table_row(t, to, indent, t->cells + i, widths);
	for (i = 0; i < t->used; i++)
		free(t->cells[i]);
	free(t->cells);
	t->cells = NULL;
	t->used = 0;
	free(heads);
	free(widths);
}

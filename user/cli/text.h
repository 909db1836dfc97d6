/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Text for people: numbers with units, tables sized to what they hold, JSON's values. */
#ifndef JITNEY_TEXT_H
#define JITNEY_TEXT_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#define JT_TEXT_SIZE 48

/* Each returns @out: "1,234,567", "1.5 ms", "256 KiB". */
const char *jt_text_number(char out[JT_TEXT_SIZE], int64_t n);
const char *jt_text_time(char out[JT_TEXT_SIZE], int64_t ns);
const char *jt_text_size(char out[JT_TEXT_SIZE], int64_t bytes);
const char *jt_text_ratio(char out[JT_TEXT_SIZE], double a, double b);

/* The same into memory that lives as long as the block they stand in. */
#define JT_NUMBER(n) jt_text_number((char[JT_TEXT_SIZE]){ 0 }, n)
#define JT_TIME(ns) jt_text_time((char[JT_TEXT_SIZE]){ 0 }, ns)
#define JT_SIZE(bytes) jt_text_size((char[JT_TEXT_SIZE]){ 0 }, bytes)
#define JT_RATIO(a, b) jt_text_ratio((char[JT_TEXT_SIZE]){ 0 }, (double)(a), (double)(b))

/* Members of an object; what is missing or null reads as 0, false or "-". */
int64_t jt_get_int(const json_t *object, const char *key);
double jt_get_real(const json_t *object, const char *key);
int jt_get_true(const json_t *object, const char *key);
const char *jt_get_text(const json_t *object, const char *key);
/* A number that may be written as text, as in "0x88b5". */
int64_t jt_get_coded(const json_t *object, const char *key);

/*
 * A table: a heading and cells, row by row. Columns whose heading begins with
 * '>' are flushed right. A failed allocation ends the program.
 */
struct jt_table {
	const char *const *heads;
	size_t columns;
	char **cells;
	size_t used;
};

#define JT_TABLE(heads_)                                                           \
	{                                                                          \
		.heads = (heads_), .columns = sizeof(heads_) / sizeof((heads_)[0]) \
	}

void jt_table_cell(struct jt_table *t, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Append the member of @object that a column's key names, as a number. */
void jt_table_number(struct jt_table *t, const json_t *object, const char *key);
void jt_table_text(struct jt_table *t, const json_t *object, const char *key);
void jt_table_time(struct jt_table *t, const json_t *object, const char *key);
/* Append an array of strings, or "-". */
void jt_table_list(struct jt_table *t, const json_t *object, const char *key);

/* Print it behind @indent blanks, and free its cells. */
void jt_table_print(struct jt_table *t, FILE *to, int indent);

#endif

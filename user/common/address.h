/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* MAC, IPv4 and IPv6 addresses as keys of the map `addresses`, and as text. */
#ifndef JITNEY_ADDRESS_H
#define JITNEY_ADDRESS_H

#include <jitney/hello.h>

#define JT_ADDRESS_TEXT 48

/* Build a key. @bytes: jt_address_size() bytes, network order. */
struct jt_address jt_address_make(uint16_t family, uint16_t scope, const void *bytes);

/* Read text. Return: 0, or -EINVAL with *out untouched. */
int jt_address_parse(const char *text, uint16_t scope, struct jt_address *out);

/* Return: @text, filled. */
const char *jt_address_print(const struct jt_address *a, char text[JT_ADDRESS_TEXT]);

#endif

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <net/ethernet.h>
#include <netinet/ether.h>
#include <stdio.h>

#include "common/address.h"

struct jt_address jt_address_make(uint16_t family, uint16_t scope, const void *bytes)
{
	struct jt_address a = { .family = family, .scope = scope };

	memcpy(a.bytes, bytes, jt_address_size(family));
	return a;
}

int jt_address_parse(const char *text, uint16_t scope, struct jt_address *out)
{
	struct ether_addr mac;
	struct in6_addr ip6;
	struct in_addr ip4;

	if (inet_pton(AF_INET, text, &ip4) == 1)
		*out = jt_address_make(JT_FAMILY_IPV4, scope, &ip4);
	else if (inet_pton(AF_INET6, text, &ip6) == 1)
		*out = jt_address_make(JT_FAMILY_IPV6, scope, &ip6);
	else if (ether_aton_r(text, &mac))
		*out = jt_address_make(JT_FAMILY_MAC, scope, &mac);
	else
		return -EINVAL;
	return 0;
}

const char *jt_address_print(const struct jt_address *a, char text[JT_ADDRESS_TEXT])
{
	const uint8_t *b = a->bytes;

	if (a->family == JT_FAMILY_MAC)
		snprintf(text, JT_ADDRESS_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2],
			 b[3], b[4], b[5]);
	else if (!inet_ntop(a->family == JT_FAMILY_IPV4 ? AF_INET : AF_INET6, b, text,
			    JT_ADDRESS_TEXT))
		snprintf(text, JT_ADDRESS_TEXT, "?");
	return text;
}

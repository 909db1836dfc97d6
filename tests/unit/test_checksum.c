// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Checksums that are made while a payload is copied. */
#include "unit.h"
#include <arpa/inet.h>
#include <stdlib.h>
#include "common/checksum.h"

/* RFC 1071 by the book: two bytes at a time. */
static uint16_t plain_check(const uint8_t *p, size_t n, uint32_t sum)
{
	for (; n > 1; p += 2, n -= 2)
		sum += (uint32_t)(p[0] << 8 | p[1]);
	if (n)
		sum += (uint32_t)p[0] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum & 0xffff;
	return htons(sum ? (uint16_t)sum : 0xffff);
}

static void test_checksum(void **state)
{
	uint8_t from[600], to[600];
	const uint8_t fixed[] = { 10, 0, 0, 1, 10, 0, 0, 2, 0, 17, 0x1f, 0x90, 0xff, 0xff };
	uint64_t sum, words = 0;
	uint16_t word;
	size_t n, i;

	(void)state;
	for (i = 0; i < sizeof(fixed); i += 2) {
		memcpy(&word, fixed + i, 2);
		words += word;
	}
	for (n = 0; n < sizeof(from); n++) {
		uint8_t packet[sizeof(fixed) + 4 + sizeof(from)];
		const uint8_t lengths[] = { (uint8_t)((n + 8) >> 8), (uint8_t)(n + 8) };

		for (i = 0; i < n; i++)
			from[i] = n % 3 ? (uint8_t)random() : 0xff;
		memset(to, 0xaa, sizeof(to));
		sum = jt_copy_sum(to, from, n);
		assert_memory_equal(to, from, n);
		assert_true(n == sizeof(from) || to[n] == 0xaa);
		memcpy(packet, fixed, sizeof(fixed));
		memcpy(packet + sizeof(fixed), lengths, 2);
		memcpy(packet + sizeof(fixed) + 2, lengths, 2);
		memcpy(packet + sizeof(fixed) + 4, from, n);
		assert_int_equal(jt_udp_check(words, sum, n),
				 plain_check(packet, sizeof(fixed) + 4 + n, 0));
	}
	/* A sum of 0xffff would make zero, which means that there is none. */
	assert_int_equal(jt_udp_check(0, jt_sum_add(0xffff, 0) - 2U * htons(8), 0), 0xffff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_checksum),
	};

	return RUN(tests);
}

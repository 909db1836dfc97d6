/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Frames for tests, built byte by byte: see docs/wire-format.md. */
#ifndef TESTS_FRAME_H
#define TESTS_FRAME_H

#include "packet.h"

struct frame {
	__u32 length;
	__u8 bytes[4096];
};

static TEST_UNUSED void frame_bytes(struct frame *f, const void *bytes, __u32 length)
{
	memcpy(f->bytes + f->length, bytes, length);
	f->length += length;
}

static TEST_UNUSED void frame_record(struct frame *f, __u32 number, __u32 length, __u32 tail,
				     const void *bytes)
{
	__u8 head[4];

	put16(head, number << 11 | length);
	put16(head + 2, tail);
	frame_bytes(f, head, 4);
	frame_bytes(f, bytes, length);
	memset(f->bytes + f->length, 0, 4);
	f->length = (f->length + 3) & ~3U;
}

static TEST_UNUSED void frame_template(struct frame *f, __u32 number, const void *bytes,
				       __u32 length)
{
	frame_record(f, 31, length, number << 8, bytes);
}

static TEST_UNUSED void frame_padding(struct frame *f, __u32 length)
{
	__u8 bytes[2048];

	memset(bytes, 0xa5, sizeof(bytes));
	frame_record(f, 31, length, 255 << 8, bytes);
}

/*
 * A template's bytes. @kind, @flags, @tos and @ttl as on the wire; addresses
 * of guests 1 and 2. Return: how many.
 */
static TEST_UNUSED __u32 template_bytes(__u8 *at, __u8 kind, __u8 flags, __u8 tos, __u8 ttl)
{
	__u8 *start = at;

	at[0] = kind;
	at[1] = flags;
	at[2] = tos;
	at[3] = ttl;
	packet_mac(at + 4, 2, 2);
	packet_mac(at + 10, 1, 1);
	at += 16;
	put16(at, kind == 3 ? 0x0800 : 4000);
	put16(at + 2, kind == 3 ? 0 : 5000);
	at += 4;
	if (kind == 1) {
		packet_address(at, 4, 1, 1);
		packet_address(at + 4, 4, 2, 2);
		at += 8;
	} else if (kind == 2) {
		put32(at, 0x12345);
		packet_address(at + 4, 6, 1, 1);
		packet_address(at + 20, 6, 2, 2);
		at += 36;
	}
	if (flags & 1) {
		put32(at, 0x00070000);
		at += 4;
	}
	return (__u32)(at - start);
}

/* A guest frame of guest 1 with these records, as many as its header says. */
static TEST_UNUSED void frame_guest(struct frame *f, const struct frame *records, __u32 templates,
				    __u32 messages)
{
	memset(f->bytes, 0, 26);
	packet_mac(f->bytes, 1, 1);
	packet_mac(f->bytes + 6, 1, 1);
	put16(f->bytes + 12, 0x88b5);
	f->bytes[14] = 0x13;
	put16(f->bytes + 16, records->length);
	put32(f->bytes + 18, messages);
	put16(f->bytes + 22, templates);
	f->length = 26;
	frame_bytes(f, records->bytes, records->length);
}

/* A guest frame of one template and @n messages of @length bytes. */
static TEST_UNUSED void frame_of_messages(struct frame *f, __u8 kind, __u32 n, __u32 length)
{
	struct frame records = {};
	__u8 bytes[2048];
	__u32 i;

	frame_template(&records, 1, bytes, template_bytes(bytes, kind, 0, 0, 64));
	for (i = 0; i < n; i++) {
		memset(bytes, (int)i + 1, length);
		frame_record(&records, 1, length, 0x1234, bytes);
	}
	frame_guest(f, &records, 1, n);
}

#endif

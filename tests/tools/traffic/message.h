/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The messages of jt-traffic.
 *
 * Message k of a flow is a function of the flow's specification and of k: its
 * size and every byte, but for the time of sending. A receiver that knows the
 * specification replays the sender, so it can check every byte and the order,
 * also of messages too short for a header, down to those of 0 bytes.
 *
 *   offset 0   tag       64 bits of k's hash: tells short messages apart
 *          8   time      low 48 bits of CLOCK_MONOTONIC ns, then 16 bits that
 *                        prove them; from 16 bytes on
 *          16  sequence  k; from 24 bytes on
 *          24  seal      64-bit hash over flow, k, length and time; from 32 on
 *          32  magic, flow, length; from 40 bytes on
 *          40  payload   pseudo-random words seeded by flow and k
 *
 * Fields that do not fit are pseudo-random words, too. Host order.
 *
 * Control messages open and close a flow and acknowledge: see struct control.
 */
#ifndef TRAFFIC_MESSAGE_H
#define TRAFFIC_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#define MESSAGE_MAX 8972 /* fits an MTU of 9000 */
#define MESSAGE_MAGIC 0x4a544d31U
#define CONTROL_MAGIC 0x6a742d636f6e7472ULL

#define TIME_FROM 16
#define SEQUENCE_FROM 24
#define SEAL_FROM 32
#define MAGIC_FROM 40
#define TIME_MASK 0xffffffffffffULL

/* What both ends must know of a flow. */
struct spec {
	uint64_t seed;
	uint32_t flow;
	uint32_t size_min;
	uint32_t size_max;
};

enum control_op {
	CONTROL_OPEN = 1, /* sender: this is the flow; answered by OPENED */
	CONTROL_OPENED,
	CONTROL_SYNC,	/* sender: acknowledge now; answered by ACK */
	CONTROL_ACK,	/* receiver: `count` is the next message expected */
	CONTROL_CLOSE,	/* sender: `count` were sent; answered by CLOSED */
	CONTROL_CLOSED, /* receiver: `count` arrived */
};

/* Sent as it is in memory; `seal` proves that it arrived unaltered. */
struct control {
	uint64_t magic;
	uint32_t op;
	uint32_t session; /* drawn by the sender; another one is another flow */
	struct spec spec;
	uint32_t padding;
	uint64_t count;
	uint32_t ack_every; /* receiver: send an ACK after so many messages; 0: none */
	uint32_t ack_size;  /* bytes of an ACK at least */
	int32_t tos;	    /* as the sender sends it */
	int32_t ttl;
	uint64_t seal;
};

static inline uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

/* The finalizer of splitmix64. */
static inline uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static inline uint64_t message_key(const struct spec *s, uint64_t k)
{
	return mix(mix(s->seed + 0x9e3779b97f4a7c15ULL * (s->flow + 1ULL)) + k);
}

static inline uint32_t message_size(const struct spec *s, uint64_t k)
{
	uint32_t span = s->size_max - s->size_min + 1;

	return s->size_min + (span > 1 ? (uint32_t)(mix(~message_key(s, k)) % span) : 0);
}

static inline uint64_t message_time_word(uint64_t key, uint64_t time)
{
	time &= TIME_MASK;
	return time | mix(key ^ time) << 48;
}

/* Fields that fit into @size bytes; @at has room for all of them. */
static inline void message_fields(const struct spec *s, uint64_t k, uint32_t size, uint64_t time,
				  uint8_t *at)
{
	struct {
		uint32_t magic;
		uint16_t flow;
		uint16_t length;
	} last = { MESSAGE_MAGIC, (uint16_t)s->flow, (uint16_t)size };
	uint64_t key = message_key(s, k);
	uint64_t word = message_time_word(key, time);

	if (size >= TIME_FROM)
		memcpy(at + 8, &word, 8);
	if (size >= SEQUENCE_FROM)
		memcpy(at + 16, &k, 8);
	word = mix(mix(key + size) ^ word);
	if (size >= SEAL_FROM)
		memcpy(at + 24, &word, 8);
	if (size >= MAGIC_FROM)
		memcpy(at + 32, &last, 8);
}

/*
 * message_fill() - Write message k
 * @at:	room for MESSAGE_MAX + 8 bytes
 *
 * Return: its size.
 */
static inline uint32_t message_fill(const struct spec *s, uint64_t k, uint64_t time, uint8_t *at)
{
	uint64_t word, key = message_key(s, k);
	uint32_t i, size = message_size(s, k);

	for (i = 0; i < size; i += 8) {
		word = mix(key + i * 0x9e3779b97f4a7c15ULL);
		memcpy(at + i, &word, 8);
	}
	message_fields(s, k, size, time, at);
	return size;
}

/* Return: the time in a message of TIME_FROM bytes or more, as it stands. */
static inline uint64_t message_time(const uint8_t *at)
{
	uint64_t word;

	memcpy(&word, at + 8, 8);
	return word & TIME_MASK;
}

/* True if these bytes are message k, unaltered. */
static inline bool message_is(const struct spec *s, uint64_t k, const uint8_t *bytes, uint32_t size)
{
	uint8_t want[MESSAGE_MAX + 8];
	uint64_t tag = mix(message_key(s, k));

	if (message_size(s, k) != size || memcmp(&tag, bytes, size < 8 ? size : 8))
		return false;
	message_fill(s, k, size >= TIME_FROM ? message_time(bytes) : 0, want);
	return !memcmp(want, bytes, size);
}

static inline uint64_t control_seal(const struct control *c)
{
	uint64_t word, seal = CONTROL_MAGIC;
	size_t i;

	for (i = 0; i < offsetof(struct control, seal); i += 8) {
		memcpy(&word, (const uint8_t *)c + i, 8);
		seal = mix(seal ^ word);
	}
	return seal;
}

/* True if the datagram is a control message; it is copied to @out. */
static inline bool control_parse(const uint8_t *bytes, size_t size, struct control *out)
{
	if (size < sizeof(*out))
		return false;
	memcpy(out, bytes, sizeof(*out));
	return out->magic == CONTROL_MAGIC && out->seal == control_seal(out);
}

#endif

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A helper that is an enemy: it attaches as any other, and then writes into its
 * slice what it likes, whenever it likes, to get a message out in another guest's
 * name, to make the controller fail or to make others wait. One thread writes
 * records and calls, sound ones and forged ones; the other changes them while they are
 * read: the source of every template in turn its own and the victim's, and now
 * and then any byte of all that it can reach. When it is cut off it comes again.
 */
#include <argp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>

#include "common/attach.h"

#define RING 65536U

enum key { KEY_OWN = 256, KEY_VICTIM, KEY_DEST, KEY_MAC, KEY_SECONDS };

static const struct argp_option table[] = {
	{ "socket", 's', "PATH", 0, "the controller's", 0 },
	{ "own", KEY_OWN, "IP", 0, "this guest's address", 0 },
	{ "victim", KEY_VICTIM, "IP", 0, "the address that it would like to send from", 0 },
	{ "dest", KEY_DEST, "IP", 0, "where to", 0 },
	{ "dest-mac", KEY_MAC, "MAC", 0, "of where to", 0 },
	{ "seconds", KEY_SECONDS, "S", 0, "end after so long", 0 },
	{ 0 },
};

static struct {
	const char *socket;
	struct in_addr own, victim, dest;
	uint8_t dest_mac[6];
	int seconds;
} options = { .seconds = 5 };

static struct attached at;
static uint8_t *memory; /* of the slice */
static uint64_t head;	/* of its send ring */
static uint64_t call_head;
static bool stop;
static uint64_t attached, records, calls, forged;

static uint64_t draw(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Return: false: it was cut off just now, and must wait. */
static bool come(void)
{
	if (attach(&at, options.socket, "/proc/self/ns/net", RING))
		return false;
	memory = (uint8_t *)at.slice;
	head = call_head = 0;
	attached++;
	return true;
}

static void detach(void)
{
	int i;

	munmap(memory, at.size);
	for (i = 0; i <= JT_FD_CYCLE; i++)
		close(at.fds[i]);
	close(at.connection);
}

static void put(uint16_t kind, uint16_t number, const void *body, uint16_t length)
{
	uint8_t *ring = memory + jt_slice_send_offset();
	struct jt_slice_record r = { kind, length, number, 0 }, over = { .kind = JT_SLICE_SKIP };
	uint64_t place = head & (RING - 1), span = jt_slice_span(length);

	if (RING - place < span) {
		memcpy(ring + place, &over, sizeof(over));
		head += RING - place;
		place = 0;
	}
	memcpy(ring + place, &r, sizeof(r));
	memcpy(ring + place + sizeof(r), body, length);
	head += span;
	JT_WRITE(at.slice->send_head, head);
	records++;
}

/* Own, or the victim's, or one bit of anything turned. */
static struct jt_template template_draw(uint64_t r)
{
	struct jt_template t = { .kind = JT_TEMPLATE_UDP4, .flags = JT_TEMPLATE_DF, .ttl = 64 };

	memcpy(t.dest_mac, options.dest_mac, 6);
	memcpy(t.source_mac, at.mac, 6);
	t.u.udp4.source = r % 4 ? options.own.s_addr : options.victim.s_addr;
	t.u.udp4.dest = options.dest.s_addr;
	t.u.udp4.source_port = htons(666);
	t.u.udp4.dest_port = htons(7000);
	if (r % 4 == 0)
		forged++;
	if (r % 4096 == 1)
		((uint8_t *)&t)[(r >> 20) % sizeof(t)] ^= (uint8_t)(1 << (r >> 30) % 8);
	return t;
}

static void put_template(uint64_t r)
{
	struct jt_template t = template_draw(r);

	put(JT_SLICE_TEMPLATE, (uint16_t)(r >> 40) % 8, &t, sizeof(t));
}

/* Of routines that there are and others, with arguments that can be and others; as many as it likes. */
static void put_call(uint64_t r)
{
	struct jt_request q = { .routine = (uint32_t)(r >> 3) % (JT_ROUTINE_COUNT + 2),
				.u.arguments = { (r >> 16) % 70000, (r >> 40) % 3000 } };

	if (q.routine == JT_ROUTINE_template) {
		q.u.template.number = (r >> 40) % 9;
		q.u.template.template = template_draw(r >> 7);
	}
	if (call_head - JT_READ(at.slice->call_tail) >= JT_REQUESTS && r >> 54)
		return;
	jt_slice_request(memory, call_head)->request = q;
	JT_WRITE(at.slice->call_head, ++call_head);
	calls++;
}

/* Changes what lies in the ring, while the controller reads it. */
static void *flip(void *arg)
{
	uint64_t seed = 88172645463325252ULL, r;
	uint32_t own = options.own.s_addr, victim = options.victim.s_addr, word;
	size_t i;

	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		for (i = JT_SLICE_HEADER; i < JT_SLICE_HEADER + RING; i += 4) {
			word = __atomic_load_n((uint32_t *)(memory + i), __ATOMIC_RELAXED);
			if (word == own || word == victim)
				__atomic_store_n((uint32_t *)(memory + i),
						 word == own ? victim : own, __ATOMIC_RELAXED);
		}
		r = draw(&seed);
		if (r % 512 == 0)
			memory[(r >> 16) % at.size] = (uint8_t)(r >> 56);
	}
	return NULL;
}

static bool cut_off(void)
{
	char byte;

	return recv(at.connection, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

static void write_for_a_while(uint64_t *seed)
{
	uint8_t payload[600] = { 0 };
	uint64_t r;
	int i;

	for (i = 0; i < 200 && !cut_off(); i++) {
		r = draw(seed);
		if (r % 4 == 1)
			put_call(r >> 2);
		if (r % 8 == 0)
			put_template(r >> 3);
		else
			put(JT_SLICE_MESSAGE, (uint16_t)(r >> 40) % 8, payload,
			    (uint16_t)((r >> 8) % sizeof(payload)));
		if (r % 64 == 0)
			eventfd_write(at.fds[JT_FD_DOORBELL], 1);
		if (r % 16 == 0)
			usleep(100);
	}
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	unsigned int b[6], i;

	switch (key) {
	case 's':
		options.socket = arg;
		return 0;
	case KEY_OWN:
		return inet_aton(arg, &options.own) ? 0 : EINVAL;
	case KEY_VICTIM:
		return inet_aton(arg, &options.victim) ? 0 : EINVAL;
	case KEY_DEST:
		return inet_aton(arg, &options.dest) ? 0 : EINVAL;
	case KEY_SECONDS:
		options.seconds = atoi(arg);
		return 0;
	case KEY_MAC:
		if (sscanf(arg, "%x:%x:%x:%x:%x:%x", b, b + 1, b + 2, b + 3, b + 4, b + 5) != 6)
			return EINVAL;
		for (i = 0; i < 6; i++)
			options.dest_mac[i] = (uint8_t)b[i];
		return 0;
	case ARGP_KEY_END:
		if (!options.socket)
			argp_usage(state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

int main(int argc, char **argv)
{
	const struct argp argp = { table, parse, NULL, "A helper that is an enemy.",
				   NULL,  NULL,	 NULL };
	uint64_t seed = 2463534242ULL, end;
	pthread_t thread;
	int i;

	if (argp_parse(&argp, argc, argv, 0, NULL, NULL))
		return 2;
	signal(SIGPIPE, SIG_IGN);
	end = jt_env_now() + (uint64_t)options.seconds * 1000000000;
	while (jt_env_now() < end) {
		if (!come()) {
			usleep(20000);
			continue;
		}
		stop = false;
		if (pthread_create(&thread, NULL, flip, NULL))
			failed("start a thread");
		for (i = 0; i < 8; i++)
			put_template((uint64_t)i << 40 | 2);
		while (jt_env_now() < end && !cut_off())
			write_for_a_while(&seed);
		__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
		pthread_join(thread, NULL);
		detach();
	}
	printf("{\"attached\": %llu, \"records\": %llu, \"calls\": %llu, \"forged\": %llu}\n",
	       (unsigned long long)attached, (unsigned long long)records, (unsigned long long)calls,
	       (unsigned long long)forged);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Several writers, each with its own view, against one page, and one drainer
 * that plays the controller. Every message arrives once, unaltered, and in
 * order within its flow. Built with ThreadSanitizer (and without: see README).
 *
 * ThreadSanitizer does not look into jt_template_find(), which compares bytes
 * as a reader of a seqlock does; see there.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include "../common/fixture.h"

#define WRITERS 4
#define FLOWS 6 /* of a writer */
#define PEERS FIXTURE_PEERS
#define START 24ULL

struct writer {
	pthread_t thread;
	struct jt_page page;
	struct jt_flow flows[FLOWS];
	__u32 next[FLOWS];
	__u32 id;
	__u64 full;
	__u64 contended;
};

static struct fixture fixture;
static struct writer writers[WRITERS];
static __u32 seen[WRITERS][FLOWS];
static __u64 received, frames, opened_empty;
static __u32 messages_per_writer = 60000;
static int running = WRITERS;

#define CHECK(cond)                                                                          \
	do {                                                                                 \
		if (!(cond)) {                                                               \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #cond); \
			abort();                                                             \
		}                                                                            \
	} while (0)

static struct packet_spec flow_spec(__u32 writer, __u32 flow, __u32 sequence)
{
	return (struct packet_spec){
		.family = flow & 1 ? 6 : 4,
		.from = (__u8)(writer + 1),
		.to = (__u8)(100 + flow % PEERS),
		.source_port = (__u16)(1000 + writer * FLOWS + flow),
		.vlan = flow == 2,
		.check = CHECK_PARTIAL,
		.length = (__u16)(8 + (sequence * 7 + flow * 13) % 120),
		.seed = (__u8)(sequence + writer),
	};
}

static void message_make(struct packet *p, __u32 writer, __u32 flow, __u32 sequence, bool expect)
{
	struct packet_spec s = flow_spec(writer, flow, sequence);
	__u8 *payload, *udp, *ip = p->bytes + (s.vlan ? 18 : 14);

	packet_make(p, &s);
	payload = p->bytes + p->length - s.length;
	put16(payload, writer);
	put16(payload + 2, flow);
	put32(payload + 4, sequence);
	udp = payload - 8;
	packet_udp_check(ip, udp, 8U + s.length, expect ? CHECK_FULL : CHECK_PARTIAL);
}

static void write_one(struct writer *w, __u32 flow)
{
	struct packet p;
	int reason;

	message_make(&p, w->id, flow, w->next[flow], false);
	for (;;) {
		reason = page_board(&w->page, p.bytes, p.length, &w->flows[flow],
				    &fixture.peers[flow % PEERS], flow % PEERS);
		if (!reason)
			break;
		CHECK(reason == JT_REASON_PAGE_FULL || reason == JT_REASON_CONTENDED);
		w->full += reason == JT_REASON_PAGE_FULL;
		w->contended += reason == JT_REASON_CONTENDED;
		sched_yield();
	}
	w->next[flow]++;
}

static void *writer_run(void *arg)
{
	struct writer *w = arg;
	__u32 i, seed = w->id + 1;

	for (i = 0; i < messages_per_writer; i++)
		write_one(w, test_random(&seed) % FLOWS);
	__atomic_sub_fetch(&running, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void check_message(const struct jt_found *m, __u32 peer)
{
	__u32 writer = get16(m->payload), flow = get16(m->payload + 2), sequence;
	struct packet got, want;

	CHECK(m->length >= 8 && writer < WRITERS && flow < FLOWS);
	CHECK(flow % PEERS == peer);
	sequence = get16(m->payload + 4) << 16 | get16(m->payload + 6);
	CHECK(sequence == seen[writer][flow]);
	seen[writer][flow]++;
	message_make(&want, writer, flow, sequence, true);
	packet_rebuild(&got, m, 0);
	CHECK(got.length == want.length && !memcmp(got.bytes, want.bytes, want.length));
	received++;
}

static void drain_extent(struct jt_page *page, __u64 epoch, __u64 number)
{
	struct jt_extent *x = jt_page_extent(page, number);
	__u8 *frame = jt_page_frame(page, number);
	__u64 word = jt_extent_seal(x, (__u32)epoch);
	__u32 reserved = jt_extent_reserved(word, FIXTURE_HEAD), found = 0;
	struct jt_found m;
	struct jt_walk walk;
	int err;

	while (!jt_extent_settled(x, word, FIXTURE_HEAD))
		sched_yield();
	jt_walk_init(&walk, frame + FIXTURE_HEAD, reserved);
	while ((err = jt_walk_next(&walk, &m)) > 0) {
		check_message(&m, JT_EXTENT_PEER(word));
		found++;
	}
	CHECK(err == 0);
	CHECK(found == JT_COMMITTED_MESSAGES(JT_READ(x->committed)));
	CHECK(jt_extent_salvage(frame, FIXTURE_HEAD, FIXTURE_HEAD + reserved,
				JT_READ(x->committed)) == FIXTURE_HEAD + reserved);
	frames += !!reserved;
	opened_empty += !reserved;
	jt_extent_wipe(x, frame, word);
}

static void drain(struct jt_page *page, __u64 epoch)
{
	__u64 first = epoch % page->geometry.banks * page->geometry.extents;
	__u32 i, taken = jt_bank_close(page, epoch);

	for (i = 0; i < taken; i++)
		drain_extent(page, epoch, first + i);
	jt_bank_renew(page, epoch);
}

/* Drain banks in the order of their epochs; step when nobody else does. */
static void *drainer_run(void *arg)
{
	struct jt_page page = fixture.page;
	__u64 drained = START, epoch, idle = 0;
	bool last = false;

	(void)arg;
	for (;;) {
		epoch = JT_READ(page.control->epoch);
		if (drained < epoch) {
			drain(&page, drained++);
			continue;
		}
		if (last)
			return NULL;
		last = !__atomic_load_n(&running, __ATOMIC_ACQUIRE);
		if (last || ++idle % 16 == 0)
			CHECK(jt_page_step(&page, epoch) == JT_PAGE_OK);
		else
			sched_yield();
	}
}

int main(int argc, char **argv)
{
	__u64 full = 0, contended = 0, sent = 0;
	pthread_t drainer;
	__u32 i, j;

	if (argc > 1)
		messages_per_writer = (__u32)strtoul(argv[1], NULL, 10);
	fixture_init(&fixture, 3, 24, START);
	pthread_create(&drainer, NULL, drainer_run, NULL);
	for (i = 0; i < WRITERS; i++) {
		writers[i].id = i;
		writers[i].page = fixture.page;
		pthread_create(&writers[i].thread, NULL, writer_run, &writers[i]);
	}
	for (i = 0; i < WRITERS; i++)
		pthread_join(writers[i].thread, NULL);
	pthread_join(drainer, NULL);
	for (i = 0; i < WRITERS; i++) {
		full += writers[i].full;
		contended += writers[i].contended;
		for (j = 0; j < FLOWS; j++) {
			CHECK(seen[i][j] == writers[i].next[j]);
			sent += writers[i].next[j];
		}
	}
	CHECK(sent == received && sent == (__u64)WRITERS * messages_per_writer);
	printf("%llu messages in %llu frames, %llu swaps; page full %llu, contended %llu, "
	       "empty extents %llu\n",
	       received, frames, fixture.page.control->epoch - START, full, contended,
	       opened_empty);
	fixture_free(&fixture);
	return 0;
}

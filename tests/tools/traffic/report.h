/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What `jt-traffic recv` found, as one line of JSON. */
#ifndef TRAFFIC_REPORT_H
#define TRAFFIC_REPORT_H

#include "receive.h"

/* Sums over flows; `received` counts different messages that were unaltered. */
struct totals {
	uint64_t sent, messages, received, lost, altered, out_of_order, duplicated, unplaced;
	uint64_t tos_wrong, ttl_wrong, open;
};

static struct totals flow_totals(const struct flow_in *f)
{
	const struct ledger *l = &f->ledger;
	uint64_t sent = f->closing ? f->sent : l->next;

	return (struct totals){
		.sent = sent,
		.messages = f->messages,
		.received = l->arrived,
		.lost = ledger_lost(l, sent),
		.altered = l->altered,
		.out_of_order = l->out_of_order,
		/* Copies of empty messages look like later ones. */
		.duplicated = l->duplicated + (l->arrived > sent ? l->arrived - sent : 0),
		.unplaced = l->unplaced,
		.tos_wrong = f->tos_wrong,
		.ttl_wrong = f->ttl_wrong,
		.open = !f->closing,
	};
}

static void totals_add(struct totals *a, const struct totals *b)
{
	const uint64_t *from = (const uint64_t *)b;
	uint64_t *to = (uint64_t *)a;
	size_t i;

	for (i = 0; i < sizeof(*a) / sizeof(*to); i++)
		to[i] += from[i];
}

static void totals_print(const struct totals *t)
{
	printf("\"sent\":%llu,\"messages\":%llu,\"received\":%llu,\"lost\":%llu,\"altered\":%llu,"
	       "\"out_of_order\":%llu,\"duplicated\":%llu,\"unplaced\":%llu,\"tos_wrong\":%llu,"
	       "\"ttl_wrong\":%llu",
	       (unsigned long long)t->sent, (unsigned long long)t->messages,
	       (unsigned long long)t->received, (unsigned long long)t->lost,
	       (unsigned long long)t->altered, (unsigned long long)t->out_of_order,
	       (unsigned long long)t->duplicated, (unsigned long long)t->unplaced,
	       (unsigned long long)t->tos_wrong, (unsigned long long)t->ttl_wrong);
}

static void flow_print(const struct flow_in *f, bool first)
{
	const struct in6_addr *a = &f->from.sin6_addr;
	char text[INET6_ADDRSTRLEN] = "?";
	struct totals t = flow_totals(f);

	if (IN6_IS_ADDR_V4MAPPED(a))
		inet_ntop(AF_INET, &a->s6_addr[12], text, sizeof(text));
	else
		inet_ntop(AF_INET6, a, text, sizeof(text));
	printf("%s{\"flow\":%u,\"from\":\"%s\",\"source_port\":%u,\"port\":%u,\"closed\":%s,",
	       first ? "" : ",", f->open.spec.flow, text, ntohs(f->from.sin6_port), f->port,
	       f->closed ? "true" : "false");
	totals_print(&t);
	printf("}");
}

static void latency_print(const struct latency *l)
{
	printf("\"latency_ns\":{\"count\":%llu,\"min\":%llu,\"mean\":%llu,\"p50\":%llu,\"p99\":%llu,"
	       "\"p999\":%llu,\"max\":%llu}",
	       (unsigned long long)l->total, (unsigned long long)l->min_ns,
	       (unsigned long long)(l->total ? l->sum_ns / l->total : 0),
	       (unsigned long long)latency_percentile(l, 0.5),
	       (unsigned long long)latency_percentile(l, 0.99),
	       (unsigned long long)latency_percentile(l, 0.999), (unsigned long long)l->max_ns);
}

/* Return: true if all came, once, in order and unaltered. */
static bool receiver_report(const struct receiver *r)
{
	struct kernel_counters after = counters_read();
	double seconds = (double)(r->last_ns - r->first_ns) / 1e9;
	struct totals sum = { 0 }, t;
	bool first = true, good;
	uint32_t i;

	for (i = 0; i < 2 * FLOWS_MAX; i++)
		if (r->flows[i].used) {
			t = flow_totals(&r->flows[i]);
			totals_add(&sum, &t);
		}
	good = !sum.lost && !sum.altered && !sum.out_of_order && !sum.duplicated && !sum.unplaced &&
	       !sum.tos_wrong && !sum.ttl_wrong && !sum.open && r->flow_count &&
	       r->closed_count >= r->o->flows && after.bad_checksum == r->before.bad_checksum;
	printf("{");
	helper_report(r->j);
	printf("\"ok\":%s,\"flow_count\":%u,\"closed\":%u,", good ? "true" : "false", r->flow_count,
	       r->closed_count);
	totals_print(&sum);
	printf(",\"datagrams\":%llu,\"strays\":%llu,\"bad_checksum\":%llu,\"buffer_full\":%llu,"
	       "\"seconds\":%.6f,\"messages_per_s\":%.0f,",
	       (unsigned long long)r->datagrams, (unsigned long long)r->strays,
	       (unsigned long long)(after.bad_checksum - r->before.bad_checksum),
	       (unsigned long long)(after.buffer_full - r->before.buffer_full), seconds,
	       seconds > 0 ? (double)sum.messages / seconds : 0);
	latency_print(&r->latency);
	printf(",\"flows\":[");
	for (i = 0; i < 2 * FLOWS_MAX; i++)
		if (r->flows[i].used) {
			flow_print(&r->flows[i], first);
			first = false;
		}
	printf("]}\n");
	return good;
}

/* Return: exit status. */
static int receive_main(const struct options *o, volatile bool *stop)
{
	struct receiver *r = calloc(1, sizeof(*r));
	uint32_t i;
	bool good;

	if (!r)
		return 1;
	r->o = o;
	r->trace_left = o->trace;
	if (receiver_open(r))
		return 1;
	fprintf(stderr, "recv: ready\n");
	receiver_run(r, stop);
	good = receiver_report(r);
	for (i = 0; i < 2 * FLOWS_MAX; i++)
		free(r->flows[i].ledger.seen);
	jitney_close(r->j);
	free(r->buffers);
	free(r);
	return good || o->tolerant ? 0 : 1;
}

#endif

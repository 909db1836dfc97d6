// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Theory of operation: calls as an enemy makes them
 *
 * A request is copied out of the ring and then looked at; what a routine does is
 * decided by the copy alone. Positions are our own. So a helper can only ask for
 * what it may have anyway, as often as its guest's budget in this cycle lets it:
 * more stays in its queue, and its own messages behind it. Nobody waits for it.
 *
 * A batch is published once: behind its last request its results, then the tail,
 * then a full fence, and a last look for more. A helper publishes, issues a full
 * fence and looks at the tail before it spares itself the doorbell: one of the two
 * sees the other.
 */
#include <errno.h>

#include "controller/calls.h"
#include "controller/helpers.h"
#include "controller/scheduler.h"

#define BUDGET 256U    /* of a guest in a cycle, as enum jt_cost counts */
#define BUDGET_OWN 16U /* that each of its helpers has, whatever the others do */
#define ASKED_MAX_NS 1000000000ULL
#define WRITE_MAX_NS 1000000ULL
#define INTERVAL_MIN_NS 1000ULL
#define INTERVAL_MAX_NS 3600000000000ULL

_Static_assert(BUDGET_OWN >= JT_COST_HEAVY, "each can be executed");

/* --- the routines -------------------------------------------------------------------- */

/* Return: 0 or a negative errno. Values of @out are zero before. */
typedef int (*routine)(struct jt_controller *c, struct jt_helper *h, const struct jt_request *r,
		       struct jt_result *out);

static int template(struct jt_controller *c, struct jt_helper *h, const struct jt_request *r,
		    struct jt_result *out)
{
	return jt_slice_template(h, r->u.template.number, &r->u.template.template) ? 0 : -EINVAL;
}

static int claim(struct jt_controller *c, struct jt_helper *h, const struct jt_request *r,
		 struct jt_result *out)
{
	uint64_t port = r->u.arguments[0];

	if (!port || port > UINT16_MAX)
		return -EINVAL;
	if (jt_helper_of(c, h->guest, htons((uint16_t)port)))
		return -EADDRINUSE;
	return jt_claim(c, h, (uint16_t)port, true);
}

static int release(struct jt_controller *c, struct jt_helper *h, const struct jt_request *r,
		   struct jt_result *out)
{
	uint64_t port = r->u.arguments[0];

	if (!port || port > UINT16_MAX)
		return -EINVAL;
	if (!(h->ports[port / 64] & 1ULL << port % 64))
		return -ENOENT;
	return jt_claim(c, h, (uint16_t)port, false);
}

/* What it says of itself is believed if it could be so. */
static int report(struct jt_controller *c, struct jt_helper *h, const struct jt_request *r,
		  struct jt_result *out)
{
	uint64_t interval = r->u.arguments[0], write = r->u.arguments[1];
	struct jt_guest *slot = &c->datapath.guests[h->guest];

	if (write >= WRITE_MAX_NS ||
	    (interval && (interval < INTERVAL_MIN_NS || interval > INTERVAL_MAX_NS)))
		return -ERANGE;
	if (interval)
		c->guests[h->guest].expected_ns = slot->interval_ns = interval;
	if (write)
		slot->write_ns = write;
	return 0;
}

/* It lets everybody's messages leave: not as often as one may like. */
static int flush(struct jt_controller *c, struct jt_helper *h, const struct jt_request *r,
		 struct jt_result *out)
{
	uint64_t now = jt_env_now();

	h->calls.flushes++;
	if (now - c->guests[h->guest].flushed_ns <= c->options->cycle.latency_ns / 4)
		return 0;
	c->guests[h->guest].flushed_ns = now;
	c->helpers.flush = true;
	return 0;
}

static int give_back(struct jt_controller *c, struct jt_helper *h, const struct jt_request *r,
		     struct jt_result *out)
{
	struct jt_slice_state *s = &h->slice;
	uint64_t position = r->u.arguments[0];

	if (s->receive_head - position > s->receive_size)
		return -EINVAL;
	s->given_back = position;
	return 0;
}

static int counters(struct jt_controller *c, struct jt_helper *h, const struct jt_request *r,
		    struct jt_result *out)
{
	const struct jt_slice_state *s = &h->slice;

	out->values[0] = s->sent;
	out->values[1] = s->refused;
	out->values[2] = s->received;
	out->values[3] = s->lost;
	out->values[4] = h->calls.executed;
	out->values[5] = h->calls.results_lost;
	out->values[6] = JT_READ(s->header->send_head) - s->send_tail;
	return 0;
}

static int cycle(struct jt_controller *c, struct jt_helper *h, const struct jt_request *r,
		 struct jt_result *out)
{
	out->values[0] = JT_READ(c->board.notice->cycle_ns);
	out->values[1] = c->scheduler.length_ns;
	out->values[2] = c->options->cycle.latency_ns;
	return 0;
}

static int weight(struct jt_controller *c, struct jt_helper *h, const struct jt_request *r,
		  struct jt_result *out)
{
	return jt_shares_weight(c, h->guest, r->u.arguments[0]);
}

#define HANDLER(name, arguments, urgency, cost) [JT_ROUTINE_##name] = name,
static const routine handlers[JT_ROUTINE_COUNT] = { JT_ROUTINES(HANDLER) };
#undef HANDLER

/* What a routine does not take must be zero: so it may take it some day. */
static bool sound(const struct jt_request *r)
{
	unsigned int i, n = jt_routines[r->routine].arguments;

	for (i = n; i < JT_ARGUMENTS; i++)
		if (r->u.arguments[i])
			return false;
	return r->routine != JT_ROUTINE_template || !r->u.template.zero;
}

static bool known(const struct jt_request *r)
{
	return r->routine > JT_ROUTINE_NONE && r->routine < JT_ROUTINE_COUNT;
}

/* @r: our own copy. Return: what became of it. */
static struct jt_result execute(struct jt_controller *c, struct jt_helper *h,
				const struct jt_request *r, bool deferred)
{
	struct jt_guest_calls *g = &c->guests[h->guest].calls;
	struct jt_result out = { .tag = r->tag };

	h->calls.executed++;
	if (!known(r)) {
		g->unknown++;
		out.error = -EOPNOTSUPP;
		return out;
	}
	out.error = sound(r) ? handlers[r->routine](c, h, r, &out) : -EINVAL;
	g->routines[r->routine].deferred += deferred;
	g->routines[r->routine].immediate += !deferred;
	g->routines[r->routine].failed += out.error != 0;
	return out;
}

/* --- the queue ----------------------------------------------------------------------- */

bool jt_calls_pending(const struct jt_helper *h)
{
	return JT_READ(h->slice.header->call_head) != h->calls.tail;
}

uint64_t jt_calls_waiting(const struct jt_helper *h)
{
	uint64_t n = JT_READ(h->slice.header->call_head) - h->calls.tail;

	return n <= JT_REQUESTS ? n : 0;
}

/* Read at once, as far as that goes: what stands there later is not looked at. */
static struct jt_request request_read(const struct jt_helper *h)
{
	struct jt_request r;

	memcpy(&r, &jt_slice_request(h->slice.memory, h->calls.tail)->request, sizeof(r));
	__asm__ volatile("" : : "r"(&r) : "memory");
	return r;
}

/* Has the guest any budget left for it, or the helper any that no other may use up? */
static bool afford(struct jt_controller *c, struct jt_helper *h, const struct jt_request *r)
{
	struct jt_guest_calls *g = &c->guests[h->guest].calls;
	uint32_t cost = known(r) ? jt_routines[r->routine].cost : JT_COST_LIGHT;
	struct jt_helper_calls *own = &h->calls;

	if (g->cycle_ns != c->scheduler.start_ns) {
		g->cycle_ns = c->scheduler.start_ns;
		g->spent = 0;
	}
	if (own->cycle_ns != c->scheduler.start_ns) {
		own->cycle_ns = c->scheduler.start_ns;
		own->spent = 0;
	}
	if (g->spent + cost > BUDGET && own->spent + cost > BUDGET_OWN)
		return false;
	g->spent += cost;
	own->spent += cost;
	return true;
}

static void result_put(struct jt_helper *h, const struct jt_result *r)
{
	struct jt_helper_calls *calls = &h->calls;

	if (calls->result_head - JT_READ(h->slice.header->result_tail) >= JT_REQUESTS) {
		calls->results_lost++;
		return;
	}
	*jt_slice_result(h->slice.memory, calls->result_head) = *r;
	calls->result_head++;
}

static void count_batch(struct jt_controller *c, struct jt_helper *h, uint64_t n, uint64_t depth,
			uint64_t start)
{
	struct jt_guest_calls *g = &c->guests[h->guest].calls;
	unsigned int i = 63 - (unsigned int)__builtin_clzll(n | 1);

	g->batches++;
	g->batch_sizes[i < JT_BATCH_SIZES ? i : JT_BATCH_SIZES - 1]++;
	g->batches_ns += jt_env_now() - start;
	if (depth > g->deepest)
		g->deepest = depth;
}

/* Execute up to @head. Return: false if there is no budget for all of it. */
static bool batch(struct jt_controller *c, struct jt_helper *h, uint64_t head)
{
	struct jt_slice *header = h->slice.header;
	uint64_t begun = h->calls.tail, start = jt_env_now();
	struct jt_request request;
	struct jt_result result;

	while (h->calls.tail != head) {
		request = request_read(h);
		if (!afford(c, h, &request))
			break;
		result = execute(c, h, &request, true);
		result_put(h, &result);
		h->calls.tail++;
	}
	JT_WRITE(header->results_lost, h->calls.results_lost);
	JT_WRITE(header->result_head, h->calls.result_head);
	JT_WRITE(header->call_tail, h->calls.tail);
	if (h->calls.tail != begun)
		count_batch(c, h, h->calls.tail - begun, head - begun, start);
	return h->calls.tail == head;
}

/* Execute all that is queued. Return: false: not all of it in this cycle, or it was cut off. */
static bool drain(struct jt_controller *c, struct jt_helper *h)
{
	uint64_t head;

	while ((head = JT_READ(h->slice.header->call_head)) != h->calls.tail) {
		if (h->cut)
			return false;
		if (head - h->calls.tail > JT_REQUESTS) {
			jt_helper_cut(c, h, "its queue of calls makes no sense");
			return false;
		}
		if (!batch(c, h, head)) {
			/* The next cycle must come, also where none runs. */
			if (!c->scheduler.start_ns)
				jt_scheduler_wake(c, jt_env_now());
			return false;
		}
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	}
	return true;
}

/* Behind a flush: what was sent before it may lie behind the head as it was read. */
bool jt_calls_precede(struct jt_controller *c, struct jt_helper *h, uint64_t *head)
{
	uint64_t flushes;

	do {
		flushes = h->calls.flushes;
		*head = JT_READ(h->slice.header->send_head);
		if (!drain(c, h))
			return false;
	} while (flushes != h->calls.flushes);
	return true;
}

bool jt_calls_flush(struct jt_controller *c)
{
	bool asked = c->helpers.flush;

	c->helpers.flush = false;
	return asked;
}

void jt_calls_ask(struct jt_controller *c, struct jt_helper *h)
{
	struct jt_attach_message m = h->question;
	struct jt_result result;

	if (!drain(c, h)) {
		jt_helper_refuse(h, -EAGAIN, "what was called for before has to wait");
		return;
	}
	result = execute(c, h, &m.u.request, false);
	if (jt_calls_flush(c))
		jt_scheduler_flush(c);
	m.error = result.error;
	memset(&m.u, 0, sizeof(m.u));
	if (!m.error)
		m.u.result = result;
	h->backend->answer(h, &m, NULL);
}

/* What it says of itself is believed if it could be so. */
void jt_calls_asked(const struct jt_helper *h, uint64_t *asked, uint64_t *ns)
{
	uint64_t count = JT_READ(h->slice.header->asked);
	uint64_t took = JT_READ(h->slice.header->asked_ns);

	if (!count || count > h->calls.questions || took / count >= ASKED_MAX_NS)
		return;
	*asked += count;
	*ns += took;
}

void jt_calls_close(struct jt_controller *c, struct jt_helper *h)
{
	struct jt_guest_calls *g = &c->guests[h->guest].calls;

	g->dropped += jt_calls_waiting(h);
	g->results_lost += h->calls.results_lost;
	jt_calls_asked(h, &g->asked, &g->asked_ns);
}

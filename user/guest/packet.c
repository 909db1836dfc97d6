// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "common/checksum.h"
#include "packet.h"

static uint64_t sum_of(const uint8_t *bytes, size_t length)
{
	uint8_t copy[JT_RECORD_MAX + 1];
	uint64_t sum = 0;
	size_t part;

	for (; length; bytes += part, length -= part) {
		part = length < sizeof(copy) ? length : sizeof(copy);
		sum = jt_sum_add(sum, jt_copy_sum(copy, bytes, part));
	}
	return sum;
}

static bool check_right(const struct jt_template *t, const uint8_t *payload, size_t length,
			uint16_t check)
{
	uint64_t fixed = t->u.udp4.source_port + t->u.udp4.dest_port + jt_htons(JT_IPPROTO_UDP);

	if (!check) /* none, which only IPv4 allows */
		return t->kind == JT_TEMPLATE_UDP4;
	if (t->kind == JT_TEMPLATE_UDP4)
		fixed += (uint64_t)t->u.udp4.source + t->u.udp4.dest;
	else
		fixed += jt_sum_ipv6(&t->u.words[2], &t->u.words[6]);
	return jt_udp_check(fixed, sum_of(payload, length), length) == check;
}

/* Return: true with @out filled if the message is for a port of this handle. */
static bool message_tell(const struct jitney *j, const struct jt_template *t, const void *data,
			 uint32_t length, struct jitney_message *out)
{
	uint16_t port = jt_ntohs(t->u.udp4.dest_port);

	if (!jt_port_find(j, port))
		return false;
	memset(out, 0, sizeof(*out));
	out->data = data;
	out->length = length;
	out->port = port;
	out->tos = t->tos;
	out->ttl = t->ttl;
	if (t->kind == JT_TEMPLATE_UDP4) {
		out->from.ipv4.sin_family = AF_INET;
		out->from.ipv4.sin_port = t->u.udp4.source_port;
		out->from.ipv4.sin_addr.s_addr = t->u.udp4.source;
	} else {
		out->from.ipv6.sin6_family = AF_INET6;
		out->from.ipv6.sin6_port = t->u.udp6.source_port;
		memcpy(&out->from.ipv6.sin6_addr, t->u.udp6.source, 16);
	}
	return true;
}

/* A checksum that the device was to fill in is the pseudo header's sum. */
static bool datagram_right(const struct jt_parsed *p, const uint8_t *data)
{
	return p->check == (uint16_t)p->pseudo ||
	       check_right(&p->key.header, data + p->payload, p->length, p->check);
}

static bool datagram_take(struct jitney *j, struct jt_packets *packets, const uint8_t *data,
			  uint32_t length, bool checked, uint32_t segment,
			  struct jitney_message *out)
{
	struct jt_parsed p = { 0 };

	if (jt_parse(data, data + length, length, false, 0, &p) ||
	    p.key.header.kind == JT_TEMPLATE_ETHERNET || (!checked && !datagram_right(&p, data)))
		return false;
	if (!segment)
		return message_tell(j, &p.key.header, data + p.payload, (uint32_t)p.length, out);
	packets->run = p.key.header;
	packets->rest = data + p.payload;
	packets->left = (uint32_t)p.length;
	packets->segment = segment;
	packets->walk.pos = packets->walk.end; /* no frame */
	packets->walking = true;
	return false;
}

static bool run_next(const struct jitney *j, struct jt_packets *p, struct jitney_message *out)
{
	uint32_t length = p->left < p->segment ? p->left : p->segment;

	if (!message_tell(j, &p->run, p->rest, length, out)) {
		p->left = 0;
		return false;
	}
	p->rest += length;
	p->left -= length;
	return true;
}

/* Return: true if it is one of Jitney's frames: there may be messages to walk over. */
static bool walk_start(const struct jitney *j, struct jt_packets *p, const uint8_t *data,
		       uint32_t length)
{
	struct jt_frame_header header;
	uint32_t head = sizeof(struct jt_eth) + sizeof(header);

	if (length < head || ((const struct jt_eth *)data)->type != j->ethertype)
		return false;
	memcpy(&header, data + sizeof(struct jt_eth), sizeof(header));
	if (header.version_type != (JT_WIRE_VERSION << 4 | JT_FRAME_DATA) ||
	    jt_ntohs(header.length) > length - head)
		return false;
	jt_walk_init(&p->walk, data + head, jt_ntohs(header.length));
	p->left = 0;
	p->walking = true;
	return true;
}

bool jt_packet_take(struct jitney *j, struct jt_packets *p, const uint8_t *data, uint32_t length,
		    bool checked, uint32_t segment, struct jitney_message *out)
{
	return !walk_start(j, p, data, length) &&
	       datagram_take(j, p, data, length, checked, segment, out);
}

bool jt_packet_more(struct jitney *j, struct jt_packets *p, struct jitney_message *out)
{
	struct jt_template t;
	struct jt_found m;

	if (p->left && run_next(j, p, out))
		return true;
	while (jt_walk_next(&p->walk, &m) > 0) {
		jt_template_load(&t, m.bytes, m.template_size);
		if (t.kind != JT_TEMPLATE_ETHERNET &&
		    check_right(&t, m.payload, m.length, m.check) &&
		    message_tell(j, &t, m.payload, m.length, out))
			return true;
	}
	p->walking = false;
	return false;
}

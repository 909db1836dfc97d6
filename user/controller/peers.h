/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Peers: who they are, whether they live, and which guests are behind them.
 *
 * A peer counts as alive for JT_PEER_ALIVE_NS after each word from it. Nobody
 * ticks for that: a message for a peer that is not known to live passes on and
 * rings; the controller probes, the peer answers, and the next ones go aboard.
 * While frames leave, a probe goes along every JT_PEER_PROBE_NS.
 */
#ifndef JITNEY_PEERS_H
#define JITNEY_PEERS_H

#include "controller/controller.h"

#define JT_PEER_ALIVE_NS 500000000ULL
#define JT_PEER_PROBE_NS 100000000ULL
#define JT_ANNOUNCE_NS 10000000000ULL
#define JT_PLACE_EXPIRES_NS (3 * JT_ANNOUNCE_NS + JT_ANNOUNCE_NS / 2)

/* Peers and remotes of the options. Return: 0 or negative errno, after a message. */
int jt_peers_start(struct jt_controller *c);
/* Say goodbye to all. */
void jt_peers_stop(struct jt_controller *c);

/* A hello came, from a peer or (@id -1) from a stranger. */
void jt_peers_hello(struct jt_controller *c, int id, const struct jt_address *from,
		    const struct jt_frame_header *h, const uint8_t *body);

/* A message for the peer was passed on because it is not known to live. */
void jt_peers_probe(struct jt_controller *c, uint32_t id);

/*
 * Once per cycle: probe those that we send to, count those that fell silent.
 * Return: whether somebody has yet to confirm what was sent.
 */
bool jt_peers_tick(struct jt_controller *c, uint64_t now);

/* Tell all (and, with --discover, everybody) who is here; forget who is gone. */
void jt_peers_announce(struct jt_controller *c);

/* The uplink came, went or changed. */
void jt_peers_uplink(struct jt_controller *c);

bool jt_peer_alive(const struct jt_controller *c, uint32_t id, uint64_t now);

#endif

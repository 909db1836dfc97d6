// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Checks of the controller and of what it has counted. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "doctor.h"
#include "text.h"

static void check_answers(struct jt_doctor *d)
{
	if (d->status) {
		jt_found(d, JT_OK, NULL, "%s answers, pid %d, %s", jt_get_text(d->status, "name"),
			 d->pid,
			 jt_get_true(json_object_get(d->status, "cycle"), "asleep") ?
				 "asleep: nothing is aboard" :
				 "awake");
		return;
	}
	jt_found(d, JT_WARN, NULL, "%s", d->wrong);
	jt_mend(d,
		d->cli->uplink ?
			"systemctl start jitneyd" :
			"systemctl start jitneyd; before that: jitney doctor --uplink IF --guest IF");
}

static bool same_namespace(int pid)
{
	struct stat ours, theirs;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	return stat(path, &theirs) || stat("/proc/self/ns/net", &ours) ||
	       (ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev);
}

/* From here on, devices are looked at where the controller has them. */
static void check_namespace(struct jt_doctor *d)
{
	if (!d->pid || same_namespace(d->pid))
		return;
	if (!jt_device_namespace(d->pid)) {
		jt_found(d, JT_OK, NULL,
			 "the controller's is another one: interfaces are looked at there");
		return;
	}
	jt_found(d, JT_WARN, NULL, "the controller's is another one, which can't be entered");
	jt_mend(d, "nsenter -t %d -n jitney doctor", d->pid);
}

static void peer_state(struct jt_doctor *d, const json_t *p)
{
	const char *name = jt_get_text(p, "name"), *state = jt_get_text(p, "state");
	const json_t *uplink = json_object_get(d->status, "uplink");

	if (!strcmp(state, "up")) {
		jt_found(d, JT_OK, name, "answers");
		return;
	}
	jt_found(d, strcmp(state, "down") ? JT_WARN : JT_FAIL, name, "%s",
		 strcmp(state, "down") ? "has not been heard of yet" :
					 "does not answer: messages to it go the kernel's way");
	jt_mend(d, "on %s: systemctl start jitneyd, with this machine as peer (--peer %s=%s)", name,
		jt_get_text(d->status, "name"),
		jt_get_int(d->status, "udp_port") ? "ADDRESS" : jt_get_text(uplink, "mac"));
}

static void check_peers(struct jt_doctor *d)
{
	const json_t *peers = json_object_get(d->peers, "peers"), *p;
	size_t i;

	json_array_foreach(peers, i, p)
		peer_state(d, p);
	if (!d->status || json_array_size(peers))
		return;
	jt_found(d, JT_WARN, NULL, "none is known: nothing is to be carried");
	jt_mend(d, "start jitneyd with --peer NAME=ADDRESS, or with --discover");
}

static void check_losses(struct jt_doctor *d)
{
	const json_t *peers = json_object_get(d->peers, "peers"), *p;
	size_t i;

	json_array_foreach(peers, i, p) {
		if (!jt_get_int(p, "received_lost"))
			continue;
		jt_found(d, JT_WARN, jt_get_text(p, "name"), "%s frames from it were lost, %s came",
			 JT_NUMBER(jt_get_int(p, "received_lost")),
			 JT_NUMBER(jt_get_int(p, "received_frames")));
		jt_mend(d, "larger rings: ethtool -g %s, then ethtool -G %s rx MAXIMUM", d->uplink,
			d->uplink);
	}
}

/*
 * What to do about a reason. @pass: those that count packets which went on to
 * the kernel are worth a word only if they are in here. In a mend, {guest} and
 * {if} stand for the guest and its interface, {uplink} for the uplink.
 */
static const struct {
	const char *reason;
	const char *mend;
} mends[] = {
	{ "page_full", "start jitneyd with a larger --page-size, or more --banks" },
	{ "stale", "give jitneyd more of a CPU: systemctl set-property jitneyd CPUWeight=1000" },
	{ "no_room", "name guests with ip= and peers with --remote, so that less is learned" },
	{ "unknown_peer",
	  "start jitneyd with --peer for the machine that sends, or with --discover" },
	{ "spoofed_mac", "if the address is the guest's: jitney guest del {guest}; "
			 "jitney guest add {guest}={if},mac=MAC" },
	{ "spoofed_ip", "if the address is the guest's: jitney guest del {guest}; "
			"jitney guest add {guest}={if},ip=ADDRESS" },
	{ "socket_full", "give jitneyd a CPU of its own: systemctl edit jitneyd, CPUAffinity=N" },
	{ "ring_full", "give jitneyd a CPU of its own: systemctl edit jitneyd, CPUAffinity=N" },
	{ "frame_version", "install one version of Jitney on both machines" },
	{ "no_guest", "jitney guest add NAME=IF, or take the --remote line out on the peer" },
	{ "deliver_failed", "ip link set {if} txqueuelen 10000" },
	{ "guest_down", "ip link set {if} up, or: jitney guest del {guest}" },
	{ "tx_failed", "ip -s link show {uplink}, and see jitneyd's log" },
	{ "uplink_down", "ip link set {uplink} up" },
};

static const char *mend_of(const char *reason)
{
	size_t i;

	for (i = 0; i < sizeof(mends) / sizeof(mends[0]); i++)
		if (!strcmp(mends[i].reason, reason))
			return mends[i].mend;
	return NULL;
}

static const char *interface_of(const struct jt_doctor *d, const char *guest)
{
	const json_t *guests = json_object_get(d->guests, "guests"), *g;
	size_t i;

	json_array_foreach(guests, i, g)
		if (!strcmp(jt_get_text(g, "name"), guest))
			return jt_get_text(g, "interface");
	return "IF";
}

static void mend_filled(struct jt_doctor *d, const char *mend, const char *guest)
{
	const char *known = guest ? guest : "NAME";
	const char *const values[][2] = { { "{guest}", known },
					  { "{if}", interface_of(d, known) },
					  { "{uplink}", d->uplink ? d->uplink : "UPLINK" } };
	char text[512] = "";
	FILE *f = fmemopen(text, sizeof(text), "w");
	size_t i;

	while (f && *mend) {
		for (i = 0; i < 3 && strncmp(mend, values[i][0], strlen(values[i][0])); i++)
			;
		fprintf(f, "%.*s", i < 3 ? 64 : 1, i < 3 ? values[i][1] : mend);
		mend += i < 3 ? strlen(values[i][0]) : 1;
	}
	if (f)
		fclose(f);
	jt_mend(d, "%s", text);
}

static void check_drops(struct jt_doctor *d)
{
	const json_t *drops = json_object_get(d->drops, "drops"), *o;
	const char *reason, *mend;
	size_t i, said = 0;
	bool lost;

	json_array_foreach(drops, i, o) {
		reason = jt_get_text(o, "reason");
		lost = !strcmp(jt_get_text(o, "kind"), "drop");
		mend = mend_of(reason);
		if (!lost && !mend)
			continue;
		jt_found(d, JT_WARN, json_string_value(json_object_get(o, "name")),
			 "%s %s: %s (%s)", JT_NUMBER(jt_get_int(o, "count")),
			 lost ? "dropped" : "passed on", reason, jt_get_text(o, "text"));
		if (mend)
			mend_filled(d, mend, json_string_value(json_object_get(o, "name")));
		said++;
	}
	if (d->drops && !said)
		jt_found(d, JT_OK, NULL, "nothing was dropped");
}

struct check {
	const char *name;
	void (*run)(struct jt_doctor *d);
};

static void run_checks(struct jt_doctor *d, const struct check *checks)
{
	for (; checks->name; checks++) {
		d->check = checks->name;
		checks->run(d);
	}
}

void jt_doctor_controller(struct jt_doctor *d)
{
	static const struct check checks[] = {
		{ "controller", check_answers },
		{ "namespace", check_namespace },
		{ NULL, NULL },
	};

	run_checks(d, checks);
}

void jt_doctor_counters(struct jt_doctor *d)
{
	static const struct check checks[] = {
		{ "peers", check_peers },
		{ "losses", check_losses },
		{ "drops", check_drops },
		{ NULL, NULL },
	};

	run_checks(d, checks);
}

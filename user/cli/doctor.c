// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <bpf/libbpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "doctor.h"
#include "text.h"

static const char *const verdicts[JT_VERDICTS] = { "ok", "warn", "fail" };

static json_t *vtext(const char *format, va_list args)
{
	char *text;
	json_t *out;

	if (vasprintf(&text, format, args) < 0)
		abort();
	out = json_string(text);
	free(text);
	return out;
}

void jt_found(struct jt_doctor *d, enum jt_verdict verdict, const char *subject, const char *format,
	      ...)
{
	va_list args;

	va_start(args, format);
	json_array_append_new(d->findings,
			      json_pack("{s:s, s:s?, s:s, s:o, s:n}", "name", d->check, "subject",
					subject, "verdict", verdicts[verdict], "found",
					vtext(format, args), "mend"));
	va_end(args);
	d->counts[verdict]++;
}

void jt_mend(struct jt_doctor *d, const char *format, ...)
{
	json_t *last = json_array_get(d->findings, json_array_size(d->findings) - 1);
	va_list args;

	va_start(args, format);
	json_object_set_new(last, "mend", vtext(format, args));
	va_end(args);
}

static json_t *ask(struct jt_doctor *d, const char *command)
{
	return jt_ask_quietly(d->cli, json_pack("{s:s}", "command", command), d->wrong);
}

static void doctor_ask(struct jt_doctor *d)
{
	d->status = ask(d, "status");
	if (!d->status)
		return;
	d->guests = ask(d, "guests");
	d->peers = ask(d, "peers");
	d->drops = ask(d, "drops");
	d->pid = (int)jt_get_int(d->status, "pid");
}

static void doctor_free(struct jt_doctor *d)
{
	json_decref(d->status);
	json_decref(d->guests);
	json_decref(d->peers);
	json_decref(d->drops);
	json_decref(d->findings);
}

static void print_findings(const struct jt_doctor *d)
{
	const json_t *f;
	size_t i, width = 0, w;

	json_array_foreach(d->findings, i, f) {
		w = strlen(jt_get_text(f, "name")) + 1 + strlen(jt_get_text(f, "subject"));
		width = w > width ? w : width;
	}
	json_array_foreach(d->findings, i, f) {
		w = strlen(jt_get_text(f, "name"));
		printf("%-4s  %s %-*s  %s\n", jt_get_text(f, "verdict"), jt_get_text(f, "name"),
		       (int)(width - w - 1),
		       json_is_string(json_object_get(f, "subject")) ? jt_get_text(f, "subject") :
								       "",
		       jt_get_text(f, "found"));
		if (json_is_string(json_object_get(f, "mend")))
			printf("      %*s  mend: %s\n", (int)width, "", jt_get_text(f, "mend"));
	}
	printf("%zu well, %zu to look at, %zu wrong\n", d->counts[JT_OK], d->counts[JT_WARN],
	       d->counts[JT_FAIL]);
}

int jt_doctor(const struct jt_line *cli, char **args)
{
	struct jt_doctor d = { .cli = cli, .findings = json_array() };
	int status;

	(void)args;
	libbpf_set_print(NULL);
	doctor_ask(&d);
	jt_doctor_controller(&d);
	jt_doctor_host(&d);
	jt_doctor_xen(&d);
	jt_doctor_devices(&d);
	jt_doctor_counters(&d);
	if (cli->json) {
		json_dumpf(d.findings, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		print_findings(&d);
	}
	status = d.counts[JT_FAIL] ? JT_EXIT_NO : JT_EXIT_OK;
	doctor_free(&d);
	return status;
}

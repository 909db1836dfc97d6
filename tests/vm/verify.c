// SPDX-License-Identifier: GPL-2.0-only
/*
 * verify OBJECT - load it and say what each program cost the verifier: "processed N insns (limit
 * 1000000) ...". Exit status 1, and the end of the verifier's log, if it is refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <bpf/libbpf.h>

#define LOG_SIZE (16 << 20)
#define LOG_LEVEL_STATS 4
#define LOG_TAIL 6000
#define PROGRAMS_MAX 16

static void print_stats(const struct bpf_program *prog, const char *log)
{
	const char *stats = strstr(log, "processed ");

	printf("%s: %s\n", bpf_program__name(prog), stats ? stats : "no statistics\n");
}

static void print_tail(const struct bpf_program *prog, const char *log)
{
	size_t length = strlen(log);

	if (length)
		printf("%s: ...%s\n", bpf_program__name(prog),
		       log + (length > LOG_TAIL ? length - LOG_TAIL : 0));
}

int main(int argc, char **argv)
{
	struct bpf_object *object = argc == 2 ? bpf_object__open_file(argv[1], NULL) : NULL;
	char *log[PROGRAMS_MAX] = {};
	struct bpf_program *prog;
	int err, i = 0;

	if (!object)
		return fprintf(stderr, "usage: verify OBJECT\n"), 2;
	bpf_object__for_each_program(prog, object) {
		if (i == PROGRAMS_MAX)
			break;
		log[i] = calloc(1, LOG_SIZE);
		bpf_program__set_log_buf(prog, log[i++], LOG_SIZE);
		bpf_program__set_log_level(prog, LOG_LEVEL_STATS);
	}
	err = bpf_object__load(object);
	i = 0;
	bpf_object__for_each_program(prog, object) {
		if (err)
			print_tail(prog, log[i]);
		else
			print_stats(prog, log[i]);
		free(log[i++]);
	}
	bpf_object__close(object);
	return err ? 1 : 0;
}

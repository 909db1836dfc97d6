// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Writes the fuzzers' seeds anew, from the vectors of the unit tests:
 *	cc -Iheaders tests/fuzz/seeds/make_seeds.c -o /tmp/make_seeds
 *	/tmp/make_seeds tests/fuzz/corpus
 */
#include <stdio.h>
#include "../../common/fixture.h"
#include "../../common/frame.h"
#include "../../common/vectors.h"

static void seed(const char *folder, const char *fuzzer, size_t number, const void *bytes,
		 size_t length)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s/%02zu", folder, fuzzer, number);
	file = fopen(path, "w");
	if (!file || fwrite(bytes, 1, length, file) != length || fclose(file)) {
		perror(path);
		exit(1);
	}
}

/* What all vectors that are carried look like in a frame. */
static void frame_of(struct fixture *f, struct packet *p, struct frame *out)
{
	struct jt_flow flow = {};

	fixture_init(f, 2, 2, 4);
	page_board(&f->page, p->bytes, p->length, &flow, f->peers, 0);
	page_board(&f->page, p->bytes, p->length, &flow, f->peers, 0);
	out->length = JT_EXTENT_OFFSET(f->page.extents[0].word) - FIXTURE_HEAD;
	memcpy(out->bytes, jt_page_frame(&f->page, 0) + FIXTURE_HEAD, out->length);
	fixture_free(f);
}

int main(int argc, char **argv)
{
	struct fixture f;
	struct packet p;
	struct frame frame;
	size_t i;

	if (argc != 2) {
		fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return 2;
	}
	for (i = 0; i < VECTORS; i++) {
		vector_make(&p, &vectors[i]);
		if (p.length > 200)
			continue;
		seed(argv[1], "fuzz_parse", i, p.bytes, p.length);
		if (vectors[i].reason)
			continue;
		frame_of(&f, &p, &frame);
		seed(argv[1], "fuzz_walk", i, frame.bytes, frame.length);
	}
	return 0;
}

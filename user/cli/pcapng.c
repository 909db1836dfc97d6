// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * libwiretap wants one block of options per packet; there are only three
 * directions, so each has its block, made once and owned by the file.
 */
#include <errno.h>
#include <stdlib.h>
#include <wiretap/wtap.h>
#include <wsutil/wslog.h>

#include "pcapng.h"

#define DIRECTIONS 3
#define SNAP_LENGTH 262144

struct jt_pcapng {
	wtap_dumper *dumper;
	wtap_block_t flags[DIRECTIONS];
	GArray *sections;
	wtapng_iface_descriptions_t interfaces;
};

static const struct {
	const char *name;
	const char *description;
} interfaces[] = {
	[JT_PCAPNG_FRAMES] = { "frames", "frames between machines, as on the wire" },
	[JT_PCAPNG_MESSAGES] = { "messages", "the guests' packets that the frames carry" },
};

static const uint32_t direction_flags[DIRECTIONS] = {
	[JT_PCAPNG_SENT] = PACK_FLAGS_DIRECTION_OUTBOUND << PACK_FLAGS_DIRECTION_SHIFT,
	[JT_PCAPNG_RECEIVED] = PACK_FLAGS_DIRECTION_INBOUND << PACK_FLAGS_DIRECTION_SHIFT,
};

static void add_text(wtap_block_t block, guint option, const char *text)
{
	wtap_block_add_string_option(block, option, text, strlen(text));
}

static wtap_block_t interface_block(size_t i)
{
	wtap_block_t block = wtap_block_create(WTAP_BLOCK_IF_ID_AND_INFO);
	wtapng_if_descr_mandatory_t *must = wtap_block_get_mandatory_data(block);

	must->wtap_encap = WTAP_ENCAP_ETHERNET;
	must->time_units_per_second = 1000000000;
	must->tsprecision = WTAP_TSPREC_NSEC;
	must->snap_len = SNAP_LENGTH;
	wtap_block_add_uint8_option(block, OPT_IDB_TSRESOL, 9);
	add_text(block, OPT_IDB_NAME, interfaces[i].name);
	add_text(block, OPT_IDB_DESCRIPTION, interfaces[i].description);
	return block;
}

static GArray *block_array(void)
{
	return g_array_new(FALSE, FALSE, sizeof(wtap_block_t));
}

static void blocks_make(struct jt_pcapng *p)
{
	wtap_block_t block = wtap_block_create(WTAP_BLOCK_SECTION);
	size_t i;

	add_text(block, OPT_SHB_USERAPPL, "jitney");
	p->sections = block_array();
	g_array_append_val(p->sections, block);
	p->interfaces.interface_data = block_array();
	for (i = 0; i < G_N_ELEMENTS(interfaces); i++) {
		block = interface_block(i);
		g_array_append_val(p->interfaces.interface_data, block);
	}
	for (i = 0; i < DIRECTIONS; i++) {
		p->flags[i] = wtap_block_create(WTAP_BLOCK_PACKET);
		wtap_block_add_uint32_option(p->flags[i], OPT_PKT_FLAGS, direction_flags[i]);
	}
}

static void pcapng_free(struct jt_pcapng *p)
{
	size_t i;

	for (i = 0; i < DIRECTIONS; i++)
		wtap_block_unref(p->flags[i]);
	wtap_block_array_free(p->interfaces.interface_data);
	wtap_block_array_free(p->sections);
	free(p);
	wtap_cleanup();
}

const char *jt_pcapng_reason(int err)
{
	return wtap_strerror(err);
}

struct jt_pcapng *jt_pcapng_open(const char *path, int *err)
{
	struct jt_pcapng *p = calloc(1, sizeof(*p));
	wtap_dump_params params = { .encap = WTAP_ENCAP_ETHERNET,
				    .snaplen = SNAP_LENGTH,
				    .tsprec = WTAP_TSPREC_NSEC };
	char *info = NULL;
	int type;

	*err = ENOMEM;
	if (!p)
		return NULL;
	ws_log_init("jitney", NULL);
	wtap_init(FALSE);
	blocks_make(p);
	params.shb_hdrs = p->sections;
	params.idb_inf = &p->interfaces;
	type = wtap_pcapng_file_type_subtype();
	if (strcmp(path, "-"))
		p->dumper = wtap_dump_open(path, type, WTAP_UNCOMPRESSED, &params, err, &info);
	else
		p->dumper = wtap_dump_open_stdout(type, WTAP_UNCOMPRESSED, &params, err, &info);
	if (p->dumper)
		return p;
	g_free(info);
	pcapng_free(p);
	return NULL;
}

int jt_pcapng_write(struct jt_pcapng *p, enum jt_pcapng_interface interface, unsigned int direction,
		    uint64_t time_ns, const void *bytes, size_t length)
{
	wtap_rec record = {
		.rec_type = REC_TYPE_PACKET,
		.presence_flags = WTAP_HAS_TS | WTAP_HAS_CAP_LEN | WTAP_HAS_INTERFACE_ID,
		.ts = { .secs = (time_t)(time_ns / 1000000000),
			.nsecs = (int)(time_ns % 1000000000) },
		.tsprec = WTAP_TSPREC_NSEC,
		.rec_header.packet_header = { .caplen = (guint32)length,
					      .len = (guint32)length,
					      .pkt_encap = WTAP_ENCAP_ETHERNET,
					      .interface_id = interface },
		.block = p->flags[direction < DIRECTIONS ? direction : 0],
	};
	char *info = NULL;
	int err = 0;

	if (wtap_dump(p->dumper, &record, bytes, &err, &info))
		return 0;
	g_free(info);
	return err;
}

int jt_pcapng_flush(struct jt_pcapng *p)
{
	int err = 0;

	return wtap_dump_flush(p->dumper, &err) ? 0 : err;
}

int jt_pcapng_close(struct jt_pcapng *p)
{
	char *info = NULL;
	int err = 0;

	if (wtap_dump_close(p->dumper, NULL, &err, &info))
		err = 0;
	g_free(info);
	pcapng_free(p);
	return err;
}

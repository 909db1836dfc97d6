// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The device's own settings, through SIOCETHTOOL. */
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "device.h"
#include "ethtool.h"

/* @command begins with its number, as all of ethtool's do. */
static int ethtool(const char *name, void *command)
{
	struct ifreq request = { .ifr_data = command };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;

	if (fd < 0)
		return -errno;
	strncpy(request.ifr_name, name, sizeof(request.ifr_name) - 1);
	if (ioctl(fd, SIOCETHTOOL, &request))
		err = -errno;
	close(fd);
	return err;
}

int jt_ethtool_driver(const char *name, char *driver, size_t size)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	int err = ethtool(name, &info);

	*driver = '\0';
	if (!err)
		strncat(driver, info.driver, size - 1);
	return err;
}

static int feature_count(const char *name)
{
	struct {
		struct ethtool_sset_info info;
		uint32_t count;
	} ask = { .info = { .cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ULL << ETH_SS_FEATURES } };
	int err = ethtool(name, &ask);

	return err ? err : (int)ask.count;
}

/* Return: a feature's number, or negative errno. */
static int feature_find(const char *name, const char *feature, int count)
{
	struct ethtool_gstrings *names =
		calloc(1, sizeof(*names) + (size_t)count * ETH_GSTRING_LEN);
	int i, err;

	if (!names)
		return -ENOMEM;
	names->cmd = ETHTOOL_GSTRINGS;
	names->string_set = ETH_SS_FEATURES;
	names->len = (uint32_t)count;
	err = ethtool(name, names);
	for (i = 0; !err && i < count; i++)
		if (!strncmp((char *)names->data + i * ETH_GSTRING_LEN, feature, ETH_GSTRING_LEN))
			break;
	free(names);
	if (err)
		return err;
	return i < count ? i : -ENOENT;
}

static int feature_value(const char *name, int number, int count)
{
	size_t words = ((size_t)count + 31) / 32;
	struct ethtool_gfeatures *all = calloc(1, sizeof(*all) + words * sizeof(all->features[0]));
	int value;

	if (!all)
		return -ENOMEM;
	all->cmd = ETHTOOL_GFEATURES;
	all->size = (uint32_t)words;
	value = ethtool(name, all);
	if (!value)
		value = all->features[number / 32].active >> number % 32 & 1;
	free(all);
	return value;
}

int jt_device_feature(const char *name, const char *feature)
{
	int count = feature_count(name);
	int number = count < 0 ? count : feature_find(name, feature, count);

	return number < 0 ? number : feature_value(name, number, count);
}

int jt_device_rx_queues(const char *name, bool *combined)
{
	struct ethtool_channels c = { .cmd = ETHTOOL_GCHANNELS };
	int err = ethtool(name, &c);

	*combined = c.combined_count;
	return err ? err : (int)(c.rx_count + c.combined_count);
}

int jt_device_rss_queue(const char *name)
{
	struct ethtool_rxfh_indir size = { .cmd = ETHTOOL_GRXFHINDIR }, *table;
	int err = ethtool(name, &size);
	uint32_t i;

	if (err || !size.size)
		return err ? err : -ENODATA;
	table = calloc(1, sizeof(*table) + size.size * sizeof(table->ring_index[0]));
	if (!table)
		return -ENOMEM;
	*table = size;
	err = ethtool(name, table);
	for (i = 0; !err && i < size.size; i++)
		if (table->ring_index[i] != table->ring_index[0])
			err = -EXFULL;
	if (!err)
		err = (int)table->ring_index[0];
	free(table);
	return err;
}

int jt_device_rx_rules(const char *name)
{
	struct ethtool_rxnfc rules = { .cmd = ETHTOOL_GRXCLSRLCNT };
	int err = ethtool(name, &rules);

	return err ? err : (int)rules.rule_cnt;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* xenstore with one guest's directories, which the test may write to: see fake_xen.h. */
#ifndef TESTS_UNIT_FAKE_STORE_H
#define TESTS_UNIT_FAKE_STORE_H

#include <xenstore.h>
#include "fake_xen.h"

static struct {
	int file; /* descriptor */
	unsigned int open;
	struct {
		char path[96], value[160];
		unsigned int owner, reader;
	} keys[64];
	unsigned int key_count, watches, changes, transactions;
	char tokens[8][32];
} store;

static int key_find(const char *path)
{
	unsigned int i;

	for (i = 0; i < store.key_count; i++)
		if (!strcmp(store.keys[i].path, path))
			return (int)i;
	return -1;
}

static void changed(const char *path)
{
	uint64_t one = 1;

	if (!strcmp(path, "/local/domain/7/device/jitney/0/state") || *path == '@') {
		store.changes++;
		assert_int_equal(write(store.file, &one, sizeof(one)), sizeof(one));
	}
}

struct xs_handle *__wrap_xs_open(unsigned long flags)
{
	(void)flags;
	store.open++;
	store.file = eventfd(0, EFD_NONBLOCK);
	return (struct xs_handle *)&store;
}

void __wrap_xs_close(struct xs_handle *h)
{
	assert_ptr_equal(h, &store);
	store.open--;
	store.watches = 0;
	close(store.file);
}

void *__wrap_xs_read(struct xs_handle *h, xs_transaction_t t, const char *path,
		     unsigned int *length)
{
	int i = key_find(path);

	(void)h, (void)t;
	errno = ENOENT;
	if (i < 0)
		return NULL;
	*length = (unsigned int)strlen(store.keys[i].value);
	return strdup(store.keys[i].value);
}

bool __wrap_xs_write(struct xs_handle *h, xs_transaction_t t, const char *path, const void *data,
		     unsigned int length)
{
	int i = key_find(path);

	(void)h, (void)t;
	if (i < 0) {
		i = (int)store.key_count++;
		assert_in_range(i, 0, JT_ARRAY_SIZE(store.keys) - 1);
		snprintf(store.keys[i].path, sizeof(store.keys[i].path), "%s", path);
	}
	snprintf(store.keys[i].value, sizeof(store.keys[i].value), "%.*s", (int)length,
		 (const char *)data);
	changed(path);
	return true;
}

bool __wrap_xs_mkdir(struct xs_handle *h, xs_transaction_t t, const char *path)
{
	char parent[96];

	/* What is above it comes with it. */
	snprintf(parent, sizeof(parent), "%s", path);
	*strrchr(parent, '/') = '\0';
	if (strstr(parent, "/backend/jitney/") && key_find(parent) < 0)
		__wrap_xs_write(h, t, parent, "", 0);
	return __wrap_xs_write(h, t, path, "", 0);
}

bool __wrap_xs_rm(struct xs_handle *h, xs_transaction_t t, const char *path)
{
	size_t length = strlen(path);
	unsigned int i = 0;

	(void)h, (void)t;
	while (i < store.key_count) {
		if (strncmp(store.keys[i].path, path, length))
			i++;
		else
			store.keys[i] = store.keys[--store.key_count];
	}
	return true;
}

/* How many there are is all that is asked for. */
char **__wrap_xs_directory(struct xs_handle *h, xs_transaction_t t, const char *path,
			   unsigned int *count)
{
	size_t length = strlen(path);
	unsigned int i;

	(void)h, (void)t;
	for (*count = 0, i = 0; i < store.key_count; i++)
		*count += !strncmp(store.keys[i].path, path, length) &&
			  store.keys[i].path[length] == '/';
	return calloc(1, sizeof(char *));
}

bool __wrap_xs_set_permissions(struct xs_handle *h, xs_transaction_t t, const char *path,
			       struct xs_permissions *p, unsigned int count)
{
	int i = key_find(path);

	(void)h, (void)t;
	assert_true(i >= 0);
	assert_int_equal(count, 2);
	assert_int_equal(p[0].perms, XS_PERM_NONE);
	assert_int_equal(p[1].perms, XS_PERM_READ);
	store.keys[i].owner = p[0].id;
	store.keys[i].reader = p[1].id;
	return true;
}

xs_transaction_t __wrap_xs_transaction_start(struct xs_handle *h)
{
	(void)h;
	return ++store.transactions;
}

bool __wrap_xs_transaction_end(struct xs_handle *h, xs_transaction_t t, bool abandon)
{
	(void)h, (void)abandon;
	errno = EAGAIN; /* another one writes, once */
	return t > 1;
}

bool __wrap_xs_watch(struct xs_handle *h, const char *path, const char *token)
{
	(void)h, (void)path;
	snprintf(store.tokens[store.watches++], sizeof(*store.tokens), "%s", token);
	return true;
}

bool __wrap_xs_unwatch(struct xs_handle *h, const char *path, const char *token)
{
	(void)h, (void)path, (void)token;
	store.watches--;
	return true;
}

int __wrap_xs_fileno(struct xs_handle *h)
{
	(void)h;
	return store.file;
}

/* Every change is told to all watches: more of them than need be harm nobody. */
char **__wrap_xs_check_watch(struct xs_handle *h)
{
	uint64_t n;
	char **event;

	(void)h;
	if (!store.changes) {
		if (read(store.file, &n, sizeof(n)) < 0 || true)
			errno = EAGAIN;
		return NULL;
	}
	event = calloc(3, sizeof(*event));
	event[XS_WATCH_PATH] = event[XS_WATCH_TOKEN] =
		store.tokens[store.changes-- % store.watches];
	return event;
}

bool __wrap_xs_is_domain_introduced(struct xs_handle *h, unsigned int domain)
{
	(void)h;
	return domain == DOMAIN && !xen.gone;
}

int __wrap_access(const char *path, int mode)
{
	(void)mode;
	return strncmp(path, "/dev/xen/", 9);
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The one place that knows whether this text is compiled into BPF or into a
 * program of user space. Everything else under headers/jitney is plain C over
 * what is defined here and over the look-ups of an environment header
 * (env_user.h, or bpf/env_bpf.h), which is included first.
 */
#ifndef JITNEY_PLATFORM_H
#define JITNEY_PLATFORM_H

#ifdef __bpf__
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#else
#include <linux/types.h>
#endif

/* Eight and four bytes of anything. */
typedef __u64 __attribute__((may_alias)) jt_word;
typedef __u32 __attribute__((may_alias)) jt_half;

#ifdef __bpf__
#define jt_htons(x) bpf_htons(x)
#define jt_ntohs(x) bpf_ntohs(x)
#define jt_htonl(x) bpf_htonl(x)
#define jt_ntohl(x) bpf_ntohl(x)
#define jt_memcpy(d, s, n) __builtin_memcpy(d, s, n)
#define JT_INLINE static __always_inline
#define JT_NOINLINE static __attribute__((noinline))
#define JT_UNORDERED
/* The verifier wants the sum compared: it learns nothing from a difference. */
#define JT_SHORT(pos, n, end) ((pos) + (n) > (end))
/* Hide a value's history, so that clang can't move a bound behind its use. */
#define JT_OPAQUE(x) asm volatile("" : "+r"(x))
#else
#include <arpa/inet.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#define jt_htons(x) htons(x)
#define jt_ntohs(x) ntohs(x)
#define jt_htonl(x) htonl(x)
#define jt_ntohl(x) ntohl(x)
#define jt_memcpy(d, s, n) memcpy(d, s, n)
#define JT_INLINE static inline __attribute__((unused))
#define JT_NOINLINE static __attribute__((unused))
/*
 * For readers of bytes that may change under them: what they find counts only if
 * a compare-and-swap behind them succeeds. Not for ThreadSanitizer to judge.
 */
#ifdef __clang__ /* whose no_sanitize leaves atomics in */
#define JT_UNORDERED __attribute__((no_sanitize("thread"), disable_sanitizer_instrumentation))
#else
#define JT_UNORDERED __attribute__((no_sanitize("thread")))
#endif
/* No sum: it could overflow. Callers keep pos <= end. */
#define JT_SHORT(pos, n, end) ((size_t)((end) - (pos)) < (size_t)(n))
#define JT_OPAQUE(x) ((void)(x))
#endif

/* From any address; of memcpy() clang would make single bytes for BPF. */
JT_INLINE __u32 jt_load32(const void *p)
{
#ifdef __bpf__
	return *(const jt_half *)p;
#else
	__u32 x;

	memcpy(&x, p, sizeof(x));
	return x;
#endif
}

JT_INLINE __u64 jt_load64(const void *p)
{
#ifdef __bpf__
	return *(const jt_word *)p;
#else
	__u64 x;

	memcpy(&x, p, sizeof(x));
	return x;
#endif
}

#define JT_ASSERT(cond, text) _Static_assert(cond, text)

#define JT_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/*
 * Plain loads and stores that the compiler may neither tear nor repeat; the
 * read-modify-write operations are full barriers on both sides (the __sync
 * family, and BPF_FETCH atomics in the kernel).
 */
#ifdef __bpf__
#define JT_READ(x) (*(const volatile typeof(x) *)&(x))
#define JT_WRITE(x, v) (*(volatile typeof(x) *)&(x) = (v))
#else
#define JT_READ(x) __atomic_load_n(&(x), __ATOMIC_ACQUIRE)
#define JT_WRITE(x, v) __atomic_store_n(&(x), (v), __ATOMIC_RELEASE)
#endif
#define jt_cas(p, old, new) __sync_val_compare_and_swap(p, old, new)
#define jt_fetch_add(p, v) __sync_fetch_and_add(p, v)

/* What was read from memory that others write stays as it was read. */
#define JT_ONCE(x) __asm__ volatile("" : "+r"(x))

#define JT_ALIGN4(n) (((n) + 3) & ~3U)

#endif

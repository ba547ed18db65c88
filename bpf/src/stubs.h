/*
 * Functions whose bodies the compiler in Go writes from the probe text. These only keep clang from dropping the calls or their
 * arguments.
 */
#pragma once

#include "emit.h"

#define STUB(result, ...)                                                                                                          \
	{                                                                                                                          \
		__u64 r;                                                                                                           \
		asm volatile("%0 = " #result : "=r"(r) : __VA_ARGS__ : "memory");                                                  \
		return r;                                                                                                          \
	}

/* Whether the event, or the call that begins, is wanted. */
static __noinline __u64 filter_entry(void *ctx, struct pt_env *env, void *call) STUB(1, "r"(ctx), "r"(env), "r"(call))

/* Writes the fields into rec, and rec's size. */
static __noinline __u64 capture_entry(void *ctx, struct pt_env *env, void *call, void *rec)
	STUB(0, "r"(ctx), "r"(env), "r"(call), "r"(rec))

/* Whether the call that returned is wanted. */
static __noinline __u64 filter_exit(void *ctx, struct pt_env *env, void *call) STUB(1, "r"(ctx), "r"(env), "r"(call))

/* Copies the image of an entry's record. */
static __noinline __u64 copy_image(void *rec, void *image) STUB(0, "r"(rec), "r"(image))

/* Writes the fields that are read at the return, and the texts that could not be read at the entry. */
static __noinline __u64 capture_exit(void *ctx, struct pt_env *env, void *call, void *rec)
	STUB(0, "r"(ctx), "r"(env), "r"(call), "r"(rec))

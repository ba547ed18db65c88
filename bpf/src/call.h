/* What calls of the system and calls of functions share: the record of a call is made at its entry and sent at its end. */
#pragma once

#include "stubs.h"
#include "target.h"

static __always_inline struct task_struct *pt_current(void)
{
	if (PARAM(TASK_BTF))
		return (struct task_struct *)bpf_get_current_task_btf();
	return (struct task_struct *)bpf_get_current_task();
}

/* Loads from a task that pt_current returned. */
#define TASK(task, member)                                                                                                         \
	({                                                                                                                         \
		typeof((task)->member) __v;                                                                                        \
		if (PARAM(TASK_BTF))                                                                                               \
			__v = (task)->member;                                                                                      \
		else                                                                                                               \
			__v = BPF_CORE_READ(task, member);                                                                         \
		__v;                                                                                                               \
	})

static __always_inline void pt_call_header(void *rec)
{
	struct wire_call *info = rec + sizeof(struct wire_record);

	info->duration = 0;
	*(__u64 *)&info->errno = END_RUNNING << 16;
}

/* Sends the image of a call that did not return, as it was at its entry. */
static __noinline int pt_emit_unfinished(void *ctx, void *rec, __u64 end)
{
	struct wire_record *image = rec;
	struct wire_call *info;
	struct pt_slot slot;
	__u64 size = image->size;

	pt_attempted(image->site);
	if (!pt_reserve(ctx, &slot))
		return 0;
	if (size > PARAM(ROOM))
		size = PARAM(ROOM);
	bpf_probe_read_kernel(slot.rec, size, image);
	info = (struct wire_call *)(slot.rec + sizeof(struct wire_record));
	info->duration = bpf_ktime_get_boot_ns() - image->time;
	info->errno = 0;
	info->end = end;
	pt_commit(ctx, &slot);
	return 0;
}

static __always_inline __u64 pt_errno(__u64 result)
{
	return result >= -4095ULL ? -result : 0;
}

/* Sends a call that ended with a return value, which env holds. */
static __always_inline void pt_emit_returned(void *ctx, struct pt_env *env, struct pt_call *call, void *image, __u64 errno, __u64 end)
{
	struct wire_call *info;
	struct pt_slot slot;

	if (PARAM(EXIT_FILTER) && !filter_exit(ctx, env, call))
		return;
	pt_attempted(env->site);
	if (!pt_reserve(ctx, &slot))
		return;
	copy_image(slot.rec, image);
	info = (struct wire_call *)(slot.rec + sizeof(struct wire_record));
	info->duration = env->duration;
	*(__u64 *)&info->errno = errno | end << 16;
	capture_exit(ctx, env, call, slot.rec);
	pt_commit(ctx, &slot);
}

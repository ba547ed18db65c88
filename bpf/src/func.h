/*
 * Calls of functions, of the kernel's and of user programs'. Each task has a stack of the calls that it is in: an entry of the map for
 * each depth. The first one stays while the task lives; it holds the depth. The stack pointer tells the calls apart.
 *
 * Calls nest: by recursion, and in the kernel by interrupts, whose programs run in the middle of another's. So a program claims its depth
 * before it fills the entry, and gives it back after it is done with it.
 */
#pragma once

#include "call.h"
#include "point.h"

/* The kernel's stacks are aligned to their size; stack pointers on different ones cannot be compared. */
#define KERNEL_STACK_SHIFT 14

#define FRAME_END (PARAM(USER) ? END_UNWOUND : END_RETURN_MISSED)

static __always_inline struct pt_frame_value *pt_frame_at(__u64 task, __u64 depth)
{
	struct pt_frame key = {.task = task, .depth = depth};

	return bpf_map_lookup_elem(&frames, &key);
}

static __always_inline struct pt_frame_value *pt_frame_make(__u64 task, __u64 depth)
{
	struct pt_frame key = {.task = task, .depth = depth};
	__u32 zero = 0;
	void *empty = bpf_map_lookup_elem(&frame_blank, &zero);

	if (!empty)
		return NULL;
	bpf_map_update_elem(&frames, &key, empty, BPF_NOEXIST);
	return bpf_map_lookup_elem(&frames, &key);
}

/* Saves the arguments that are used at the return. */
static __always_inline void pt_func_args(void *ctx, struct pt_call *call, bool tracing)
{
	__u64 used = PARAM(ARGS);

	if (!used)
		return;
	if (tracing) {
		/* They lie at the context. Loaded one by one some would be pointers, with which the verifier allows little. */
		bpf_probe_read_kernel(call->args, sizeof(call->args), ctx);
		return;
	}
	call->args[0] = CTX(ctx, REG_DI);
	call->args[1] = CTX(ctx, REG_SI);
	call->args[2] = CTX(ctx, REG_DX);
	call->args[3] = CTX(ctx, REG_CX);
	call->args[4] = CTX(ctx, REG_R8);
	call->args[5] = CTX(ctx, REG_R9);
	if (used >> 6) {
		void *above = (void *)(CTX(ctx, REG_SP) + 8);

		if (PARAM(USER))
			bpf_probe_read_user(&call->args[6], 32, above);
		else
			bpf_probe_read_kernel(&call->args[6], 32, above);
	}
}

/*
 * A call begins where another one's stack pointer is. The other is over, unless it ended by jumping to the function that is called now
 * (a tail call). In user programs its return address then leads to the kernel's trampoline. In the kernel the function tells: that
 * one jumps to itself is rare.
 */
static __always_inline bool pt_tail_call(struct pt_frame_value *f, __u64 sp, __u64 site)
{
	if (PARAM(USER)) {
		struct task_struct *task = (struct task_struct *)bpf_get_current_task();
		__u64 to = 0;

		bpf_probe_read_user(&to, sizeof(to), (void *)sp);
		return to == BPF_CORE_READ(task, mm, uprobes_state.xol_area, vaddr);
	}
	return ((struct wire_record *)f->image)->site != site;
}

static __always_inline bool pt_below(__u64 frame, __u64 sp)
{
	return frame <= sp && (PARAM(USER) || frame >> KERNEL_STACK_SHIFT == sp >> KERNEL_STACK_SHIFT);
}

/*
 * Takes calls off the stack that must be over, since a call begins above them: left by longjmp or an exception, or their return was not
 * reported. They are sent when their entry is used again.
 */
static __always_inline void pt_frames_over(struct pt_frame_value *first, __u64 task, __u64 sp, __u64 site)
{
	__u64 depth = first->nest.depth, top = first->nest.top;

	if (!depth || !pt_below(top, sp))
		return;
	for (int i = 0; i < MAX_DEPTH; i++) {
		struct pt_frame_value *f = pt_frame_at(task, depth - 1);

		if (!f || (top == sp && pt_tail_call(f, sp, site)))
			break;
		top = f->nest.below;
		depth--;
		if (!depth || !pt_below(top, sp))
			break;
	}
	first->nest.depth = depth;
	first->nest.top = top;
}

static __always_inline void pt_frame_lost(__u64 site)
{
	struct wire_counters *n = pt_counters(site);

	if (n) {
		pt_count(&n->attempted);
		pt_count(&n->map_full);
	}
}

/* Returns whether the return is wanted. */
static __always_inline bool pt_func_enter(void *ctx, __u32 site, __u64 sp, bool tracing)
{
	struct pt_frame_value *first, *f;
	__u64 task, depth, below;
	struct pt_env env = {};

	env.pid_tgid = bpf_get_current_pid_tgid();
	if (site == NO_SITE || pt_target_state(env.pid_tgid >> 32) != TARGET_ACTIVE)
		return false;
	env.site = site;
	env.time = bpf_ktime_get_boot_ns();
	if (PARAM(FILTER) && !filter_entry(ctx, &env, NULL))
		return false;

	task = bpf_get_current_task();
	first = pt_frame_at(task, 0);
	if (!first) {
		first = pt_frame_make(task, 0);
		if (!first) {
			pt_frame_lost(env.site);
			return false;
		}
	}
	if (PARAM(STALE))
		pt_frames_over(first, task, sp, env.site);

	depth = first->nest.depth;
	below = first->nest.top;
	f = first;
	if (depth) {
		if (depth >= MAX_DEPTH) {
			pt_frame_lost(env.site);
			return false;
		}
		f = pt_frame_at(task, depth);
		if (!f) {
			f = pt_frame_make(task, depth);
			if (!f) {
				pt_frame_lost(env.site);
				return false;
			}
		}
	}
	if (depth > first->nest.deepest)
		first->nest.deepest = depth;
	first->nest.depth = depth + 1;
	first->nest.top = sp;
	BARRIER();
	if (f->call.state == CALL_ACTIVE) {
		f->call.state = CALL_IDLE;
		pt_emit_unfinished(ctx, f->image, FRAME_END);
	}
	f->nest.sp = sp;
	f->nest.below = below;
	pt_func_args(ctx, &f->call, tracing);
	pt_header(f->image, &env);
	pt_call_header(f->image);
	capture_entry(ctx, &env, &f->call, f->image);
	BARRIER();
	f->call.state = CALL_ACTIVE;
	return true;
}

/* A return without an entry: the call began before the recording, or its entry was left out. */
static __always_inline int pt_func_orphan(__u32 site)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32, zero = 0;
	struct pt_session *s = bpf_map_lookup_elem(&session, &zero);
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct wire_counters *n;

	if (PARAM(FILTER) || site == NO_SITE || !s || pt_target_state(tgid) != TARGET_ACTIVE)
		return 0;
	/* A task that is younger than the recording has returns from its parent's calls: its stack is a copy. */
	if (BPF_CORE_READ(task, start_boottime) > s->start)
		return 0;
	n = pt_counters(site);
	if (n)
		pt_count(&n->started_before);
	return 0;
}

/* The upper half of a register that holds an int means nothing; results of 64 bits that could be mistaken for one do not occur. */
static __always_inline __u64 pt_func_errno(__u64 ret)
{
	if (!PARAM(ERRNO))
		return 0;
	if (!(ret >> 32))
		return pt_errno((__s64)(__s32)ret);
	return pt_errno(ret);
}

static __always_inline int pt_func_exit(void *ctx, __u32 site, __u64 sp, __u64 ret)
{
	__u64 task = bpf_get_current_task(), depth;
	struct pt_frame_value *first = pt_frame_at(task, 0), *f = NULL;
	struct wire_record *image;
	struct pt_env env = {};

	if (!first)
		return pt_func_orphan(site);
	depth = first->nest.depth;
	if (first->nest.top == sp && depth == 1) {
		f = first;
		depth = 0;
	} else {
		/* Usually the innermost. Calls above the one that returns have lost their own returns. */
		for (int i = 0; i < MAX_DEPTH; i++) {
			if (!depth)
				break;
			depth--;
			f = pt_frame_at(task, depth);
			if (f && f->nest.sp == sp)
				break;
			f = NULL;
		}
	}
	if (!f)
		return 0;
	if (f->call.state == CALL_ACTIVE) {
		image = (struct wire_record *)f->image;
		env.time = image->time;
		env.pid_tgid = image->task;
		env.site = image->site;
		env.ret = ret;
		env.duration = bpf_ktime_get_boot_ns() - env.time;
		pt_emit_returned(ctx, &env, &f->call, f->image, pt_func_errno(ret), END_RETURNED);
		f->call.state = CALL_IDLE;
	}
	BARRIER();
	first->nest.top = f->nest.below;
	first->nest.depth = depth;
	if (depth >= KEEP_DEPTH) {
		struct pt_frame key = {.task = task, .depth = depth};

		bpf_map_delete_elem(&frames, &key);
	}
	return 0;
}

SEC("kprobe")
int func_enter(void *ctx)
{
	pt_preempt_disable();
	pt_func_enter(ctx, pt_site(ctx), CTX(ctx, REG_SP), false);
	pt_preempt_enable();
	return 0;
}

/* The return has taken the return address off the stack. */
SEC("kprobe")
int func_exit(void *ctx)
{
	pt_preempt_disable();
	pt_func_exit(ctx, pt_site(ctx), CTX(ctx, REG_SP) - 8, CTX(ctx, REG_AX));
	pt_preempt_enable();
	return 0;
}

/*
 * The context is in the trampoline's frame, which is this call's alone. Its address is read from the stack: to the verifier it is a number
 * then, and no longer a pointer.
 */
static __always_inline __u64 pt_trampoline(void *ctx)
{
	void *at = ctx;
	__u64 number = 0;

	bpf_probe_read_kernel(&number, sizeof(number), &at);
	return number;
}

SEC("fentry")
int func_fentry(void *ctx)
{
	pt_preempt_disable();
	pt_func_enter(ctx, pt_site(ctx), pt_trampoline(ctx), true);
	pt_preempt_enable();
	return 0;
}

SEC("fexit")
int func_fexit(void *ctx)
{
	__u64 ret = 0;

	pt_preempt_disable();
	bpf_probe_read_kernel(&ret, sizeof(ret), ctx + PARAM(RESULT_AT));
	pt_func_exit(ctx, pt_site(ctx), pt_trampoline(ctx), ret);
	pt_preempt_enable();
	return 0;
}

/* The second form is Linux 7.0's; the name up to the underscores is the kernel's. */
extern bool bpf_session_is_return(void) __ksym __weak;
extern __u64 *bpf_session_cookie(void) __ksym __weak;
extern bool bpf_session_is_return___ctx(void *ctx) __ksym __weak;
extern __u64 *bpf_session_cookie___ctx(void *ctx) __ksym __weak;

/* The kernel itself joins entry and return, and leaves the return out where the entry's run gives 1. */
SEC("kprobe")
int func_session(void *ctx)
{
	__u64 *own;
	bool back;

	if (PARAM(SESSION_CTX)) {
		back = bpf_session_is_return___ctx(ctx);
		own = bpf_session_cookie___ctx(ctx);
	} else {
		back = bpf_session_is_return();
		own = bpf_session_cookie();
	}
	if (!own)
		return 1;
	if (back)
		return pt_func_exit(ctx, NO_SITE, *own, CTX(ctx, REG_AX));
	*own = CTX(ctx, REG_SP);
	return !pt_func_enter(ctx, pt_site(ctx), *own, false);
}

/*
 * A task is gone, or a program is replaced by another one: no call of it returns any more. A run ends two of its calls, the innermost first,
 * and the next run two more: all at once would be more than the verifier follows.
 */
static __always_inline bool pt_func_gone(void *ctx)
{
	struct pt_frame key = {.task = CTX(ctx, 0)};
	struct pt_frame_value *first = pt_frame_at(key.task, 0);

	if (!first)
		return false;
	for (int i = 0; i < 2; i++) {
		__u32 deepest = first->nest.deepest;
		struct pt_frame_value *f;

		key.depth = deepest;
		f = bpf_map_lookup_elem(&frames, &key);
		if (f && f->call.state == CALL_ACTIVE) {
			f->call.state = CALL_IDLE;
			pt_emit_unfinished(ctx, f->image, deepest < first->nest.depth ? PARAM(GONE) : FRAME_END);
		}
		bpf_map_delete_elem(&frames, &key);
		if (!deepest)
			return false;
		first->nest.deepest = deepest - 1;
	}
	return true;
}

SEC("raw_tracepoint")
int func_gone(void *ctx)
{
	bool more;

	pt_preempt_disable();
	more = pt_func_gone(ctx);
	pt_preempt_enable();
	if (more)
		bpf_tail_call(ctx, &gone_again, 0);
	return 0;
}

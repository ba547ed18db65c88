/*
 * System calls: two raw tracepoints make one event of an entry and its exit. What is under way is kept for each task, in an entry that
 * lives as long as the task: its presence means that the task is known.
 */
#pragma once

#include "call.h"
#include "regs.h"

#define NR_UNKNOWN (SYSCALL_SLOTS - 1)

/*
 * What the tracepoints of system calls give. Raw: the registers' address, then the number (sys_enter) or the result (sys_exit). As a
 * record of raw_syscalls: the common fields, the number, then the arguments or the result.
 */
struct pt_raw {
	__u64 args[3];
};

/* The number at the entry is in the same place in both. */
#define ENTER_NR(ctx) CTX(ctx, 1)

static __always_inline __u64 pt_exit_result(struct pt_raw *ctx)
{
	if (PARAM(RECORD))
		return CTX(ctx, 2);
	return CTX(ctx, 1);
}

static __always_inline bool pt_compat(struct task_struct *task)
{
	return TASK(task, thread_info.status) & TS_COMPAT;
}

static __always_inline __u32 pt_syscall_slot(__u32 nr, bool compat)
{
	if (nr >= SYSCALL_SLOTS_PER_ABI)
		return NR_UNKNOWN;
	return compat ? SYSCALL_SLOTS_PER_ABI + nr : nr;
}

static __always_inline bool pt_is_execve(__u32 slot)
{
	return slot == 59 || slot == 322 || slot == SYSCALL_SLOTS_PER_ABI + 11 || slot == SYSCALL_SLOTS_PER_ABI + 358;
}

/* fork, vfork, clone, clone3: the child leaves the call that its parent entered. */
static __always_inline bool pt_is_clone(__u32 slot)
{
	return (slot >= 56 && slot <= 58) || slot == 435 || slot == SYSCALL_SLOTS_PER_ABI + 2 || slot == SYSCALL_SLOTS_PER_ABI + 120 ||
	       slot == SYSCALL_SLOTS_PER_ABI + 190 || slot == SYSCALL_SLOTS_PER_ABI + 435;
}

#define ARG(regs, i, reg, reg32)                                                                                                   \
	if (used & (1 << (i)))                                                                                                     \
		call->args[i] = compat ? (__u32)(regs)->reg32 : (regs)->reg

/* Saves the arguments that the statement uses. */
static __always_inline void pt_syscall_args(struct pt_call *call, struct pt_raw *ctx, bool compat)
{
	__u64 used = PARAM(ARGS);

	if (!used)
		return;
	if (PARAM(TASK_REGS)) {
		struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());

		ARG(regs, 0, di, bx);
		ARG(regs, 1, si, cx);
		ARG(regs, 2, dx, dx);
		ARG(regs, 3, r10, si);
		ARG(regs, 4, r8, di);
		ARG(regs, 5, r9, bp);
		return;
	}

	/* The registers lie in this order on every x86-64 kernel: it is what ptrace hands out. */
	struct {
		unsigned long bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di;
	} copy;

	if (bpf_probe_read_kernel(&copy, sizeof(copy), (void *)(CTX(ctx, 0) + 32)))
		__builtin_memset(&copy, 0, sizeof(copy));
	ARG(&copy, 0, di, bx);
	ARG(&copy, 1, si, cx);
	ARG(&copy, 2, dx, dx);
	ARG(&copy, 3, r10, si);
	ARG(&copy, 4, r8, di);
	ARG(&copy, 5, r9, bp);
}

static __always_inline struct pt_call_value *pt_know(__u64 key)
{
	__u32 zero = 0;
	void *empty = bpf_map_lookup_elem(&blank, &zero);

	if (!empty)
		return NULL;
	bpf_map_update_elem(&inflight, &key, empty, BPF_NOEXIST);
	return bpf_map_lookup_elem(&inflight, &key);
}

static __always_inline int pt_syscall_enter(struct pt_raw *ctx)
{
	struct pt_env env = {};
	struct pt_call_value *c;
	struct task_struct *task;
	__u32 slot, state, *site;
	bool compat;
	__u64 key;

	env.pid_tgid = bpf_get_current_pid_tgid();
	state = pt_target_state(env.pid_tgid >> 32);
	if (!state)
		return 0;
	task = pt_current();
	compat = pt_compat(task);
	slot = pt_syscall_slot(ENTER_NR(ctx), compat);
	site = bpf_map_lookup_elem(&syscall_sites, &slot);
	if (!site || !*site)
		return 0;
	/* Of a process that waits for its execve only that call counts: until it succeeds (task_exec), other threads are the recorder's own. */
	if (state == TARGET_ARMED && !pt_is_execve(slot))
		return 0;
	env.site = (*site & ~SITE_SKIPPED) - 1;
	if (*site & SITE_SKIPPED) {
		struct wire_counters *n = pt_counters(env.site);

		if (n)
			pt_count(&n->skipped);
		return 0;
	}

	key = (__u64)task;
	c = bpf_map_lookup_elem(&inflight, &key);
	if (!c) {
		c = pt_know(key);
		if (!c) {
			struct wire_counters *n = pt_counters(env.site);

			if (n) {
				pt_count(&n->attempted);
				pt_count(&n->map_full);
			}
			return 0;
		}
	}
	if (c->call.state == CALL_ACTIVE)
		pt_emit_unfinished(ctx, c->image, END_RETURN_MISSED);
	pt_syscall_args(&c->call, ctx, compat);
	env.time = bpf_ktime_get_boot_ns();
	if (PARAM(FILTER) && !filter_entry(ctx, &env, &c->call)) {
		c->call.state = CALL_FILTERED;
		return 0;
	}
	c->call.stmt = PARAM(STMT);
	pt_header(c->image, &env);
	pt_call_header(c->image);
	capture_entry(ctx, &env, &c->call, c->image);
	BARRIER();
	c->call.state = CALL_ACTIVE;
	return 0;
}

/* An exit without an entry. */
static __always_inline int pt_syscall_orphan(struct pt_raw *ctx, struct pt_env *env, struct pt_call_value *c, struct task_struct *task,
					     __u32 slot, bool compat)
{
	__u32 zero = 0, *site = bpf_map_lookup_elem(&syscall_sites, &slot);
	struct pt_session *s = bpf_map_lookup_elem(&session, &zero);
	bool known = c != NULL;

	if (!site || !*site || *site & SITE_SKIPPED || !s)
		return 0;
	if (pt_target_state(env->pid_tgid >> 32) != TARGET_ACTIVE)
		return 0;
	env->site = *site - 1;
	if (pt_is_clone(slot) && env->ret == 0)
		return 0;
	if (!known) {
		c = pt_know((__u64)task);
		/* A task that was born during the recording can have no call from before it. */
		known = TASK(task, start_boottime) > s->start;
	}
	if (!known) {
		struct wire_counters *n = pt_counters(env->site);

		if (n)
			pt_count(&n->started_before);
		return 0;
	}
	/* Without a seccomp filter or a tracer nobody can have refused it: the kernel skipped the entry's program, and counts that itself. */
	if (!c || (!TASK(task, seccomp.mode) && !TASK(task, ptrace)))
		return 0;
	pt_syscall_args(&c->call, ctx, compat);
	env->time = bpf_ktime_get_boot_ns();
	if (PARAM(FILTER) && !filter_entry(ctx, env, &c->call))
		return 0;
	pt_header(c->image, env);
	pt_call_header(c->image);
	capture_entry(ctx, env, &c->call, c->image);
	pt_emit_returned(ctx, env, &c->call, c->image, pt_errno(env->ret), END_DENIED);
	return 0;
}

static __always_inline int pt_syscall_nr(struct pt_raw *ctx)
{
	if (PARAM(TASK_REGS))
		return ((struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf()))->orig_ax;
	return BPF_CORE_READ((struct pt_regs *)CTX(ctx, 0), orig_ax);
}

static __always_inline int pt_syscall_exit(struct pt_raw *ctx)
{
	struct task_struct *task = pt_current();
	struct pt_call_value *c;
	struct pt_env env = {};
	__u64 key = (__u64)task;
	__u32 state = CALL_IDLE;

	c = bpf_map_lookup_elem(&inflight, &key);
	if (c)
		state = c->call.state;
	env.ret = pt_exit_result(ctx);
	if (state == CALL_IDLE) {
		int nr = pt_syscall_nr(ctx);
		bool compat = pt_compat(task);

		if (nr < 0)
			return 0;
		env.pid_tgid = bpf_get_current_pid_tgid();
		return pt_syscall_orphan(ctx, &env, c, task, pt_syscall_slot(nr, compat), compat);
	}
	if (!c)
		return 0;
	c->call.state = CALL_IDLE;
	if (state == CALL_FILTERED)
		return 0;

	struct wire_record *image = (struct wire_record *)c->image;

	env.time = image->time;
	env.pid_tgid = image->task;
	env.site = image->site;
	env.duration = bpf_ktime_get_boot_ns() - env.time;
	pt_emit_returned(ctx, &env, &c->call, c->image, pt_errno(env.ret), END_RETURNED);
	return 0;
}

SEC("raw_tracepoint")
int syscall_enter(struct pt_raw *ctx)
{
	pt_preempt_disable();
	pt_syscall_enter(ctx);
	pt_preempt_enable();
	return 0;
}

SEC("raw_tracepoint")
int syscall_exit(struct pt_raw *ctx)
{
	pt_preempt_disable();
	pt_syscall_exit(ctx);
	pt_preempt_enable();
	return 0;
}

/* Several statements in one layer: these look up whose a call is. */
SEC("raw_tracepoint")
int dispatch_enter(struct pt_raw *ctx)
{
	__u32 slot = pt_syscall_slot(ENTER_NR(ctx), pt_compat(pt_current()));
	__u32 *stmt = bpf_map_lookup_elem(&syscall_stmts, &slot);

	if (stmt && *stmt)
		bpf_tail_call(ctx, &enter_progs, *stmt - 1);
	return 0;
}

SEC("raw_tracepoint")
int dispatch_exit(struct pt_raw *ctx)
{
	struct task_struct *task = pt_current();
	__u64 key = (__u64)task;
	struct pt_call_value *c = bpf_map_lookup_elem(&inflight, &key);
	__u32 slot, *stmt;
	int nr;

	if (c && c->call.state != CALL_IDLE) {
		bpf_tail_call(ctx, &exit_progs, c->call.stmt);
		return 0;
	}
	nr = pt_syscall_nr(ctx);
	if (nr < 0)
		return 0;
	slot = pt_syscall_slot(nr, pt_compat(task));
	stmt = bpf_map_lookup_elem(&syscall_stmts, &slot);
	if (stmt && *stmt)
		bpf_tail_call(ctx, &exit_progs, *stmt - 1);
	return 0;
}

static __always_inline void pt_syscall_gone(void *ctx)
{
	__u64 key = bpf_get_current_task();
	struct pt_call_value *c = bpf_map_lookup_elem(&inflight, &key);

	if (!c)
		return;
	if (c->call.state == CALL_ACTIVE) {
		c->call.state = CALL_IDLE;
		pt_emit_unfinished(ctx, c->image, END_THREAD_EXITED);
	}
	bpf_map_delete_elem(&inflight, &key);
}

/* A task ends, perhaps inside a call: exit and exit_group never return. */
SEC("raw_tracepoint")
int syscall_gone(void *ctx)
{
	pt_preempt_disable();
	pt_syscall_gone(ctx);
	pt_preempt_enable();
	return 0;
}

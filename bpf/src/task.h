/* The lives of tasks: who is a target, and what user space knows of names and parents. */
#pragma once

#include "target.h"

struct pt_raw3 {
	__u64 args[3];
};

#define CLONE_THREAD 0x00010000

static __always_inline void pt_task_fill(struct wire_task *t, __u32 kind, struct task_struct *task)
{
	t->time = bpf_ktime_get_boot_ns();
	t->kind = kind;
	t->pid = BPF_CORE_READ(task, tgid);
	t->tid = BPF_CORE_READ(task, pid);
	t->start = BPF_CORE_READ(task, start_boottime);
	t->parent = BPF_CORE_READ(task, real_parent, tgid);
	t->uid = BPF_CORE_READ(task, cred, uid.val);
	t->cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
	if (BPF_CORE_READ(task, flags) & PF_KTHREAD)
		t->flags |= TASK_FLAG_KERNEL;
	BPF_CORE_READ_STR_INTO(&t->comm, task, comm);
}

static __always_inline void pt_task_send(void *ctx, struct wire_task *t)
{
	__u64 size = offsetof(struct wire_task, exe) + (t->len & 0x1ff);

	if (size > sizeof(*t))
		size = sizeof(*t);
	if (bpf_perf_event_output(ctx, &tasks, BPF_F_CURRENT_CPU, t, size)) {
		__u32 zero = 0;
		struct pt_cpu *cpu = bpf_map_lookup_elem(&cpus, &zero);

		if (cpu)
			pt_count(&cpu->task_lost);
	}
}

/* With process ids as targets, only their tasks are told of. */
static __always_inline bool pt_task_wanted(struct wire_task *t, __u32 state)
{
	if (state)
		t->flags |= TASK_FLAG_TARGET;
	return state || PARAM(MODE) != MODE_PIDS;
}

/*
 * Where the kernel lets these programs be preempted, it skips them for every other task of the CPU meanwhile, and a child that nobody
 * was told of would be missing with all its events. So each is attached twice: the second one does what the first one was skipped for.
 */
static __always_inline bool pt_task_turn(__u32 kind)
{
	__u64 key = bpf_get_current_task();
	__u32 *done;

	if (PARAM(TWIN) == TWIN_FIRST) {
		bpf_map_update_elem(&task_turns, &key, &kind, BPF_ANY);
		return true;
	}
	if (PARAM(TWIN) == TWIN_SECOND) {
		done = bpf_map_lookup_elem(&task_turns, &key);
		if (done && *done == kind) {
			bpf_map_delete_elem(&task_turns, &key);
			return false;
		}
	}
	return true;
}

SEC("raw_tracepoint")
int task_newtask(struct pt_raw3 *ctx)
{
	struct task_struct *child = (struct task_struct *)ctx->args[0];
	__u32 parent = bpf_get_current_pid_tgid() >> 32;
	__u32 state = pt_target_state(parent);
	struct wire_task t = {};

	if (!pt_task_turn(TASK_FORK))
		return 0;
	pt_task_fill(&t, TASK_FORK, child);
	if (PARAM(MODE) == MODE_PIDS && !(ctx->args[1] & CLONE_THREAD)) {
		if (state && PARAM(CHILDREN)) {
			struct pt_target target = {.state = state, .start = t.start};

			bpf_map_update_elem(&targets, &t.pid, &target, BPF_ANY);
		} else {
			/* The id may have been a target's that is gone. */
			state = 0;
			bpf_map_delete_elem(&targets, &t.pid);
		}
	}
	if (pt_task_wanted(&t, state))
		pt_task_send(ctx, &t);
	return 0;
}

SEC("raw_tracepoint")
int task_exec(struct pt_raw3 *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx->args[0];
	struct linux_binprm *bprm = (struct linux_binprm *)ctx->args[2];
	struct wire_task t = {};
	__u32 state;
	long n;

	if (!pt_task_turn(TASK_EXEC))
		return 0;
	pt_task_fill(&t, TASK_EXEC, task);
	state = pt_target_state(t.pid);
	if (state == TARGET_ARMED)
		pt_activate(t.pid);
	if (!pt_task_wanted(&t, state))
		return 0;
	t.old_tid = ctx->args[1];
	n = bpf_probe_read_kernel_str(t.exe, sizeof(t.exe), BPF_CORE_READ(bprm, filename));
	t.len = n > 0 ? n - 1 : 0;
	pt_task_send(ctx, &t);
	return 0;
}

SEC("raw_tracepoint")
int task_rename(struct pt_raw3 *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx->args[0];
	struct wire_task t = {};

	if (!pt_task_turn(TASK_RENAME))
		return 0;
	pt_task_fill(&t, TASK_RENAME, task);
	bpf_probe_read_kernel_str(t.comm, sizeof(t.comm), (void *)ctx->args[1]);
	if (pt_task_wanted(&t, pt_target_state(t.pid)))
		pt_task_send(ctx, &t);
	return 0;
}

SEC("raw_tracepoint")
int task_exit(struct pt_raw3 *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx->args[0];
	struct wire_task t = {};

	if (!pt_task_turn(TASK_EXIT))
		return 0;
	pt_task_fill(&t, TASK_EXIT, task);
	if (pt_task_wanted(&t, pt_target_state(t.pid)))
		pt_task_send(ctx, &t);
	return 0;
}

/*
 * The process id is free again. A target's entry goes only now, since its tasks still have events after their exit, such as being
 * switched away from. The start time tells it from a new process with the same id; execve from a thread keeps it.
 */
SEC("raw_tracepoint")
int task_free(struct pt_raw3 *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx->args[0];
	__u32 tgid = BPF_CORE_READ(task, tgid);
	struct pt_target *t;

	if (PARAM(MODE) != MODE_PIDS || BPF_CORE_READ(task, pid) != tgid)
		return 0;
	t = bpf_map_lookup_elem(&targets, &tgid);
	if (t && (t->start == 0 || t->start == BPF_CORE_READ(task, start_boottime)))
		bpf_map_delete_elem(&targets, &tgid);
	return 0;
}

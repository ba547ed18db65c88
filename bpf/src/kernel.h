/* The parts of the kernel's structs that the programs read. Offsets come from the running kernel's BTF when they are loaded. */
#pragma once

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define CORE __attribute__((preserve_access_index))

struct thread_info {
	__u32 status;
} CORE;

typedef struct kuid {
	__u32 val;
} CORE kuid_t;

struct cred {
	kuid_t uid;
} CORE;

struct kernfs_node {
	__u64 id;
} CORE;

struct cgroup {
	struct kernfs_node *kn;
} CORE;

struct css_set {
	struct cgroup *dfl_cgrp;
} CORE;

struct seccomp {
	int mode;
} CORE;

struct xol_area {
	unsigned long vaddr;
} CORE;

struct uprobes_state {
	struct xol_area *xol_area;
} CORE;

struct mm_struct {
	struct uprobes_state uprobes_state;
} CORE;

struct task_struct {
	struct mm_struct *mm;
	struct thread_info thread_info;
	unsigned int flags;
	unsigned int ptrace;
	int pid;
	int tgid;
	struct task_struct *real_parent;
	__u64 start_boottime;
	const struct cred *cred;
	char comm[16];
	struct css_set *cgroups;
	struct seccomp seccomp;
} CORE;

struct linux_binprm {
	const char *filename;
} CORE;

/* The kernel's names of the registers, which differ from those of <linux/ptrace.h>. */
struct pt_regs {
	unsigned long bp, bx, r10, r9, r8, ax, cx, dx, si, di, orig_ax, sp;
} CORE;

#define PF_KTHREAD 0x00200000
#define TS_COMPAT 0x0002

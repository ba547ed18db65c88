/* The maps. Sizes that depend on the plan are set in Go. */
#pragma once

#include "kernel.h"
#include "params.h"

#define MAP(name, kind, ktype, vtype, n)                                                                                           \
	struct {                                                                                                                   \
		__uint(type, kind);                                                                                                \
		__uint(max_entries, n);                                                                                            \
		__type(key, ktype);                                                                                                \
		__type(value, vtype);                                                                                              \
	} name SEC(".maps")

/* What is in records and other places by casts only. Named here so that the object's BTF has them all, for a test to compare with Go's. */
struct pt_shapes {
	struct wire_record record;
	struct wire_call call;
	struct wire_fields fields;
	struct wire_text text;
	struct wire_task task;
};

struct pt_slot_value {
	struct wire_batch batch;
	union {
		__u8 records[4096];
		struct pt_shapes shapes;
	};
};

/* A call under way, with the image of its record. */
struct pt_call_value {
	struct pt_call call;
	__u8 image[4096];
};

/* A call of a function under way. */
struct pt_frame_value {
	struct pt_call call;
	struct pt_nest nest;
	__u8 image[4096];
};

MAP(events, BPF_MAP_TYPE_PERF_EVENT_ARRAY, __u32, __u32, 0);
MAP(tasks, BPF_MAP_TYPE_PERF_EVENT_ARRAY, __u32, __u32, 0);
MAP(task_turns, BPF_MAP_TYPE_LRU_HASH, __u64, __u32, 1);
MAP(cpus, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, struct pt_cpu, 1);
MAP(slots, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, struct pt_slot_value, 4);
/*
 * Of each CPU's sites. The recorder has it in its memory: while a process is in a system call for a map, waiting to run again included, the
 * kernel skips programs of kprobes and perf tracepoints on that CPU.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct wire_counters);
} counters SEC(".maps");
MAP(targets, BPF_MAP_TYPE_HASH, __u32, struct pt_target, 1);
MAP(cgroups, BPF_MAP_TYPE_CGROUP_ARRAY, __u32, __u32, 1);
MAP(session, BPF_MAP_TYPE_ARRAY, __u32, struct pt_session, 1);

/* Sites of kprobes by their addresses, where there are no cookies. One for a statement. */
MAP(addresses, BPF_MAP_TYPE_HASH, __u64, __u32, 1);

/* One of each for a statement of function calls. */
MAP(frames, BPF_MAP_TYPE_HASH, struct pt_frame, struct pt_frame_value, 1);
MAP(frame_blank, BPF_MAP_TYPE_ARRAY, __u32, struct pt_frame_value, 1);
MAP(gone_again, BPF_MAP_TYPE_PROG_ARRAY, __u32, __u32, 1);

/* One of each for a layer of system calls. */
MAP(inflight, BPF_MAP_TYPE_HASH, __u64, struct pt_call_value, 1);
MAP(blank, BPF_MAP_TYPE_ARRAY, __u32, struct pt_call_value, 1);
MAP(syscall_sites, BPF_MAP_TYPE_ARRAY, __u32, __u32, SYSCALL_SLOTS);
MAP(syscall_stmts, BPF_MAP_TYPE_ARRAY, __u32, __u32, SYSCALL_SLOTS);
MAP(enter_progs, BPF_MAP_TYPE_PROG_ARRAY, __u32, __u32, 1);
MAP(exit_progs, BPF_MAP_TYPE_PROG_ARRAY, __u32, __u32, 1);

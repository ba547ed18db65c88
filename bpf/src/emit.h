/* From a record to the perf buffer: batches, scratch slots, counters. */
#pragma once

#include "maps.h"

/* What a program knows of its event; the functions that the compiler in Go writes read it. */
struct pt_env {
	__u64 time; /* boot clock, ns: of the event, or of the call's start */
	__u64 pid_tgid;
	__u64 ret;
	__u64 duration;
	__u64 site;
};

/* A scratch slot that is held, and the record's place in it. */
struct pt_slot {
	struct pt_cpu *cpu;
	struct pt_slot_value *value;
	__u8 *rec;
	__u64 index;
	__u64 off;
};

#define BARRIER() asm volatile("" ::: "memory")

/*
 * Programs that the kernel lets be preempted ask it not to do so while they run:
 *
 * - From 6.13 on programs of the kprobe type have a stack for each CPU. Nothing keeps two tasks of a CPU from being in the same uprobe's
 *   program: the second one would overwrite what the first one has on it.
 * - Whoever is preempted while it holds a scratch slot keeps it until it runs again, however long the others on its CPU take.
 */
extern void bpf_preempt_disable(void) __ksym __weak;
extern void bpf_preempt_enable(void) __ksym __weak;

static __always_inline void pt_preempt_disable(void)
{
	if (PARAM(PREEMPT))
		bpf_preempt_disable();
}

static __always_inline void pt_preempt_enable(void)
{
	if (PARAM(PREEMPT))
		bpf_preempt_enable();
}

/*
 * Kernels without compare-and-exchange do not preempt these programs: whoever interrupts between the load and the store is gone
 * again when the store runs.
 */
static __always_inline bool pt_lock(__u32 *flag)
{
	if (PARAM(CMPXCHG))
		return __sync_val_compare_and_swap(flag, 0, 1) == 0;
	if (*(volatile __u32 *)flag)
		return false;
	*(volatile __u32 *)flag = 1;
	return true;
}

static __always_inline void pt_unlock(__u32 *flag)
{
	BARRIER();
	*(volatile __u32 *)flag = 0;
}

/*
 * Sends the batch of a slot. What does not fit into the buffer is lost and shows as records that were attempted and never seen.
 */
static __always_inline void pt_send(void *ctx, struct pt_slot_value *value, __u64 size)
{
	if (size > PARAM(SLOT))
		return;
	bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, value, size);
}

/* Sends the batch that a slot has collected and empties it. */
static __always_inline void pt_send_batch(void *ctx, struct pt_cpu *cpu, struct pt_slot_value *value)
{
	value->batch.seq = cpu->seq++;
	value->batch.flags = 0;
	pt_send(ctx, value, value->batch.size);
	value->batch.size = sizeof(struct wire_batch);
}

/* Claims a slot with room for a record of PARAM(ROOM) bytes. */
static __always_inline bool pt_reserve(void *ctx, struct pt_slot *slot)
{
	__u32 zero = 0, index;
	struct pt_cpu *cpu = bpf_map_lookup_elem(&cpus, &zero);
	__u64 room = PARAM(ROOM), limit = PARAM(SLOT);

	if (!cpu)
		return false;
	if (pt_lock(&cpu->busy[0])) {
		index = 0;
	} else {
		/* The first that is free. Calculated, since the verifier would follow every branch to the end. */
		__u32 one = *(volatile __u32 *)&cpu->busy[1] & 1, two = *(volatile __u32 *)&cpu->busy[2] & 1;

		index = 1 + one + (one & two);
		if (index > 3 || !pt_lock(&cpu->busy[index]))
			return false;
	}

	struct pt_slot_value *value = bpf_map_lookup_elem(&slots, &index);

	if (!value)
		return false;

	__u64 off = sizeof(struct wire_batch);

	if (index == 0) {
		if (value->batch.size > off) {
			off = value->batch.size;
			if (off + room > limit) {
				pt_send_batch(ctx, cpu, value);
				off = sizeof(struct wire_batch);
			}
		}
	}
	/* The verifier does not follow the sum above back to off. */
	if (off > limit - room)
		off = sizeof(struct wire_batch);
	asm volatile("" : "+r"(off));
	if (off > limit - room)
		return false;
	slot->cpu = cpu;
	slot->value = value;
	slot->rec = (__u8 *)value + off;
	slot->index = index;
	slot->off = off;
	return true;
}

/* Ends a record of size bytes: it joins the batch, or goes out by itself where the batch's owner was interrupted. */
static __always_inline void pt_commit(void *ctx, struct pt_slot *slot)
{
	struct wire_record *rec = (struct wire_record *)slot->rec;
	struct pt_slot_value *value = slot->value;
	__u64 size = (rec->size + 7) & ~7ULL;

	rec->size = size;
	value->batch.size = slot->off + size;
	if (slot->index) {
		value->batch.seq = slot->cpu->single_seq++;
		value->batch.flags = BATCH_SINGLE;
		pt_send(ctx, value, value->batch.size);
	}
	pt_unlock(&slot->cpu->busy[slot->index & 3]);
}

static __always_inline struct wire_counters *pt_counters(__u64 site)
{
	__u32 key = bpf_get_smp_processor_id() * PARAM(SITES) + site;

	if (site >= PARAM(SITES))
		return NULL;
	return bpf_map_lookup_elem(&counters, &key);
}

static __always_inline void pt_count(__u64 *counter)
{
	__sync_fetch_and_add(counter, 1);
}

static __always_inline void pt_attempted(__u64 site)
{
	struct wire_counters *c = pt_counters(site);

	if (c)
		pt_count(&c->attempted);
}

static __always_inline void pt_header(void *rec, struct pt_env *env)
{
	struct wire_record *r = rec;

	r->table = PARAM(TABLE);
	r->site = env->site;
	r->time = env->time;
	r->task = env->pid_tgid;
}

/*
 * The skeletons of probetape's programs. They do what every probe needs; what a probe statement asks for is written into the stubs when
 * it is compiled.
 */
#include "func.h"
#include "point.h"
#include "syscall.h"
#include "task.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tracepoint")
int point_tracepoint(void *ctx)
{
	return pt_point(ctx, pt_site(ctx));
}

SEC("raw_tracepoint")
int point_raw_tracepoint(void *ctx)
{
	pt_preempt_disable();
	pt_point(ctx, PARAM(SITE));
	pt_preempt_enable();
	return 0;
}

/* kprobe, kretprobe, uprobe, uretprobe, USDT: all get the registers. */
SEC("kprobe")
int point_regs(void *ctx)
{
	pt_preempt_disable();
	pt_point(ctx, pt_site(ctx));
	pt_preempt_enable();
	return 0;
}

/* fentry and fexit: a program for each function. */
SEC("fentry")
int point_tracing(void *ctx)
{
	pt_preempt_disable();
	pt_point(ctx, PARAM(SITE));
	pt_preempt_enable();
	return 0;
}

SEC("raw_tracepoint")
int flush(void *ctx)
{
	__u32 zero = 0;
	struct pt_cpu *cpu = bpf_map_lookup_elem(&cpus, &zero);
	struct pt_slot_value *value = bpf_map_lookup_elem(&slots, &zero);

	if (!cpu || !value)
		return 0;
	if (!pt_lock(&cpu->busy[0]))
		return 1;
	if (value->batch.size > sizeof(struct wire_batch))
		pt_send_batch(ctx, cpu, value);
	pt_unlock(&cpu->busy[0]);
	return 0;
}

/* Tried out, to know whether a kernel has the functions for it. */
SEC("kprobe")
int try_preempt(void *ctx)
{
	pt_preempt_disable();
	pt_preempt_enable();
	return 0;
}

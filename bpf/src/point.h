/* Point probes: one event for each hit. */
#pragma once

#include "regs.h"
#include "stubs.h"
#include "target.h"

static __always_inline int pt_point(void *ctx, __u32 site)
{
	struct pt_env env = {};
	struct pt_slot slot;

	if (site == NO_SITE)
		return 0;
	env.pid_tgid = bpf_get_current_pid_tgid();
	if (pt_target_state(env.pid_tgid >> 32) != TARGET_ACTIVE)
		return 0;
	env.time = bpf_ktime_get_boot_ns();
	env.site = site;
	if (PARAM(FILTER) && !filter_entry(ctx, &env, NULL))
		return 0;
	pt_attempted(site);
	if (!pt_reserve(ctx, &slot))
		return 0;
	pt_header(slot.rec, &env);
	capture_entry(ctx, &env, NULL, slot.rec);
	pt_commit(ctx, &slot);
	return 0;
}

static __always_inline __u32 pt_site(void *ctx)
{
	if (PARAM(COOKIE))
		return bpf_get_attach_cookie(ctx);
	if (PARAM(ADDRESS)) {
		/* The kernel's own breakpoint is one byte long, and its other ways to a kprobe imitate it. */
		__u64 ip = CTX(ctx, REG_IP) - 1;
		__u32 *site = bpf_map_lookup_elem(&addresses, &ip);

		return site ? *site : NO_SITE;
	}
	return PARAM(SITE);
}

/* Point probes: one event for each hit. */
#pragma once

#include "stubs.h"
#include "target.h"

static __always_inline int pt_point(void *ctx, __u64 site)
{
	struct pt_env env = {};
	struct pt_slot slot;

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

static __always_inline __u64 pt_site(void *ctx)
{
	if (PARAM(COOKIE))
		return bpf_get_attach_cookie(ctx);
	return PARAM(SITE);
}

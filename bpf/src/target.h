/* Whose events are recorded. */
#pragma once

#include "maps.h"

/* Returns a process's TARGET_ state, 0 where it is no target. */
static __always_inline __u32 pt_target_state(__u32 tgid)
{
	__u64 mode = PARAM(MODE);

	if (tgid == (__u32)PARAM(SELF))
		return 0;
	if (mode == MODE_PIDS) {
		struct pt_target *t = bpf_map_lookup_elem(&targets, &tgid);

		return t ? t->state : 0;
	}
	if (mode == MODE_CGROUP)
		return bpf_current_task_under_cgroup(&cgroups, 0) == 1 ? TARGET_ACTIVE : 0;
	return TARGET_ACTIVE;
}

static __always_inline void pt_activate(__u32 tgid)
{
	struct pt_target *t = bpf_map_lookup_elem(&targets, &tgid);

	if (t)
		t->state = TARGET_ACTIVE;
}

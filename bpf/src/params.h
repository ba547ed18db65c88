/* Numbers that each copy of a program is made with: the compiler in Go replaces the moves that PARAM leaves. */
#pragma once

#include "wire.h"

#define PARAM(n)                                                                                                                   \
	({                                                                                                                         \
		__u64 __param;                                                                                                     \
		asm volatile("%0 = %1" : "=r"(__param) : "i"(PARAM_BASE + PARAM_##n));                                             \
		__param;                                                                                                           \
	})

#define MODE_ALL 0
#define MODE_PIDS 1
#define MODE_CGROUP 2

/* Contexts: what a program is called with. */
#pragma once

/* Loads a word of the context at its place: the verifier allows no computed one, and each load only where it is made. */
#define CTX(ctx, i)                                                                                                                \
	({                                                                                                                         \
		__u64 __word;                                                                                                      \
		asm volatile("%0 = *(u64 *)(%1 + %2)" : "=r"(__word) : "r"(ctx), "i"(8 * (i)));                                    \
		__word;                                                                                                            \
	})

/* Words of the registers that kprobes and uprobes get: struct pt_regs of x86-64, which is what ptrace hands out. */
#define REG_R9 8
#define REG_R8 9
#define REG_AX 10
#define REG_CX 11
#define REG_DX 12
#define REG_SI 13
#define REG_DI 14
#define REG_IP 16
#define REG_SP 19

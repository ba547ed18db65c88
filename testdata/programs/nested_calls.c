/*
 * Calls of functions that nest, and that end in other ways than by returning. The first argument says which, the second how often.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#define NOINLINE __attribute__((noinline))
static char *self;
static long often;
static jmp_buf env;

/* Recursion: deep(49) is 50 calls. */
NOINLINE long deep(long n) {
	long below = n > 0 ? deep(n - 1) : 0;
	asm volatile("" : "+r"(below));
	return below + 1;
}

/* Left by longjmp from the innermost call: 11 calls without a return. */
NOINLINE long jumps(long n) {
	if (n == 0 && often) longjmp(env, 1);
	long below = n > 0 ? jumps(n - 1) : 0;
	asm volatile("" : "+r"(below));
	return below + 1;
}

NOINLINE long target(long n) { asm volatile("" : "+r"(n)); return n * 2; }
/* Ends by jumping to target, whose return is that of both. */
NOINLINE __attribute__((optimize("O2"))) long tail(long n) { asm volatile("" : "+r"(n)); return target(n + 1); }

NOINLINE long leaves(long n, const char *how) {
	if (n > 0) {
		long below = leaves(n - 1, how);
		asm volatile("" : "+r"(below));
		return below + 1;
	}
	if (!strcmp(how, "exit")) _exit(0);
	if (!strcmp(how, "exec")) execl(self, self, "deep", "1", (char *)0);
	if (!strcmp(how, "fork")) return fork();
	if (!strcmp(how, "wait")) { puts("waiting"); fflush(stdout); pause(); }
	return 0;
}

static void *run(void *x) { for (long i = 0; i < often; i++) if (deep(49) != 50) exit(2); return x; }

int main(int argc, char **argv) {
	self = argv[0];
	often = argc > 2 ? atol(argv[2]) : 1;
	if (!strcmp(argv[1], "deep")) return deep(often - 1) != often;
	if (!strcmp(argv[1], "threads")) {
		pthread_t t[4];
		for (int i = 0; i < 4; i++) pthread_create(&t[i], 0, run, 0);
		for (int i = 0; i < 4; i++) pthread_join(t[i], 0);
		return 0;
	}
	if (!strcmp(argv[1], "jump")) {
		for (volatile long i = 0; i < often; i++) { if (!setjmp(env)) jumps(10); deep(2); }
		return 0;
	}
	if (!strcmp(argv[1], "tail")) {
		for (long i = 0; i < often; i++) if (tail(i) != 2 * (i + 1)) return 3;
		return 0;
	}
	if (!strcmp(argv[1], "fork")) {
		for (long i = 0; i < often; i++) {
			if (leaves(4, argv[1]) == 4) _exit(0); /* the child: its copy of the five calls returned too */
			wait(0);
		}
		return 0;
	}
	leaves(4, argv[1]);
	return 0;
}

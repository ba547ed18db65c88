/* Calls work as often as its argument says, other half as often, and getpgid as often. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
__attribute__((noinline)) long work(long a, const char *s, long c, long d, long e, long f, long g, long h) {
	asm volatile("" ::: "memory");
	return a * 3 - h;
}
__attribute__((noinline)) long other(long a) { asm volatile(""); return -a; }
int main(int argc, char **argv) {
	long n = atol(argv[1]), sum = 0;
	for (long i = 0; i < n; i++) {
		char text[64];
		snprintf(text, sizeof text, "call %ld of them, a rather long one", i);
		sum += work(i, text, 3, 4, 5, 6, 70, 80 + i);
		if (i % 2) sum += other(i);
	}
	for (long i = 0; i < n; i++) syscall(SYS_getpgid, 0);
	return sum == 42;
}

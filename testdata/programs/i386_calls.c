/* Makes 30 32-bit system calls and 20 of the same name of 64 bits. */
#include <unistd.h>
#include <sys/syscall.h>
static long call32(long nr, long a, long b) {
	long r;
	asm volatile("int $0x80" : "=a"(r) : "a"(nr), "b"(a), "c"(b) : "memory", "r8", "r9", "r10", "r11");
	return (int)r;
}
int main(void) {
	for (int i = 0; i < 30; i++) call32(64, 0x1234, 0);   /* getppid of i386 */
	for (int i = 0; i < 20; i++) syscall(110, 0x5678);
	return 0;
}

/* Calls getppid as often as its argument says, from 4 threads. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
static long n;
static void *run(void *x) { for (long i = 0; i < n; i++) syscall(SYS_getppid); return x; }
int main(int argc, char **argv) {
	pthread_t t[4];
	n = atol(argv[1]) / 4;
	for (int i = 0; i < 4; i++) pthread_create(&t[i], 0, run, 0);
	for (int i = 0; i < 4; i++) pthread_join(t[i], 0);
	return 0;
}

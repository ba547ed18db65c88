/*
 * Asks for the size of a pipe as often as its argument says, from 4 threads or as many as the second one says, and every other time of /dev/null, which is none. The third
 * argument of fcntl, which means nothing here, is 4 times the call's number plus the thread's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
static long n;
static int null, ends[2];
static void *run(void *x) {
	for (long i = 0; i < n; i++) {
		int size = fcntl(i % 2 ? null : ends[0], F_GETPIPE_SZ, i * 4 + (long)x);
		if (i % 2 ? size != -1 || errno != EBADF : size != 65536) exit(2);
	}
	return x;
}
int main(int argc, char **argv) {
	pthread_t t[4];
	long threads = argc > 2 ? atol(argv[2]) : 4;
	n = atol(argv[1]) / threads;
	null = open("/dev/null", O_RDONLY);
	if (pipe(ends)) return 3;
	for (long i = 0; i < threads; i++) pthread_create(&t[i], 0, run, (void *)i);
	for (int i = 0; i < threads; i++) pthread_join(t[i], 0);
	return 0;
}

/*
 * Calls posix_fadvise on /dev/null as often as its argument says, from 4 threads: offset the call's number, length 1000 + the thread's, and
 * every other time an advice that does not exist.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
static long n;
static int fd;
static void *run(void *x) {
	for (long i = 0; i < n; i++)
		if (posix_fadvise(fd, i, 1000 + (long)x, i % 2 ? 99 : POSIX_FADV_NORMAL) != (i % 2 ? EINVAL : 0)) exit(2);
	return x;
}
int main(int argc, char **argv) {
	pthread_t t[4];
	n = atol(argv[1]) / 4;
	fd = open("/dev/null", O_RDONLY);
	for (long i = 0; i < 4; i++) pthread_create(&t[i], 0, run, (void *)i);
	for (int i = 0; i < 4; i++) pthread_join(t[i], 0);
	return 0;
}

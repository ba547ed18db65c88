/* Forks, vforks, executes itself from a thread, and fails one execve. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
static char *self;
/* Executes when the main thread waits in pause, as /proc says. */
static void *run(void *x) {
	char path[64], text[64] = "";
	snprintf(path, sizeof path, "/proc/self/task/%d/syscall", getpid());
	while (strncmp(text, "34 ", 3)) { FILE *f = fopen(path, "r"); if (!f || !fgets(text, sizeof text, f)) _exit(3); fclose(f); }
	execl(self, self, "leaf", (char *)0);
	return x;
}
int main(int argc, char **argv) {
	self = argv[0];
	if (argc > 1 && !strcmp(argv[1], "leaf")) { syscall(SYS_getppid); return 0; }
	for (int i = 0; i < 10; i++) if (syscall(SYS_fork) == 0) { syscall(SYS_getppid); _exit(0); }
	for (int i = 0; i < 10; i++) if (vfork() == 0) { syscall(SYS_getppid); _exit(0); }
	for (int i = 0; i < 5; i++) if (fork() == 0) { pthread_t t; pthread_create(&t, 0, run, 0); pause(); }
	while (wait(0) > 0) {}
	execl("/nonexistent/program", "x", (char *)0);
	return 0;
}

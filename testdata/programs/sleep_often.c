/* Sleeps 10 ms, as often as its argument says. */
#include <stdlib.h>
#include <time.h>
int main(int argc, char **argv) {
	struct timespec ten = {0, 10 * 1000 * 1000};
	for (long i = atol(argv[1]); i > 0; i--) clock_nanosleep(CLOCK_MONOTONIC, 0, &ten, 0);
	return 0;
}

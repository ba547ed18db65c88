/* Waits for input, says when it does. */
#include <stdio.h>
#include <unistd.h>
int main(void) { char c; puts("ready"); fflush(stdout); while (read(0, &c, 1) == 1) {} pause(); return 0; }

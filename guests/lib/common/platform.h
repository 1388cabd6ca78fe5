/* What each architecture's folder gives to the common part: a console and an end. */
#pragma once

#include "types.h"

/* Writes to the console; one call's text is not mixed with another CPU's. */
void console_write(const char *text, size_t size);

/* Ends the VMM with a code (guests/README.md): 0 passed, 1 failed, 38 all skipped, 63 aborted. */
_Noreturn void exit(int code);

/* A suite's entry. argv[0] is the image's name; the result is given to exit. */
int main(int argc, char **argv);

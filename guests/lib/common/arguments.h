/* The command line as argc and argv. */
#pragma once

#define ARGUMENTS_MAX 64

/* Copies the text (cut to 1023 characters; NULL is empty), splits it at spaces, and puts a name before it. Returns argc; argv ends with NULL. */
int arguments_split(const char *name, const char *text, char ***argv);

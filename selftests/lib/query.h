/* SPDX-License-Identifier: GPL-2.0 */
/* The file query: a question is written, the answer read. */
#ifndef MMLENS_SELFTESTS_QUERY_H
#define MMLENS_SELFTESTS_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lens.h"

/* The file of a target, or of self if @pid is 0: a descriptor or a negative errno. */
int query_open(pid_t pid);
/* Writes a question; 0 or a negative errno. */
int query_ask(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));
/*
 * Asks, and returns the answer in memory that is there until the next one, so that
 * nothing is allocated: a process may ask about itself. NULL and errno.
 */
char *query(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The next line of an answer that does not begin with #, without its newline; NULL at the end. */
char *query_line(char **answer);
/* What is behind "NAME:" and spaces in an answer, to the end of the line; NULL without one. */
const char *query_value(const char *answer, const char *name);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/* MMLENS_IOC_WALK: whole address spaces as records, and against what else is known of them. */
#ifndef MMLENS_SELFTESTS_WALK_H
#define MMLENS_SELFTESTS_WALK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "mmlens.h"

/* The request for all of a process; 0: this one. */
struct mmlens_walk walk_of(pid_t pid, unsigned int form);
/* One call: 0 or a negative errno. */
int walk_call(int fd, struct mmlens_walk *walk, void *buffer, size_t bytes);

/* All records of a walk, in as many calls as it takes. */
struct records {
	char *bytes;
	size_t size;		/* bytes that are there */
	uint64_t nr;
	unsigned int calls;
};

/* With a buffer of @room bytes for each call. 0 or a negative errno. */
int walk_all(int fd, const struct mmlens_walk *walk, size_t room, struct records *records);
void walk_free(struct records *records);

/*
 * Every form against the text files, /proc/PID/maps and pagemap, of a stopped process that
 * is attached. 0; 1 if there is a difference (compare_message); a negative errno.
 */
int compare_walk(pid_t pid);

#endif

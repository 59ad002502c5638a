/* SPDX-License-Identifier: GPL-2.0 */
/* What is attached, as the top folder of the lens shows it. */
#ifndef MMLENS_TARGETS_H
#define MMLENS_TARGETS_H

#include <stdbool.h>
#include <sys/types.h>

/* The files of a target. */
static const char *const target_files[] = {
	"mm", "vmas", "summary", "layout", "pagetable", "entries",
};

#define NR_FILES ARRAY_SIZE(target_files)

/* A target that does nothing. */
static inline void nothing(void *arg)
{
	(void)arg;
}

bool has_folder(pid_t pid);
/* The state of a target as the file targets has it; "" if it is not listed. */
const char *target_state(pid_t pid);

#endif

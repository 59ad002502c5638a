/* SPDX-License-Identifier: GPL-2.0 */
/* A process with memory of many kinds at known places, for what looks at all of it at once. */
#ifndef MMLENS_SELFTESTS_ASSORTED_H
#define MMLENS_SELFTESTS_ASSORTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum assorted_place {
	DENSE,		/* all pages written, in more than two tables */
	ALTERNATING,	/* each other page written */
	ZEROS,		/* all pages read */
	SHMEM,		/* a memfd, each third page written */
	GUARDS,		/* some are guard regions */
	PROTECTED,	/* written, then PROT_NONE */
	READ_ONLY,	/* written, then read-only */
	SWAPPED,	/* written, and what can be is swapped out */
	HUGE,		/* a huge page, if there are any, and room for one more */
	SPARSE,		/* a page here and there in some GiB */
	PLACES
};

struct assorted {
	struct { char *start; size_t bytes; } place[PLACES];
	bool is_huge, is_swapped;
};

/* The @make of target_start(); @arg is a struct assorted in shared memory. */
void assorted_make(void *arg);

#endif

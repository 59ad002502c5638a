/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What freed pages hold, on a kernel that was booted with page_poison=1: who reads a table that
 * was freed sees that, and says so as an entry that cannot be.
 */
#ifndef MMLENS_SELFTESTS_POISON_H
#define MMLENS_SELFTESTS_POISON_H

#include <stdbool.h>
#include <stdint.h>

/* A raw entry of it. */
#define POISON 0xaaaaaaaaaaaaaaaaULL
/* Those of its bits that mean nothing in a leaf: other=... (debugfs.rst). */
#ifdef __x86_64__
#define POISON_OTHER (1ULL << 53 | 1ULL << 55 | 1ULL << 57)
#else
#define POISON_OTHER (1ULL << 57 | 1ULL << 63)
#endif

/* What this machine has, for an entry to name. */
struct places {
	uint64_t last_frame;	/* of memory or of a device */
	unsigned int swaps;	/* areas */
};

struct places places_now(void);

/* The last frame of the resources in /proc/iomem whose names begin so; "": of all. */
uint64_t last_frame(const char *resource);

/*
 * Whether a line of entries, pagetable or kernel/... names a place that there is not, or has the
 * bits of POISON: these files print no raw value, or none of what is alike.
 */
bool line_is_wrong(const char *line, const struct places *places);

/*
 * How many of some pages that are freed now hold it, as /proc/kcore shows them: others take pages
 * too. -1 if they cannot be seen.
 */
int pages_with_poison(void);

#endif

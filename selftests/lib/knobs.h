/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What all of the system shares and a test has to change. Each change is undone by
 * knobs_restore(), in the same process, the last one first.
 */
#ifndef MMLENS_SELFTESTS_KNOBS_H
#define MMLENS_SELFTESTS_KNOBS_H

#include <stdbool.h>

/* Writes to a file of sysfs, /proc/sys or debugfs. 0 or a negative errno. */
int knob_set(const char *path, const char *text);
/* At least @nr free huge pages of that size in the pool; a negative errno if that cannot be. */
int knob_huge_pages(long kib, long nr);
/* A swap device in memory. 0 or a negative errno. */
int knob_swap(void);
void knobs_restore(void);

/*
 * For TEST_HARNESS_MAIN where many tests want swap, which takes longer to be had than most of
 * them take: it is there until the program ends, and knob_swap() has nothing to do.
 */
void knobs_keep_swap(void);
#define TEST_HARNESS_MAIN_WITH_SWAP \
	int main(int argc, char **argv) \
	{ \
		knobs_keep_swap(); \
		return test_harness_run(argc, argv); \
	}

#endif

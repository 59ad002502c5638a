/* SPDX-License-Identifier: GPL-2.0 */
/* How much memory the kernel has in use, so that a leak can be seen to grow. */
#ifndef MMLENS_SELFTESTS_FOOTPRINT_H
#define MMLENS_SELFTESTS_FOOTPRINT_H

#include <stddef.h>

struct footprint {
	long vmallocs, ours;		/* lines of vmallocinfo; those that name mmlens */
	long page_tables, percpu;	/* kB */
	struct {
		char name[64];
		long objects;		/* in use; what lies in store for a processor is not */
	} *caches;
	size_t nr;			/* 0: the kernel does not tell, or not what is in use */
};

/* Lets the kernel give back what is free: caches, and what waits for a grace period. */
void footprint_settle(void);

/*
 * Lets the kernel give back what is free, and then looks. Objects are exact, but for what
 * others do meanwhile.
 */
struct footprint footprint_take(void);
/* The cache of which most objects more are in use, and how many more. */
long footprint_growth(const struct footprint *before, const struct footprint *after,
		      const char **name);
/* How many caches are in both. */
size_t footprint_compared(const struct footprint *before, const struct footprint *after);
void footprint_free(struct footprint *f);

#endif

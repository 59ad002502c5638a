/* SPDX-License-Identifier: GPL-2.0 */
/* The files of the folder kernel/, as Documentation/kernel.rst describes them. */
#ifndef MMLENS_SELFTESTS_KERNEL_H
#define MMLENS_SELFTESTS_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kernel_region {
	uint64_t start, last;		/* inclusive */
	bool part;			/* of the one before (layout) */
	bool skipped;			/* not walked (pagetable) */
	char name[24];
};

struct kernel_run {
	uint64_t start, end, count, pfn;
	bool has_pfn;			/* and they follow one another */
	char level[8], kind[12], rwx[4], eff[4];
	size_t region;
};

struct kernel_text {
	char *text;
	struct kernel_region *region;
	size_t nr_regions;
	struct kernel_run *run;
	size_t nr;
	long wx;			/* pages; -1 if it is not said */
	bool torn;			/* the levels of a region do not fit */
};

/* 0 or a negative errno; EBADMSG if a line has another shape. */
int kernel_layout(struct kernel_text *layout);
/* own or pagetable. */
int kernel_tables(const char *file, struct kernel_text *tables);
void kernel_free(struct kernel_text *text);

const struct kernel_region *kernel_find(const struct kernel_text *text, const char *name);
/* What a line "name: [+-]0x... " of the layout says, modulo 2^64; all ones without one. */
uint64_t kernel_number(const struct kernel_text *layout, const char *name);

#endif

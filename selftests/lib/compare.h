/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Our dumps against /proc, line by line and address by address. The process should
 * be stopped; of one that runs, the files in /proc are read before and after, and
 * what changed meanwhile is tried again.
 */
#ifndef MMLENS_SELFTESTS_COMPARE_H
#define MMLENS_SELFTESTS_COMPARE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "lens.h"
#include "proc.h"

/* What differed first. */
extern char compare_message[1024];
#define differ(...) (snprintf(compare_message, sizeof(compare_message), __VA_ARGS__), 1)

/* 0; 1 if there is a difference; a negative errno: EAGAIN if it would not hold still. */
int compare_vmas(pid_t pid);
/* entries against pagemap and the rights of the VMAs. */
int compare_entries(pid_t pid);
/* Parts of it: the kinds of pages against kpageflags, where entries lie against the tables. */
int compare_page_kinds(const struct lens_table *table);
int compare_places(const struct lens_table *table);
/* pagetable against entries, which must be of the same instant. */
int compare_runs(const struct lens_table *runs, const struct lens_table *entries);
int compare_pagetable(pid_t pid);

/* How many pages the last compare_entries() found present, and swapped out or noted otherwise. */
extern uint64_t compare_present, compare_nonpresent;

/* Pages of page tables below the top as entries has them, leaves at pmd counted separately. */
uint64_t count_tables(const struct lens_table *entries, uint64_t *huge);

#endif

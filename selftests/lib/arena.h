/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A process with a quiet range, in which nothing ever changes, in the middle of memory to
 * which something is done all the time. Addresses, from low to high:
 *
 *	low	whole tables
 *	below	pages, in the table of the quiet ones
 *	quiet	pages of several kinds, see arena.c
 *	above	pages, in the table of the quiet ones
 *	huge	a quiet huge page, with a table of its own to be split to
 *	high	whole tables
 */
#ifndef MMLENS_SELFTESTS_ARENA_H
#define MMLENS_SELFTESTS_ARENA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define QUIET_PAGES	64
#define QUIET_HOLE	16	/* first page of the hole */
#define QUIET_GAP	32	/* first of the pages that are in no VMA */
#define QUIET_FILE	40	/* first of those of a file */
#define ARENA_TABLES	16

struct torment;

/* Shared by the test and the process. */
struct arena {
	const struct torment *torment;
	size_t page, table;		/* bytes of a page, and what a table of them translates */
	char *start, *low, *below, *quiet, *above, *huge, *high;
	size_t bytes, low_bytes, below_bytes, above_bytes, high_bytes;
	bool has_huge;			/* the quiet huge page is one */
	char *more;			/* what a torment has for itself */
	size_t more_bytes;
	int file, pipe[2];
	unsigned int random;
	long extra[4];
	/* Told to the target. */
	_Atomic bool stop;
	/* Told by it: how often it did what it does, and how often that worked. */
	_Atomic unsigned long rounds, effects;
	char why[128];			/* why it cannot be done here; "" if it can */
};

/* Something that is done to memory. */
struct torment {
	const char *name;
	/* In the process of the test: changes what the system shares (knobs.h). May be NULL. */
	void (*prepare)(struct arena *a);
	/* In the target, once, and then again and again. begin and end may be NULL. */
	void (*begin)(struct arena *a);
	void (*round)(struct arena *a);
	void (*end)(struct arena *a);
	/* A line of /proc/vmstat that has to have grown; NULL: effects. */
	const char *vmstat;
};

struct arena *arena_new(const struct torment *torment);
void arena_free(struct arena *a);
/* The target: makes all of it and stops; once it is continued, torments it until a->stop. */
void arena_run(void *arena);
/* For a target of another kind: only makes it. */
void arena_make(struct arena *a);

/* Notes that this cannot be done, and why. */
void arena_cannot(struct arena *a, const char *what);
void arena_cannot_because(struct arena *a, const char *why);

/* New anonymous memory at a place of the arena, of small pages. */
void arena_map(struct arena *a, char *at, size_t bytes);
/* Writes each @step-th page. */
void arena_touch(struct arena *a, char *at, size_t bytes, size_t step);
/* A number below @below, another one each time. */
unsigned int arena_random(struct arena *a, unsigned int below);
/* One of the whole tables of high. */
char *arena_table(struct arena *a);

/* The calling process, to one processor; on a machine without it, to any. */
void run_on(int cpu);
/* A line of /proc/vmstat; -1 without it. */
long vmstat(const char *name);

extern const struct torment torment_neighbours, torment_dontneed, torment_mremap,
	torment_mprotect, torment_fork, torment_guard, torment_device, torment_revoke,
	torment_collapse, torment_collapse_shmem, torment_collapse_file, torment_khugepaged,
	torment_split, torment_hugetlb, torment_nodes, torment_compact, torment_swap, torment_ksm,
	torment_uffd, torment_plug;

#endif

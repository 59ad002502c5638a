/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory of every kind. What is said here of a kind is what the kernel's own interfaces
 * say of it: pagemap, PAGEMAP_SCAN, kpageflags.
 */
#ifndef MMLENS_SELFTESTS_KINDS_H
#define MMLENS_SELFTESTS_KINDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What was made: all of it is of one kind. */
struct memory {
	char *start;
	size_t pages;
	uint64_t frame;		/* the first page frame, if it is known without looking; else 0 */
	pid_t other;		/* a stopped process that shares it, or 0 */
	char why[128];		/* why there is none; "" if there is */
};

/* By all bits of it / by none. */
struct bits {
	uint64_t set, clear;
};

struct kind {
	const char *name;
	/* In the process of the test: changes what the system shares (knobs.h). May be NULL. */
	void (*prepare)(struct memory *m);
	/* In the process to be looked at. */
	void (*make)(struct memory *m);
	struct bits pagemap;	/* PM_... of each page */
	struct bits scan;	/* PAGE_IS_... of PAGEMAP_SCAN of each page */
	struct bits page_flags;	/* bits of /proc/kpageflags, of each page that is present */
	/* An entry of ours: its kind, NULL if there is none; of these NULL if that depends. */
	const char *entry, *level, *rwx;
	/* The columns page and mem. */
	const char *page, *memory;
	/* A bit, or a word, that each of its entries (or its hole) has, and one that none has. */
	const char *bit, *no_bit;
};

/* All kinds have numbers, from 0 on; NULL behind the last. */
const struct kind *kind_at(size_t number);
const struct kind *kind_find(const char *name);

/* For those who make: notes the reason, with what errno says. */
#define cannot(m, what) cannot_errno(m, what, errno)
void cannot_errno(struct memory *m, const char *what, int error);
void cannot_because(struct memory *m, const char *why);

/* Pages with nothing around them, written or read. */
void kind_map(struct memory *m, int prot, int flags, int fd, size_t pages);
void kind_write(const struct memory *m);
void kind_read(const struct memory *m);
/* Whether every page has these bits in pagemap, of the calling process. */
bool kind_has(const struct memory *m, uint64_t set, uint64_t clear);
/* For kinds that are swapped out. */
void kind_prepare_swap(struct memory *m);
void kind_page_out(struct memory *m);
/* The size of a huge page of the level pmd. */
size_t pmd_size(void);

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define SHARED (MAP_SHARED | MAP_ANONYMOUS)

#define PAGES 8

extern const struct kind anon_kinds[], file_kinds[], huge_kinds[], absent_kinds[], marked_kinds[];
extern const size_t nr_anon_kinds, nr_file_kinds, nr_huge_kinds, nr_absent_kinds, nr_marked_kinds;

#endif

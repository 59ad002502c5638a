// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arena.h"
#include "kinds.h"
#include "proc.h"
#include "util.h"

/* What a part of the quiet pages is. */
struct part {
	size_t first, pages;
	int flags;		/* of mmap; 0: nothing is mapped */
	size_t step;		/* each so many pages are written; 0: none */
	int prot;		/* in the end */
};

static const struct part parts[] = {
	{ 0, 16, ANON, 1, RW },
	{ QUIET_HOLE, 8, ANON, 0, RW },
	{ 24, 8, ANON, 1, PROT_READ },
	{ QUIET_GAP, 8, 0, 0, 0 },
	{ QUIET_FILE, 8, MAP_SHARED, 1, RW },
	{ 48, 8, ANON, 1, PROT_NONE },
	{ 56, 8, ANON, 2, RW },
};

struct arena *arena_new(const struct torment *torment)
{
	struct arena *a = mmap(NULL, sizeof(*a), RW, SHARED, -1, 0);

	if (a == MAP_FAILED)
		abort();
	a->torment = torment;
	a->page = page_size();
	a->table = pmd_size();
	a->random = 1;
	if (torment && torment->prepare)
		torment->prepare(a);
	return a;
}

void arena_free(struct arena *a)
{
	munmap(a, sizeof(*a));
}

void arena_cannot(struct arena *a, const char *what)
{
	snprintf(a->why, sizeof(a->why), "%s: %s", what, strerror(errno));
}

void arena_cannot_because(struct arena *a, const char *why)
{
	snprintf(a->why, sizeof(a->why), "%s", why);
}

void arena_map(struct arena *a, char *at, size_t bytes)
{
	(void)a;
	if (mmap(at, bytes, RW, ANON | MAP_FIXED | MAP_NORESERVE, -1, 0) != at)
		abort();
	madvise(at, bytes, MADV_NOHUGEPAGE);
}

void arena_touch(struct arena *a, char *at, size_t bytes, size_t step)
{
	for (size_t i = 0; i < bytes; i += step * a->page)
		*(volatile char *)(at + i) = 1 + i % 101;
}

unsigned int arena_random(struct arena *a, unsigned int below)
{
	a->random = a->random * 1664525 + 1013904223;
	return (a->random >> 8) % below;
}

char *arena_table(struct arena *a)
{
	return a->high + arena_random(a, a->high_bytes / a->table) * a->table;
}

/*
 * Nothing may change it but a torment that errs: the kernel neither swaps, ages nor moves
 * what is locked (compact_unevictable_allowed is off), does not copy it when it forks, and
 * makes no huge pages of it.
 */
static void keep_quiet(char *at, size_t bytes)
{
	madvise(at, bytes, MADV_DONTFORK);
	if (mlock2(at, bytes, MLOCK_ONFAULT))
		abort();
}

static void make_quiet(struct arena *a)
{
	int file = memfd_create("quiet", MFD_CLOEXEC);

	if (file < 0 || ftruncate(file, QUIET_PAGES * a->page))
		abort();
	munmap(a->quiet, QUIET_PAGES * a->page);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		char *at = a->quiet + parts[i].first * a->page;
		size_t bytes = parts[i].pages * a->page;
		int fd = parts[i].flags == MAP_SHARED ? file : -1;

		if (!parts[i].flags)
			continue;
		if (mmap(at, bytes, RW, parts[i].flags | MAP_FIXED, fd, 0) != at)
			abort();
		madvise(at, bytes, MADV_NOHUGEPAGE);
		if (parts[i].step)
			arena_touch(a, at, bytes, parts[i].step);
		if (mprotect(at, bytes, parts[i].prot))
			abort();
		keep_quiet(at, bytes);
	}
	close(file);
}

static void make_huge(struct arena *a)
{
	int fd = proc_pagemap_open(0);
	uint64_t first = 0, last = 0;

	arena_map(a, a->huge, a->table);
	madvise(a->huge, a->table, MADV_HUGEPAGE);
	a->huge[0] = 1;
	/* One write made all of it, if it is one. */
	proc_pagemap(fd, (uintptr_t)a->huge, &first, 1);
	proc_pagemap(fd, (uintptr_t)a->huge + a->table - a->page, &last, 1);
	close(fd);
	a->has_huge = first & last & PM_PRESENT &&
		      (first & PM_FRAME) + a->table / a->page - 1 == (last & PM_FRAME);
	if (!a->has_huge)
		madvise(a->huge, a->table, MADV_NOHUGEPAGE);
	keep_quiet(a->huge, a->table);
}

void arena_make(struct arena *a)
{
	size_t table = a->table, half = table / 2;

	a->bytes = ARENA_TABLES * table;
	a->start = map_aligned(PROT_NONE, MAP_PRIVATE | MAP_NORESERVE, a->bytes, table);
	a->low = a->start;
	a->low_bytes = 4 * table;
	a->below = a->low + a->low_bytes;
	a->below_bytes = half;
	a->quiet = a->below + half;
	a->above = a->quiet + QUIET_PAGES * a->page;
	a->above_bytes = half - QUIET_PAGES * a->page;
	a->huge = a->above + a->above_bytes;
	a->high = a->huge + table;
	a->high_bytes = a->start + a->bytes - a->high;
	arena_map(a, a->start, a->bytes);
	make_quiet(a);
	make_huge(a);
	arena_touch(a, a->below, a->below_bytes, 3);
	arena_touch(a, a->above, a->above_bytes, 3);
}

void arena_run(void *arena)
{
	struct arena *a = arena;
	const struct torment *t = a->torment;

	run_on(0);
	arena_make(a);
	if (t->begin)
		t->begin(a);
	/* What the first one maps, libraries and files, is there from now on. */
	if (!a->why[0])
		t->round(a);
	target_stop();
	while (!atomic_load(&a->stop)) {
		t->round(a);
		atomic_fetch_add(&a->rounds, 1);
	}
	if (t->end)
		t->end(a);
}

void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

long vmstat(const char *name)
{
	char *text = read_file("/proc/vmstat", NULL);
	size_t len = strlen(name);
	long value = -1;

	for (char *line = text; line && *line; line += strcspn(line, "\n"), line += !!*line)
		if (!strncmp(line, name, len) && line[len] == ' ')
			value = strtol(line + len, NULL, 10);
	free(text);
	return value;
}

// SPDX-License-Identifier: GPL-2.0
#include <sys/mman.h>
#include <unistd.h>

#include "assorted.h"
#include "kinds.h"
#include "proc.h"
#include "util.h"

#define SPARSE_PAGES 60

static char *make(struct assorted *all, enum assorted_place where, int flags, int fd, size_t pages)
{
	char *map = map_alone(RW, flags | MAP_NORESERVE, fd, pages, 0);

	/* Huge pages have a place of their own; only HUGE wants them. */
	madvise(map, pages * page_size(), MADV_NOHUGEPAGE);
	all->place[where].start = map;
	all->place[where].bytes = pages * page_size();
	return map;
}

static void write_each(char *map, size_t pages, size_t step)
{
	for (size_t i = 0; i < pages; i += step)
		map[i * page_size()] = 'a' + i % 26;
}

static bool has_page(const char *map, uint64_t bit)
{
	int fd = proc_pagemap_open(0);
	uint64_t page = 0;

	proc_pagemap(fd, (uintptr_t)map, &page, 1);
	close(fd);
	return page & bit;
}

void assorted_make(void *arg)
{
	size_t table = pmd_size() / page_size(), stride = 3 * table + 1;
	int memfd = memfd_create("assorted", 0);
	struct assorted *all = arg;
	char *map;

	write_each(make(all, DENSE, ANON, -1, 2 * table + 100), 2 * table + 100, 1);
	write_each(make(all, ALTERNATING, ANON, -1, 600), 600, 2);
	map = make(all, ZEROS, ANON, -1, 40);
	for (size_t i = 0; i < 40; i++)
		(void)*(volatile const char *)(map + i * page_size());
	if (ftruncate(memfd, 64 * page_size()))
		_exit(1);
	write_each(make(all, SHMEM, MAP_SHARED, memfd, 64), 64, 3);
	map = make(all, GUARDS, ANON, -1, 48);
	write_each(map, 48, 5);
	madvise(map + 8 * page_size(), 9 * page_size(), MADV_GUARD_INSTALL);
	map = make(all, PROTECTED, ANON, -1, 30);
	write_each(map, 30, 1);
	mprotect(map, 30 * page_size(), PROT_NONE);
	map = make(all, READ_ONLY, ANON, -1, 30);
	write_each(map, 30, 1);
	mprotect(map, 30 * page_size(), PROT_READ);
	map = make(all, SWAPPED, ANON, -1, 100);
	write_each(map, 100, 1);
	madvise(map, 100 * page_size(), MADV_PAGEOUT);
	all->is_swapped = has_page(map, PM_SWAP);
	map = map_aligned(RW, MAP_PRIVATE, 2 * pmd_size(), pmd_size());
	madvise(map, 2 * pmd_size(), MADV_HUGEPAGE);
	map[0] = 1;
	all->is_huge = has_page(map + pmd_size() - page_size(), PM_PRESENT);
	all->place[HUGE].start = map;
	all->place[HUGE].bytes = 2 * pmd_size();
	map = make(all, SPARSE, ANON, -1, SPARSE_PAGES * stride);
	write_each(map, SPARSE_PAGES * stride, stride);
}

// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kinds.h"
#include "knobs.h"
#include "proc.h"
#include "util.h"

const struct kind *kind_at(size_t number)
{
	const struct {
		const struct kind *kind;
		size_t nr;
	} lists[] = {
		{ anon_kinds, nr_anon_kinds }, { file_kinds, nr_file_kinds },
		{ huge_kinds, nr_huge_kinds }, { absent_kinds, nr_absent_kinds },
		{ marked_kinds, nr_marked_kinds },
	};

	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); number -= lists[i++].nr)
		if (number < lists[i].nr)
			return &lists[i].kind[number];
	return NULL;
}

const struct kind *kind_find(const char *name)
{
	const struct kind *kind;

	for (size_t i = 0; (kind = kind_at(i)); i++)
		if (!strcmp(kind->name, name))
			return kind;
	return NULL;
}

void cannot_errno(struct memory *m, const char *what, int error)
{
	snprintf(m->why, sizeof(m->why), "%s: %s", what, strerror(error));
}

void cannot_because(struct memory *m, const char *why)
{
	snprintf(m->why, sizeof(m->why), "%s", why);
}

void kind_map(struct memory *m, int prot, int flags, int fd, size_t pages)
{
	/* As map_alone(), which aborts: what the kernel does not have is to be said. */
	size_t size = pages * page_size();
	char *room = mmap(NULL, size + 2 * page_size(), PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
	char *map = mmap(room + page_size(), size, prot, flags | MAP_FIXED, fd, 0);

	if (map == MAP_FAILED) {
		cannot(m, "mmap");
		return;
	}
	m->start = map;
	m->pages = pages;
	/* A huge page where small ones are wanted would be another kind. */
	if (flags & MAP_ANONYMOUS)
		madvise(map, size, MADV_NOHUGEPAGE);
}

void kind_write(const struct memory *m)
{
	/* Each page another, or they could be merged. */
	for (size_t i = 0; i < m->pages && !m->why[0]; i++)
		memset(m->start + i * page_size(), 'a' + i % 26, 1 + i);
}

void kind_read(const struct memory *m)
{
	for (size_t i = 0; i < m->pages && !m->why[0]; i++)
		(void)*(volatile const char *)(m->start + i * page_size());
}

bool kind_has(const struct memory *m, uint64_t set, uint64_t clear)
{
	int fd = proc_pagemap_open(0);
	bool has = fd >= 0;

	for (size_t i = 0; i < m->pages && has; i++) {
		uint64_t entry;

		has = proc_pagemap(fd, (uintptr_t)m->start + i * page_size(), &entry, 1) &&
		      (entry & set) == set && !(entry & clear);
	}
	close(fd);
	return has;
}

void kind_prepare_swap(struct memory *m)
{
	if (knob_swap())
		cannot_because(m, "no swap device can be made");
}

/* Only pages that nobody else maps go; those that others look at right now stay. */
void kind_page_out(struct memory *m)
{
	for (int i = 0; i < 100 && !m->why[0]; i++) {
		if (madvise(m->start, m->pages * page_size(), MADV_PAGEOUT))
			cannot(m, "MADV_PAGEOUT");
		else if (kind_has(m, 0, PM_PRESENT))
			return;
		usleep(10000);
	}
	if (!m->why[0])
		cannot_because(m, "the kernel kept pages that were to be swapped out");
}

size_t pmd_size(void)
{
	return page_size() * (page_size() / sizeof(uint64_t));
}

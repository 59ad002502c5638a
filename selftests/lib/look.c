// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device.h"
#include "kinds.h"
#include "look.h"
#include "proc.h"
#include "walk.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

struct name {
	uint64_t flag;
	const char *text;
};

/* What the text calls the one of these flags that is set; NULL if none is. */
static const char *name_of(uint64_t flags, const struct name *names, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (flags & names[i].flag)
			return names[i].text;
	return NULL;
}

/* What a run says of one of its pages. Whether that is all that the text would say. */
static bool fill(struct look *look, const struct mmlens_run *run, uint64_t frame)
{
	static const struct name kinds[] = {
		{ MMLENS_PT_PAGE_DEVICE, "device" }, { MMLENS_PT_PAGE_ZERO, "zero" },
		{ MMLENS_PT_PAGE_ANON, "anon" }, { MMLENS_PT_PAGE_KSM, "ksm" },
		{ MMLENS_PT_PAGE_FILE, "file" }, { MMLENS_PT_PAGE_SHMEM, "shmem" },
		{ MMLENS_PT_PAGE_HUGETLB, "hugetlb" }, { MMLENS_PT_PAGE_KERNEL, "kernel" },
		{ MMLENS_PT_PAGE_RAM, "ram" },
	};
	/* The flags of the others stand for several types. */
	const struct name types[] = {
		{ MMLENS_PT_WB, "WB" }, { MMLENS_PT_WC, memory_type(MMLENS_CACHE_WC) },
	};
	const char *kind = name_of(run->flags, kinds, ARRAY_SIZE(kinds));
	const char *type = name_of(run->flags, types, ARRAY_SIZE(types));

	look->mapped = true;
	look->special = run->flags & MMLENS_PT_SPECIAL;
	look->level = __builtin_ctzll(run->flags);
	look->frame = frame;
	snprintf(look->rwx, sizeof(look->rwx), "%c%c%c",
		 run->flags & MMLENS_PT_READ ? 'r' : '-',
		 run->flags & MMLENS_PT_WRITE ? 'w' : '-',
		 run->flags & MMLENS_PT_EXEC ? 'x' : '-');
	snprintf(look->page, sizeof(look->page), "%s", kind ?: "-");
	snprintf(look->memory, sizeof(look->memory), "%s", type ?: "-");
	return type;
}

/*
 * By records, a run at a time: these are of the pages alone, where the text is of all memory,
 * and takes ten times as long. False if they do not say all that it would.
 */
static bool look_by_walk(struct look *looks, const void *map, size_t pages)
{
	const uint64_t first = (uintptr_t)map, end = first + pages * page_size();
	struct mmlens_walk walk = walk_of(0, MMLENS_FORM_RUNS);
	int fd = device_open(O_RDWR);
	uint64_t room = end - first, size;
	bool all = fd >= 0;

	walk.start = first;
	walk.flags = MMLENS_WALK_PAGES;
	while (all && walk.start < end) {
		struct mmlens_run run;
		uint64_t next;

		walk.end = end - walk.start > room ? walk.start + room : end;
		size = page_size();
		all = !walk_call(fd, &walk, &run, sizeof(run));
		room = room < end - first ? 2 * room : room;
		if (!all || !walk.records || !(run.flags & MMLENS_PT_PRESENT))
			continue;
		if (!(run.flags & MMLENS_PT_PTE)) {
			size = pmd_size();
			all = run.flags & MMLENS_PT_PMD;
		}
		next = run.end;
		/* Only the place of the first is told. What is half as long may be in order. */
		if (!(run.flags & MMLENS_PT_IN_ORDER) && (run.start & -size) + size < next) {
			room = (next - run.start) / 2 & -page_size();
			next = (run.start & -size) + size;
			walk.start = next;
		}
		for (uint64_t at = run.start; at < next; at += page_size()) {
			uint64_t into = at - (run.start & -size);

			all = fill(&looks[(at - first) / page_size()], &run,
				   run.place + into / page_size()) && all;
		}
	}
	close(fd);
	return all;
}

static void look_by_text(struct look *looks, const void *map, size_t pages)
{
	struct lens_table table;

	if (lens_entries(0, &table)) {
		fprintf(stderr, "# %s\n", lens_error);
		abort();
	}
	for (size_t i = 0; i < pages; i++) {
		uintptr_t address = (uintptr_t)map + i * page_size();
		const struct lens_entry *e = lens_find(&table, address);
		struct look *look = &looks[i];

		if (!e || e->kind != LENS_LEAF)
			continue;
		look->mapped = true;
		look->special = lens_has_bit(e, "special");
		look->level = e->level;
		look->frame = e->pfn + (address - e->start) / page_size();
		snprintf(look->rwx, sizeof(look->rwx), "%s", e->rwx);
		snprintf(look->memory, sizeof(look->memory), "%s", e->memory);
		snprintf(look->page, sizeof(look->page), "%s", e->page);
	}
	lens_table_free(&table);
}

struct look *look_at(const void *map, size_t pages)
{
	struct look *looks = calloc(pages, sizeof(*looks));

	if (!looks)
		abort();
	if (look_by_walk(looks, map, pages))
		return looks;
	memset(looks, 0, pages * sizeof(*looks));
	look_by_text(looks, map, pages);
	return looks;
}

static size_t count(const void *map, size_t pages, bool huge)
{
	struct look *looks = look_at(map, pages);
	size_t nr = 0;

	for (size_t i = 0; i < pages; i++)
		nr += looks[i].mapped && (!huge || looks[i].level > LENS_PTE);
	free(looks);
	return nr;
}

size_t mapped_pages(const void *map, size_t pages)
{
	return count(map, pages, false);
}

size_t huge_pages(const void *map, size_t pages)
{
	return count(map, pages, true);
}

const char *memory_type(unsigned int cache)
{
#ifdef __x86_64__
	const char *const types[] = { "WB", "WC", "UC-" };
#else
	const char *const types[] = { "WB", "NC", "none" };
#endif

	return types[cache];
}

void read_all(const volatile char *map, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		(void)map[i * page_size()];
}

void write_all(volatile char *map, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		map[i * page_size()] = 1;
}

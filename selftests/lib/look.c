// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>

#include "look.h"
#include "mmlens.h"
#include "proc.h"

struct look *look_at(const void *map, size_t pages)
{
	struct look *looks = calloc(pages, sizeof(*looks));
	struct lens_table table;

	if (!looks || lens_entries(0, &table)) {
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

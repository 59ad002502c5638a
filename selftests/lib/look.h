/* SPDX-License-Identifier: GPL-2.0 */
/* What the tables of the calling process have for pages of a mapping, by the lens. */
#ifndef MMLENS_SELFTESTS_LOOK_H
#define MMLENS_SELFTESTS_LOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lens.h"

struct look {
	bool mapped, special;
	enum lens_level level;
	uint64_t frame;		/* of this page, also inside of a huge one */
	char rwx[4], memory[12], page[12];
};

/*
 * One for each page, to be freed; aborts if the lens cannot be read. By MMLENS_IOC_WALK where its
 * records say enough, and by the text else: bulk_walk holds that both say the same.
 */
struct look *look_at(const void *map, size_t pages);
/* How many of the pages are mapped; and by entries above the lowest level. */
size_t mapped_pages(const void *map, size_t pages);
size_t huge_pages(const void *map, size_t pages);

/* The memory type of the lens for a type of the device. */
const char *memory_type(unsigned int cache);

/* Touches each page, one after the other. */
void read_all(const volatile char *map, size_t pages);
void write_all(volatile char *map, size_t pages);

#endif

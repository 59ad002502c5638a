/* SPDX-License-Identifier: GPL-2.0 */
/* Sets of pages of a buffer that records writes, and whether a harvest tells of them. */
#ifndef MMLENS_SELFTESTS_HARVEST_H
#define MMLENS_SELFTESTS_HARVEST_H

#include <stdbool.h>
#include <stddef.h>

#include "device.h"

/* How large these buffers are. The last word of a bitmap is not full. */
#define SET_PAGES 150
#define SET_WORDS 3

bool set_has(const __u64 *set, size_t page);
void set_add(__u64 *set, size_t page);
__u64 set_count(const __u64 *set);
/* Some pages, always with those on both sides of a border between words, and the last. */
void set_choose(unsigned int seed, __u64 *set);

/* Accesses to each page of a set, or of all. */
void write_pages(char *map, const __u64 *set);
void read_pages(const char *map);

/* Whether a harvest tells of these pages, and of no other. What it did tell is printed. */
bool harvest_tells(int fd, size_t first, size_t pages, unsigned int flags, const __u64 *set);
/* Harvests all: whether just these were dirty, by every way of telling, and no longer are. */
bool were_dirty(int fd, const __u64 *set);
bool was_dirty(int fd, size_t page);
bool is_clean(int fd);

/* Copies the pages that were written since the last time, those from @first on first. */
bool harvest_follow(int fd, const char *map, char *shadow, size_t first);
/* Two harvests of all at the same time: what each of them told. */
bool harvest_by_two(int fd, __u64 told[2][SET_WORDS]);

#endif

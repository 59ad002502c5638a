// SPDX-License-Identifier: GPL-2.0
/* The columns at and page of the file entries. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <linux/kernel-page-flags.h>

#include "compare.h"
#include "util.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* What kpageflags must say of a page that the lens says is of a kind. */
static bool is_kind_of_page(const char *kind, uint64_t flags)
{
	static const struct {
		const char *name;
		uint64_t with, without;
	} kinds[] = {
#define BIT(n) (1ULL << KPF_##n)
		/* Without a struct page; between the places that have some, 0. */
		{ "device", 0, ~BIT(NOPAGE) },
		{ "zero", BIT(ZERO_PAGE), 0 },
		{ "anon", BIT(ANON), BIT(KSM) | BIT(ZERO_PAGE) | BIT(HUGE) },
		{ "ksm", BIT(KSM), 0 },
		{ "file", 0, BIT(ANON) | BIT(SWAPBACKED) | BIT(HUGE) | BIT(ZERO_PAGE) |
			     BIT(NOPAGE) },
		{ "shmem", BIT(SWAPBACKED), BIT(ANON) | BIT(HUGE) | BIT(ZERO_PAGE) },
		{ "hugetlb", BIT(HUGE), 0 },
		{ "kernel", 0, BIT(ANON) | BIT(LRU) | BIT(HUGE) | BIT(ZERO_PAGE) | BIT(NOPAGE) },
		{ "ram", 0, BIT(NOPAGE) },
#undef BIT
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(kind, kinds[i].name))
			return (flags & kinds[i].with) == kinds[i].with &&
			       !(flags & kinds[i].without);
	return false;
}

/* The kind of page of each leaf, by what kpageflags says of its frame. */
int compare_page_kinds(const struct lens_table *table)
{
	int fd = open("/proc/kpageflags", O_RDONLY), ret = fd < 0 ? -errno : 0;

	for (size_t i = 0; !ret && i < table->nr; i++) {
		const struct lens_entry *e = &table->entry[i];
		uint64_t flags = 1ULL << KPF_NOPAGE;

		if (e->kind != LENS_LEAF || !strcmp(e->page, "-"))
			continue;
		/* Of frames above all memory there is nothing to read. */
		if (pread(fd, &flags, sizeof(flags), e->pfn * sizeof(flags)) < 0)
			ret = -errno;
		else if (!is_kind_of_page(e->page, flags))
			ret = differ("%lx: frame %#lx is said to be %s, kpageflags has %#lx",
				     e->start, e->pfn, e->page, flags);
	}
	close(fd);
	return ret;
}

/* The entries of one VMA, which come level by level from the top. */
static int compare_places_of(const struct lens_table *table, const struct lens_table_vma *vma)
{
	size_t above = vma->first, level = vma->first;

	for (size_t i = vma->first; i < vma->first + vma->nr; i++) {
		const struct lens_entry *e = &table->entry[i], *up;
		uint64_t into;

		if (e->level != table->entry[level].level) {
			above = level;
			level = i;
		}
		if (above == level)
			continue;
		/* The table of the level above that serves the address. */
		while (above < level && (table->entry[above].kind != LENS_TABLE ||
					 table->entry[above].end <= e->start))
			above++;
		up = &table->entry[above];
		if (above == level || up->start > e->start)
			return differ("%lx: an entry without a table", e->start);
		into = e->start % table->size[up->level] / table->size[e->level] * sizeof(e->raw);
		if (e->at != up->pfn * page_size() + into)
			return differ("%lx: entry at %#lx, its table is frame %#lx", e->start,
				      e->at, up->pfn);
	}
	return 0;
}

int compare_places(const struct lens_table *table)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < table->nr_vmas; i++)
		ret = compare_places_of(table, &table->vma[i]);
	return ret;
}

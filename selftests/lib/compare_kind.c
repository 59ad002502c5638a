// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "compare_kind.h"
#include "scan.h"

#define differ(...) (snprintf(compare_message, sizeof(compare_message), __VA_ARGS__), 1)

static bool has(uint64_t value, struct bits bits)
{
	return (value & bits.set) == bits.set && !(value & bits.clear);
}

static int compare_page(int pagemap, uint64_t addr, const struct kind *kind)
{
	uint64_t entry, flags;

	if (!proc_pagemap(pagemap, addr, &entry, 1))
		return differ("%s: no pagemap at %lx", kind->name, addr);
	if (!has(entry, kind->pagemap))
		return differ("%s: pagemap has %016lx at %lx", kind->name, entry, addr);
	if (!(entry & PM_PRESENT))
		return 0;
	if (!scan_frame_flags(entry & PM_FRAME, &flags))
		return differ("%s: no kpageflags of frame %#lx", kind->name, entry & PM_FRAME);
	if (!has(flags, kind->page_flags))
		return differ("%s: kpageflags has %#lx of frame %#lx", kind->name, flags,
			      entry & PM_FRAME);
	return 0;
}

int compare_kind_kernel(pid_t pid, const struct kind *kind, const struct memory *m)
{
	uint64_t start = (uintptr_t)m->start, end = start + m->pages * page_size(), all, any;
	int pagemap = proc_pagemap_open(pid), ret = 0;

	/* Of a huge page of 1 GiB some will do. */
	for (uint64_t addr = start; addr < end && !ret; addr += page_size())
		if (addr < start + 1024 * page_size() || addr + page_size() == end)
			ret = compare_page(pagemap, addr, kind);
	if (!ret && !scan_categories(pagemap, start, end, &all, &any))
		ret = differ("%s: no PAGEMAP_SCAN", kind->name);
	if (!ret && ((all & kind->scan.set) != kind->scan.set || any & kind->scan.clear))
		ret = differ("%s: PAGEMAP_SCAN has %#lx for all, %#lx for some", kind->name, all,
			     any);
	close(pagemap);
	return ret;
}

static const char *const levels[] = { "pte", "pmd", "pud", "p4d", "pgd" };

/* Of kinds.h; migration and device entries cannot be held still. */
static const struct {
	const char *name;
	enum lens_kind kind;
} names[] = {
	{ "leaf", LENS_LEAF }, { "swap", LENS_SWAP }, { "marker", LENS_MARKER },
	{ "hwpoison", LENS_HWPOISON },
};

static bool is_called(const struct lens_entry *e, const char *name)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(names[i].name, name))
			return e->kind == names[i].kind;
	return false;
}

static int compare_entry(const struct lens_entry *e, const struct kind *kind)
{
	if (!is_called(e, kind->entry))
		return differ("%s: %lx is no %s: %016lx", kind->name, e->start, kind->entry,
			      e->raw);
	if (kind->level && strcmp(kind->level, levels[e->level]))
		return differ("%s: %lx is at level %s", kind->name, e->start, levels[e->level]);
	if (kind->rwx && strcmp(kind->rwx, e->rwx))
		return differ("%s: %lx has the rights %s", kind->name, e->start, e->rwx);
	if ((kind->page && strcmp(kind->page, e->page)) ||
	    (kind->memory && strcmp(kind->memory, e->memory)))
		return differ("%s: %lx is %s memory of a page '%s'", kind->name, e->start,
			      e->memory, e->page);
	if ((kind->bit && !lens_has_bit(e, kind->bit)) ||
	    (kind->no_bit && lens_has_bit(e, kind->no_bit)))
		return differ("%s: %lx has the bits '%s'", kind->name, e->start, e->bits);
	return 0;
}

int compare_kind_entries(pid_t pid, const struct kind *kind, const struct memory *m)
{
	uint64_t start = (uintptr_t)m->start, end = start + m->pages * page_size(), addr = start;
	struct lens_table table;
	int ret = lens_entries(pid, &table);

	if (ret)
		return differ("%s: entries: %s: %s", kind->name, strerror(-ret), lens_error);
	while (!ret && addr < end) {
		const struct lens_entry *e = lens_find(&table, addr);

		if (!e && kind->entry)
			ret = differ("%s: entries has nothing at %lx", kind->name, addr);
		else if (e && !kind->entry)
			ret = differ("%s: entries has %016lx at %lx", kind->name, e->raw, e->start);
		else if (e)
			ret = compare_entry(e, kind);
		if (!ret && addr == start && m->frame && e->pfn != m->frame)
			ret = differ("%s: frame %#lx, not %#lx", kind->name, e->pfn, m->frame);
		addr = e ? e->end : addr + page_size();
	}
	lens_table_free(&table);
	return ret;
}

static const struct lens_entry *hole_at(const struct lens_table *runs, uint64_t address)
{
	for (size_t i = 0; i < runs->nr; i++) {
		const struct lens_entry *run = &runs->entry[i];

		if (run->kind == LENS_HOLE && run->start <= address && address < run->end)
			return run;
	}
	return NULL;
}

/* Holes of two levels, where the memory goes on in another table, which may not be there. */
int compare_kind_hole(pid_t pid, const struct kind *kind, const struct memory *m)
{
	uint64_t at = (uintptr_t)m->start, end = at + m->pages * page_size();
	struct lens_table runs;
	int ret = lens_pagetable(pid, &runs);

	if (ret)
		return differ("%s: pagetable: %s: %s", kind->name, strerror(-ret), lens_error);
	while (!ret && at < end) {
		const struct lens_entry *hole = hole_at(&runs, at);

		if (!hole)
			ret = differ("%s: pagetable has no hole at %lx", kind->name, at);
		else if ((kind->bit && !lens_has_bit(hole, kind->bit)) ||
			 (kind->no_bit && lens_has_bit(hole, kind->no_bit)))
			ret = differ("%s: the hole has the words '%s'", kind->name, hole->bits);
		else
			at = hole->end;
	}
	lens_table_free(&runs);
	return ret;
}

struct sums {
	uint64_t rss, swap, huge, hugetlb, ksm;	/* in bytes */
};

static void add_entry(struct sums *sums, const struct lens_entry *e, bool is_hugetlb)
{
	uint64_t size = e->end - e->start;

	if (e->kind == LENS_SWAP)
		sums->swap += size;
	/* For smaps a page is there as long as an entry names it; the zero page never is. */
	if (!e->has_pfn || e->kind == LENS_TABLE || lens_has_bit(e, "special"))
		return;
	if (is_hugetlb)
		sums->hugetlb += size;
	else
		sums->rss += size;
	if (!is_hugetlb && e->level == LENS_PMD)
		sums->huge += size;
	if (!strcmp(e->page, "ksm"))
		sums->ksm += size;
}

static int compare_sums(const struct proc_vma *vma, const struct lens_table *table,
			const struct lens_table_vma *ours)
{
	bool is_hugetlb = proc_has_flag(vma, "ht");
	struct sums sums = {};

	for (size_t i = ours->first; i < ours->first + ours->nr; i++)
		add_entry(&sums, &table->entry[i], is_hugetlb);
	/* What is swapped out of shared memory is in no table. */
	if (vma->perm[3] == 's')
		sums.swap = vma->swap << 10;
	if (sums.rss == vma->rss << 10 && sums.swap == vma->swap << 10 &&
	    sums.huge == vma->huge << 10 && sums.hugetlb == vma->hugetlb << 10 &&
	    sums.ksm == vma->ksm << 10)
		return 0;
	return differ("%lx: smaps has Rss %lu Swap %lu huge %lu Hugetlb %lu KSM %lu kB, entries %lu %lu %lu %lu %lu kB",
		      vma->start, vma->rss, vma->swap, vma->huge, vma->hugetlb, vma->ksm,
		      sums.rss >> 10, sums.swap >> 10, sums.huge >> 10, sums.hugetlb >> 10,
		      sums.ksm >> 10);
}

int compare_smaps(pid_t pid)
{
	struct proc_vmas vmas = {};
	struct lens_table table = {};
	int ret = proc_vmas(pid, true, &vmas);

	if (!ret)
		ret = lens_entries(pid, &table);
	if (ret == -EBADMSG)
		ret = differ("entries: %s", lens_error);
	if (!ret && table.nr_vmas > vmas.nr)
		ret = differ("%zu VMAs in smaps, %zu in entries", vmas.nr, table.nr_vmas);
	for (size_t i = 0; i < table.nr_vmas && !ret; i++)
		ret = compare_sums(&vmas.vma[i], &table, &table.vma[i]);
	proc_vmas_free(&vmas);
	lens_table_free(&table);
	return ret;
}

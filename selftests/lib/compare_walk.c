// SPDX-License-Identifier: GPL-2.0
/* The forms of MMLENS_IOC_WALK against the text files, maps and pagemap. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compare.h"
#include "device.h"
#include "scan.h"
#include "walk.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define PAGES (0x1ffULL << 40)
#define KINDS (MMLENS_PT_HOLE | MMLENS_PT_PRESENT | MMLENS_PT_NONPRESENT | MMLENS_PT_BAD)
#define LEVELS 0x1fULL
#define RIGHTS (MMLENS_PT_READ | MMLENS_PT_WRITE | MMLENS_PT_EXEC)

static const struct { const char *name; uint64_t flag; } memory_types[] = {
	{ "WB", MMLENS_PT_WB }, { "Tagged", MMLENS_PT_WB }, { "WT", MMLENS_PT_WT },
	{ "WC", MMLENS_PT_WC }, { "NC", MMLENS_PT_WC }, { "UC", MMLENS_PT_UC },
	{ "UC-", MMLENS_PT_UC }, { "nGnRnE", MMLENS_PT_DEVICE }, { "nGnRE", MMLENS_PT_DEVICE },
	{ "nGRE", MMLENS_PT_DEVICE }, { "GRE", MMLENS_PT_DEVICE }, { "WP", MMLENS_PT_OTHER_TYPE },
}, page_kinds[] = {
	{ "device", MMLENS_PT_PAGE_DEVICE }, { "zero", MMLENS_PT_PAGE_ZERO },
	{ "anon", MMLENS_PT_PAGE_ANON }, { "ksm", MMLENS_PT_PAGE_KSM },
	{ "file", MMLENS_PT_PAGE_FILE }, { "shmem", MMLENS_PT_PAGE_SHMEM },
	{ "hugetlb", MMLENS_PT_PAGE_HUGETLB }, { "kernel", MMLENS_PT_PAGE_KERNEL },
	{ "ram", MMLENS_PT_PAGE_RAM }, { "-", 0 },
}, words[] = {
	{ "special", MMLENS_PT_SPECIAL }, { "shadow-stack", MMLENS_PT_SHADOW_STACK },
	{ "guard", MMLENS_PT_GUARD }, { "poisoned", MMLENS_PT_POISONED },
	{ "soft-dirty", MMLENS_PT_SOFT_DIRTY }, { "uffd-wp", MMLENS_PT_UFFD },
#ifdef __x86_64__
	{ "A", MMLENS_PT_ACCESSED }, { "PROTNONE", MMLENS_PT_PROTNONE },
#else
	{ "AF", MMLENS_PT_ACCESSED }, { "PRESENT_INVALID", MMLENS_PT_PROTNONE },
	{ "CONT", MMLENS_PT_CONT },
#endif
};

static const uint64_t kinds[] = {
	[LENS_LEAF] = MMLENS_PT_PRESENT, [LENS_BAD] = MMLENS_PT_BAD,
	[LENS_SWAP] = MMLENS_PT_NONPRESENT | MMLENS_PT_SWAP,
	[LENS_MIGRATION] = MMLENS_PT_NONPRESENT | MMLENS_PT_MIGRATION,
	[LENS_HWPOISON] = MMLENS_PT_NONPRESENT | MMLENS_PT_HWPOISON,
	[LENS_DEVICE] = MMLENS_PT_NONPRESENT | MMLENS_PT_DEVICE_PAGE,
	[LENS_MARKER] = MMLENS_PT_NONPRESENT | MMLENS_PT_MARKER,
	[LENS_NONPRESENT] = MMLENS_PT_NONPRESENT,
};

/* What the flags must be that a line of the file entries tells. */
static uint64_t flags_of(const struct lens_entry *e)
{
	uint64_t flags = 1ULL << e->level | kinds[e->kind];

	flags |= strchr(e->effective, 'r') ? MMLENS_PT_READ : 0;
	flags |= strchr(e->effective, 'w') ? MMLENS_PT_WRITE : 0;
	flags |= strchr(e->effective, 'x') ? MMLENS_PT_EXEC : 0;
	for (size_t i = 0; e->kind == LENS_LEAF && i < ARRAY_SIZE(memory_types); i++)
		flags |= strcmp(e->memory, memory_types[i].name) ? 0 : memory_types[i].flag;
	for (size_t i = 0; e->kind == LENS_LEAF && i < ARRAY_SIZE(page_kinds); i++)
		flags |= strcmp(e->page, page_kinds[i].name) ? 0 : page_kinds[i].flag;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		flags |= lens_has_bit(e, words[i].name) ? words[i].flag : 0;
	return flags;
}

/* What no word of the text says by itself. */
#define UNSAID (MMLENS_PT_DIRTY | MMLENS_PT_ENCRYPTED)

/* The form entries against the file of that name. */
static int compare_walk_entries(const struct lens_table *table, const struct records *records)
{
	const struct mmlens_entry *e = (const void *)records->bytes;
	uint64_t last = 0, nr = 0;

	for (size_t v = 0; v < table->nr_vmas; v++) {
		const struct lens_table_vma *vma = &table->vma[v];

		for (size_t i = vma->first; i < vma->first + vma->nr; i++) {
			const struct lens_entry *line = &table->entry[i];
			size_t low = 0, high = records->nr;

			if (line->kind == LENS_TABLE)
				continue;
			while (low < high) {
				size_t middle = (low + high) / 2;

				if (e[middle].address < line->start)
					low = middle + 1;
				else
					high = middle;
			}
			if (low == records->nr || e[low].address != line->start)
				return differ("%lx: in the text, and no record", line->start);
			if (e[low].raw != line->raw)
				return differ("%lx: raw %#lx in the text, %#llx in the record",
					      line->start, line->raw, e[low].raw);
			if ((e[low].flags & ~UNSAID) != flags_of(line))
				return differ("%lx: the text says flags %#lx (%s), the record %#llx",
					      line->start, flags_of(line), line->bits,
					      e[low].flags);
			nr++;
		}
	}
	for (size_t i = 0; i < records->nr; i++) {
		if (i && e[i].address <= last)
			return differ("%llx: not in order", e[i].address);
		last = e[i].address;
	}
	if (nr != records->nr)
		return differ("%lu entries in the text, %lu records", nr, records->nr);
	return 0;
}

static uint64_t level_size(const struct lens_table *table, uint64_t flags)
{
	return table->size[__builtin_ctzll(flags & LEVELS)];
}

/* Runs: each entry is in one that says the same, and all VMAs are covered once. */
static int compare_walk_runs(const struct lens_table *table, const struct proc_vmas *vmas,
			     const struct records *entries, const struct records *runs, int pagemap)
{
	const struct mmlens_entry *e = (const void *)entries->bytes, *end = e + entries->nr;
	const struct mmlens_run *run = (const void *)runs->bytes;
	size_t vma = 0;
	uint64_t at = vmas->nr ? vmas->vma[0].start : 0;

	for (size_t i = 0; i < runs->nr; i++) {
		uint64_t size = level_size(table, run[i].flags), place = run[i].place;

		while (vma < vmas->nr && at == vmas->vma[vma].end)
			at = ++vma < vmas->nr ? vmas->vma[vma].start : 0;
		if (run[i].start != at || run[i].end <= at || vma == vmas->nr ||
		    run[i].end > vmas->vma[vma].end)
			return differ("a run %llx-%llx, expected at %lx", run[i].start,
				      run[i].end, at);
		if (!(run[i].flags & MMLENS_PT_HOLE) && (e == end || e->address != run[i].start ||
							 e->raw != run[i].raw))
			return differ("%llx: a run without its first entry", run[i].start);
		for (; e < end && e->address < run[i].end; e++) {
			uint64_t flags = run[i].flags & ~MMLENS_PT_IN_ORDER;

			if ((e->flags & ~PAGES) != flags)
				return differ("%llx: flags %#llx in a run of %#lx", e->address,
					      e->flags, flags);
		}
		at = run[i].end;
		if (!(run[i].flags & MMLENS_PT_PRESENT))
			continue;
		/* Frames that are in order, as pagemap has them. */
		for (uint64_t va = run[i].start; va < run[i].end; va += page_size()) {
			uint64_t page, into = (va - (run[i].start & -size)) / page_size();

			if (!proc_pagemap(pagemap, va, &page, 1))
				return -EIO;
			if (va == run[i].start || run[i].flags & MMLENS_PT_IN_ORDER)
				if ((page & PM_PRESENT) && (page & PM_FRAME) != place + into)
					return differ("%lx: frame %#lx, pagemap has %#lx", va,
						      place + into, page & PM_FRAME);
			if (!(run[i].flags & MMLENS_PT_IN_ORDER))
				break;
		}
	}
	while (vma < vmas->nr && at == vmas->vma[vma].end)
		at = ++vma < vmas->nr ? vmas->vma[vma].start : 0;
	if (vma < vmas->nr)
		return differ("the runs end at %lx", at);
	return 0;
}

static int compare_walk_counts(const struct lens_table *table, const struct records *runs,
			       const struct records *counts)
{
	struct mmlens_counts sum = { };

	for (size_t i = 0; i < runs->nr; i++) {
		const struct mmlens_run *run = &((const struct mmlens_run *)runs->bytes)[i];
		uint64_t size = level_size(table, run->flags);

		sum.bytes += run->end - run->start;
		sum.entries[__builtin_ctzll(run->flags & LEVELS)] +=
			(run->end - 1) / size - run->start / size + 1;
		for (int bit = 0; bit < 56; bit++)
			if (run->flags >> bit & 1)
				sum.bytes_with[bit] += run->end - run->start;
	}
	for (size_t i = 0; i < counts->nr; i++) {
		const struct mmlens_counts *all = (const void *)counts->bytes, *part = &all[i];

		sum.bytes -= part->bytes;
		for (int level = 0; level < MMLENS_LEVELS; level++)
			sum.entries[level] -= part->entries[level];
		for (int bit = 0; bit < 56; bit++)
			sum.bytes_with[bit] -= part->bytes_with[bit];
	}
	if (sum.bytes)
		return differ("counts: %lld bytes fewer than in the runs", sum.bytes);
	for (int level = 0; level < MMLENS_LEVELS; level++)
		if (sum.entries[level])
			return differ("counts: %lld entries of level %d fewer than in the runs",
				      sum.entries[level], level);
	for (int bit = 0; bit < 56; bit++)
		if (sum.bytes_with[bit])
			return differ("counts: %lld bytes with flag %d fewer than in the runs",
				      sum.bytes_with[bit], bit);
	return 0;
}

/* Each entry of the lowest level is in a table, at its place. */
static int compare_walk_tables(const struct lens_table *table, const struct records *entries,
			       const struct records *tables)
{
	const struct mmlens_entry *e = (const void *)entries->bytes, *end = e + entries->nr;
	uint64_t size = table->size[LENS_PTE];

	for (size_t at = 0; at < tables->size; ) {
		const struct mmlens_table *t = (const void *)(tables->bytes + at);
		const __u64 *raw = (const __u64 *)(t + 1);

		if (t->level != LENS_PTE || !t->entries || t->start % (t->entries * size))
			return differ("table %llx: level %u, %u entries", t->start, t->level,
				      t->entries);
		for (; e < end && e->address < t->start + t->entries * size; e++) {
			if (!(e->flags & MMLENS_PT_PTE))
				continue;
			if (e->address < t->start)
				return differ("%llx: in no table", e->address);
			if (raw[(e->address - t->start) / size] != e->raw)
				return differ("%llx: %#llx in the table, %#llx as an entry",
					      e->address, raw[(e->address - t->start) / size],
					      e->raw);
		}
		at += sizeof(*t) + t->entries * sizeof(*raw);
	}
	for (; e < end; e++)
		if (e->flags & MMLENS_PT_PTE)
			return differ("%llx: in no table", e->address);
	return 0;
}

static int compare_walk_vmas(const struct proc_vmas *vmas, const struct records *records)
{
	size_t at = 0;

	for (size_t i = 0; i < vmas->nr; i++) {
		const struct proc_vma *p = &vmas->vma[i];
		const struct mmlens_vma *v = (const void *)(records->bytes + at);
		uint64_t rights = (p->perm[0] == 'r') | (p->perm[1] == 'w') << 1 |
				  (p->perm[2] == 'x') << 2;

		if (at == records->size)
			return differ("%lx: no record of a VMA", p->start);
		/* Of memory without a file, maps has no offset. */
		if (v->start != p->start || v->end != p->end ||
		    (p->ino && v->pgoff * page_size() != p->offset) ||
		    v->ino != p->ino || v->dev_major != p->major || v->dev_minor != p->minor ||
		    (v->vm_flags & 7) != rights)
			return differ("%lx: the record of the VMA at %llx differs", p->start,
				      v->start);
		if (v->name_bytes != strlen(p->name) || memcmp(v + 1, p->name, v->name_bytes))
			return differ("%lx: named %.*s, not %s", p->start, (int)v->name_bytes,
				      (const char *)(v + 1), p->name);
		at += v->record_size;
	}
	if (at != records->size)
		return differ("a VMA too many");
	return 0;
}

int compare_walk(pid_t pid)
{
	enum { ENTRIES, AGAIN, RUNS, COUNTS, TABLES, VMAS, NR };
	static const struct {
		unsigned int form, flags;
		size_t room;
		uint64_t excluded;
	} walks[NR] = {
		[ENTRIES] = { MMLENS_FORM_ENTRIES, MMLENS_WALK_PAGES, 1 << 20, MMLENS_PT_HOLE },
		/* With little room, and not looking at pages. */
		[AGAIN] = { MMLENS_FORM_ENTRIES, 0, 100 * 24, MMLENS_PT_HOLE },
		[RUNS] = { MMLENS_FORM_RUNS, 0, 1 << 16, 0 },
		[COUNTS] = { MMLENS_FORM_COUNTS, 0, sizeof(struct mmlens_counts), 0 },
		[TABLES] = { MMLENS_FORM_TABLES, 0, 1 << 16, 0 },
		[VMAS] = { MMLENS_FORM_VMAS, MMLENS_WALK_NAMES, 1 << 13, 0 },
	};
	int fd = device_open(O_RDWR), pagemap = proc_pagemap_open(pid), ret = fd < 0 ? fd : 0;
	struct records r[NR] = { };
	struct lens_table table = { };
	struct proc_vmas vmas = { };

	if (!ret)
		ret = lens_entries(pid, &table);
	if (!ret)
		ret = proc_vmas(pid, false, &vmas);
	/* A page of the kernel's, which is no VMA. */
	if (vmas.nr && !strcmp(vmas.vma[vmas.nr - 1].name, "[vsyscall]"))
		vmas.nr--;
	for (int i = 0; !ret && i < NR; i++) {
		struct mmlens_walk walk = walk_of(pid, walks[i].form);

		walk.flags = walks[i].flags;
		walk.excluded = walks[i].excluded;
		ret = walk_all(fd, &walk, walks[i].room, &r[i]);
		if (ret)
			ret = differ("form %u: %s", walks[i].form, strerror(-ret));
	}
	if (!ret)
		ret = compare_walk_entries(&table, &r[ENTRIES]);
	if (!ret && r[AGAIN].nr != r[ENTRIES].nr)
		ret = differ("%lu entries in small pieces, %lu in large ones", r[AGAIN].nr,
			     r[ENTRIES].nr);
	for (size_t i = 0; !ret && i < r[AGAIN].nr; i++) {
		struct mmlens_entry a = ((struct mmlens_entry *)r[AGAIN].bytes)[i];
		struct mmlens_entry b = ((struct mmlens_entry *)r[ENTRIES].bytes)[i];

		if (a.address != b.address || a.raw != b.raw || a.flags != (b.flags & ~PAGES))
			ret = differ("%llx: another entry in small pieces", a.address);
	}
	if (!ret)
		ret = compare_walk_runs(&table, &vmas, &r[ENTRIES], &r[RUNS], pagemap);
	if (!ret)
		ret = compare_walk_counts(&table, &r[RUNS], &r[COUNTS]);
	if (!ret)
		ret = compare_walk_tables(&table, &r[ENTRIES], &r[TABLES]);
	if (!ret)
		ret = compare_walk_vmas(&vmas, &r[VMAS]);
	for (int i = 0; i < NR; i++)
		walk_free(&r[i]);
	proc_vmas_free(&vmas);
	lens_table_free(&table);
	close(pagemap);
	close(fd);
	return ret;
}

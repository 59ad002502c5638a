// SPDX-License-Identifier: GPL-2.0
/*
 * What MMLENS_IOC_WALK finds: filters against the same conditions applied here, places
 * against pagemap, kinds of pages, PAGEMAP_SCAN; that it ends; that nobody disturbs it.
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "lib/assorted.h"
#include "lib/device.h"
#include "lib/kinds.h"
#include "lib/knobs.h"
#include "lib/scan.h"
#include "lib/util.h"
#include "lib/walk.h"

/* What helpers are given of a test. */
#define scan_data _test_data_scan

#define LEVELS 0x1fULL
#define KINDS (0x1fULL << 5)
#define PAGE_BITS (0x1ffULL << 40)
#define BIG (1UL << 20)

FIXTURE(scan)
{
	int fd, pagemap;
	pid_t target;
	struct assorted *all;
	struct mmlens_machine machine;
	struct records entries, vmas;	/* all of them, with pages */
};

/* All entries of the target as they are now. */
static bool take_entries(struct scan_data *self)
{
	struct mmlens_walk walk = walk_of(self->target, MMLENS_FORM_ENTRIES);

	walk.flags = MMLENS_WALK_PAGES;
	return !walk_all(self->fd, &walk, BIG, &self->entries);
}

FIXTURE_SETUP(scan)
{
	struct mmlens_walk walk;

	self->fd = device_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	self->machine.size = sizeof(self->machine);
	ASSERT_EQ(0, ioctl(self->fd, MMLENS_IOC_MACHINE, &self->machine));
	self->all = mmap(NULL, sizeof(*self->all), RW, SHARED, -1, 0);
	knob_swap();
	self->target = target_start(assorted_make, self->all);
	ASSERT_LT(0, self->target);
	self->pagemap = proc_pagemap_open(self->target);
	ASSERT_LE(0, self->pagemap);
	ASSERT_TRUE(take_entries(self));
	walk = walk_of(self->target, MMLENS_FORM_VMAS);
	ASSERT_EQ(0, walk_all(self->fd, &walk, BIG, &self->vmas));
}

FIXTURE_TEARDOWN(scan)
{
	walk_free(&self->entries);
	walk_free(&self->vmas);
	close(self->pagemap);
	target_end(self->target);
	knobs_restore();
	munmap(self->all, sizeof(*self->all));
	close(self->fd);
}

#define entry_at(records, i) (&((const struct mmlens_entry *)(records)->bytes)[i])

static const struct mmlens_vma *vma_of(struct scan_data *self, uint64_t va)
{
	const struct mmlens_vma *vma = (const void *)self->vmas.bytes;
	size_t low = 0, high = self->vmas.nr;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (va >= vma[middle].end)
			low = middle + 1;
		else
			high = middle;
	}
	return low < self->vmas.nr && va >= vma[low].start ? &vma[low] : NULL;
}

static uint64_t size_of(struct scan_data *self, const struct mmlens_entry *e)
{
	return 1ULL << self->machine.shift[__builtin_ctzll(e->flags & LEVELS)];
}

/* How much an entry translates of its VMA. */
static uint64_t bytes_of(struct scan_data *self, const struct mmlens_entry *e)
{
	uint64_t size = size_of(self, e), end = (e->address & -size) + size;
	const struct mmlens_vma *vma = vma_of(self, e->address);

	return (end < vma->end ? end : vma->end) - e->address;
}

static bool passes(struct scan_data *self, const struct mmlens_walk *f,
		   const struct mmlens_entry *e)
{
	const struct mmlens_vma *vma = vma_of(self, e->address);

	return (e->flags & f->required) == f->required && (!f->any || e->flags & f->any) &&
	       !(e->flags & f->excluded) && (e->raw & f->raw_mask) == f->raw_value &&
	       (vma->vm_flags & f->vma_required) == f->vma_required &&
	       !(vma->vm_flags & f->vma_excluded);
}

/* Every form with a filter against the entries that pass it here; the number of these. */
static long compare_once(struct scan_data *self, const struct mmlens_walk *filter)
{
	bool pages = filter->flags & MMLENS_WALK_PAGES ||
		     (filter->required | filter->any | filter->excluded) & PAGE_BITS;
	uint64_t seen = pages ? ~0ULL : ~PAGE_BITS;
	struct mmlens_walk walk = *filter;
	struct mmlens_counts sum = { };
	const struct mmlens_run *run;
	struct records r;
	size_t nr = 0, at = 0;
	uint64_t bytes = 0;

	walk.form = MMLENS_FORM_ENTRIES;
	if (walk_all(self->fd, &walk, 24 * 1000, &r))
		return -1;
	for (size_t i = 0; i < self->entries.nr; i++) {
		const struct mmlens_entry *e = entry_at(&self->entries, i);

		if (!passes(self, filter, e))
			continue;
		if (nr >= r.nr || entry_at(&r, nr)->address != e->address ||
		    entry_at(&r, nr)->raw != e->raw || entry_at(&r, nr)->flags != (e->flags & seen))
			return -2;
		nr++;
		sum.entries[__builtin_ctzll(e->flags & LEVELS)]++;
		sum.bytes += bytes_of(self, e);
		for (int bit = 0; bit < 56; bit++)
			if (e->flags & seen & 1ULL << bit)
				sum.bytes_with[bit] += bytes_of(self, e);
	}
	if (nr != r.nr)
		return -3;
	walk_free(&r);

	walk.form = MMLENS_FORM_RUNS;
	if (walk_all(self->fd, &walk, 40 * 100, &r))
		return -4;
	run = (const void *)r.bytes;
	for (size_t i = 0; i < self->entries.nr; i++) {
		const struct mmlens_entry *e = entry_at(&self->entries, i);

		if (!passes(self, filter, e))
			continue;
		while (at < r.nr && run[at].end <= e->address)
			at++;
		if (at == r.nr || e->address < run[at].start ||
		    (run[at].flags & ~MMLENS_PT_IN_ORDER) != (e->flags & seen))
			return -5;
	}
	for (size_t i = 0; i < r.nr; i++)
		bytes += run[i].end - run[i].start;
	walk_free(&r);
	if (bytes != sum.bytes)
		return -6;

	walk.form = MMLENS_FORM_COUNTS;
	if (walk_all(self->fd, &walk, sizeof(sum), &r))
		return -7;
	for (size_t i = 0; i < r.nr; i++) {
		const struct mmlens_counts *part = &((const struct mmlens_counts *)r.bytes)[i];

		sum.bytes -= part->bytes;
		for (int level = 0; level < MMLENS_LEVELS; level++)
			sum.entries[level] -= part->entries[level];
		for (int bit = 0; bit < 56; bit++)
			sum.bytes_with[bit] -= part->bytes_with[bit];
	}
	walk_free(&r);
	for (int bit = 0; bit < 64; bit++)
		if (sum.bytes || sum.entries[bit % MMLENS_LEVELS] || sum.bytes_with[bit])
			return -8;
	return nr;
}

/* As above. khugepaged and compaction work on a process that is stopped, too: then once more. */
static long compare_filter(struct scan_data *self, const struct mmlens_walk *filter)
{
	long nr = compare_once(self, filter);

	for (int times = 0; nr < 0 && times < 3; times++) {
		walk_free(&self->entries);
		nr = take_entries(self) ? compare_once(self, filter) : -9;
	}
	return nr;
}

TEST_F_TIMEOUT(scan, flags_are_filtered_as_here, 120)
{
	static const struct { uint64_t required, any, excluded; bool some; } filters[] = {
		{ 0, 0, 0, true },
		{ MMLENS_PT_PRESENT, 0, 0, true }, { 0, 0, MMLENS_PT_HOLE, true },
		{ MMLENS_PT_HOLE, 0, 0, true }, { MMLENS_PT_HOLE | MMLENS_PT_PMD, 0, 0, true },
		{ 0, MMLENS_PT_PTE | MMLENS_PT_PUD, MMLENS_PT_HOLE, true },
		{ MMLENS_PT_PRESENT, 0, MMLENS_PT_PTE, false },
		{ MMLENS_PT_PRESENT, 0, MMLENS_PT_WRITE, true },
		{ MMLENS_PT_PRESENT | MMLENS_PT_WRITE, 0, 0, true },
		{ MMLENS_PT_EXEC, 0, 0, true }, { 0, MMLENS_PT_EXEC | MMLENS_PT_WRITE, 0, true },
		{ MMLENS_PT_WRITE | MMLENS_PT_EXEC, 0, 0, false },
		{ MMLENS_PT_PROTNONE, 0, 0, true },
		{ 0, MMLENS_PT_GUARD | MMLENS_PT_SWAP, 0, true },
		{ MMLENS_PT_NONPRESENT | MMLENS_PT_MARKER, 0, 0, true },
		{ MMLENS_PT_NONPRESENT, 0, MMLENS_PT_MARKER, false },
		{ MMLENS_PT_DIRTY, 0, MMLENS_PT_PTE, false },
		{ MMLENS_PT_ACCESSED, MMLENS_PT_DIRTY, MMLENS_PT_SPECIAL, true },
		{ MMLENS_PT_SPECIAL, 0, 0, true }, { MMLENS_PT_WB, 0, 0, true },
		{ MMLENS_PT_UC, 0, 0, false }, { MMLENS_PT_UFFD, 0, 0, false },
		{ MMLENS_PT_PAGE_ANON, 0, 0, true }, { MMLENS_PT_PAGE_ZERO, 0, 0, true },
		{ 0, MMLENS_PT_PAGE_SHMEM | MMLENS_PT_PAGE_FILE, 0, true },
		{ MMLENS_PT_PRESENT, 0, MMLENS_PT_PAGE_ANON | MMLENS_PT_PAGE_ZERO, true },
		{ 0, 0, MMLENS_PT_TABLE, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
		for (unsigned int flags = 0; flags <= MMLENS_WALK_PAGES; flags++) {
			struct mmlens_walk walk = walk_of(self->target, 0);
			long nr;

			walk.flags = flags;
			walk.required = filters[i].required;
			walk.any = filters[i].any;
			walk.excluded = filters[i].excluded;
			nr = compare_filter(self, &walk);
			EXPECT_LE(filters[i].some, nr) TH_LOG("filter %zu, flags %u", i, flags);
		}
	}
}

TEST_F_TIMEOUT(scan, raw_bits_and_vma_flags_are_filtered_as_here, 120)
{
	static const uint64_t masks[] = {
		1, 0xfff, ~0ULL, 1ULL << 63, 0xff00000000000000, 1ULL << 13, 0x3f000, 1ULL << 52,
	};
	/* VM_READ, VM_WRITE, VM_EXEC, VM_SHARED */
	static const struct { uint64_t required, excluded; } vmas[] = {
		{ 1, 0 }, { 2, 0 }, { 4, 0 }, { 5, 2 }, { 3, 8 }, { 8, 0 }, { 0, 1 },
		{ 1ULL << 63, 0 }, { 0, 1ULL << 63 },
	};
	struct mmlens_walk walk;

	for (size_t i = 0; i < ARRAY_SIZE(masks); i++) {
		/* The values are those of an entry here and there. */
		for (int place = 0; place < PLACES; place += 3) {
			for (size_t e = 0; e < self->entries.nr; e++) {
				if (entry_at(&self->entries, e)->address <
				    (uintptr_t)self->all->place[place].start)
					continue;
				walk = walk_of(self->target, 0);
				walk.raw_mask = masks[i];
				walk.raw_value = entry_at(&self->entries, e)->raw & masks[i];
				EXPECT_LT(0, compare_filter(self, &walk))
					TH_LOG("mask %lx, place %d", masks[i], place);
				break;
			}
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(vmas); i++) {
		struct records r;
		size_t want = 0;

		walk = walk_of(self->target, 0);
		walk.vma_required = vmas[i].required;
		walk.vma_excluded = vmas[i].excluded;
		EXPECT_LE(vmas[i].required >> 63 ? 0 : 1, compare_filter(self, &walk))
			TH_LOG("%zu", i);
		walk.form = MMLENS_FORM_VMAS;
		ASSERT_EQ(0, walk_all(self->fd, &walk, 1000, &r));
		for (size_t v = 0; v < self->vmas.nr; v++) {
			uint64_t flags = ((const struct mmlens_vma *)self->vmas.bytes)[v].vm_flags;

			want += (flags & vmas[i].required) == vmas[i].required &&
				!(flags & vmas[i].excluded);
		}
		EXPECT_EQ(want, r.nr);
		walk_free(&r);
	}
}

/* How many entries of a place are in a physical range, by pagemap; and by each form. */
static bool compare_places_of(struct scan_data *self, int place, uint64_t from, uint64_t to)
{
	struct mmlens_walk walk = walk_of(self->target, MMLENS_FORM_ENTRIES);
	uint64_t start = (uintptr_t)self->all->place[place].start, bytes = 0, got = 0;
	uint64_t end = start + self->all->place[place].bytes;
	struct records entries, runs, counts;
	uint64_t *pages = malloc((end - start) / page_size() * sizeof(*pages));
	size_t nr = 0;

	/* In one piece: a call for each takes longer than all else. */
	if (!proc_pagemap(self->pagemap, start, pages, (end - start) / page_size()))
		return false;
	walk.start = start;
	walk.end = end;
	walk.phys_start = from;
	walk.phys_end = to;
	if (walk_all(self->fd, &walk, 24 * 50, &entries))
		return false;
	walk.form = MMLENS_FORM_RUNS;
	if (walk_all(self->fd, &walk, 40 * 50, &runs))
		return false;
	walk.form = MMLENS_FORM_COUNTS;
	if (walk_all(self->fd, &walk, 560, &counts))
		return false;
	for (size_t i = 0; i < self->entries.nr; i++) {
		const struct mmlens_entry *e = entry_at(&self->entries, i);
		uint64_t page, at;

		if (e->address < start || e->address >= end || !(e->flags & MMLENS_PT_PRESENT))
			continue;
		page = pages[(e->address - start) / page_size()];
		if (!(page & PM_PRESENT))
			return false;
		at = (page & PM_FRAME) * page_size();
		if (at >= to || at + size_of(self, e) <= from)
			continue;
		if (nr == entries.nr || entry_at(&entries, nr)->address != e->address)
			return false;
		nr++;
		bytes += bytes_of(self, e);
	}
	for (size_t i = 0; i < runs.nr; i++) {
		const struct mmlens_run *run = &((const struct mmlens_run *)runs.bytes)[i];

		got += run->end - run->start;
	}
	if (((const struct mmlens_counts *)counts.bytes)->bytes != bytes || got != bytes)
		return false;
	got = entries.nr;
	walk_free(&entries);
	walk_free(&runs);
	walk_free(&counts);
	free(pages);
	return nr == got;
}

TEST_F_TIMEOUT(scan, physical_ranges_are_those_of_pagemap, 120)
{
	static const int places[] = {
		DENSE, ALTERNATING, ZEROS, SHMEM, PROTECTED, READ_ONLY, GUARDS, HUGE,
	};

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		uint64_t start = (uintptr_t)self->all->place[places[i]].start;
		uint64_t page, at, size = page_size();

		ASSERT_TRUE(proc_pagemap(self->pagemap, start, &page, 1));
		ASSERT_TRUE(page & PM_PRESENT);
		at = (page & PM_FRAME) * size;
		const struct { uint64_t from, to; } ranges[] = {
			{ at, at + size }, { at, at + 1 }, { at + size - 1, at + size },
			{ at - 1, at }, { at + size, at + size + 1 }, { 0, at }, { at, ~0ULL },
			{ at - 16 * size, at + 100 * size }, { 0, 1 }, { 1ULL << 60, ~0ULL },
			{ at + 5 * size + 1, at + 5 * size + 2 }, { 0, ~0ULL },
		};

		for (size_t r = 0; r < ARRAY_SIZE(ranges); r++) {
			uint64_t from = ranges[r].from, to = ranges[r].to;

			EXPECT_TRUE(compare_places_of(self, places[i], from, to))
				TH_LOG("place %d: %lx-%lx", places[i], from, to);
		}
	}
}

/* The flags that all entries of a place have which are not holes, of those in @mask. */
static uint64_t common_flags(struct scan_data *self, int place, uint64_t mask)
{
	uint64_t start = (uintptr_t)self->all->place[place].start, common = mask;

	for (size_t i = 0; i < self->entries.nr; i++) {
		const struct mmlens_entry *e = entry_at(&self->entries, i);

		if (e->address >= start && e->address < start + self->all->place[place].bytes &&
		    e->flags & MMLENS_PT_PRESENT)
			common &= e->flags;
	}
	return common;
}

TEST_F_TIMEOUT(scan, kinds_of_pages, 120)
{
	static const uint64_t all = PAGE_BITS | MMLENS_PT_SPECIAL | MMLENS_PT_PROTNONE;
	struct mmlens_walk walk;
	struct records r;
	char *map;
	int fd;

	EXPECT_EQ(MMLENS_PT_PAGE_ANON, common_flags(self, DENSE, all));
	EXPECT_EQ(MMLENS_PT_PAGE_ZERO | MMLENS_PT_SPECIAL, common_flags(self, ZEROS, all));
	EXPECT_EQ(MMLENS_PT_PAGE_SHMEM, common_flags(self, SHMEM, all));
	EXPECT_EQ(MMLENS_PT_PAGE_ANON | MMLENS_PT_PROTNONE, common_flags(self, PROTECTED, all));
	if (self->all->is_huge)
		EXPECT_EQ(MMLENS_PT_PAGE_ANON, common_flags(self, HUGE, all));
	/* One at most. */
	for (size_t i = 0; i < self->entries.nr; i++) {
		uint64_t flags = entry_at(&self->entries, i)->flags;

		ASSERT_GE(1, __builtin_popcountll(flags & PAGE_BITS));
		ASSERT_EQ(1, __builtin_popcountll(flags & LEVELS));
		ASSERT_EQ(1, __builtin_popcountll(flags & KINDS));
		if (!(flags & MMLENS_PT_PRESENT))
			ASSERT_EQ(0, flags & PAGE_BITS);
	}
	/* Of the device: pages of the kernel's, and the same by number. */
	for (int by_number = 0; by_number < 2; by_number++) {
		fd = device_make(by_number ? "vmap,pfnmap" : "vmap", 3);
		ASSERT_LE(0, fd);
		map = device_map(fd, RW, MAP_SHARED, 3, 0);
		ASSERT_NE(MAP_FAILED, map);
		fill_pages(map, 3, 1);
		walk = walk_of(0, MMLENS_FORM_ENTRIES);
		walk.start = (uintptr_t)map;
		walk.end = walk.start + 3 * page_size();
		walk.flags = MMLENS_WALK_PAGES;
		ASSERT_EQ(0, walk_all(self->fd, &walk, BIG, &r));
		ASSERT_EQ(3, r.nr);
		for (int i = 0; i < 3; i++)
			EXPECT_EQ(by_number ? MMLENS_PT_PAGE_RAM | MMLENS_PT_SPECIAL :
				  MMLENS_PT_PAGE_KERNEL, entry_at(&r, i)->flags & all);
		walk_free(&r);
		munmap(map, 3 * page_size());
		close(fd);
	}
}

/* The categories of each page, by PAGEMAP_SCAN. */
static bool categories_of(int pagemap, uint64_t start, uint64_t end, uint64_t *category)
{
	static struct page_region regions[1000];
	uint64_t mask = PAGE_IS_FILE | PAGE_IS_PRESENT | PAGE_IS_SWAPPED | PAGE_IS_PFNZERO |
			PAGE_IS_HUGE | PAGE_IS_GUARD;

	memset(category, 0, (end - start) / page_size() * sizeof(*category));
	for (uint64_t at = start; at < end; ) {
		struct pm_scan_arg arg = {
			.size = sizeof(arg), .start = at, .end = end,
			.vec = (uintptr_t)regions, .vec_len = ARRAY_SIZE(regions),
			.category_anyof_mask = mask, .return_mask = mask,
		};
		int nr = ioctl(pagemap, PAGEMAP_SCAN, &arg);

		if (nr < 0 || arg.walk_end <= at)
			return false;
		for (int i = 0; i < nr; i++)
			for (uint64_t va = regions[i].start; va < regions[i].end; va += page_size())
				category[(va - start) / page_size()] = regions[i].categories;
		at = arg.walk_end;
	}
	return true;
}

TEST_F_TIMEOUT(scan, agrees_with_pagemap_scan, 120)
{
	static const int places[] = {
		DENSE, ALTERNATING, ZEROS, SHMEM, GUARDS, PROTECTED, READ_ONLY, SWAPPED, HUGE,
	};

	for (size_t p = 0; p < ARRAY_SIZE(places); p++) {
		uint64_t start = (uintptr_t)self->all->place[places[p]].start;
		uint64_t bytes = self->all->place[places[p]].bytes, seen = 0;
		uint64_t *category = malloc(bytes / page_size() * sizeof(*category));

		ASSERT_TRUE(categories_of(self->pagemap, start, start + bytes, category));
		for (size_t i = 0; i < self->entries.nr; i++) {
			const struct mmlens_entry *e = entry_at(&self->entries, i);
			uint64_t f = e->flags, want = 0, mask = PAGE_IS_FILE;

			if (e->address < start || e->address >= start + bytes)
				continue;
			want |= f & MMLENS_PT_PRESENT ? PAGE_IS_PRESENT : 0;
			want |= f & (MMLENS_PT_PAGE_FILE | MMLENS_PT_PAGE_SHMEM) ? PAGE_IS_FILE : 0;
			want |= f & MMLENS_PT_PAGE_ZERO ? PAGE_IS_PFNZERO : 0;
			want |= f & MMLENS_PT_GUARD ? PAGE_IS_GUARD : 0;
			want |= f & (MMLENS_PT_SWAP | MMLENS_PT_MARKER) ? PAGE_IS_SWAPPED : 0;
			want |= (f & MMLENS_PT_PRESENT) && !(f & MMLENS_PT_PTE) ? PAGE_IS_HUGE : 0;
			/* That of absent pages of files is something else. */
			mask = f & MMLENS_PT_PRESENT ? ~0ULL : ~mask;
			for (uint64_t va = e->address; va < e->address + bytes_of(self, e);
			     va += page_size()) {
				ASSERT_EQ(want & mask, category[(va - start) / page_size()] & mask)
					TH_LOG("place %d, %lx: flags %lx", places[p], va, f);
				seen++;
			}
		}
		EXPECT_EQ(bytes / page_size(), seen);
		free(category);
	}
	if (self->all->is_swapped) {
		struct mmlens_walk walk = walk_of(self->target, 0);

		walk.required = MMLENS_PT_SWAP;
		EXPECT_LT(0, compare_filter(self, &walk));
	}
}

TEST_F_TIMEOUT(scan, a_small_buffer_takes_no_more_calls_for_what_does_not_pass, 120)
{
	struct mmlens_walk walk = walk_of(self->target, MMLENS_FORM_ENTRIES);
	struct records r;

	walk.required = MMLENS_PT_HWPOISON;
	ASSERT_EQ(0, walk_all(self->fd, &walk, sizeof(struct mmlens_entry), &r));
	EXPECT_EQ(0, r.nr);
	EXPECT_EQ(1, r.calls);
	walk_free(&r);
}

/* A call looks at 32,768 (uapi.rst). */
#define VMAS (32768 + 1000)

struct many {
	char *map;
	size_t vmas;
};

static void make_many_vmas(void *arg)
{
	struct many *many = arg;

	many->map = mmap(NULL, many->vmas * page_size(), PROT_READ, ANON | MAP_NORESERVE, -1, 0);
	for (size_t i = 0; i < many->vmas; i += 2)
		mprotect(many->map + i * page_size(), page_size(), PROT_NONE);
}

static void make_a_wide_one(void *arg)
{
	char *map = mmap(NULL, 1UL << 40, RW, ANON | MAP_NORESERVE, -1, 0);

	madvise(map, 1UL << 40, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < 8; i++)
		map[(i << 37) + i * page_size()] = 1;
	*(char **)arg = map;
}

TEST_F_TIMEOUT(scan, a_call_ends_though_there_is_more, 300)
{
	struct many *many = mmap(NULL, page_size(), RW, SHARED, -1, 0);
	struct mmlens_counts sum = { };
	struct mmlens_walk walk;
	struct records r;
	pid_t other;

	many->vmas = VMAS;
	other = target_start(make_many_vmas, many);
	ASSERT_LT(0, other);
	walk = walk_of(other, MMLENS_FORM_COUNTS);
	walk.start = (uintptr_t)many->map;
	walk.end = walk.start + VMAS * page_size();
	ASSERT_EQ(0, walk_all(self->fd, &walk, sizeof(sum), &r));
	EXPECT_LT(1, r.calls);
	EXPECT_EQ(r.calls, r.nr);
	for (size_t i = 0; i < r.nr; i++)
		sum.bytes += ((const struct mmlens_counts *)r.bytes)[i].bytes;
	EXPECT_EQ(VMAS * page_size(), sum.bytes);
	walk_free(&r);
	/* Nor for what is left out. VM_READ */
	for (unsigned int form = 0; form <= MMLENS_FORM_COUNTS; form++) {
		walk.form = form;
		walk.vma_required = form == MMLENS_FORM_VMAS ? 1 : 1ULL << 63;
		ASSERT_EQ(0, walk_all(self->fd, &walk, 4 * BIG, &r));
		EXPECT_LT(1, r.calls);
		EXPECT_EQ(form == MMLENS_FORM_VMAS ? VMAS / 2 :
			  form == MMLENS_FORM_COUNTS ? r.calls : 0, r.nr) TH_LOG("form %u", form);
		walk_free(&r);
	}
	target_end(other);

	other = target_start(make_a_wide_one, &many->map);
	ASSERT_LT(0, other);
	walk = walk_of(other, MMLENS_FORM_COUNTS);
	walk.start = (uintptr_t)many->map;
	walk.end = walk.start + (1UL << 40);
	ASSERT_EQ(0, walk_all(self->fd, &walk, sizeof(sum), &r));
	sum = *(struct mmlens_counts *)r.bytes;
	EXPECT_EQ(1, r.calls);
	EXPECT_EQ(1UL << 40, sum.bytes);
	EXPECT_EQ(8 * page_size(), sum.bytes_with[6]);
	walk_free(&r);
	target_end(other);
	munmap(many, page_size());
}

/* Runs that were told before a kill cut the walk of a child short; all of them if it did not. */
static size_t told_until_killed(int fd, const struct mmlens_walk *walk, struct mmlens_run *runs,
				size_t bytes)
{
	struct mmlens_walk copy = *walk;
	pid_t child = fork();
	size_t told = 0;

	if (!child) {
		/* A page fault of a task that is killed would end the walk as well. */
		madvise(runs, bytes, MADV_POPULATE_WRITE);
		memset(runs, 0, sizeof(*runs));
		_exit(!!walk_call(fd, &copy, runs, bytes));
	}
	while (!*(volatile __u64 *)&runs->end)
		sched_yield();
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	while (told < bytes / sizeof(*runs) && runs[told].end)
		told++;
	return told;
}

TEST_F_TIMEOUT(scan, a_kill_ends_a_walk, 300)
{
	/* A slow kernel takes as long to look at fewer, and much longer to make them. */
	const size_t vmas = kernel_is_slow() ? VMAS / 8 : VMAS;
	const size_t bytes = vmas * sizeof(struct mmlens_run);
	struct mmlens_run *runs = mmap(NULL, bytes, RW, SHARED, -1, 0);
	struct many *many = mmap(NULL, page_size(), RW, SHARED, -1, 0);
	struct mmlens_walk walk, all;
	bool cut = false;
	pid_t other;

	many->vmas = vmas;
	other = target_start(make_many_vmas, many);
	ASSERT_LT(0, other);
	walk = walk_of(other, MMLENS_FORM_RUNS);
	walk.start = (uintptr_t)many->map;
	walk.end = walk.start + vmas * page_size();
	all = walk;
	ASSERT_EQ(0, walk_call(self->fd, &all, runs, bytes));
	EXPECT_LT(1000, all.records);
	/* The kill may come when all is done. */
	for (int i = 0; i < 50 && !cut; i++) {
		size_t told;

		memset(runs, 0, bytes);
		told = told_until_killed(self->fd, &walk, runs, bytes);
		EXPECT_LT(0, told);
		cut = told < all.records;
	}
	EXPECT_TRUE(cut);
	target_end(other);
	munmap(many, page_size());
	munmap(runs, bytes);
}

/* A process that maps and unmaps every other slot of a place, all the time. */
#define SLOTS 64
#define SLOT_PAGES 16

struct arena {
	_Atomic bool begun, stop;
	char *start;
};

static void *map_and_unmap(void *arg)
{
	size_t bytes = SLOT_PAGES * page_size();
	struct arena *arena = arg;

	while (!arena->begun)
		sched_yield();
	for (unsigned int i = (uintptr_t)&bytes >> 12; !arena->stop; i = i * 1664525 + 1013904223) {
		char *slot = arena->start + (i >> 8) % SLOTS * 2 * bytes;
		size_t page = (i >> 16) % SLOT_PAGES * page_size();

		switch (i >> 28) {
		case 0 ... 5:
			mmap(slot, bytes, RW, ANON | MAP_FIXED, -1, 0);
			madvise(slot + page, bytes - page, MADV_POPULATE_WRITE);
			break;
		case 6 ... 8:
			munmap(slot, bytes);
			break;
		case 9:
			mprotect(slot + page, page_size(), PROT_READ);
			break;
		case 10:
			madvise(slot + page, page_size(), MADV_DONTNEED);
			break;
		case 11:
			mremap(slot, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
			       arena->start + (i >> 20) % SLOTS * 2 * bytes);
			break;
		default:
			madvise(slot, page + page_size(), MADV_POPULATE_READ);
		}
	}
	return NULL;
}

/*
 * A process of its own. The place is reserved until both threads have their
 * stacks, which would be put there otherwise; from then on nothing else maps.
 */
static pid_t start_mapping(struct arena *arena, size_t bytes)
{
	pid_t pid;

	arena->start = map_aligned(PROT_NONE, ANON | MAP_NORESERVE, bytes, pmd_size());
	pid = child_fork();
	if (!pid) {
		pthread_t second;

		if (pthread_create(&second, NULL, map_and_unmap, arena))
			_exit(1);
		munmap(arena->start, bytes);
		arena->begun = true;
		map_and_unmap(arena);
		pthread_join(second, NULL);
		_exit(0);
	}
	munmap(arena->start, bytes);
	return pid;
}

struct walker {
	pthread_t thread;
	int fd;
	pid_t pid;
	struct arena *arena;
	const char *wrong;
	_Atomic unsigned long walks, present;
};

static bool is_in_a_slot(const struct arena *arena, uint64_t start, uint64_t end)
{
	uint64_t slot = SLOT_PAGES * page_size(), from = start - (uintptr_t)arena->start;

	return from / slot % 2 == 0 && (end - 1 - (uintptr_t)arena->start) / slot == from / slot;
}

static const char *check(struct walker *me, unsigned int form, const struct records *r,
			 const struct mmlens_walk *walk)
{
	uint64_t last = walk->start;

	for (size_t i = 0; i < r->nr; i++) {
		const struct mmlens_entry *e = entry_at(r, i);
		const struct mmlens_run *run = &((const struct mmlens_run *)r->bytes)[i];
		const struct mmlens_vma *vma = &((const struct mmlens_vma *)r->bytes)[i];
		bool is_entry = form == MMLENS_FORM_ENTRIES;
		uint64_t flags = is_entry ? e->flags : run->flags;
		uint64_t start = is_entry ? e->address : form == MMLENS_FORM_RUNS ? run->start :
				 vma->start;
		uint64_t end = is_entry ? start + 1 : form == MMLENS_FORM_RUNS ? run->end :
			       vma->end;

		/* A VMA that has grown below since is told again, as a whole. */
		if ((form == MMLENS_FORM_VMAS ? end <= last : start < last) || end > walk->end)
			return "not in order, or not in the range";
		last = end;
		if (!is_in_a_slot(me->arena, start, end))
			return "where there was never a VMA";
		if (form == MMLENS_FORM_VMAS)
			continue;
		if (__builtin_popcountll(flags & LEVELS) != 1 ||
		    __builtin_popcountll(flags & KINDS) != 1 || flags & MMLENS_PT_TABLE)
			return "not of one kind and one level";
		if (flags & MMLENS_PT_BAD)
			return "bad";
		if (flags & MMLENS_PT_PRESENT) {
			me->present++;
			if (!(flags & MMLENS_PT_PTE) || !(flags & MMLENS_PT_READ))
				return "what nobody mapped";
			if (flags & PAGE_BITS & ~(MMLENS_PT_PAGE_ANON | MMLENS_PT_PAGE_ZERO))
				return "a page of another kind";
		}
	}
	return NULL;
}

static void *walk_on(void *arg)
{
	struct walker *me = arg;

	while (!me->arena->stop && !me->wrong) {
		struct mmlens_walk walk = walk_of(me->pid, me->walks % (MMLENS_FORM_COUNTS + 1));
		struct records r;
		int ret;

		walk.start = (uintptr_t)me->arena->start;
		walk.end = walk.start + 2 * SLOTS * SLOT_PAGES * page_size();
		if (me->walks & 8 && walk.form <= MMLENS_FORM_RUNS)
			walk.flags = MMLENS_WALK_PAGES;
		ret = walk_all(me->fd, &walk, me->walks & 16 ? BIG : 8192, &r);
		me->walks++;
		/* Who maps and unmaps goes when he is told, also in the middle of a walk. */
		if (ret && !(ret == -ESRCH && me->arena->stop))
			me->wrong = strerror(-ret);
		else if (!ret && walk.form != MMLENS_FORM_TABLES && walk.form != MMLENS_FORM_COUNTS)
			me->wrong = check(me, walk.form, &r, &walk);
		walk_free(&r);
	}
	return NULL;
}

static bool has_seen_enough(const struct walker *me)
{
	return me->wrong || (me->walks > 5 && me->present);
}

TEST_F_TIMEOUT(scan, two_walk_while_others_map_and_unmap, 120)
{
	struct arena *arena = mmap(NULL, page_size(), RW, SHARED, -1, 0);
	struct walker walkers[2] = { };
	int status;
	pid_t pid;

	pid = start_mapping(arena, 2 * SLOTS * SLOT_PAGES * page_size());
	ASSERT_LT(0, pid);
	for (int tries = 0; tries < 10000 && !arena->begun; tries++)
		usleep(1000);
	ASSERT_TRUE(arena->begun);
	for (int i = 0; i < 2; i++) {
		walkers[i] = (struct walker) { .fd = self->fd, .pid = pid, .arena = arena };
		pthread_create(&walkers[i].thread, NULL, walk_on, &walkers[i]);
	}
	usleep(1000 * effort(2000));
	/* A machine may be slow. */
	for (int i = 0; i < 2; i++)
		for (int tries = 0; tries < 1000 && !has_seen_enough(&walkers[i]); tries++)
			usleep(10000);
	arena->stop = true;
	for (int i = 0; i < 2; i++) {
		pthread_join(walkers[i].thread, NULL);
		EXPECT_EQ(NULL, walkers[i].wrong) TH_LOG("%s", walkers[i].wrong);
		EXPECT_TRUE(has_seen_enough(&walkers[i]));
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	munmap(arena, page_size());
}

TEST_HARNESS_MAIN_WITH_SWAP

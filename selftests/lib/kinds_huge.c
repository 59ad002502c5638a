// SPDX-License-Identifier: GPL-2.0
/* Huge pages of every size, and pages that belong to one. */
#include <errno.h>
#include <linux/kernel-page-flags.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kinds.h"
#include "knobs.h"
#include "proc.h"
#include "scan.h"
#include "util.h"

#define THP "/sys/kernel/mm/transparent_hugepage/"
#define GIB (1UL << 30)

static bool is_huge(const struct memory *m)
{
	uint64_t all, any, start = (uintptr_t)m->start;
	int fd = proc_pagemap_open(0);
	bool known = scan_categories(fd, start, start + m->pages * page_size(), &all, &any);

	close(fd);
	return known && all & PAGE_IS_HUGE && all & PAGE_IS_PRESENT;
}

/* Room for one huge page of a size, at a multiple of it. */
static void aligned(struct memory *m, int flags, size_t size)
{
	m->start = map_aligned(RW, flags, size, size);
	m->pages = size / page_size();
}

static void transparent(struct memory *m, int flags, bool write)
{
	aligned(m, flags, pmd_size());
	if (madvise(m->start, pmd_size(), MADV_HUGEPAGE)) {
		cannot(m, "MADV_HUGEPAGE");
		return;
	}
	if (write)
		kind_write(m);
	else
		kind_read(m);
	if (!is_huge(m))
		cannot_because(m, "the kernel made no huge page");
}

static void thp_written(struct memory *m)
{
	transparent(m, MAP_PRIVATE, true);
}

static void thp_read(struct memory *m)
{
	transparent(m, MAP_PRIVATE, false);
}

static void prepare_shmem(struct memory *m)
{
	if (knob_set(THP "shmem_enabled", "advise"))
		cannot_because(m, "the kernel has no huge pages of shared memory");
}

static void thp_shmem(struct memory *m)
{
	transparent(m, MAP_SHARED, true);
}

/* A huge page that is mapped by small entries. */
static void thp_split(struct memory *m)
{
	transparent(m, MAP_PRIVATE, true);
	if (!m->why[0] && mprotect(m->start, page_size(), PROT_NONE))
		cannot(m, "mprotect");
	m->start += page_size();
	m->pages -= 1;
}

/* As many small pages as the CPU can take for one: arm64's contiguous bit. */
static size_t mthp_size(void)
{
	return page_size() == 4096 ? 64 << 10 : 2 << 20;
}

static void prepare_mthp(struct memory *m)
{
	char path[96];

	snprintf(path, sizeof(path), THP "hugepages-%zukB/enabled", mthp_size() >> 10);
	if (knob_set(path, "always"))
		cannot_because(m, "the kernel has no huge pages of that size");
}

static void mthp(struct memory *m)
{
	aligned(m, MAP_PRIVATE, mthp_size());
	kind_write(m);
	if (!scan_page_flags(m, BIT_OF(KPF_ANON) | BIT_OF(KPF_THP), 0))
		cannot_because(m, "the kernel made no huge page");
}

static void prepare_hugetlb(struct memory *m)
{
	if (knob_huge_pages(pmd_size() >> 10, 2))
		cannot_because(m, "there are no two free huge pages");
}

static void hugetlb(struct memory *m, int flags, size_t size)
{
	flags |= MAP_HUGETLB | MAP_ANONYMOUS | __builtin_ctzl(size) << MAP_HUGE_SHIFT;
	m->start = mmap(NULL, size, RW, flags, -1, 0);
	m->pages = size / page_size();
	if (m->start == MAP_FAILED)
		cannot(m, "mmap");
	else
		m->start[0] = 1;
}

static void hugetlb_private(struct memory *m)
{
	hugetlb(m, MAP_PRIVATE, pmd_size());
}

static void hugetlb_shared(struct memory *m)
{
	hugetlb(m, MAP_SHARED, pmd_size());
}

/* The pages of this size come from the kernel's command line. */
static void prepare_giant(struct memory *m)
{
	if (knob_huge_pages(GIB >> 10, 1))
		cannot_because(m, "there is no page of 1 GiB; boot with hugepagesz=1G hugepages=1");
}

static void giant(struct memory *m)
{
	hugetlb(m, MAP_SHARED, GIB);
}

const struct kind huge_kinds[] = {
	{
		.name = "thp_anon", .make = thp_written,
		.pagemap = { PM_PRESENT | PM_EXCLUSIVE, PM_SWAP | PM_FILE },
		.scan = { PAGE_IS_PRESENT | PAGE_IS_HUGE, PAGE_IS_FILE | PAGE_IS_PFNZERO },
		.page_flags = { BIT_OF(KPF_ANON) | BIT_OF(KPF_THP) },
		.entry = "leaf", .level = "pmd", .rwx = "rw-", .page = "anon", .memory = "WB",
	}, {
		.name = "thp_zero_page", .make = thp_read,
		/* Linux 7.2 counts it among the pages of files. */
		.pagemap = { PM_PRESENT, PM_SWAP },
		.scan = { PAGE_IS_PRESENT | PAGE_IS_HUGE | PAGE_IS_PFNZERO },
		.page_flags = { BIT_OF(KPF_ZERO_PAGE), BIT_OF(KPF_ANON) },
		.entry = "leaf", .level = "pmd", .rwx = "r--", .page = "zero", .memory = "WB",
	}, {
		.name = "thp_shmem", .prepare = prepare_shmem, .make = thp_shmem,
		.pagemap = { PM_PRESENT | PM_FILE, PM_SWAP },
		.scan = { PAGE_IS_PRESENT | PAGE_IS_HUGE | PAGE_IS_FILE, PAGE_IS_PFNZERO },
		.page_flags = { BIT_OF(KPF_THP) | BIT_OF(KPF_SWAPBACKED), BIT_OF(KPF_ANON) },
		.entry = "leaf", .level = "pmd", .rwx = "rw-", .page = "shmem", .memory = "WB",
	}, {
		.name = "thp_mapped_by_pages", .make = thp_split,
		.pagemap = { PM_PRESENT, PM_SWAP | PM_FILE },
		.scan = { PAGE_IS_PRESENT, PAGE_IS_FILE | PAGE_IS_HUGE },
		.page_flags = { BIT_OF(KPF_ANON) | BIT_OF(KPF_THP) },
		.entry = "leaf", .level = "pte", .rwx = "rw-", .page = "anon", .memory = "WB",
	}, {
		.name = "mthp", .prepare = prepare_mthp, .make = mthp,
		.pagemap = { PM_PRESENT | PM_EXCLUSIVE, PM_SWAP | PM_FILE },
		.scan = { PAGE_IS_PRESENT, PAGE_IS_FILE | PAGE_IS_HUGE },
		.page_flags = { BIT_OF(KPF_ANON) | BIT_OF(KPF_THP) },
		.entry = "leaf", .level = "pte", .rwx = "rw-", .page = "anon", .memory = "WB",
#ifdef __aarch64__
		.bit = "CONT",
#endif
	}, {
		.name = "hugetlb_private", .prepare = prepare_hugetlb, .make = hugetlb_private,
		.pagemap = { PM_PRESENT | PM_EXCLUSIVE, PM_SWAP | PM_FILE },
		.scan = { PAGE_IS_PRESENT | PAGE_IS_HUGE, PAGE_IS_FILE | PAGE_IS_PFNZERO },
		.page_flags = { BIT_OF(KPF_HUGE) | BIT_OF(KPF_ANON) },
		.entry = "leaf", .level = "pmd", .rwx = "rw-", .page = "hugetlb", .memory = "WB",
	}, {
		.name = "hugetlb_shared", .prepare = prepare_hugetlb, .make = hugetlb_shared,
		.pagemap = { PM_PRESENT | PM_EXCLUSIVE | PM_FILE, PM_SWAP },
		.scan = { PAGE_IS_PRESENT | PAGE_IS_HUGE | PAGE_IS_FILE, PAGE_IS_PFNZERO },
		.page_flags = { BIT_OF(KPF_HUGE), BIT_OF(KPF_ANON) },
		.entry = "leaf", .level = "pmd", .rwx = "rw-", .page = "hugetlb", .memory = "WB",
	}, {
		/* Of level pud with 4K pages; with 16K ones 32 entries of level pmd. */
		.name = "hugetlb_1g", .prepare = prepare_giant, .make = giant,
		.pagemap = { PM_PRESENT | PM_FILE, PM_SWAP },
		.scan = { PAGE_IS_PRESENT | PAGE_IS_HUGE | PAGE_IS_FILE, PAGE_IS_PFNZERO },
		.page_flags = { BIT_OF(KPF_HUGE), BIT_OF(KPF_ANON) },
		.entry = "leaf", .rwx = "rw-", .page = "hugetlb", .memory = "WB",
	},
};

const size_t nr_huge_kinds = sizeof(huge_kinds) / sizeof(*huge_kinds);

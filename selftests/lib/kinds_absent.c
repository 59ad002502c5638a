// SPDX-License-Identifier: GPL-2.0
/* Memory without pages, and why. */
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kinds.h"
#include "proc.h"
#include "scan.h"
#include "util.h"

static void nothing(void *arg)
{
	(void)arg;
}

static void untouched(struct memory *m)
{
	kind_map(m, RW, ANON, -1, PAGES);
}

static void dropped(struct memory *m)
{
	kind_map(m, RW, ANON, -1, PAGES);
	kind_write(m);
	if (madvise(m->start, m->pages * page_size(), MADV_DONTNEED))
		cannot(m, "MADV_DONTNEED");
}

static void swapped(struct memory *m)
{
	kind_map(m, RW, ANON, -1, PAGES);
	kind_write(m);
	kind_page_out(m);
}

/* From the fork on it is not known which of the two will be the only one. */
static void swapped_shared(struct memory *m)
{
	swapped(m);
	m->other = target_start(nothing, NULL);
}

static void swapped_protected(struct memory *m)
{
	swapped(m);
	if (mprotect(m->start, m->pages * page_size(), PROT_NONE))
		cannot(m, "mprotect");
}

static void shmem_swapped(struct memory *m)
{
	kind_map(m, RW, SHARED, -1, PAGES);
	kind_write(m);
	kind_page_out(m);
}

static void guard(struct memory *m)
{
	kind_map(m, RW, ANON, -1, PAGES);
	if (madvise(m->start, m->pages * page_size(), MADV_GUARD_INSTALL))
		cannot(m, "MADV_GUARD_INSTALL");
}

static void guard_over_pages(struct memory *m)
{
	kind_map(m, RW, ANON, -1, PAGES);
	kind_write(m);
	if (madvise(m->start, m->pages * page_size(), MADV_GUARD_INSTALL))
		cannot(m, "MADV_GUARD_INSTALL");
}

static void survive(int signal)
{
	(void)signal;
}

static void poisoned(struct memory *m)
{
	/* The page is lost to the machine: only in a guest of ours (scripts/vm). */
	if (access("/run/mmlens", F_OK)) {
		cannot_because(m, "this machine would lose a page for good");
		return;
	}
	kind_map(m, RW, ANON, -1, 1);
	kind_write(m);
	/* Who loses a page is told. */
	signal(SIGBUS, survive);
	if (madvise(m->start, page_size(), MADV_HWPOISON))
		cannot(m, "MADV_HWPOISON");
}

const struct kind absent_kinds[] = {
	{
		.name = "untouched", .make = untouched,
		.pagemap = { 0, PM_PRESENT | PM_SWAP },
		.scan = { 0, PAGE_IS_PRESENT | PAGE_IS_SWAPPED },
		.bit = "never-written",
	}, {
		.name = "dropped", .make = dropped,
		.pagemap = { 0, PM_PRESENT | PM_SWAP },
		.scan = { 0, PAGE_IS_PRESENT | PAGE_IS_SWAPPED },
		.bit = "empty", .no_bit = "never-written",
	}, {
		.name = "swapped", .prepare = kind_prepare_swap, .make = swapped,
		.pagemap = { PM_SWAP, PM_PRESENT | PM_FILE | PM_GUARD },
		.scan = { PAGE_IS_SWAPPED, PAGE_IS_PRESENT | PAGE_IS_GUARD },
		.entry = "swap", .level = "pte", .rwx = "---", .bit = "exclusive",
	}, {
		.name = "swapped_shared_after_fork", .prepare = kind_prepare_swap,
		.make = swapped_shared,
		.pagemap = { PM_SWAP, PM_PRESENT | PM_FILE | PM_GUARD },
		.scan = { PAGE_IS_SWAPPED, PAGE_IS_PRESENT | PAGE_IS_GUARD },
		.entry = "swap", .level = "pte", .rwx = "---", .no_bit = "exclusive",
	}, {
		.name = "swapped_prot_none", .prepare = kind_prepare_swap,
		.make = swapped_protected,
		.pagemap = { PM_SWAP, PM_PRESENT | PM_FILE | PM_GUARD },
		.scan = { PAGE_IS_SWAPPED, PAGE_IS_PRESENT | PAGE_IS_GUARD },
		.entry = "swap", .level = "pte", .rwx = "---",
	}, {
		/* The slot is noted in the file, not in the tables. */
		.name = "shmem_swapped", .prepare = kind_prepare_swap, .make = shmem_swapped,
		.pagemap = { 0, PM_PRESENT | PM_SWAP },
		.scan = { 0, PAGE_IS_PRESENT },
		.bit = "empty",
	}, {
		.name = "guard", .make = guard,
		.pagemap = { PM_GUARD, PM_PRESENT },
		.scan = { PAGE_IS_GUARD, PAGE_IS_PRESENT },
		.entry = "marker", .level = "pte", .rwx = "---", .bit = "guard",
	}, {
		.name = "guard_over_pages", .make = guard_over_pages,
		.pagemap = { PM_GUARD, PM_PRESENT },
		.scan = { PAGE_IS_GUARD, PAGE_IS_PRESENT },
		.entry = "marker", .level = "pte", .rwx = "---", .bit = "guard",
	}, {
		.name = "hwpoison", .make = poisoned,
		.pagemap = { PM_SWAP, PM_PRESENT | PM_GUARD },
		.scan = { PAGE_IS_SWAPPED, PAGE_IS_PRESENT | PAGE_IS_GUARD },
		.entry = "hwpoison", .level = "pte", .rwx = "---",
	},
};

const size_t nr_absent_kinds = sizeof(absent_kinds) / sizeof(*absent_kinds);

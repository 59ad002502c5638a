// SPDX-License-Identifier: GPL-2.0
/* Anonymous memory of small pages that are present. */
#include <errno.h>
#include <linux/kernel-page-flags.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kinds.h"
#include "knobs.h"
#include "proc.h"
#include "scan.h"
#include "util.h"

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08
#endif
#ifndef SYS_mseal
#define SYS_mseal 462
#endif

static void untouched(void *arg)
{
	(void)arg;
}

static void written(struct memory *m)
{
	kind_map(m, RW, ANON, -1, PAGES);
	kind_write(m);
}

static void read_only(struct memory *m)
{
	kind_map(m, RW, ANON, -1, PAGES);
	kind_read(m);
}

static void forked(struct memory *m)
{
	written(m);
	m->other = target_start(untouched, NULL);
}

static void forked_written(struct memory *m)
{
	forked(m);
	kind_write(m);
}

static void protected_from_all(struct memory *m)
{
	written(m);
	if (mprotect(m->start, m->pages * page_size(), PROT_NONE))
		cannot(m, "mprotect");
}

static void protected_from_writes(struct memory *m)
{
	written(m);
	if (mprotect(m->start, m->pages * page_size(), PROT_READ))
		cannot(m, "mprotect");
}

static void executable(struct memory *m)
{
	written(m);
	if (mprotect(m->start, m->pages * page_size(), PROT_READ | PROT_EXEC))
		cannot(m, "mprotect");
}

static void locked(struct memory *m)
{
	kind_map(m, RW, ANON, -1, PAGES);
	if (mlock(m->start, m->pages * page_size()))
		cannot(m, "mlock");
}

static void stack(struct memory *m)
{
	char here;

	m->start = (char *)((uintptr_t)&here & ~(page_size() - 1));
	m->pages = 1;
}

static void droppable(struct memory *m)
{
	kind_map(m, RW, MAP_ANONYMOUS | MAP_DROPPABLE, -1, PAGES);
	kind_write(m);
}

static void sealed(struct memory *m)
{
	written(m);
	if (syscall(SYS_mseal, m->start, m->pages * page_size(), 0))
		cannot(m, "mseal");
}

static void prepare_merged(struct memory *m)
{
	if (knob_set("/sys/kernel/mm/ksm/sleep_millisecs", "0") ||
	    knob_set("/sys/kernel/mm/ksm/pages_to_scan", "5000") ||
	    knob_set("/sys/kernel/mm/ksm/run", "1"))
		cannot_because(m, "the kernel has no KSM");
}

static void merged(struct memory *m)
{
	kind_map(m, RW, ANON, -1, PAGES);
	for (size_t i = 0; i < m->pages; i++)
		m->start[i * page_size()] = 'k';
	if (madvise(m->start, m->pages * page_size(), MADV_MERGEABLE)) {
		cannot(m, "MADV_MERGEABLE");
		return;
	}
	for (int i = 0; i < 600; i++) {
		if (scan_page_flags(m, BIT_OF(KPF_KSM), 0))
			return;
		usleep(50000);
	}
	cannot_because(m, "ksmd did not merge the pages in time");
}

const struct kind anon_kinds[] = {
	{
		.name = "anon_written", .make = written,
		.pagemap = { PM_PRESENT | PM_EXCLUSIVE, PM_SWAP | PM_FILE | PM_UFFD_WP | PM_GUARD },
		.scan = { PAGE_IS_PRESENT, PAGE_IS_FILE | PAGE_IS_HUGE | PAGE_IS_PFNZERO },
		.page_flags = { BIT_OF(KPF_ANON), BIT_OF(KPF_KSM) | BIT_OF(KPF_THP) },
		.entry = "leaf", .level = "pte", .rwx = "rw-", .page = "anon", .memory = "WB",
	}, {
		.name = "anon_zero_page", .make = read_only,
		.pagemap = { PM_PRESENT, PM_SWAP | PM_FILE | PM_EXCLUSIVE },
		.scan = { PAGE_IS_PRESENT | PAGE_IS_PFNZERO, PAGE_IS_FILE | PAGE_IS_HUGE },
		.page_flags = { BIT_OF(KPF_ZERO_PAGE), BIT_OF(KPF_ANON) },
		.entry = "leaf", .level = "pte", .rwx = "r--", .page = "zero", .memory = "WB",
	}, {
		.name = "anon_shared_after_fork", .make = forked,
		.pagemap = { PM_PRESENT, PM_SWAP | PM_FILE | PM_EXCLUSIVE },
		.scan = { PAGE_IS_PRESENT, PAGE_IS_FILE | PAGE_IS_PFNZERO },
		.page_flags = { BIT_OF(KPF_ANON) },
		.entry = "leaf", .level = "pte", .rwx = "r--", .page = "anon", .memory = "WB",
	}, {
		.name = "anon_copied_after_fork", .make = forked_written,
		.pagemap = { PM_PRESENT | PM_EXCLUSIVE, PM_SWAP | PM_FILE },
		.scan = { PAGE_IS_PRESENT, PAGE_IS_FILE },
		.page_flags = { BIT_OF(KPF_ANON) },
		.entry = "leaf", .level = "pte", .rwx = "rw-", .page = "anon", .memory = "WB",
	}, {
		.name = "prot_none", .make = protected_from_all,
		.pagemap = { PM_PRESENT | PM_EXCLUSIVE, PM_SWAP | PM_FILE },
		.scan = { PAGE_IS_PRESENT, PAGE_IS_FILE },
		.page_flags = { BIT_OF(KPF_ANON) },
		.entry = "leaf", .level = "pte", .rwx = "---", .page = "anon", .memory = "WB",
	}, {
		.name = "prot_read", .make = protected_from_writes,
		.pagemap = { PM_PRESENT, PM_SWAP | PM_FILE },
		.scan = { PAGE_IS_PRESENT },
		.page_flags = { BIT_OF(KPF_ANON) },
		.entry = "leaf", .level = "pte", .rwx = "r--", .page = "anon", .memory = "WB",
	}, {
		.name = "prot_exec", .make = executable,
		.pagemap = { PM_PRESENT, PM_SWAP | PM_FILE },
		.scan = { PAGE_IS_PRESENT },
		.page_flags = { BIT_OF(KPF_ANON) },
		.entry = "leaf", .level = "pte", .rwx = "r-x", .page = "anon", .memory = "WB",
	}, {
		.name = "mlocked", .make = locked,
		.pagemap = { PM_PRESENT | PM_EXCLUSIVE, PM_SWAP | PM_FILE },
		.scan = { PAGE_IS_PRESENT },
		.page_flags = { BIT_OF(KPF_ANON) },
		.entry = "leaf", .level = "pte", .rwx = "rw-", .page = "anon", .memory = "WB",
	}, {
		.name = "stack", .make = stack,
		.pagemap = { PM_PRESENT, PM_SWAP | PM_FILE },
		.scan = { PAGE_IS_PRESENT },
		.page_flags = { BIT_OF(KPF_ANON) },
		.entry = "leaf", .level = "pte", .rwx = "rw-", .page = "anon", .memory = "WB",
	}, {
		.name = "droppable", .make = droppable,
		.pagemap = { PM_PRESENT, PM_SWAP | PM_FILE },
		.scan = { PAGE_IS_PRESENT },
		.page_flags = { BIT_OF(KPF_ANON), BIT_OF(KPF_SWAPBACKED) },
		.entry = "leaf", .level = "pte", .rwx = "rw-", .page = "anon", .memory = "WB",
	}, {
		.name = "sealed", .make = sealed,
		.pagemap = { PM_PRESENT, PM_SWAP | PM_FILE },
		.scan = { PAGE_IS_PRESENT },
		.page_flags = { BIT_OF(KPF_ANON) },
		.entry = "leaf", .level = "pte", .rwx = "rw-", .page = "anon", .memory = "WB",
	}, {
		.name = "ksm", .prepare = prepare_merged, .make = merged,
		.pagemap = { PM_PRESENT, PM_SWAP | PM_FILE | PM_EXCLUSIVE },
		.scan = { PAGE_IS_PRESENT, PAGE_IS_FILE | PAGE_IS_PFNZERO },
		.page_flags = { BIT_OF(KPF_KSM) | BIT_OF(KPF_ANON) },
		.entry = "leaf", .level = "pte", .rwx = "r--", .page = "ksm", .memory = "WB",
	},
};

const size_t nr_anon_kinds = sizeof(anon_kinds) / sizeof(*anon_kinds);

// SPDX-License-Identifier: GPL-2.0
/* What the kernel does to the pages of a process: huge ones are made and split, others moved. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena.h"
#include "kinds.h"
#include "knobs.h"
#include "proc.h"
#include "util.h"

#define THP "/sys/kernel/mm/transparent_hugepage/"

/*
 * Whether small pages became a huge one: 0 is said of what is huge already, too, and whoever
 * copies has to have a page for it (alloc_charge_folio() in mm/khugepaged.c, also of files).
 */
static bool make_huge(struct arena *a, char *at)
{
	long before = vmstat("thp_collapse_alloc");

	return !madvise(at, a->table, MADV_COLLAPSE) && vmstat("thp_collapse_alloc") > before;
}

static void begin_collapse(struct arena *a)
{
	/* They are large where pages are: there may be no room in one piece for another. */
	arena_touch(a, a->high, a->table, 19);
	madvise(a->high, a->table, MADV_HUGEPAGE);
	if (madvise(a->high, a->table, MADV_COLLAPSE))
		arena_cannot(a, "MADV_COLLAPSE");
	arena_map(a, a->high, a->table);
}

/*
 * A huge page takes the place of a table, which is kept; and is freed, without RCU, when
 * the huge page goes.
 */
static void collapse(struct arena *a)
{
	char *at = arena_table(a);

	madvise(at, a->table, MADV_HUGEPAGE);
	madvise(at, a->table, MADV_NOHUGEPAGE);
	arena_touch(a, at, a->table, 19);
	madvise(at, a->table, MADV_HUGEPAGE);
	a->effects += make_huge(a, at);
	if (arena_random(a, 4) == 0)
		arena_map(a, at, a->table);
	else
		madvise(at, a->table, MADV_DONTNEED);
}

const struct torment torment_collapse = {
	.name = "collapse", .begin = begin_collapse, .round = collapse,
};

static void begin_collapse_shmem(struct arena *a)
{
	begin_collapse(a);
	a->file = memfd_create("collapse", 0);
	if (ftruncate(a->file, a->table))
		arena_cannot(a, "memfd_create");
}

/* Small pages of a file that is mapped twice become a huge one: the second table goes at once. */
static void collapse_file_at(struct arena *a, int prot, int flags)
{
	char *at = a->low, *other = a->high + a->table;

	if (mmap(at, a->table, prot, flags | MAP_FIXED, a->file, 0) != at ||
	    mmap(other, a->table, prot, flags | MAP_FIXED, a->file, 0) != other)
		abort();
	for (size_t i = 0; i < a->table; i += a->page) {
		(void)*(volatile char *)(at + i);
		(void)*(volatile char *)(other + i);
	}
	a->effects += make_huge(a, at);
	(void)*(volatile char *)(other + a->page);
}

static void collapse_shmem(struct arena *a)
{
	/* None of the huge page is left, so that small ones come again. */
	if (ftruncate(a->file, 0) || ftruncate(a->file, a->table))
		abort();
	collapse_file_at(a, RW, MAP_SHARED);
}

const struct torment torment_collapse_shmem = {
	.name = "collapse_shmem", .begin = begin_collapse_shmem, .round = collapse_shmem,
};

static void begin_collapse_file(struct arena *a)
{
	char name[] = "/root/mmlens-XXXXXX";
	char *page = calloc(1, a->page);

	begin_collapse(a);
	a->file = mkstemp(name);
	unlink(name);
	for (size_t i = 0; i < a->table; i += a->page)
		if (pwrite(a->file, page, a->page, i) < 0)
			arena_cannot(a, "a file in /root");
	free(page);
	fsync(a->file);
	posix_fadvise(a->file, 0, 0, POSIX_FADV_RANDOM);
	if (a->why[0])
		return;
	collapse_file_at(a, PROT_READ | PROT_EXEC, MAP_PRIVATE);
	if (!a->effects)
		arena_cannot_because(a, "this file system and kernel have no huge pages of files");
}

static void collapse_file(struct arena *a)
{
	arena_map(a, a->low, a->table);
	arena_map(a, a->high + a->table, a->table);
	/* Out of the page cache; not all of it goes at once. */
	posix_fadvise(a->file, 0, 0, POSIX_FADV_DONTNEED);
	collapse_file_at(a, PROT_READ | PROT_EXEC, MAP_PRIVATE);
}

const struct torment torment_collapse_file = {
	.name = "collapse_file", .begin = begin_collapse_file, .round = collapse_file,
};

static void prepare_khugepaged(struct arena *a)
{
	/* It looks at everything without a pause. */
	if (knob_set(THP "khugepaged/pages_to_scan", "100000") ||
	    knob_set(THP "khugepaged/alloc_sleep_millisecs", "0") ||
	    knob_set(THP "khugepaged/scan_sleep_millisecs", "0") ||
	    knob_set(THP "defrag", "never"))
		arena_cannot(a, THP "khugepaged");
}

static void khugepaged(struct arena *a)
{
	size_t tables = a->high_bytes / a->table;

	for (size_t i = 0; i < tables; i++) {
		char *at = a->high + i * a->table;

		/* No huge page by a fault, and then one by khugepaged, at any time. */
		madvise(at, a->table, MADV_NOHUGEPAGE);
		arena_touch(a, at, a->table, 31);
		madvise(at, a->table, MADV_HUGEPAGE);
		usleep(2000);
	}
	usleep(1000 * arena_random(a, 20));
	for (size_t i = 0; i < tables; i++)
		madvise(a->high + i * a->table, a->table, MADV_DONTNEED);
}

const struct torment torment_khugepaged = {
	.name = "khugepaged", .prepare = prepare_khugepaged, .begin = begin_collapse,
	.round = khugepaged, .vmstat = "thp_collapse_alloc",
};

static void split(struct arena *a)
{
	char *at = arena_table(a), command[64];
	size_t part = a->table / 4;

	madvise(at, a->table, MADV_HUGEPAGE);
	at[0] = 1;
	switch (a->extra[0]++ % 5) {
	case 0:
		mprotect(at + part, part, PROT_READ);
		break;
	case 1:
		madvise(at + part, a->page, MADV_DONTNEED);
		break;
	case 2:
		munmap(at + part, part);
		break;
	case 3:
		mremap(at + part, a->page, a->page, MREMAP_MAYMOVE | MREMAP_FIXED, a->low);
		break;
	default:
		/* The page itself, to single ones. */
		snprintf(command, sizeof(command), "%d,0x%lx,0x%lx", getpid(), (uintptr_t)at,
			 (uintptr_t)at + a->table);
		write_file("/sys/kernel/debug/split_huge_pages", command);
	}
	arena_touch(a, at, part, 3);
	arena_map(a, at, a->table);
	arena_map(a, a->low, a->page);
}

const struct torment torment_split = {
	.name = "split", .begin = begin_collapse, .round = split, .vmstat = "thp_split_pmd",
};

/* What a table of huge pages translates: that is what processes can share. */
static size_t giant(struct arena *a)
{
	return a->table * (a->page / sizeof(uint64_t));
}

static void prepare_hugetlb(struct arena *a)
{
	/* Three are used; others who fault at the same time take one more each for a moment. */
	if (knob_huge_pages(a->table >> 10, 6))
		arena_cannot_because(a, "there are no six free huge pages");
}

static char *map_giant(struct arena *a)
{
	char *map = mmap(a->more, giant(a), RW, MAP_SHARED | MAP_FIXED | MAP_NORESERVE,
			 a->file, 0);

	if (map == MAP_FAILED)
		return NULL;
	madvise(map, giant(a), MADV_DONTFORK);
	for (int i = 0; i < 3; i++)
		map[i * a->table] = 1;
	return map;
}

static long minor_faults(void)
{
	struct rusage usage = { };

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

static void share_giant(struct arena *a)
{
	for (;;) {
		if (!map_giant(a))
			_exit(1);
		/* Unshares it. */
		mprotect(a->more, a->table, PROT_READ);
		munmap(a->more, giant(a));
	}
}

static void begin_hugetlb(struct arena *a)
{
	a->file = memfd_create("giant", MFD_HUGETLB | MFD_CLOEXEC);
	if (a->file < 0 || ftruncate(a->file, giant(a))) {
		arena_cannot(a, "memfd_create(MFD_HUGETLB)");
		return;
	}
	a->more_bytes = giant(a);
	a->more = map_aligned(PROT_NONE, MAP_PRIVATE | MAP_NORESERVE, giant(a), giant(a));
	if (!map_giant(a)) {
		arena_cannot(a, "hugetlb");
		return;
	}
	for (int i = 0; i < 2; i++) {
		pid_t pid = child_fork();

		if (!pid)
			share_giant(a);
		a->extra[i] = pid;
	}
}

/* A table of huge pages that processes share is taken from each other's page tables. */
static void hugetlb(struct arena *a)
{
	long before = minor_faults();

	if (!map_giant(a))
		return;
	/* One for each huge page, unless the first one found a table that had the others. */
	a->effects += minor_faults() - before < 3;
	if (arena_random(a, 2))
		mprotect(a->more + a->table, a->table, PROT_READ);
	for (int i = 0; i < 3; i++)
		(void)*(volatile char *)(a->more + i * a->table);
	if (arena_random(a, 4) == 0)
		fallocate(a->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, a->table, a->table);
	if (arena_random(a, 2))
		munmap(a->more, giant(a));
}

static void end_hugetlb(struct arena *a)
{
	for (int i = 0; i < 2; i++)
		target_end(a->extra[i]);
	munmap(a->more, giant(a));
}

const struct torment torment_hugetlb = {
	.name = "hugetlb", .prepare = prepare_hugetlb, .begin = begin_hugetlb, .round = hugetlb,
	.end = end_hugetlb,
};

static void begin_nodes(struct arena *a)
{
	if (access("/sys/devices/system/node/node1", F_OK))
		arena_cannot_because(a, "a machine with one node; boot with --shape numa");
}

/* Pages go to the other node, and back. */
static void nodes(struct arena *a)
{
	void *pages[64];
	int to[64], status[64];
	char *at = arena_table(a);

	arena_touch(a, at, a->table, 4);
	for (int i = 0; i < 64; i++) {
		pages[i] = at + 4 * i * a->page;
		to[i] = a->extra[0] & 1;
	}
	a->extra[0]++;
	syscall(SYS_move_pages, 0, 64UL, pages, to, status, 2 /* MPOL_MF_MOVE */);
}

const struct torment torment_nodes = {
	.name = "nodes", .begin = begin_nodes, .round = nodes, .vmstat = "pgmigrate_success",
};

/* Memory with holes, so that there is something to be compacted. */
static void compact(struct arena *a)
{
	if (access("/proc/sys/vm/compact_memory", W_OK)) {
		arena_cannot_because(a, "a kernel without compaction");
		return;
	}
	if (a->extra[0]++ % 4 == 0) {
		arena_touch(a, a->high, a->high_bytes, 1);
		for (size_t i = 0; i < a->high_bytes; i += 2 * a->page)
			madvise(a->high + i, a->page, MADV_DONTNEED);
	}
	write_file("/proc/sys/vm/compact_memory", "1");
}

const struct torment torment_compact = {
	.name = "compact", .round = compact, .vmstat = "compact_isolated",
};

static void prepare_swap(struct arena *a)
{
	if (knob_swap())
		arena_cannot_because(a, "there is no zram to swap to");
}

static void swap(struct arena *a)
{
	char *at = arena_table(a);

	arena_touch(a, at, a->table, 5);
	madvise(at, a->table, MADV_PAGEOUT);
	/* Some come back now, others as their neighbours are read. */
	arena_touch(a, at, a->table / 2, 10);
	if (arena_random(a, 2))
		madvise(at, a->table, MADV_WILLNEED);
	if (arena_random(a, 4) == 0)
		madvise(at, a->table, MADV_DONTNEED);
}

const struct torment torment_swap = {
	.name = "swap", .prepare = prepare_swap, .round = swap, .vmstat = "pswpout",
};

static void prepare_ksm(struct arena *a)
{
	if (knob_set("/sys/kernel/mm/ksm/sleep_millisecs", "0") ||
	    knob_set("/sys/kernel/mm/ksm/pages_to_scan", "1000") ||
	    knob_set("/sys/kernel/mm/ksm/run", "1"))
		arena_cannot_because(a, "a kernel without KSM");
}

/* Equal pages are merged, and written to again. */
static void ksm(struct arena *a)
{
	char *at = arena_table(a);

	for (size_t i = 0; i < a->table; i += 4 * a->page)
		memset(at + i, 'k', a->page);
	madvise(at, a->table, MADV_MERGEABLE);
	usleep(1000 * arena_random(a, 30));
	arena_touch(a, at, a->table, 8);
	if (arena_random(a, 2))
		madvise(at, a->table, MADV_UNMERGEABLE);
}

/* What is copied had been merged (do_wp_page() in mm/memory.c). */
const struct torment torment_ksm = {
	.name = "ksm", .prepare = prepare_ksm, .round = ksm, .vmstat = "cow_ksm",
};

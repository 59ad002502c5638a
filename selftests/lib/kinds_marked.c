// SPDX-License-Identifier: GPL-2.0
/* Memory whose entries have a mark of somebody's: userfaultfd, soft-dirty, keys, tags, NUMA. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kernel-page-flags.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "kinds.h"
#include "knobs.h"
#include "proc.h"
#include "scan.h"
#include "util.h"

/* Younger than some C libraries' headers. */
#ifndef UFFD_FEATURE_RWP
#define UFFD_FEATURE_RWP (1 << 17)
#define UFFDIO_REGISTER_MODE_RWP ((__u64)1 << 3)
#define UFFDIO_RWPROTECT_MODE_RWP ((__u64)1 << 0)
struct uffdio_rwprotect {
	struct uffdio_range range;
	__u64 mode;
};

#define UFFDIO_RWPROTECT _IOWR(UFFDIO, 0x09, struct uffdio_rwprotect)
#endif
#ifndef PROT_BTI
#define PROT_BTI 0x10
#define PROT_MTE 0x20
#endif

/* Registers it; -1 if that cannot be. The descriptor stays open with the process. */
static int registered(struct memory *m, uint64_t features, uint64_t mode)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	struct uffdio_register area = {
		.range = { .start = (uintptr_t)m->start, .len = m->pages * page_size() },
		.mode = mode,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &area)) {
		cannot(m, "userfaultfd");
		return -1;
	}
	return fd;
}

static void missing(struct memory *m)
{
	kind_map(m, RW, ANON, -1, PAGES);
	registered(m, 0, UFFDIO_REGISTER_MODE_MISSING);
}

static void write_protect(struct memory *m)
{
	struct uffdio_writeprotect area = {
		.range = { .start = (uintptr_t)m->start, .len = m->pages * page_size() },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	int fd = registered(m, UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_WP_HUGETLBFS_SHMEM |
			    UFFD_FEATURE_WP_UNPOPULATED, UFFDIO_REGISTER_MODE_WP);

	if (fd >= 0 && ioctl(fd, UFFDIO_WRITEPROTECT, &area))
		cannot(m, "UFFDIO_WRITEPROTECT");
}

static void wp_anon(struct memory *m)
{
	kind_map(m, RW, ANON, -1, PAGES);
	kind_write(m);
	write_protect(m);
}

static void wp_shmem(struct memory *m)
{
	kind_map(m, RW, SHARED, -1, PAGES);
	kind_write(m);
	write_protect(m);
}

static void wp_untouched(struct memory *m)
{
	kind_map(m, RW, ANON, -1, PAGES);
	write_protect(m);
}

/* The page goes, the note that it is protected stays. */
static void wp_dropped(struct memory *m)
{
	wp_shmem(m);
	if (madvise(m->start, m->pages * page_size(), MADV_DONTNEED))
		cannot(m, "MADV_DONTNEED");
}

static void wp_swapped(struct memory *m)
{
	wp_anon(m);
	kind_page_out(m);
}

static void access_protected(struct memory *m)
{
	struct uffdio_rwprotect area;
	int fd;

	kind_map(m, RW, ANON, -1, PAGES);
	kind_write(m);
	area.range.start = (uintptr_t)m->start;
	area.range.len = m->pages * page_size();
	area.mode = UFFDIO_RWPROTECT_MODE_RWP;
	fd = registered(m, UFFD_FEATURE_RWP, UFFDIO_REGISTER_MODE_RWP);
	if (fd >= 0 && ioctl(fd, UFFDIO_RWPROTECT, &area))
		cannot(m, "UFFDIO_RWPROTECT");
}

static void simulated_poison(struct memory *m)
{
	struct uffdio_poison area;
	int fd;

	kind_map(m, RW, ANON, -1, PAGES);
	memset(&area, 0, sizeof(area));
	area.range.start = (uintptr_t)m->start;
	area.range.len = m->pages * page_size();
	fd = registered(m, UFFD_FEATURE_POISON, UFFDIO_REGISTER_MODE_MISSING);
	if (fd >= 0 && ioctl(fd, UFFDIO_POISON, &area))
		cannot(m, "UFFDIO_POISON");
}

static void cleaned(struct memory *m)
{
	if (write_file("/proc/self/clear_refs", "4"))
		cannot(m, "clear_refs");
}

/* Memory that is older than the last cleaning is the only one without VM_SOFTDIRTY. */
static void soft_dirty(struct memory *m)
{
	kind_map(m, RW, ANON, -1, PAGES);
	kind_write(m);
	cleaned(m);
	kind_write(m);
	if (!m->why[0] && !kind_has(m, PM_SOFT_DIRTY, 0))
		cannot_because(m, "the kernel does not track it");
}

static void soft_clean(struct memory *m)
{
	soft_dirty(m);
	cleaned(m);
}

static void keyed(struct memory *m)
{
	int key;

	kind_map(m, RW, ANON, -1, PAGES);
	kind_write(m);
	key = pkey_alloc(0, 0);
	if (key < 1)
		cannot(m, "pkey_alloc");
	else if (pkey_mprotect(m->start, m->pages * page_size(), RW, key))
		cannot(m, "pkey_mprotect");
}

#ifdef __aarch64__
static void tagged(struct memory *m)
{
	/* mmap() ignores what the machine has not. */
	if (!(getauxval(AT_HWCAP2) & HWCAP2_MTE)) {
		cannot_because(m, "the machine has no memory tags");
		return;
	}
	kind_map(m, RW | PROT_MTE, ANON, -1, PAGES);
	kind_write(m);
}

static void branch_targets(struct memory *m)
{
	kind_map(m, RW, ANON, -1, PAGES);
	kind_write(m);
	if (mprotect(m->start, m->pages * page_size(), PROT_READ | PROT_EXEC | PROT_BTI))
		cannot(m, "PROT_BTI");
}
#endif

static void run_on(struct memory *m, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		cannot(m, "sched_setaffinity");
}

static long updated_entries(void)
{
	char *text = read_file("/proc/vmstat", NULL);
	char *line = text ? strstr(text, "numa_pte_updates ") : NULL;
	long value = line ? atol(line + strlen("numa_pte_updates ")) : -1;

	free(text);
	return value;
}

static void prepare_hint(struct memory *m)
{
	int first = read_number("/sys/devices/system/node/node0/cpulist");

	if (first < 0 || read_number("/sys/devices/system/node/node1/cpulist") < 0)
		cannot_because(m, "there are no two nodes with processors");
	else if (knob_set("/proc/sys/kernel/numa_balancing", "1"))
		cannot_because(m, "the kernel does not balance nodes");
}

/*
 * Written on one node, and then left alone on the other: the kernel takes the right to
 * access it away, to see from where it is accessed. pagemap does not tell; so as many
 * pages as nothing else here has, and the kernel's count of what it has done.
 */
static void hint(struct memory *m)
{
	const size_t pages = 2048;
	long before;

	run_on(m, read_number("/sys/devices/system/node/node1/cpulist"));
	kind_map(m, RW, ANON, -1, pages);
	if (m->why[0])
		return;
	for (size_t i = 0; i < pages; i++)
		m->start[i * page_size()] = 1;
	before = updated_entries();
	run_on(m, read_number("/sys/devices/system/node/node0/cpulist"));
	for (clock_t start = clock(); clock() - start < 20 * CLOCKS_PER_SEC;)
		if (updated_entries() >= before + (long)pages)
			return;
	cannot_because(m, "the kernel did not look where it is accessed from");
}

const struct kind marked_kinds[] = {
	{
		.name = "uffd_missing", .make = missing,
		.pagemap = { 0, PM_PRESENT | PM_SWAP | PM_UFFD_WP },
		.scan = { 0, PAGE_IS_PRESENT },
		.bit = "uffd-missing",
	}, {
		.name = "uffd_wp_anon", .make = wp_anon,
		.pagemap = { PM_PRESENT | PM_UFFD_WP, PM_SWAP | PM_FILE },
		.scan = { PAGE_IS_PRESENT, PAGE_IS_FILE },
		.page_flags = { BIT_OF(KPF_ANON) },
		.entry = "leaf", .level = "pte", .rwx = "r--",
		.page = "anon", .memory = "WB", .bit = "uffd-wp",
	}, {
		.name = "uffd_wp_shmem", .make = wp_shmem,
		.pagemap = { PM_PRESENT | PM_UFFD_WP | PM_FILE, PM_SWAP },
		.scan = { PAGE_IS_PRESENT | PAGE_IS_FILE },
		.page_flags = { BIT_OF(KPF_SWAPBACKED), BIT_OF(KPF_ANON) },
		.entry = "leaf", .level = "pte", .rwx = "r--",
		.page = "shmem", .memory = "WB", .bit = "uffd-wp",
	}, {
		.name = "uffd_wp_untouched", .make = wp_untouched,
		.pagemap = { PM_UFFD_WP, PM_PRESENT | PM_GUARD },
		.scan = { 0, PAGE_IS_PRESENT | PAGE_IS_GUARD },
		.entry = "marker", .level = "pte", .rwx = "---", .bit = "uffd-wp",
	}, {
		.name = "uffd_wp_dropped", .make = wp_dropped,
		.pagemap = { PM_UFFD_WP, PM_PRESENT | PM_GUARD },
		.scan = { 0, PAGE_IS_PRESENT | PAGE_IS_GUARD },
		.entry = "marker", .level = "pte", .rwx = "---", .bit = "uffd-wp",
	}, {
		.name = "uffd_wp_swapped", .prepare = kind_prepare_swap, .make = wp_swapped,
		.pagemap = { PM_SWAP | PM_UFFD_WP, PM_PRESENT | PM_GUARD },
		.scan = { PAGE_IS_SWAPPED, PAGE_IS_PRESENT | PAGE_IS_GUARD },
		.entry = "swap", .level = "pte", .rwx = "---", .bit = "uffd-wp",
	}, {
		.name = "uffd_rwp", .make = access_protected,
		.pagemap = { PM_PRESENT | PM_UFFD_WP, PM_SWAP | PM_FILE },
		.scan = { PAGE_IS_PRESENT },
		.page_flags = { BIT_OF(KPF_ANON) },
		.entry = "leaf", .level = "pte", .rwx = "---",
		.page = "anon", .memory = "WB", .bit = "uffd-rwp",
	}, {
		.name = "uffd_poison", .make = simulated_poison,
		.pagemap = { 0, PM_PRESENT | PM_GUARD | PM_UFFD_WP },
		.scan = { 0, PAGE_IS_PRESENT | PAGE_IS_GUARD },
		.entry = "marker", .level = "pte", .rwx = "---", .bit = "poisoned",
	}, {
		.name = "soft_dirty", .make = soft_dirty,
		.pagemap = { PM_PRESENT | PM_SOFT_DIRTY, PM_SWAP },
		.scan = { PAGE_IS_PRESENT | PAGE_IS_SOFT_DIRTY },
		.page_flags = { BIT_OF(KPF_ANON) },
		.entry = "leaf", .level = "pte", .rwx = "rw-",
		.page = "anon", .memory = "WB", .bit = "soft-dirty",
	}, {
		.name = "soft_clean", .make = soft_clean,
		.pagemap = { PM_PRESENT, PM_SWAP | PM_SOFT_DIRTY },
		.scan = { PAGE_IS_PRESENT, PAGE_IS_SOFT_DIRTY },
		.page_flags = { BIT_OF(KPF_ANON) },
		.entry = "leaf", .level = "pte", .rwx = "r--",
		.page = "anon", .memory = "WB", .no_bit = "soft-dirty",
	}, {
		.name = "protection_key", .make = keyed,
		.pagemap = { PM_PRESENT, PM_SWAP | PM_FILE },
		.scan = { PAGE_IS_PRESENT },
		.page_flags = { BIT_OF(KPF_ANON) },
		.entry = "leaf", .level = "pte", .page = "anon", .memory = "WB",
#ifdef __x86_64__
		.bit = "pkey=1",
#else
		.bit = "POIndex=1",
#endif
	}, {
		.name = "numa_hint", .prepare = prepare_hint, .make = hint,
		.pagemap = { PM_PRESENT, PM_SWAP | PM_FILE },
		.scan = { PAGE_IS_PRESENT, PAGE_IS_HUGE | PAGE_IS_FILE },
		.page_flags = { BIT_OF(KPF_ANON) },
		.entry = "leaf", .level = "pte", .rwx = "---",
		.page = "anon", .memory = "WB", .bit = "numa-hint",
	},
#ifdef __aarch64__
	{
		.name = "tagged", .make = tagged,
		.pagemap = { PM_PRESENT, PM_SWAP | PM_FILE },
		.scan = { PAGE_IS_PRESENT },
		.page_flags = { BIT_OF(KPF_ANON) },
		.entry = "leaf", .level = "pte", .rwx = "rw-", .page = "anon", .memory = "Tagged",
	}, {
		.name = "branch_targets", .make = branch_targets,
		.pagemap = { PM_PRESENT, PM_SWAP | PM_FILE },
		.scan = { PAGE_IS_PRESENT },
		.page_flags = { BIT_OF(KPF_ANON) },
		.entry = "leaf", .level = "pte", .rwx = "r-x",
		.page = "anon", .memory = "WB", .bit = "GP",
	},
#endif
};

const size_t nr_marked_kinds = sizeof(marked_kinds) / sizeof(*marked_kinds);

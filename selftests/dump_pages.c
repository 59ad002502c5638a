// SPDX-License-Identifier: GPL-2.0
/* The files entries and pagetable, against pagemap: memory with pages, small and huge. */
#include <fcntl.h>
#include <sys/syscall.h>

#include "lib/pages.h"

static void nothing(void *arg)
{
	(void)arg;
}

static void anonymous(void *arg)
{
	struct report *report = arg;

	for (int i = 0; i < 4; i++)
		report->map[i] = map_alone(RW, ANON, -1, 8, 0);
	read_pages(report->map[1], 2, 3);
	write_pages(report->map[2], 2, 3);
	write_pages(report->map[3], 0, 4);
	read_pages(report->map[3], 4, 4);
	mlock(map_alone(RW, ANON, -1, 8, 0), 8 * page_size());
}

TEST_F(pages, anonymous)
{
	compare_target(anonymous);
	EXPECT_EQ(NULL, entry_of(0, 0));
	EXPECT_EQ(NULL, entry_of(1, 1));
	EXPECT_STREQ("r--", entry_of(1, 2)->rwx);
	/* The zero page, of all of them. */
	EXPECT_EQ(entry_of(1, 2)->pfn, entry_of(3, 7)->pfn);
	EXPECT_STREQ("rw-", entry_of(2, 2)->rwx);
	EXPECT_EQ(NULL, entry_of(2, 5));
}

static void forked(void *arg)
{
	struct report *report = arg;

	report->map[0] = map_alone(RW, ANON, -1, 8, 0);
	report->map[1] = map_alone(RW, MAP_SHARED | MAP_ANONYMOUS, -1, 8, 0);
	write_pages(report->map[0], 0, 8);
	write_pages(report->map[1], 0, 8);
	report->pid = target_start(nothing, NULL);
	write_pages(report->map[0], 4, 2);
}

TEST_F(pages, after_a_fork_on_both_sides)
{
	compare_target(forked);
	/* Written after the fork: a copy of its own; else the page waits for a write. */
	EXPECT_STREQ("rw-", entry_of(0, 4)->rwx);
	EXPECT_STREQ("r--", entry_of(0, 0)->rwx);
	ASSERT_EQ(0, lens_attach(self->report->pid));
	EXPECT_SAME_PAGES(self->report->pid);
	lens_detach(self->report->pid);
	kill(self->report->pid, SIGKILL);
}

static void files(void *arg)
{
	struct report *report = arg;
	int fds[] = { make_file("file", 16), memfd_create("memfd", 0) };

	ftruncate(fds[1], 16 * page_size());
	for (int i = 0; i < 2; i++) {
		char **map = &report->map[4 * i];

		map[0] = map_alone(RW, MAP_SHARED, fds[i], 12, page_size());
		map[1] = map_alone(RW, MAP_PRIVATE, fds[i], 12, 2 * page_size());
		map[2] = map_alone(PROT_READ, MAP_SHARED, fds[i], 12, 0);
		write_pages(map[0], 0, 4);
		read_pages(map[1], 0, 6);
		write_pages(map[1], 2, 2);
		read_pages(map[2], 3, 5);
	}
}

TEST_F(pages, of_files)
{
	compare_target(files);
	EXPECT_STREQ("rw-", entry_of(0, 0)->rwx);
	EXPECT_STREQ("rw-", entry_of(1, 2)->rwx);
	/* The same page of the file by two mappings. */
	EXPECT_EQ(entry_of(0, 3)->pfn, entry_of(2, 4)->pfn);
	EXPECT_NE(entry_of(0, 3)->pfn, entry_of(1, 2)->pfn);
}

static void protections(void *arg)
{
	struct report *report = arg;

	for (int prot = 0; prot < 8; prot++) {
		report->map[prot] = map_alone(RW, ANON, -1, 4, 0);
		write_pages(report->map[prot], 0, 3);
		mprotect(report->map[prot], 4 * page_size(), prot);
	}
}

TEST_F(pages, of_every_protection)
{
	/* By PROT_READ, _WRITE and _EXEC; machines have no write-only memory. */
	static const char *const rwx[] = { "---", "r--", "rw-", "rw-", "?-x", "r-x", "rwx", "rwx" };

	compare_target(protections);
	for (int prot = 0; prot < 8; prot++) {
		const struct lens_entry *e = entry_of(prot, 1);

		ASSERT_NE(NULL, e);
		EXPECT_EQ(LENS_LEAF, e->kind);
		EXPECT_STREQ(rwx[prot] + (*rwx[prot] == '?'), e->rwx + (*rwx[prot] == '?'));
	}
	EXPECT_FALSE(lens_has_bit(entry_of(0, 1), "P"));
	EXPECT_FALSE(lens_has_bit(entry_of(0, 1), "VALID"));
}

static void transparent_huge(void *arg)
{
	struct report *report = arg;
	uint64_t huge = read_number("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size");

	if ((int64_t)huge <= 0 || huge > 32 * MIB) {
		report->skip = EOPNOTSUPP;
		return;
	}
	for (int i = 0; i < 6; i++) {
		report->map[i] = map_aligned(RW, MAP_PRIVATE, 2 * huge, huge);
		madvise(report->map[i], 2 * huge, MADV_HUGEPAGE);
		write_pages(report->map[i], 0, i ? 2 * huge / page_size() : 1);
	}
	/* Mapped by pages: a part unmapped, protected, dropped. */
	munmap(report->map[1] + huge / 2, page_size());
	mprotect(report->map[2] + page_size(), page_size(), PROT_READ);
	madvise(report->map[3] + huge, 5 * page_size(), MADV_DONTNEED);
	mprotect(report->map[4], 2 * huge, PROT_NONE);
	mremap(report->map[5], huge, huge, MREMAP_MAYMOVE | MREMAP_FIXED,
	       map_aligned(RW, MAP_PRIVATE, huge, huge));
	/* Small pages first, then made one. */
	report->map[6] = map_aligned(RW, MAP_PRIVATE, huge, huge);
	madvise(report->map[6], huge, MADV_NOHUGEPAGE);
	write_pages(report->map[6], 0, huge / page_size());
	madvise(report->map[6], huge, MADV_HUGEPAGE);
	madvise(report->map[6], huge, MADV_COLLAPSE);
	/* The huge zero page. */
	report->map[7] = map_aligned(RW, MAP_PRIVATE, huge, huge);
	madvise(report->map[7], huge, MADV_HUGEPAGE);
	read_pages(report->map[7], 3, 1);
	/* Shared memory of one huge page, also seen by pages. */
	report->map[8] = map_aligned(RW, MAP_SHARED, huge, huge);
	write_pages(report->map[8], 0, huge / page_size());
	madvise(report->map[8], huge, MADV_COLLAPSE);
}

TEST_F_TIMEOUT(pages, transparent_huge, 300)
{
	int huge = 0;

	compare_target(transparent_huge);
	for (int i = 0; i < 9; i++) {
		const struct lens_entry *e = entry_of(i, 3);

		huge += e && e->level == LENS_PMD && e->kind == LENS_LEAF;
	}
	if (!huge)
		SKIP(return, "the kernel made no huge page");
	/* Those that were cut are not any more. */
	EXPECT_EQ(LENS_PTE, entry_of(2, 3)->level);
	EXPECT_STREQ("r--", entry_of(2, 1)->rwx);
	EXPECT_STREQ("---", entry_of(4, 3)->rwx);
}

static void hugetlb(void *arg)
{
	struct report *report = arg;
	size_t size = report->skip;	/* in MiB, or in kB if negative */
	int shift = __builtin_ctzl(size) + 10;
	char *shared, *private;

	report->skip = 0;
	size <<= 10;
	shared = map_aligned(RW, MAP_SHARED | MAP_HUGETLB | shift << 26, 2 * size, size);
	private = map_aligned(RW, MAP_PRIVATE | MAP_HUGETLB | shift << 26, 2 * size, size);
	report->map[0] = shared;
	report->map[1] = private;
	shared[size] = 1;
	private[0] = 1;
	report->pid = target_start(nothing, NULL);
	mprotect(private, size, PROT_READ);
	mprotect(shared, size, PROT_NONE);
}

/* Makes @nr huge pages of a size. How many there were; -1 if there cannot be so many. */
static long give_huge_pages(long kib, long nr)
{
	char path[96];
	long before;

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%ldkB/nr_hugepages", kib);
	before = read_number(path);
	write_number(path, nr);
	if (read_number(path) == nr)
		return before;
	/* Those that were made at boot could not be made again. */
	write_number(path, before);
	return -1;
}

TEST_F(pages, hugetlb_of_every_size)
{
	static const long sizes[] = { 64, 2048, 32768, 1048576 };
	int compared = 0;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		long before = give_huge_pages(sizes[i], 5);

		if (before < 0)
			continue;
		self->report->skip = sizes[i];
		compare_target(hugetlb);
		EXPECT_NE(NULL, entry_of(0, (sizes[i] << 10) / page_size()));
		EXPECT_EQ(NULL, entry_of(0, 0));
		ASSERT_EQ(0, lens_attach(self->report->pid));
		EXPECT_SAME_PAGES(self->report->pid);
		EXPECT_EQ(0, lens_detach(self->report->pid));
		EXPECT_EQ(0, lens_detach(self->target));
		kill(self->report->pid, SIGKILL);
		target_end(self->target);
		self->target = 0;
		lens_table_free(&self->table);
		give_huge_pages(sizes[i], before);
		compared++;
	}
	if (!compared)
		SKIP(return, "no huge pages to be had");
}

TEST_HARNESS_MAIN

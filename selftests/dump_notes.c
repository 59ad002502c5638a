// SPDX-License-Identifier: GPL-2.0
/*
 * The files entries and pagetable, against pagemap: entries without a page, marks on
 * entries, and places far from all others.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "lib/device.h"
#include "lib/knobs.h"
#include "lib/pages.h"

static void nothing(void *arg)
{
	(void)arg;
}

static void odd_entries(void *arg)
{
	struct report *report = arg;

	for (int i = 0; i < 3; i++) {
		report->map[i] = map_alone(RW, ANON, -1, 8, 0);
		write_pages(report->map[i], 0, 8);
	}
	madvise(report->map[0] + page_size(), 3 * page_size(), MADV_GUARD_INSTALL);
	madvise(report->map[1], 8 * page_size(), MADV_FREE);
	mprotect(report->map[2] + page_size(), 3 * page_size(), PROT_NONE);
	report->map[3] = map_alone(RW, ANON, -1, 8, 0);
	madvise(report->map[3], 8 * page_size(), MADV_GUARD_INSTALL);
	/* A stack that grows by faults. */
	report->map[4] = map_alone(RW, ANON | MAP_GROWSDOWN, -1, 2, 0);
	write_pages(report->map[4], 0, 2);
	report->map[5] = device_map(device_open(O_RDWR), RW, MAP_SHARED, 8, 0);
	read_pages(report->map[5], 0, 4);
	write_pages(report->map[5], 2, 4);
	report->map[6] = device_map(device_open(O_RDWR), RW, MAP_PRIVATE, 8, 0);
	read_pages(report->map[6], 0, 4);
	write_pages(report->map[6], 2, 4);
}

TEST_F(pages, guarded_freed_protected_and_of_the_device)
{
	const struct lens_entry *guard;

	compare_target(odd_entries);
	guard = entry_of(0, 2);
	/* A kernel without guard regions has a page there. */
	ASSERT_NE(NULL, guard);
	EXPECT_EQ(guard->kind == LENS_MARKER, !!entry_of(3, 0));
	EXPECT_STREQ("---", entry_of(2, 1)->rwx);
	EXPECT_STREQ("r--", entry_of(5, 0)->rwx);
	EXPECT_STREQ("rw-", entry_of(5, 2)->rwx);
	EXPECT_STREQ("r--", entry_of(6, 0)->rwx);
	EXPECT_STREQ("rw-", entry_of(6, 2)->rwx);
}

static void write_protected(void *arg)
{
	struct report *report = arg;
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_WP_HUGETLBFS_SHMEM |
			    UFFD_FEATURE_WP_UNPOPULATED,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api)) {
		report->skip = errno;
		return;
	}
	for (int i = 0; i < 2; i++) {
		int flags = i ? MAP_SHARED : MAP_PRIVATE;
		char *map = map_alone(RW, flags | MAP_ANONYMOUS, -1, 16, 0);
		struct uffdio_register area = {
			.range = { .start = (uintptr_t)map, .len = 16 * page_size() },
			.mode = UFFDIO_REGISTER_MODE_WP,
		};
		struct uffdio_writeprotect protect = {
			.range = {
				.start = (uintptr_t)map + 4 * page_size(),
				.len = 8 * page_size(),
			},
			.mode = UFFDIO_WRITEPROTECT_MODE_WP,
		};

		report->map[i] = map;
		write_pages(map, 0, 8);
		if (ioctl(fd, UFFDIO_REGISTER, &area) || ioctl(fd, UFFDIO_WRITEPROTECT, &protect)) {
			report->skip = errno;
			return;
		}
	}
}

TEST_F(pages, write_protected_by_userfaultfd)
{
	compare_target(write_protected);
	for (int i = 0; i < 2; i++) {
		EXPECT_FALSE(lens_has_bit(entry_of(i, 3), "uffd-wp"));
		EXPECT_TRUE(lens_has_bit(entry_of(i, 4), "uffd-wp"));
		EXPECT_STREQ("r--", entry_of(i, 4)->rwx);
		/* Nothing there yet: a note that it is to be so. */
		ASSERT_NE(NULL, entry_of(i, 10));
		EXPECT_EQ(LENS_MARKER, entry_of(i, 10)->kind);
		EXPECT_TRUE(lens_has_bit(entry_of(i, 10), "uffd-wp"));
		EXPECT_EQ(NULL, entry_of(i, 13));
	}
}

static void swapped(void *arg)
{
	struct report *report = arg;

	write_protected(report);
	report->map[2] = map_alone(RW, ANON, -1, 64, 0);
	report->map[3] = map_alone(RW, MAP_SHARED | MAP_ANONYMOUS, -1, 64, 0);
	report->map[4] = map_alone(RW, ANON, -1, 64, 0);
	for (int i = 2; i < 5; i++)
		for (int page = 0; page < 64; page++)
			memset(report->map[i] + page * page_size(), page + 64 * i, page_size());
	/* All but some; only pages that nobody else maps go. */
	for (int i = 2; i < 4; i++)
		madvise(report->map[i], 60 * page_size(), MADV_PAGEOUT);
	madvise(report->map[0], 16 * page_size(), MADV_PAGEOUT);
	madvise(report->map[1], 16 * page_size(), MADV_PAGEOUT);
	/* From here on what is in swap is the child's too. */
	report->pid = target_start(nothing, NULL);
	madvise(report->map[4], 60 * page_size(), MADV_PAGEOUT);
	/* Some come back. */
	read_pages(report->map[2], 5, 2);
	write_pages(report->map[2], 10, 2);
	mprotect(report->map[2] + 20 * page_size(), 5 * page_size(), PROT_NONE);
}

TEST_F_TIMEOUT(pages, swapped_out, 60)
{
	if (knob_swap())
		SKIP(return, "no swap device can be made");
	compare_target(swapped);
	compare_entries(self->target);
	EXPECT_LT(20, compare_nonpresent);
	ASSERT_EQ(0, lens_attach(self->report->pid));
	EXPECT_SAME_PAGES(self->report->pid);
	lens_detach(self->report->pid);
	kill(self->report->pid, SIGKILL);
	target_end(self->target);
	knobs_restore();
}

static void clean(void *arg)
{
	struct report *report = arg;

	report->map[0] = map_alone(RW, ANON, -1, 16, 0);
	report->map[1] = map_alone(RW, MAP_SHARED | MAP_ANONYMOUS, -1, 16, 0);
	write_pages(report->map[0], 0, 12);
	write_pages(report->map[1], 0, 12);
	if (write_file("/proc/self/clear_refs", "4"))
		abort();
	write_pages(report->map[0], 2, 3);
	write_pages(report->map[1], 2, 3);
}

TEST_F(pages, soft_dirty)
{
	compare_target(clean);
	if (!lens_has_bit(entry_of(0, 2), "soft-dirty"))
		SKIP(return, "the kernel does not track it");
	EXPECT_FALSE(lens_has_bit(entry_of(0, 1), "soft-dirty"));
	EXPECT_TRUE(lens_has_bit(entry_of(1, 3), "soft-dirty"));
	EXPECT_FALSE(lens_has_bit(entry_of(1, 6), "soft-dirty"));
}

static char *map_at(uint64_t address, size_t size, int flags)
{
	char *map = mmap((void *)address, size, RW, ANON | MAP_NORESERVE | flags, -1, 0);

	if (map != MAP_FAILED)
		write_pages(map, 0, 1);
	return map == MAP_FAILED ? NULL : map;
}

static void far_apart(void *arg)
{
	struct report *report = arg;
	uint64_t end = lens_mm_number(0, "task_size");

	/* From the first address to the last one, and in holes of every size. */
	report->map[0] = map_at(0, page_size(), MAP_FIXED);
	report->map[1] = map_at(end - page_size(), page_size(), MAP_FIXED);
	for (int i = 0; i < 7; i++)
		report->map[2 + i] = map_at(1UL << (32 + 2 * i), 3 * page_size(),
					    MAP_FIXED_NOREPLACE);
	/* Beyond 47 and 48 bits: with a hint only. */
	for (int i = 0; i < 4; i++)
		report->map[10 + i] = map_at((1UL << (48 + i)) - 16 * MIB, 3 * page_size(), 0);
	report->map[14] = map_at(0, 1UL << 40, 0);
	if (report->map[14])
		write_pages(report->map[14], (1UL << 40) / page_size() / 3, 2);
}

static void around_a_missing_table(void *arg)
{
	struct report *report = arg;
	size_t table = page_size() * page_size() / 8;
	char *map = map_aligned(RW, MAP_PRIVATE, 4 * table, table);

	madvise(map, 4 * table, MADV_NOHUGEPAGE);
	report->map[0] = map + table - page_size();
	report->map[1] = map + 2 * table;
	write_pages(report->map[0], 0, 1);
	write_pages(report->map[1], 0, 1);
	/* Two tables that do follow each other. */
	write_pages(map + 3 * table - page_size(), 0, 2);
}

TEST_F(pages, around_a_missing_table)
{
	struct lens_table runs;
	const struct lens_entry *run;

	compare_target(around_a_missing_table);
	ASSERT_EQ(0, lens_pagetable(self->target, &runs)) TH_LOG("%s", lens_error);
	run = lens_find(&runs, (uintptr_t)self->report->map[0]);
	ASSERT_NE(NULL, run);
	/* Nothing in between: no run goes across. */
	EXPECT_EQ((uintptr_t)self->report->map[0] + page_size(), run->end);
	lens_table_free(&runs);
}

TEST_F(pages, far_apart)
{
	uint64_t highest = 0;

	compare_target(far_apart);
	for (int i = 0; i < 15; i++) {
		if (!self->report->map[i] && i)
			continue;
		if (entry_of(i, 0))
			highest = entry_of(i, 0)->start;
		if (i)
			EXPECT_NE(NULL, entry_of(i, 0)) TH_LOG("%p", self->report->map[i]);
	}
	EXPECT_NE(0, highest);
	ASSERT_NE(NULL, self->report->map[14]);
	EXPECT_NE(NULL, entry_of(14, (1UL << 40) / page_size() / 3 + 1));
}

TEST_HARNESS_MAIN

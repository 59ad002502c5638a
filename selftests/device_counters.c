// SPDX-License-Identifier: GPL-2.0
/* Which operation of the device runs how often: exactly, in a process with one thread. */
#include <fcntl.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/util.h"

#define PAGES 8
#define RW (PROT_READ | PROT_WRITE)

/* How often something was done; refused: faults that gave SIGBUS. */
struct counts {
	__u64 mmap, open, close, fault, refused, page_mkwrite;
};

static struct counts count(int fd)
{
	struct mmlens_stats faults = device_op(fd, MMLENS_OP_FAULT);

	return (struct counts) {
		.mmap = device_done(fd, MMLENS_OP_MMAP),
		.open = device_done(fd, MMLENS_OP_OPEN),
		.close = device_done(fd, MMLENS_OP_CLOSE),
		.fault = faults.outcome[MMLENS_OUTCOME_DONE],
		.refused = faults.outcome[MMLENS_OUTCOME_SIGBUS],
		.page_mkwrite = device_done(fd, MMLENS_OP_PAGE_MKWRITE),
	};
}

FIXTURE(counters)
{
	int fd;
	size_t page;
	char *map;
	struct counts last;
};

FIXTURE_SETUP(counters)
{
	self->page = page_size();
	self->fd = device_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	self->map = device_map(self->fd, RW, MAP_SHARED, PAGES, 0);
	ASSERT_NE(MAP_FAILED, self->map);
	self->last = count(self->fd);
	EXPECT_EQ(1, self->last.mmap);
	EXPECT_EQ(0, self->last.open);
}

FIXTURE_TEARDOWN(counters)
{
	struct counts now = count(self->fd);

	/* Whatever a test does: this holds at the end. */
	EXPECT_EQ(now.mmap + now.open - now.close, device_info(self->fd).mappings);
}

/* What was counted since the last call: mmap, open, close, fault, refused, page_mkwrite. */
#define EXPECT_COUNTED(...) do { \
	const __u64 want[6] = { __VA_ARGS__ }; \
	struct counts now = count(self->fd); \
	EXPECT_EQ(want[0], now.mmap - self->last.mmap); \
	EXPECT_EQ(want[1], now.open - self->last.open); \
	EXPECT_EQ(want[2], now.close - self->last.close); \
	EXPECT_EQ(want[3], now.fault - self->last.fault); \
	EXPECT_EQ(want[4], now.refused - self->last.refused); \
	EXPECT_EQ(want[5], now.page_mkwrite - self->last.page_mkwrite); \
	self->last = now; \
} while (0)

#define EXPECT_MAPPINGS(nr) EXPECT_EQ(nr, device_info(self->fd).mappings)

static void touch(char *map, size_t pages, bool write)
{
	for (size_t i = 0; i < pages; i++) {
		volatile char *p = map + i * page_size();

		if (write)
			*p = 1;
		else
			(void)*p;
	}
}

TEST_F(counters, a_fault_for_each_page)
{
	touch(self->map, PAGES, false);
	EXPECT_COUNTED(0, 0, 0, PAGES, 0, 0);
	touch(self->map, PAGES, false);
	EXPECT_COUNTED(0, 0, 0, 0, 0, 0);
}

TEST_F(counters, a_page_mkwrite_for_the_first_write)
{
	touch(self->map, PAGES, false);
	EXPECT_COUNTED(0, 0, 0, PAGES, 0, 0);
	touch(self->map, 3, true);
	EXPECT_COUNTED(0, 0, 0, 0, 0, 3);
	touch(self->map, 3, true);
	EXPECT_COUNTED(0, 0, 0, 0, 0, 0);
	/* Nothing mapped yet: both at once. */
	ASSERT_EQ(0, madvise(self->map, PAGES * self->page, MADV_DONTNEED));
	touch(self->map, PAGES, true);
	EXPECT_COUNTED(0, 0, 0, PAGES, 0, PAGES);
}

TEST_F(counters, each_shared_mapping_on_its_own)
{
	char *second = device_map(self->fd, RW, MAP_SHARED, PAGES, 0);

	EXPECT_COUNTED(1, 0, 0, 0, 0, 0);
	touch(self->map, PAGES, true);
	EXPECT_COUNTED(0, 0, 0, PAGES, 0, PAGES);
	touch(second, PAGES, false);
	EXPECT_COUNTED(0, 0, 0, PAGES, 0, 0);
	touch(second, PAGES, true);
	EXPECT_COUNTED(0, 0, 0, 0, 0, PAGES);
	EXPECT_MAPPINGS(2);
	munmap(second, PAGES * self->page);
	EXPECT_COUNTED(0, 0, 1, 0, 0, 0);
	EXPECT_MAPPINGS(1);
}

TEST_F(counters, no_page_mkwrite_for_a_private_mapping)
{
	char *map = device_map(self->fd, RW, MAP_PRIVATE, PAGES, 0);

	EXPECT_COUNTED(1, 0, 0, 0, 0, 0);
	touch(map, 4, false);
	EXPECT_COUNTED(0, 0, 0, 4, 0, 0);
	touch(map, PAGES, true);
	EXPECT_COUNTED(0, 0, 0, PAGES - 4, 0, 0);
}

TEST_F(counters, unmapping_parts)
{
	/* The head, the tail: a copy, of which one part goes. The middle: two copies. */
	munmap(self->map, self->page);
	EXPECT_COUNTED(0, 1, 1, 0, 0, 0);
	munmap(self->map + (PAGES - 1) * self->page, self->page);
	EXPECT_COUNTED(0, 1, 1, 0, 0, 0);
	EXPECT_MAPPINGS(1);
	munmap(self->map + 3 * self->page, self->page);
	EXPECT_COUNTED(0, 2, 1, 0, 0, 0);
	EXPECT_MAPPINGS(2);
	/* All that is left at once, and holes. */
	munmap(self->map, PAGES * self->page);
	EXPECT_COUNTED(0, 0, 2, 0, 0, 0);
	EXPECT_MAPPINGS(0);
}

TEST_F(counters, protection_splits)
{
	mprotect(self->map + 3 * self->page, self->page, PROT_READ);
	EXPECT_COUNTED(0, 2, 0, 0, 0, 0);
	EXPECT_MAPPINGS(3);
	/* All at once changes no bounds. */
	mprotect(self->map, PAGES * self->page, PROT_NONE);
	mprotect(self->map, PAGES * self->page, RW);
	EXPECT_EQ(0, count(self->fd).fault);
}

TEST_F(counters, writable_again_is_a_new_first_write)
{
	touch(self->map, PAGES, true);
	EXPECT_COUNTED(0, 0, 0, PAGES, 0, PAGES);
	ASSERT_EQ(0, mprotect(self->map, PAGES * self->page, PROT_READ));
	ASSERT_EQ(0, mprotect(self->map, PAGES * self->page, RW));
	touch(self->map, PAGES, true);
	/* Dirty pages may stay writable; pages that were never written may not. */
	EXPECT_GE(self->last.page_mkwrite + PAGES, count(self->fd).page_mkwrite);
	self->last = count(self->fd);
	ASSERT_EQ(0, madvise(self->map, PAGES * self->page, MADV_DONTNEED));
	touch(self->map, PAGES, false);
	ASSERT_EQ(0, mprotect(self->map, PAGES * self->page, PROT_READ));
	ASSERT_EQ(0, mprotect(self->map, PAGES * self->page, RW));
	touch(self->map, PAGES, true);
	EXPECT_COUNTED(0, 0, 0, PAGES, 0, PAGES);
}

TEST_F(counters, mremap)
{
	char *room = mmap(NULL, PAGES * self->page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	touch(self->map, PAGES, true);
	EXPECT_COUNTED(0, 0, 0, PAGES, 0, PAGES);
	/* A copy in the new place, and the old one goes; the entries move along. */
	ASSERT_EQ(room, mremap(self->map, PAGES * self->page, PAGES * self->page,
			       MREMAP_MAYMOVE | MREMAP_FIXED, room));
	touch(room, PAGES, true);
	EXPECT_COUNTED(0, 1, 1, 0, 0, 0);
	ASSERT_EQ(room, mremap(room, PAGES * self->page, 3 * self->page, 0));
	EXPECT_COUNTED(0, 1, 1, 0, 0, 0);
	EXPECT_MAPPINGS(1);
	EXPECT_EQ(MAP_FAILED, mremap(room, 3 * self->page, PAGES * self->page, MREMAP_MAYMOVE));
	EXPECT_COUNTED(0, 0, 0, 0, 0, 0);
}

TEST_F(counters, fork_and_exit)
{
	char *private = device_map(self->fd, RW, MAP_PRIVATE, PAGES, 0);
	pid_t pid;

	touch(self->map, PAGES, true);
	touch(private, PAGES, true);
	EXPECT_COUNTED(1, 0, 0, 2 * PAGES, 0, PAGES);
	pid = fork();
	if (!pid) {
		struct counts now = count(self->fd);
		bool good = now.open == self->last.open + 2 &&
			    device_info(self->fd).mappings == 4;

		/* Shared pages are faulted in again, private ones were copied. */
		touch(self->map, PAGES, true);
		touch(private, PAGES, true);
		_exit(!good);
	}
	{
		int status;

		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status);
	}
	EXPECT_COUNTED(0, 2, 2, PAGES, 0, PAGES);
	EXPECT_MAPPINGS(2);
}

TEST_F(counters, not_inherited_if_advised_so)
{
	pid_t pid;

	ASSERT_EQ(0, madvise(self->map, PAGES * self->page, MADV_DONTFORK));
	pid = fork();
	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
	EXPECT_COUNTED(0, 0, 0, 0, 0, 0);
}

TEST_F(counters, populating)
{
	char *map = device_map(self->fd, RW, MAP_SHARED | MAP_POPULATE, PAGES, 0);

	EXPECT_COUNTED(1, 0, 0, PAGES, 0, 0);
	touch(map, PAGES, false);
	EXPECT_COUNTED(0, 0, 0, 0, 0, 0);
	ASSERT_EQ(0, madvise(self->map, PAGES * self->page, 23 /* MADV_POPULATE_WRITE */));
	EXPECT_COUNTED(0, 0, 0, PAGES, 0, PAGES);
	touch(self->map, PAGES, true);
	EXPECT_COUNTED(0, 0, 0, 0, 0, 0);
}

TEST_F(counters, belong_to_the_open_file)
{
	int other = device_open(O_RDWR), copy = dup(self->fd);

	touch(device_map(other, RW, MAP_SHARED, PAGES, 0), PAGES, true);
	EXPECT_COUNTED(0, 0, 0, 0, 0, 0);
	EXPECT_EQ(PAGES, count(other).fault);
	EXPECT_EQ(1, count(copy).mmap);
	EXPECT_EQ(PAGES, count(other).page_mkwrite);
}

TEST_F(counters, refused_mappings_are_no_mappings)
{
	device_map(self->fd, RW, MAP_SHARED, 1, PAGES);
	device_map(self->fd, RW, MAP_SHARED, PAGES + 1, 0);
	/* The core refuses this one, and nobody asks the device. */
	mmap(NULL, self->page, RW, MAP_SHARED | MAP_HUGETLB, self->fd, 0);
	EXPECT_COUNTED(0, 0, 0, 0, 0, 0);
	EXPECT_EQ(2, device_op(self->fd, MMLENS_OP_MMAP).outcome[MMLENS_OUTCOME_ERROR]);
	EXPECT_EQ(3, device_calls(self->fd, MMLENS_OP_MMAP));
	EXPECT_MAPPINGS(1);
}

/* Each operation falls into one bucket, and takes some time. */
TEST_F(counters, times_are_of_all_operations)
{
	struct mmlens_stats stats;
	__u64 timed = 0, least = 0;

	touch(self->map, PAGES, true);
	stats = device_op(self->fd, MMLENS_OP_FAULT);
	for (int i = 0; i < MMLENS_BUCKETS; i++) {
		timed += stats.ns_log2[i];
		least += i ? stats.ns_log2[i] << i : 0;
	}
	EXPECT_EQ(device_calls(self->fd, MMLENS_OP_FAULT), timed);
	EXPECT_LE(least, stats.ns);
	/* An outcome of a later version, and an operation that did not run. */
	EXPECT_EQ(0, stats.outcome[MMLENS_OUTCOMES - 1]);
	EXPECT_EQ(0, device_op(self->fd, MMLENS_OP_HUGE_FAULT).ns);
	EXPECT_EQ(PAGES, stats.pages);
}

TEST_HARNESS_MAIN

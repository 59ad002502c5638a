// SPDX-License-Identifier: GPL-2.0
/* The operations on whole VMAs: when each of them is called, and what they refuse. */
#include <fcntl.h>
#include <linux/mman.h>
#include <signal.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/setups.h"
#include "lib/util.h"

#define PAGES 16
#define RW (PROT_READ | PROT_WRITE)

FIXTURE(vmops)
{
	size_t page, size;
	int fd;
	char *map;
	struct combo combo;
	__u64 last[MMLENS_OP_COUNT];
};

FIXTURE_SETUP(vmops)
{
	self->page = page_size();
	self->size = PAGES * self->page;
}

FIXTURE_TEARDOWN(vmops)
{
}

#define MAKE(words) do { \
	self->fd = device_make(words, 0); \
	ASSERT_LE(0, self->fd) TH_LOG("%s: %s", words, strerror(-self->fd)); \
	self->map = map_alone(RW, MAP_SHARED, self->fd, PAGES, 0); \
	fill_pages(self->map, PAGES, 1); \
	note(self->fd, self->last); \
} while (0)

static void note(int fd, __u64 *counts)
{
	for (unsigned int op = 0; op < MMLENS_OP_COUNT; op++)
		counts[op] = device_calls(fd, op);
}

/* How often each was called since the last look, however it ended. */
#define EXPECT_CALLED(maps, opens, closes, splits, moves, protects) do { \
	const __u64 want[] = { maps, opens, closes, splits, moves, protects }; \
	__u64 now[MMLENS_OP_COUNT]; \
	note(self->fd, now); \
	for (unsigned int op_ = MMLENS_OP_MMAP; op_ <= MMLENS_OP_MPROTECT; op_++) { \
		EXPECT_EQ(want[op_], now[op_] - self->last[op_]) TH_LOG("op %u", op_); \
	} \
	memcpy(self->last, now, sizeof(now)); \
	EXPECT_EQ(device_done(self->fd, MMLENS_OP_MMAP) + now[MMLENS_OP_OPEN] - \
		  now[MMLENS_OP_CLOSE], device_info(self->fd).mappings); \
} while (0)

TEST_F_TIMEOUT(vmops, are_called_for_each_vma_whatever_it_is, 300)
{
	for_each_combo(&self->combo) {
		char *second, *room, *map;
		int status;
		pid_t pid;

		MAKE(self->combo.words);
		second = device_map(self->fd, PROT_READ, MAP_SHARED, PAGES, 0);
		EXPECT_CALLED(1, 0, 0, 0, 0, 0);
		/* The middle, of which there is a copy before and one behind. */
		ASSERT_EQ(0, munmap(second + 5 * self->page, self->page));
		EXPECT_CALLED(0, 2, 1, 2, 0, 0);
		ASSERT_EQ(0, munmap(second, self->size));
		EXPECT_CALLED(0, 0, 2, 0, 0, 0);
		/* All of it has no bounds that change; a part has. */
		ASSERT_EQ(0, mprotect(self->map, self->size, PROT_READ));
		EXPECT_CALLED(0, 0, 0, 0, 0, 1);
		ASSERT_EQ(0, mprotect(self->map, self->size, RW));
		EXPECT_CALLED(0, 0, 0, 0, 0, 1);
		ASSERT_EQ(0, mprotect(self->map, 3 * self->page, PROT_READ));
		EXPECT_CALLED(0, 1, 0, 1, 0, 1);
		EXPECT_EQ(2, device_info(self->fd).mappings);

		room = mmap(NULL, self->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		map = self->map + 3 * self->page;
		ASSERT_EQ(room, mremap(map, (PAGES - 3) * self->page, (PAGES - 3) * self->page,
				       MREMAP_MAYMOVE | MREMAP_FIXED, room));
		EXPECT_CALLED(0, 1, 1, 0, 1, 0);
		ASSERT_EQ(room, mremap(room, (PAGES - 3) * self->page, 2 * self->page, 0));
		EXPECT_CALLED(0, 1, 1, 1, 0, 0);
		pid = fork();
		if (!pid)
			_exit(device_info(self->fd).mappings != 4);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status);
		EXPECT_CALLED(0, 2, 2, 0, 0, 0);
		EXPECT_TRUE(pages_have(self->map, 3, 1));
		EXPECT_TRUE(pages_have(room, 2, 1 + 3));
		munmap(self->map, 3 * self->page);
		munmap(room, 2 * self->page);
		EXPECT_CALLED(0, 0, 2, 0, 0, 0);
		EXPECT_EQ(0, device_info(self->fd).mappings);
		close(self->fd);
	}
}

#define EXPECT_EINVAL(call) do { \
	errno = 0; \
	EXPECT_TRUE((call) != 0) TH_LOG(#call); \
	EXPECT_EQ(EINVAL, errno) TH_LOG(#call); \
} while (0)

TEST_F_TIMEOUT(vmops, nosplit_means_all_or_nothing, 300)
{
	for_each_combo(&self->combo) {
		struct mmlens_stats splits;
		char words[80];
		char *room, *middle;

		snprintf(words, sizeof(words), "%s,nosplit", self->combo.words);
		MAKE(words);
		EXPECT_TRUE(device_info(self->fd).flags & MMLENS_SETUP_NOSPLIT);
		middle = self->map + 5 * self->page;
		room = map_alone(PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, PAGES, 0);
		EXPECT_EINVAL(munmap(middle, self->page));
		EXPECT_EINVAL(munmap(self->map, self->page));
		EXPECT_EINVAL(munmap(self->map + (PAGES - 1) * self->page, self->page));
		EXPECT_EINVAL(mprotect(middle, self->page, PROT_READ));
		EXPECT_EINVAL(mprotect(self->map, self->page, PROT_NONE));
		EXPECT_EINVAL(madvise(middle, self->page, MADV_DONTFORK));
		EXPECT_EQ(MAP_FAILED, mremap(self->map, self->size, 5 * self->page, 0));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(MAP_FAILED, mremap(middle, self->page, self->page,
					     MREMAP_MAYMOVE | MREMAP_FIXED, room));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(MAP_FAILED, mmap(middle, self->page, RW,
					   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
		EXPECT_EQ(EINVAL, errno);
		/* Nothing came of all that, and each was asked for. */
		splits = device_op(self->fd, MMLENS_OP_MAY_SPLIT);
		EXPECT_LE(9, splits.outcome[MMLENS_OUTCOME_ERROR]);
		EXPECT_EQ(0, splits.outcome[MMLENS_OUTCOME_DONE]);
		EXPECT_EQ(1, device_info(self->fd).mappings);
		EXPECT_TRUE(pages_have(self->map, PAGES, 1));
		EXPECT_EQ(0, access_signal(middle, true));
		/* The whole may be changed, moved and taken away. */
		EXPECT_EQ(0, mprotect(self->map, self->size, PROT_READ));
		EXPECT_EQ(SIGSEGV, access_signal(middle, true));
		EXPECT_EQ(0, mprotect(self->map, self->size, RW));
		munmap(room, self->size);
		ASSERT_EQ(room, mremap(self->map, self->size, self->size,
				       MREMAP_MAYMOVE | MREMAP_FIXED, room));
		EXPECT_TRUE(pages_have(room, PAGES, 1));
		EXPECT_EQ(0, munmap(room, self->size));
		EXPECT_EQ(0, device_info(self->fd).mappings);
		close(self->fd);
	}
}

TEST_F(vmops, fork_of_what_cannot_be_split)
{
	int status;
	pid_t pid;

	MAKE("nosplit");
	pid = fork();
	if (!pid) {
		EXPECT_EINVAL(munmap(self->map, self->page));
		EXPECT_EQ(0, munmap(self->map, self->size));
		_exit(_metadata->exit_code);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(1, device_info(self->fd).mappings);
}

TEST_F(vmops, mprotect_may_change_the_whole_process)
{
	MAKE("vmap,pfnmap,track");
	/* One call for each VMA that the range goes over. */
	ASSERT_EQ(0, mprotect(self->map + 8 * self->page, self->page, PROT_READ));
	EXPECT_CALLED(0, 2, 0, 2, 0, 1);
	ASSERT_EQ(0, mprotect(self->map, self->size, PROT_READ));
	EXPECT_CALLED(0, 0, 0, 0, 0, 3);
	EXPECT_EQ(SIGSEGV, access_signal(self->map, true));
	EXPECT_EQ(3, device_info(self->fd).mappings);
	ASSERT_EQ(0, munmap(self->map, self->size));
	EXPECT_CALLED(0, 0, 3, 0, 0, 0);
}

/* A mapping that fails half-way leaves no VMA, and no count of one. */
TEST_F(vmops, failed_mappings_are_undone)
{
	MAKE("vmap,pfnmap,eager");
	for (int i = 0; i < 20; i++) {
		EXPECT_EQ(MAP_FAILED, device_map(self->fd, RW, MAP_SHARED, PAGES, 1));
		EXPECT_EQ(MAP_FAILED, device_map(self->fd, RW, MAP_PRIVATE, PAGES, 0));
	}
	EXPECT_EQ(1, device_info(self->fd).mappings);
	EXPECT_EQ(40, device_op(self->fd, MMLENS_OP_MMAP).outcome[MMLENS_OUTCOME_ERROR]);
	munmap(self->map, self->size);
	EXPECT_EQ(0, device_info(self->fd).mappings);
}

/* Other ways to have a second mapping of a file. */
TEST_F(vmops, mremap_of_nothing_duplicates)
{
	char *copy;

	MAKE("vmap,mixed");
	copy = mremap(self->map, 0, self->size, MREMAP_MAYMOVE);
	/* It would grow from nothing, and what cannot grow is not to be had so. */
	EXPECT_EQ(MAP_FAILED, copy);
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(1, device_info(self->fd).mappings);
}

TEST_F(vmops, exec_drops_all_mappings)
{
	static const char *const words[] = {
		"vmalloc,track", "vmap,pfnmap,eager,wc", "contig,mixed,around=8", "sparse",
	};
	char *const sleeper[] = { "sleep", "1000", NULL };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		pid_t target;

		MAKE(words[i]);
		target = target_exec(sleeper);
		ASSERT_LT(0, target);
		EXPECT_CALLED(0, 1, 1, 0, 0, 0);
		target_end(target);
		EXPECT_CALLED(0, 0, 0, 0, 0, 0);
		EXPECT_TRUE(pages_have(self->map, PAGES, 1));
		munmap(self->map, self->size);
		close(self->fd);
	}
}

TEST_HARNESS_MAIN

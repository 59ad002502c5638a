// SPDX-License-Identifier: GPL-2.0
/* Which pages of a buffer were written: exactly those, whoever wrote them and however. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/harvest.h"
#include "lib/race.h"
#include "lib/setups.h"
#include "lib/util.h"

#define RW (PROT_READ | PROT_WRITE)
#define PAGES SET_PAGES

FIXTURE(track)
{
	size_t page, size;
	int fd, mem;
	char *map;
	struct combo combo;
};

FIXTURE_SETUP(track)
{
	self->page = page_size();
	self->size = PAGES * self->page;
	self->mem = open("/proc/self/mem", O_RDWR);
}

FIXTURE_TEARDOWN(track)
{
}

/* The buffer before goes, and the next one that can be had is made, with @track or without. */
static bool next_buffer(struct _test_data_track *self, size_t *number, bool track, bool go_on)
{
	if (self->map) {
		munmap(self->map, self->size);
		close(self->fd);
		self->map = NULL;
	}
	while (combo_next(number, &self->combo, go_on)) {
		if (self->combo.track != track || self->combo.strategy == MMLENS_STRATEGY_HUGE)
			continue;
		self->fd = device_make(self->combo.words, PAGES);
		/* Aborts if there is none. */
		self->map = map_alone(RW, MAP_SHARED, self->fd, PAGES, 0);
		return true;
	}
	return false;
}

#define for_each_buffer(track) \
	for (size_t number_ = 0; next_buffer(self, &number_, track, __test_passed(_metadata));)

TEST_F_TIMEOUT(track, neither_a_mapping_nor_a_read_makes_dirty, 120)
{
	for_each_buffer(true) {
		char *copy = malloc(self->size), *second;

		EXPECT_TRUE(is_clean(self->fd));
		/* The first access is a write, and then none is. */
		self->map[65 * self->page] = 1;
		EXPECT_TRUE(was_dirty(self->fd, 65));
		read_pages(self->map);
		second = device_map(self->fd, RW, MAP_SHARED, PAGES, 0);
		EXPECT_EQ((ssize_t)self->size, pread(self->fd, copy, self->size, 0));
		EXPECT_EQ((ssize_t)self->size, pread(self->mem, copy, self->size,
						     (uintptr_t)second));
		read_pages(second);
		EXPECT_TRUE(is_clean(self->fd));
		/* What is mapped already, and maybe has been by mmap(), still tells of a write. */
		second[70 * self->page] = 1;
		EXPECT_TRUE(was_dirty(self->fd, 70));
		munmap(second, self->size);
		free(copy);
	}
}

TEST_F_TIMEOUT(track, exactly_what_was_written_is_told_each_time, 120)
{
	for_each_buffer(true) {
		for (unsigned int seed = 1; seed < 5; seed++) {
			__u64 set[SET_WORDS];

			set_choose(seed, set);
			/* The more often, the same. */
			for (unsigned int i = 0; i < seed; i++)
				write_pages(self->map, set);
			EXPECT_TRUE(were_dirty(self->fd, set));
			/* They are still mapped: by entries that can only be read. */
			write_pages(self->map, set);
			EXPECT_TRUE(were_dirty(self->fd, set));
			if (seed == 3)
				madvise(self->map, self->size, MADV_DONTNEED);
		}
	}
}

TEST_F_TIMEOUT(track, a_part_is_harvested_alone, 120)
{
	static const struct { size_t first, pages; } parts[] = {
		{ 0, 0 }, { 0, 1 }, { 1, 1 }, { 63, 2 }, { 1, 64 }, { 65, 64 }, { 63, 65 },
		{ 7, PAGES - 7 }, { PAGES - 1, 1 }, { PAGES, 0 },
	};

	for_each_buffer(true) {
		__u64 set[SET_WORDS];

		set_choose(9, set);
		for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
			size_t first = parts[i].first, pages = parts[i].pages;
			__u64 left[SET_WORDS] = {};

			write_pages(self->map, set);
			EXPECT_TRUE(harvest_tells(self->fd, first, pages, MMLENS_DIRTY_PEEK, set));
			EXPECT_TRUE(harvest_tells(self->fd, first, pages, 0, set));
			for (size_t page = 0; page < PAGES; page++)
				if (set_has(set, page) && (page < first || page >= first + pages))
					set_add(left, page);
			EXPECT_TRUE(were_dirty(self->fd, left)) TH_LOG("%zu at %zu", pages, first);
		}
	}
}

static __u64 faults(int fd)
{
	return device_calls(fd, MMLENS_OP_FAULT) + device_calls(fd, MMLENS_OP_PAGE_MKWRITE) +
	       device_calls(fd, MMLENS_OP_PFN_MKWRITE);
}

TEST_F_TIMEOUT(track, neither_a_look_nor_a_sync_changes_anything, 120)
{
	for_each_buffer(true) {
		struct mmlens_dirty request = {
			.size = sizeof(request), .flags = MMLENS_DIRTY_PEEK, .pages = PAGES,
		};
		__u64 set[SET_WORDS], before;

		set_choose(2, set);
		write_pages(self->map, set);
		before = faults(self->fd);
		for (int i = 0; i < 3; i++) {
			ASSERT_EQ(0, ioctl(self->fd, MMLENS_IOC_DIRTY, &request));
			EXPECT_EQ(set_count(set), request.dirty);
			EXPECT_EQ(0, request.protected);
			EXPECT_EQ(PAGES, request.pages);
			EXPECT_EQ(0, msync(self->map, self->size, MS_SYNC));
			EXPECT_EQ(0, fsync(self->fd));
			write_pages(self->map, set);
		}
		/* The entries were left as they are. */
		EXPECT_EQ(before, faults(self->fd));
		request.flags = 0;
		ASSERT_EQ(0, ioctl(self->fd, MMLENS_IOC_DIRTY, &request));
		EXPECT_EQ(set_count(set), request.dirty);
		EXPECT_EQ(set_count(set), request.protected);
		write_pages(self->map, set);
		EXPECT_LT(before, faults(self->fd));
		EXPECT_TRUE(were_dirty(self->fd, set));
	}
}

TEST_F_TIMEOUT(track, what_cannot_be_told_stays_dirty, 120)
{
	/* In memory that can only be read. */
	static const struct mmlens_dirty fixed = { .size = sizeof(fixed), .pages = PAGES };
	char *room = map_alone(RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 1, 0) + self->page;

	for_each_buffer(true) {
		struct mmlens_dirty request = { .size = sizeof(request), .pages = PAGES };
		__u64 set[SET_WORDS];

		set_choose(3, set);
		write_pages(self->map, set);
		EXPECT_EQ(-EFAULT, device_dirty(self->fd, 0, PAGES, 0, (void *)8, NULL));
		/* There is room for the first two words. */
		EXPECT_EQ(-EFAULT, device_dirty(self->fd, 0, PAGES, 0, (void *)(room - 16), NULL));
		EXPECT_TRUE(were_dirty(self->fd, set));
		/* Who tries again with the same struct asks for the same. */
		request.bitmap = 8;
		EXPECT_EQ(-1, ioctl(self->fd, MMLENS_IOC_DIRTY, &request));
		EXPECT_EQ(PAGES, request.pages);
		/* It goes on as ever. */
		write_pages(self->map, set);
		EXPECT_TRUE(were_dirty(self->fd, set));
		/* Nor if the answer has no place. */
		write_pages(self->map, set);
		EXPECT_EQ(-1, ioctl(self->fd, MMLENS_IOC_DIRTY, &fixed));
		EXPECT_EQ(EFAULT, errno);
		EXPECT_TRUE(were_dirty(self->fd, set));
	}
}

TEST_F_TIMEOUT(track, every_way_to_write_is_seen, 120)
{
	int pipes[2];

	ASSERT_EQ(0, pipe(pipes));
	for_each_buffer(true) {
		char *second, *at, bytes[] = "abc";
		struct iovec local = { .iov_base = bytes, .iov_len = 3 }, remote = local;
		__u64 set[SET_WORDS] = {};
		pid_t pid;

		/* The border between pages 63 and 64: all that copies, copies to both. */
		at = self->map + 64 * self->page - 1;
		set_add(set, 63);
		set_add(set, 64);
		for (int i = 0; i < 2; i++) {
			second = device_map(self->fd, RW, MAP_SHARED, PAGES - 60, 60);
			second[3 * self->page] = 1;
			EXPECT_TRUE(was_dirty(self->fd, 63));
			/* Neither mapping is left writable. */
			self->map[63 * self->page] = 1;
			EXPECT_TRUE(was_dirty(self->fd, 63));
			second[3 * self->page] = 1;
			EXPECT_TRUE(was_dirty(self->fd, 63));
			munmap(second, self->size - 60 * self->page);

			pid = fork();
			if (!pid) {
				memcpy(at, "abc", 3);
				_exit(0);
			}
			ASSERT_EQ(pid, waitpid(pid, NULL, 0));
			EXPECT_TRUE(were_dirty(self->fd, set));
			EXPECT_EQ(3, pwrite(self->fd, bytes, 3, 64 * self->page - 1));
			EXPECT_TRUE(were_dirty(self->fd, set));
			EXPECT_EQ(3, pwrite(self->mem, bytes, 3, (uintptr_t)at));
			EXPECT_TRUE(were_dirty(self->fd, set));
			ASSERT_EQ(3, write(pipes[1], bytes, 3));
			EXPECT_EQ(3, read(pipes[0], at, 3));
			EXPECT_TRUE(were_dirty(self->fd, set));
			remote.iov_base = at;
			EXPECT_EQ(is_normal(&self->combo) ? 3 : -1,
				  process_vm_writev(getpid(), &local, 1, &remote, 1, 0));
			EXPECT_TRUE(is_normal(&self->combo) ? were_dirty(self->fd, set) :
				    is_clean(self->fd));
		}
	}
}

TEST_F_TIMEOUT(track, direct_io_into_it_is_seen, 120)
{
	char name[] = "/var/tmp/mmlens-XXXXXX";
	char *page = aligned_alloc(self->page, self->page);
	int file = mkstemp(name);

	ASSERT_LE(0, file);
	unlink(name);
	ASSERT_EQ(0, ftruncate(file, self->page));
	if (fcntl(file, F_SETFL, O_DIRECT) ||
	    pread(file, page, self->page, 0) != (ssize_t)self->page)
		SKIP(return, "the file system has no direct I/O");
	for_each_buffer(true) {
		if (!is_normal(&self->combo))
			continue;
		for (int i = 0; i < 2; i++) {
			EXPECT_EQ((ssize_t)self->page,
				  pread(file, self->map + 77 * self->page, self->page, 0));
			EXPECT_TRUE(was_dirty(self->fd, 77));
		}
	}
}

TEST_F_TIMEOUT(track, private_copies_are_not_the_buffer, 120)
{
	for_each_buffer(true) {
		char *private;

		if (!can_be_private(&self->combo))
			continue;
		private = device_map(self->fd, RW, MAP_PRIVATE, PAGES, 0);
		ASSERT_NE(MAP_FAILED, private);
		read_pages(private);
		fill_pages(private, PAGES, 1);
		EXPECT_TRUE(is_clean(self->fd));
		/* A harvest leaves them alone. */
		self->map[5 * self->page] = 1;
		EXPECT_TRUE(was_dirty(self->fd, 5));
		EXPECT_TRUE(pages_have(private, PAGES, 1));
		munmap(private, self->size);
	}
}

TEST_F_TIMEOUT(track, writes_are_seen_after_a_change_of_rights_or_place, 120)
{
	char *room = map_alone(PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, PAGES, 0);

	for_each_buffer(true) {
		char *at;

		at = self->map + 64 * self->page;
		/* Harvested while it cannot be written, and afterwards. */
		for (int i = 0; i < 2; i++) {
			*at = 1;
			ASSERT_EQ(0, mprotect(at, self->page, PROT_READ));
			if (i)
				EXPECT_TRUE(was_dirty(self->fd, 64));
			ASSERT_EQ(0, mprotect(at, self->page, RW));
			if (!i)
				EXPECT_TRUE(was_dirty(self->fd, 64));
			*at = 1;
			EXPECT_TRUE(was_dirty(self->fd, 64));
			(void)*(volatile char *)at;
			ASSERT_EQ(0, mprotect(at, self->page, PROT_NONE));
			ASSERT_EQ(0, mprotect(at, self->page, RW));
			*at = 1;
			EXPECT_TRUE(was_dirty(self->fd, 64));
		}
		/* One page of the middle, to another address; dirty on the way, and clean. */
		for (int i = 0; i < 2; i++) {
			char *from = i ? room : at, *to = i ? at : room;

			*from = 1;
			ASSERT_EQ(to, mremap(from, self->page, self->page,
					     MREMAP_MAYMOVE | MREMAP_FIXED, to));
			EXPECT_TRUE(was_dirty(self->fd, 64));
			*to = 1;
			EXPECT_TRUE(was_dirty(self->fd, 64));
		}
	}
}

TEST_F(track, ranges_lie_inside)
{
	static const struct { size_t first, pages; } wrong[] = {
		{ 0, PAGES + 1 }, { 1, PAGES }, { PAGES, 1 }, { PAGES + 1, 0 }, { 0, SIZE_MAX },
		{ SIZE_MAX, 1 }, { SIZE_MAX, 0 }, { 2, SIZE_MAX - 1 }, { 1UL << 52, 1 },
	};
	int fd = device_make("vmalloc,track", PAGES);
	char *map = device_map(fd, RW, MAP_SHARED, PAGES, 0);

	map[0] = 1;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		EXPECT_EQ(-EINVAL, device_dirty(fd, wrong[i].first, wrong[i].pages, 0, NULL, NULL));
	EXPECT_TRUE(was_dirty(fd, 0));
	/* Without memory there is nothing to be told. */
	fd = device_make("vmalloc,track", 0);
	EXPECT_EQ(-EINVAL, device_dirty(fd, 0, 1, 0, NULL, NULL));
}

TEST_F_TIMEOUT(track, what_is_not_tracked_cannot_be_harvested, 120)
{
	for_each_buffer(false) {
		self->map[0] = 1;
		EXPECT_EQ(-EOPNOTSUPP, device_dirty(self->fd, 0, PAGES, 0, NULL, NULL));
		EXPECT_EQ(-EOPNOTSUPP, device_dirty(self->fd, 0, 0, MMLENS_DIRTY_PEEK, NULL, NULL));
	}
}

TEST_F_TIMEOUT(track, who_polls_is_woken_by_the_first_write, 120)
{
	for_each_buffer(true) {
		struct epoll_event edge = { .events = EPOLLPRI | EPOLLET }, got;
		struct pollfd level = { .fd = self->fd, .events = POLLPRI };
		int epoll = epoll_create1(0), status;

		ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, self->fd, &edge));
		for (int i = 0; i < 3; i++) {
			pid_t pid;

			EXPECT_EQ(0, poll(&level, 1, 0));
			EXPECT_EQ(0, epoll_wait(epoll, &got, 1, 0));
			pid = poll_in_child(self->fd, POLLPRI);
			self->map[i * self->page] = 1;
			ASSERT_EQ(pid, waitpid(pid, &status, 0));
			EXPECT_EQ(0, status);
			/* An edge is told of once, and what is so as long as it is. */
			EXPECT_EQ(1, epoll_wait(epoll, &got, 1, 0));
			EXPECT_EQ(EPOLLPRI, got.events);
			EXPECT_EQ(0, epoll_wait(epoll, &got, 1, 0));
			EXPECT_EQ(1, poll(&level, 1, 0));
			EXPECT_TRUE(was_dirty(self->fd, i));
		}
		close(epoll);
	}
}

TEST_F_TIMEOUT(track, a_write_is_told_to_one_of_two_harvesters, 120)
{
	for_each_buffer(true) {
		for (unsigned int seed = effort(kernel_is_slow() ? 5 : 20); seed; seed--) {
			__u64 written[SET_WORDS], told[2][SET_WORDS];

			set_choose(seed, written);
			write_pages(self->map, written);
			ASSERT_TRUE(harvest_by_two(self->fd, told));
			for (size_t word = 0; word < SET_WORDS; word++) {
				EXPECT_EQ(0, told[0][word] & told[1][word]);
				EXPECT_EQ(written[word], told[0][word] | told[1][word]);
			}
		}
	}
}

/*
 * Were a page's record cleared and its entry write-protected by steps of their own, a fault
 * could lie between: recorded before, and the entry made writable afterwards. All later
 * writes by that entry would be in no harvest, and the copy would stay behind for ever.
 */
TEST_F_TIMEOUT(track, no_write_is_lost, 300)
{
	/* An entry becomes writable by the core, with a page locked, or by a handler of ours. */
	static const char *const words[] = {
		"vmalloc,normal,lazy,track", "sparse,normal,around=8,track",
		"vmap,normal,around=8,track", "contig,normal,eager,track",
		"vmap,normal,remap,track", "vmalloc,pfnmap,lazy,track",
		"vmalloc,pfnmap,around=8,track", "vmap,pfnmap,eager,track",
		"contig,pfnmap,remap,track",
	};
	static const struct race_way ways[] = {
		{ race_store, false }, { race_drop, false }, { race_map, false },
		{ race_pwrite, false }, { race_store, true }, { race_move, true },
	};
	/*
	 * Entries have been copied twice, and each way has had a turn, after five, which take a
	 * slow kernel some seconds.
	 */
	const unsigned int least = kernel_is_slow() ? 5 : 8;
	const unsigned int rounds = least + effort(kernel_is_slow() ? 19 : 120);
	char *shadow = malloc(self->size);

	for (size_t i = 0; i < ARRAY_SIZE(words) && __test_passed(_metadata); i++) {
		int fd = device_make(words[i], PAGES);
		char *map = device_map(fd, RW, MAP_SHARED, PAGES, 0);
		struct racer *racers;
		unsigned int round;
		time_t end;

		ASSERT_NE(MAP_FAILED, map);
		memset(shadow, 0, self->size);
		racers = race_start(ways, ARRAY_SIZE(ways), fd, map);
		/* On a host that is busy with more, fewer are enough. */
		end = time(NULL) + effort(15);
		for (round = 0; round < rounds && (round < least || time(NULL) < end); round++) {
			/* Now and then entries are copied. */
			pid_t pid = round % 4 ? -1 : fork();

			if (!pid) {
				map[round * self->page + 64] = round + 1;
				_exit(0);
			}
			ASSERT_TRUE(harvest_follow(fd, map, shadow, round % PAGES));
			if (pid > 0)
				ASSERT_EQ(pid, waitpid(pid, NULL, 0));
		}
		EXPECT_TRUE(race_end(racers, ARRAY_SIZE(ways)));
		ASSERT_TRUE(harvest_follow(fd, map, shadow, 0));
		EXPECT_EQ(0, memcmp(shadow, map, self->size)) TH_LOG("%s", words[i]);
		EXPECT_TRUE(is_clean(fd));
		EXPECT_LT(racers->race->begun + round, racers->race->reached);
		munmap(map, self->size);
		close(fd);
	}
	free(shadow);
}

TEST_HARNESS_MAIN

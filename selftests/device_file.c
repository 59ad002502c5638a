// SPDX-License-Identifier: GPL-2.0
/* An open file of the device: read, write and their relatives. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/kinds.h"
#include "lib/lens.h"
#include "lib/look.h"
#include "lib/setups.h"
#include "lib/util.h"

FIXTURE(file)
{
	int fd;
	size_t page, size;
	char *map;	/* the whole buffer */
	char *memory;	/* as much of ordinary memory, the page behind which is PROT_NONE */
};

FIXTURE_SETUP(file)
{
	self->page = page_size();
	self->size = PAGES * self->page;
	self->fd = device_make("vmalloc,track", PAGES);
	ASSERT_LE(0, self->fd);
	self->map = device_map(self->fd, RW, MAP_SHARED, PAGES, 0);
	ASSERT_NE(MAP_FAILED, self->map);
	self->memory = map_alone(RW, ANON, -1, PAGES, 0);
}

FIXTURE_TEARDOWN(file)
{
}

#define EXPECT_ERROR(error, call) do { \
	errno = 0; \
	EXPECT_EQ(-1, (long)(call)); \
	EXPECT_EQ(error, errno); \
} while (0)

#define EXPECT_BYTES(bytes, call) EXPECT_EQ((ssize_t)(bytes), call)
#define ASSERT_BYTES(bytes, call) ASSERT_EQ((ssize_t)(bytes), call)

TEST_F(file, without_memory_is_empty_and_full)
{
	int fd = device_open(O_RDWR);

	EXPECT_EQ(0, read(fd, self->memory, 100));
	EXPECT_EQ(0, pread(fd, self->memory, 100, self->page));
	EXPECT_ERROR(ENOSPC, write(fd, self->memory, 100));
	EXPECT_ERROR(ENOSPC, pwrite(fd, self->memory, 1, self->page));
	EXPECT_EQ(0, lseek(fd, 0, SEEK_END));
	EXPECT_ERROR(EINVAL, lseek(fd, 1, SEEK_SET));
	EXPECT_ERROR(ENXIO, lseek(fd, 0, SEEK_DATA));
	EXPECT_ERROR(ENXIO, lseek(fd, 0, SEEK_HOLE));
	EXPECT_EQ(0, device_info(fd).bytes);
}

TEST_F(file, has_a_position_that_transfers_move)
{
	struct iovec two[] = {
		{ .iov_base = self->memory, .iov_len = 3 },
		{ .iov_base = self->memory + self->page, .iov_len = self->page },
	};

	EXPECT_BYTES(5, write(self->fd, "hello", 5));
	EXPECT_EQ(5, lseek(self->fd, 0, SEEK_CUR));
	EXPECT_BYTES(2, pwrite(self->fd, "HE", 2, 0));
	EXPECT_EQ(5, lseek(self->fd, 0, SEEK_CUR));
	EXPECT_EQ(1, lseek(self->fd, -4, SEEK_CUR));
	EXPECT_BYTES(4, read(self->fd, self->memory, 4));
	EXPECT_EQ(0, memcmp(self->memory, "Ello", 4));
	EXPECT_BYTES(2, pread(self->fd, self->memory, 2, 0));
	EXPECT_EQ(5, lseek(self->fd, 0, SEEK_CUR));
	/* In two parts, over the end of a page. */
	memcpy(two[0].iov_base, "abc", 3);
	memset(two[1].iov_base, 'd', self->page);
	EXPECT_BYTES(self->page + 3, writev(self->fd, two, 2));
	EXPECT_EQ((off_t)self->page + 8, lseek(self->fd, 0, SEEK_CUR));
	EXPECT_EQ(0, memcmp(self->map, "HElloabcd", 9));
	EXPECT_EQ('d', self->map[self->page + 7]);
	EXPECT_EQ(0, self->map[self->page + 8]);
	EXPECT_EQ(4, lseek(self->fd, 4, SEEK_SET));
	EXPECT_BYTES(self->page + 3, readv(self->fd, two, 2));
	EXPECT_EQ(0, memcmp(two[0].iov_base, "oab", 3));
	EXPECT_EQ(0, memcmp(two[1].iov_base, "cddd", 4));
	EXPECT_BYTES(0, write(self->fd, "", 0));
}

TEST_F(file, ends_where_the_buffer_does)
{
	EXPECT_EQ((off_t)self->size, lseek(self->fd, 0, SEEK_END));
	EXPECT_EQ(0, read(self->fd, self->memory, 1));
	EXPECT_ERROR(ENOSPC, write(self->fd, self->memory, 1));
	EXPECT_EQ((off_t)self->size - 7, lseek(self->fd, -7, SEEK_END));
	EXPECT_BYTES(7, read(self->fd, self->memory, 100));
	EXPECT_EQ(0, read(self->fd, self->memory, 100));
	EXPECT_EQ((off_t)self->size - 7, lseek(self->fd, -7, SEEK_END));
	EXPECT_BYTES(7, write(self->fd, "0123456789", 10));
	EXPECT_ERROR(ENOSPC, write(self->fd, "789", 3));
	EXPECT_EQ(0, memcmp(self->map + self->size - 7, "0123456", 7));
	EXPECT_EQ(0, pread(self->fd, self->memory, 1, 1ll << 40));
	EXPECT_ERROR(ENOSPC, pwrite(self->fd, self->memory, 1, 1ll << 40));
	EXPECT_ERROR(EINVAL, pread(self->fd, self->memory, 1, -1));
	EXPECT_EQ(self->size, device_info(self->fd).bytes);
}

TEST_F(file, has_the_rights_that_it_was_opened_with)
{
	int in = device_open(O_RDONLY), out = device_open(O_WRONLY);

	EXPECT_ERROR(EBADF, write(in, self->memory, 1));
	EXPECT_ERROR(EBADF, read(out, self->memory, 1));
	EXPECT_EQ(0, read(in, self->memory, 1));
	EXPECT_ERROR(ENOSPC, write(out, self->memory, 1));
}

TEST_F(file, goes_as_far_as_the_memory_is_good)
{
	char *last = self->memory + self->size - self->page, *bad = self->memory + self->size;

	memset(last, 7, self->page);
	EXPECT_BYTES(self->page, write(self->fd, last, 2 * self->page));
	EXPECT_EQ((off_t)self->page, lseek(self->fd, 0, SEEK_CUR));
	EXPECT_EQ(7, self->map[self->page - 1]);
	EXPECT_EQ(0, self->map[self->page]);
	EXPECT_BYTES(self->page, pread(self->fd, last, 2 * self->page, self->page));
	EXPECT_EQ(0, last[self->page - 1]);
	EXPECT_ERROR(EFAULT, pread(self->fd, bad, self->page, 0));
	EXPECT_ERROR(EFAULT, pwrite(self->fd, bad, self->page, 0));
	EXPECT_EQ(7, self->map[0]);
}

TEST_F(file, is_not_dirty_by_what_was_not_written)
{
	char *bad = self->memory + self->size;
	int sparse = device_make("sparse,track", PAGES);

	EXPECT_ERROR(EFAULT, pwrite(self->fd, bad, self->page, 0));
	EXPECT_EQ(0, device_info(self->fd).dirty_pages);
	EXPECT_ERROR(EFAULT, pwrite(sparse, bad, self->page, 0));
	EXPECT_EQ(0, device_info(sparse).allocated_pages);
	EXPECT_BYTES(2, pwrite(self->fd, "ab", 2, 2 * self->page - 1));
	EXPECT_EQ(2, device_info(self->fd).dirty_pages);
}

TEST_F(file, has_no_place_outside)
{
	EXPECT_ERROR(EINVAL, lseek(self->fd, self->size + 1, SEEK_SET));
	EXPECT_ERROR(EINVAL, lseek(self->fd, -1, SEEK_SET));
	EXPECT_ERROR(EINVAL, lseek(self->fd, 1, SEEK_END));
	EXPECT_ERROR(EINVAL, lseek(self->fd, -1 - (off_t)self->size, SEEK_END));
	EXPECT_ERROR(EINVAL, lseek(self->fd, -1, SEEK_CUR));
	EXPECT_ERROR(EINVAL, lseek(self->fd, 0, 99));
	EXPECT_ERROR(ENXIO, lseek(self->fd, -1, SEEK_DATA));
	EXPECT_ERROR(ENXIO, lseek(self->fd, -1, SEEK_HOLE));
	EXPECT_ERROR(ENXIO, lseek(self->fd, self->size, SEEK_DATA));
	EXPECT_ERROR(ENXIO, lseek(self->fd, self->size, SEEK_HOLE));
	/* None of these has moved it. */
	EXPECT_EQ(0, lseek(self->fd, 0, SEEK_CUR));
	/* All of it is data. */
	EXPECT_EQ(5, lseek(self->fd, 5, SEEK_DATA));
	EXPECT_EQ((off_t)self->size, lseek(self->fd, 5, SEEK_HOLE));
	EXPECT_EQ((off_t)self->size, lseek(self->fd, 0, SEEK_CUR));
}

TEST_F(file, of_sparse_memory_has_holes_where_nothing_was)
{
	int fd = device_make("sparse", PAGES);
	char *map = device_map(fd, RW, MAP_SHARED, PAGES, 0);
	off_t page = self->page;

	EXPECT_EQ(0, lseek(fd, 0, SEEK_HOLE));
	EXPECT_ERROR(ENXIO, lseek(fd, 0, SEEK_DATA));
	/* Reading the file makes nothing, and reading the mapping does. */
	memset(self->memory, 1, self->size);
	EXPECT_BYTES(self->size, pread(fd, self->memory, self->size, 0));
	EXPECT_TRUE(pages_are_zero(self->memory, PAGES));
	EXPECT_EQ(0, device_info(fd).allocated_pages);
	read_all(map + page, 1);
	write_all(map + 2 * page, 1);
	EXPECT_BYTES(2, pwrite(fd, "ab", 2, 6 * page - 1));
	EXPECT_EQ(4, device_info(fd).allocated_pages);
	/* Pages 1, 2, 5 and 6. */
	EXPECT_EQ(page, lseek(fd, 0, SEEK_DATA));
	EXPECT_EQ(page + 9, lseek(fd, page + 9, SEEK_DATA));
	EXPECT_EQ(3 * page, lseek(fd, page + 9, SEEK_HOLE));
	EXPECT_EQ(3 * page + 9, lseek(fd, 3 * page + 9, SEEK_HOLE));
	EXPECT_EQ(5 * page, lseek(fd, 3 * page + 9, SEEK_DATA));
	EXPECT_EQ(7 * page, lseek(fd, 5 * page, SEEK_HOLE));
	EXPECT_ERROR(ENXIO, lseek(fd, 7 * page, SEEK_DATA));
	EXPECT_BYTES(1, pwrite(fd, "c", 1, 8 * page - 1));
	EXPECT_EQ(8 * page, lseek(fd, 7 * page, SEEK_HOLE));
	EXPECT_EQ('b', map[6 * page]);
	EXPECT_EQ(1, map[2 * page]);
	EXPECT_EQ(0, map[page]);
}

TEST_F(file, agrees_with_its_mappings_whatever_it_is)
{
	struct combo combo;

	for_each_combo(&combo) {
		size_t pages = combo.strategy == MMLENS_STRATEGY_HUGE ? pmd_size() / self->page : 5;
		size_t size = pages * self->page, from = size - self->page - 3;
		int fd = device_make(combo.words, pages);
		char *map, *copy = malloc(size);

		if (fd == -ENOMEM && combo.backing == MMLENS_BACKING_CONTIG)
			continue;
		ASSERT_LE(0, fd);
		map = device_map(fd, RW, MAP_SHARED, pages, 0);
		ASSERT_NE(MAP_FAILED, map);
		/* Either is first once. */
		fill_pages(map, pages, 1);
		EXPECT_BYTES(size, pread(fd, copy, size, 0));
		EXPECT_TRUE(pages_have(copy, pages, 1));
		fill_pages(copy, pages, 2);
		EXPECT_BYTES(size, pwrite(fd, copy, size, 0));
		EXPECT_TRUE(pages_have(map, pages, 2));
		EXPECT_BYTES(6, pwrite(fd, "middle", 6, from));
		EXPECT_EQ(0, memcmp(map + from, "middle", 6));
		free(copy);
		munmap(map, size);
		close(fd);
	}
}

TEST_F(file, can_be_copied_into_its_own_mapping)
{
	static const char *const words[] = {
		"vmalloc,track", "vmap,pfnmap,track", "vmap,pfnmap,around=8,track", "vmap,mixed",
		"sparse,track", "vmalloc,around=8,track",
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		int fd = device_make(words[i], 2 * PAGES);
		char *map = device_map(fd, RW, MAP_SHARED, 2 * PAGES, 0);

		/* Nothing is mapped: the faults are those of the copying. */
		ASSERT_BYTES(self->size, read(fd, map, self->size)) TH_LOG("%s", words[i]);
		ASSERT_BYTES(self->size, write(fd, map + self->size, self->size));
		fill_pages(map, PAGES, 3);
		/* By one step, into what is being read; and back. */
		EXPECT_BYTES(self->size, pread(fd, map + self->size, self->size, 0));
		EXPECT_TRUE(pages_have(map + self->size, PAGES, 3)) TH_LOG("%s", words[i]);
		munmap(map, 2 * self->size);
		map = device_map(fd, RW, MAP_SHARED, 2 * PAGES, 0);
		EXPECT_BYTES(self->size, pwrite(fd, map, self->size, self->size));
		EXPECT_BYTES(self->size, pwrite(fd, map, self->size, 0));
		EXPECT_TRUE(pages_have(map + self->size, PAGES, 3));
		EXPECT_TRUE(pages_have(map, PAGES, 3));
		close(fd);
	}
}

TEST_F(file, can_be_spliced)
{
	int pipes[2], out = make_file("/tmp/mmlens-file", 0);
	size_t bytes = 2 * self->page + 5;
	loff_t from = self->page - 1, to = 3;
	struct iovec iov = { .iov_base = self->memory, .iov_len = bytes };

	unlink("/tmp/mmlens-file");
	ASSERT_EQ(0, pipe(pipes));
	fill_pages(self->map, PAGES, 1);
	ASSERT_BYTES(bytes, splice(self->fd, &from, pipes[1], NULL, bytes, 0));
	EXPECT_EQ((loff_t)(self->page - 1 + bytes), from);
	EXPECT_BYTES(bytes, read(pipes[0], self->memory, bytes));
	EXPECT_EQ(0, memcmp(self->map + self->page - 1, self->memory, bytes));
	/* The pages of memory themselves, to a place where they do not fit. */
	ASSERT_BYTES(bytes, vmsplice(pipes[1], &iov, 1, 0));
	ASSERT_BYTES(bytes, splice(pipes[0], NULL, self->fd, &to, bytes, 0));
	EXPECT_EQ((loff_t)(3 + bytes), to);
	EXPECT_EQ(0, memcmp(self->map + 3, self->memory, bytes));
	/* All of it, to a file and back. */
	fill_pages(self->map, PAGES, 2);
	ASSERT_BYTES(self->size, sendfile(out, self->fd, NULL, 2 * self->size));
	EXPECT_EQ((off_t)self->size, lseek(self->fd, 0, SEEK_CUR));
	memset(self->map, 0, self->size);
	lseek(self->fd, 0, SEEK_SET);
	lseek(out, 0, SEEK_SET);
	ASSERT_BYTES(self->size, sendfile(self->fd, out, NULL, 2 * self->size));
	EXPECT_TRUE(pages_have(self->map, PAGES, 2));
	/* At the end there is no more, and no room. */
	EXPECT_EQ(0, sendfile(out, self->fd, NULL, 1));
	ASSERT_EQ(1, write(pipes[1], "x", 1));
	EXPECT_ERROR(ENOSPC, splice(pipes[0], NULL, self->fd, NULL, 1, 0));
	close(out);
}

TEST_F(file, has_each_byte_where_it_belongs)
{
	const size_t size = 1 << 20;
	char *model = calloc(1, size), *part = malloc(size);
	int fd = device_make("vmap,track", size / self->page);
	char *map = device_map(fd, PROT_READ, MAP_SHARED, size / self->page, 0);

	srand(1);
	for (int i = effort(200); i; i--) {
		size_t at = rand() % size, len = rand() % (i % 4 ? 3 * self->page : size - at) | 1;

		len = len < size - at ? len : size - at;
		if (i % 2) {
			ASSERT_BYTES(len, pread(fd, part, len, at));
			ASSERT_EQ(0, memcmp(model + at, part, len)) TH_LOG("%zu at %zu", len, at);
			continue;
		}
		for (size_t j = 0; j < len; j++)
			part[j] = rand();
		memcpy(model + at, part, len);
		ASSERT_BYTES(len, pwrite(fd, part, len, at));
	}
	EXPECT_EQ(0, memcmp(model, map, size));
	ASSERT_BYTES(size, pread(fd, part, size, 0));
	EXPECT_EQ(0, memcmp(model, part, size));
}

TEST_F(file, is_always_ready_and_has_nothing_to_sync)
{
	struct pollfd poller = { .events = POLLIN | POLLOUT | POLLHUP };
	int empty = device_open(O_RDWR);

	for (int i = 0; i < 2; i++) {
		poller.fd = i ? empty : self->fd;
		EXPECT_EQ(1, poll(&poller, 1, 0));
		EXPECT_EQ(POLLIN | POLLOUT, poller.revents);
		EXPECT_EQ(0, fsync(poller.fd));
		EXPECT_EQ(0, fdatasync(poller.fd));
	}
	write_all(self->map, PAGES);
	EXPECT_EQ(0, msync(self->map, self->size, MS_SYNC));
	EXPECT_EQ(0, fsync(self->fd));
	/* Not even revoked. */
	ASSERT_EQ(0, device_revoke(self->fd, 0));
	poller.fd = self->fd;
	EXPECT_EQ(1, poll(&poller, 1, 0));
	EXPECT_EQ(POLLIN | POLLOUT | POLLERR, poller.revents);
	EXPECT_ERROR(EIO, read(self->fd, self->memory, 1));
	EXPECT_ERROR(EIO, write(self->fd, self->memory, 1));
	EXPECT_EQ(0, lseek(self->fd, 0, SEEK_CUR));
}

struct worker {
	int fd;
	char byte;	/* to write all the time; 0: read */
	volatile bool stop;
	size_t rounds;
	int wrong;	/* errno, or -1 for something that nobody has written */
};

static void *work(void *arg)
{
	struct worker *me = arg;
	size_t size = PAGES * page_size();
	char *part = malloc(size);

	for (; !me->stop && !me->wrong; me->rounds++) {
		ssize_t done;

		if (me->byte) {
			memset(part, me->byte, size);
			done = pwrite(me->fd, part, size, 0);
		} else {
			done = pread(me->fd, part, size, 0);
		}
		if (done != (ssize_t)size)
			me->wrong = done < 0 ? errno : -1;
		for (size_t i = 0; i < size; i++)
			if (part[i] && part[i] != 'a' && part[i] != 'b')
				me->wrong = -1;
	}
	free(part);
	return NULL;
}

TEST_F(file, is_read_and_written_by_many_at_once)
{
	struct worker workers[4] = { { .byte = 'a' }, { .byte = 'b' } };
	pthread_t threads[4];
	const __u64 times = effort(300);
	__u64 dirty;

	for (int i = 0; i < 4; i++) {
		workers[i].fd = self->fd;
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, work, &workers[i]));
	}
	while (device_done(self->fd, MMLENS_OP_READ) < times ||
	       device_done(self->fd, MMLENS_OP_WRITE) < times)
		EXPECT_EQ(0, device_dirty(self->fd, 0, PAGES, 0, NULL, &dirty));
	for (int i = 0; i < 4; i++) {
		workers[i].stop = true;
		pthread_join(threads[i], NULL);
		EXPECT_EQ(0, workers[i].wrong);
	}
	EXPECT_EQ(workers[2].rounds + workers[3].rounds, device_done(self->fd, MMLENS_OP_READ));
	EXPECT_EQ(workers[0].rounds + workers[1].rounds, device_done(self->fd, MMLENS_OP_WRITE));
}

/* By its name among the descriptors, which makes another buffer, and by its number. */
static void *read_what_is_there(void *arg)
{
	struct worker *me = arg;
	char name[32], byte;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", me->fd);
	for (; !me->stop && !me->wrong; me->rounds++) {
		int again = open(name, O_RDWR);

		if (again < 0 ? errno != ENOENT : read(again, &byte, 1) != 0)
			me->wrong = again < 0 ? errno : -1;
		if (again >= 0)
			close(again);
		if (pread(me->fd, &byte, 1, 0) != 1 ? errno != EBADF : byte != 'x')
			me->wrong = -1;
	}
	return NULL;
}

TEST_F(file, can_be_closed_while_it_is_read)
{
	const int number = 500;
	const size_t rounds = effort(300);
	struct worker reader = { .fd = number };
	__u64 before = device_info(self->fd).id;
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, read_what_is_there, &reader));
	for (size_t i = 0; i < rounds || (reader.rounds < rounds && !reader.wrong); i++) {
		int fd = device_make("sparse", 1);

		ASSERT_EQ(1, pwrite(fd, "x", 1, 0));
		ASSERT_EQ(number, dup2(fd, number));
		close(fd);
		sched_yield();
		close(number);
	}
	reader.stop = true;
	pthread_join(thread, NULL);
	EXPECT_EQ(0, reader.wrong);
	EXPECT_LT(before + rounds, device_info(device_open(O_RDWR)).id);
}

TEST_HARNESS_MAIN

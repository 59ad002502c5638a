// SPDX-License-Identifier: GPL-2.0
/* Faults of the device: what they leave in the tables, under load, and by the kernel's own hand. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "lib/compare.h"
#include "lib/device.h"
#include "lib/util.h"

#define RW (PROT_READ | PROT_WRITE)

/* The entry of this process at @p, as text "kind rwx"; "none" without one. */
static const char *entry_at(void *p)
{
	static char text[32];
	struct lens_table table;
	const struct lens_entry *e;

	if (lens_entries(0, &table))
		return lens_error;
	e = lens_find(&table, (uintptr_t)p);
	snprintf(text, sizeof(text), "%s", e ? e->rwx : "none");
	lens_table_free(&table);
	return text;
}

static uint64_t frame_at(void *p)
{
	struct lens_table table;
	const struct lens_entry *e;
	uint64_t pfn;

	if (lens_entries(0, &table))
		return 0;
	e = lens_find(&table, (uintptr_t)p);
	pfn = e ? e->pfn : 0;
	lens_table_free(&table);
	return pfn;
}

FIXTURE(fault)
{
	int fd;
	size_t page;
	char *map;
};

#define PAGES 16

FIXTURE_SETUP(fault)
{
	self->page = page_size();
	self->fd = device_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	self->map = device_map(self->fd, RW, MAP_SHARED, PAGES, 0);
	ASSERT_NE(MAP_FAILED, self->map);
}

FIXTURE_TEARDOWN(fault)
{
}

TEST_F(fault, entry_is_read_only_until_the_first_write)
{
	volatile char *p = self->map + 3 * self->page;
	uint64_t frame;

	EXPECT_STREQ("none", entry_at((void *)p));
	(void)*p;
	EXPECT_STREQ("r--", entry_at((void *)p));
	frame = frame_at((void *)p);
	*p = 1;
	EXPECT_STREQ("rw-", entry_at((void *)p));
	/* The same page all the time. */
	EXPECT_EQ(frame, frame_at((void *)p));
	EXPECT_STREQ("none", entry_at(self->map + 4 * self->page));
}

TEST_F(fault, entry_of_a_private_mapping_is_replaced)
{
	volatile char *p = device_map(self->fd, RW, MAP_PRIVATE, PAGES, 0);
	uint64_t frame;

	(void)*p;
	(void)*(volatile char *)self->map;
	EXPECT_STREQ("r--", entry_at((void *)p));
	frame = frame_at((void *)p);
	EXPECT_EQ(frame_at(self->map), frame);
	*p = 1;
	EXPECT_STREQ("rw-", entry_at((void *)p));
	EXPECT_NE(frame, frame_at((void *)p));
	EXPECT_EQ(frame_at(self->map), frame);
}

TEST_F(fault, the_kernel_writes_into_a_mapping)
{
	int file = open("/dev/urandom", O_RDONLY), pipes[2];
	char *copy = malloc(PAGES * self->page);
	size_t bytes = PAGES * self->page;

	/* read(): the fault is the kernel's, on pages never touched. */
	ASSERT_EQ(bytes, (size_t)read(file, self->map, bytes));
	EXPECT_EQ(PAGES, device_done(self->fd, MMLENS_OP_PAGE_MKWRITE));
	memcpy(copy, self->map, bytes);
	EXPECT_EQ(0, memcmp(copy, device_map(self->fd, PROT_READ, MAP_SHARED, PAGES, 0), bytes));
	/* And reads from it: write() to a pipe, by reference too. */
	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ(self->page, (size_t)write(pipes[1], self->map, self->page));
	{
		struct iovec iov = { .iov_base = self->map + self->page, .iov_len = self->page };
		char *back = malloc(2 * self->page);

		ASSERT_EQ(self->page, (size_t)vmsplice(pipes[1], &iov, 1, 0));
		/* The page goes, the reference stays. */
		munmap(self->map, PAGES * self->page);
		ASSERT_EQ(self->page, (size_t)read(pipes[0], back, self->page));
		ASSERT_EQ(self->page, (size_t)read(pipes[0], back + self->page, self->page));
		EXPECT_EQ(0, memcmp(copy, back, 2 * self->page));
	}
}

TEST_F(fault, direct_io_into_a_mapping)
{
	char name[] = "/var/tmp/mmlens-XXXXXX";
	char *pattern;
	int file = mkstemp(name);

	ASSERT_LE(0, file);
	unlink(name);
	ASSERT_EQ(0, posix_memalign((void **)&pattern, self->page, PAGES * self->page));
	memset(pattern, 0x77, PAGES * self->page);
	ASSERT_EQ(PAGES * self->page, (size_t)write(file, pattern, PAGES * self->page));
	fsync(file);
	if (fcntl(file, F_SETFL, O_DIRECT) ||
	    pread(file, pattern, self->page, 0) != (ssize_t)self->page)
		SKIP(return, "the file system has no direct I/O");
	ASSERT_EQ(PAGES * self->page, (size_t)pread(file, self->map, PAGES * self->page, 0));
	EXPECT_EQ(0, memcmp(pattern, self->map, self->page));
	EXPECT_EQ(PAGES, device_done(self->fd, MMLENS_OP_PAGE_MKWRITE));
	fill_pages(self->map, PAGES, 1);
	ASSERT_EQ(PAGES * self->page, (size_t)pwrite(file, self->map, PAGES * self->page, 0));
	memset(self->map, 0, PAGES * self->page);
	ASSERT_EQ(PAGES * self->page, (size_t)pread(file, self->map, PAGES * self->page, 0));
	EXPECT_TRUE(pages_have(self->map, PAGES, 1));
}

TEST_F(fault, another_process_reads_and_writes_it)
{
	char *buffer = malloc(PAGES * self->page);
	struct iovec local = { .iov_base = buffer, .iov_len = PAGES * self->page };
	struct iovec remote = { .iov_base = self->map, .iov_len = PAGES * self->page };
	int mem = open("/proc/self/mem", O_RDWR);
	char byte = 7;

	ASSERT_EQ((ssize_t)local.iov_len, process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
	EXPECT_TRUE(pages_are_zero(buffer, PAGES));
	fill_pages(buffer, PAGES, 3);
	ASSERT_EQ((ssize_t)local.iov_len, process_vm_writev(getpid(), &local, 1, &remote, 1, 0));
	EXPECT_TRUE(pages_have(self->map, PAGES, 3));
	ASSERT_EQ(1, pwrite(mem, &byte, 1, (uintptr_t)self->map));
	EXPECT_EQ(7, self->map[0]);
	byte = 0;
	ASSERT_EQ(1, pread(mem, &byte, 1, (uintptr_t)self->map));
	EXPECT_EQ(7, byte);
	/* By force: not into what the process shares and may not write. */
	ASSERT_EQ(0, mprotect(self->map, self->page, PROT_READ));
	EXPECT_EQ(-1, pwrite(mem, &byte, 1, (uintptr_t)self->map));
}

#define THREADS 8

struct storm {
	char *map;
	pthread_barrier_t barrier;
	int fd;
	volatile bool stop;
};

struct storm_thread {
	pthread_t id;
	struct storm *storm;
	unsigned int number, rounds;
};

/* All write to all pages at once, each its own word: whose first write it is, is a race. */
static void *write_all(void *arg)
{
	struct storm_thread *me = arg;

	for (unsigned int round = 0; round < me->rounds; round++) {
		pthread_barrier_wait(&me->storm->barrier);
		for (size_t i = 0; i < PAGES; i++) {
			volatile unsigned int *word = (void *)(me->storm->map + i * page_size());

			word[me->number] += round + 1;
		}
		pthread_barrier_wait(&me->storm->barrier);
		/* Mapped anew for the next round. */
		if (!me->number)
			madvise(me->storm->map, PAGES * page_size(), MADV_DONTNEED);
	}
	return NULL;
}

TEST_F_TIMEOUT(fault, no_write_is_lost_in_a_storm, 120)
{
	struct storm storm = { .map = self->map };
	struct storm_thread threads[THREADS];
	const unsigned int rounds = effort(40);
	__u64 first_writes;

	pthread_barrier_init(&storm.barrier, NULL, THREADS);
	for (int i = 0; i < THREADS; i++) {
		threads[i] = (struct storm_thread) {
			.storm = &storm, .number = i, .rounds = rounds,
		};
		ASSERT_EQ(0, pthread_create(&threads[i].id, NULL, write_all, &threads[i]));
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i].id, NULL);
	for (size_t page = 0; page < PAGES; page++)
		for (int i = 0; i < THREADS; i++)
			EXPECT_EQ(rounds * (rounds + 1) / 2,
				  ((unsigned int *)(self->map + page * self->page))[i]);
	/* At least one for each page and round, and not one for each access. */
	first_writes = device_done(self->fd, MMLENS_OP_PAGE_MKWRITE);
	EXPECT_LE(PAGES * rounds, first_writes);
	EXPECT_GE(PAGES * rounds * THREADS, first_writes);
	EXPECT_EQ(0, device_op(self->fd, MMLENS_OP_FAULT).outcome[MMLENS_OUTCOME_SIGBUS]);
}

static void *touch_for_ever(void *arg)
{
	struct storm *storm = arg;
	unsigned int random = 1;

	while (!storm->stop) {
		size_t page = (random = random * 1664525 + 1013904223) % PAGES;
		char *map = storm->map + page * page_size();

		*(volatile char *)map = 1;
		if (random & 0x10000)
			madvise(map, page_size(), MADV_DONTNEED);
	}
	return NULL;
}

TEST_F_TIMEOUT(fault, forks_while_threads_fault, 120)
{
	struct storm storm = { .map = self->map };
	const int rounds = effort(100);
	pthread_t threads[2];

	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, touch_for_ever, &storm));
	for (int i = 0; i < rounds; i++) {
		pid_t pid = fork();

		if (!pid) {
			for (size_t page = 0; page < PAGES; page++)
				self->map[page * self->page + 1]++;
			_exit(0);
		}
		ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	}
	storm.stop = true;
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(1, device_info(self->fd).mappings);
	for (size_t page = 0; page < PAGES; page++)
		EXPECT_EQ(rounds, self->map[page * self->page + 1]);
}

TEST_F_TIMEOUT(fault, killed_while_threads_fault, 120)
{
	for (int i = effort(30); i; i--) {
		struct storm storm = { .map = self->map };
		pid_t pid = fork();

		if (!pid) {
			pthread_t thread;

			pthread_create(&thread, NULL, touch_for_ever, &storm);
			touch_for_ever(&storm);
		}
		usleep(1000 * (i % 7));
		kill(pid, SIGKILL);
		ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	}
	/* They left nothing, and no page locked. */
	EXPECT_EQ(1, device_info(self->fd).mappings);
	fill_pages(self->map, PAGES, 9);
	EXPECT_TRUE(pages_have(self->map, PAGES, 9));
}

TEST_F(fault, tables_agree_with_pagemap)
{
	char *private = device_map(self->fd, RW, MAP_PRIVATE, PAGES, 0);
	pid_t target;

	fill_pages(self->map, PAGES / 2, 1);
	fill_pages(private, PAGES / 4, 1);
	target = fork();
	if (!target) {
		(void)*(volatile char *)self->map;
		(void)*(volatile char *)private;
		target_stop();
		_exit(0);
	}
	ASSERT_EQ(target, waitpid(target, NULL, WUNTRACED));
	ASSERT_EQ(0, lens_attach(target));
	EXPECT_EQ(0, compare_vmas(target)) TH_LOG("%s", compare_message);
	EXPECT_EQ(0, compare_entries(target)) TH_LOG("%s", compare_message);
	EXPECT_EQ(0, compare_pagetable(target)) TH_LOG("%s", compare_message);
	EXPECT_EQ(0, lens_detach(target));
	target_end(target);
}

TEST_HARNESS_MAIN

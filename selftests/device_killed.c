// SPDX-License-Identifier: GPL-2.0
/* Those who are killed while they wait in a fault. */
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/util.h"

#define RW (PROT_READ | PROT_WRITE)

FIXTURE(dying)
{
};

FIXTURE_SETUP(dying)
{
}

FIXTURE_TEARDOWN(dying)
{
}

/* Faults in kernel mode for ever, each time with nothing mapped there. */
static void fault_in_the_kernel(char *p)
{
	for (;;) {
		madvise(p, page_size(), MADV_DONTNEED);
		/* One store of one word. */
		syscall(SYS_getcpu, p, NULL, NULL);
	}
}

static void map_for_ever(int fd, size_t pages)
{
	for (;;) {
		void *map = device_map(fd, RW, MAP_SHARED, pages, 0);

		if (map == MAP_FAILED || munmap(map, pages * page_size()))
			_exit(1);
	}
}

struct restorer {
	_Atomic bool stop;
	int fd, error;
};

static void *restore_for_ever(void *arg)
{
	struct restorer *me = arg;

	while (!me->stop && !me->error)
		me->error = device_restore(me->fd);
	return NULL;
}

/*
 * Who waits in the kernel for its turn, and is killed, does not come back to ask again and
 * again: with a real-time class it would keep those from running that it waits for. A mapping
 * that is filled by mmap() keeps RESTORE waiting, and that the faults.
 */
TEST_F_TIMEOUT(dying, faults_in_the_kernel_no_more, 300)
{
	const size_t pages = (8 << 20) / page_size();
	struct restorer restorer = { .fd = device_make("vmap,mixed,eager", pages) };
	int kills = effort(100);
	__u64 killed = 0;
	pthread_t thread;
	pid_t mapper;
	char *map;

	ASSERT_LE(0, restorer.fd);
	map = device_map(restorer.fd, RW, MAP_SHARED, pages, 0);
	ASSERT_NE(MAP_FAILED, map);
	mapper = child_fork();
	if (!mapper)
		map_for_ever(restorer.fd, pages);
	ASSERT_EQ(0, pthread_create(&thread, NULL, restore_for_ever, &restorer));
	for (int i = 0; i < kills || !killed; i++) {
		__u64 before = killed;
		pid_t pid = child_fork();
		int status;

		if (!pid)
			fault_in_the_kernel(map);
		usleep(2000 + 500 * (i % 8));
		kill(pid, SIGKILL);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_EQ(SIGKILL, status);
		killed = device_op(restorer.fd, MMLENS_OP_FAULT).outcome[MMLENS_OUTCOME_KILLED];
		ASSERT_LE(killed, before + 1);
	}
	restorer.stop = true;
	pthread_join(thread, NULL);
	EXPECT_EQ(0, restorer.error);
	EXPECT_EQ(0, waitpid(mapper, NULL, WNOHANG));
	target_end(mapper);
	EXPECT_EQ(1, device_info(restorer.fd).mappings);
	fill_pages(map, pages, 3);
	EXPECT_TRUE(pages_have(map, pages, 3));
}

/* Stores to a page each time that it is found clean. */
static void *write_for_ever(void *page)
{
	for (;;)
		++*(volatile char *)page;
	return NULL;
}

/*
 * Who waits for a page to become writable, and is killed because another thread executes a
 * program, leaves to that program what is to be done with SIGBUS. There are so many mappings
 * that it takes its time to protect them all, with the page locked.
 */
TEST_F_TIMEOUT(dying, takes_no_signal_from_an_exec, 300)
{
	int fd = device_make("vmalloc,track", 1), times = effort(100);
	char *map, *maps[1000];
	bool was_killed = false;
	__u64 word;

	ASSERT_LE(0, fd);
	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		maps[i] = device_map(fd, RW, MAP_SHARED, 1, 0);
		ASSERT_NE(MAP_FAILED, maps[i]);
		maps[i][0] = 1;
	}
	map = maps[0];
	for (int i = 0; i < times || !was_killed; i++) {
		pid_t pid = child_fork();
		int status = 0;

		if (!pid) {
			pthread_t thread;

			signal(SIGBUS, SIG_IGN);
			if (pthread_create(&thread, NULL, write_for_ever, map))
				_exit(2);
			usleep(2000 + 500 * (i % 8));
			/* Of itself. */
			execlp("grep", "grep", "-q", "^SigIgn:.*4.$", "/proc/self/status", NULL);
			_exit(3);
		}
		while (!waitpid(pid, &status, WNOHANG))
			ASSERT_EQ(0, device_dirty(fd, 0, 1, 0, &word, NULL));
		ASSERT_EQ(0, status);
		was_killed =
			device_op(fd, MMLENS_OP_PAGE_MKWRITE).outcome[MMLENS_OUTCOME_KILLED];
	}
	for (size_t i = 0; i < ARRAY_SIZE(maps); i++)
		munmap(maps[i], page_size());
	close(fd);
}

TEST_HARNESS_MAIN

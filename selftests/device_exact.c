// SPDX-License-Identifier: GPL-2.0
/*
 * What is promised to be exact, while everything else goes on: no write is lost by a
 * harvest, and nothing is reached after a revocation.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/setups.h"
#include "lib/util.h"

#define RW (PROT_READ | PROT_WRITE)
#define PAGES 96
#define WRITERS 3

/* Shared by all processes of a test. */
struct shared {
	_Atomic bool stop;
	/* Odd from when REVOKE has returned until RESTORE is about to be called. */
	_Atomic unsigned long sequence;
	_Atomic unsigned long reached, refused, holes;
};

static struct shared *make_shared(void)
{
	return mmap(NULL, sizeof(struct shared), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

FIXTURE(exact)
{
	struct shared *shared;
	int fd;
	char *map;
	size_t size;
};

FIXTURE_VARIANT(exact)
{
	const char *words;
};

FIXTURE_VARIANT_ADD(exact, lazy)
{
	.words = "vmalloc,normal,lazy,track",
};

FIXTURE_VARIANT_ADD(exact, around)
{
	.words = "vmap,normal,around=8,track",
};

FIXTURE_VARIANT_ADD(exact, eager)
{
	.words = "contig,normal,eager,track",
};

FIXTURE_VARIANT_ADD(exact, remap)
{
	.words = "vmap,normal,remap,track",
};

FIXTURE_VARIANT_ADD(exact, sparse)
{
	.words = "sparse,normal,around=4,track",
};

FIXTURE_VARIANT_ADD(exact, frames)
{
	.words = "vmalloc,pfnmap,lazy,track",
};

FIXTURE_VARIANT_ADD(exact, frames_around)
{
	.words = "vmap,pfnmap,around=16,track",
};

FIXTURE_VARIANT_ADD(exact, frames_eager)
{
	.words = "vmap,pfnmap,eager,track",
};

FIXTURE_VARIANT_ADD(exact, frames_remap)
{
	.words = "contig,pfnmap,remap,track",
};

FIXTURE_SETUP(exact)
{
	self->shared = make_shared();
	ASSERT_NE(MAP_FAILED, self->shared);
	self->size = PAGES * page_size();
	self->fd = device_make(variant->words, PAGES);
	ASSERT_LE(0, self->fd) TH_LOG("%s: %s", variant->words, strerror(-self->fd));
	self->map = device_map(self->fd, RW, MAP_SHARED, PAGES, 0);
	ASSERT_NE(MAP_FAILED, self->map);
}

FIXTURE_TEARDOWN(exact)
{
}

struct writer {
	pthread_t id;
	struct shared *shared;
	char *map;
	unsigned int number;
};

static unsigned int next_random(unsigned int *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

/* Each writer has a word of its own in each page, which it only ever makes larger. */
static void *write_for_ever(void *arg)
{
	struct writer *me = arg;
	unsigned int random = me->number + 1, value = 0;

	while (!atomic_load(&me->shared->stop)) {
		size_t page = next_random(&random) % PAGES;
		volatile unsigned int *word = (void *)(me->map + page * page_size());

		word[me->number] = ++value;
	}
	return NULL;
}

static pid_t fork_writer(struct writer *writer)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		write_for_ever(writer);
		_exit(0);
	}
	return pid;
}

/* Copies the pages that were written since the last time. Says how many. */
static long follow(int fd, const char *map, char *shadow)
{
	__u64 bitmap[(PAGES + 63) / 64], dirty;

	if (device_dirty(fd, 0, PAGES, 0, bitmap, &dirty))
		return -1;
	for (size_t i = 0; i < PAGES; i++)
		if (bitmap[i / 64] >> i % 64 & 1)
			memcpy(shadow + i * page_size(), map + i * page_size(), page_size());
	return dirty;
}

/*
 * Were the record of a page cleared before a fault has made its entry writable, and
 * the entry write-protected before that as well, the later writes by that entry would
 * be in no harvest, and the copy would stay behind.
 */
TEST_F_TIMEOUT(exact, no_write_is_lost, 120)
{
	struct writer writers[WRITERS + 1];
	char *shadow = calloc(1, self->size);
	const int rounds = kernel_is_slow() ? 60 : 300;
	unsigned long pages = 0;
	pid_t child;

	for (unsigned int i = 0; i <= WRITERS; i++)
		writers[i] = (struct writer) {
			.shared = self->shared, .map = self->map, .number = i,
		};
	child = fork_writer(&writers[WRITERS]);
	ASSERT_LT(0, child);
	for (unsigned int i = 0; i < WRITERS; i++)
		ASSERT_EQ(0, pthread_create(&writers[i].id, NULL, write_for_ever, &writers[i]));
	for (int round = 0; round < rounds; round++) {
		long dirty = follow(self->fd, self->map, shadow);

		ASSERT_LE(0, dirty);
		pages += dirty;
		/* Entries are copied, and pages mapped anew, in between. */
		if (round % 16 == 0) {
			pid_t pid = fork();

			if (!pid) {
				self->map[round % PAGES * page_size() + 64] = 1;
				_exit(0);
			}
			ASSERT_EQ(pid, waitpid(pid, NULL, 0));
		}
		if (round % 16 == 8)
			madvise(self->map, self->size, MADV_DONTNEED);
	}
	atomic_store(&self->shared->stop, true);
	for (unsigned int i = 0; i < WRITERS; i++)
		pthread_join(writers[i].id, NULL);
	ASSERT_EQ(child, waitpid(child, NULL, 0));
	ASSERT_LE(0, follow(self->fd, self->map, shadow));
	EXPECT_EQ(0, memcmp(shadow, self->map, self->size));
	EXPECT_EQ(0, follow(self->fd, self->map, shadow));
	/* There was something to lose. */
	EXPECT_LT(rounds, pages);
	free(shadow);
}

/* Of two that harvest at a time, one gets each page that was written before. */
struct harvester {
	pthread_t id;
	pthread_barrier_t *barrier;
	int fd, rounds;
	unsigned long found;
};

static void *harvest(void *arg)
{
	struct harvester *me = arg;

	for (int round = 0; round < me->rounds; round++) {
		__u64 dirty = 0;

		pthread_barrier_wait(me->barrier);
		if (device_dirty(me->fd, 0, PAGES, 0, NULL, &dirty))
			abort();
		me->found += dirty;
		pthread_barrier_wait(me->barrier);
	}
	return NULL;
}

TEST_F_TIMEOUT(exact, two_harvests_share_what_there_is, 120)
{
	struct harvester harvesters[2];
	const int rounds = kernel_is_slow() ? 10 : 50;
	pthread_barrier_t barrier;

	pthread_barrier_init(&barrier, NULL, 3);
	for (int i = 0; i < 2; i++) {
		harvesters[i] = (struct harvester) {
			.barrier = &barrier, .fd = self->fd, .rounds = rounds,
		};
		ASSERT_EQ(0, pthread_create(&harvesters[i].id, NULL, harvest, &harvesters[i]));
	}
	for (int round = 0; round < rounds; round++) {
		for (size_t page = 0; page < PAGES; page++)
			self->map[page * page_size()] = round;
		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(harvesters[i].id, NULL);
	EXPECT_EQ(rounds * PAGES, harvesters[0].found + harvesters[1].found);
	EXPECT_EQ(0, device_info(self->fd).dirty_pages);
}

struct toucher {
	pthread_t id;
	struct shared *shared;
	char *map;
	int fd;
	unsigned int way;
};

/* One access, in one of several ways: 0 if it got at a page of the buffer. */
static int reach(struct toucher *me, size_t page)
{
	char *at = me->map + page * page_size(), byte = 1, *map;
	int signal;

	switch (me->way % 5) {
	case 0:
		return access_signal(at, true);
	case 1:
		return access_signal(at, false);
	case 2:
		return pread(me->fd, &byte, 1, page * page_size()) != 1;
	case 3:
		return pwrite(me->fd, &byte, 1, page * page_size() + 8) != 1;
	}
	/* What an mmap() that is just now made has mapped by itself. */
	map = device_map(me->fd, RW, MAP_SHARED, PAGES, 0);
	if (map == MAP_FAILED)
		return 1;
	signal = access_signal(map + page * page_size(), page & 1);
	munmap(map, PAGES * page_size());
	return signal;
}

static void touch_for_ever(struct toucher *me)
{
	unsigned int random = me->way + 7;

	while (!atomic_load(&me->shared->stop)) {
		unsigned long before = atomic_load(&me->shared->sequence);
		int failed = reach(me, next_random(&random) % PAGES);
		unsigned long after = atomic_load(&me->shared->sequence);

		atomic_fetch_add(failed ? &me->shared->refused : &me->shared->reached, 1);
		/* Revoked all the time. */
		if (!failed && before == after && before & 1)
			atomic_fetch_add(&me->shared->holes, 1);
	}
}

#define TOUCHERS 5

TEST_F_TIMEOUT(exact, nothing_is_reached_after_a_revocation, 120)
{
	const int rounds = kernel_is_slow() ? 40 : 120;
	struct shared *shared = self->shared;
	pid_t pids[TOUCHERS];

	/* Processes, because each waits for signals of its own. */
	for (unsigned int i = 0; i < TOUCHERS; i++) {
		pids[i] = fork();
		if (!pids[i]) {
			struct toucher me = {
				.shared = shared, .map = self->map, .fd = self->fd, .way = i,
			};

			prctl(PR_SET_PDEATHSIG, SIGKILL);
			touch_for_ever(&me);
			_exit(0);
		}
	}
	for (int round = 0; round < rounds; round++) {
		ASSERT_EQ(0, device_revoke(self->fd, round & 1 ? MMLENS_REVOKE_COWS : 0));
		atomic_fetch_add(&shared->sequence, 1);
		usleep(200 * (round % 5));
		atomic_fetch_add(&shared->sequence, 1);
		ASSERT_EQ(0, device_restore(self->fd));
		usleep(200 * (round % 7));
		/* One dies in the middle of it, and leaves nothing locked. */
		if (round == rounds / 2) {
			kill(pids[0], SIGKILL);
			ASSERT_EQ(pids[0], waitpid(pids[0], NULL, 0));
		}
	}
	atomic_store(&shared->stop, true);
	for (unsigned int i = 1; i < TOUCHERS; i++)
		ASSERT_EQ(pids[i], waitpid(pids[i], NULL, 0));
	EXPECT_EQ(0, shared->holes);
	/* Neither the one nor the other all the time. */
	EXPECT_LT(0, shared->reached);
	EXPECT_LT(0, shared->refused);
	EXPECT_EQ(1, device_info(self->fd).mappings);
	fill_pages(self->map, PAGES, 3);
	EXPECT_TRUE(pages_have(self->map, PAGES, 3));
}

TEST_HARNESS_MAIN

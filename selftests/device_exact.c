// SPDX-License-Identifier: GPL-2.0
/*
 * No write is lost by a harvest, in the race that is the hardest to win: threads that do nothing
 * but write, by mappings that stay, so that what is lost once is lost for good. device_track has
 * other ways to write, and device_revoke what is exact about a revocation.
 */
#include <fcntl.h>
#include <sched.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <time.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/setups.h"
#include "lib/util.h"

#define RW (PROT_READ | PROT_WRITE)
#define PAGES 96
#define WRITERS 3

/* Shared by all processes of a test. */
struct shared {
	_Atomic bool stop, pause;
	_Atomic unsigned int paused;	/* writers */
	_Atomic unsigned int followed;	/* page */
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
		unsigned int any = next_random(&random);
		/* Half of the writes are where a harvest may be under way. */
		size_t page = any & 1 ? atomic_load(&me->shared->followed) : any / 2 % PAGES;
		volatile unsigned int *word = (void *)(me->map + page * page_size());

		word[me->number] = ++value;
		if (!atomic_load(&me->shared->pause))
			continue;
		atomic_fetch_add(&me->shared->paused, 1);
		while (atomic_load(&me->shared->pause))
			sched_yield();
		atomic_fetch_sub(&me->shared->paused, 1);
	}
	return NULL;
}

static pid_t fork_writer(struct writer *writer)
{
	pid_t pid = child_fork();

	if (!pid) {
		write_for_ever(writer);
		_exit(0);
	}
	return pid;
}

/* Copies those of some pages that were written since the last time. Says how many. */
static long follow(struct _test_data_exact *self, char *shadow, size_t first, size_t pages)
{
	__u64 bitmap[(PAGES + 63) / 64], dirty;

	if (device_dirty(self->fd, first, pages, 0, bitmap, &dirty))
		return -1;
	for (size_t i = 0; i < pages; i++) {
		size_t at = (first + i) * page_size();

		if (bitmap[i / 64] >> i % 64 & 1)
			memcpy(shadow + at, self->map + at, page_size());
	}
	return dirty;
}

#define follow_all(self, shadow) follow(self, shadow, 0, PAGES)

/*
 * The same page again and again: a write comes soon after it was protected, and is what the next
 * harvest has to meet in the middle. In one of all pages the writes are over by then.
 */
static long follow_one(struct _test_data_exact *self, char *shadow, size_t page)
{
	long dirty = 0;

	atomic_store(&self->shared->followed, page);
	for (int i = 0; i < 24; i++) {
		long now = follow(self, shadow, page, 1);

		if (now < 0)
			return now;
		dirty += now;
	}
	return dirty;
}

/*
 * Whether the copy is what there is once all that was written has been copied. What was lost is
 * lost until the page is mapped anew: so ask before that.
 */
static bool nothing_is_lost(struct _test_data_exact *self, char *shadow)
{
	bool same;

	atomic_store(&self->shared->pause, true);
	while (atomic_load(&self->shared->paused) <= WRITERS)
		sched_yield();
	same = follow_all(self, shadow) >= 0 && !memcmp(shadow, self->map, self->size);
	atomic_store(&self->shared->pause, false);
	while (atomic_load(&self->shared->paused))
		sched_yield();
	return same;
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
	/* Ten have one of each interruption below. */
	const int rounds = 10 + effort(kernel_is_slow() ? 50 : 290);
	const time_t end = time(NULL) + 30;
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
	/* On a busy machine, until the writers have had a processor. */
	for (int round = 0; round < rounds || (pages < 2UL * rounds && time(NULL) < end);
	     round++) {
		long dirty = follow_one(self, shadow, round % PAGES);

		ASSERT_LE(0, dirty);
		pages += dirty;
		if (round % 8 == 7)
			ASSERT_TRUE(nothing_is_lost(self, shadow)) TH_LOG("round %d", round);
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
	ASSERT_LE(0, follow_all(self, shadow));
	EXPECT_EQ(0, memcmp(shadow, self->map, self->size));
	EXPECT_EQ(0, follow_all(self, shadow));
	/* There was something to lose: more than what was written before each was followed. */
	EXPECT_LT(rounds, pages);
	free(shadow);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/* Threads that fault, and processes that end meanwhile, on buffers of every way of mapping. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/kinds.h"
#include "lib/knobs.h"
#include "lib/setups.h"
#include "lib/util.h"

#undef PAGES

FIXTURE(storm)
{
	size_t page, pages;
	int fd;
};

FIXTURE_VARIANT(storm)
{
	const char *words;
	bool huge;
};

#define BUFFER(text, ...) { .words = text, __VA_ARGS__ }

FIXTURE_VARIANT_ADD(storm, lazy) BUFFER("vmalloc,lazy");
FIXTURE_VARIANT_ADD(storm, lazy_track) BUFFER("vmap,lazy,track");
FIXTURE_VARIANT_ADD(storm, lazy_mixed) BUFFER("vmap,mixed");
FIXTURE_VARIANT_ADD(storm, lazy_pfnmap) BUFFER("vmap,pfnmap");
FIXTURE_VARIANT_ADD(storm, lazy_pfnmap_track) BUFFER("vmap,pfnmap,track");
FIXTURE_VARIANT_ADD(storm, around) BUFFER("contig,around=16,track");
FIXTURE_VARIANT_ADD(storm, around_mixed) BUFFER("vmap,mixed,around=16");
FIXTURE_VARIANT_ADD(storm, around_pfnmap) BUFFER("vmap,pfnmap,around=16");
FIXTURE_VARIANT_ADD(storm, around_pfnmap_track) BUFFER("vmap,pfnmap,around=16,track");
FIXTURE_VARIANT_ADD(storm, sparse) BUFFER("sparse,around=8");
FIXTURE_VARIANT_ADD(storm, sparse_track) BUFFER("sparse,track");
FIXTURE_VARIANT_ADD(storm, eager_track) BUFFER("vmap,eager,track");
FIXTURE_VARIANT_ADD(storm, remap_pfnmap_track) BUFFER("contig,pfnmap,remap,track");
FIXTURE_VARIANT_ADD(storm, huge) BUFFER("contig,huge", .huge = true);
FIXTURE_VARIANT_ADD(storm, huge_pfnmap) BUFFER("contig,huge,pfnmap", .huge = true);

FIXTURE_SETUP(storm)
{
	self->page = page_size();
	self->pages = variant->huge ? 2 * pmd_size() / self->page : 256;
	if (variant->huge && !has_huge_pages())
		SKIP(return, "the kernel has no transparent huge pages");
	if (variant->huge)
		ASSERT_EQ(0, knob_set("/sys/kernel/mm/transparent_hugepage/enabled", "always"));
	self->fd = device_make(variant->words, self->pages);
	if (variant->huge && self->fd == -ENOMEM)
		SKIP(return, "no memory that is contiguous enough");
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(storm)
{
	knobs_restore();
}

#define THREADS 4

struct storm {
	char *map;
	size_t pages;
	unsigned int number, rounds;
	bool good;
	volatile bool *stop;
};

/* Each page once, in an order that each thread has for itself: its own word of each. */
static void *add_in_any_order(void *arg)
{
	struct storm *me = arg;
	/* Odd, so that it goes over all of a power of two. */
	size_t step = 2 * (me->number * 37 + me->rounds * 11) + 1;

	me->good = true;
	for (size_t i = 0; i < me->pages; i++) {
		size_t page = (i * step + me->number) % me->pages;
		volatile unsigned int *word = (void *)(me->map + page * page_size());

		/* Some are read before anybody writes. */
		if (page & 1)
			me->good &= word[16 + me->number] == me->rounds;
		word[16 + me->number]++;
		me->good &= word[16 + me->number] == me->rounds + 1;
	}
	return NULL;
}

static __u64 failures(int fd)
{
	static const unsigned int ops[] = {
		MMLENS_OP_FAULT, MMLENS_OP_HUGE_FAULT, MMLENS_OP_MAP_PAGES,
		MMLENS_OP_PAGE_MKWRITE, MMLENS_OP_PFN_MKWRITE,
	};
	__u64 failed = 0;

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		struct mmlens_stats stats = device_op(fd, ops[i]);

		failed += stats.outcome[MMLENS_OUTCOME_SIGBUS] +
			  stats.outcome[MMLENS_OUTCOME_OOM] + stats.outcome[MMLENS_OUTCOME_ERROR];
	}
	return failed;
}

/* A fault that another one overtakes is no failure, and no write is lost. */
TEST_F_TIMEOUT(storm, in_any_order_from_many_threads, 300)
{
	unsigned int rounds = effort(kernel_is_slow() || variant->huge ? 4 : 20);

	for (unsigned int round = 0; round < rounds; round++) {
		char *map = device_map(self->fd, RW, MAP_SHARED, self->pages, 0);
		struct storm storms[THREADS];
		pthread_t threads[THREADS];

		ASSERT_NE(MAP_FAILED, map);
		for (unsigned int i = 0; i < THREADS; i++) {
			storms[i] = (struct storm) {
				.map = map, .pages = self->pages, .number = i, .rounds = round,
			};
			ASSERT_EQ(0, pthread_create(&threads[i], NULL, add_in_any_order,
						    &storms[i]));
		}
		for (unsigned int i = 0; i < THREADS; i++) {
			pthread_join(threads[i], NULL);
			EXPECT_TRUE(storms[i].good);
		}
		for (size_t page = 0; page < self->pages; page++)
			for (unsigned int i = 0; i < THREADS; i++)
				EXPECT_EQ(round + 1, ((unsigned int *)(map + page * self->page))
						     [16 + i]);
		munmap(map, self->pages * self->page);
	}
	EXPECT_EQ(0, failures(self->fd));
	EXPECT_EQ(0, device_info(self->fd).mappings);
}

static void *touch_for_ever(void *arg)
{
	struct storm *me = arg;
	unsigned int random = me->number;

	while (!*me->stop) {
		size_t page = (random = random * 1664525 + 1013904223) % me->pages;
		char *map = me->map + page * page_size();

		if (random & 0x10000)
			*(volatile char *)map = 1;
		else
			(void)*(volatile char *)map;
		/* Where that is allowed, so that there are always faults. */
		if (random & 0x20000)
			madvise(map, page_size(), MADV_DONTNEED);
	}
	return NULL;
}

/* The last thread may be in a fault when the others are gone, and the memory goes. */
TEST_F_TIMEOUT(storm, processes_end_while_their_threads_fault, 300)
{
	/* One of each kind at least. */
	int rounds = 1 + effort(kernel_is_slow() ? 10 : 30);

	for (int i = 0; i < rounds; i++) {
		pid_t pid = fork();
		int status;

		if (!pid) {
			volatile bool stop = false;
			struct storm storms[THREADS];

			for (unsigned int t = 0; t < THREADS; t++) {
				pthread_t thread;

				storms[t] = (struct storm) {
					.map = device_map(self->fd, RW, MAP_SHARED, self->pages, 0),
					.pages = self->pages, .number = i + t, .stop = &stop,
				};
				pthread_create(&thread, NULL, touch_for_ever, &storms[t]);
			}
			usleep(1000 * (i % 7));
			/* By itself, or from outside. */
			if (i & 1)
				_exit(0);
			for (;;)
				pause();
		}
		if (!(i & 1)) {
			usleep(1000 * (i % 11));
			kill(pid, SIGKILL);
		}
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(i & 1 ? 0 : SIGKILL, status);
	}
	EXPECT_EQ(0, device_info(self->fd).mappings);
	EXPECT_EQ(0, failures(self->fd));
	/* They left no page locked. */
	{
		char *map = device_map(self->fd, RW, MAP_SHARED, self->pages, 0);

		ASSERT_NE(MAP_FAILED, map);
		fill_pages(map, self->pages, 9);
		EXPECT_TRUE(pages_have(map, self->pages, 9));
	}
}

/* Mappings come and go in the whole process while threads fault in others. */
TEST_F_TIMEOUT(storm, mappings_change_while_threads_fault, 300)
{
	volatile bool stop = false;
	struct storm storms[2];
	pthread_t threads[2];
	size_t size = self->pages * self->page;
	char *map = device_map(self->fd, RW, MAP_SHARED, self->pages, 0);
	int rounds = effort(50);

	ASSERT_NE(MAP_FAILED, map);
	for (unsigned int i = 0; i < 2; i++) {
		storms[i] = (struct storm) {
			.map = map, .pages = self->pages, .number = i, .stop = &stop,
		};
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, touch_for_ever, &storms[i]));
	}
	for (int i = 0; i < rounds; i++) {
		char *other = device_map(self->fd, RW, MAP_SHARED, self->pages, 0);
		pid_t pid;

		ASSERT_NE(MAP_FAILED, other);
		other[i * self->page + 99] = i;
		EXPECT_EQ(i, map[i * self->page + 99]);
		/* Splits what they fault in, and takes no right that they need. */
		ASSERT_EQ(0, madvise(map + 2 * i * self->page, self->page, MADV_RANDOM));
		pid = fork();
		if (!pid)
			_exit(map[i * self->page + 99] != i);
		munmap(other + 7 * self->page, size / 2);
		munmap(other, size);
		{
			int status;

			ASSERT_EQ(pid, waitpid(pid, &status, 0));
			EXPECT_EQ(0, status);
		}
	}
	stop = true;
	for (unsigned int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < rounds; i++)
		EXPECT_EQ(i, map[i * self->page + 99]);
	munmap(map, size);
	EXPECT_EQ(0, device_info(self->fd).mappings);
	EXPECT_EQ(0, failures(self->fd));
}

TEST_HARNESS_MAIN

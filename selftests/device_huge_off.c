// SPDX-License-Identifier: GPL-2.0
/*
 * Huge faults of a process that switches huge pages off at the same time: another thread may put
 * a table of small pages where the huge entry was to go.
 */
#include <pthread.h>
#include <sys/prctl.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/lens.h"
#include "lib/setups.h"
#include "lib/util.h"

#define RW (PROT_READ | PROT_WRITE)

FIXTURE(huge_off)
{
	size_t size, pages;
	int fd;
};

FIXTURE_VARIANT(huge_off)
{
	const char *words;
};

FIXTURE_VARIANT_ADD(huge_off, pages) { .words = "contig,huge" };
FIXTURE_VARIANT_ADD(huge_off, frames) { .words = "contig,pfnmap,huge" };

FIXTURE_SETUP(huge_off)
{
	if (!has_huge_pages())
		SKIP(return, "the kernel has no transparent huge pages");
	/* What an entry of a pmd maps. */
	self->size = page_size() / 8 * page_size();
	if (self->size > 8UL << 20)
		SKIP(return, "a huge page is too large to be had again and again");
	self->pages = self->size / page_size();
	self->fd = device_make(variant->words, 2 * self->pages);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(huge_off)
{
	prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
	close(self->fd);
}

static struct {
	char *volatile map;
	pthread_barrier_t start, end;
	unsigned int rounds;
} shared;

/* The other thread: no huge pages from now on, and a small one. */
static void *switch_off(void *arg)
{
	for (unsigned int i = 0; i < shared.rounds; i++) {
		pthread_barrier_wait(&shared.start);
		if (i & 1)
			sched_yield();
		prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
		shared.map[5 * page_size()] = 1;
		pthread_barrier_wait(&shared.end);
	}
	return arg;
}

TEST_F_TIMEOUT(huge_off, tables_may_be_there_first, 120)
{
	size_t at = 0;
	pthread_t other;

	shared.rounds = effort(kernel_is_slow() ? 150 : 1500);
	pthread_barrier_init(&shared.start, NULL, 2);
	pthread_barrier_init(&shared.end, NULL, 2);
	ASSERT_EQ(0, pthread_create(&other, NULL, switch_off, NULL));
	for (unsigned int i = 0; i < shared.rounds; i++) {
		char *map = device_map(self->fd, RW, MAP_SHARED, 2 * self->pages, 0);

		ASSERT_NE(MAP_FAILED, map);
		at = (self->size - (unsigned long)map % self->size) % self->size;
		prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
		shared.map = map + at;
		pthread_barrier_wait(&shared.start);
		shared.map[0] = (char)i;
		pthread_barrier_wait(&shared.end);
		EXPECT_EQ((char)i, shared.map[0]);
		EXPECT_EQ(1, shared.map[5 * page_size()]);
		munmap(map, 2 * self->size);
	}
	pthread_join(other, NULL);
	/* The kernel has not taken it for a mistake of ours, which is on its console. */
	EXPECT_EQ(0, device_info(self->fd).mappings);
}

TEST_HARNESS_MAIN

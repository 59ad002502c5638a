// SPDX-License-Identifier: GPL-2.0
/*
 * Tables that go away under a look at them. MADV_DONTNEED of all that a table serves gives the
 * table back, and takes the lock of the VMA only, not the mmap lock. What is told is what was
 * mapped, or nothing: not what stands in memory that was a table, nor in what a way leads to that
 * was looked up twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/kinds.h"
#include "lib/knobs.h"
#include "lib/util.h"
#include "lib/walk.h"

#define TABLES 4
#define TOUCHED 8

struct place {
	_Atomic bool stop;
	_Atomic unsigned long rounds;
	char *start;
};

static size_t place_size(void)
{
	return TABLES * pmd_size();
}

static void touch_and_drop(struct place *place)
{
	size_t step = pmd_size() / TOUCHED;

	for (unsigned int i = 0; !place->stop; i++) {
		char *table = place->start + i % TABLES * pmd_size();

		for (size_t at = i % 7 * page_size(); at < pmd_size(); at += step)
			table[at] = 1;
		madvise(table, pmd_size(), MADV_DONTNEED);
		place->rounds++;
	}
}

static pid_t start_dropping(struct place *place)
{
	pid_t pid = child_fork();

	if (!pid) {
		touch_and_drop(place);
		_exit(0);
	}
	return pid;
}

FIXTURE(tables)
{
	struct place *place;
	pid_t target;
	int fd;
};

FIXTURE_SETUP(tables)
{
	/* No hints in entries. */
	knob_set("/proc/sys/kernel/numa_balancing", "0");
	self->fd = device_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	self->place = mmap(NULL, page_size(), RW, SHARED, -1, 0);
	ASSERT_NE(MAP_FAILED, self->place);
	self->place->start = map_aligned(RW, ANON | MAP_NORESERVE, place_size(), pmd_size());
	/* Where there are no huge pages at all, as on a real-time kernel, it is EINVAL. */
	if (madvise(self->place->start, place_size(), MADV_NOHUGEPAGE))
		ASSERT_EQ(EINVAL, errno);
	self->target = start_dropping(self->place);
	ASSERT_LT(0, self->target);
}

FIXTURE_TEARDOWN(tables)
{
	int status = -1;

	self->place->stop = true;
	EXPECT_EQ(self->target, waitpid(self->target, &status, 0));
	EXPECT_EQ(0, status);
	munmap(self->place->start, place_size());
	munmap(self->place, page_size());
	close(self->fd);
	knobs_restore();
}

/* An entry of anonymous memory that was written, or none. */
static bool can_be(uint64_t raw, uint64_t flags)
{
	const uint64_t wanted = MMLENS_PT_PTE | MMLENS_PT_PRESENT | MMLENS_PT_READ |
				MMLENS_PT_WRITE;
	const uint64_t kinds = MMLENS_PT_NONPRESENT | MMLENS_PT_BAD | MMLENS_PT_TABLE |
			       MMLENS_PT_EXEC | MMLENS_PT_SPECIAL | MMLENS_PT_PROTNONE;

	if (!raw)
		return flags & MMLENS_PT_HOLE;
	return (flags & (wanted | kinds)) == wanted;
}

/* Records that cannot be; the first of them in *@raw and *@flags. */
static size_t wrong_ones(unsigned int form, const struct records *r, uint64_t *present,
			 uint64_t *raw, uint64_t *flags)
{
	size_t wrong = 0;

	for (size_t i = 0; i < r->nr; i++) {
		const struct mmlens_entry *e = &((const struct mmlens_entry *)r->bytes)[i];
		const struct mmlens_run *run = &((const struct mmlens_run *)r->bytes)[i];
		bool is_entry = form == MMLENS_FORM_ENTRIES;
		uint64_t its_raw = is_entry ? e->raw : run->raw;
		uint64_t its_flags = is_entry ? e->flags : run->flags;

		*present += !!(its_flags & MMLENS_PT_PRESENT);
		if (can_be(its_raw, its_flags))
			continue;
		if (!wrong++) {
			*raw = its_raw;
			*flags = its_flags;
		}
	}
	return wrong;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

TEST_F_TIMEOUT(tables, nothing_is_told_of_those_that_are_gone, 7200)
{
	const uint64_t end = now_ms() + effort(5000);
	uint64_t present = 0, raw = 0, flags = 0;
	unsigned long walks = 0, before = self->place->rounds;

	/* Until both have had their turn, however busy the machine is. */
	while (now_ms() < end || ((!present || self->place->rounds < before + 100) &&
				  now_ms() < end + 200000)) {
		unsigned int form = walks % 2 ? MMLENS_FORM_RUNS : MMLENS_FORM_ENTRIES;
		struct mmlens_walk walk = walk_of(self->target, form);
		struct records r;

		walk.start = (uintptr_t)self->place->start;
		walk.end = walk.start + place_size();
		ASSERT_EQ(0, walk_all(self->fd, &walk, 1 << 17, &r));
		ASSERT_EQ(0, wrong_ones(form, &r, &present, &raw, &flags))
			TH_LOG("walk %lu: %llx, flags %llx", walks, (unsigned long long)raw,
			       (unsigned long long)flags);
		walk_free(&r);
		walks++;
	}
	EXPECT_LT(0, present);
	EXPECT_LE(before + 100, self->place->rounds);
	TH_LOG("%lu walks saw %llu pages, %lu rounds", walks, (unsigned long long)present,
	       self->place->rounds - before);
}

TEST_HARNESS_MAIN

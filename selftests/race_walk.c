// SPDX-License-Identifier: GPL-2.0
/*
 * Looks at a process without a pause while something is done to its memory, by itself, its
 * relatives or the kernel: what stays as it is has to be told as it is.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "kselftest_harness.h"
#include "lib/arena.h"
#include "lib/compare.h"
#include "lib/device.h"
#include "lib/knobs.h"
#include "lib/lens.h"
#include "lib/module.h"
#include "lib/poison.h"
#include "lib/quiet.h"
#include "lib/util.h"

/* For each torment; a soak has an effort of more than 100 percent. */
#define SECONDS effort(4)
/* A guest has its own limit; this is for those that hang without one. */
#define TIMEOUT 7200

FIXTURE(race)
{
	struct arena *arena;
	pid_t target;
	struct quiet quiet;
	long before;
};

FIXTURE_VARIANT(race)
{
	const struct torment *torment;
};

FIXTURE_VARIANT_ADD(race, neighbours) { &torment_neighbours };
FIXTURE_VARIANT_ADD(race, dontneed) { &torment_dontneed };
FIXTURE_VARIANT_ADD(race, mremap) { &torment_mremap };
FIXTURE_VARIANT_ADD(race, mprotect) { &torment_mprotect };
FIXTURE_VARIANT_ADD(race, fork) { &torment_fork };
FIXTURE_VARIANT_ADD(race, guard) { &torment_guard };
FIXTURE_VARIANT_ADD(race, uffd) { &torment_uffd };
FIXTURE_VARIANT_ADD(race, device) { &torment_device };
FIXTURE_VARIANT_ADD(race, revoke) { &torment_revoke };
FIXTURE_VARIANT_ADD(race, collapse) { &torment_collapse };
FIXTURE_VARIANT_ADD(race, collapse_shmem) { &torment_collapse_shmem };
FIXTURE_VARIANT_ADD(race, collapse_file) { &torment_collapse_file };
FIXTURE_VARIANT_ADD(race, khugepaged) { &torment_khugepaged };
FIXTURE_VARIANT_ADD(race, split) { &torment_split };
FIXTURE_VARIANT_ADD(race, hugetlb) { &torment_hugetlb };
FIXTURE_VARIANT_ADD(race, nodes) { &torment_nodes };
FIXTURE_VARIANT_ADD(race, compact) { &torment_compact };
FIXTURE_VARIANT_ADD(race, swap) { &torment_swap };
FIXTURE_VARIANT_ADD(race, ksm) { &torment_ksm };
FIXTURE_VARIANT_ADD(race, plug) { &torment_plug };

FIXTURE_SETUP(race)
{
	/* What is locked stays where it is, and entries are as the process made them. */
	knob_set("/proc/sys/vm/compact_unevictable_allowed", "0");
	knob_set("/proc/sys/kernel/numa_balancing", "0");
	self->arena = arena_new(variant->torment);
	if (self->arena->why[0])
		SKIP(return, "%s", self->arena->why);
	self->target = target_start(arena_run, self->arena);
	ASSERT_LT(0, self->target);
	if (self->arena->why[0])
		SKIP(return, "%s", self->arena->why);
	ASSERT_EQ(0, lens_attach(self->target));
	ASSERT_EQ(0, quiet_begin(&self->quiet, self->arena, self->target));
}

FIXTURE_TEARDOWN(race)
{
	if (self->target > 0) {
		lens_detach(self->target);
		target_end(self->target);
	}
	knobs_restore();
	arena_free(self->arena);
}

/* The target stops by itself, and nothing else becomes of it. */
static bool stops(pid_t pid)
{
	int status;

	return waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status);
}

/* What is counted of a torment since @before. */
static long effects(const struct arena *a, long before)
{
	return a->torment->vmstat ? vmstat(a->torment->vmstat) - before : (long)a->effects;
}

/* Not before it had an effect: a machine may be slow. */
static bool has_ended(const struct arena *a, long before, time_t end)
{
	return time(NULL) >= end && (effects(a, before) || time(NULL) >= end + 120);
}

/*
 * The races tell a table that was freed by what is in it then. Who runs the tests says what the
 * kernel was booted with: if that was lost on the way, they would pass without looking.
 */
TEST(pages_that_are_free_hold_poison)
{
	const char *booted = getenv("MMLENS_BOOTED");
	char *line = read_file("/proc/cmdline", NULL);
	bool is_on = line && strstr(line, "page_poison=1");
	int pages;

	free(line);
	if (!is_on && (!booted || !strstr(booted, "page_poison=1")))
		SKIP(return, "the kernel was booted without page_poison=1");
	ASSERT_TRUE(is_on);
	pages = pages_with_poison();
	TH_LOG("%d pages", pages);
	/* A kernel without /proc/kcore, such as the debug kernel, was asked for it at least. */
	EXPECT_NE(0, pages);
}

static const char *const look_names[NR_LOOKS] = {
	[LOOK_ENTRIES] = "entries", [LOOK_ENTRIES_PAGES] = "entries with pages",
	[LOOK_RUNS] = "runs", [LOOK_RUNS_PAGES] = "runs with pages", [LOOK_TABLES] = "tables",
	[LOOK_UPPER_TABLES] = "upper tables", [LOOK_VMAS] = "VMAs", [LOOK_NAMES] = "names",
	[LOOK_COUNTS] = "counts", [LOOK_QUERY] = "QUERY", [LOOK_RMAP] = "file query",
	[LOOK_PAGETABLE] = "file pagetable", [LOOK_FILE_ENTRIES] = "file entries",
	[LOOK_FILE_VMAS] = "file vmas", [LOOK_SUMMARY] = "file summary",
};

#define ASSERT_LOOK(look) do { \
	int looked = quiet_look(&self->quiet, look); \
	ASSERT_EQ(0, looked) \
		TH_LOG("%s: %s", look_names[look], \
		       looked < 0 ? strerror(-looked) : quiet_message); \
} while (0)

TEST_F_TIMEOUT(race, quiet_range_is_told_as_it_is, TIMEOUT)
{
	uint64_t users = lens_mm_number(self->target, "mm_users");
	uint64_t count = lens_mm_number(self->target, "mm_count");
	long uses = module_uses();
	time_t end;

	EXPECT_EQ(0, compare_entries(self->target)) TH_LOG("%s", compare_message);
	for (int look = 0; look < NR_LOOKS; look++)
		ASSERT_LOOK(look);

	run_on(1);
	atomic_store(&self->arena->effects, 0);
	self->before = effects(self->arena, 0);
	ASSERT_EQ(0, kill(self->target, SIGCONT));
	end = time(NULL) + SECONDS;
	while (!has_ended(self->arena, self->before, end)) {
		/* Records are faster than texts, and so more of them are looked at. */
		for (int text = LOOK_QUERY; text < NR_LOOKS; text++) {
			if (has_ended(self->arena, self->before, end))
				break;
			for (int look = 0; look < LOOK_QUERY; look++)
				ASSERT_LOOK(look);
			ASSERT_LOOK(text);
		}
	}
	atomic_store(&self->arena->stop, true);
	ASSERT_TRUE(stops(self->target));

	/* It was there, and it did what it was to do. */
	TH_LOG("%lu looks, %lu rounds, %ld effects", self->quiet.looks, self->arena->rounds,
	       effects(self->arena, self->before));
	EXPECT_LT(0, self->arena->rounds);
	EXPECT_LT(0, effects(self->arena, self->before));
	/* Nothing of the looks is left, and all is told as the kernel tells it. */
	for (int look = 0; look < NR_LOOKS; look++)
		ASSERT_LOOK(look);
	EXPECT_EQ(0, compare_entries(self->target)) TH_LOG("%s", compare_message);
	EXPECT_EQ(users, lens_mm_number(self->target, "mm_users"));
	/* Each processor may keep one, khugepaged one, and KSM one. */
	EXPECT_GE(count + sysconf(_SC_NPROCESSORS_CONF) + 2,
		  lens_mm_number(self->target, "mm_count"));
	quiet_end(&self->quiet);
	EXPECT_GE(uses, module_uses());
}

TEST_HARNESS_MAIN

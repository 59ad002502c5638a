/* SPDX-License-Identifier: GPL-2.0 */
/* A process with memory of some kind that stops, to be compared with pagemap. */
#ifndef MMLENS_SELFTESTS_PAGES_H
#define MMLENS_SELFTESTS_PAGES_H

#include "kselftest_harness.h"
#include "compare.h"
#include "util.h"

#define EXPECT_SAME_PAGES(pid) do { \
	EXPECT_EQ(0, compare_entries(pid)) TH_LOG("%s", compare_message); \
	EXPECT_EQ(0, compare_pagetable(pid)) TH_LOG("%s", compare_message); \
} while (0)

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define MIB (1UL << 20)

/* What a target tells the test. */
struct report {
	char *map[16];
	pid_t pid;
	int skip;
};

FIXTURE(pages)
{
	pid_t target;
	struct report *report;
	struct lens_table table;
	char folder[32];
};

FIXTURE_SETUP(pages)
{
	strcpy(self->folder, "/tmp/mmlens-XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->folder));
	ASSERT_EQ(0, chdir(self->folder));
	self->report = mmap(NULL, sizeof(*self->report), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

FIXTURE_TEARDOWN(pages)
{
	if (self->target) {
		lens_detach(self->target);
		target_end(self->target);
	}
	if (!chdir("/") && !fork())
		execlp("rm", "rm", "-rf", "--one-file-system", self->folder, NULL);
	wait(NULL);
}

/* Starts a target, compares it, and reads its entries for a closer look. */
#define compare_target(make) do { \
	self->target = target_start(make, self->report); \
	ASSERT_LT(0, self->target); \
	if (self->report->skip) \
		SKIP(return, #make " is not possible here: %s", strerror(self->report->skip)); \
	ASSERT_EQ(0, lens_attach(self->target)); \
	EXPECT_SAME_PAGES(self->target); \
	ASSERT_EQ(0, lens_entries(self->target, &self->table)) TH_LOG("%s", lens_error); \
} while (0)

#define entry_of(number, page) \
	lens_find(&self->table, (uintptr_t)self->report->map[number] + (page) * page_size())

static inline void write_pages(char *map, size_t first, size_t nr)
{
	for (size_t i = first; i < first + nr; i++)
		map[i * page_size()] = 1;
}

static inline void read_pages(const char *map, size_t first, size_t nr)
{
	for (size_t i = first; i < first + nr; i++)
		(void)*(volatile const char *)(map + i * page_size());
}

#endif

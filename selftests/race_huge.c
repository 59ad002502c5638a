// SPDX-License-Identifier: GPL-2.0
/*
 * A VMA of one huge page, which becomes a table of pages and a huge page again and again, while
 * pagetable shows it. It is mapped at every moment, and so it is shown: on the line of the huge
 * page or on those of the pages, also if it becomes the other between these lines.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib/kinds.h"
#include "lib/lens.h"
#include "lib/proc.h"
#include "lib/util.h"

#define SECONDS effort(10)
#define TEXT_BYTES (256 << 10)
#define READS 64

struct place {
	_Atomic bool stop;
	_Atomic unsigned long rounds;
	char *start;
};

static void split_and_collapse(struct place *place)
{
	while (!place->stop) {
		/* It may have no memory for it. */
		if (madvise(place->start, pmd_size(), MADV_COLLAPSE))
			continue;
		/* What one page is told cannot be noted of a huge one. */
		if (madvise(place->start + page_size(), page_size(), MADV_COLD))
			_exit(1);
		place->rounds++;
	}
}

static pid_t start_splitting(struct place *place)
{
	pid_t pid = child_fork();

	if (!pid) {
		split_and_collapse(place);
		_exit(0);
	}
	return pid;
}

FIXTURE(huge)
{
	struct place *place;
	char *text;
	size_t read[READS];		/* where each one ended */
	size_t nr_reads;
	unsigned long as_huge, as_pages, cut;
	pid_t target;
};

FIXTURE_SETUP(huge)
{
	self->text = malloc(TEXT_BYTES);
	self->place = mmap(NULL, page_size(), RW, SHARED, -1, 0);
	ASSERT_NE(MAP_FAILED, self->place);
	/* Among the first that are shown: before the program, or after it. */
	for (size_t at = pmd_size(); at <= 1UL << 36; at <<= 1) {
		self->place->start = mmap((void *)at, pmd_size(), RW,
					  ANON | MAP_FIXED_NOREPLACE, -1, 0);
		if (self->place->start != MAP_FAILED)
			break;
	}
	ASSERT_NE(MAP_FAILED, self->place->start);
	memset(self->place->start, 1, pmd_size());
	if (madvise(self->place->start, pmd_size(), MADV_COLLAPSE) && errno == EINVAL)
		SKIP(return, "there are no huge pages here");
	self->target = start_splitting(self->place);
	ASSERT_LT(0, self->target);
	/* What others map too is not split. */
	munmap(self->place->start, pmd_size());
	ASSERT_EQ(0, lens_attach(self->target));
}

FIXTURE_TEARDOWN(huge)
{
	int status = -1;

	if (self->target > 0) {
		lens_detach(self->target);
		self->place->stop = true;
		EXPECT_EQ(self->target, waitpid(self->target, &status, 0));
		EXPECT_EQ(0, status);
	}
	munmap(self->place, page_size());
	free(self->text);
}

/* The text, and how much of it each read got. False if that failed or is too long. */
static bool read_all(struct _test_data_huge *self)
{
	int fd = lens_open(self->target, "pagetable");
	size_t len = 0;
	ssize_t got = 0;

	self->nr_reads = 0;
	while (fd >= 0 && self->nr_reads < READS) {
		got = read(fd, self->text + len, TEXT_BYTES - 1 - len);
		if (got <= 0)
			break;
		len += got;
		self->read[self->nr_reads++] = len;
	}
	self->text[len] = '\0';
	if (fd >= 0)
		close(fd);
	return !got && len;
}

/* What is shown of the place; "" if no single read got all of it, NULL if it is not there. */
static char *section(struct _test_data_huge *self)
{
	char heading[48], *start, *end;

	snprintf(heading, sizeof(heading), "vma %016lx-%016lx ", (uintptr_t)self->place->start,
		 (uintptr_t)self->place->start + pmd_size());
	start = strstr(self->text, heading);
	if (!start)
		return NULL;
	/* It is among the first: others come. */
	end = strstr(start, "\nvma ");
	if (!end)
		return NULL;
	*end = '\0';
	for (size_t i = 0; i < self->nr_reads; i++) {
		char *cut = self->text + self->read[i];

		if (start < cut && cut <= end + 1)
			return "";
	}
	return start;
}

/* How much of it is mapped by entries of a level, or noted there. */
static size_t shown(const char *section, const char *wanted)
{
	char level[8], kind[16];
	uint64_t start, end;
	size_t bytes = 0;

	for (const char *line = section; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (sscanf(line, "%16lx-%16lx %*s %7s %15s", &start, &end, level, kind) != 4)
			continue;
		if (!strcmp(level, wanted) && strcmp(kind, "hole") && strcmp(kind, "table"))
			bytes += end - start;
	}
	return bytes;
}

TEST_F_TIMEOUT(huge, is_shown_as_one_or_by_its_pages, 7200)
{
	time_t end = time(NULL) + SECONDS;

	/* However slow the machine is, it is seen as both. */
	while (time(NULL) < end ||
	       ((!self->as_huge || !self->as_pages) && time(NULL) < end + 200)) {
		size_t huge, pages;
		char *text;

		ASSERT_TRUE(read_all(self));
		text = section(self);
		ASSERT_NE(NULL, text)
			TH_LOG("there is no %p in\n%.4000s", self->place->start, self->text);
		/* It may have another table in the next read. */
		if (!*text) {
			self->cut++;
			continue;
		}
		huge = shown(text, "pmd");
		pages = shown(text, "pte");
		/* One that is being split may have more runs than are noted in one look. */
		ASSERT_TRUE(huge == pmd_size() || pages)
			TH_LOG("%zu of a huge page, %zu of pages:\n%s", huge, pages, text);
		self->as_huge += huge == pmd_size();
		self->as_pages += pages == pmd_size();
	}
	EXPECT_LT(0, self->as_huge);
	EXPECT_LT(0, self->as_pages);
	TH_LOG("%lu times split, %lu times seen as a huge page, %lu times by its pages, %lu times cut",
	       self->place->rounds, self->as_huge, self->as_pages, self->cut);
}

TEST_HARNESS_MAIN

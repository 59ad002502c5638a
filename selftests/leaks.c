// SPDX-License-Identifier: GPL-2.0
/*
 * References that are taken are given back: of the processes that the lens looks at, and of
 * the pages that the device maps. One that is lost makes no noise, so many are to be lost.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/footprint.h"
#include "lib/lens.h"
#include "lib/texts.h"
#include "lib/util.h"
#include "lib/walk.h"

#define RW (PROT_READ | PROT_WRITE)
#define TARGETS 100

FIXTURE(leaks)
{
	int fd;
};

FIXTURE_SETUP(leaks)
{
	self->fd = device_open(O_RDWR);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(leaks)
{
	close(self->fd);
}

/* Everything that names a process by its pid, once. */
static bool look_at_one(int fd, bool attached)
{
	char buffer[4096];
	struct mmlens_walk walk;
	struct mmlens_query query;
	pid_t pid = fork();
	bool good = pid > 0;
	int text;

	if (!pid)
		for (;;)
			pause();
	walk = walk_of(pid, MMLENS_FORM_COUNTS);
	good &= !walk_call(fd, &walk, buffer, sizeof(buffer));
	good &= !ask(fd, pid, MMLENS_QUERY_FIND_VMA, 0, 0, &query);
	text = text_open(fd, MMLENS_TEXT_ENTRIES, pid);
	good &= text >= 0 && read(text, buffer, sizeof(buffer)) > 0;
	close(text);
	if (attached) {
		good &= !ioctl_attach(fd, pid);
		text = lens_open(pid, "mm");
		good &= text >= 0 && read(text, buffer, sizeof(buffer)) > 0;
		close(text);
		good &= !ioctl_detach(fd, pid);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return good;
}

/* Of what is in use, how much more there is of anything after so many targets. */
static long growth(struct __test_metadata *_metadata, int fd)
{
	struct footprint before = footprint_take(), after;
	const char *name;
	long grown;

	for (int i = 0; i < TARGETS; i++) {
		ASSERT_TRUE(look_at_one(fd, i % 2 == 0)) TH_LOG("target %d", i);
	}
	after = footprint_take();
	grown = footprint_growth(&before, &after, &name);
	EXPECT_LT(0, footprint_compared(&before, &after));
	TH_LOG("%s: %ld objects more", name, grown);
	footprint_free(&before);
	footprint_free(&after);
	return grown;
}

TEST_F_TIMEOUT(leaks, targets_that_come_and_go, 300)
{
	/* What is attached is a part of them. */
	const long lost = TARGETS * 3 / 8;
	long grown = lost;

	if (kernel_is_slow())
		SKIP(return, "what KASAN has in quarantine counts as used");
	for (int i = 0; i < 20; i++)
		ASSERT_TRUE(look_at_one(self->fd, true));
	/* Others may need memory once. A leak is there each time. */
	for (int times = 0; times < 3 && grown >= lost; times++)
		grown = growth(_metadata, self->fd);
	EXPECT_GT(lost, grown);
}

/* Free memory, in pages, with what each processor keeps for itself. */
static long free_pages_now(void)
{
	char *text, *at;
	long pages;

	/* Counters are kept by processors, too. */
	write_file("/proc/sys/vm/stat_refresh", "1");
	text = read_file("/proc/meminfo", NULL);
	at = text ? strstr(text, "MemFree:") : NULL;
	pages = at ? strtol(at + strlen("MemFree:"), NULL, 10) * 1024 / page_size() : 0;
	free(text);
	text = read_file("/proc/zoneinfo", NULL);
	for (at = text; at && (at = strstr(at, " count:")); at++)
		pages += strtol(at + strlen(" count:"), NULL, 10);
	free(text);
	return pages;
}

static bool use_one(const char *words, size_t pages)
{
	int fd = device_make(words, 0);
	char *map = device_map(fd, RW, MAP_SHARED, pages, 0);
	char byte;
	bool good = map != MAP_FAILED;

	if (good) {
		fill_pages(map, pages, 1);
		good = pread(fd, &byte, 1, (pages - 1) * page_size()) == 1;
		munmap(map, pages * page_size());
	}
	close(fd);
	return good;
}

/* So many buffers of a size, one after the other, and what is a leak of theirs. */
struct many {
	long buffers, pages;
	long limit;		/* pages */
};

/* By how much there is less free memory after them; false if there is none for them. */
static bool loss(const char *words, const struct many *many, long *lost)
{
	long before;

	footprint_settle();
	before = free_pages_now();
	for (long round = 0; round < many->buffers; round++)
		if (!use_one(words, many->pages))
			return false;
	/* What waits for a grace period is given back in time. */
	for (int settled = 0; settled < 6; settled++) {
		footprint_settle();
		*lost = before - free_pages_now();
		if (*lost < many->limit)
			break;
	}
	return true;
}

static void expect_no_loss(struct __test_metadata *_metadata, const struct many *many)
{
	static const char *const words[] = {
		"vmalloc,track", "vmap", "contig,eager", "sparse,around=8", "vmap,pfnmap,track",
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		long lost = many->limit;

		ASSERT_TRUE(use_one(words[i], many->pages)) TH_LOG("%s", words[i]);
		/* As above: others have memory, too. */
		for (int times = 0; times < 3 && lost >= many->limit; times++) {
			ASSERT_TRUE(loss(words[i], many, &lost)) TH_LOG("%s", words[i]);
		}
		TH_LOG("%s: %ld pages less of %ld in %ld buffers", words[i], lost,
		       many->buffers * many->pages, many->buffers);
		EXPECT_GT(many->limit, lost);
	}
}

/* Of many pages: one in four. */
TEST_F_TIMEOUT(leaks, pages_of_buffers_that_are_gone, 300)
{
	const struct many many = { .buffers = 24, .pages = 256, .limit = 24 * 256 / 4 };

	if (kernel_is_slow())
		SKIP(return, "other kernels do it in a tenth of the time, and it is the same there");
	expect_no_loss(_metadata, &many);
}

/*
 * Of many buffers: a page of each, be it of the kernel's own. There are never so few of them that
 * half as many could be somebody else's.
 */
TEST_F_TIMEOUT(leaks, a_page_of_each_buffer_that_is_gone, 600)
{
	const long buffers = 1000 + effort(1000);
	const struct many many = { .buffers = buffers, .pages = 1, .limit = buffers / 2 };

	if (kernel_is_slow())
		SKIP(return, "other kernels do it in a tenth of the time, and it is the same there");
	expect_no_loss(_metadata, &many);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/*
 * Allocations that fail, one after the other, on a kernel that can be told to fail them:
 * what was asked for fails as a whole, and works when it is asked for again.
 */
#include <fcntl.h>
#include <sys/ioctl.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/knobs.h"
#include "lib/setups.h"
#include "lib/util.h"

#define PAGES 16
#define RW (PROT_READ | PROT_WRITE)
#define DEBUGFS "/sys/kernel/debug/"
/* More than anything here allocates. */
#define MOST 2000

FIXTURE(nomem)
{
	size_t size;
	int nth;
};

FIXTURE_VARIANT(nomem)
{
	const char *words;
};

#define BUFFER(text) { .words = text }

FIXTURE_VARIANT_ADD(nomem, lazy) BUFFER("vmalloc,track");
FIXTURE_VARIANT_ADD(nomem, eager) BUFFER("vmap,eager");
FIXTURE_VARIANT_ADD(nomem, eager_pfnmap) BUFFER("vmap,pfnmap,eager,wc,track");
FIXTURE_VARIANT_ADD(nomem, eager_mixed) BUFFER("contig,mixed,eager");
FIXTURE_VARIANT_ADD(nomem, remap) BUFFER("contig,remap");
FIXTURE_VARIANT_ADD(nomem, remap_pfnmap) BUFFER("vmap,pfnmap,remap");
FIXTURE_VARIANT_ADD(nomem, around) BUFFER("contig,around=8");
FIXTURE_VARIANT_ADD(nomem, around_pfnmap) BUFFER("vmap,pfnmap,around=8,track");
FIXTURE_VARIANT_ADD(nomem, sparse) BUFFER("sparse,around=4,track");

FIXTURE_SETUP(nomem)
{
	static const struct {
		const char *path, *text;
	} knobs[] = {
		{ DEBUGFS "failslab/ignore-gfp-wait", "N" },
		{ DEBUGFS "failslab/verbose", "1" },
		{ DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N" },
		{ DEBUGFS "fail_page_alloc/ignore-gfp-highmem", "N" },
		{ DEBUGFS "fail_page_alloc/min-order", "0" },
		{ DEBUGFS "fail_page_alloc/verbose", "1" },
	};

	self->size = PAGES * page_size();
	self->nth = open("/proc/thread-self/fail-nth", O_RDWR);
	if (self->nth < 0)
		SKIP(return, "the kernel cannot be told to fail");
	for (size_t i = 0; i < ARRAY_SIZE(knobs); i++)
		if (knob_set(knobs[i].path, knobs[i].text))
			SKIP(return, "there is no %s", knobs[i].path);
}

FIXTURE_TEARDOWN(nomem)
{
	knobs_restore();
}

/* The allocation of that number, counted from now on in this thread, fails. */
static void fail(int nth, int number)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", number);
	if (pwrite(nth, text, strlen(text), 0) < 0)
		abort();
}

/*
 * Ends that; whether one has failed. Copies to and from user space count as well, also
 * those of the question itself: then nothing had failed before.
 */
static bool has_failed(int nth)
{
	char text[16] = "1";
	bool failed = pread(nth, text, sizeof(text) - 1, 0) > 0 && atoi(text) == 0;

	if (pwrite(nth, "0", 1, 0) < 0 && errno != EFAULT)
		abort();
	return failed;
}

TEST_F_TIMEOUT(nomem, mmap_fails_as_a_whole, 300)
{
	bool failed = true;
	int number;

	for (number = 1; failed && number < MOST && __test_passed(_metadata); number++) {
		int fd = device_make(variant->words, 0), error;
		char *map;

		ASSERT_LE(0, fd);
		fail(self->nth, number);
		map = device_map(fd, RW, MAP_SHARED, PAGES, 0);
		error = errno;
		failed = has_failed(self->nth);
		if (map == MAP_FAILED) {
			EXPECT_TRUE(failed);
			EXPECT_EQ(ENOMEM, error);
			EXPECT_EQ(0, device_info(fd).mappings);
			map = device_map(fd, RW, MAP_SHARED, PAGES, 0);
		}
		ASSERT_NE(MAP_FAILED, map) TH_LOG("number %d: %s", number, strerror(errno));
		EXPECT_EQ(self->size, device_info(fd).bytes);
		EXPECT_EQ(1, device_info(fd).mappings);
		EXPECT_TRUE(pages_are_zero(map, PAGES));
		fill_pages(map, PAGES, 1);
		EXPECT_TRUE(pages_have(map, PAGES, 1));
		munmap(map, self->size);
		EXPECT_EQ(0, device_info(fd).mappings);
		close(fd);
	}
	EXPECT_FALSE(failed);
	EXPECT_LT(5, number);
}

TEST_F_TIMEOUT(nomem, setup_fails_as_a_whole, 300)
{
	struct mmlens_setup setup = device_words(variant->words, PAGES);
	bool failed = true;
	int number;

	for (number = 1; failed && number < MOST && __test_passed(_metadata); number++) {
		int fd = device_open(O_RDWR), ret, error;

		fail(self->nth, number);
		ret = ioctl(fd, MMLENS_IOC_SETUP, &setup);
		error = errno;
		failed = has_failed(self->nth);
		if (ret) {
			EXPECT_TRUE(failed);
			/* Copies from user space can be failed too. */
			EXPECT_TRUE(error == ENOMEM || error == EFAULT)
				TH_LOG("%s", strerror(error));
			EXPECT_EQ(0, device_info(fd).bytes);
			EXPECT_EQ(0, ioctl(fd, MMLENS_IOC_SETUP, &setup));
		}
		EXPECT_EQ(self->size, device_info(fd).bytes);
		close(fd);
	}
	EXPECT_FALSE(failed);
	EXPECT_LT(5, number);
}

TEST_F_TIMEOUT(nomem, open_fails_as_a_whole, 300)
{
	bool failed = true;
	int number;

	for (number = 1; failed && number < MOST && __test_passed(_metadata); number++) {
		int fd, error;

		fail(self->nth, number);
		fd = device_open(O_RDWR);
		error = errno;
		failed = has_failed(self->nth);
		if (fd < 0) {
			EXPECT_TRUE(failed);
			EXPECT_TRUE(error == ENOMEM || error == EFAULT)
				TH_LOG("%s", strerror(error));
		}
		close(fd);
	}
	EXPECT_FALSE(failed);
	EXPECT_LT(3, number);
}

/* A fault without memory is tried again: nothing is lost, and nobody is killed for it. */
TEST_F_TIMEOUT(nomem, faults_are_tried_again, 300)
{
	bool failed = true;
	int number;

	for (number = 1; failed && number < MOST && __test_passed(_metadata); number++) {
		int fd = device_make(variant->words, 0);
		char *map = device_map(fd, RW, MAP_SHARED, PAGES, 0);
		bool good = true;

		ASSERT_NE(MAP_FAILED, map);
		fail(self->nth, number);
		for (size_t i = 0; i < PAGES; i++) {
			volatile char *p = map + i * page_size();

			good &= *p == 0;
			*p = i;
			good &= *p == (char)i;
		}
		failed = has_failed(self->nth);
		EXPECT_TRUE(good) TH_LOG("number %d", number);
		EXPECT_EQ(0, device_op(fd, MMLENS_OP_FAULT).outcome[MMLENS_OUTCOME_SIGBUS]);
		munmap(map, self->size);
		close(fd);
	}
	EXPECT_FALSE(failed);
}

/* Fork, a split and a move copy VMAs. */
TEST_F_TIMEOUT(nomem, copies_of_vmas_fail_as_a_whole, 300)
{
	bool failed = true;
	int number;

	for (number = 1; failed && number < MOST && __test_passed(_metadata); number++) {
		int fd = device_make(variant->words, 0);
		char *map = device_map(fd, RW, MAP_SHARED, PAGES, 0);
		char *room = mmap(NULL, self->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		pid_t pid;

		ASSERT_NE(MAP_FAILED, map);
		fill_pages(map, PAGES, 1);
		fail(self->nth, number);
		mprotect(map + 3 * page_size(), page_size(), PROT_READ);
		if (mremap(map, 2 * page_size(), 2 * page_size(), MREMAP_MAYMOVE | MREMAP_FIXED,
			   room) == room)
			munmap(room, self->size);
		pid = fork();
		if (!pid)
			_exit(0);
		failed = has_failed(self->nth);
		if (pid > 0)
			waitpid(pid, NULL, 0);
		EXPECT_EQ(device_done(fd, MMLENS_OP_MMAP) + device_done(fd, MMLENS_OP_OPEN) -
			  device_done(fd, MMLENS_OP_CLOSE), device_info(fd).mappings);
		EXPECT_TRUE(pages_have(map + 4 * page_size(), PAGES - 4, 1 + 4));
		munmap(map, self->size);
		munmap(room, self->size);
		EXPECT_EQ(0, device_info(fd).mappings) TH_LOG("number %d", number);
		close(fd);
	}
	EXPECT_FALSE(failed);
	EXPECT_LT(5, number);
}

TEST_HARNESS_MAIN

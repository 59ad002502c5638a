// SPDX-License-Identifier: GPL-2.0
/* madvise() and other requests about memory: what is refused, and that none loses anything. */
#include <fcntl.h>
#include <linux/mman.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/look.h"
#include "lib/setups.h"
#include "lib/util.h"

#define PAGES 16
#define RW (PROT_READ | PROT_WRITE)

FIXTURE(advice)
{
	size_t page, size;
	int fd;
	char *map;
	struct combo combo;
};

FIXTURE_SETUP(advice)
{
	self->page = page_size();
	self->size = PAGES * self->page;
}

FIXTURE_TEARDOWN(advice)
{
}

/* Written by another mapping: in the tables is what the strategy puts there. */
#define MAKE() do { \
	char *other_; \
	self->fd = device_make(self->combo.words, 0); \
	ASSERT_LE(0, self->fd) TH_LOG("%s: %s", self->combo.words, strerror(-self->fd)); \
	other_ = device_map(self->fd, RW, MAP_SHARED, PAGES, 0); \
	ASSERT_NE(MAP_FAILED, other_); \
	fill_pages(other_, PAGES, 1); \
	munmap(other_, self->size); \
	self->map = map_alone(RW, MAP_SHARED, self->fd, PAGES, 0); \
} while (0)

#define DROP() do { \
	munmap(self->map, self->size); \
	EXPECT_EQ(0, device_info(self->fd).mappings); \
	close(self->fd); \
} while (0)

/* By page kind: the errno; NO_MATTER: that depends on the kernel. */
#define NO_MATTER -1

static const struct {
	const char *name;
	int advice, error[3];
} advices[] = {
	[0] = { "NORMAL", MADV_NORMAL, { 0, 0, 0 } },
	{ "RANDOM", MADV_RANDOM, { 0, 0, 0 } },
	{ "SEQUENTIAL", MADV_SEQUENTIAL, { 0, 0, 0 } },
	{ "WILLNEED", MADV_WILLNEED, { 0, 0, 0 } },
	{ "DONTNEED", MADV_DONTNEED, { 0, EINVAL, 0 } },
	{ "DONTNEED_LOCKED", MADV_DONTNEED_LOCKED, { 0, EINVAL, 0 } },
	/* For anonymous memory only. */
	{ "FREE", MADV_FREE, { EINVAL, EINVAL, EINVAL } },
	{ "WIPEONFORK", MADV_WIPEONFORK, { EINVAL, EINVAL, EINVAL } },
	{ "COLD", MADV_COLD, { 0, EINVAL, 0 } },
	{ "PAGEOUT", MADV_PAGEOUT, { 0, EINVAL, 0 } },
	{ "POPULATE_READ", MADV_POPULATE_READ, { 0, EINVAL, 0 } },
	{ "POPULATE_WRITE", MADV_POPULATE_WRITE, { 0, EINVAL, 0 } },
	/* Not for what cannot expand. */
	{ "GUARD_INSTALL", MADV_GUARD_INSTALL, { EINVAL, EINVAL, EINVAL } },
	{ "DODUMP", MADV_DODUMP, { EINVAL, EINVAL, EINVAL } },
	{ "DONTDUMP", MADV_DONTDUMP, { 0, 0, 0 } },
	{ "DONTFORK", MADV_DONTFORK, { 0, 0, 0 } },
	{ "DOFORK", MADV_DOFORK, { EINVAL, EINVAL, EINVAL } },
	{ "HUGEPAGE", MADV_HUGEPAGE, { NO_MATTER, NO_MATTER, NO_MATTER } },
	{ "COLLAPSE", MADV_COLLAPSE, { NO_MATTER, NO_MATTER, NO_MATTER } },
	{ "NOHUGEPAGE", MADV_NOHUGEPAGE, { NO_MATTER, NO_MATTER, NO_MATTER } },
	{ "MERGEABLE", MADV_MERGEABLE, { NO_MATTER, NO_MATTER, NO_MATTER } },
	{ "UNMERGEABLE", MADV_UNMERGEABLE, { NO_MATTER, NO_MATTER, NO_MATTER } },
	{ "REMOVE", MADV_REMOVE, { NO_MATTER, NO_MATTER, NO_MATTER } },
};

TEST_F_TIMEOUT(advice, loses_nothing_whatever_it_is, 300)
{
	for_each_combo(&self->combo) {
		MAKE();
		for (size_t i = 0; i < ARRAY_SIZE(advices); i++) {
			int want = advices[i].error[self->combo.kind], error;

			/* A part, all of it, and all of it again. */
			error = madvise(self->map + 4 * self->page, 4 * self->page,
					advices[i].advice) ? errno : 0;
			if (want != NO_MATTER) {
				EXPECT_EQ(want, error) TH_LOG("%s", advices[i].name);
				error = madvise(self->map, self->size, advices[i].advice) ?
					errno : 0;
				EXPECT_EQ(want, error) TH_LOG("%s", advices[i].name);
			}
			EXPECT_TRUE(pages_have(self->map, PAGES, 1)) TH_LOG("%s", advices[i].name);
			madvise(self->map, self->size, advices[i].advice);
			EXPECT_TRUE(pages_have(self->map, PAGES, 1)) TH_LOG("%s", advices[i].name);
		}
		DROP();
	}
}

TEST_F_TIMEOUT(advice, dropped_pages_come_again, 300)
{
	for_each_combo(&self->combo) {
		if (self->combo.kind == MMLENS_PAGE_KIND_PFNMAP)
			continue;
		MAKE();
		read_all(self->map, PAGES);
		ASSERT_EQ(0, madvise(self->map, self->size, MADV_DONTNEED));
		EXPECT_EQ(0, mapped_pages(self->map, PAGES));
		EXPECT_TRUE(pages_have(self->map, PAGES, 1));
		EXPECT_EQ(PAGES, mapped_pages(self->map, PAGES));
		ASSERT_EQ(0, madvise(self->map, self->size, MADV_DONTNEED));
		fill_pages(self->map, PAGES, 2);
		EXPECT_TRUE(pages_have(self->map, PAGES, 2));
		DROP();
	}
}

TEST_F_TIMEOUT(advice, populating_maps_what_can_be_got, 300)
{
	for_each_combo(&self->combo) {
		bool pfnmap = self->combo.kind == MMLENS_PAGE_KIND_PFNMAP;
		bool early = is_mapped_at_once(&self->combo);
		char *map;

		MAKE();
		/* Frame numbers are nothing that one can populate, and that is no error. */
		map = device_map(self->fd, RW, MAP_SHARED | MAP_POPULATE, PAGES, 0);
		ASSERT_NE(MAP_FAILED, map);
		EXPECT_EQ(pfnmap && !early ? 0 : PAGES, mapped_pages(map, PAGES));
		EXPECT_TRUE(pages_have(map, PAGES, 1));
		munmap(map, self->size);
		if (!pfnmap) {
			if (self->combo.track)
				ASSERT_EQ(0, device_dirty(self->fd, 0, PAGES, 0, NULL, NULL));
			ASSERT_EQ(0, madvise(self->map, self->size, MADV_POPULATE_READ));
			EXPECT_EQ(PAGES, mapped_pages(self->map, PAGES));
			EXPECT_EQ(0, device_info(self->fd).dirty_pages);
			ASSERT_EQ(0, madvise(self->map, self->size, MADV_POPULATE_WRITE));
			EXPECT_EQ(self->combo.track ? PAGES : 0, device_info(self->fd).dirty_pages);
		}
		EXPECT_TRUE(pages_have(self->map, PAGES, 1));
		DROP();
	}
}

TEST_F_TIMEOUT(advice, locking_is_harmless, 300)
{
	for_each_combo(&self->combo) {
		unsigned char there[PAGES];
		char *map;

		MAKE();
		EXPECT_EQ(0, mlock(self->map + self->page, 3 * self->page));
		EXPECT_EQ(0, mlock2(self->map, self->size, MLOCK_ONFAULT));
		EXPECT_TRUE(pages_have(self->map, PAGES, 1));
		/* What cannot expand is never locked. */
		EXPECT_EQ(0, proc_number(0, "status", "VmLck"));
		EXPECT_EQ(0, munlock(self->map, self->size));
		map = device_map(self->fd, RW, MAP_SHARED | MAP_LOCKED, PAGES, 0);
		ASSERT_NE(MAP_FAILED, map);
		EXPECT_TRUE(pages_have(map, PAGES, 1));
		munmap(map, self->size);
		EXPECT_EQ(0, mincore(self->map, self->size, there));
		EXPECT_EQ(0, msync(self->map, self->size, MS_SYNC));
		EXPECT_EQ(0, msync(self->map + self->page, self->page, MS_ASYNC | MS_INVALIDATE));
		EXPECT_TRUE(pages_have(self->map, PAGES, 1));
		DROP();
	}
}

TEST_F_TIMEOUT(advice, not_forked_if_advised_so, 120)
{
	for_each_combo(&self->combo) {
		int status;
		pid_t pid;

		MAKE();
		ASSERT_EQ(0, madvise(self->map, self->size, MADV_DONTFORK));
		pid = fork();
		if (!pid)
			_exit(device_info(self->fd).mappings != 1 ||
			      access_signal(self->map, false) != SIGSEGV);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status);
		EXPECT_TRUE(pages_have(self->map, PAGES, 1));
		DROP();
	}
}

TEST_F_TIMEOUT(advice, userfaultfd_cannot_have_it, 120)
{
	struct uffdio_api api = { .api = UFFD_API };
	int uffd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (uffd < 0)
		SKIP(return, "userfaultfd: %s", strerror(errno));
	/* With asynchronous write protection any memory would do, but for special one. */
	api.features = UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED;
	if (ioctl(uffd, UFFDIO_API, &api)) {
		close(uffd);
		uffd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);
		api.features = 0;
		ASSERT_EQ(0, ioctl(uffd, UFFDIO_API, &api));
	}
	for_each_combo(&self->combo) {
		const __u64 modes[] = {
			UFFDIO_REGISTER_MODE_MISSING, UFFDIO_REGISTER_MODE_WP,
			UFFDIO_REGISTER_MODE_MINOR,
		};

		MAKE();
		for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
			struct uffdio_register area = {
				.range = { .start = (uintptr_t)self->map, .len = self->size },
				.mode = modes[i],
			};

			EXPECT_EQ(-1, ioctl(uffd, UFFDIO_REGISTER, &area));
			EXPECT_EQ(EINVAL, errno);
		}
		EXPECT_TRUE(pages_have(self->map, PAGES, 1));
		DROP();
	}
}

TEST_F_TIMEOUT(advice, remap_file_pages_stays_inside, 120)
{
	for_each_combo(&self->combo) {
		MAKE();
		/* Page 5 of the buffer where page 2 is; then past the end, by one and by far. */
		ASSERT_EQ(0, syscall(__NR_remap_file_pages, self->map + 2 * self->page,
				     self->page, 0, 5, 0));
		EXPECT_TRUE(pages_have(self->map + 2 * self->page, 1, 1 + 5));
		EXPECT_TRUE(pages_have(self->map + 5 * self->page, PAGES - 5, 1 + 5));
		EXPECT_EQ(-1, syscall(__NR_remap_file_pages, self->map, self->page, 0, PAGES, 0));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(-1, syscall(__NR_remap_file_pages, self->map + 7 * self->page,
				      2 * self->page, 0, PAGES - 1, 0));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_TRUE(pages_have(self->map + 10 * self->page, PAGES - 10, 1 + 10));
		DROP();
	}
}

TEST_HARNESS_MAIN

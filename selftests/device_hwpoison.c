// SPDX-License-Identifier: GPL-2.0
/*
 * Pages of a buffer whose memory is broken, as the kernel has found out: nobody gets at them by a
 * fault, and the kernel itself does not touch them. Each buffer here loses a page of the machine
 * for good.
 */
#include <fcntl.h>
#include <linux/kernel-page-flags.h>
#include <setjmp.h>
#include <signal.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/kinds.h"
#include "lib/knobs.h"
#include "lib/scan.h"
#include "lib/setups.h"
#include "lib/texts.h"
#include "lib/util.h"

/* Takes an address of the memory that is to be taken for broken (drivers/base/memory.c). */
#define OFFLINE "/sys/devices/system/memory/hard_offline_page"

#define PAGES 8
/* The one that is lost, and those behind it. */
#define LOST 3
#define BEHIND (PAGES - LOST - 1)
#define RW (PROT_READ | PROT_WRITE)

FIXTURE(hwpoison)
{
	size_t page, size;
	int fd, mem;
	char *map, *copy;
	struct combo combo;
};

FIXTURE_SETUP(hwpoison)
{
	if (access("/run/mmlens", F_OK))
		SKIP(return, "this machine would lose pages for good");
	if (access(OFFLINE, W_OK))
		SKIP(return, "the kernel cannot be told of broken memory");
	self->page = page_size();
	self->size = PAGES * self->page;
	self->copy = malloc(self->size);
	self->mem = open("/proc/self/mem", O_RDWR);
	ASSERT_LE(0, self->mem);
}

FIXTURE_TEARDOWN(hwpoison)
{
	knobs_restore();
}

/* Whether the kernel takes the memory that is mapped there for broken. */
static bool lose(int fd, char *at)
{
	struct mmlens_query query;
	char text[24];
	uint64_t flags;

	if (ask(fd, 0, MMLENS_QUERY_TRANSLATE, (uintptr_t)at, 0, &query))
		return false;
	snprintf(text, sizeof(text), "0x%llx", query.physical);
	/* It can do nothing about a page of a driver, says so, and remembers it. */
	write_file(OFFLINE, text);
	return scan_frame_flags(query.physical / page_size(), &flags) &&
	       flags & 1ULL << KPF_HWPOISON;
}

static sigjmp_buf after_access;
static siginfo_t caught;

static void on_bus(int signal, siginfo_t *info, void *context)
{
	(void)context;
	caught = *info;
	siglongjmp(after_access, signal);
}

/* Whether an access there is told that its memory is broken. */
static bool is_told(volatile char *p, bool write)
{
	struct sigaction action = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO }, old;
	int signal;

	memset(&caught, 0, sizeof(caught));
	sigaction(SIGBUS, &action, &old);
	signal = sigsetjmp(after_access, 1);
	if (!signal) {
		if (write)
			*p = 1;
		else
			(void)*p;
	}
	sigaction(SIGBUS, &old, NULL);
	return signal == SIGBUS && caught.si_code == BUS_MCEERR_AR && caught.si_addr == (void *)p;
}

/*
 * Of pages that are mapped one by one: others are mapped without a look at each. The pages of a
 * huge one go back to the allocator together, and with them the one that is lost.
 */
static bool can_be_lost(const struct combo *combo)
{
	return combo->strategy != MMLENS_STRATEGY_HUGE && combo->cache == MMLENS_CACHE_WB &&
	       (is_normal(combo) || combo->strategy != MMLENS_STRATEGY_REMAP);
}

/* A buffer that has lost a page, mapped anew. */
#define MAKE() do { \
	self->fd = device_make(self->combo.words, 0); \
	ASSERT_LE(0, self->fd) TH_LOG("%s: %s", self->combo.words, strerror(-self->fd)); \
	self->map = device_map(self->fd, RW, MAP_SHARED, PAGES, 0); \
	ASSERT_NE(MAP_FAILED, self->map) TH_LOG("%s: %s", self->combo.words, strerror(errno)); \
	fill_pages(self->map, PAGES, 1); \
	ASSERT_TRUE(lose(self->fd, self->map + LOST * self->page)); \
	munmap(self->map, self->size); \
	if (self->combo.track) \
		ASSERT_EQ(0, device_dirty(self->fd, 0, PAGES, 0, NULL, NULL)); \
	self->map = device_map(self->fd, RW, MAP_SHARED, PAGES, 0); \
	ASSERT_NE(MAP_FAILED, self->map) TH_LOG("%s: %s", self->combo.words, strerror(errno)); \
} while (0)

#define DROP() do { \
	munmap(self->map, self->size); \
	close(self->fd); \
} while (0)

TEST_F_TIMEOUT(hwpoison, is_not_mapped, 300)
{
	for_each_combo(&self->combo) {
		char *lost;

		if (!can_be_lost(&self->combo))
			continue;
		MAKE();
		lost = self->map + LOST * self->page;
		/* A neighbour first, which may be mapped along with others. */
		EXPECT_EQ(0, access_signal(lost - self->page, false));
		EXPECT_TRUE(is_told(lost, false)) TH_LOG("%s", self->combo.words);
		EXPECT_TRUE(is_told(lost, true)) TH_LOG("%s", self->combo.words);
		EXPECT_TRUE(pages_have(self->map, LOST, 1));
		EXPECT_EQ(0, access_signal(lost + self->page, true));
		EXPECT_EQ(2, device_op(self->fd, MMLENS_OP_FAULT).outcome[MMLENS_OUTCOME_ERROR]);
		if (self->combo.track) {
			__u64 bits = 0;

			EXPECT_EQ(0, device_dirty(self->fd, 0, PAGES, 0, &bits, NULL));
			EXPECT_EQ(1 << (LOST + 1), bits);
		}
		EXPECT_EQ(0, device_revoke(self->fd, 0));
		EXPECT_EQ(0, device_restore(self->fd));
		EXPECT_TRUE(is_told(lost, false));
		DROP();
	}
}

/* Who can read it already cannot write to it from then on. */
TEST_F_TIMEOUT(hwpoison, does_not_become_writable, 300)
{
	for_each_combo(&self->combo) {
		bool is_mixed = self->combo.kind == MMLENS_PAGE_KIND_MIXED;
		char *lost;

		if (!can_be_lost(&self->combo) || !(self->combo.track || is_mixed))
			continue;
		self->fd = device_make(self->combo.words, 0);
		ASSERT_LE(0, self->fd);
		self->map = device_map(self->fd, RW, MAP_SHARED, PAGES, 0);
		ASSERT_NE(MAP_FAILED, self->map);
		lost = self->map + LOST * self->page;
		ASSERT_TRUE(pages_are_zero(self->map, PAGES));
		ASSERT_TRUE(lose(self->fd, lost));
		EXPECT_EQ(0, access_signal(lost, false)) TH_LOG("%s", self->combo.words);
		EXPECT_TRUE(is_told(lost, true)) TH_LOG("%s", self->combo.words);
		EXPECT_EQ(0, access_signal(lost + self->page, true));
		if (self->combo.track) {
			__u64 bits = 0;

			EXPECT_EQ(0, device_dirty(self->fd, 0, PAGES, 0, &bits, NULL));
			EXPECT_EQ(1 << (LOST + 1), bits);
		}
		DROP();
	}
}

/* Else the machine would stop: in the kernel nobody can be killed instead. */
TEST_F_TIMEOUT(hwpoison, is_not_touched_by_the_kernel, 300)
{
	for_each_combo(&self->combo) {
		ssize_t before = LOST * self->page, page = self->page, behind = BEHIND * page;

		if (!can_be_lost(&self->combo))
			continue;
		MAKE();
		EXPECT_EQ(before, pread(self->fd, self->copy, self->size, 0));
		EXPECT_TRUE(pages_have(self->copy, LOST, 1));
		EXPECT_EQ(-1, pread(self->fd, self->copy, page, before + 1));
		EXPECT_EQ(EIO, errno);
		EXPECT_EQ(behind, pread(self->fd, self->copy, self->size, before + page));
		EXPECT_EQ(page, pwrite(self->fd, self->copy, 3 * page, before - page));
		EXPECT_EQ(-1, pwrite(self->fd, self->copy, page, before));
		EXPECT_EQ(EIO, errno);
		EXPECT_EQ(behind, pwrite(self->fd, self->copy, behind, before + page));
		if (self->combo.track) {
			__u64 bits = 0;

			EXPECT_EQ(0, device_dirty(self->fd, 0, PAGES, 0, &bits, NULL));
			EXPECT_EQ(0, bits & 1 << LOST);
			EXPECT_NE(0, bits & 1 << (LOST + 1));
		}
		/* By the device's own method, where there are no pages to get. */
		EXPECT_EQ(before, pread(self->mem, self->copy, self->size, (uintptr_t)self->map));
		EXPECT_EQ(-1, pread(self->mem, self->copy, 1, (uintptr_t)self->map + before));
		EXPECT_EQ(EIO, errno);
		EXPECT_EQ(-1, pwrite(self->mem, self->copy, 1, (uintptr_t)self->map + before));
		EXPECT_EQ(EIO, errno);
		DROP();
	}
}

/* The pages of a huge one can be mapped one by one, too. */
TEST_F_TIMEOUT(hwpoison, leaves_the_rest_of_a_huge_page, 120)
{
	size_t pages = pmd_size() / self->page;
	char *command = read_file("/proc/cmdline", NULL);

	if (!has_huge_pages())
		SKIP(return, "no transparent huge pages");
	/* It goes back to the allocator as a whole, which looks at it with this alone. */
	if (!strstr(command, "page_poison=1"))
		SKIP(return, "what is lost would be in use again; boot with page_poison=1");
	ASSERT_EQ(0, knob_set("/sys/kernel/mm/transparent_hugepage/enabled", "always"));
	self->fd = device_make("contig,normal,huge", pages);
	if (self->fd == -ENOMEM)
		SKIP(return, "no memory that is contiguous enough");
	ASSERT_LE(0, self->fd);
	self->map = device_map(self->fd, RW, MAP_SHARED, pages, 0);
	ASSERT_NE(MAP_FAILED, self->map);
	fill_pages(self->map, pages, 1);
	EXPECT_EQ(1, device_done(self->fd, MMLENS_OP_HUGE_FAULT));
	ASSERT_TRUE(lose(self->fd, self->map));
	EXPECT_EQ(0, device_revoke(self->fd, 0));
	EXPECT_EQ(0, device_restore(self->fd));
	EXPECT_TRUE(is_told(self->map, false));
	EXPECT_TRUE(is_told(self->map, true));
	EXPECT_EQ(0, access_signal(self->map + self->page, true));
	EXPECT_EQ(1, device_done(self->fd, MMLENS_OP_HUGE_FAULT));
	EXPECT_EQ(0, device_op(self->fd, MMLENS_OP_HUGE_FAULT).outcome[MMLENS_OUTCOME_ERROR]);
	munmap(self->map, pmd_size());
	close(self->fd);
}

TEST_HARNESS_MAIN

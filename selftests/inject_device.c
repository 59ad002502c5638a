// SPDX-License-Identifier: GPL-2.0
/*
 * What makes, maps and uses a buffer, with one failure after the other in it: what was asked for
 * fails as a whole, and works when it is asked for again.
 */
#include <fcntl.h>
#include <sys/ioctl.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/group.h"
#include "lib/inject.h"
#include "lib/kinds.h"
#include "lib/knobs.h"
#include "lib/setups.h"
#include "lib/util.h"

#define PAGES 8
#define RW (PROT_READ | PROT_WRITE)

#define BUFFER(text) { .words = text }

/* Huge pages are of use only where there is a whole one. */
static size_t pages_of(const char *words, size_t others)
{
	return strstr(words, "huge") ? pmd_size() / page_size() : others;
}

/* In a fixture with a sweep and a variant with words. */
#define BUFFER_SETUP() do { \
	if (strstr(variant->words, "huge") && !has_huge_pages()) \
		SKIP(return, "the kernel has no transparent huge pages"); \
	SWEEP_SETUP(&self->sweep); \
	if (strstr(variant->words, "huge")) \
		ASSERT_EQ(0, knob_set("/sys/kernel/mm/transparent_hugepage/enabled", "always")); \
	GROUP_SETUP(); \
} while (0)

#define BUFFER_TEARDOWN() do { \
	EXPECT_NOTHING_LEFT(&self->sweep); \
	knobs_restore(); \
	GROUP_TEARDOWN(); \
} while (0)

FIXTURE(inject_make)
{
	struct sweep sweep;
};

FIXTURE_VARIANT(inject_make)
{
	const char *words;
};

FIXTURE_VARIANT_ADD(inject_make, vmalloc) BUFFER("vmalloc,track");
FIXTURE_VARIANT_ADD(inject_make, vmap) BUFFER("vmap,pfnmap,wc");
FIXTURE_VARIANT_ADD(inject_make, contig) BUFFER("contig");
FIXTURE_VARIANT_ADD(inject_make, contig_huge) BUFFER("contig,huge");
FIXTURE_VARIANT_ADD(inject_make, sparse) BUFFER("sparse,track");

FIXTURE_SETUP(inject_make)
{
	BUFFER_SETUP();
}

FIXTURE_TEARDOWN(inject_make)
{
	BUFFER_TEARDOWN();
}

TEST_F_TIMEOUT(inject_make, setup_fails_as_a_whole, 300)
{
	const size_t pages = pages_of(variant->words, 64);
	struct mmlens_setup setup = device_words(variant->words, pages);

	for_each_failure(&self->sweep, 5) {
		int fd = device_open(O_RDWR);

		if (INJECT(&self->sweep, ioctl(fd, MMLENS_IOC_SETUP, &setup))) {
			EXPECT_INJECTED(&self->sweep, errno);
			EXPECT_EQ(0, device_info(fd).bytes);
			EXPECT_EQ(0, ioctl(fd, MMLENS_IOC_SETUP, &setup));
		}
		EXPECT_EQ(pages * page_size(), device_info(fd).bytes);
		close(fd);
	}
}

FIXTURE(inject_map)
{
	struct sweep sweep;
};

FIXTURE_VARIANT(inject_map)
{
	const char *words;
};

FIXTURE_VARIANT_ADD(inject_map, lazy) BUFFER("vmalloc,track");
FIXTURE_VARIANT_ADD(inject_map, eager) BUFFER("vmap,eager");
FIXTURE_VARIANT_ADD(inject_map, eager_pfnmap) BUFFER("vmap,pfnmap,eager,wc,track");
FIXTURE_VARIANT_ADD(inject_map, eager_mixed) BUFFER("contig,mixed,eager");
FIXTURE_VARIANT_ADD(inject_map, remap) BUFFER("contig,remap");
FIXTURE_VARIANT_ADD(inject_map, remap_pfnmap) BUFFER("vmap,pfnmap,remap");
FIXTURE_VARIANT_ADD(inject_map, huge) BUFFER("contig,huge");
FIXTURE_VARIANT_ADD(inject_map, huge_pfnmap) BUFFER("contig,pfnmap,huge");
FIXTURE_VARIANT_ADD(inject_map, sparse) BUFFER("sparse,around=4,track");

FIXTURE_SETUP(inject_map)
{
	BUFFER_SETUP();
}

FIXTURE_TEARDOWN(inject_map)
{
	BUFFER_TEARDOWN();
}

TEST_F_TIMEOUT(inject_map, mmap_fails_as_a_whole, 300)
{
	const size_t pages = pages_of(variant->words, PAGES);

	for_each_failure(&self->sweep, 5) {
		int fd = device_make(variant->words, 0);
		char *map;

		ASSERT_LE(0, fd);
		map = INJECT(&self->sweep, device_map(fd, RW, MAP_SHARED, pages, 0));
		if (map == MAP_FAILED) {
			EXPECT_INJECTED(&self->sweep, errno);
			EXPECT_EQ(0, device_info(fd).mappings);
			/* It can be revoked and restored whatever was left of the attempt. */
			EXPECT_EQ(0, device_revoke(fd, 0));
			EXPECT_EQ(0, device_restore(fd));
			map = device_map(fd, RW, MAP_SHARED, pages, 0);
		}
		ASSERT_NE(MAP_FAILED, map) TH_LOG("%s", strerror(errno));
		EXPECT_EQ(pages * page_size(), device_info(fd).bytes);
		EXPECT_EQ(1, device_info(fd).mappings);
		EXPECT_TRUE(pages_are_zero(map, pages));
		fill_pages(map, pages, 1);
		EXPECT_TRUE(pages_have(map, pages, 1));
		munmap(map, pages * page_size());
		EXPECT_EQ(0, device_info(fd).mappings);
		close(fd);
	}
}

/* Fork, a split and a move copy VMAs. */
TEST_F_TIMEOUT(inject_map, copies_of_vmas_fail_as_a_whole, 300)
{
	const size_t pages = pages_of(variant->words, PAGES);

	/* As with eager. */
	if (strstr(variant->words, "mixed") || strstr(variant->words, "remap"))
		return;
	for_each_failure(&self->sweep, 5) {
		int fd = device_make(variant->words, 0);
		char *map = device_map(fd, RW, MAP_SHARED, pages, 0);
		char *room = mmap(NULL, pages * page_size(), PROT_NONE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		pid_t pid;

		ASSERT_NE(MAP_FAILED, map);
		fill_pages(map, pages, 1);
		sweep_arm(&self->sweep, __LINE__);
		mprotect(map + 3 * page_size(), page_size(), PROT_READ);
		if (mremap(map, 2 * page_size(), 2 * page_size(), MREMAP_MAYMOVE | MREMAP_FIXED,
			   room) == room)
			munmap(room, pages * page_size());
		munmap(map + 5 * page_size(), page_size());
		pid = fork();
		if (!pid)
			_exit(0);
		sweep_disarm(&self->sweep);
		if (pid > 0)
			waitpid(pid, NULL, 0);
		EXPECT_EQ(device_done(fd, MMLENS_OP_MMAP) + device_done(fd, MMLENS_OP_OPEN) -
			  device_done(fd, MMLENS_OP_CLOSE), device_info(fd).mappings);
		EXPECT_TRUE(pages_have(map + 4 * page_size(), 1, 1 + 4));
		EXPECT_TRUE(pages_have(map + 6 * page_size(), pages - 6, 1 + 6));
		munmap(map, pages * page_size());
		munmap(room, pages * page_size());
		EXPECT_EQ(0, device_info(fd).mappings);
		close(fd);
	}
}

FIXTURE(inject_fault)
{
	struct sweep sweep;
	size_t pages;
	unsigned int floor;
	char *room, *map;
	int fd;
};

FIXTURE_VARIANT(inject_fault)
{
	const char *words;
};

FIXTURE_VARIANT_ADD(inject_fault, lazy) BUFFER("vmalloc,track");
FIXTURE_VARIANT_ADD(inject_fault, pfnmap) BUFFER("vmap,pfnmap,track");
FIXTURE_VARIANT_ADD(inject_fault, mixed) BUFFER("contig,mixed");
FIXTURE_VARIANT_ADD(inject_fault, around) BUFFER("contig,around=8");
FIXTURE_VARIANT_ADD(inject_fault, around_pfnmap) BUFFER("vmap,pfnmap,around=8,track");
FIXTURE_VARIANT_ADD(inject_fault, huge) BUFFER("contig,huge");
FIXTURE_VARIANT_ADD(inject_fault, huge_pfnmap) BUFFER("contig,pfnmap,huge");
FIXTURE_VARIANT_ADD(inject_fault, sparse) BUFFER("sparse,around=4,track");

FIXTURE_SETUP(inject_fault)
{
	BUFFER_SETUP();
	self->pages = pages_of(variant->words, PAGES);
	self->room = map_aligned(PROT_NONE, MAP_PRIVATE | MAP_NORESERVE, 3 * pmd_size(),
				 pmd_size());
	/* A huge page needs no more than an entry of a table that may be there. */
	self->floor = !strstr(variant->words, "huge");
}

FIXTURE_TEARDOWN(inject_fault)
{
	BUFFER_TEARDOWN();
}

/* Where nothing else is mapped by the same table, so that the first fault has to make it. */
#define MAKE() do { \
	self->fd = device_make(variant->words, 0); \
	self->map = mmap(self->room + pmd_size(), self->pages * page_size(), RW, \
			 MAP_SHARED | MAP_FIXED, self->fd, 0); \
	ASSERT_NE(MAP_FAILED, self->map); \
} while (0)

#define UNMAKE() do { \
	EXPECT_EQ(0, device_op(self->fd, MMLENS_OP_FAULT).outcome[MMLENS_OUTCOME_SIGBUS]); \
	EXPECT_EQ(!!strstr(variant->words, "huge"), \
		  device_done(self->fd, MMLENS_OP_HUGE_FAULT) > 0); \
	/* All that the table is of: then it goes too. */ \
	munmap(self->map, pmd_size()); \
	ASSERT_EQ(self->map, mmap(self->map, pmd_size(), PROT_NONE, MAP_PRIVATE | MAP_FIXED | \
				  MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)); \
	close(self->fd); \
} while (0)

/* A fault without memory is tried again: nothing is lost, and nobody is killed for it. */
TEST_F_TIMEOUT(inject_fault, is_tried_again, 300)
{
	for_each_failure(&self->sweep, self->floor) {
		bool good = true;

		MAKE();
		sweep_arm(&self->sweep, self->floor ? __LINE__ : 0);
		for (size_t i = 0; i < self->pages; i++) {
			volatile char *p = self->map + i * page_size();

			good &= *p == 0;
			*p = i;
			good &= *p == (char)i;
		}
		sweep_disarm(&self->sweep);
		EXPECT_TRUE(good);
		UNMAKE();
	}
}

/*
 * By get_user_pages(), or access() for frames: who cannot reach the mapping says so, and did no
 * more than he says.
 */
TEST_F_TIMEOUT(inject_fault, in_a_system_call_is_told, 300)
{
	/* Each page is one more that can fail. */
	const size_t size = PAGES * page_size();
	char *data = malloc(size), *back = malloc(size);
	int mem = open("/proc/self/mem", O_RDWR);

	ASSERT_LE(0, mem);
	memset(data, 7, size);
	for_each_failure(&self->sweep, 2) {
		off_t at;
		ssize_t done;

		MAKE();
		at = (unsigned long)self->map;
		done = INJECT(&self->sweep, pwrite(mem, data, size, at));
		if (done < (ssize_t)size)
			EXPECT_TRUE(self->sweep.failed);
		/* It does not say why a page could not be reached. */
		if (done < 0)
			EXPECT_INJECTED_OR(&self->sweep, EIO, errno);
		EXPECT_EQ(0, memcmp(self->map, data, done < 0 ? 0 : done));
		EXPECT_EQ((ssize_t)size, pwrite(mem, data, size, at));
		EXPECT_EQ((ssize_t)size, pread(mem, back, size, at));
		EXPECT_EQ(0, memcmp(back, data, size));
		EXPECT_EQ(0, memcmp(self->map, data, size));
		UNMAKE();
	}
	close(mem);
	free(data);
	free(back);
}

/* What the kernel itself copies to the mapping faults in the kernel. */
TEST_F_TIMEOUT(inject_fault, of_the_kernel_is_told, 300)
{
	int zero = open("/dev/zero", O_RDONLY);
	const size_t size = self->pages * page_size();

	ASSERT_LE(0, zero);
	for_each_failure(&self->sweep, self->floor) {
		ssize_t done;

		MAKE();
		done = INJECT_AT(&self->sweep, self->floor ? __LINE__ : 0,
				 read(zero, self->map, size));
		if (done < (ssize_t)size)
			EXPECT_TRUE(self->sweep.failed);
		/* Nothing is copied from anywhere; a fault that fails is one of the address. */
		if (done < 0) {
			EXPECT_TRUE(is_want_of_memory(&self->sweep));
			EXPECT_EQ(EFAULT, errno) TH_LOG("%s", strerror(errno));
		}
		EXPECT_EQ((ssize_t)size, read(zero, self->map, size));
		EXPECT_TRUE(pages_are_zero(self->map, self->pages));
		UNMAKE();
	}
	close(zero);
}

TEST_HARNESS_MAIN_WITH_INJECTORS(1 << INJECT_SLAB | 1 << INJECT_PAGES | 1 << INJECT_COPY)

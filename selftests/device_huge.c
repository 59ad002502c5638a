// SPDX-License-Identifier: GPL-2.0
/* Buffers that are mapped by huge pages where that can be, and by small ones where not. */
#include <fcntl.h>
#include <linux/mman.h>
#include <signal.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/kinds.h"
#include "lib/knobs.h"
#include "lib/look.h"
#include "lib/setups.h"
#include "lib/util.h"

FIXTURE(huge)
{
	size_t page, per;	/* small pages in a huge one */
	size_t pages;
	int fd;
	char *map;
};

FIXTURE_VARIANT(huge)
{
	const char *words;
	bool pfnmap;
	unsigned int cache;
};

FIXTURE_VARIANT_ADD(huge, normal)
{
	.words = "contig,huge,normal",
};

#ifdef __x86_64__
FIXTURE_VARIANT_ADD(huge, normal_wc)
{
	.words = "contig,huge,normal,wc",
	.cache = MMLENS_CACHE_WC,
};
#endif

FIXTURE_VARIANT_ADD(huge, pfnmap)
{
	.words = "contig,huge,pfnmap",
	.pfnmap = true,
};

FIXTURE_VARIANT_ADD(huge, pfnmap_wc)
{
	.words = "contig,huge,pfnmap,wc",
	.pfnmap = true,
	.cache = MMLENS_CACHE_WC,
};

FIXTURE_SETUP(huge)
{
	self->page = page_size();
	self->per = pmd_size() / self->page;
	/* Of 32 MiB with pages of 16K; and a slow kernel takes seconds to fill a table. */
	self->pages = (self->page == 4096 && !kernel_is_slow() ? 4 : 2) * self->per;
	if (!has_huge_pages())
		SKIP(return, "the kernel has no transparent huge pages");
	ASSERT_EQ(0, knob_set("/sys/kernel/mm/transparent_hugepage/enabled", "always"));
	self->fd = device_make(variant->words, self->pages);
	if (self->fd == -ENOMEM)
		SKIP(return, "no memory that is contiguous enough");
	ASSERT_LE(0, self->fd);
	self->map = device_map(self->fd, RW, MAP_SHARED, self->pages, 0);
	ASSERT_NE(MAP_FAILED, self->map);
}

FIXTURE_TEARDOWN(huge)
{
	knobs_restore();
}

/* Page @nr of the mapping, counted in huge pages. */
#define HUGE(nr) (self->map + (nr) * pmd_size())

/* A place that is aligned to huge pages, with nothing in it. */
static char *aligned_room(size_t pages)
{
	return map_aligned(PROT_NONE, MAP_PRIVATE, pages * page_size(), pmd_size());
}

TEST_F(huge, plain_mmap_gives_an_aligned_place)
{
	EXPECT_EQ(0, (uintptr_t)self->map % pmd_size());
	/* Also of a part that begins at a huge page of the buffer. */
	EXPECT_EQ(0, (uintptr_t)device_map(self->fd, PROT_READ, MAP_SHARED, self->per, self->per) %
		  pmd_size());
}

TEST_F(huge, one_touch_maps_a_huge_page)
{
	struct look *looks;

	EXPECT_EQ(0, mapped_pages(self->map, self->pages));
	read_all(HUGE(1) + 5 * self->page, 1);
	EXPECT_EQ(self->per, mapped_pages(self->map, self->pages));
	looks = look_at(HUGE(1), self->per);
	for (size_t i = 0; i < self->per; i++) {
		ASSERT_TRUE(looks[i].mapped);
		EXPECT_EQ(LENS_PMD, looks[i].level);
		EXPECT_EQ(variant->pfnmap, looks[i].special);
		EXPECT_EQ(looks[0].frame + i, looks[i].frame);
		EXPECT_STREQ("rw-", looks[i].rwx);
		EXPECT_STREQ(memory_type(variant->cache), looks[i].memory);
		EXPECT_STREQ(variant->pfnmap ? "ram" : "kernel", looks[i].page);
	}
	EXPECT_EQ(0, looks[0].frame % self->per);
	free(looks);
	EXPECT_EQ(1, device_done(self->fd, MMLENS_OP_HUGE_FAULT));
	EXPECT_EQ(self->per, device_op(self->fd, MMLENS_OP_HUGE_FAULT).pages);
	EXPECT_EQ(0, device_calls(self->fd, MMLENS_OP_FAULT));
	/* No more of them for the rest of it. */
	read_all(HUGE(1), self->per);
	write_all(HUGE(1), self->per);
	EXPECT_EQ(1, device_done(self->fd, MMLENS_OP_HUGE_FAULT));
	EXPECT_EQ(0, device_calls(self->fd, MMLENS_OP_FAULT));
}

TEST_F(huge, is_shared_memory)
{
	char *second = device_map(self->fd, RW, MAP_SHARED, self->pages, 0);
	int status;
	pid_t pid;

	EXPECT_TRUE(pages_are_zero(self->map, self->pages));
	fill_pages(self->map, self->pages, 1);
	EXPECT_TRUE(pages_have(second, self->pages, 1));
	EXPECT_EQ(self->pages, huge_pages(self->map, self->pages));
	EXPECT_EQ(self->pages, huge_pages(second, self->pages));
	pid = fork();
	if (!pid) {
		bool good = pages_have(self->map, self->pages, 1);

		fill_pages(self->map, self->pages, 2);
		_exit(!good);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_TRUE(pages_have(self->map, self->pages, 2));
	EXPECT_TRUE(pages_have(second, self->pages, 2));
}

/* A number of the VMA in smaps that proc.h does not have. */
static uint64_t smaps_number(const void *map, const char *name)
{
	char *text = read_file("/proc/self/smaps", NULL), line[32], *at;
	uint64_t value = 0;

	snprintf(line, sizeof(line), "\n%08lx-", (unsigned long)map);
	at = text ? strstr(text, line) : NULL;
	at = at ? strstr(at, name) : NULL;
	if (at)
		value = strtoull(at + strlen(name), NULL, 10);
	free(text);
	return value;
}

TEST_F(huge, smaps_knows)
{
	char *small = device_map(device_make("contig", 1), RW, MAP_SHARED, 1, 0);
	uint64_t kb = self->pages * self->page >> 10;
	struct proc_vmas vmas;
	const struct proc_vma *vma;

	read_all(self->map, self->pages);
	ASSERT_EQ(0, proc_vmas(0, true, &vmas));
	vma = proc_find(&vmas, (uintptr_t)self->map);
	ASSERT_NE(NULL, vma);
	EXPECT_EQ(variant->pfnmap ? 0 : kb, vma->rss);
	EXPECT_EQ(variant->pfnmap ? 0 : kb, vma->huge);
	EXPECT_EQ(variant->pfnmap, proc_has_flag(vma, "pf"));
	EXPECT_EQ(pmd_size() >> 10, smaps_number(self->map, "\nKernelPageSize:"));
	EXPECT_EQ(self->page >> 10, smaps_number(small, "\nKernelPageSize:"));
	proc_vmas_free(&vmas);
}

TEST_F(huge, pagemap_has_frames_in_a_row)
{
	uint64_t *entries = calloc(self->pages, sizeof(*entries));
	int pagemap = proc_pagemap_open(0);

	read_all(self->map, self->pages);
	ASSERT_TRUE(proc_pagemap(pagemap, (uintptr_t)self->map, entries, self->pages));
	for (size_t i = 0; i < self->pages; i++) {
		uint64_t first = entries[i / self->per * self->per] & PM_FRAME;

		if (variant->pfnmap) {
			EXPECT_EQ(0, entries[i] & (PM_PRESENT | PM_FRAME));
			continue;
		}
		ASSERT_NE(0, entries[i] & PM_PRESENT);
		EXPECT_EQ(first + i % self->per, entries[i] & PM_FRAME);
	}
	free(entries);
}

/*
 * A huge page that has to be split is taken out of the table. The kernel then forgets to
 * uncount it if the VMA is VM_MIXEDMAP (vma_is_special_huge(), mm/huge_memory.c).
 */
TEST_F(huge, a_split_leaves_no_pages_counted)
{
	int64_t before = proc_number(0, "status", "RssFile");

	for (size_t i = 0; i < self->pages / self->per; i++) {
		read_all(HUGE(i), 1);
		EXPECT_EQ(self->per, huge_pages(HUGE(i), self->per));
		ASSERT_EQ(0, mprotect(HUGE(i) + self->page, self->page, PROT_READ));
		EXPECT_EQ(0, huge_pages(HUGE(i), self->per));
	}
	ASSERT_EQ(0, munmap(self->map, self->pages * self->page));
	/* In kB; the program itself may have touched a few pages more. */
	EXPECT_GT(before + (int64_t)(pmd_size() >> 11),
		  proc_number(0, "status", "RssFile"));
	EXPECT_EQ(0, device_info(self->fd).mappings);
}

TEST_F(huge, a_hole_in_it_leaves_the_rest)
{
	fill_pages(self->map, self->pages, 1);
	ASSERT_EQ(0, munmap(HUGE(0) + 7 * self->page, 2 * self->page));
	EXPECT_EQ(SIGSEGV, access_signal(HUGE(0) + 7 * self->page, false));
	EXPECT_EQ(SIGSEGV, access_signal(HUGE(0) + 8 * self->page, true));
	EXPECT_TRUE(pages_have(self->map, 7, 1));
	EXPECT_TRUE(pages_have(self->map + 9 * self->page, self->pages - 9, 1 + 9));
	/* Small pages on both sides, and the next huge one is whole. */
	EXPECT_EQ(0, huge_pages(HUGE(0), self->per));
	EXPECT_EQ(self->per, huge_pages(HUGE(1), self->per));
	EXPECT_EQ(self->per - 2, mapped_pages(HUGE(0), self->per));
	fill_pages(self->map + 9 * self->page, self->pages - 9, 3);
	EXPECT_TRUE(pages_have(device_map(self->fd, PROT_READ, MAP_SHARED, self->pages, 0) +
			       9 * self->page, self->pages - 9, 3));
}

TEST_F(huge, a_part_of_it_has_other_rights)
{
	char *middle = HUGE(1) + 100 * self->page;

	fill_pages(self->map, self->pages, 1);
	ASSERT_EQ(0, mprotect(middle, 3 * self->page, PROT_READ));
	EXPECT_EQ(SIGSEGV, access_signal(middle, true));
	EXPECT_EQ(0, access_signal(middle - 1, true));
	EXPECT_EQ(0, access_signal(middle + 3 * self->page, true));
	EXPECT_TRUE(pages_have(self->map, self->pages, 1));
	ASSERT_EQ(0, mprotect(middle, 3 * self->page, RW));
	fill_pages(self->map, self->pages, 2);
	EXPECT_TRUE(pages_have(self->map, self->pages, 2));
}

TEST_F(huge, stays_huge_with_other_rights_as_a_whole)
{
	char *map = device_map(self->fd, PROT_READ, MAP_SHARED, self->pages, 0);

	read_all(map, self->pages);
	EXPECT_EQ(self->pages, huge_pages(map, self->pages));
	EXPECT_EQ(SIGSEGV, access_signal(map, true));
	/* Written after it was read, by whatever way it becomes writable. */
	ASSERT_EQ(0, mprotect(map, self->pages * self->page, RW));
	fill_pages(map, self->pages, 1);
	EXPECT_EQ(self->pages, huge_pages(map, self->pages));
	EXPECT_TRUE(pages_have(self->map, self->pages, 1));
	ASSERT_EQ(0, mprotect(map, self->pages * self->page, PROT_READ));
	EXPECT_EQ(SIGSEGV, access_signal(map, true));
	EXPECT_TRUE(pages_have(map, self->pages, 1));
}

/* Addresses and offsets are not aligned to each other: the frames would not fit. */
TEST_F(huge, falls_back_where_it_is_not_aligned)
{
	char *map = mmap(aligned_room(self->pages), (self->pages - 1) * self->page, RW,
			 MAP_SHARED | MAP_FIXED, self->fd, self->page);
	__u64 done = device_done(self->fd, MMLENS_OP_HUGE_FAULT);

	ASSERT_NE(MAP_FAILED, map);
	fill_pages(self->map, self->pages, 1);
	done = device_done(self->fd, MMLENS_OP_HUGE_FAULT);
	EXPECT_TRUE(pages_have(map, self->pages - 1, 2));
	EXPECT_EQ(0, huge_pages(map, self->pages - 1));
	EXPECT_EQ(done, device_done(self->fd, MMLENS_OP_HUGE_FAULT));
	EXPECT_LT(0, device_op(self->fd, MMLENS_OP_HUGE_FAULT).outcome[MMLENS_OUTCOME_FALLBACK]);
	EXPECT_EQ(self->pages - 1, device_op(self->fd, MMLENS_OP_FAULT).pages);
	fill_pages(map, self->pages - 1, 7);
	EXPECT_TRUE(pages_have(self->map + self->page, self->pages - 1, 7));
}

TEST_F(huge, falls_back_where_the_vma_has_a_part_of_it)
{
	size_t pages = self->per + self->per / 2;
	char *room = aligned_room(2 * self->per), *map;

	fill_pages(self->map, self->pages, 1);
	/* Without the first page, and without the last half. */
	map = mmap(room + self->page, (pages - 1) * self->page, RW, MAP_SHARED | MAP_FIXED,
		   self->fd, self->page);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_TRUE(pages_have(map, pages - 1, 2));
	EXPECT_EQ(0, huge_pages(map, pages - 1));
	EXPECT_EQ(SIGSEGV, access_signal(room, false));
	EXPECT_EQ(SIGSEGV, access_signal(room + pages * self->page, false));
	/* Without the first page, but all of the second huge one. */
	map = mmap(room + self->page, (2 * self->per - 1) * self->page, RW,
		   MAP_SHARED | MAP_FIXED, self->fd, self->page);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_TRUE(pages_have(map, 2 * self->per - 1, 2));
	EXPECT_EQ(0, huge_pages(map, self->per - 1));
	EXPECT_EQ(self->per, huge_pages(room + pmd_size(), self->per));
	/* Without the last page. */
	room = aligned_room(2 * self->per);
	map = mmap(room, (2 * self->per - 1) * self->page, RW, MAP_SHARED | MAP_FIXED, self->fd, 0);
	ASSERT_EQ(room, map);
	EXPECT_TRUE(pages_have(map, 2 * self->per - 1, 1));
	EXPECT_EQ(self->per, huge_pages(map, self->per));
	EXPECT_EQ(0, huge_pages(room + pmd_size(), self->per - 1));
	EXPECT_EQ(SIGSEGV, access_signal(room + (2 * self->per - 1) * self->page, false));
}

TEST_F(huge, the_rest_of_a_buffer_has_small_pages)
{
	int fd = device_make(variant->words, self->per + 5);
	char *map;

	ASSERT_LE(0, fd);
	map = mmap(aligned_room(2 * self->per), (self->per + 5) * self->page, RW,
		   MAP_SHARED | MAP_FIXED, fd, 0);
	fill_pages(map, self->per + 5, 1);
	EXPECT_TRUE(pages_have(map, self->per + 5, 1));
	EXPECT_EQ(self->per, huge_pages(map, self->per + 5));
	EXPECT_EQ(SIGSEGV, access_signal(map + (self->per + 5) * self->page, false));
	EXPECT_EQ((self->per + 5) * self->page, device_info(fd).bytes);
}

TEST_F(huge, private_writes_copy_small_pages)
{
	char *map = device_map(self->fd, RW, MAP_PRIVATE, self->pages, 0);

	if (variant->pfnmap || variant->cache != MMLENS_CACHE_WB) {
		EXPECT_EQ(MAP_FAILED, map);
		EXPECT_EQ(EINVAL, errno);
		return;
	}
	ASSERT_NE(MAP_FAILED, map);
	fill_pages(self->map, self->pages, 1);
	EXPECT_TRUE(pages_have(map, self->pages, 1));
	EXPECT_EQ(self->pages, huge_pages(map, self->pages));
	/* Written after it was read, and in the next one at once. */
	fill_pages(map + 3 * self->page, 1, 50);
	EXPECT_EQ(0, huge_pages(map, self->per));
	map = device_map(self->fd, RW, MAP_PRIVATE, self->pages, 0);
	fill_pages(map + 3 * self->page, 1, 50);
	EXPECT_TRUE(pages_have(map + 3 * self->page, 1, 50));
	EXPECT_TRUE(pages_have(map, 3, 1));
	EXPECT_TRUE(pages_have(map + 4 * self->page, self->pages - 4, 1 + 4));
	EXPECT_TRUE(pages_have(self->map, self->pages, 1));
	fill_pages(self->map, self->pages, 2);
	EXPECT_TRUE(pages_have(map + 3 * self->page, 1, 50));
	EXPECT_TRUE(pages_have(map + 4 * self->page, self->pages - 4, 2 + 4));
}

TEST_F(huge, moves_by_huge_and_by_small_steps)
{
	size_t size = self->pages * self->page;
	char *room = aligned_room(self->pages), *odd = aligned_room(2 * self->pages) + self->page;

	fill_pages(self->map, self->pages, 1);
	ASSERT_EQ(room, mremap(self->map, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, room));
	EXPECT_TRUE(pages_have(room, self->pages, 1));
	EXPECT_EQ(self->pages, huge_pages(room, self->pages));
	EXPECT_EQ(SIGSEGV, access_signal(self->map, false));
	ASSERT_EQ(odd, mremap(room, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, odd));
	EXPECT_TRUE(pages_have(odd, self->pages, 1));
	EXPECT_EQ(0, huge_pages(odd, self->pages));
	fill_pages(odd, self->pages, 2);
	EXPECT_TRUE(pages_have(device_map(self->fd, PROT_READ, MAP_SHARED, self->pages, 0),
			       self->pages, 2));
}

TEST_F(huge, small_pages_if_advised_so)
{
	ASSERT_EQ(0, madvise(self->map, self->pages * self->page, MADV_NOHUGEPAGE));
	fill_pages(self->map, self->pages, 1);
	EXPECT_EQ(0, huge_pages(self->map, self->pages));
	EXPECT_EQ(self->pages, mapped_pages(self->map, self->pages));
	EXPECT_TRUE(pages_have(device_map(self->fd, PROT_READ, MAP_SHARED, self->pages, 0),
			       self->pages, 1));
}

TEST_F(huge, dropped_and_got_again)
{
	size_t size = self->pages * self->page;
	char *copy = malloc(size);
	struct iovec local = { .iov_base = copy, .iov_len = size };
	struct iovec remote = { .iov_base = self->map, .iov_len = size };

	fill_pages(self->map, self->pages, 1);
	if (variant->pfnmap) {
		EXPECT_EQ(-1, madvise(self->map, size, MADV_DONTNEED));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(-1, process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
		EXPECT_EQ(EFAULT, errno);
		return;
	}
	ASSERT_EQ(0, madvise(self->map, size, MADV_DONTNEED));
	EXPECT_EQ(0, mapped_pages(self->map, self->pages));
	/* By the kernel, on pages that are not mapped. */
	ASSERT_EQ((ssize_t)size, process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
	EXPECT_TRUE(pages_have(copy, self->pages, 1));
	EXPECT_EQ(self->pages, huge_pages(self->map, self->pages));
	EXPECT_EQ(self->pages * self->page >> 10, smaps_number(self->map, "\nRss:"));
	ASSERT_EQ(0, madvise(HUGE(0) + self->page, self->page, MADV_DONTNEED));
	EXPECT_TRUE(pages_have(self->map, self->pages, 1));
	free(copy);
}

TEST_HARNESS_MAIN

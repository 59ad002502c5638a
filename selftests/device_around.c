// SPDX-License-Identifier: GPL-2.0
/* A read fault that maps the neighbours too, by fault or by map_pages. */
#include <fcntl.h>
#include <signal.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/kinds.h"
#include "lib/knobs.h"
#include "lib/look.h"
#include "lib/setups.h"
#include "lib/util.h"

#undef PAGES
#define PAGES 64
#define FAULT_AROUND "/sys/kernel/debug/fault_around_bytes"

FIXTURE(around)
{
	size_t page;
	int fd;
	char *map;
};

FIXTURE_VARIANT(around)
{
	const char *words;
	bool pfnmap, sparse;
};

#define BUFFER(text, ...) { .words = text, __VA_ARGS__ }

FIXTURE_VARIANT_ADD(around, vmalloc) BUFFER("vmalloc,normal");
FIXTURE_VARIANT_ADD(around, vmap_track) BUFFER("vmap,normal,track");
#ifdef __x86_64__
FIXTURE_VARIANT_ADD(around, contig_wc) BUFFER("contig,normal,wc");
#endif
FIXTURE_VARIANT_ADD(around, sparse) BUFFER("sparse,normal", .sparse = true);
FIXTURE_VARIANT_ADD(around, sparse_track) BUFFER("sparse,normal,track", .sparse = true);
FIXTURE_VARIANT_ADD(around, mixed) BUFFER("vmap,mixed");
FIXTURE_VARIANT_ADD(around, pfnmap) BUFFER("vmap,pfnmap", .pfnmap = true);
FIXTURE_VARIANT_ADD(around, pfnmap_track) BUFFER("vmalloc,pfnmap,track", .pfnmap = true);

/* A buffer of pages that are there, with so many pages around a fault. */
static int make(const char *words, unsigned int around)
{
	char list[64];
	char *map;
	int fd;

	snprintf(list, sizeof(list), "%s,around=%u", words, around);
	fd = device_make(list, PAGES);
	if (fd < 0)
		return fd;
	map = device_map(fd, RW, MAP_SHARED, PAGES, 0);
	fill_pages(map, PAGES, 1);
	munmap(map, PAGES * page_size());
	return fd;
}

/*
 * Pages of the buffer from @at on, in a place where what is aligned in the buffer is so
 * among the addresses, and all of it in one table.
 */
static char *place(int fd, size_t pages, size_t at)
{
	char *room = map_aligned(PROT_NONE, MAP_PRIVATE, pmd_size(), pmd_size());

	return mmap(room + at * page_size(), pages * page_size(), RW, MAP_SHARED | MAP_FIXED, fd,
		    at * page_size());
}

FIXTURE_SETUP(around)
{
	char bytes[24];

	self->page = page_size();
	/* The kernel's own limit shall not matter, but where a test sets it. */
	snprintf(bytes, sizeof(bytes), "%zu", PAGES * self->page);
	ASSERT_EQ(0, knob_set(FAULT_AROUND, bytes));
	self->fd = make(variant->words, 8);
	ASSERT_LE(0, self->fd);
	self->map = place(self->fd, PAGES, 0);
	ASSERT_NE(MAP_FAILED, self->map);
	EXPECT_EQ(0, mapped_pages(self->map, PAGES));
}

FIXTURE_TEARDOWN(around)
{
	knobs_restore();
}

/* That so many pages are mapped from @first on, and @all in the whole buffer. */
#define EXPECT_MAPPED(first, nr, all) do { \
	EXPECT_EQ(nr, mapped_pages(self->map + (first) * self->page, nr)); \
	EXPECT_EQ(all, mapped_pages(self->map, PAGES)); \
} while (0)

#define READ(nr) read_all(self->map + (nr) * self->page, 1)

/* map_pages does nothing where a table would have to be made: fault has to do that. */
#define MAKE_TABLE() do { \
	if (variant->pfnmap) { \
		READ(PAGES - 1); \
		EXPECT_EQ(1, mapped_pages(self->map, PAGES)); \
	} \
} while (0)

TEST_F(around, first_read_maps_the_block)
{
	size_t more = variant->pfnmap;
	__u64 faults;

	MAKE_TABLE();
	READ(19);
	EXPECT_MAPPED(16, 8, more + 8);
	EXPECT_TRUE(pages_have(self->map + 16 * self->page, 8, 1 + 16));
	/* These give no faults. */
	faults = device_calls(self->fd, MMLENS_OP_FAULT);
	read_all(self->map + 16 * self->page, 8);
	EXPECT_EQ(faults, device_calls(self->fd, MMLENS_OP_FAULT));
	READ(0);
	EXPECT_MAPPED(0, 8, more + 16);
	READ(47);
	EXPECT_MAPPED(40, 8, more + 24);
	EXPECT_TRUE(pages_have(self->map, PAGES, 1));
	EXPECT_MAPPED(0, PAGES, PAGES);
}

TEST_F(around, who_maps_them_counts_them)
{
	unsigned int mine = variant->pfnmap ? MMLENS_OP_MAP_PAGES : MMLENS_OP_FAULT;
	__u64 pages, done, faults;

	MAKE_TABLE();
	faults = device_calls(self->fd, MMLENS_OP_FAULT);
	pages = device_op(self->fd, mine).pages;
	done = device_done(self->fd, mine);
	READ(19);
	EXPECT_EQ(8, device_op(self->fd, mine).pages - pages);
	EXPECT_EQ(1, device_done(self->fd, mine) - done);
	/* Not the other one. */
	if (variant->pfnmap) {
		EXPECT_EQ(faults, device_calls(self->fd, MMLENS_OP_FAULT));
	} else {
		EXPECT_EQ(0, device_calls(self->fd, MMLENS_OP_MAP_PAGES));
	}
}

TEST_F(around, a_write_maps_one_page)
{
	write_all(self->map + 19 * self->page, 1);
	EXPECT_MAPPED(19, 1, 1);
	write_all(self->map + 40 * self->page, 1);
	EXPECT_MAPPED(40, 1, 2);
}

/* What is not written yet must not become writable by the way. */
TEST_F(around, neighbours_are_clean)
{
	bool told = strstr(variant->words, "track") || strstr(variant->words, "mixed");
	struct look *looks;

	MAKE_TABLE();
	READ(19);
	write_all(self->map + 20 * self->page, 1);
	looks = look_at(self->map, PAGES);
	for (size_t i = 16; i < 24; i++)
		EXPECT_STREQ(told && i != 20 ? "r--" : "rw-", looks[i].rwx);
	free(looks);
}

TEST_F(around, what_is_mapped_already_stays)
{
	size_t more = variant->pfnmap;

	MAKE_TABLE();
	write_all(self->map + 20 * self->page, 1);
	fill_pages(self->map + 20 * self->page, 1, 77);
	READ(19);
	EXPECT_MAPPED(16, 8, more + 8);
	EXPECT_TRUE(pages_have(self->map + 20 * self->page, 1, 77));
	EXPECT_TRUE(pages_have(self->map + 16 * self->page, 4, 1 + 16));
}

TEST_F(around, not_past_the_ends_of_the_vma)
{
	char *map = place(self->fd, 8, 3);

	ASSERT_NE(MAP_FAILED, map);
	/* Pages 3 to 7 are the rest of their block; 8 to 10 the beginning of theirs. */
	if (variant->pfnmap) {
		write_all(map + 7 * self->page, 1);
		EXPECT_EQ(1, mapped_pages(map, 8));
	}
	read_all(map + 2 * self->page, 1);
	EXPECT_EQ(5, mapped_pages(map, 5));
	EXPECT_EQ(variant->pfnmap, mapped_pages(map + 5 * self->page, 3));
	read_all(map + 5 * self->page, 1);
	EXPECT_EQ(8, mapped_pages(map, 8));
	EXPECT_TRUE(pages_have(map, 8, 1 + 3));
	EXPECT_EQ(SIGSEGV, access_signal(map - 1, false));
	EXPECT_EQ(SIGSEGV, access_signal(map + 8 * self->page, false));
}

/* Another table would have to be made, which map_pages must not. */
TEST_F(around, not_past_the_end_of_a_table)
{
	char *room = map_aligned(PROT_NONE, MAP_PRIVATE, 2 * pmd_size(), pmd_size()), *map;

	/* It ends in the middle of a block. */
	map = mmap(room + pmd_size() - 4 * self->page, 8 * self->page, RW, MAP_SHARED | MAP_FIXED,
		   self->fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	if (variant->pfnmap)
		read_all(map, 1);
	read_all(map + 2 * self->page, 1);
	EXPECT_EQ(4, mapped_pages(map, 4));
	EXPECT_EQ(0, mapped_pages(map + 4 * self->page, 4));
	EXPECT_TRUE(pages_have(map, 8, 1));
}

TEST_F(around, not_past_a_part_with_other_rights)
{
	MAKE_TABLE();
	ASSERT_EQ(0, mprotect(self->map + 18 * self->page, 3 * self->page, PROT_NONE));
	READ(17);
	EXPECT_EQ(2, mapped_pages(self->map + 16 * self->page, 8));
	READ(23);
	EXPECT_EQ(5, mapped_pages(self->map + 16 * self->page, 8));
	ASSERT_EQ(0, mprotect(self->map + 18 * self->page, 3 * self->page, RW));
	READ(18);
	EXPECT_TRUE(pages_have(self->map, PAGES, 1));
}

/* The last block of a buffer may be cut short by its end. */
TEST_F(around, not_past_the_end_of_the_buffer)
{
	char list[64];
	char *map;
	int fd;

	snprintf(list, sizeof(list), "%s,around=8", variant->words);
	fd = device_make(list, 11);
	ASSERT_LE(0, fd);
	map = place(fd, 11, 0);
	fill_pages(map, 11, 1);
	munmap(map, 11 * self->page);
	map = place(fd, 11, 0);
	write_all(map, 1);
	read_all(map + 9 * self->page, 1);
	EXPECT_EQ(4, mapped_pages(map, 11));
	EXPECT_TRUE(pages_have(map, 11, 1));
}

TEST_F(around, one_page_is_no_neighbours)
{
	int fd = make(variant->words, 1);

	ASSERT_LE(0, fd);
	self->map = place(fd, PAGES, 0);
	MAKE_TABLE();
	READ(19);
	EXPECT_MAPPED(19, 1, variant->pfnmap + 1);
}

TEST_F(around, as_many_as_a_table_has)
{
	int fd = make(variant->words, 512);

	ASSERT_LE(0, fd);
	self->map = place(fd, PAGES, 0);
	MAKE_TABLE();
	READ(19);
	EXPECT_EQ(PAGES, mapped_pages(self->map, PAGES));
}

/* map_pages is told by the kernel how far it may go; fault is not. */
TEST_F(around, the_kernel_s_limit_is_for_map_pages)
{
	char bytes[24];

	snprintf(bytes, sizeof(bytes), "%zu", 4 * self->page);
	ASSERT_EQ(0, knob_set(FAULT_AROUND, bytes));
	MAKE_TABLE();
	READ(19);
	EXPECT_EQ(variant->pfnmap ? 4 : 8, mapped_pages(self->map + 16 * self->page, 8));
	EXPECT_EQ(4, mapped_pages(self->map + 16 * self->page, 4));
}

TEST_F(around, without_a_table_one_page_is_mapped)
{
	__u64 faults = device_done(self->fd, MMLENS_OP_FAULT);
	__u64 pages = device_op(self->fd, MMLENS_OP_MAP_PAGES).pages;

	if (!variant->pfnmap)
		SKIP(return, "only map_pages needs a table");
	READ(19);
	EXPECT_MAPPED(19, 1, 1);
	EXPECT_EQ(1 + faults, device_done(self->fd, MMLENS_OP_FAULT));
	EXPECT_EQ(pages, device_op(self->fd, MMLENS_OP_MAP_PAGES).pages);
	READ(20);
	EXPECT_MAPPED(16, 8, 8);
	EXPECT_EQ(1 + faults, device_done(self->fd, MMLENS_OP_FAULT));
}

TEST_F(around, sparse_neighbours_are_not_allocated)
{
	char list[64];
	char *map;
	int fd;

	if (!variant->sparse)
		SKIP(return, "all pages are there");
	snprintf(list, sizeof(list), "%s,around=8", variant->words);
	fd = device_make(list, PAGES);
	ASSERT_LE(0, fd);
	map = place(fd, PAGES, 0);
	read_all(map + 19 * self->page, 1);
	EXPECT_EQ(1, mapped_pages(map, PAGES));
	EXPECT_EQ(1, device_info(fd).allocated_pages);
	/* By another mapping: those that are there are taken along. */
	write_all(place(fd, PAGES, 0) + 22 * self->page, 1);
	EXPECT_EQ(1, mapped_pages(map, PAGES));
	read_all(map + 16 * self->page, 1);
	EXPECT_EQ(3, mapped_pages(map, PAGES));
	EXPECT_EQ(1, mapped_pages(map + 22 * self->page, 1));
	EXPECT_EQ(3, device_info(fd).allocated_pages);
}

TEST_HARNESS_MAIN

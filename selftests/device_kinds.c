// SPDX-License-Identifier: GPL-2.0
/* What the tables hold for each kind of buffer, and what the kernel takes it for. */
#include <fcntl.h>
#include <signal.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/kinds.h"
#include "lib/look.h"
#include "lib/setups.h"
#include "lib/util.h"

#undef PAGES
#define PAGES 16

FIXTURE(kinds)
{
	size_t page, size;
	int fd;
	char *map;
	struct combo combo;
	struct proc_vmas vmas;
};

FIXTURE_SETUP(kinds)
{
	self->page = page_size();
	self->size = PAGES * self->page;
}

FIXTURE_TEARDOWN(kinds)
{
}

/* A buffer of the combination, and a shared mapping of all of it. */
#define MAKE() do { \
	self->fd = device_make(self->combo.words, 0); \
	ASSERT_LE(0, self->fd) TH_LOG("%s: %s", self->combo.words, strerror(-self->fd)); \
	self->map = map_alone(RW, MAP_SHARED, self->fd, PAGES, 0); \
} while (0)

#define DROP() do { \
	munmap(self->map, self->size); \
	close(self->fd); \
} while (0)

/* Whether the device is told of first writes: if it records them, and of frames in mixed VMAs. */
static bool is_told(const struct combo *combo)
{
	return combo->track || combo->kind == MMLENS_PAGE_KIND_MIXED;
}

static __u64 all_faults(int fd)
{
	return device_calls(fd, MMLENS_OP_FAULT) + device_calls(fd, MMLENS_OP_HUGE_FAULT) +
	       device_calls(fd, MMLENS_OP_MAP_PAGES);
}

TEST_F_TIMEOUT(kinds, mmap_maps_all_or_nothing, 300)
{
	for_each_combo(&self->combo) {
		size_t want = is_mapped_at_once(&self->combo) ? PAGES : 0;

		MAKE();
		EXPECT_EQ(want, mapped_pages(self->map, PAGES));
		EXPECT_EQ(want, device_op(self->fd, MMLENS_OP_MMAP).pages);
		EXPECT_EQ(0, all_faults(self->fd));
		read_all(self->map, PAGES);
		EXPECT_EQ(PAGES, mapped_pages(self->map, PAGES));
		EXPECT_EQ(want != 0, all_faults(self->fd) == 0);
		/* A part of the buffer, that begins in its middle. */
		munmap(self->map, self->size);
		self->map = map_alone(RW, MAP_SHARED, self->fd, 5, 7 * self->page);
		EXPECT_EQ(want ? 5 : 0, mapped_pages(self->map, 5));
		fill_pages(self->map, 5, 1);
		munmap(self->map, 5 * self->page);
		self->map = map_alone(RW, MAP_SHARED, self->fd, PAGES, 0);
		EXPECT_TRUE(pages_have(self->map + 7 * self->page, 5, 1));
		DROP();
	}
}

/* Every fault that mapped something says how many pages; so does mmap. */
TEST_F_TIMEOUT(kinds, counted_pages_are_mapped_pages, 300)
{
	for_each_combo(&self->combo) {
		__u64 counted;

		MAKE();
		read_all(self->map, PAGES);
		counted = device_op(self->fd, MMLENS_OP_MMAP).pages +
			  device_op(self->fd, MMLENS_OP_FAULT).pages +
			  device_op(self->fd, MMLENS_OP_HUGE_FAULT).pages +
			  device_op(self->fd, MMLENS_OP_MAP_PAGES).pages;
		/* A module cannot tell what it maps by number from what is mapped already. */
		if (self->combo.kind == MMLENS_PAGE_KIND_PFNMAP &&
		    self->combo.strategy == MMLENS_STRATEGY_AROUND) {
			EXPECT_LE(PAGES, counted);
		} else {
			EXPECT_EQ(PAGES, counted);
		}
		DROP();
	}
}

TEST_F_TIMEOUT(kinds, entries_are_of_the_kind_and_cache_type, 300)
{
	for_each_combo(&self->combo) {
		const char *type = memory_type(self->combo.cache);
		bool normal = is_normal(&self->combo);

		MAKE();
		for (int write = 0; write < 2; write++) {
			struct look *looks;

			if (write)
				write_all(self->map, PAGES);
			else
				read_all(self->map, PAGES);
			looks = look_at(self->map, PAGES);
			for (size_t i = 0; i < PAGES; i++) {
				ASSERT_TRUE(looks[i].mapped) TH_LOG("%s", self->combo.words);
				EXPECT_EQ(LENS_PTE, looks[i].level);
				EXPECT_EQ(!normal, looks[i].special);
				EXPECT_STREQ(normal ? "kernel" : "ram", looks[i].page);
				EXPECT_STREQ(type, looks[i].memory);
				/* Whoever wants to know of first writes must be asked. */
				EXPECT_STREQ(is_told(&self->combo) && !write ? "r--" : "rw-",
					     looks[i].rwx);
			}
			free(looks);
		}
		DROP();
	}
}

TEST_F_TIMEOUT(kinds, first_writes_are_told_or_free, 300)
{
	for_each_combo(&self->combo) {
		unsigned int mine = is_normal(&self->combo) ? MMLENS_OP_PAGE_MKWRITE :
							      MMLENS_OP_PFN_MKWRITE;
		unsigned int other = MMLENS_OP_PAGE_MKWRITE + MMLENS_OP_PFN_MKWRITE - mine;

		MAKE();
		read_all(self->map, PAGES);
		EXPECT_EQ(0, device_calls(self->fd, mine));
		write_all(self->map, PAGES);
		write_all(self->map, PAGES);
		EXPECT_EQ(is_told(&self->combo) ? PAGES : 0, device_done(self->fd, mine));
		EXPECT_EQ(0, device_calls(self->fd, other));
		/* A private mapping has copies, which are nobody's affair. */
		if (can_be_private(&self->combo)) {
			char *private = map_alone(RW, MAP_PRIVATE, self->fd, PAGES, 0);

			write_all(private, PAGES);
			EXPECT_EQ(is_told(&self->combo) ? PAGES : 0, device_done(self->fd, mine));
			munmap(private, self->size);
		}
		DROP();
	}
}

TEST_F_TIMEOUT(kinds, other_rights_keep_the_cache_type, 300)
{
	for_each_combo(&self->combo) {
		const char *type = memory_type(self->combo.cache);
		char *room = map_alone(PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 4, 0);
		struct look *looks;

		MAKE();
		read_all(self->map, PAGES);
		ASSERT_EQ(0, mprotect(self->map, self->size, PROT_READ));
		ASSERT_EQ(0, mprotect(self->map + 4 * self->page, 4 * self->page, RW));
		read_all(self->map, PAGES);
		write_all(self->map + 4 * self->page, 4);
		looks = look_at(self->map, PAGES);
		for (size_t i = 0; i < PAGES; i++) {
			EXPECT_STREQ(type, looks[i].memory);
			EXPECT_STREQ(i >= 4 && i < 8 ? "rw-" : "r--", looks[i].rwx);
		}
		free(looks);
		/* In another place too. */
		ASSERT_EQ(room, mremap(self->map + 4 * self->page, 4 * self->page, 4 * self->page,
				       MREMAP_MAYMOVE | MREMAP_FIXED, room));
		read_all(room, 4);
		looks = look_at(room, 4);
		for (size_t i = 0; i < 4; i++)
			EXPECT_STREQ(type, looks[i].memory);
		free(looks);
		munmap(room, 4 * self->page);
		munmap(self->map, self->size);
		EXPECT_EQ(0, device_info(self->fd).mappings);
		close(self->fd);
	}
}

TEST_F_TIMEOUT(kinds, smaps_counts_normal_pages_only, 300)
{
	for_each_combo(&self->combo) {
		bool pfnmap = self->combo.kind == MMLENS_PAGE_KIND_PFNMAP;
		const struct proc_vma *vma;

		MAKE();
		read_all(self->map, PAGES);
		ASSERT_EQ(0, proc_vmas(0, true, &self->vmas));
		vma = proc_find(&self->vmas, (uintptr_t)self->map);
		ASSERT_NE(NULL, vma);
		EXPECT_STREQ(DEVICE, vma->name);
		EXPECT_EQ(is_normal(&self->combo) ? self->size >> 10 : 0, vma->rss);
		EXPECT_TRUE(proc_has_flag(vma, "de"));
		EXPECT_TRUE(proc_has_flag(vma, "dd"));
		EXPECT_EQ(pfnmap, proc_has_flag(vma, "pf"));
		EXPECT_EQ(pfnmap, proc_has_flag(vma, "io"));
		if (!is_normal(&self->combo))
			EXPECT_EQ(!pfnmap, proc_has_flag(vma, "mm"));
		proc_vmas_free(&self->vmas);
		DROP();
	}
}

TEST_F_TIMEOUT(kinds, pagemap_hides_pfnmap_and_has_the_frames_of_others, 300)
{
	int pagemap = proc_pagemap_open(0);

	for_each_combo(&self->combo) {
		uint64_t entries[PAGES];
		struct look *looks;

		MAKE();
		read_all(self->map, PAGES);
		ASSERT_TRUE(proc_pagemap(pagemap, (uintptr_t)self->map, entries, PAGES));
		looks = look_at(self->map, PAGES);
		for (size_t i = 0; i < PAGES; i++) {
			if (self->combo.kind == MMLENS_PAGE_KIND_PFNMAP) {
				EXPECT_EQ(0, entries[i] & (PM_PRESENT | PM_FRAME));
				continue;
			}
			EXPECT_EQ(PM_PRESENT, entries[i] & (PM_PRESENT | PM_SWAP));
			EXPECT_EQ(looks[i].frame, entries[i] & PM_FRAME);
			EXPECT_EQ(is_normal(&self->combo) ? PM_FILE : 0, entries[i] & PM_FILE);
		}
		free(looks);
		DROP();
	}
}

/* Two mappings of a buffer have the same frames, each page another; those of contig in a row. */
TEST_F_TIMEOUT(kinds, frames_are_the_buffer_s, 300)
{
	for_each_combo(&self->combo) {
		struct look *looks, *others;
		char *other;

		MAKE();
		other = map_alone(PROT_READ, MAP_SHARED, self->fd, PAGES, 0);
		read_all(self->map, PAGES);
		read_all(other, PAGES);
		looks = look_at(self->map, PAGES);
		others = look_at(other, PAGES);
		for (size_t i = 0; i < PAGES; i++) {
			EXPECT_EQ(looks[i].frame, others[i].frame);
			EXPECT_STREQ("r--", others[i].rwx);
			if (self->combo.backing == MMLENS_BACKING_CONTIG)
				EXPECT_EQ(looks[0].frame + i, looks[i].frame);
			for (size_t j = 0; j < i; j++)
				EXPECT_NE(looks[j].frame, looks[i].frame);
		}
		free(looks);
		free(others);
		munmap(other, self->size);
		DROP();
	}
}

/* A block of contig is as large as the buffer, also where that is no power of two. */
TEST_F(kinds, contig_is_one_block)
{
	for (size_t pages = 1; pages < 40; pages += 3) {
		struct look *looks;

		self->fd = device_make("contig,eager", pages);
		ASSERT_LE(0, self->fd);
		self->map = map_alone(PROT_READ, MAP_SHARED, self->fd, pages, 0);
		looks = look_at(self->map, pages);
		for (size_t i = 0; i < pages; i++)
			EXPECT_EQ(looks[0].frame + i, looks[i].frame);
		free(looks);
		munmap(self->map, pages * self->page);
		close(self->fd);
	}
}

/* Copies are memory as any other, whatever the buffer is. */
TEST_F_TIMEOUT(kinds, private_copies_are_anonymous, 300)
{
	for_each_combo(&self->combo) {
		struct look *looks, *buffer;

		if (!can_be_private(&self->combo))
			continue;
		self->fd = device_make(self->combo.words, 0);
		self->map = map_alone(RW, MAP_PRIVATE, self->fd, PAGES, 0);
		read_all(self->map, PAGES);
		buffer = look_at(self->map, PAGES);
		write_all(self->map, PAGES / 2);
		looks = look_at(self->map, PAGES);
		for (size_t i = 0; i < PAGES; i++) {
			bool copied = i < PAGES / 2;

			ASSERT_TRUE(buffer[i].mapped && looks[i].mapped);
			EXPECT_STREQ("r--", buffer[i].rwx);
			EXPECT_STREQ(copied ? "rw-" : "r--", looks[i].rwx);
			EXPECT_EQ(copied, looks[i].frame != buffer[i].frame);
			EXPECT_EQ(!copied && !is_normal(&self->combo), looks[i].special);
			EXPECT_EQ(copied, !strcmp("anon", looks[i].page));
			EXPECT_STREQ("WB", looks[i].memory);
		}
		free(looks);
		free(buffer);
		DROP();
	}
}

/* A child has what was mapped by number from its parent, and gets the rest by faults. */
TEST_F_TIMEOUT(kinds, fork_copies_what_is_mapped_by_number, 300)
{
	for_each_combo(&self->combo) {
		int status;
		pid_t pid;

		if (is_normal(&self->combo))
			continue;
		MAKE();
		write_all(self->map, PAGES);
		pid = fork();
		if (!pid) {
			struct look *looks = look_at(self->map, PAGES);
			__u64 faults = all_faults(self->fd);

			for (size_t i = 0; i < PAGES; i++) {
				EXPECT_TRUE(looks[i].mapped);
				EXPECT_STREQ(memory_type(self->combo.cache), looks[i].memory);
			}
			read_all(self->map, PAGES);
			EXPECT_EQ(faults, all_faults(self->fd));
			_exit(_metadata->exit_code);
		}
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status);
		DROP();
	}
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/*
 * The column mem, against what the kernel was asked for: registers of a PCI device, which
 * sysfs maps uncached, or write-combining. On x86_64 the kernel also lists the types that
 * it has given out.
 */
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib/lens.h"
#include "lib/proc.h"
#include "lib/util.h"

#define RW (PROT_READ | PROT_WRITE)
#define PAT_LIST "/sys/kernel/debug/x86/pat_memtype_list"

FIXTURE(memory_type)
{
	char *map;
	struct lens_table table;
	uint64_t address;
	char type[32];
};

FIXTURE_SETUP(memory_type)
{
	self->map = MAP_FAILED;
}

FIXTURE_TEARDOWN(memory_type)
{
	lens_table_free(&self->table);
	if (self->map != MAP_FAILED)
		munmap(self->map, page_size());
}

/* Maps the first region that can be: MAP_FAILED if there is none. */
static char *map_region(const char *pattern)
{
	char *map = MAP_FAILED;
	glob_t found;

	if (glob(pattern, 0, NULL, &found))
		return map;
	for (size_t i = 0; i < found.gl_pathc && map == MAP_FAILED; i++) {
		int fd = open(found.gl_pathv[i], O_RDWR);

		map = mmap(NULL, page_size(), RW, MAP_SHARED, fd, 0);
		close(fd);
	}
	globfree(&found);
	return map;
}

/* Whether the kernel's list has this type for a physical address; true where it has no list. */
static bool is_listed(uint64_t address, const char *type)
{
	char *text = read_file(PAT_LIST, NULL), *next = text, *line;
	bool listed = !text;

	while (!listed && (line = strsep(&next, "\n"))) {
		char word[32];
		uint64_t start, end;

		listed = sscanf(line, "PAT: [mem 0x%lx-0x%lx] %31s", &start, &end, word) == 3 &&
			 start <= address && address < end && !strcmp(word, type);
	}
	free(text);
	return listed;
}

#ifdef __x86_64__
#define DEVICE "UC-"
#define COMBINING "WC"
#else
/* pgprot_device() and pgprot_writecombine(), arch/arm64/include/asm/pgtable.h. */
#define DEVICE "nGnRE"
#define COMBINING "NC"
#endif

#define look_at(pattern, skip) do { \
	const struct lens_entry *e; \
	self->map = map_region(pattern); \
	if (self->map == MAP_FAILED) \
		SKIP(return, skip); \
	ASSERT_EQ(0, lens_entries(0, &self->table)) TH_LOG("%s", lens_error); \
	e = lens_find(&self->table, (uintptr_t)self->map); \
	ASSERT_NE(NULL, e); \
	self->address = e->pfn * page_size(); \
	snprintf(self->type, sizeof(self->type), "%s", e->memory); \
	EXPECT_STREQ("device", e->page); \
} while (0)

TEST_F(memory_type, registers_are_uncached)
{
	look_at("/sys/bus/pci/devices/*/resource[0-5]", "no region of a PCI device can be mapped");
	EXPECT_TRUE(is_listed(self->address, "uncached-minus"));
	EXPECT_STREQ(DEVICE, self->type);
}

TEST_F(memory_type, write_combining_is_told)
{
	look_at("/sys/bus/pci/devices/*/resource[0-5]_wc", "no region may be write-combining");
	/* A driver may have it uncached, and the kernel does not mix. */
	if (!is_listed(self->address, "write-combining")) {
		EXPECT_TRUE(is_listed(self->address, "uncached-minus"));
		EXPECT_STREQ(DEVICE, self->type);
		SKIP(return, "a driver has that region uncached");
	}
	EXPECT_STREQ(COMBINING, self->type);
}

/* The same frames of memory must not be cached in two ways: all of the rest is write-back. */
TEST_F(memory_type, memory_is_cached)
{
	ASSERT_EQ(0, lens_entries(0, &self->table)) TH_LOG("%s", lens_error);
	for (size_t i = 0; i < self->table.nr; i++) {
		const struct lens_entry *e = &self->table.entry[i];

		if (e->kind == LENS_LEAF && strcmp(e->page, "device")) {
			EXPECT_STREQ("WB", e->memory) TH_LOG("%lx: %s", e->start, e->page);
		}
	}
}

/* A page that may be written to and executed has a word that one can search for, and no other. */
TEST_F(memory_type, writable_and_executable_is_flagged)
{
	char *map[8];

	for (int prot = 0; prot < 8; prot++) {
		map[prot] = map_alone(RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 1, 0);
		*map[prot] = 1;
		ASSERT_EQ(0, mprotect(map[prot], page_size(), prot));
	}
	ASSERT_EQ(0, lens_entries(0, &self->table)) TH_LOG("%s", lens_error);
	for (int prot = 0; prot < 8; prot++) {
		const struct lens_entry *e = lens_find(&self->table, (uintptr_t)map[prot]);

		ASSERT_NE(NULL, e);
		EXPECT_EQ((prot & (PROT_WRITE | PROT_EXEC)) == (PROT_WRITE | PROT_EXEC),
			  lens_has_bit(e, "W+X")) TH_LOG("prot %d: %s", prot, e->bits);
		munmap(map[prot], page_size());
	}
}

TEST_HARNESS_MAIN

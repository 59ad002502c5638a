// SPDX-License-Identifier: GPL-2.0
/*
 * kernel/own and kernel/pagetable, against /proc/modules, vmallocinfo, pagemap, iomem, the
 * layout, check_wx_pages and, on a kernel that has it, ptdump.
 *
 * Loads the module again to have kernel/pagetable.
 */
#include <fcntl.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/kernel.h"
#include "lib/lens.h"
#include "lib/module.h"
#include "lib/util.h"

#define RW (PROT_READ | PROT_WRITE)
#define PTDUMP "/sys/kernel/debug/page_tables/kernel"

static bool is_leaf(const struct kernel_run *run)
{
	return !strcmp(run->kind, "leaf");
}

/* Pages of the areas that the kernel says mmlens has, summed up; and how many there are. */
static long vmalloc_pages(unsigned int *areas)
{
	char *text = read_file("/proc/vmallocinfo", NULL), *rest = text, *line;
	long sum = 0;

	*areas = 0;
	while ((line = strsep(&rest, "\n"))) {
		char *pages = strstr(line, " pages=");

		/* Those of the module itself are execmem's. */
		if (!pages || !strstr(line, "[mmlens]"))
			continue;
		sum += strtol(pages + 7, NULL, 10);
		++*areas;
	}
	free(text);
	return sum;
}

TEST(own_ranges_are_mapped_without_a_hole)
{
	struct kernel_text own;

	ASSERT_EQ(0, kernel_tables("own", &own));
	ASSERT_LT(3, own.nr_regions);
	for (size_t i = 0; i < own.nr_regions; i++) {
		const struct kernel_region *r = &own.region[i];
		uint64_t mapped = 0;

		if (i) {
			EXPECT_LT(r[-1].last, r->start);
		}
		for (size_t j = 0; j < own.nr; j++) {
			const struct kernel_run *run = &own.run[j];

			if (run->region != i)
				continue;
			EXPECT_LE(r->start, run->start);
			EXPECT_GE(r->last, run->end - 1);
			if (is_leaf(run))
				mapped += run->end - run->start;
		}
		EXPECT_EQ(r->last + 1 - r->start, mapped) TH_LOG("%s", r->name);
	}
	EXPECT_EQ(0, own.wx);
	EXPECT_FALSE(own.torn);
	kernel_free(&own);
}

/* CONFIG_STRICT_MODULE_RWX, which both architectures always have. */
TEST(parts_of_the_module_have_their_rights)
{
	static const struct { const char *name, *rights; } of[] = {
		{ "module-text", "r-x" }, { "module-rodata", "r--" }, { "module-data", "rw-" },
		{ "module-ro-after-init", "r--" }, { "vmalloc", "rw-" },
	};
	char *text = read_file("/proc/modules", NULL), *line;
	const struct kernel_region *r;
	struct kernel_text own;
	uint64_t address = 0;

	ASSERT_EQ(0, kernel_tables("own", &own));
	for (size_t i = 0; i < ARRAY_SIZE(of); i++) {
		r = kernel_find(&own, of[i].name);
		ASSERT_NE(NULL, r) TH_LOG("%s", of[i].name);
		for (size_t j = 0; j < own.nr; j++) {
			if (is_leaf(&own.run[j]) && &own.region[own.run[j].region] == r) {
				EXPECT_STREQ(of[i].rights, own.run[j].rwx) TH_LOG("%s", r->name);
				EXPECT_STREQ(of[i].rights, own.run[j].eff) TH_LOG("%s", r->name);
			}
		}
	}
	line = text ? strstr(text, "mmlens ") : NULL;
	ASSERT_NE(NULL, line);
	ASSERT_EQ(1, sscanf(line, "%*s %*s %*s %*s %*s 0x%lx", &address));
	EXPECT_EQ(kernel_find(&own, "module-text")->start, address);
	free(text);
	kernel_free(&own);
}

/* Sums up the vmalloc areas of own; @found: the one of @pages pages, if there is one. */
static long own_vmalloc(const struct kernel_text *own, uint64_t pages, unsigned int *areas,
			size_t *found)
{
	long sum = 0;

	*areas = 0;
	*found = own->nr_regions;
	for (size_t i = 0; i < own->nr_regions; i++) {
		const struct kernel_region *r = &own->region[i];
		uint64_t has = (r->last + 1 - r->start) / page_size();

		if (strcmp(r->name, "vmalloc"))
			continue;
		if (has == pages)
			*found = i;
		sum += has;
		++*areas;
	}
	return sum;
}

TEST(a_buffer_is_there_as_long_as_it_is_open)
{
	enum { PAGES = 37 };
	int fd = device_open(O_RDWR), pagemap = proc_pagemap_open(getpid());
	unsigned int areas, listed;
	uint64_t entries[PAGES];
	struct kernel_text own;
	size_t found, at = 0;
	char *map;

	ASSERT_LE(0, fd);
	ASSERT_LE(0, pagemap);
	map = device_map(fd, RW, MAP_SHARED, PAGES, 0);
	ASSERT_NE(MAP_FAILED, map);
	fill_pages(map, PAGES, 1);
	ASSERT_TRUE(proc_pagemap(pagemap, (uint64_t)map, entries, PAGES));

	ASSERT_EQ(0, kernel_tables("own", &own));
	EXPECT_EQ(vmalloc_pages(&listed), own_vmalloc(&own, PAGES, &areas, &found));
	EXPECT_EQ(listed, areas);
	ASSERT_GT(own.nr_regions, found);
	/* The kernel's entries name the very pages that user space has. */
	for (size_t i = 0; i < own.nr; i++) {
		const struct kernel_run *run = &own.run[i];

		if (run->region != found || !is_leaf(run))
			continue;
		EXPECT_EQ(own.region[found].start + at * page_size(), run->start);
		for (uint64_t n = 0; n < (run->end - run->start) / page_size(); n++, at++) {
			ASSERT_GT(PAGES, at);
			/* Of a scattered run only the range is told. */
			if (run->has_pfn) {
				EXPECT_EQ(entries[at] & PM_FRAME, run->pfn + n);
			} else {
				EXPECT_LT(1, run->count);
			}
		}
	}
	EXPECT_EQ(PAGES, at);
	kernel_free(&own);

	munmap(map, PAGES * page_size());
	close(fd);
	close(pagemap);
	ASSERT_EQ(0, kernel_tables("own", &own));
	own_vmalloc(&own, PAGES, &areas, &found);
	EXPECT_EQ(own.nr_regions, found);
	EXPECT_LE(1, areas);
	kernel_free(&own);
}

TEST(all_tables_are_shown_only_if_it_was_asked_for)
{
	EXPECT_NE(0, access(LENS "/kernel/pagetable", F_OK));
}

FIXTURE(all)
{
	struct kernel_text layout, tables;
};

FIXTURE_SETUP(all)
{
	if (!module_file())
		SKIP(return, "there is no mmlens.ko; say where by MMLENS_KO");
	if (module_uses() >= 0)
		ASSERT_EQ(0, module_unload());
	ASSERT_EQ(0, module_load("kernel_walk=1"));
	ASSERT_EQ(0, kernel_layout(&self->layout));
	ASSERT_EQ(0, kernel_tables("pagetable", &self->tables));
}

FIXTURE_TEARDOWN(all)
{
	if (!module_file())
		return;
	kernel_free(&self->layout);
	kernel_free(&self->tables);
	module_unload();
	module_load("");
}

TEST_F(all, warns)
{
	EXPECT_EQ(0, strncmp(self->tables.text, "# WARNING: ", 11));
}

/* Sections are the regions of the layout, gaps among them. */
TEST_F(all, has_the_regions_of_the_layout)
{
	size_t at = 0;

	for (size_t i = 0; i < self->layout.nr_regions; i++) {
		const struct kernel_region *r = &self->layout.region[i], *section;

		if (r->part || !(r->start >> 63))
			continue;
		ASSERT_GT(self->tables.nr_regions, at);
		section = &self->tables.region[at++];
		EXPECT_STREQ(r->name, section->name);
		EXPECT_EQ(r->start, section->start);
	}
	EXPECT_EQ(at, self->tables.nr_regions);
	for (size_t i = 0; i < self->tables.nr; i++) {
		const struct kernel_run *run = &self->tables.run[i];
		const struct kernel_region *r = &self->tables.region[run->region];

		EXPECT_LE(r->start, run->start);
		EXPECT_GE(r->last, run->end - 1);
		EXPECT_FALSE(r->skipped);
	}
}

/* In the direct map, an address says which frame it is. */
TEST_F(all, the_direct_map_is_one_to_one)
{
#ifdef __x86_64__
	const struct kernel_region *direct = kernel_find(&self->layout, "direct-map");
	uint64_t offset = direct ? direct->start : 0;
#else
	const struct kernel_region *direct = kernel_find(&self->layout, "linear-map");
	uint64_t offset = kernel_number(&self->layout, "linear_voffset");
#endif
	uint64_t mapped = 0, total;
	char *meminfo = read_file("/proc/meminfo", NULL);

	ASSERT_NE(NULL, direct);
	ASSERT_NE(NULL, meminfo);
	ASSERT_EQ(1, sscanf(meminfo, "MemTotal: %lu", &total));
	for (size_t i = 0; i < self->tables.nr; i++) {
		const struct kernel_run *run = &self->tables.run[i];

		if (self->tables.region[run->region].start != direct->start || !is_leaf(run))
			continue;
		ASSERT_TRUE(run->has_pfn) TH_LOG("%lx", run->start);
		EXPECT_EQ((run->start - offset) / page_size(), run->pfn) TH_LOG("%lx", run->start);
		mapped += run->end - run->start;
	}
	/* All memory is there. */
	EXPECT_LE(total * 1024, mapped);
	free(meminfo);
}

TEST_F(all, the_image_is_mapped_where_it_was_loaded)
{
	const struct kernel_region *image = kernel_find(&self->layout, "image");
	uint64_t frame = kernel_number(&self->layout, "image_phys") / page_size();
	unsigned int seen = 0;

	ASSERT_NE(NULL, image);
	for (size_t i = 0; i < self->tables.nr; i++) {
		const struct kernel_run *run = &self->tables.run[i];

		if (!is_leaf(run) || run->start < image->start || run->start > image->last)
			continue;
		ASSERT_TRUE(run->has_pfn) TH_LOG("%lx", run->start);
		EXPECT_EQ(frame + (run->start - image->start) / page_size(), run->pfn)
			TH_LOG("%lx", run->start);
		/* Text is not writable, data not executable. */
		EXPECT_FALSE(run->eff[1] == 'w' && run->eff[2] == 'x') TH_LOG("%lx", run->start);
		seen += run->eff[2] == 'x' ? 1 : 0;
	}
	EXPECT_LT(0, seen);
}

TEST_F(all, agrees_with_the_kernel_about_what_can_be_written_and_executed)
{
	char *check = read_file("/sys/kernel/debug/check_wx_pages", NULL);

	if (!check)
		SKIP(return, "a kernel without check_wx_pages");
	EXPECT_EQ(!strncmp(check, "SUCCESS", 7), self->tables.wx == 0) TH_LOG("%s", check);
	EXPECT_LE(0, self->tables.wx);
	free(check);
}

/* What own says of our ranges is what the whole says. */
TEST_F(all, has_what_own_has)
{
	struct kernel_text own;

	ASSERT_EQ(0, kernel_tables("own", &own));
	for (size_t i = 0; i < own.nr; i++) {
		const struct kernel_run *run = &own.run[i];
		uint64_t at = run->start;

		if (!is_leaf(run))
			continue;
		for (size_t j = 0; j < self->tables.nr && at < run->end; j++) {
			const struct kernel_run *all = &self->tables.run[j];

			if (!is_leaf(all) || all->start > at || all->end <= at)
				continue;
			EXPECT_STREQ(run->level, all->level) TH_LOG("%lx", at);
			EXPECT_STREQ(run->eff, all->eff) TH_LOG("%lx", at);
			at = all->end;
			j = 0;
		}
		EXPECT_LE(run->end, at) TH_LOG("%lx", run->start);
	}
	kernel_free(&own);
}

#ifdef __x86_64__

/* ptdump's lines of an address: "0xSTART-0xEND SIZE [ro|RW] [GLB] [x|NX] LEVEL". */
static bool ptdump_rights(const char *text, uint64_t address, char *rights)
{
	for (const char *line = text; line; line = strchr(line, '\n')) {
		uint64_t start, end;
		char words[128];

		line += *line == '\n';
		if (sscanf(line, "0x%lx-0x%lx %127[^\n]", &start, &end, words) != 3 ||
		    address < start || address >= end)
			continue;
		/* Lines of what is not present have a level and no rights. */
		if (!strstr(words, " RW") && !strstr(words, " ro"))
			continue;
		rights[0] = 'r';
		rights[1] = strstr(words, " RW") ? 'w' : '-';
		rights[2] = strstr(words, " x ") ? 'x' : '-';
		rights[3] = '\0';
		return true;
	}
	return false;
}

TEST_F(all, agrees_with_ptdump)
{
	char *text = read_file(PTDUMP, NULL), rights[4];
	unsigned int compared = 0;
	struct kernel_text own;

	if (!text)
		SKIP(return, "a kernel without ptdump's files");
	/* What stays as it is: this module, and the image. */
	ASSERT_EQ(0, kernel_tables("own", &own));
	for (size_t i = 0; i < own.nr; i++) {
		if (!is_leaf(&own.run[i]))
			continue;
		ASSERT_TRUE(ptdump_rights(text, own.run[i].start, rights))
			TH_LOG("%lx", own.run[i].start);
		EXPECT_STREQ(rights, own.run[i].eff) TH_LOG("%lx", own.run[i].start);
		compared++;
	}
	for (size_t i = 0; i < self->tables.nr; i++) {
		const struct kernel_run *run = &self->tables.run[i];

		if (strcmp(self->tables.region[run->region].name, "kernel-map") ||
		    !is_leaf(run) || run->eff[0] != 'r')
			continue;
		ASSERT_TRUE(ptdump_rights(text, run->start, rights)) TH_LOG("%lx", run->start);
		EXPECT_STREQ(rights, run->eff) TH_LOG("%lx", run->start);
		compared++;
	}
	EXPECT_LT(5, compared);
	kernel_free(&own);
	free(text);
}

#endif

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/*
 * The file pagetable against the kernel's own dump of the reader's tables, which kernels
 * with CONFIG_PTDUMP_DEBUGFS have on x86_64.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "lib/kinds.h"
#include "lib/knobs.h"
#include "lib/lens.h"
#include "lib/util.h"

#define PTDUMP "/sys/kernel/debug/page_tables/current_user"
#define ROOM (1 << 20)

/* A line of ptdump: all bits that it has names for, and the level. */
struct range {
	uint64_t start, end;
	const char *bits, *level;
};

FIXTURE(ptdump)
{
	struct range *range;
	size_t nr;
	struct lens_table runs;
};

/* Made before the first look, so that nothing is when it comes to looking. */
static char before[ROOM], ours[ROOM], after[ROOM];

/* Reads a file into memory that is there already. */
static ssize_t read_still(const char *path, char *text)
{
	int fd = open(path, O_RDONLY);
	ssize_t got = 1, all = 0;

	while (fd >= 0 && got > 0 && all < ROOM - 1) {
		got = read(fd, text + all, ROOM - 1 - all);
		all += got;
	}
	close(fd);
	text[all > 0 ? all : 0] = '\0';
	return fd < 0 || got < 0 || all == ROOM - 1 ? -1 : all;
}

/* 0x0000558000000000-0x000055fe80000000         506G      USR ro      NX pte */
static bool parse_range(char *line, struct range *range)
{
	int at = 0;
	char *level = strrchr(line, ' ');

	if (sscanf(line, "0x%lx-0x%lx %*s%n", &range->start, &range->end, &at) != 2 || !level)
		return false;
	*level = '\0';
	range->level = level + 1;
	range->bits = line + at;
	return true;
}

static size_t parse_ptdump(char *text, struct range *ranges)
{
	size_t nr = 0;
	char *line = strsep(&text, "\n");

	if (!line || strcmp(line, "---[ User Space ]---"))
		return 0;
	while ((line = strsep(&text, "\n")) && parse_range(line, &ranges[nr]))
		nr++;
	return nr;
}

static bool has_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *s = words; (s = strstr(s, word)); s += len)
		if ((s == words || s[-1] == ' ') && (s[len] == ' ' || !s[len]))
			return true;
	return false;
}

static bool is_present(const struct range *range)
{
	return range->bits[strspn(range->bits, " ")];
}

static bool same_bits(const struct lens_entry *run, const struct range *range)
{
	static const struct {
		const char *lens, *ptdump;
	} names[] = {
		{ "US", "USR" }, { "RW", "RW" }, { "PWT", "PWT" }, { "PCD", "PCD" },
		{ "PSE", "PSE" }, { "PAT", "PAT" }, { "G", "GLB" }, { "NX", "NX" },
	};

	if (run->kind != LENS_LEAF || !lens_has_bit(run, "P"))
		return !is_present(range);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (lens_has_bit(run, names[i].lens) != has_word(range->bits, names[i].ptdump))
			return false;
	return is_present(range);
}

FIXTURE_SETUP(ptdump)
{
	static const char *const made[] = {
		"anon_written", "anon_zero_page", "prot_none", "prot_exec", "file_shared_read",
		"pci_registers", "thp_anon", "thp_zero_page", "hugetlb_private", "guard", "swapped",
		"uffd_wp_anon", "dropped", "untouched", "protection_key",
	};

	if (access(PTDUMP, R_OK))
		SKIP(return, PTDUMP ": %s", strerror(errno));
	for (size_t i = 0; i < sizeof(made) / sizeof(*made); i++) {
		const struct kind *kind = kind_find(made[i]);
		struct memory m = {};

		ASSERT_NE(NULL, kind);
		if (kind->prepare)
			kind->prepare(&m);
		if (!m.why[0])
			kind->make(&m);
		if (m.why[0])
			TH_LOG("without %s: %s", made[i], m.why);
	}
	memset(before, 1, ROOM);
	memset(ours, 1, ROOM);
	memset(after, 1, ROOM);
	self->range = calloc(ROOM / 64, sizeof(*self->range));
	for (int i = 0; i < 10; i++) {
		ASSERT_LT(0, read_still(PTDUMP, before));
		ASSERT_LT(0, read_still(LENS "/self/pagetable", ours));
		ASSERT_LT(0, read_still(PTDUMP, after));
		if (!strcmp(before, after))
			break;
	}
	ASSERT_STREQ(before, after);
	self->nr = parse_ptdump(before, self->range);
	ASSERT_LT(10, self->nr);
	ASSERT_EQ(0, lens_table_parse(strdup(ours), true, &self->runs)) TH_LOG("%s", lens_error);
}

FIXTURE_TEARDOWN(ptdump)
{
	free(self->range);
	lens_table_free(&self->runs);
	knobs_restore();
}

static const char *const levels[] = { "pte", "pmd", "pud", "p4d", "pgd" };

/* Holes too: ptdump has them at the level where the way down ends. */
TEST_F(ptdump, has_every_run)
{
	for (size_t i = 0; i < self->runs.nr; i++) {
		const struct lens_entry *run = &self->runs.entry[i];
		size_t covers = 0;

		if (run->kind == LENS_TABLE)
			continue;
		for (size_t k = 0; k < self->nr; k++) {
			const struct range *range = &self->range[k];

			if (range->end <= run->start || run->end <= range->start)
				continue;
			covers++;
			EXPECT_TRUE(same_bits(run, range))
				TH_LOG("%lx-%lx: '%s', ptdump has '%s'", run->start, run->end,
				       run->bits, range->bits);
			EXPECT_STREQ(range->level, levels[run->level])
				TH_LOG("%lx-%lx, '%s'", run->start, run->end, run->bits);
		}
		EXPECT_LT(0, covers);
	}
}

TEST_F(ptdump, has_no_more)
{
	uint64_t theirs = 0, mine = 0;

	for (size_t k = 0; k < self->nr; k++)
		if (is_present(&self->range[k]))
			theirs += self->range[k].end - self->range[k].start;
	for (size_t i = 0; i < self->runs.nr; i++) {
		const struct lens_entry *run = &self->runs.entry[i];

		if (run->kind == LENS_LEAF && lens_has_bit(run, "P"))
			mine += run->end - run->start;
	}
	EXPECT_EQ(theirs, mine);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/* user_pgd: page-table isolation, and what user space has of the top table with it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib/lens.h"
#include "lib/proc.h"
#include "lib/util.h"

#define NX (1UL << 63)

struct line {
	uint64_t address, index, kernel, user;
	char half[8], note[16];
};

/* What the kernel says of itself. */
static bool is_isolated(void)
{
#ifdef __x86_64__
	char *text = read_file("/proc/cpuinfo", NULL);
	char *flags = text ? strstr(text, "\nflags") : NULL;
	char *end = flags ? strchr(flags + 1, '\n') : NULL;
	bool isolated;

	if (end)
		*end = '\0';
	isolated = flags && strstr(flags, " pti");
#else
	char *text = read_file("/sys/devices/system/cpu/vulnerabilities/meltdown", NULL);
	bool isolated = text && strstr(text, "PTI");
#endif

	free(text);
	return isolated;
}

FIXTURE(user_pgd)
{
	char *text;
	struct line line[512];
	size_t nr;
};

FIXTURE_SETUP(user_pgd)
{
	char *next, *line;

	next = lens_read(0, "user_pgd", NULL);
	ASSERT_NE(NULL, next);
	self->text = strdup(next);
	self->nr = 0;
	while (next && *next) {
		struct line *l = &self->line[self->nr];
		int words;

		line = strsep(&next, "\n");
		if (*line == '#')
			continue;
		ASSERT_LT(self->nr++, 512);
		words = sscanf(line, "%16lx %lu %16lx %16lx %7s %15s", &l->address, &l->index,
			       &l->kernel, &l->user, l->half, l->note);
		ASSERT_EQ(6, words);
	}
}

FIXTURE_TEARDOWN(user_pgd)
{
	free(self->text);
}

TEST_F(user_pgd, says_what_the_kernel_says)
{
	static const char heading[] = "# page-table isolation: ";

	ASSERT_EQ(0, strncmp(self->text, heading, strlen(heading)));
	EXPECT_EQ(is_isolated(), !strncmp(self->text + strlen(heading), "on: ", 4));
	EXPECT_EQ(is_isolated(), !!strncmp(self->text + strlen(heading), "off: ", 5));
}

TEST_F(user_pgd, has_the_entries_of_user_space)
{
	struct lens_table table;
	size_t seen = 0;

#ifndef __x86_64__
	EXPECT_EQ(0, self->nr);
	SKIP(return, "user space runs on the tables of the process");
#endif
	if (!is_isolated()) {
		EXPECT_EQ(0, self->nr);
		SKIP(return, "without page-table isolation there is no copy");
	}
	/* What the kernel runs on is in entries, and NX; the copy is not. */
	ASSERT_EQ(0, lens_entries(0, &table));
	for (size_t i = 0; i < self->nr; i++) {
		const struct line *l = &self->line[i];
		bool found = false;

		/* The upper half is that of negative addresses. */
		EXPECT_EQ(l->address / table.size[LENS_PGD] % 512, l->index);
		EXPECT_EQ(l->address >> 63, l->index >> 8);
		if (strcmp(l->half, "user"))
			continue;
		EXPECT_LT(l->index, 256);
		EXPECT_STREQ("NX", l->note);
		EXPECT_EQ(l->kernel, l->user | NX);
		EXPECT_EQ(0, l->user & NX);
		for (size_t j = 0; j < table.nr; j++)
			found |= table.entry[j].level == LENS_PGD &&
				 table.entry[j].raw == l->kernel;
		/* The stack and this program have one. */
		seen += found;
	}
	EXPECT_LT(0, seen);
	lens_table_free(&table);
}

TEST_F(user_pgd, has_little_of_the_kernel)
{
	size_t both = 0, kernel_only = 0;

	if (!self->nr)
		SKIP(return, "there is no copy");
	for (size_t i = 0; i < self->nr; i++) {
		const struct line *l = &self->line[i];

		if (strcmp(l->half, "kernel"))
			continue;
		EXPECT_LE(256, l->index);
		EXPECT_EQ(!strcmp(l->note, "kernel-only"), !l->user);
		EXPECT_EQ(!strcmp(l->note, "same"), l->user == l->kernel);
		both += !!l->user;
		kernel_only += !l->user;
	}
	/* The entry code and its data at least, and at most that, espfix and an LDT. */
	EXPECT_LE(1, both);
	EXPECT_GE(8, both);
	EXPECT_LT(both, kernel_only);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/* The questions translate and explain: addresses and pages, against pagemap and /proc/kpage*. */
#include <fcntl.h>
#include <linux/kernel-page-flags.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "lib/pages.h"
#include "lib/query.h"

static void nothing(void *arg)
{
	(void)arg;
}

static void assorted(void *arg)
{
	struct report *report = arg;
	int file = make_file("file", 16);

	report->map[0] = map_alone(RW, ANON, -1, 16, 0);
	write_pages(report->map[0], 2, 7);
	read_pages(report->map[0], 11, 2);
	report->map[1] = map_alone(RW, MAP_SHARED, file, 12, page_size());
	write_pages(report->map[1], 0, 3);
	read_pages(report->map[1], 5, 3);
	report->map[2] = map_alone(RW, MAP_PRIVATE, file, 12, 0);
	read_pages(report->map[2], 0, 8);
	write_pages(report->map[2], 3, 2);
	report->map[3] = map_alone(RW, MAP_SHARED | MAP_ANONYMOUS, -1, 8, 0);
	write_pages(report->map[3], 0, 5);
	report->map[4] = map_aligned(RW, ANON, 4 * MIB, 2 * MIB);
	madvise(report->map[4], 4 * MIB, MADV_HUGEPAGE);
	write_pages(report->map[4], 0, 1);
	report->map[5] = map_alone(RW, ANON, -1, 8, 0);
	mlock(report->map[5], 8 * page_size());
	/* Shared with a child, some of it. */
	report->pid = target_start(nothing, NULL);
	write_pages(report->map[0], 2, 2);
}

/* What both sides are asked. */
struct sides {
	int fd, pagemap;
	struct proc_vmas vmas;
};

static bool sides_open(pid_t pid, struct sides *sides)
{
	sides->fd = query_open(pid);
	sides->pagemap = proc_pagemap_open(pid);
	if (sides->fd < 0 || sides->pagemap < 0 || proc_vmas(pid, true, &sides->vmas))
		return false;
	if (!strcmp(sides->vmas.vma[sides->vmas.nr - 1].name, "[vsyscall]"))
		sides->vmas.nr--;
	return true;
}

static void sides_close(struct sides *sides)
{
	proc_vmas_free(&sides->vmas);
	close(sides->fd);
	close(sides->pagemap);
}

/* The pages of a VMA to ask about: all of a small one. */
#define for_each_page(vma, addr)						\
	for (uint64_t addr = (vma)->start; addr < (vma)->end;			\
	     addr += (vma)->end - (vma)->start > 64 * page_size() ?		\
	     ((vma)->end - (vma)->start) / 32 / page_size() * page_size() : page_size())

/* pagemap does not show these. */
static bool is_pfnmap(const struct proc_vma *vma)
{
	return proc_has_flag(vma, "pf");
}

TEST_F(pages, translate_is_the_frame_of_pagemap)
{
	unsigned int mapped = 0, unmapped = 0;
	struct sides sides;

	compare_target(assorted);
	ASSERT_TRUE(sides_open(self->target, &sides));
	for (size_t i = 0; i < sides.vmas.nr; i++) {
		const struct proc_vma *vma = &sides.vmas.vma[i];

		if (is_pfnmap(vma))
			continue;
		for_each_page(vma, addr) {
			uint64_t entry, offset = addr / page_size() % 13 * 8;
			char *answer = query(sides.fd, "translate %lx", addr + offset);
			const char *physical;

			ASSERT_NE(NULL, answer);
			ASSERT_TRUE(proc_pagemap(sides.pagemap, addr, &entry, 1));
			physical = query_value(answer, "physical");
			ASSERT_NE(NULL, physical);
			if (!(entry & PM_PRESENT)) {
				EXPECT_STREQ("none", physical) TH_LOG("%lx", addr);
				unmapped++;
				continue;
			}
			EXPECT_EQ((entry & PM_FRAME) * page_size() + offset,
				  strtoul(physical, NULL, 0)) TH_LOG("%lx", addr);
			mapped++;
		}
	}
	EXPECT_LT(50, mapped);
	EXPECT_LT(10, unmapped);
	EXPECT_EQ(0, strncmp("none: ", query(sides.fd, "translate 0"), 6));
	EXPECT_EQ(0, strncmp("none: ", query(sides.fd, "translate ffffffffffffffff"), 6));
	kill(self->report->pid, SIGKILL);
	sides_close(&sides);
}

TEST_F(pages, translate_has_the_lines_of_entries)
{
	unsigned int compared = 0;
	struct sides sides;
	char *entries;

	compare_target(assorted);
	ASSERT_TRUE(sides_open(self->target, &sides));
	entries = lens_read(self->target, "entries", NULL);
	ASSERT_NE(NULL, entries);
	for (size_t i = 0; i < sides.vmas.nr; i++) {
		for_each_page(&sides.vmas.vma[i], addr) {
			char *answer = query(sides.fd, "translate %lx", addr), *line;
			unsigned int levels = 0;

			while ((line = query_line(&answer)) && strncmp(line, "physical:", 9)) {
				levels++;
				if (strstr(line, " hole "))
					break;
				EXPECT_NE(NULL, strstr(entries, line)) TH_LOG("%s", line);
				compared++;
			}
			EXPECT_LE(1, levels);
		}
	}
	EXPECT_LT(200, compared);
	free(entries);
	kill(self->report->pid, SIGKILL);
	sides_close(&sides);
}

/* The first of the columns behind the level: where the entry is. */
TEST_F(pages, translate_begins_in_the_top_table)
{
	uint64_t pgd;
	int fd;

	compare_target(assorted);
	fd = query_open(self->target);
	pgd = lens_mm_number(self->target, "pgd");
	for (int i = 0; i < 6; i++) {
		char *answer = query(fd, "translate %lx", (uintptr_t)self->report->map[i]), *line;
		uint64_t at;

		ASSERT_NE(NULL, answer);
		line = query_line(&answer);
		ASSERT_NE(NULL, line);
		next_word(&line);
		EXPECT_STREQ("pgd", next_word(&line));
		at = strtoul(next_word(&line), NULL, 16);
		EXPECT_LE(pgd, at);
		EXPECT_GT(pgd + page_size(), at);
		EXPECT_EQ(0, at % 8);
	}
	kill(self->report->pid, SIGKILL);
	close(fd);
}

static const struct { const char *name; int bit; } flags[] = {
	{ "LOCKED", KPF_LOCKED }, { "REFERENCED", KPF_REFERENCED }, { "UPTODATE", KPF_UPTODATE },
	{ "DIRTY", KPF_DIRTY }, { "LRU", KPF_LRU }, { "ACTIVE", KPF_ACTIVE },
	{ "WRITEBACK", KPF_WRITEBACK }, { "RECLAIM", KPF_RECLAIM }, { "MMAP", KPF_MMAP },
	{ "ANON", KPF_ANON }, { "SWAPCACHE", KPF_SWAPCACHE }, { "SWAPBACKED", KPF_SWAPBACKED },
	{ "COMPOUND_HEAD", KPF_COMPOUND_HEAD }, { "COMPOUND_TAIL", KPF_COMPOUND_TAIL },
	{ "HUGE", KPF_HUGE }, { "UNEVICTABLE", KPF_UNEVICTABLE }, { "HWPOISON", KPF_HWPOISON },
	{ "KSM", KPF_KSM }, { "THP", KPF_THP }, { "ZERO_PAGE", KPF_ZERO_PAGE },
	{ "RESERVED", 32 }, { "MLOCKED", 33 },
};

static bool has_flag(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *s = list; s; s = strchr(s, '|')) {
		s += *s == '|';
		if (!strncmp(s, name, len) && (s[len] == '|' || !s[len]))
			return true;
	}
	return false;
}

static uint64_t kpage(const char *file, uint64_t pfn)
{
	char path[32];
	uint64_t value = ~0UL;
	int fd;

	snprintf(path, sizeof(path), "/proc/kpage%s", file);
	fd = open(path, O_RDONLY);
	if (fd < 0 || pread(fd, &value, sizeof(value), pfn * 8) != sizeof(value))
		value = ~0UL;
	close(fd);
	return value;
}

/* The answer, once the page is in nobody else's hands: somebody may be migrating it. */
static char *explain(int fd, uint64_t addr)
{
	char *answer = NULL;

	for (int i = 0; i < 200; i++) {
		const char *page;

		answer = query(fd, "explain %lx", addr);
		page = answer ? query_value(answer, "page") : NULL;
		if (!page || strncmp(page, "unknown", 7))
			break;
		usleep(10000);
	}
	return answer;
}

/* What is mapped by its number only has no flags: the page of zeros, and data of the vDSO. */
static bool has_no_flags(const struct proc_vma *vma, const char *answer)
{
	const char *page = query_value(answer, "page");

	return page && (!strcmp(page, "zero, not looked at") ||
			(!strncmp(vma->name, "[vvar", 5) && strstr(page, ", not looked at")));
}

TEST_F(pages, facts_of_pages_are_those_of_kpage)
{
	bool has_memcg = !access("/proc/kpagecgroup", R_OK);
	unsigned int pages = 0, several = 0, tails = 0;
	struct sides sides;

	compare_target(assorted);
	ASSERT_TRUE(sides_open(self->target, &sides));
	for (size_t i = 0; i < sides.vmas.nr; i++) {
		if (is_pfnmap(&sides.vmas.vma[i]))
			continue;
		for_each_page(&sides.vmas.vma[i], addr) {
			char *answer = explain(sides.fd, addr);
			uint64_t entry, pfn, all, memcg;
			const char *value;
			void *page = (void *)addr;
			int node = -1;

			ASSERT_NE(NULL, answer);
			ASSERT_TRUE(proc_pagemap(sides.pagemap, addr, &entry, 1));
			value = query_value(answer, "flags");
			if (!value) {
				EXPECT_TRUE(!(entry & PM_PRESENT) ||
					    has_no_flags(&sides.vmas.vma[i], answer))
					TH_LOG("%lx: %s", addr, answer);
				continue;
			}
			pages++;
			ASSERT_TRUE(entry & PM_PRESENT);
			pfn = entry & PM_FRAME;
			all = kpage("flags", pfn);
			for (size_t j = 0; j < ARRAY_SIZE(flags); j++) {
				/* Set by whoever looks at the page just now. */
				if (flags[j].bit == KPF_LOCKED || flags[j].bit == KPF_LRU)
					continue;
				EXPECT_EQ(all >> flags[j].bit & 1, has_flag(value, flags[j].name))
					TH_LOG("%lx: %s, %lx %s", addr, flags[j].name, all, value);
			}
			tails += all >> KPF_COMPOUND_TAIL & 1;
			value = query_value(answer, "mapcount");
			ASSERT_NE(NULL, value);
			EXPECT_EQ(kpage("count", pfn), strtoul(value, NULL, 10))
				TH_LOG("%lx", addr);
			several += strtoul(value, NULL, 10) > 1;
			value = query_value(answer, "refcount");
			ASSERT_NE(NULL, value);
			EXPECT_LE(1, strtoul(value, NULL, 10));
			value = query_value(answer, "memcg");
			ASSERT_NE(NULL, value);
			memcg = 0;
			if (strcmp(value, "none"))
				memcg = strtoul(value + strlen("inode "), NULL, 10);
			if (has_memcg) {
				EXPECT_EQ(kpage("cgroup", pfn), memcg) TH_LOG("%lx", addr);
			}
			value = query_value(answer, "node");
			ASSERT_NE(NULL, value);
			if (!syscall(SYS_move_pages, self->target, 1L, &page, NULL, &node, 0) &&
			    node >= 0) {
				EXPECT_EQ(node, atoi(value));
			}
		}
	}
	EXPECT_LT(50, pages);
	EXPECT_LT(5, several);
	/* A huge page is what is made of several here; of 16K pages it would be 32 MiB. */
	if (page_size() == 4096 && !access("/sys/kernel/mm/transparent_hugepage", F_OK))
		EXPECT_LT(5, tails);
	kill(self->report->pid, SIGKILL);
	sides_close(&sides);
}

TEST_F(pages, refcount_counts_who_holds_a_page)
{
	char *map = map_alone(RW, ANON, -1, 1, 0);
	struct iovec part = { .iov_base = map, .iov_len = 8 };
	int fd = query_open(0), pipes[2];
	unsigned long before, after;

	map[0] = 1;
	ASSERT_EQ(0, pipe(pipes));
	before = strtoul(query_value(query(fd, "explain %lx", (uintptr_t)map), "refcount"), NULL,
			 10);
	ASSERT_EQ(8, vmsplice(pipes[1], &part, 1, 0));
	after = strtoul(query_value(query(fd, "explain %lx", (uintptr_t)map), "refcount"), NULL,
			10);
	/* Newly made pages wait for their list in a batch that holds them too. */
	EXPECT_LE(before, after);
	EXPECT_LE(2, after);
	close(pipes[0]);
	close(pipes[1]);
	close(fd);
}

TEST_HARNESS_MAIN

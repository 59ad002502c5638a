// SPDX-License-Identifier: GPL-2.0
/* The file summary against status, and the counts of the file vmas against smaps. */
#include <fcntl.h>

#include "kselftest_harness.h"
#include "lib/compare.h"
#include "lib/util.h"

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

/* The line of summary that begins with "NAME:", without that; "" if there is none. */
static const char *value_of(const char *summary, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = summary; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, name, len) && line[len] == ':')
			return line + len + 1 + strspn(line + len + 1, " ");
	}
	return "";
}

static uint64_t number_of(const char *summary, const char *name)
{
	const char *value = value_of(summary, name);

	return *value ? strtoull(value, NULL, 10) : UINT64_MAX;
}

/* "pte=12" in a line of several. */
static uint64_t part_of(const char *summary, const char *name, const char *part)
{
	const char *at = value_of(summary, name);
	size_t len = strlen(part);

	while (*at && *at != '\n') {
		if (!strncmp(at, part, len) && at[len] == '=')
			return strtoull(at + len + 1, NULL, 10);
		at += strcspn(at, " \n");
		at += strspn(at, " ");
	}
	return 0;
}

/* Our numbers of the whole process, and the kernel's. */
static int compare_with_status(pid_t pid, const char *summary)
{
	static const struct { const char *ours, *status; } names[] = {
		{ "mapped", "VmSize" }, { "rss", "VmRSS" }, { "rss_anon", "RssAnon" },
		{ "rss_file", "RssFile" }, { "rss_shmem", "RssShmem" }, { "swap", "VmSwap" },
		{ "swap_entries", "VmSwap" }, { "hugetlb", "HugetlbPages" },
		{ "hugetlb_usage", "HugetlbPages" },
	};
	uint64_t kib = page_size() / 1024, tables = 0, vmpte;
	static const char *const levels[] = { "pte", "pmd", "pud" };
	const char *line;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		uint64_t want = proc_number(pid, "status", names[i].status);

		if (number_of(summary, names[i].ours) * kib != want)
			return differ("%s %lu kB, but %s: %.60s", names[i].status, want,
				      names[i].ours, value_of(summary, names[i].ours));
	}
	/* Each table once, and a table for each anonymous huge page. */
	vmpte = proc_number(pid, "status", "VmPTE") / kib;
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		tables += part_of(summary, "tables", levels[i]);
	line = strstr(value_of(summary, "pgtables"), "counted, ");
	if (line && line < strchr(value_of(summary, "pgtables"), '\n'))
		tables += strtoull(line + 9, NULL, 10);
	if (tables != vmpte)
		return differ("VmPTE %lu tables, but %.120s", vmpte, value_of(summary, "pgtables"));
	if (strstr(summary, "meanwhile"))
		return differ("%s", strstr(summary, "counted"));
	return 0;
}

/* The counts of one VMA, and those of smaps. */
static int compare_vma_counts(const struct proc_vma *want, const struct lens_vma *have)
{
	uint64_t kib = page_size() / 1024, size = page_size();
	uint64_t present = lens_word_number(have, "present");
	uint64_t normal = present - lens_word_number(have, "special");
	bool is_hugetlb = proc_has_flag(want, "ht");
	long huge = read_number("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size");

	if (is_hugetlb && present * kib != want->hugetlb)
		return differ("%lx: hugetlb %lu kB, but present=%lu", want->start, want->hugetlb,
			      present);
	/* On its way, or with a device, a page is resident. */
	normal += lens_word_number(have, "migration") + lens_word_number(have, "device");
	if (!is_hugetlb && normal * kib != want->rss)
		return differ("%lx: Rss %lu kB, but present=%lu special=%lu", want->start,
			      want->rss, present, lens_word_number(have, "special"));
	if (!want->ino && lens_word_number(have, "swap") * kib != want->swap &&
	    !(have->perm[3] == 's'))
		return differ("%lx: Swap %lu kB, but swap=%lu", want->start, want->swap,
			      lens_word_number(have, "swap"));
	/* The huge zero page is not resident. */
	if (!is_hugetlb && huge > 0 &&
	    (lens_word_number(have, "pmd") * (huge / size) - lens_word_number(have, "special")) *
	    kib != want->huge && !lens_word(have, "special"))
		return differ("%lx: huge %lu kB, but pmd=%lu", want->start, want->huge,
			      lens_word_number(have, "pmd"));
	return 0;
}

static int compare_with_smaps(pid_t pid)
{
	struct proc_vmas smaps;
	struct lens_vmas vmas;
	int ret = proc_vmas(pid, true, &smaps);

	if (ret)
		return ret;
	ret = lens_vmas(pid, &vmas);
	for (size_t i = 0; !ret && i < vmas.nr; i++) {
		if (i >= smaps.nr || smaps.vma[i].start != vmas.vma[i].start)
			ret = differ("%lx: not in smaps", vmas.vma[i].start);
		else
			ret = compare_vma_counts(&smaps.vma[i], &vmas.vma[i]);
	}
	lens_vmas_free(&vmas);
	proc_vmas_free(&smaps);
	return ret;
}

static int compare_all(pid_t pid)
{
	char *summary = lens_read(pid, "summary", NULL);
	int ret = summary ? compare_with_status(pid, summary) : -errno;

	free(summary);
	return ret ? ret : compare_with_smaps(pid);
}

struct report {
	char *map[8];
	bool has_swap;
};

FIXTURE(summary)
{
	pid_t target;
	struct report *report;
};

FIXTURE_SETUP(summary)
{
	self->report = mmap(NULL, sizeof(*self->report), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->report);
}

FIXTURE_TEARDOWN(summary)
{
	if (self->target) {
		lens_detach(self->target);
		target_end(self->target);
	}
}

static void touch(char *map, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		map[i * page_size()] = 1;
}

static void everything(void *arg)
{
	struct report *report = arg;
	long huge = read_number("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size");
	char *map;

	/* Dense, sparse, over many tables, shared, of a file. */
	touch(map_alone(RW, ANON, -1, 700, 0), 600);
	map = mmap(NULL, 64UL << 30, RW, ANON | MAP_NORESERVE, -1, 0);
	for (unsigned int i = 0; i < 32; i++)
		map[((uint64_t)i << 31) + i * page_size()] = 1;
	touch(map_alone(RW, MAP_SHARED | MAP_ANONYMOUS, -1, 300, 0), 200);
	/* The zero page, read only; memory for nobody; a note. */
	report->map[0] = map_alone(RW, ANON, -1, 10, 0);
	for (int i = 0; i < 7; i++)
		(void)*(volatile char *)(report->map[0] + i * page_size());
	report->map[1] = map_alone(RW, ANON, -1, 10, 0);
	touch(report->map[1], 4);
	mprotect(report->map[1], 10 * page_size(), PROT_NONE);
	report->map[2] = map_alone(RW, ANON, -1, 10, 0);
	madvise(report->map[2], 3 * page_size(), MADV_GUARD_INSTALL);
	touch(report->map[2] + 5 * page_size(), 2);
	/* Many VMAs that share tables. */
	map = map_alone(RW, ANON, -1, 200, 0);
	for (int i = 0; i < 200; i += 2)
		mprotect(map + i * page_size(), page_size(), PROT_READ);
	if (huge <= 0 || huge > 4L << 20)
		return;
	report->map[3] = map_aligned(RW, ANON, 3 * huge, huge);
	madvise(report->map[3], 3 * huge, MADV_HUGEPAGE);
	touch(report->map[3], 2 * huge / page_size());
	report->map[4] = map_aligned(RW, ANON, huge, huge);
	madvise(report->map[4], huge, MADV_HUGEPAGE);
	(void)*(volatile char *)report->map[4];
	report->map[5] = map_aligned(RW, MAP_SHARED | MAP_ANONYMOUS, huge, huge);
	touch(report->map[5], huge / page_size());
	madvise(report->map[5], huge, MADV_COLLAPSE);
}

TEST_F(summary, is_what_the_kernel_counts)
{
	const struct lens_vma *vma;
	struct lens_vmas list;
	unsigned int seen = 0;

	self->target = target_start(everything, self->report);
	ASSERT_LT(0, self->target);
	ASSERT_EQ(0, lens_attach(self->target));
	EXPECT_EQ(0, compare_all(self->target)) TH_LOG("%s", compare_message);

	ASSERT_EQ(0, lens_vmas(self->target, &list)) TH_LOG("%s", lens_error);
	for (size_t i = 0; i < list.nr; i++) {
		vma = &list.vma[i];
		if (vma->start == (uintptr_t)self->report->map[0]) {
			EXPECT_EQ(7, lens_word_number(vma, "present"));
			EXPECT_EQ(7, lens_word_number(vma, "special"));
			EXPECT_EQ(7, lens_word_number(vma, "accessed"));
			EXPECT_EQ(NULL, lens_word(vma, "dirty"));
			EXPECT_EQ(NULL, lens_word(vma, "writable"));
			seen++;
		} else if (vma->start == (uintptr_t)self->report->map[1]) {
			EXPECT_EQ(4, lens_word_number(vma, "present"));
			EXPECT_EQ(4, lens_word_number(vma, "protnone"));
			EXPECT_EQ(4, lens_word_number(vma, "dirty"));
			EXPECT_EQ(NULL, lens_word(vma, "writable"));
			seen++;
		} else if (vma->start == (uintptr_t)self->report->map[2]) {
			EXPECT_EQ(2, lens_word_number(vma, "present"));
			EXPECT_EQ(2, lens_word_number(vma, "writable"));
			EXPECT_EQ(3, lens_word_number(vma, "marker"));
			seen++;
		}
	}
	EXPECT_EQ(3, seen);
	lens_vmas_free(&list);
}

static void huge_pages(void *arg)
{
	char *map = mmap(NULL, 8UL << 20, RW, ANON | MAP_HUGETLB | 21 << 26, -1, 0);

	(void)arg;
	if (map == MAP_FAILED)
		return;
	map[0] = 1;
	map[4UL << 20] = 1;
	/* A VMA that shares tables with them, and one of its own. */
	touch(map_alone(RW, ANON, -1, 30, 0), 30);
}

TEST_F(summary, of_hugetlb)
{
	static const char path[] = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";
	char *summary;

	write_number(path, 4);
	if (read_number(path) != 4)
		SKIP(return, "no huge pages to be had");
	self->target = target_start(huge_pages, NULL);
	ASSERT_LT(0, self->target);
	ASSERT_EQ(0, lens_attach(self->target));
	EXPECT_EQ(0, compare_all(self->target)) TH_LOG("%s", compare_message);
	summary = lens_read(self->target, "summary", NULL);
	EXPECT_EQ((4UL << 20) / page_size(), number_of(summary, "hugetlb"));
	free(summary);
	lens_detach(self->target);
	target_end(self->target);
	self->target = 0;
	write_number(path, 0);
}

TEST_F(summary, of_the_whole_system)
{
	char *const programs[][5] = {
		{ "python3", "-c", "import json, socket, threading; threading.Event().wait()" },
		{ "bash", "-c", "sleep 1000; true" },
		{ "sleep", "1000" },
	};
	pid_t started[ARRAY_SIZE(programs)], *pids;
	unsigned int compared = 0;
	size_t nr;

	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		started[i] = target_exec(programs[i]);
	pids = proc_pids(&nr);
	for (size_t i = 0; i < nr; i++) {
		int ret = -EAGAIN;

		/* Not of what has no memory, nor of this one, which changes. */
		if (proc_number(pids[i], "status", "VmPTE") < 0 || pids[i] == getpid() ||
		    lens_attach(pids[i]) == -ESRCH)
			continue;
		for (int try = 0; try < 10 && ret && ret != -ESRCH; try++)
			ret = compare_all(pids[i]);
		compared += !ret;
		EXPECT_TRUE(!ret || ret == -ESRCH || ret == -ENOENT)
			TH_LOG("%d: %d %s", pids[i], ret, compare_message);
		lens_detach(pids[i]);
	}
	EXPECT_LT(3, compared);
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		target_end(started[i]);
	free(pids);
}

TEST_HARNESS_MAIN

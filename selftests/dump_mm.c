// SPDX-License-Identifier: GPL-2.0
/* The file mm, against status, stat, statm and our own other files; and whole systems. */
#include <fcntl.h>
#include <sys/personality.h>

#include "kselftest_harness.h"
#include "lib/compare.h"
#include "lib/util.h"

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static void some_memory(void *arg)
{
	char *map = map_alone(RW, ANON, -1, 700, 0);

	(void)arg;
	for (int i = 0; i < 600; i++)
		map[i * page_size()] = 1;
	map = map_alone(RW, MAP_SHARED | MAP_ANONYMOUS, -1, 300, 0);
	for (int i = 0; i < 200; i++)
		map[i * page_size()] = 1;
	mlock(map_alone(RW, ANON, -1, 20, 0), 20 * page_size());
	map_alone(PROT_READ | PROT_EXEC, ANON, -1, 30, 0);
}

FIXTURE(mm)
{
	pid_t target;
};

FIXTURE_SETUP(mm)
{
	self->target = target_start(some_memory, NULL);
	ASSERT_LT(0, self->target);
	ASSERT_EQ(0, lens_attach(self->target));
}

FIXTURE_TEARDOWN(mm)
{
	lens_detach(self->target);
	target_end(self->target);
}

TEST_F(mm, names_the_process)
{
	char *comm = lens_mm(self->target, "comm");

	EXPECT_EQ(self->target, (pid_t)lens_mm_number(self->target, "pid"));
	EXPECT_EQ(self->target, (pid_t)lens_mm_number(self->target, "tgid"));
	EXPECT_STREQ("dump_mm", comm);
	free(comm);
}

TEST_F(mm, sizes_are_those_of_status)
{
	static const struct { const char *ours, *status; } names[] = {
		{ "total_vm", "VmSize" }, { "locked_vm", "VmLck" }, { "pinned_vm", "VmPin" },
		{ "stack_vm", "VmStk" }, { "data_vm", "VmData" }, { "swap_entries", "VmSwap" },
	};
	uint64_t kib = page_size() / 1024;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		EXPECT_EQ(proc_number(self->target, "status", names[i].status),
			  (int64_t)(lens_mm_number(self->target, names[i].ours) * kib))
			TH_LOG("%s", names[i].ours);
	}
	EXPECT_EQ(proc_number(self->target, "status", "VmPTE") * 1024,
		  (int64_t)lens_mm_number(self->target, "pgtables_bytes"));
	/* Code and libraries, which status splits by the bounds of the program. */
	EXPECT_EQ(proc_number(self->target, "status", "VmExe") +
		  proc_number(self->target, "status", "VmLib"),
		  (int64_t)(lens_mm_number(self->target, "exec_vm") * kib));
}

TEST_F(mm, resident_pages_are_those_of_status)
{
	static const struct { const char *ours, *status; } names[] = {
		{ "rss_anon", "RssAnon" }, { "rss_file", "RssFile" }, { "rss_shmem", "RssShmem" },
	};
	/* The counters are per processor: each may hold back a batch of max(32, 2 * processors). */
	int64_t processors = sysconf(_SC_NPROCESSORS_CONF);
	int64_t slack = processors * (2 * processors > 32 ? 2 * processors : 32);

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		int64_t kb = proc_number(self->target, "status", names[i].status);
		int64_t want = kb * 1024 / page_size();
		int64_t have = lens_mm_number(self->target, names[i].ours);

		EXPECT_LE(want - slack, have) TH_LOG("%s", names[i].ours);
		EXPECT_GE(want + slack, have) TH_LOG("%s", names[i].ours);
	}
	EXPECT_LE(200, (int64_t)lens_mm_number(self->target, "rss_shmem") + slack);
}

TEST_F(mm, bounds_are_those_of_stat)
{
	/* proc_pid_stat(5) */
	static const struct { const char *ours; int field; } names[] = {
		{ "start_code", 26 }, { "end_code", 27 }, { "start_stack", 28 },
		{ "start_data", 45 }, { "end_data", 46 }, { "start_brk", 47 },
		{ "arg_start", 48 }, { "arg_end", 49 }, { "env_start", 50 }, { "env_end", 51 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		EXPECT_EQ(proc_stat(self->target, names[i].field),
			  lens_mm_number(self->target, names[i].ours)) TH_LOG("%s", names[i].ours);
	}
	EXPECT_EQ(proc_statm(self->target, 1), lens_mm_number(self->target, "total_vm"));
	EXPECT_LE(lens_mm_number(self->target, "start_brk"), lens_mm_number(self->target, "brk"));
}

TEST_F(mm, lines_are_as_documented)
{
	EXPECT_EQ(0, lens_mm_check(self->target)) TH_LOG("%s", lens_error);
	EXPECT_EQ(0, lens_mm_check(0)) TH_LOG("%s", lens_error);
	ASSERT_EQ(0, lens_attach(1));
	EXPECT_EQ(0, lens_mm_check(1)) TH_LOG("%s", lens_error);
	lens_detach(1);
}

TEST_F(mm, peak_is_that_of_status)
{
	uint64_t peak = lens_mm_number(self->target, "hiwater_vm");
	uint64_t now = lens_mm_number(self->target, "total_vm");

	EXPECT_EQ(proc_number(self->target, "status", "VmPeak") * 1024 / page_size(),
		  peak > now ? peak : now);
}

static void tell_brk(void *arg)
{
	*(void **)arg = sbrk(3 * page_size() + 100) + 3 * page_size() + 100;
}

TEST_F(mm, brk_is_where_the_process_set_it)
{
	void **brk = mmap(NULL, page_size(), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = target_start(tell_brk, brk);

	ASSERT_EQ(0, lens_attach(pid));
	EXPECT_EQ((uintptr_t)*brk, lens_mm_number(pid, "brk"));
	lens_detach(pid);
	target_end(pid);
	munmap(brk, page_size());
}

/* The last VMA of the process itself: the vsyscall page is of none. */
static uint64_t last_end(pid_t pid, struct proc_vmas *vmas)
{
	uint64_t end = 0;

	if (!proc_vmas(pid, false, vmas))
		for (size_t i = 0; i < vmas->nr; i++)
			if (strcmp(vmas->vma[i].name, "[vsyscall]"))
				end = vmas->vma[i].end;
	proc_vmas_free(vmas);
	return end;
}

TEST_F(mm, user_addresses_end_where_nothing_can_be_mapped)
{
	struct proc_vmas vmas;
	uint64_t end = lens_mm_number(0, "task_size");
	char *last = (char *)end - page_size(), *map;
	int flags = ANON | MAP_FIXED_NOREPLACE;

	EXPECT_EQ(last_end(self->target, &vmas), lens_mm_number(self->target, "highest_vm_end"));
	EXPECT_EQ(end, lens_mm_number(self->target, "task_size"));
	EXPECT_EQ(MAP_FAILED, mmap((char *)end, page_size(), RW, flags, -1, 0));
	map = mmap(last, page_size(), RW, flags, -1, 0);
	EXPECT_EQ(last, map) TH_LOG("%s", strerror(errno));
	EXPECT_EQ(end, lens_mm_number(0, "highest_vm_end"));
	munmap(map, page_size());
	EXPECT_GT(end, lens_mm_number(0, "highest_vm_end"));
}

/* From top to bottom as a rule, and the other way round for those who ask for it. */
TEST_F(mm, mappings_begin_at_mmap_base)
{
	static const int old = ADDR_COMPAT_LAYOUT | ADDR_NO_RANDOMIZE;
	char *const argv[] = { "sleep", "1000", NULL };

	for (int compat = 0; compat < 2; compat++) {
		struct proc_vmas vmas;
		uint64_t base, first = 0;
		pid_t pid;

		personality(compat ? old : ADDR_NO_RANDOMIZE);
		pid = target_exec(argv);
		personality(0);
		ASSERT_LT(0, pid);
		ASSERT_EQ(0, lens_attach(pid));
		ASSERT_EQ(0, proc_vmas(pid, false, &vmas));
		base = lens_mm_number(pid, "mmap_base");
		for (size_t i = 0; i < vmas.nr; i++) {
			const struct proc_vma *vma = &vmas.vma[i];

			/* Something begins, or ends, right there. */
			if ((compat ? vma->start : vma->end) == base)
				first = base;
		}
		EXPECT_EQ(base, first);
		EXPECT_EQ(!compat, lens_mm_has(pid, "flags", "MMF_TOPDOWN"));
		if (compat && lens_mm_number(pid, "mmap_legacy_base"))
			EXPECT_EQ(base, lens_mm_number(pid, "mmap_legacy_base"));
		proc_vmas_free(&vmas);
		lens_detach(pid);
		target_end(pid);
	}
}

TEST_F(mm, map_count_is_the_number_of_vmas)
{
	struct lens_vmas vmas;

	ASSERT_EQ(0, lens_vmas(self->target, &vmas));
	EXPECT_EQ(vmas.nr, lens_mm_number(self->target, "map_count"));
	lens_vmas_free(&vmas);
}

TEST_F(mm, pages_have_their_size_in_kb)
{
	char *text = lens_read(self->target, "mm", NULL), *next = text, *line;
	unsigned int seen = 0;

	while ((line = strsep(&next, "\n"))) {
		unsigned long nr, kb;

		if (sscanf(line, "%*[a-z_]: %lu pages (%lu kB)", &nr, &kb) == 2) {
			EXPECT_EQ(nr * page_size() / 1024, kb) TH_LOG("%s", line);
			seen++;
		}
	}
	EXPECT_LE(12, seen);
	free(text);
}

TEST_F(mm, names_the_levels_that_there_are)
{
	static const char *const names[] = { "pte", "pmd", "pud", "p4d", "pgd" };
	char *levels = lens_mm(self->target, "levels"), want[32] = "";
	struct lens_table table;

	ASSERT_EQ(0, lens_entries(self->target, &table)) TH_LOG("%s", lens_error);
	for (int level = LENS_PGD; level >= LENS_PTE; level--)
		if (table.size[level])
			sprintf(want + strlen(want), "%s%s", *want ? " " : "", names[level]);
	EXPECT_STREQ(want, levels);
	EXPECT_EQ(page_size(), table.size[LENS_PTE]);
	EXPECT_EQ(page_size(), lens_mm_number(self->target, "page_size"));
	/* A table of one page has an entry of 8 bytes for each of the level below. */
	EXPECT_EQ(page_size() * page_size() / 8, table.size[LENS_PMD]);
	lens_table_free(&table);
	free(levels);
}

TEST_F(mm, its_top_table_is_no_other_s)
{
	uint64_t pgd = lens_mm_number(self->target, "pgd");
	struct lens_table table;

	EXPECT_NE(0, pgd);
	EXPECT_NE(pgd, lens_mm_number(0, "pgd"));
	ASSERT_EQ(0, lens_entries(self->target, &table));
	for (size_t i = 0; i < table.nr; i++)
		EXPECT_NE(pgd / page_size(), table.entry[i].pfn);
	lens_table_free(&table);
}

/* The tables that entries shows are those that the kernel counts: none missing, none twice. */
static int compare_tables(pid_t pid)
{
	struct lens_table table;
	int64_t before = proc_number(pid, "status", "VmPTE"), after;
	uint64_t huge, tables;
	int ret = lens_entries(pid, &table);

	if (ret)
		return ret;
	tables = count_tables(&table, &huge) * page_size() / 1024;
	/* A huge page of anonymous memory has a table in reserve. */
	huge = huge * page_size() / 1024;
	after = proc_number(pid, "status", "VmPTE");
	lens_table_free(&table);
	if (before < 0)
		return -ESRCH;	/* a kernel thread, or exited */
	if (before != after)
		return -EAGAIN;
	if ((int64_t)tables <= before && before <= (int64_t)(tables + huge))
		return 0;
	snprintf(compare_message, sizeof(compare_message),
		 "VmPTE %ld kB, entries %lu kB, %lu more at most", before, tables, huge);
	return 1;
}

TEST_F(mm, tables_are_as_many_as_the_kernel_counts)
{
	EXPECT_EQ(0, compare_tables(self->target)) TH_LOG("%s", compare_message);
}

TEST_F_TIMEOUT(mm, programs_and_the_whole_system, 120)
{
	char *const programs[][5] = {
		{ "python3", "-c", "import json, socket, threading; threading.Event().wait()" },
		{ "bash", "-c", "sleep 1000; true" },
		{ "sleep", "1000" },
	};
	static int (*const compare[])(pid_t pid) = {
		compare_vmas, compare_entries, compare_pagetable, compare_tables,
	};
	pid_t started[ARRAY_SIZE(programs)];
	unsigned int compared = 0;
	pid_t *pids;
	size_t nr;

	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		started[i] = target_exec(programs[i]);
	pids = proc_pids(&nr);
	for (size_t i = 0; i < nr; i++) {
		/* Kernel threads have nothing to compare; our own memory changes as we read it. */
		if (proc_number(pids[i], "status", "VmPTE") < 0 || pids[i] == getpid())
			continue;
		if (lens_attach(pids[i]) == -ESRCH)
			continue;
		for (size_t j = 0; j < ARRAY_SIZE(compare); j++) {
			int ret = compare[j](pids[i]);

			compared += !ret;
			EXPECT_TRUE(!ret || ret == -ESRCH || ret == -ENOENT || ret == -EAGAIN)
				TH_LOG("%d: comparison %zu: %d %s", pids[i], j, ret,
				       compare_message);
		}
		if (pids[i] != self->target)
			lens_detach(pids[i]);
	}
	EXPECT_LT(20, compared);
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		target_end(started[i]);
	free(pids);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/* The file mm: flags, counters and context of the architecture, as the process makes them. */
#include <linux/membarrier.h>
#include <linux/perf_event.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#ifdef __x86_64__
#include <asm/ldt.h>
#endif

#include "kselftest_harness.h"
#include "lib/lens.h"
#include "lib/proc.h"
#include "lib/targets.h"
#include "lib/util.h"

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

/* What a target tells the test. */
struct report {
	char *map;
	int64_t number;
	int error;
};

/* Younger than some C libraries. */
#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif
#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE 67
#endif

FIXTURE(state)
{
	pid_t target;
	struct report *report;
};

FIXTURE_SETUP(state)
{
	self->report = mmap(NULL, sizeof(*self->report), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->report);
}

FIXTURE_TEARDOWN(state)
{
	if (!self->target)
		return;
	lens_detach(self->target);
	target_end(self->target);
}

#define start(make) do { \
	self->target = target_start(make, self->report); \
	ASSERT_LT(0, self->target); \
	ASSERT_EQ(0, lens_attach(self->target)); \
} while (0)

#define EXPECT_VALUE(text, name) do { \
	char *value = lens_mm(self->target, name); \
	EXPECT_STREQ(text, value ? value : "(no line)"); \
	free(value); \
} while (0)

static void lock_future(void *arg)
{
	(void)arg;
	target_stop();
	mlockall(MCL_FUTURE);
	target_stop();
	mlockall(MCL_FUTURE | MCL_ONFAULT);
	target_stop();
	munlockall();
}

TEST_F(state, def_flags_are_what_mlockall_asks_for)
{
	start(lock_future);
	EXPECT_VALUE("0", "def_flags");
	ASSERT_EQ(0, target_continue(self->target));
	EXPECT_VALUE("LOCKED", "def_flags");
	ASSERT_EQ(0, target_continue(self->target));
	EXPECT_VALUE("LOCKED|LOCKONFAULT", "def_flags");
	ASSERT_EQ(0, target_continue(self->target));
	EXPECT_VALUE("0", "def_flags");
}

TEST_F(state, dump_flags_are_those_of_coredump_filter)
{
	/* core(5): bit n of the filter. */
	static const char *const names[] = {
		"MMF_DUMP_ANON_PRIVATE", "MMF_DUMP_ANON_SHARED", "MMF_DUMP_MAPPED_PRIVATE",
		"MMF_DUMP_MAPPED_SHARED", "MMF_DUMP_ELF_HEADERS", "MMF_DUMP_HUGETLB_PRIVATE",
		"MMF_DUMP_HUGETLB_SHARED", "MMF_DUMP_DAX_PRIVATE", "MMF_DUMP_DAX_SHARED",
	};
	char path[64];

	start(nothing);
	snprintf(path, sizeof(path), "/proc/%d/coredump_filter", self->target);
	if (access(path, F_OK))
		SKIP(return, "the kernel dumps no core");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char filter[16];

		snprintf(filter, sizeof(filter), "0x%x", 1 << i);
		ASSERT_EQ(0, write_file(path, filter));
		for (size_t j = 0; j < ARRAY_SIZE(names); j++)
			EXPECT_EQ(i == j, lens_mm_has(self->target, "flags", names[j]));
	}
}

static void set_flags(void *arg)
{
	struct report *report = arg;

	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	report->error = prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) ? errno : 0;
	target_stop();
	prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
}

TEST_F(state, flags_are_what_prctl_set)
{
	start(set_flags);
	EXPECT_TRUE(lens_mm_has(self->target, "flags", "MMF_DISABLE_THP_COMPLETELY"));
	EXPECT_EQ(0, proc_number(self->target, "status", "THP_enabled"));
	EXPECT_EQ(!self->report->error, lens_mm_has(self->target, "flags", "MMF_HAS_MDWE"));
	ASSERT_EQ(0, target_continue(self->target));
	EXPECT_FALSE(lens_mm_has(self->target, "flags", "MMF_DISABLE_THP_COMPLETELY"));
}

static void use_membarrier(void *arg)
{
	struct report *report = arg;
	int commands = MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED;

	target_stop();
	if (syscall(SYS_membarrier, commands, 0, 0))
		report->error = errno;
	target_stop();
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0))
		report->error = errno;
}

TEST_F(state, membarrier_has_what_is_registered)
{
	start(use_membarrier);
	EXPECT_VALUE("0", "membarrier_state");
	ASSERT_EQ(0, target_continue(self->target));
	ASSERT_EQ(0, self->report->error);
	EXPECT_VALUE("PRIVATE_EXPEDITED_READY|PRIVATE_EXPEDITED", "membarrier_state");
	ASSERT_EQ(0, target_continue(self->target));
	ASSERT_EQ(0, self->report->error);
	EXPECT_TRUE(lens_mm_has(self->target, "membarrier_state", "GLOBAL_EXPEDITED"));
	EXPECT_TRUE(lens_mm_has(self->target, "membarrier_state", "PRIVATE_EXPEDITED"));
}

static void be_mergeable(void *arg)
{
	struct report *report = arg;
	char *map = map_alone(RW, ANON, -1, 64, 0);

	report->error = prctl(PR_SET_MEMORY_MERGE, 1, 0, 0, 0) ? errno : 0;
	memset(map, 'x', 48 * page_size());
}

/* "name number" of /proc/PID/ksm_stat. */
static int64_t ksm_stat(pid_t pid, const char *name)
{
	char path[64], *text, *found;
	int64_t number = -1;

	snprintf(path, sizeof(path), "/proc/%d/ksm_stat", pid);
	text = read_file(path, NULL);
	found = text ? strstr(text, name) : NULL;
	if (found)
		number = strtoll(found + strlen(name), NULL, 10);
	free(text);
	return number;
}

#define KSM "/sys/kernel/mm/ksm/"

TEST_F_TIMEOUT(state, same_pages_are_those_of_ksm_stat, 120)
{
	long run = read_number(KSM "run"), scan = read_number(KSM "pages_to_scan");

	start(be_mergeable);
	if (run < 0 || self->report->error)
		SKIP(return, "the kernel merges no pages");
	EXPECT_TRUE(lens_mm_has(self->target, "flags", "MMF_VM_MERGE_ANY"));
	write_number(KSM "pages_to_scan", 10000);
	write_number(KSM "run", 1);
	/* It looks at each page twice before it merges it; how long that takes does not matter. */
	for (int i = 0; i < 1000 && ksm_stat(self->target, "ksm_merging_pages") < 40; i++)
		usleep(20000);
	write_number(KSM "run", 0);
	EXPECT_LE(40, ksm_stat(self->target, "ksm_merging_pages"));
	EXPECT_EQ(ksm_stat(self->target, "ksm_merging_pages"),
		  (int64_t)lens_mm_number(self->target, "ksm_merging_pages"));
	EXPECT_EQ(ksm_stat(self->target, "ksm_rmap_items"),
		  (int64_t)lens_mm_number(self->target, "ksm_rmap_items"));
	EXPECT_EQ(ksm_stat(self->target, "ksm_zero_pages"),
		  (int64_t)lens_mm_number(self->target, "ksm_zero_pages"));
	/* Take the pages apart again. */
	write_number(KSM "run", 2);
	write_number(KSM "run", run);
	write_number(KSM "pages_to_scan", scan);
}

#define HUGE "/proc/sys/vm/nr_hugepages"

static void map_hugetlb(void *arg)
{
	struct report *report = arg;
	char *map = mmap(NULL, 2 * report->number, RW, ANON | MAP_HUGETLB, -1, 0);

	if (map == MAP_FAILED)
		return;
	for (int i = 0; i < 2; i++)
		map[i * report->number] = 1;
}

TEST_F(state, hugetlb_usage_is_that_of_status)
{
	long before = read_number(HUGE);

	self->report->number = proc_number(0, "../meminfo", "Hugepagesize") * 1024;
	write_number(HUGE, 3);
	if (read_number(HUGE) < 3) {
		write_number(HUGE, before);
		SKIP(return, "there is no memory for huge pages");
	}
	start(map_hugetlb);
	EXPECT_EQ(2 * self->report->number / 1024,
		  proc_number(self->target, "status", "HugetlbPages"));
	EXPECT_EQ(proc_number(self->target, "status", "HugetlbPages") * 1024 / page_size(),
		  (int64_t)lens_mm_number(self->target, "hugetlb_usage"));
	lens_detach(self->target);
	target_end(self->target);
	self->target = 0;
	write_number(HUGE, before);
}

static void change_a_vma(void *arg)
{
	char *map = map_alone(RW, ANON, -1, 4, 0);

	(void)arg;
	memset(map, 1, 4 * page_size());
	target_stop();
	mprotect(map, page_size(), PROT_READ);
}

TEST_F(state, mmap_lock_is_free_and_counts_writers)
{
	uint64_t seq;

	start(change_a_vma);
	EXPECT_VALUE("free", "mmap_lock");
	seq = lens_mm_number(self->target, "mm_lock_seq");
	if (seq == UINT64_MAX)
		SKIP(return, "the kernel has no locks of VMAs");
	/* Odd is held. */
	EXPECT_EQ(0, seq % 2);
	ASSERT_EQ(0, target_continue(self->target));
	EXPECT_EQ(0, lens_mm_number(self->target, "mm_lock_seq") % 2);
	EXPECT_LT(seq, lens_mm_number(self->target, "mm_lock_seq"));
}

TEST_F(state, numa_fields_are_there_where_numa_balancing_is)
{
	static const char *const names[] = {
		"numa_scan_seq", "numa_next_scan", "numa_scan_offset",
	};

	start(nothing);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char *value = lens_mm(self->target, names[i]);

		EXPECT_EQ(!access("/proc/sys/kernel/numa_balancing", F_OK), !!value);
		free(value);
	}
}

static void take_keys(void *arg)
{
	struct report *report = arg;
	char *map = map_alone(RW, ANON, -1, 2, 0);

	report->number = pkey_alloc(0, 0);
	pkey_alloc(0, 0);
	target_stop();
	pkey_free(report->number);
	mprotect(map, page_size(), PROT_EXEC);
	report->map = map;
}

/* A line of /proc/PID/smaps. */
static int64_t key_of(pid_t pid, const char *map)
{
	char head[32], path[64], *text, *found;
	int64_t key = -1;

	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	snprintf(head, sizeof(head), "%lx-", (unsigned long)map);
	text = read_file(path, NULL);
	found = text ? strstr(text, head) : NULL;
	found = found ? strstr(found, "ProtectionKey:") : NULL;
	if (found)
		key = strtoll(found + strlen("ProtectionKey:"), NULL, 10);
	free(text);
	return key;
}

TEST_F(state, protection_keys_are_those_that_were_given_out)
{
	int64_t exec_key;

	start(take_keys);
	if (self->report->number < 0) {
		char *map = lens_mm(self->target, "pkey_allocation_map");

		EXPECT_TRUE(!map || !strncmp(map, "none: ", 6));
		free(map);
		SKIP(return, "the machine has no protection keys");
	}
	/* Key 0 is everyone's, the next two were asked for. */
	EXPECT_EQ(1, self->report->number);
	EXPECT_EQ(7, lens_mm_number(self->target, "pkey_allocation_map"));
	ASSERT_EQ(0, target_continue(self->target));
	exec_key = key_of(self->target, self->report->map);
#ifdef __x86_64__
	/* A key is set apart for memory that can only be executed. */
	ASSERT_LT(0, exec_key);
	EXPECT_EQ(exec_key, (int64_t)lens_mm_number(self->target, "execute_only_pkey"));
	EXPECT_EQ(5 | 1 << exec_key, lens_mm_number(self->target, "pkey_allocation_map"));
#else
	EXPECT_EQ(0, exec_key);
	EXPECT_EQ(5, lens_mm_number(self->target, "pkey_allocation_map"));
#endif
}

/* Begins with an instruction that is not emulated, but executed elsewhere. */
static __attribute__((noinline)) int probed(void)
{
	int one;

#ifdef __x86_64__
	asm volatile("mov $1, %0" : "=r" (one));
#else
	asm volatile("mov %w0, #1" : "=r" (one));
#endif
	return one;
}

static void call_probed(void *arg)
{
	(void)arg;
	target_stop();
	probed();
}

/* A uprobe at an address of our own program, on @pid alone: a descriptor or -1. */
static int set_uprobe(pid_t pid, const void *at)
{
	long type = read_number("/sys/bus/event_source/devices/uprobe/type");
	const struct proc_vma *text;
	struct proc_vmas vmas;
	int fd = -1;

	if (type < 0 || proc_vmas(pid, false, &vmas))
		return -1;
	text = proc_find(&vmas, (uintptr_t)at);
	if (text) {
		struct perf_event_attr attr = {
			.size = sizeof(attr),
			.type = type,
			.uprobe_path = (uintptr_t)text->name,
			.probe_offset = (uintptr_t)at - text->start + text->offset,
		};

		fd = syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
	}
	proc_vmas_free(&vmas);
	return fd;
}

TEST_F(state, uprobes_are_flagged_and_get_a_page_when_hit)
{
	uint64_t hits = 0;
	int fd;

	start(call_probed);
	if (access("/sys/bus/event_source/devices/uprobe", F_OK))
		SKIP(return, "the kernel has no uprobes");
	EXPECT_VALUE("none", "uprobes_xol_area");
	EXPECT_FALSE(lens_mm_has(self->target, "flags", "MMF_HAS_UPROBES"));
	fd = set_uprobe(self->target, probed);
	ASSERT_LE(0, fd) TH_LOG("%s", strerror(errno));
	EXPECT_TRUE(lens_mm_has(self->target, "flags", "MMF_HAS_UPROBES"));
	ASSERT_EQ(0, target_continue(self->target));
	EXPECT_EQ(sizeof(hits), read(fd, &hits, sizeof(hits)));
	EXPECT_EQ(1, hits);
	EXPECT_VALUE("present", "uprobes_xol_area");
	close(fd);
}

#ifdef __x86_64__
static void make_ldt(void *arg)
{
	struct report *report = arg;
	struct user_desc desc = { .entry_number = 0, .limit = 1, .seg_32bit = 1 };

	target_stop();
	/* A 32-bit number that the C library takes for a long. */
	if ((int)syscall(SYS_modify_ldt, 1, &desc, sizeof(desc)))
		report->error = EINVAL;
}

TEST_F(state, ldt_is_present_once_it_was_made)
{
	char *ldt;

	start(make_ldt);
	ldt = lens_mm(self->target, "ldt");
	free(ldt);
	if (!ldt)
		SKIP(return, "the kernel has no LDTs");
	EXPECT_VALUE("none", "ldt");
	ASSERT_EQ(0, target_continue(self->target));
	ASSERT_EQ(0, self->report->error);
	EXPECT_VALUE("present", "ldt");
}

TEST_F(state, tlb_generation_grows_with_flushes)
{
	uint64_t before;

	start(change_a_vma);
	before = lens_mm_number(self->target, "tlb_gen");
	EXPECT_LT(0, before);
	ASSERT_EQ(0, target_continue(self->target));
	EXPECT_LT(before, lens_mm_number(self->target, "tlb_gen"));
}

TEST_F(state, no_two_contexts_have_the_same_number)
{
	start(nothing);
	EXPECT_NE(lens_mm_number(0, "ctx_id"), lens_mm_number(self->target, "ctx_id"));
	EXPECT_VALUE("vdso64_image", "vdso_image");
}
#else
TEST_F(state, asid_is_of_the_context)
{
	uint64_t id, own = lens_mm_number(0, "context_id");

	start(nothing);
	id = lens_mm_number(self->target, "context_id");
	EXPECT_EQ(id & 0xffff, lens_mm_number(self->target, "asid"));
	/* It has run, and while it and we have numbers of one generation they are not the same. */
	EXPECT_NE(0, id);
	EXPECT_NE(own, id);
	EXPECT_EQ(0, lens_mm_number(self->target, "asid_pinned"));
}
#endif

TEST_F(state, vdso_is_where_the_program_was_told)
{
	start(nothing);
	/* A child of ours has our layout. */
	EXPECT_EQ(getauxval(AT_SYSINFO_EHDR), lens_mm_number(self->target, "vdso"));
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/*
 * MMLENS_IOC_QUERY against maps, PROCMAP_QUERY, pagemap, mmap() and the file query of
 * debugfs; which process is asked; MMLENS_IOC_MACHINE.
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/lens.h"
#include "lib/query.h"
#include "lib/targets.h"
#include "lib/texts.h"
#include "lib/util.h"

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
/* -1 on a kernel without huge pages. */
#define HUGE_SIZE read_number("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size")

static void touch(char *map, size_t first, size_t pages)
{
	for (size_t i = first; i < first + pages; i++)
		map[i * page_size()] = 1;
}

static void assorted(void *arg)
{
	char *map = map_alone(RW, ANON, -1, 64, 0);
	int file = make_file("/tmp/mmlens-bulk-query", 16);
	long huge = HUGE_SIZE;

	(void)arg;
	unlink("/tmp/mmlens-bulk-query");
	for (int i = 1; i < 64; i += 7)
		munmap(map + i * page_size(), (1 + i % 3) * page_size());
	for (int i = 5; i < 64; i += 7)
		touch(map, i, 1);
	for (int i = 4; i < 64; i += 5)
		mprotect(map + i * page_size(), page_size(), PROT_READ);
	map_alone(RW, ANON | MAP_GROWSDOWN, -1, 2, 0);
	touch(map_alone(RW, MAP_SHARED, file, 12, page_size()), 2, 5);
	touch(map_alone(RW, MAP_PRIVATE, file, 12, 0), 3, 2);
	touch(map_alone(RW, MAP_SHARED | MAP_ANONYMOUS, -1, 8, 0), 0, 5);
	if (huge > 0) {
		map = map_aligned(RW, ANON, 2 * huge, huge);
		madvise(map, 2 * huge, MADV_HUGEPAGE);
		touch(map, 0, 1);
	}
	touch(sbrk(page_size()), 0, 1);
}

FIXTURE(bulk)
{
	pid_t target;
	int fd, query, maps, pagemap;
	struct proc_vmas vmas;
	struct lens_vmas lens;
};

FIXTURE_SETUP(bulk)
{
	char path[32];

	self->fd = device_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	self->target = target_start(assorted, NULL);
	ASSERT_LT(0, self->target);
	ASSERT_EQ(0, ioctl_attach(self->fd, self->target));
	self->query = query_open(self->target);
	ASSERT_LE(0, self->query);
	snprintf(path, sizeof(path), "/proc/%d/maps", self->target);
	self->maps = open(path, O_RDONLY);
	ASSERT_LE(0, self->maps);
	self->pagemap = proc_pagemap_open(self->target);
	ASSERT_LE(0, self->pagemap);
	ASSERT_EQ(0, proc_vmas(self->target, true, &self->vmas));
	/* It is not in the tree of VMAs. */
	if (!strcmp(self->vmas.vma[self->vmas.nr - 1].name, "[vsyscall]"))
		self->vmas.nr--;
	ASSERT_EQ(0, lens_vmas(self->target, &self->lens));
	ASSERT_EQ(self->vmas.nr, self->lens.nr);
}

FIXTURE_TEARDOWN(bulk)
{
	lens_vmas_free(&self->lens);
	proc_vmas_free(&self->vmas);
	close(self->pagemap);
	close(self->maps);
	close(self->query);
	ioctl_detach(self->fd, self->target);
	target_end(self->target);
	close(self->fd);
}

static bool is(const struct mmlens_vma *vma, unsigned int fact)
{
	return vma->facts & fact;
}

/* Whether a record says the same of VMA number @i as /proc and the lens. */
static bool is_vma(const struct mmlens_vma *got, const struct proc_vmas *vmas,
		   const struct lens_vmas *lens, size_t i)
{
	const struct proc_vma *want = &vmas->vma[i];
	const struct lens_vma *line = &lens->vma[i];
	char perm[5];

	/* VM_READ, VM_WRITE, VM_EXEC, VM_MAYSHARE */
	sprintf(perm, "%c%c%c%c", got->vm_flags & 1 ? 'r' : '-', got->vm_flags & 2 ? 'w' : '-',
		got->vm_flags & 4 ? 'x' : '-', got->vm_flags & 0x80 ? 's' : 'p');
	return got->record_size == sizeof(*got) && got->name_bytes == 0 && got->reserved == 0 &&
	       got->start == want->start && got->end == want->end && !strcmp(perm, want->perm) &&
	       got->pgoff == line->pgoff && got->ino == want->ino &&
	       got->dev_major == want->major && got->dev_minor == want->minor &&
	       got->page_prot == line->prot &&
	       is(got, MMLENS_VMA_ANON) == !strcmp(line->vm_ops, "-") &&
	       is(got, MMLENS_VMA_FILE) == (want->ino != 0) &&
	       is(got, MMLENS_VMA_HEAP) == !strcmp(want->name, "[heap]") &&
	       is(got, MMLENS_VMA_STACK) == !strcmp(want->name, "[stack]") &&
	       is(got, MMLENS_VMA_ANON_VMA) == line->anon;
}

#define EXPECT_VMA(i, got) do { \
	EXPECT_TRUE(is_vma(&(got), &self->vmas, &self->lens, i)) \
		TH_LOG("%zu: %llx-%llx facts %x", (size_t)(i), (got).start, (got).end, \
		       (got).facts); \
} while (0)

TEST_F(bulk, find_vma_is_what_procmap_query_finds)
{
	struct mmlens_query asked;
	size_t found = 0;

	ASSERT_LT(20, self->vmas.nr);
	for (size_t i = 0; i < self->vmas.nr; i++) {
		const struct proc_vma *vma = &self->vmas.vma[i];
		uint64_t at[] = {
			vma->start - 1, vma->start, (vma->start + vma->end) / 2, vma->end - 1,
			vma->end,
		};

		for (size_t j = 0; j < ARRAY_SIZE(at); j++) {
			struct procmap_query want = {
				.size = sizeof(want), .query_addr = at[j],
				.query_flags = PROCMAP_QUERY_COVERING_OR_NEXT_VMA,
			};
			int ret = ask(self->fd, self->target, MMLENS_QUERY_FIND_VMA, at[j], 0,
				      &asked);

			if (ioctl(self->maps, PROCMAP_QUERY, &want)) {
				EXPECT_EQ(-ENOENT, ret);
				continue;
			}
			ASSERT_EQ(0, ret);
			EXPECT_EQ(want.vma_start, asked.vma.start);
			EXPECT_EQ(want.vma_end, asked.vma.end);
			EXPECT_EQ(want.inode, asked.vma.ino);
			if (j == 1) {
				EXPECT_VMA(i, asked.vma);
				found++;
			}
		}
	}
	EXPECT_EQ(self->vmas.nr, found);
	EXPECT_EQ(-ENOENT, ask(self->fd, self->target, MMLENS_QUERY_FIND_VMA, ~0ULL, 0, &asked));
}

TEST_F(bulk, find_vma_prev_is_the_one_before)
{
	struct mmlens_query asked;
	size_t nr = self->vmas.nr;

	for (size_t i = 0; i <= nr; i++) {
		uint64_t at[] = {
			i < nr ? self->vmas.vma[i].start : ~0UL, i ? self->vmas.vma[i - 1].end : 0,
		};

		for (size_t j = 0; j < ARRAY_SIZE(at); j++) {
			ASSERT_EQ(0, ask(self->fd, self->target, MMLENS_QUERY_FIND_VMA_PREV, at[j],
					 0, &asked));
			if (i < nr) {
				EXPECT_VMA(i, asked.vma);
			} else {
				EXPECT_EQ(asked.vma.start, asked.vma.end);
			}
			if (i) {
				EXPECT_VMA(i - 1, asked.prev);
			} else {
				EXPECT_EQ(asked.prev.start, asked.prev.end);
			}
		}
	}
}

TEST_F(bulk, intersection_is_the_first_in_the_range)
{
	const struct proc_vma *vma = self->vmas.vma;
	struct mmlens_query asked;

	for (size_t i = 0; i + 1 < self->vmas.nr; i++, vma++) {
		const struct { uint64_t start, end; ssize_t want; } ranges[] = {
			{ vma->end - 1, ~0UL, i }, { vma->end, vma[1].start, -1 },
			{ vma->end, vma[1].start + 1, i + 1 },
			{ vma->start, vma->start + 1, i }, { 0, vma->end, 0 },
		};

		for (size_t j = 0; j < ARRAY_SIZE(ranges); j++) {
			int ret;

			if (ranges[j].start == ranges[j].end)
				continue;
			ret = ask(self->fd, self->target, MMLENS_QUERY_INTERSECTION,
				  ranges[j].start, ranges[j].end - ranges[j].start, &asked);
			EXPECT_EQ(ranges[j].want < 0 ? -ENOENT : 0, ret);
			if (!ret)
				EXPECT_VMA(ranges[j].want, asked.vma);
		}
	}
}

static const uint64_t lengths[] = { 1, 2, 3, 5, 16, 64, 512, 513, 1024, 1UL << 18, 1UL << 24 };

TEST_F(bulk, gap_is_that_of_the_text)
{
	struct mmlens_query asked;

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		uint64_t len = lengths[i] * page_size();
		char expected[512], got[512], *line, *answer;

		ASSERT_EQ(0, ask(self->fd, self->target, MMLENS_QUERY_GAP, 0, len - 5, &asked));
		EXPECT_LE(asked.lowest + len, asked.lowest_end);
		EXPECT_LE(asked.highest + len, asked.highest_end);
		snprintf(expected, sizeof(expected),
			 "lowest  %016llx-%016llx highest %016llx-%016llx mmap    %016llx",
			 asked.lowest, asked.lowest_end, asked.highest, asked.highest_end,
			 asked.chosen);
		answer = query(self->query, "gap %lx", len - 5);
		got[0] = '\0';
		for (int j = 0; j < 3; j++) {
			line = query_line(&answer);
			ASSERT_NE(NULL, line);
			snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%.*s",
				 j ? " " : "", j == 2 ? 24 : 41, line);
		}
		EXPECT_STREQ(expected, got);
	}
	EXPECT_EQ(-ENOENT, ask(self->fd, self->target, MMLENS_QUERY_GAP, 0, 1ULL << 62, &asked));
	EXPECT_EQ(-ENOENT, ask(self->fd, self->target, MMLENS_QUERY_GAP, 0, ~0ULL, &asked));
}

/* Maps as much as it is told, each time that it is let run. */
static volatile uint64_t *told;

static void map_as_told(void *arg)
{
	(void)arg;
	map_alone(RW, ANON | MAP_GROWSDOWN, -1, 2, 0);
	for (;;) {
		target_stop();
		told[1] = (uintptr_t)mmap(NULL, told[0], RW, ANON | MAP_NORESERVE, -1, 0);
	}
}

TEST_F(bulk, gap_is_where_another_process_maps)
{
	struct mmlens_query asked;
	pid_t other;

	told = mmap(NULL, page_size(), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, told);
	other = target_start(map_as_told, NULL);
	ASSERT_LT(0, other);
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		told[0] = lengths[i] * page_size();
		ASSERT_EQ(0, ask(self->fd, other, MMLENS_QUERY_GAP, 0, told[0], &asked));
		ASSERT_EQ(0, target_continue(other));
		EXPECT_EQ(told[1], asked.chosen) TH_LOG("%llx", (__u64)told[0]);
	}
	target_end(other);
}

/* What a line of entries says in words, as flags; only what all architectures have. */
static __u64 flags_of_line(char *line, __u64 *at, __u64 *raw, int *level)
{
	static const struct { const char *word; __u64 flag; } kinds[] = {
		{ "table", MMLENS_PT_TABLE }, { "leaf", MMLENS_PT_PRESENT },
		{ "hole", MMLENS_PT_HOLE }, { "bad", MMLENS_PT_BAD },
	}, pages[] = {
		{ "device", MMLENS_PT_PAGE_DEVICE }, { "zero", MMLENS_PT_PAGE_ZERO },
		{ "anon", MMLENS_PT_PAGE_ANON }, { "file", MMLENS_PT_PAGE_FILE },
		{ "shmem", MMLENS_PT_PAGE_SHMEM }, { "kernel", MMLENS_PT_PAGE_KERNEL },
		{ "ram", MMLENS_PT_PAGE_RAM },
	};
	static const char *const levels[] = { "pte", "pmd", "pud", "p4d", "pgd" };
	char *word[10];
	__u64 flags = 0;

	for (int i = 0; i < 10; i++) {
		word[i] = next_word(&line);
		if (!word[i])
			return 0;
	}
	for (*level = 0; *level < 4 && strcmp(word[1], levels[*level]); ++*level)
		;
	*at = strtoul(word[2], NULL, 16);
	*raw = strtoul(word[3], NULL, 16);
	flags = 1 << *level;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		flags |= strcmp(word[4], kinds[i].word) ? 0 : kinds[i].flag;
	if (!(flags & ~0x1fULL))
		flags |= MMLENS_PT_NONPRESENT;
	flags |= word[7][0] == 'r' ? MMLENS_PT_READ : 0;
	flags |= word[7][1] == 'w' ? MMLENS_PT_WRITE : 0;
	flags |= word[7][2] == 'x' ? MMLENS_PT_EXEC : 0;
	if (!strncmp(word[8], "WB", 2))
		flags |= MMLENS_PT_WB;
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
		flags |= strcmp(word[9], pages[i].word) ? 0 : pages[i].flag;
	return flags;
}

/* Those that flags_of_line() knows. */
#define COMPARED (0x1fffULL | MMLENS_PT_WB | 0x1ffULL << 40)

TEST_F(bulk, translate_is_what_pagemap_and_the_text_say)
{
	unsigned int mapped = 0, unmapped = 0, huge = 0;
	struct mmlens_query asked;

	for (size_t i = 0; i < self->vmas.nr; i++) {
		const struct proc_vma *vma = &self->vmas.vma[i];
		uint64_t pages = (vma->end - vma->start) / page_size();

		for (uint64_t page = 0; page < pages; page += 1 + pages / 70) {
			uint64_t addr = vma->start + page * page_size(), entry;
			uint64_t offset = addr / page_size() % 13 * 8;
			char *answer, *line;
			int lines = 0, steps = 0;

			ASSERT_EQ(0, ask(self->fd, self->target, MMLENS_QUERY_TRANSLATE,
					 addr + offset, 0, &asked));
			EXPECT_EQ(vma->start, asked.vma.start);
			ASSERT_TRUE(proc_pagemap(self->pagemap, addr, &entry, 1));
			if (entry & PM_PRESENT) {
				EXPECT_EQ((entry & PM_FRAME) * page_size() + offset,
					  asked.physical);
				mapped++;
				huge += asked.step[1].flags & MMLENS_PT_PRESENT ? 1 : 0;
			} else if (!proc_has_flag(vma, "pf")) {
				EXPECT_EQ(~0ULL, asked.physical);
				unmapped++;
			}
			answer = query(self->query, "translate %lx", addr + offset);
			ASSERT_NE(NULL, answer);
			while ((line = query_line(&answer)) && strncmp(line, "physical", 8)) {
				__u64 at = 0, raw = 0, flags;
				int level = 0;

				flags = flags_of_line(line, &at, &raw, &level);
				EXPECT_EQ(at, asked.step[level].at);
				EXPECT_EQ(raw, asked.step[level].raw);
				EXPECT_EQ(flags, asked.step[level].flags & COMPARED)
					TH_LOG("%lx level %d", addr, level);
				lines++;
			}
			for (int level = 0; level < MMLENS_LEVELS; level++)
				steps += asked.step[level].flags != 0;
			EXPECT_EQ(lines, steps);
		}
	}
	EXPECT_LT(50, mapped);
	EXPECT_LT(10, unmapped);
	/* There may be no 32 MiB in one piece. */
	if (HUGE_SIZE == 2 << 20)
		EXPECT_LT(0, huge);
	EXPECT_EQ(-ENOENT, ask(self->fd, self->target, MMLENS_QUERY_TRANSLATE, 0, 0, &asked));
	EXPECT_EQ(-ENOENT, ask(self->fd, self->target, MMLENS_QUERY_TRANSLATE, ~0ULL, 0, &asked));
	EXPECT_EQ(-ENOENT, ask(self->fd, self->target, MMLENS_QUERY_TRANSLATE,
			       self->vmas.vma[self->vmas.nr - 1].end, 0, &asked));
}

TEST_F(bulk, refuses_what_is_not_in_the_header)
{
	static const struct { unsigned int what; __u64 address, length; } wrong[] = {
		{ MMLENS_QUERY_TRANSLATE + 1, 0, 0 }, { ~0, 0, 0 },
		{ MMLENS_QUERY_FIND_VMA, 0, 1 }, { MMLENS_QUERY_FIND_VMA_PREV, 0, 1 },
		{ MMLENS_QUERY_TRANSLATE, 0, 1 }, { MMLENS_QUERY_INTERSECTION, 1, 0 },
		{ MMLENS_QUERY_INTERSECTION, ~0ULL, 1 }, { MMLENS_QUERY_INTERSECTION, 2, ~0ULL },
		{ MMLENS_QUERY_GAP, 0, 0 }, { MMLENS_QUERY_GAP, 1, 4096 },
	};
	struct mmlens_query asked = { .reserved = 1 };

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		EXPECT_EQ(-EINVAL, ask(self->fd, self->target, wrong[i].what, wrong[i].address,
				       wrong[i].length, &asked)) TH_LOG("%zu", i);
	}
	asked = (struct mmlens_query){ .reserved = 1 };
	EXPECT_EQ(-EINVAL, ioctl_query(self->fd, &asked));
	EXPECT_EQ(-EINVAL, ask(self->fd, -1, MMLENS_QUERY_FIND_VMA, 0, 0, &asked));
	EXPECT_EQ(-EINVAL, ask(self->fd, -getpid(), MMLENS_QUERY_FIND_VMA, 0, 0, &asked));
	EXPECT_EQ(-ESRCH, ask(self->fd, 0x7fffffff, MMLENS_QUERY_FIND_VMA, 0, 0, &asked));
}

TEST_F(bulk, zero_is_the_caller)
{
	struct mmlens_query own, by_number;

	ASSERT_EQ(0, ask(self->fd, 0, MMLENS_QUERY_FIND_VMA, (uintptr_t)&own, 0, &own));
	EXPECT_TRUE(is(&own.vma, MMLENS_VMA_STACK));
	ASSERT_EQ(0, ask(self->fd, getpid(), MMLENS_QUERY_FIND_VMA, 0, 0, &by_number));
	EXPECT_NE(0, own.space);
	EXPECT_EQ(own.space, by_number.space);
	ASSERT_EQ(0, ask(self->fd, self->target, MMLENS_QUERY_FIND_VMA, 0, 0, &by_number));
	EXPECT_NE(own.space, by_number.space);
}

TEST_F(bulk, of_a_kernel_thread_and_of_the_dead)
{
	struct mmlens_query asked;
	pid_t zombie;

	/* kthreadd */
	EXPECT_EQ(-ENODATA, ask(self->fd, 2, MMLENS_QUERY_FIND_VMA, 0, 0, &asked));
	EXPECT_EQ(-ENODATA, ask(self->fd, 2, MMLENS_QUERY_GAP, 0, 1, &asked));
	zombie = fork();
	if (!zombie)
		_exit(0);
	while (proc_state(zombie) != 'Z')
		usleep(1000);
	EXPECT_EQ(-ESRCH, ask(self->fd, zombie, MMLENS_QUERY_FIND_VMA, 0, 0, &asked));
	target_end(zombie);
	EXPECT_EQ(-ESRCH, ask(self->fd, zombie, MMLENS_QUERY_FIND_VMA, 0, 0, &asked));
}

static void run_another_program(void *arg)
{
	(void)arg;
	target_stop();
	execlp("sleep", "sleep", "1000", NULL);
	_exit(1);
}

/* Until it runs the program. */
static bool wait_for_exec(pid_t pid)
{
	char path[32], *comm;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	for (int i = 0; i < 10000; i++) {
		comm = read_file(path, NULL);
		if (comm && !strcmp(comm, "sleep\n")) {
			free(comm);
			return true;
		}
		free(comm);
		usleep(1000);
	}
	return false;
}

TEST_F(bulk, an_exec_makes_a_new_address_space)
{
	pid_t other = target_start(run_another_program, NULL);
	struct mmlens_query asked;
	__u64 before;

	ASSERT_LT(0, other);
	ASSERT_EQ(0, ask(self->fd, other, MMLENS_QUERY_FIND_VMA, 0, 0, &asked));
	before = asked.space;
	ASSERT_NE(0, before);
	/* As often as one likes. */
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(0, ioctl_query(self->fd, &asked));
		EXPECT_EQ(before, asked.space);
	}
	asked.space = before + 1;
	EXPECT_EQ(-ESTALE, ioctl_query(self->fd, &asked));
	ASSERT_EQ(0, kill(other, SIGCONT));
	ASSERT_TRUE(wait_for_exec(other));
	asked.space = before;
	EXPECT_EQ(-ESTALE, ioctl_query(self->fd, &asked));
	EXPECT_EQ(before, asked.space);
	asked.space = 0;
	EXPECT_EQ(0, ioctl_query(self->fd, &asked));
	EXPECT_NE(before, asked.space);
	target_end(other);
}

static int sleep_as_thread(void *arg)
{
	*(volatile int *)arg = gettid();
	for (;;)
		pause();
	return 0;
}

TEST_F(bulk, threads_have_that_of_their_process)
{
	static char stack[65536];
	static volatile int tid;
	struct mmlens_query asked;
	__u64 space;

	clone(sleep_as_thread, stack + sizeof(stack),
	      CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD, (void *)&tid);
	while (!tid)
		usleep(1000);
	ASSERT_EQ(0, ask(self->fd, 0, MMLENS_QUERY_FIND_VMA, 0, 0, &asked));
	space = asked.space;
	ASSERT_EQ(0, ask(self->fd, tid, MMLENS_QUERY_FIND_VMA, 0, 0, &asked));
	EXPECT_EQ(space, asked.space);
}

/* Answers of a process in another pid namespace. */
static volatile int *answers;

TEST_F(bulk, numbers_are_those_of_the_callers_pid_namespace)
{
	struct mmlens_query asked;
	pid_t outer = getpid(), pid;

	answers = mmap(NULL, page_size(), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, answers);
	ASSERT_EQ(0, unshare(CLONE_NEWPID));
	pid = fork();
	if (!pid) {
		__u64 own;

		answers[0] = ask(self->fd, 0, MMLENS_QUERY_FIND_VMA, 0, 0, &asked);
		own = asked.space;
		answers[1] = ask(self->fd, 1, MMLENS_QUERY_FIND_VMA, 0, 0, &asked);
		answers[2] = own == asked.space;
		answers[3] = ask(self->fd, outer, MMLENS_QUERY_FIND_VMA, 0, 0, &asked);
		answers[4] = text_open(self->fd, MMLENS_TEXT_MM, 1);
		answers[5] = text_open(self->fd, MMLENS_TEXT_MM, outer);
		answers[6] = ioctl_attach(self->fd, 0);
		answers[7] = ioctl_detach(self->fd, 1);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	EXPECT_EQ(0, answers[0]);
	EXPECT_EQ(0, answers[1]);
	EXPECT_EQ(1, answers[2]);
	EXPECT_EQ(-ESRCH, answers[3]);
	EXPECT_LT(0, answers[4]);
	EXPECT_EQ(-ESRCH, answers[5]);
	EXPECT_EQ(0, answers[6]);
	EXPECT_EQ(0, answers[7]);
}

static struct mmlens_machine machine_of(int fd)
{
	struct mmlens_machine machine = { .size = sizeof(machine) };

	if (ioctl(fd, MMLENS_IOC_MACHINE, &machine))
		machine.size = 0;
	return machine;
}

/* What a process without rights gets: 0, or the number of the first thing that is wrong. */
static int without_rights(int fd)
{
	struct mmlens_query asked;
	struct mmlens_machine machine;

	if (setuid(12345))
		return 1;
	/* Not even of oneself. */
	if (ask(fd, 0, MMLENS_QUERY_FIND_VMA, 0, 0, &asked) != -EPERM ||
	    ask(fd, 0, MMLENS_QUERY_GAP, 0, 1, &asked) != -EPERM ||
	    ask(fd, getpid(), MMLENS_QUERY_TRANSLATE, 0, 0, &asked) != -EPERM)
		return 2;
	/* Before anything is said of what is wrong. */
	if (ask(fd, -1, ~0, 0, 0, &asked) != -EPERM)
		return 3;
	machine = machine_of(fd);
	return machine.size == sizeof(machine) ? 0 : 4;
}

TEST_F(bulk, without_the_capability_only_the_machine_can_be_had)
{
	pid_t child = fork();
	int status;

	if (!child)
		_exit(without_rights(self->fd));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
}

TEST_F(bulk, machine_is_what_the_kernel_and_the_lens_say)
{
	struct mmlens_machine machine = machine_of(self->fd);
	struct lens_table table;

	ASSERT_EQ(sizeof(machine), machine.size);
#ifdef __x86_64__
	EXPECT_EQ(MMLENS_ARCH_X86_64, machine.arch);
#else
	EXPECT_EQ(MMLENS_ARCH_ARM64, machine.arch);
#endif
	EXPECT_EQ(getauxval(AT_PAGESZ), 1UL << machine.shift[0]);
	ASSERT_EQ(0, lens_entries(self->target, &table));
	for (int level = 0; level < MMLENS_LEVELS; level++) {
		if (machine.folded >> level & 1) {
			EXPECT_EQ(0, table.size[level]) TH_LOG("level %d", level);
		} else {
			EXPECT_EQ(table.size[level], 1ULL << machine.shift[level])
				TH_LOG("level %d", level);
		}
	}
	lens_table_free(&table);
	EXPECT_NE(0, machine.attributes);
	EXPECT_EQ(MMLENS_SOFT_SWAP, machine.soft[0]);
	EXPECT_LT(0, machine.soft_pfn_bits);
	/* The page frame that pagemap has is where it is said to be. */
	for (size_t i = 0; i < self->vmas.nr; i++) {
		uint64_t entry, addr = self->vmas.vma[i].start, place;
		struct mmlens_query asked;

		ASSERT_TRUE(proc_pagemap(self->pagemap, addr, &entry, 1));
		ASSERT_EQ(0, ask(self->fd, self->target, MMLENS_QUERY_TRANSLATE, addr, 0, &asked));
		if (!(entry & PM_PRESENT) || !(asked.step[0].flags & MMLENS_PT_PRESENT))
			continue;
		place = asked.step[0].raw & machine.address_low & ~machine.encryption;
		place |= (asked.step[0].raw & machine.address_high) << machine.address_high_shift;
		EXPECT_EQ((entry & PM_FRAME) * page_size(), place);
	}
	machine.reserved[1] = 1;
	EXPECT_EQ(-1, ioctl(self->fd, MMLENS_IOC_MACHINE, &machine));
	EXPECT_EQ(EINVAL, errno);
}

TEST_HARNESS_MAIN

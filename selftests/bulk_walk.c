// SPDX-License-Identifier: GPL-2.0
/* MMLENS_IOC_WALK: what it refuses, where it goes on, ranges, VMAs with names, whole tables. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "lib/assorted.h"
#include "lib/device.h"
#include "lib/kinds.h"
#include "lib/knobs.h"
#include "lib/util.h"
#include "lib/walk.h"

/* What helpers are given of a test. */
#define walk_data _test_data_walk

#define FORMS (MMLENS_FORM_COUNTS + 1)
#define LEVELS 0x1fULL
#define BIG (1UL << 20)

static const size_t least[FORMS] = {
	[MMLENS_FORM_ENTRIES] = sizeof(struct mmlens_entry),
	[MMLENS_FORM_RUNS] = sizeof(struct mmlens_run),
	[MMLENS_FORM_TABLES] = sizeof(struct mmlens_table) + 512 * sizeof(__u64),
	[MMLENS_FORM_VMAS] = sizeof(struct mmlens_vma),
	[MMLENS_FORM_COUNTS] = sizeof(struct mmlens_counts),
};

FIXTURE(walk)
{
	int fd;
	pid_t target;
	struct assorted *all;
	struct mmlens_machine machine;
	char *buffer;
};

FIXTURE_SETUP(walk)
{
	self->fd = device_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	self->machine.size = sizeof(self->machine);
	ASSERT_EQ(0, ioctl(self->fd, MMLENS_IOC_MACHINE, &self->machine));
	self->all = mmap(NULL, sizeof(*self->all), RW, SHARED, -1, 0);
	self->buffer = mmap(NULL, BIG, RW, ANON, -1, 0);
	knob_swap();
	self->target = target_start(assorted_make, self->all);
	ASSERT_LT(0, self->target);
}

FIXTURE_TEARDOWN(walk)
{
	target_end(self->target);
	knobs_restore();
	munmap(self->buffer, BIG);
	munmap(self->all, sizeof(*self->all));
	close(self->fd);
}

/* A request for one of the places. */
static struct mmlens_walk walk_place(struct walk_data *self, unsigned int form, int place)
{
	struct mmlens_walk walk = walk_of(self->target, form);

	walk.start = (uintptr_t)self->all->place[place].start;
	walk.end = walk.start + self->all->place[place].bytes;
	return walk;
}

#define call(walk, bytes) walk_call(self->fd, walk, self->buffer, bytes)

TEST_F_TIMEOUT(walk, refuses_forms_flags_and_ranges, 120)
{
	for (unsigned int form = 0; form < FORMS; form++) {
		static const unsigned int flags[FORMS] = {
			MMLENS_WALK_PAGES, MMLENS_WALK_PAGES, 0, MMLENS_WALK_NAMES,
			MMLENS_WALK_PAGES,
		};
		struct mmlens_walk walk;

		for (unsigned int flag = 0; flag < 32; flag++) {
			walk = walk_of(self->target, form);
			walk.flags = 1U << flag;
			EXPECT_EQ(flags[form] >> flag & 1 ? 0 : -EINVAL, call(&walk, BIG))
				TH_LOG("form %u, flag %u", form, flag);
		}
		for (size_t bytes = 0; bytes <= least[form];
		     bytes += bytes + 1 < least[form] ? 7 : 1) {
			walk = walk_of(self->target, form);
			EXPECT_EQ(bytes < least[form] ? -EINVAL : 0, call(&walk, bytes))
				TH_LOG("form %u, %zu bytes", form, bytes);
		}
		for (int off = 1; off < 8; off++) {
			walk = walk_of(self->target, form);
			EXPECT_EQ(-EINVAL, walk_call(self->fd, &walk, self->buffer + off, BIG - 8));
		}
		walk = walk_of(self->target, form);
		walk.start = 0x2001;
		walk.end = 0x2000;
		EXPECT_EQ(-EINVAL, call(&walk, BIG));
		EXPECT_EQ(0x2001, walk.start);
	}
	for (int bit = 0; bit < 32; bit++) {
		struct mmlens_walk walk = walk_of(self->target, FORMS - 1 + (1U << bit));

		EXPECT_EQ(-EINVAL, call(&walk, BIG));
	}
}

TEST_F_TIMEOUT(walk, refuses_filters_that_cannot_be, 120)
{
	static const unsigned int forms[] = {
		MMLENS_FORM_ENTRIES, MMLENS_FORM_RUNS, MMLENS_FORM_COUNTS,
	};
	static const uint64_t unknown = ~(LEVELS | 0x1ULL << 5 | 0x3fffc0ULL | 0x3fULL << 24 |
					  0x7fULL << 32 | 0x1ffULL << 40);
	static const struct mmlens_walk wrong[] = {
		{ .required = MMLENS_PT_TABLE }, { .any = MMLENS_PT_TABLE },
		{ .any = MMLENS_PT_TABLE | MMLENS_PT_PRESENT },
		{ .required = MMLENS_PT_PRESENT, .excluded = MMLENS_PT_PRESENT },
		{ .raw_value = 1 }, { .raw_mask = 6, .raw_value = 5 },
		{ .phys_start = 1 }, { .phys_start = 4096, .phys_end = 4096 },
		{ .phys_start = 8192, .phys_end = 4096 },
	};

	for (size_t f = 0; f < ARRAY_SIZE(forms); f++) {
		struct mmlens_walk walk;

		for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
			walk = wrong[i];
			walk.size = sizeof(walk);
			walk.form = forms[f];
			EXPECT_EQ(-EINVAL, call(&walk, BIG)) TH_LOG("form %u, %zu", forms[f], i);
		}
		for (int bit = 0; bit < 64; bit++) {
			for (int member = 0; member < 3; member++) {
				uint64_t flag = 1ULL << bit;
				bool is_table = flag == MMLENS_PT_TABLE && member < 2;
				int want = flag & unknown || is_table ? -EINVAL : 0;

				walk = walk_place(self, forms[f], ZEROS);
				*(member == 0 ? &walk.required :
				  member == 1 ? &walk.any : &walk.excluded) = flag;
				EXPECT_EQ(want, call(&walk, BIG))
					TH_LOG("form %u, member %d, bit %d", forms[f], member, bit);
			}
		}
	}
}

TEST_F_TIMEOUT(walk, refuses_processes_that_have_no_memory, 120)
{
	struct mmlens_walk walk;
	pid_t zombie;

	for (unsigned int form = 0; form < FORMS; form++) {
		static const struct { pid_t pid; int error; } wrong[] = {
			{ -1, -EINVAL }, { 0x7fffffff, -ESRCH }, { 2, -ENODATA },
		};

		for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
			walk = walk_of(wrong[i].pid, form);
			EXPECT_EQ(wrong[i].error, call(&walk, BIG)) TH_LOG("%zu", i);
		}
	}
	zombie = fork();
	if (!zombie)
		_exit(0);
	while (proc_state(zombie) != 'Z')
		usleep(1000);
	walk = walk_of(zombie, MMLENS_FORM_VMAS);
	EXPECT_EQ(-ESRCH, call(&walk, BIG));
	target_end(zombie);
}

static int without_rights(int fd, char *buffer)
{
	if (setuid(12345))
		return 1;
	for (unsigned int form = 0; form <= FORMS; form++) {
		struct mmlens_walk walk = walk_of(form == FORMS ? -1 : 0, form);

		if (walk_call(fd, &walk, buffer, BIG) != -EPERM)
			return 2;
	}
	return 0;
}

TEST_F_TIMEOUT(walk, without_the_capability, 120)
{
	pid_t child = fork();
	int status;

	if (!child)
		_exit(without_rights(self->fd, self->buffer));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
}

static void run_another_program(void *arg)
{
	(void)arg;
	target_stop();
	execlp("sleep", "sleep", "1000", NULL);
	_exit(1);
}

TEST_F_TIMEOUT(walk, an_exec_is_noticed, 120)
{
	pid_t other = target_start(run_another_program, NULL);
	struct mmlens_walk walk = walk_of(other, MMLENS_FORM_VMAS);
	__u64 before;
	int ret = 0;

	ASSERT_LT(0, other);
	ASSERT_EQ(0, call(&walk, sizeof(struct mmlens_vma)));
	before = walk.space;
	EXPECT_NE(0, before);
	EXPECT_LT(walk.start, walk.end);
	ASSERT_EQ(0, call(&walk, sizeof(struct mmlens_vma)));
	EXPECT_EQ(before, walk.space);
	ASSERT_EQ(0, kill(other, SIGCONT));
	for (int i = 0; i < 10000 && ret != -ESTALE; i++) {
		walk = walk_of(other, MMLENS_FORM_VMAS);
		walk.space = before;
		ret = call(&walk, BIG);
		usleep(1000);
	}
	EXPECT_EQ(-ESTALE, ret);
	walk.space = 0;
	EXPECT_EQ(0, call(&walk, BIG));
	EXPECT_NE(before, walk.space);
	target_end(other);
}

TEST_F_TIMEOUT(walk, buffers_that_cannot_be_written_to, 120)
{
	size_t page = page_size();
	char *none = mmap(NULL, 4 * page, PROT_NONE, ANON, -1, 0);

	for (unsigned int form = 0; form < FORMS; form++) {
		/* The kernel's half, the end of all, unmapped, mapped to be read. */
		uintptr_t wrong[] = { 0xffff888000000000, -8UL, (uintptr_t)none, (uintptr_t)none };

		for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
			struct mmlens_walk walk = walk_place(self, form, DENSE);
			struct mmlens_walk before = walk;

			if (i == 3)
				mprotect(none, 4 * page, PROT_READ);
			EXPECT_EQ(-EFAULT, walk_call(self->fd, &walk, (void *)wrong[i],
						     2 * page + 512))
				TH_LOG("form %u, %zu", form, i);
			/* Nothing is said of what went wrong. */
			before.buffer = walk.buffer;
			before.bytes = walk.bytes;
			EXPECT_EQ(0, memcmp(&before, &walk, sizeof(walk)));
		}
		mprotect(none, 4 * page, PROT_NONE);
	}
	/* It ends in the middle of what is put there. */
	mprotect(none, page, RW);
	for (unsigned int form = 0; form < FORMS; form++) {
		struct mmlens_walk walk = form == MMLENS_FORM_VMAS ? walk_of(self->target, form) :
					  walk_place(self, form, ALTERNATING);
		/* There are enough VMAs for half a page. */
		char *at = none + page - (form == MMLENS_FORM_COUNTS ? 64 : 104);

		EXPECT_EQ(-EFAULT, walk_call(self->fd, &walk, at, 3 * page))
			TH_LOG("form %u", form);
		EXPECT_EQ(0, walk.records);
	}
	munmap(none, 4 * page);
}

TEST_F_TIMEOUT(walk, sizes_of_the_struct, 120)
{
	struct { struct mmlens_walk walk; __u64 more[2]; } longer = { };
	unsigned long larger = _IOC(_IOC_READ | _IOC_WRITE, MMLENS_IOC_MAGIC, 7, sizeof(longer));
	unsigned long smaller = _IOC(_IOC_READ | _IOC_WRITE, MMLENS_IOC_MAGIC, 7,
				     sizeof(longer.walk) - 8);

	longer.walk = walk_of(self->target, MMLENS_FORM_COUNTS);
	longer.walk.buffer = (uintptr_t)self->buffer;
	longer.walk.bytes = BIG;
	/* What is said twice has to agree. */
	ASSERT_EQ(-1, ioctl(self->fd, larger, &longer));
	EXPECT_EQ(EINVAL, errno);
	longer.walk.size = sizeof(longer);
	longer.more[1] = 1;
	ASSERT_EQ(-1, ioctl(self->fd, larger, &longer));
	EXPECT_EQ(E2BIG, errno);
	longer.more[1] = 0;
	ASSERT_EQ(0, ioctl(self->fd, larger, &longer));
	EXPECT_EQ(sizeof(longer), longer.walk.size);
	EXPECT_EQ(1, longer.walk.records);
	longer.walk.size -= 24;
	ASSERT_EQ(-1, ioctl(self->fd, smaller, &longer));
	EXPECT_EQ(EINVAL, errno);
}

/* Joins what a call's end may have split, and what else looks the same. */
static size_t join_runs(struct walk_data *self, struct mmlens_run *run, size_t nr)
{
	size_t last = 0;

	for (size_t i = 1; i < nr; i++) {
		struct mmlens_run *a = &run[last], *b = &run[i];
		uint64_t size = 1ULL << self->machine.shift[__builtin_ctzll(a->flags)];
		uint64_t pages = (b->start - (a->start & -size)) / page_size();

		if (a->end != b->start || ((a->flags ^ b->flags) & ~MMLENS_PT_IN_ORDER)) {
			run[++last] = *b;
			continue;
		}
		a->end = b->end;
		if (a->place + pages != b->place)
			a->flags &= ~MMLENS_PT_IN_ORDER;
		a->flags &= b->flags;
	}
	return nr ? last + 1 : 0;
}

static bool are_the_same(struct walk_data *self, unsigned int form, struct records *a,
			 struct records *b)
{
	if (form == MMLENS_FORM_RUNS) {
		a->nr = join_runs(self, (void *)a->bytes, a->nr);
		b->nr = join_runs(self, (void *)b->bytes, b->nr);
		a->size = a->nr * sizeof(struct mmlens_run);
		b->size = b->nr * sizeof(struct mmlens_run);
	}
	if (form == MMLENS_FORM_COUNTS) {
		for (struct records *r = a; r; r = r == a ? b : NULL) {
			__u64 *word = (__u64 *)r->bytes;

			for (size_t i = least[form] / 8; i < r->size / 8; i++)
				word[i % (least[form] / 8)] += word[i];
			r->size = least[form];
			r->nr = 1;
		}
	}
	return a->nr == b->nr && a->size == b->size && !memcmp(a->bytes, b->bytes, a->size);
}

TEST_F_TIMEOUT(walk, goes_on_where_a_small_buffer_ended, 120)
{
	/* Beyond the least there is; of records of different sizes the largest has to fit. */
	static const size_t more[] = { 0, 7, 8, 40, 1000, 5000, 40000 };
	/* A call of its own for each entry. */
	const size_t some = self->all->place[ALTERNATING].bytes / (kernel_is_slow() ? 4 : 1);

	for (unsigned int form = 0; form < FORMS; form++) {
		for (unsigned int flags = 0; flags < 2; flags++) {
			struct mmlens_walk walk = walk_of(self->target, form);

			/* Tables have no flag. */
			if (flags && form == MMLENS_FORM_TABLES)
				continue;
			if (flags)
				walk.flags = form == MMLENS_FORM_VMAS ? MMLENS_WALK_NAMES :
					     MMLENS_WALK_PAGES;
			for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
				size_t room = least[form] + more[i] + (walk.flags == 2 ? 256 : 0);
				struct records small, large;

				/* All of it would take very long by single entries. */
				if (form == MMLENS_FORM_ENTRIES || room < 200) {
					walk.start = (uintptr_t)self->all->place[ALTERNATING].start;
					walk.end = walk.start + some;
				}
				ASSERT_EQ(0, walk_all(self->fd, &walk, BIG, &large));
				ASSERT_EQ(0, walk_all(self->fd, &walk, room, &small))
					TH_LOG("form %u, room for %zu", form, room);
				EXPECT_LT(0, large.nr);
				if (form == MMLENS_FORM_ENTRIES && more[i] < 1000)
					EXPECT_LT(10, small.calls);
				EXPECT_TRUE(are_the_same(self, form, &large, &small))
					TH_LOG("form %u, room for %zu", form, room);
				walk_free(&large);
				walk_free(&small);
				walk.start = 0;
				walk.end = 0;
			}
		}
	}
}

TEST_F_TIMEOUT(walk, ranges_need_not_be_of_whole_pages, 120)
{
	uint64_t page = page_size(), dense = (uintptr_t)self->all->place[DENSE].start;
	struct mmlens_walk walk = walk_of(self->target, MMLENS_FORM_ENTRIES);
	struct mmlens_entry *e = (void *)self->buffer;
	struct mmlens_run *run = (void *)self->buffer;
	struct mmlens_counts *counts = (void *)self->buffer;

	walk.start = dense + 100;
	walk.end = dense + 3 * page + 7;
	ASSERT_EQ(0, call(&walk, BIG));
	ASSERT_EQ(4, walk.records);
	EXPECT_EQ(4 * sizeof(*e), walk.bytes);
	EXPECT_EQ(walk.end, walk.start);
	EXPECT_EQ(dense + 3 * page + 7, walk.end);
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(i ? dense + i * page : dense + 100, e[i].address);

	walk = walk_of(self->target, MMLENS_FORM_COUNTS);
	walk.start = dense + 100;
	walk.end = dense + 3 * page + 7;
	ASSERT_EQ(0, call(&walk, BIG));
	EXPECT_EQ(3 * page + 7 - 100, counts->bytes);
	EXPECT_EQ(4, counts->entries[0]);

	walk = walk_of(self->target, MMLENS_FORM_RUNS);
	walk.start = dense + 100;
	walk.end = dense + 3 * page + 7;
	for (uint64_t at = walk.start; walk.start < walk.end; ) {
		ASSERT_EQ(0, call(&walk, BIG));
		for (size_t i = 0; i < walk.records; i++) {
			EXPECT_EQ(at, run[i].start);
			at = run[i].end;
		}
		EXPECT_EQ(dense + 3 * page + 7, at);
	}

	walk = walk_of(self->target, MMLENS_FORM_VMAS);
	walk.start = dense + 100;
	walk.end = dense + 101;
	ASSERT_EQ(0, call(&walk, BIG));
	ASSERT_EQ(1, walk.records);
	EXPECT_EQ(dense, ((struct mmlens_vma *)self->buffer)->start);
}

TEST_F_TIMEOUT(walk, ranges_in_a_huge_page, 120)
{
	uint64_t page = page_size(), huge = (uintptr_t)self->all->place[HUGE].start, frame;
	struct mmlens_walk walk = walk_of(self->target, MMLENS_FORM_RUNS);
	struct mmlens_run *run = (void *)self->buffer;
	int pagemap = proc_pagemap_open(self->target);

	if (!self->all->is_huge)
		SKIP(return, "the kernel made no huge page");
	ASSERT_TRUE(proc_pagemap(pagemap, huge, &frame, 1));
	close(pagemap);
	for (unsigned int flags = 0; flags <= MMLENS_WALK_PAGES; flags++) {
		walk = walk_of(self->target, MMLENS_FORM_RUNS);
		walk.flags = flags;
		walk.start = huge + page;
		walk.end = huge + 3 * page + 1;
		ASSERT_EQ(0, call(&walk, BIG));
		ASSERT_EQ(1, walk.records);
		EXPECT_EQ(huge + page, run->start);
		EXPECT_EQ(huge + 3 * page + 1, run->end);
		EXPECT_EQ(frame & PM_FRAME, run->place);
		EXPECT_EQ(MMLENS_PT_PMD | MMLENS_PT_PRESENT | MMLENS_PT_IN_ORDER,
			  run->flags & (LEVELS | MMLENS_PT_PRESENT | MMLENS_PT_IN_ORDER));
		walk = walk_of(self->target, MMLENS_FORM_ENTRIES);
		walk.flags = flags;
		walk.start = huge + page;
		walk.end = huge + 3 * page + 1;
		ASSERT_EQ(0, call(&walk, BIG));
		ASSERT_EQ(1, walk.records);
		EXPECT_EQ(huge + page, ((struct mmlens_entry *)self->buffer)->address);
	}
	walk = walk_of(self->target, MMLENS_FORM_COUNTS);
	walk.start = huge + page;
	walk.end = huge + 3 * page + 1;
	ASSERT_EQ(0, call(&walk, BIG));
	EXPECT_EQ(1, ((struct mmlens_counts *)self->buffer)->entries[1]);
	EXPECT_EQ(2 * page + 1, ((struct mmlens_counts *)self->buffer)->bytes);
}

TEST_F_TIMEOUT(walk, ranges_with_nothing_in_them, 120)
{
	uint64_t dense = (uintptr_t)self->all->place[DENSE].start;
	const struct { uint64_t start, end; } ranges[] = {
		{ dense, dense }, { dense + 1, dense + 1 }, { 1, 2 }, { 1ULL << 60, 1ULL << 61 },
		{ -1ULL, -1ULL }, { 1ULL << 62, 0 }, { -1ULL, 0 }, { 1ULL << 60, -1ULL },
		/* Between two mappings. */
		{ dense - page_size() * 2, dense - page_size() * 2 },
	};

	for (unsigned int form = 0; form < FORMS; form++) {
		for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
			struct mmlens_walk walk = walk_of(self->target, form);

			walk.start = ranges[i].start;
			walk.end = ranges[i].end;
			ASSERT_EQ(0, call(&walk, BIG)) TH_LOG("form %u, %zu", form, i);
			EXPECT_EQ(walk.end, walk.start);
			EXPECT_EQ(ranges[i].end ?: ranges[i].start, walk.end);
			EXPECT_EQ(form == MMLENS_FORM_COUNTS, walk.records);
			EXPECT_EQ(form == MMLENS_FORM_COUNTS ? least[form] : 0, walk.bytes);
			for (size_t w = 0; w < walk.bytes / 8; w++)
				EXPECT_EQ(0, ((__u64 *)self->buffer)[w]);
		}
	}
}

/* Names with spaces and newlines, up to almost PATH_MAX bytes. */
static void map_a_long_name(void *arg)
{
	char name[241];
	int depth = 0, fd;

	memset(name, 'x', sizeof(name) - 1);
	memcpy(name, "a b\nc  d\t", 9);
	name[sizeof(name) - 1] = '\0';
	if (chdir("/tmp"))
		_exit(1);
	for (; depth < 15; depth++)
		if (mkdir(name, 0700) || chdir(name))
			_exit(1);
	fd = make_file(name, 4);
	*(void **)arg = map_alone(RW, MAP_SHARED, fd, 4, 0);
	unlink(name);
	fd = make_file(name, 4);
	((void **)arg)[1] = map_alone(RW, MAP_SHARED, fd, 4, 0);
	target_stop();
	unlink(name);
	for (; depth; depth--)
		if (chdir("..") || rmdir(name))
			_exit(1);
}

TEST_F_TIMEOUT(walk, long_names, 120)
{
	void **report = mmap(NULL, page_size(), RW, SHARED, -1, 0);
	pid_t other = target_start(map_a_long_name, report);
	struct mmlens_vma *vma = (void *)self->buffer;
	struct mmlens_walk walk;
	struct proc_vmas vmas;
	size_t all;

	ASSERT_LT(0, other);
	ASSERT_EQ(0, proc_vmas(other, false, &vmas));
	for (int i = 0; i < 2; i++) {
		const struct proc_vma *want = proc_find(&vmas, (uintptr_t)report[i]);

		ASSERT_NE(NULL, want);
		EXPECT_LT(3700, strlen(want->name));
		walk = walk_of(other, MMLENS_FORM_VMAS);
		walk.flags = MMLENS_WALK_NAMES;
		walk.start = want->start;
		walk.end = want->end;
		memset(self->buffer, 0x5a, BIG);
		ASSERT_EQ(0, call(&walk, BIG));
		ASSERT_EQ(1, walk.records);
		EXPECT_EQ(strlen(want->name), vma->name_bytes);
		EXPECT_EQ(0, memcmp(want->name, vma + 1, vma->name_bytes));
		all = vma->record_size;
		EXPECT_EQ(all, walk.bytes);
		EXPECT_EQ((sizeof(*vma) + vma->name_bytes + 7) / 8 * 8, all);
		/* Padded with zeros, and nothing behind that. */
		for (size_t at = sizeof(*vma) + vma->name_bytes; at < all; at++)
			EXPECT_EQ(0, self->buffer[at]);
		EXPECT_EQ(0x5a, self->buffer[all]);
		/* A byte less than it takes. */
		walk.start = want->start;
		EXPECT_EQ(-ENOSPC, call(&walk, all - 1));
		EXPECT_EQ(want->start, walk.start);
		EXPECT_EQ(-ENOSPC, call(&walk, sizeof(*vma)));
		walk.flags = 0;
		EXPECT_EQ(0, call(&walk, sizeof(*vma)));
		/* Behind others it is what the next call begins with. */
		walk = walk_of(other, MMLENS_FORM_VMAS);
		walk.flags = MMLENS_WALK_NAMES;
		walk.start = want->start - 1;
		walk.end = want->end;
		EXPECT_EQ(0, call(&walk, all - 1));
		EXPECT_EQ(1, walk.records);
		EXPECT_EQ(want->start, walk.start);
		EXPECT_EQ(-ENOSPC, call(&walk, all - 1));
	}
	proc_vmas_free(&vmas);
	/* It takes its folders away. */
	EXPECT_EQ(0, target_continue(other));
	target_end(other);
	munmap(report, page_size());
}

static uint64_t address_in(const struct mmlens_machine *machine, uint64_t raw)
{
	return (raw & machine->address_low & ~machine->encryption) |
	       (raw & machine->address_high) << machine->address_high_shift;
}

/* The record that has the entry of @level for @va, from @at on; NULL if there is none. */
static const struct mmlens_table *table_of(struct walk_data *self, const struct records *tables,
					   int level, uint64_t va, size_t *at)
{
	while (*at < tables->size) {
		const struct mmlens_table *t = (const void *)(tables->bytes + *at);
		uint64_t bytes = (uint64_t)t->entries << self->machine.shift[level];

		if (va < t->start)
			return NULL;
		if (va - t->start < bytes)
			return t;
		*at += sizeof(*t) + t->entries * sizeof(__u64);
	}
	return NULL;
}

TEST_F_TIMEOUT(walk, whole_tables_of_each_level, 120)
{
	struct records tables[MMLENS_LEVELS] = { }, entries;
	struct mmlens_walk walk = walk_of(self->target, MMLENS_FORM_ENTRIES);
	size_t at[MMLENS_LEVELS] = { };
	unsigned int levels = 0;

	ASSERT_EQ(0, walk_all(self->fd, &walk, BIG, &entries));
	for (int level = 0; level < MMLENS_LEVELS; level++) {
		bool is_folded = self->machine.folded >> level & 1;

		walk = walk_of(self->target, MMLENS_FORM_TABLES);
		walk.required = 1ULL << level;
		ASSERT_EQ(is_folded ? -EINVAL : 0, call(&walk, BIG)) TH_LOG("level %d", level);
		if (is_folded)
			continue;
		walk.start = 0;
		walk.end = 0;
		ASSERT_EQ(0, walk_all(self->fd, &walk, BIG, &tables[level]));
		EXPECT_LT(0, tables[level].nr) TH_LOG("level %d", level);
		levels++;
	}
	EXPECT_LE(2, levels);
	/* As if none was asked for. */
	walk = walk_of(self->target, MMLENS_FORM_TABLES);
	ASSERT_EQ(0, call(&walk, BIG));
	EXPECT_EQ(0, memcmp(self->buffer, tables[0].bytes, walk.bytes));
	/* Each entry is where it belongs, holes too. */
	for (size_t i = 0; i < entries.nr; i++) {
		const struct mmlens_entry *e = &((const struct mmlens_entry *)entries.bytes)[i];
		int level = __builtin_ctzll(e->flags & LEVELS);
		const struct mmlens_table *t = table_of(self, &tables[level], level, e->address,
							&at[level]);

		ASSERT_NE(NULL, t) TH_LOG("%llx: no table of level %d", e->address, level);
		EXPECT_EQ(level, (int)t->level);
		EXPECT_EQ(e->raw, ((const __u64 *)(t + 1))[(e->address - t->start) >>
							   self->machine.shift[level]])
			TH_LOG("%llx, level %d", e->address, level);
	}
	/* The entry above names the page that each table is in. */
	for (int level = 0, above; level < MMLENS_LEVELS - 1; level = above) {
		size_t from = 0;

		for (above = level + 1; self->machine.folded >> above & 1; above++)
			;
		for (size_t o = 0; o < tables[level].size; ) {
			const struct mmlens_table *t = (const void *)(tables[level].bytes + o), *up;
			uint64_t raw;

			up = table_of(self, &tables[above], above, t->start, &from);
			ASSERT_NE(NULL, up);
			raw = ((const __u64 *)(up + 1))[(t->start - up->start) >>
							self->machine.shift[above]];
			EXPECT_EQ(t->at & -page_size(), address_in(&self->machine, raw))
				TH_LOG("%llx, level %d", t->start, level);
			o += sizeof(*t) + t->entries * sizeof(__u64);
		}
	}
	for (int level = 0; level < MMLENS_LEVELS; level++)
		walk_free(&tables[level]);
	walk_free(&entries);
}

TEST_F_TIMEOUT(walk, tables_take_no_other_conditions, 120)
{
	static const struct mmlens_walk wrong[] = {
		{ .required = MMLENS_PT_PTE | MMLENS_PT_PMD }, { .required = MMLENS_PT_PRESENT },
		{ .required = MMLENS_PT_PTE | MMLENS_PT_TABLE }, { .any = MMLENS_PT_PTE },
		{ .excluded = MMLENS_PT_HOLE }, { .raw_mask = 1 }, { .raw_value = 1 },
		{ .phys_end = 4096 }, { .phys_start = 4096 }, { .required = 1ULL << 63 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct mmlens_walk walk = wrong[i];

		walk.size = sizeof(walk);
		walk.form = MMLENS_FORM_TABLES;
		EXPECT_EQ(-EINVAL, call(&walk, BIG)) TH_LOG("%zu", i);
	}
}

TEST_HARNESS_MAIN_WITH_SWAP

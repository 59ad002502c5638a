// SPDX-License-Identifier: GPL-2.0
/* The file layout, against maps, stat, and what the linker says of this program. */
#include <pthread.h>
#include <sys/personality.h>
#include <sys/resource.h>

#include "kselftest_harness.h"
#include "lib/lens.h"
#include "lib/proc.h"
#include "lib/sections.h"
#include "lib/util.h"

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define MAX_LINES 4096

static int in_data = 1, in_bss;
static const int in_rodata = 1;

/* A line of the dump that is a range, or a mark. */
struct part {
	uint64_t start, end;	/* the same: a mark */
	const char *kind;	/* of a mark: its name */
	const char *perm, *name;
};

struct layout {
	char *text;
	struct part part[MAX_LINES];
	size_t nr;
};

static bool parse_line(char *line, struct part *part)
{
	char *range = next_word(&line), *dash = strchr(range, '-');

	if (!dash) {
		const char *arrow = next_word(&line);

		part->kind = next_word(&line);
		part->perm = NULL;
		part->name = line;
		part->end = strtoull(range, NULL, 16);
		part->start = part->end;
		return part->kind && !strcmp(arrow, "<-") && !*line &&
		       parse_number(range, 16, &part->end);
	}
	*dash++ = '\0';
	if (!parse_number(range, 16, &part->start) || !parse_number(dash, 16, &part->end))
		return false;
	next_word(&line);	/* the size, rounded */
	part->kind = next_word(&line);
	part->perm = next_word(&line);
	part->name = line;
	return part->perm && part->start < part->end;
}

static bool read_layout(pid_t pid, struct layout *layout)
{
	char *next = lens_read(pid, "layout", NULL), *line;
	bool in_heading = true;

	layout->text = next ? strdup(next) : NULL;
	layout->nr = 0;
	while ((line = strsep(&next, "\n")) && *line) {
		if (*line == '#') {
			in_heading = false;
		} else if (in_heading) {
			if (!strchr(line, ':'))
				return false;
		} else if (layout->nr == MAX_LINES ||
			   !parse_line(line, &layout->part[layout->nr++])) {
			return false;
		}
	}
	return layout->nr;
}

/* A value of the heading, as a number. */
static uint64_t heading(const struct layout *layout, const char *name)
{
	const char *at = strstr(layout->text, name);

	return at ? strtoull(at + strlen(name) + 1, NULL, 0) : UINT64_MAX;
}

static const struct part *part_at(const struct layout *layout, const void *addr)
{
	for (size_t i = 0; i < layout->nr; i++)
		if (layout->part[i].start <= (uintptr_t)addr &&
		    (uintptr_t)addr < layout->part[i].end)
			return &layout->part[i];
	return NULL;
}

static const char *kind_at(const struct layout *layout, const void *addr)
{
	const struct part *part = part_at(layout, addr);

	return part ? part->kind : "nothing";
}

/* Every VMA has a line, what is between them too, and nothing else has. */
static const char *compare_with_maps(pid_t pid, const struct layout *layout)
{
	static char message[512];
	struct proc_vmas vmas;
	uint64_t at = 0;
	size_t vma = 0;

	if (proc_vmas(pid, false, &vmas))
		return "no maps";
	for (size_t i = 0; i < layout->nr; i++) {
		const struct part *part = &layout->part[i];
		const struct proc_vma *want = &vmas.vma[vma];
		bool is_gap = !strcmp(part->kind, "gap") || !strcmp(part->kind, "guard-gap");

		snprintf(message, sizeof(message), "%lx-%lx %s %s", part->start, part->end,
			 part->kind, part->name);
		if (!part->perm) {
			/* A mark lies in what is above it. */
			if (part->start > at)
				return message;
			continue;
		}
		if (!strcmp(part->kind, "vsyscall"))
			continue;
		if (part->start != at || (!is_gap && vma == vmas.nr))
			return message;
		at = part->end;
		if (is_gap) {
			if (vma < vmas.nr && part->end > want->start &&
			    strcmp(want->name, "[vsyscall]"))
				return message;
			continue;
		}
		if (part->start != want->start || part->end != want->end ||
		    strcmp(part->perm, want->perm) || strcmp(part->name, want->name))
			return message;
		vma++;
	}
	vma += vma < vmas.nr && !strcmp(vmas.vma[vma].name, "[vsyscall]");
	if (vma != vmas.nr)
		return "some VMA is missing";
	if (at != heading(layout, "task_size:"))
		return "it does not end at task_size";
	proc_vmas_free(&vmas);
	return NULL;
}

/* What proc_pid_stat(5) has for the marks. */
static const struct {
	const char *name;
	int field;
} marks[] = {
	{ "start_code", 26 }, { "end_code", 27 }, { "start_stack", 28 }, { "start_data", 45 },
	{ "end_data", 46 }, { "start_brk", 47 }, { "arg_start", 48 }, { "arg_end", 49 },
	{ "env_start", 50 }, { "env_end", 51 },
};

static uint64_t mark_of(const struct layout *layout, const char *name)
{
	for (size_t i = 0; i < layout->nr; i++)
		if (!layout->part[i].perm && !strcmp(layout->part[i].kind, name))
			return layout->part[i].start;
	return 0;
}

struct report {
	void *heap, *thread, *grows_down, *guard;
};

FIXTURE(layout)
{
	pid_t target;
	struct report *report;
	struct layout layout;
};

FIXTURE_SETUP(layout)
{
	self->report = mmap(NULL, sizeof(*self->report), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->report);
}

FIXTURE_TEARDOWN(layout)
{
	if (self->target) {
		lens_detach(self->target);
		target_end(self->target);
	}
	free(self->layout.text);
}

#define look_at(pid) do { \
	const char *message; \
	self->target = pid; \
	ASSERT_LT(0, self->target); \
	ASSERT_EQ(0, lens_attach(self->target)); \
	ASSERT_TRUE(read_layout(self->target, &self->layout)); \
	message = compare_with_maps(self->target, &self->layout); \
	EXPECT_EQ(NULL, message) TH_LOG("%s", message); \
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) { \
		EXPECT_EQ(proc_stat(self->target, marks[i].field), \
			  mark_of(&self->layout, marks[i].name)) TH_LOG("%s", marks[i].name); \
	} \
} while (0)

#define EXPECT_KIND(kind, addr) EXPECT_STREQ(kind, kind_at(&self->layout, addr))

static void *sleeper(void *arg)
{
	int local = 1;

	__atomic_store_n((void **)arg, &local, __ATOMIC_SEQ_CST);
	pause();
	return NULL;
}

static void make(void *arg)
{
	struct report *report = arg;
	pthread_t thread;

	report->heap = sbrk(64 * page_size());
	report->guard = map_alone(PROT_NONE, ANON, -1, 3, 0);
	/* With room below for the guard gap. */
	report->grows_down = (char *)map_aligned(RW, ANON, 8UL << 20, 1 << 20) + (6UL << 20);
	munmap((char *)report->grows_down - (6UL << 20), 8UL << 20);
	report->grows_down = mmap(report->grows_down, page_size(), RW,
				  ANON | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE, -1, 0);
	pthread_create(&thread, NULL, sleeper, &report->thread);
	while (!__atomic_load_n(&report->thread, __ATOMIC_SEQ_CST))
		usleep(1000);
}

TEST_F(layout, of_this_program)
{
	int on_stack;

	in_bss = in_rodata;
	look_at(target_start(make, self->report));
	EXPECT_KIND("text", (void *)make);
	EXPECT_KIND("text", (void *)((uintptr_t)etext - 1));
#ifdef __x86_64__
	/* Where the linker gives them a segment of their own. */
	EXPECT_KIND("rodata", __executable_start);
	EXPECT_KIND("rodata", &in_rodata);
#else
	EXPECT_KIND("text", __executable_start);
#endif
	EXPECT_KIND("data", &in_data);
	EXPECT_KIND("data", (void *)((uintptr_t)edata - 1));
	EXPECT_KIND("bss", (void *)((uintptr_t)end - 1));
	EXPECT_KIND("heap", self->report->heap);
	EXPECT_KIND("stack", &on_stack);
	EXPECT_KIND("guard", self->report->guard);
	/* Known by a flag that only kernels with huge pages have. */
	EXPECT_KIND(access("/sys/kernel/mm/transparent_hugepage", F_OK) ? "anon" : "thread-stack",
		    self->report->thread);
	/* The linker's words for the kernel's. */
	EXPECT_EQ((uintptr_t)edata, mark_of(&self->layout, "end_data"));
	EXPECT_EQ((uintptr_t)self->report->heap + 64 * page_size(),
		  mark_of(&self->layout, "brk"));
}

TEST_F(layout, has_guard_gaps)
{
	const struct part *part;
	char *stack;

	look_at(target_start(make, self->report));
	ASSERT_NE(MAP_FAILED, self->report->grows_down);
	EXPECT_KIND("grows-down", self->report->grows_down);
	part = part_at(&self->layout, (char *)self->report->grows_down - 1);
	ASSERT_NE(NULL, part);
	EXPECT_STREQ("guard-gap", part->kind);
	EXPECT_EQ(256 * page_size(), part->end - part->start);
	stack = (char *)part_at(&self->layout, &stack)->start;
	EXPECT_KIND("guard-gap", stack - 1);
	EXPECT_KIND("guard-gap", stack - 256 * page_size());
	EXPECT_KIND("gap", stack - 256 * page_size() - 1);
}

TEST_F(layout, of_a_program_with_libraries)
{
	char *const command[] = { "sleep", "1000", NULL };
	struct proc_vmas vmas;
	unsigned int text = 0;

	look_at(target_exec(command));
	ASSERT_EQ(0, proc_vmas(self->target, false, &vmas));
	for (size_t i = 0; i < vmas.nr; i++) {
		const char *name = vmas.vma[i].name, *kind;

		kind = kind_at(&self->layout, (void *)vmas.vma[i].start);
		if (strstr(name, "/libc.so") || strstr(name, "/ld-linux-")) {
			/* arm64 fills up to the alignment of segments with nothing. */
			if (!strncmp(vmas.vma[i].perm, "---", 3)) {
				EXPECT_STREQ("guard", kind);
				continue;
			}
			EXPECT_EQ(0, strncmp("lib-", kind, 4)) TH_LOG("%s: %s", name, kind);
			EXPECT_EQ(vmas.vma[i].perm[2] == 'x', !strcmp(kind, "lib-text"));
			text += vmas.vma[i].perm[2] == 'x';
		}
		if (strstr(name, "/locale/"))
			EXPECT_STREQ("file", kind);
		if (!strcmp(name, "[vdso]"))
			EXPECT_STREQ("vdso", kind);
		if (!strncmp(name, "[vvar", 5))
			EXPECT_STREQ("vvar", kind);
	}
	EXPECT_EQ(2, text);
	EXPECT_NE(NULL, strstr(self->layout.text, "\nrandomized:     yes\n"));
	EXPECT_LE(heading(&self->layout, "stack_offset:"), 1UL << 40);
	proc_vmas_free(&vmas);
}

TEST_F(layout, of_a_program_that_is_not_randomized)
{
	char *const command[] = { "sleep", "1000", NULL };
	struct rlimit limit;
	int before = personality(0xffffffff);
	pid_t pid;

	personality(before | ADDR_NO_RANDOMIZE);
	pid = target_exec(command);
	personality(before);
	look_at(pid);
	EXPECT_NE(NULL, strstr(self->layout.text, "\nrandomized:     no\n"));
	/* Everything is at its base. */
	EXPECT_EQ(0, heading(&self->layout, "stack_offset:"));
#ifdef __x86_64__
	EXPECT_EQ(0, heading(&self->layout, "program_offset:"));
	EXPECT_EQ(0, heading(&self->layout, "mmap_offset:"));
#else
	/* Programs are aligned to the largest page. */
	EXPECT_GT(65536, -heading(&self->layout, "program_offset:"));
#endif
	getrlimit(RLIMIT_STACK, &limit);
	EXPECT_EQ(limit.rlim_cur, heading(&self->layout, "stack_limit:"));
	/* Room for the stack and the gap, below its top. */
	EXPECT_LE(mark_of(&self->layout, "mmap_base") + limit.rlim_cur,
		  mark_of(&self->layout, "stack_top"));
}

/* As in a container: what is mapped of a file is another inode than what was executed. */
TEST_F(layout, of_a_program_on_overlayfs)
{
	char *const command[] = { "/tmp/overlay/sleep", "1000", NULL };
	struct lens_vmas vmas;
	size_t text = 0;

	if (system("mkdir -p /tmp/overlay && mount -t overlay none "
		   "-o lowerdir=/usr/bin:/usr/sbin /tmp/overlay 2>/dev/null"))
		SKIP(return, "no overlayfs");
	look_at(target_exec(command));
	ASSERT_EQ(0, lens_vmas(self->target, &vmas));
	for (size_t i = 0; i < vmas.nr; i++) {
		if (strcmp(vmas.vma[i].name, command[0]) || vmas.vma[i].perm[2] != 'x')
			continue;
		EXPECT_KIND("text", (void *)vmas.vma[i].start);
		text++;
	}
	EXPECT_EQ(1, text);
	EXPECT_NE(NULL, strstr(self->layout.text, "\nprogram_offset: "));
	lens_vmas_free(&vmas);
	lens_detach(self->target);
	target_end(self->target);
	self->target = 0;
	EXPECT_EQ(0, system("umount /tmp/overlay"));
}

TEST_F(layout, with_mmap_from_below)
{
	char *const command[] = { "sleep", "1000", NULL };
	int before = personality(0xffffffff);
	pid_t pid;

	personality(before | ADDR_COMPAT_LAYOUT);
	pid = target_exec(command);
	personality(before);
	look_at(pid);
	EXPECT_NE(NULL, strstr(self->layout.text, "\nmmap:           up from 0x"));
}

TEST_HARNESS_MAIN

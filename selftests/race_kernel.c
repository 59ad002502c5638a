// SPDX-License-Identifier: GPL-2.0
/*
 * Reads the kernel's own tables without a pause while memory of the kernel comes and goes:
 * buffers, modules, stacks. What stays is told as it is, and the machine runs on.
 *
 * Loads the module again to have kernel/pagetable.
 */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "kselftest_harness.h"
#include "lib/arena.h"
#include "lib/device.h"
#include "lib/kernel.h"
#include "lib/knobs.h"
#include "lib/lens.h"
#include "lib/module.h"
#include "lib/plug.h"
#include "lib/poison.h"
#include "lib/util.h"

#define RW (PROT_READ | PROT_WRITE)
#define SECONDS effort(4)
#define TIMEOUT 7200
/* Fewer reads of a text say little; how much longer than SECONDS a slow machine has for them. */
#define READS 5
#define PATIENCE 300

/* Areas of vmalloc(), vmap() and the linear map, of many sizes and cache types. */
static bool buffers(unsigned int round)
{
	static const char *const words[] = {
		"vmalloc,track", "vmap,pfnmap,eager", "vmalloc,remap", "vmap,pfnmap,wc", "contig",
		"sparse,around=8", "vmap,pfnmap,wc,eager",
	};
	int fd[8], made = 0, refused = 0;

	for (int i = 0; i < 8; i++) {
		size_t pages = 1 + (round * 37 + i * 101) % 700;

		fd[i] = device_make(words[(round + i) % ARRAY_SIZE(words)], pages);
		made += fd[i] >= 0;
		/* Pages that follow each other may not be there, nor that cache type. */
		refused += fd[i] == -ENOMEM || fd[i] == -EOPNOTSUPP;
	}
	/* Not in the order in which they were made. */
	for (int i = 0; i < 8; i++)
		if (fd[(i * 3 + round) % 8] >= 0)
			close(fd[(i * 3 + round) % 8]);
	return made && made + refused == 8;
}

static const char *sample(void)
{
	static char path[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (getenv("VM_MINIMAL_KO"))
		return getenv("VM_MINIMAL_KO");
	while (len > 0 && path[len - 1] != '/')
		len--;
	len = len > 0 ? len : 0;
	snprintf(path + len, sizeof(path) - len, "vm_minimal.ko");
	return path;
}

/* Text that becomes executable, and is freed. */
static bool modules(unsigned int round)
{
	int fd = open(sample(), O_RDONLY | O_CLOEXEC), ret;

	(void)round;
	ret = syscall(SYS_finit_module, fd, "", 0);
	close(fd);
	usleep(1000);
	return !ret && !syscall(SYS_delete_module, "vm_minimal", O_NONBLOCK);
}

/* Stacks are vmalloc areas, and tables of processes are memory too. */
static bool stacks(unsigned int round)
{
	pid_t child[16];
	bool done = true;

	(void)round;
	for (int i = 0; i < 16; i++) {
		child[i] = fork();
		if (!child[i])
			_exit(0);
	}
	for (int i = 0; i < 16; i++)
		done &= child[i] > 0 && waitpid(child[i], NULL, 0) == child[i];
	return done;
}

/* The direct map and the array of struct page grow and shrink: tables of the kernel go. */
static bool memory(unsigned int round)
{
	(void)round;
	return plug_add() && plug_remove();
}

struct shared {
	_Atomic bool stop;
	_Atomic unsigned int rounds, failed;
};

FIXTURE(kernel)
{
	struct shared *shared;
	pid_t tormentor;
	struct places places;
};

FIXTURE_VARIANT(kernel)
{
	bool (*torment)(unsigned int round);
};

FIXTURE_VARIANT_ADD(kernel, buffers) { buffers };
FIXTURE_VARIANT_ADD(kernel, modules) { modules };
FIXTURE_VARIANT_ADD(kernel, stacks) { stacks };
FIXTURE_VARIANT_ADD(kernel, memory) { memory };

FIXTURE_SETUP(kernel)
{
	if (variant->torment == modules && access(sample(), R_OK))
		SKIP(return, "there is no vm_minimal.ko; say where by VM_MINIMAL_KO");
	if (variant->torment == memory && plug_open())
		SKIP(return, "no memory can be plugged; boot with --shape dimm or vmem");
	self->shared = mmap(NULL, sizeof(*self->shared), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->shared);
	/* What is plugged later is in it. */
	if (variant->torment == memory)
		ASSERT_LT(0, plug_add());
	self->places = places_now();
	if (variant->torment == memory)
		ASSERT_TRUE(plug_remove());
	run_on(1);
}

FIXTURE_TEARDOWN(kernel)
{
	target_end(self->tormentor);
	if (variant->torment == memory) {
		plug_remove();
		plug_close();
		knobs_restore();
	}
	if (module_uses() >= 0 && !access(LENS "/kernel/pagetable", F_OK)) {
		module_unload();
		module_load("");
	}
}

static pid_t start_torment(struct shared *shared, bool (*torment)(unsigned int round))
{
	pid_t pid = child_fork();

	if (pid)
		return pid;
	run_on(0);
	while (!atomic_load(&shared->stop)) {
		shared->failed += !torment(shared->rounds);
		shared->rounds++;
	}
	_exit(0);
}

static bool goes_on(const struct shared *shared, unsigned int reads, time_t end)
{
	return time(NULL) < end ||
	       ((reads < READS || !shared->rounds) && time(NULL) < end + PATIENCE);
}

#define END_TORMENT() do { \
	int status; \
	atomic_store(&self->shared->stop, true); \
	ASSERT_EQ(self->tormentor, waitpid(self->tormentor, &status, 0)); \
	self->tormentor = 0; \
	EXPECT_EQ(0, status); \
	EXPECT_LT(0, self->shared->rounds); \
	EXPECT_EQ(0, self->shared->failed); \
} while (0)

static bool is_leaf(const struct kernel_run *run)
{
	return !strcmp(run->kind, "leaf");
}

/* How much of a region is mapped; 0 if not all of that with the same rights. */
static uint64_t mapped(const struct kernel_text *text, size_t region, const char **rights)
{
	uint64_t bytes = 0;

	*rights = NULL;
	for (size_t i = 0; i < text->nr; i++) {
		const struct kernel_run *run = &text->run[i];

		if (run->region != region || !is_leaf(run))
			continue;
		if (*rights && strcmp(*rights, run->eff))
			return 0;
		*rights = run->eff;
		bytes += run->end - run->start;
	}
	return bytes;
}

/* None of the lines is what a free page holds, or what no memory and no device has. */
static const char *wrong_line(const struct kernel_text *text, const struct places *places)
{
	static char message[200];

	for (const char *line = text->text; *line; line += strcspn(line, "\n"), line += !!*line) {
		snprintf(message, sizeof(message), "%.*s", (int)strcspn(line, "\n"), line);
		if (*line != '#' && line_is_wrong(message, places))
			return message;
	}
	return NULL;
}

/* No run is outside of its region, or where another one is. */
static const char *wrong(const struct kernel_text *text, const struct places *places)
{
	static const char *const levels[] = { "pte", "pmd", "pud", "p4d", "pgd" };
	uint64_t last[ARRAY_SIZE(levels)] = { };
	static char message[160];

	for (size_t i = 0; i < text->nr; i++) {
		const struct kernel_run *run = &text->run[i];
		const struct kernel_region *r = &text->region[run->region];

		size_t level = 0;

		if (!i || run->region != run[-1].region)
			memset(last, 0, sizeof(last));
		while (level < ARRAY_SIZE(levels) && strcmp(run->level, levels[level]))
			level++;
		snprintf(message, sizeof(message), "%lx-%lx %s %s %lx in %s %lx-%lx", run->start,
			 run->end, run->level, run->kind, run->pfn, r->name, r->start, r->last);
		if (run->start < r->start || run->end - 1 > r->last || run->end - 1 < run->start)
			return message;
		/* Level by level. */
		if (level == ARRAY_SIZE(levels) || run->start < last[level])
			return message;
		last[level] = run->end;
	}
	return wrong_line(text, places);
}

TEST_F_TIMEOUT(kernel, own_ranges_are_told_as_they_are, TIMEOUT)
{
	unsigned int reads = 0, again = 0, torn = 0;
	time_t end = time(NULL) + SECONDS;

	self->tormentor = start_torment(self->shared, variant->torment);
	while (goes_on(self->shared, reads, end)) {
		struct kernel_text own;
		int ret = kernel_tables("own", &own), parts = 0;
		const char *bad;

		/* On x86_64, where the text is in a huge page that others share. */
		if (ret == -EAGAIN) {
			again++;
			continue;
		}
		ASSERT_EQ(0, ret);
		bad = wrong(&own, &self->places);
		EXPECT_EQ(NULL, bad) TH_LOG("%s", bad);
		reads++;
		/* That page is split or collapsed between two levels: it is said. */
		if (own.torn) {
			torn++;
			kernel_free(&own);
			continue;
		}
		for (size_t i = 0; i < own.nr_regions; i++) {
			const struct kernel_region *r = &own.region[i];
			const char *rights;
			uint64_t bytes = mapped(&own, i, &rights);

			/* Buffers come and go. */
			if (strncmp(r->name, "module-", 7))
				continue;
			parts++;
			EXPECT_EQ(r->last + 1 - r->start, bytes) TH_LOG("%s", r->name);
			ASSERT_NE(NULL, rights);
			EXPECT_EQ(!strcmp(r->name, "module-text"), rights[2] == 'x');
			EXPECT_EQ(!strcmp(r->name, "module-data"), rights[1] == 'w');
		}
		EXPECT_EQ(4, parts);
		EXPECT_EQ(0, own.wx);
		kernel_free(&own);
	}
	END_TORMENT();
	TH_LOG("%u reads, %u of them torn, %u to be tried again, %u rounds", reads, torn, again,
	       self->shared->rounds);
	EXPECT_LE(READS, reads);
	EXPECT_LT(torn, reads);
}

/* Where the direct map begins, so that an address says which frame it is. */
static uint64_t direct_map(uint64_t *offset)
{
	const struct kernel_region *direct;
	struct kernel_text layout;
	uint64_t start;

	if (kernel_layout(&layout))
		return 0;
#ifdef __x86_64__
	direct = kernel_find(&layout, "direct-map");
	*offset = direct ? direct->start : 0;
#else
	direct = kernel_find(&layout, "linear-map");
	*offset = kernel_number(&layout, "linear_voffset");
#endif
	start = direct ? direct->start : 0;
	kernel_free(&layout);
	return start;
}

TEST_F_TIMEOUT(kernel, all_tables_are_read_as_well_as_can_be, TIMEOUT)
{
	uint64_t offset = 0, direct = direct_map(&offset);
	unsigned int reads = 0, killed = 0;
	time_t end;

	if (!module_file())
		SKIP(return, "there is no mmlens.ko; say where by MMLENS_KO");
	ASSERT_EQ(0, module_unload());
	ASSERT_EQ(0, module_load("kernel_walk=1"));
	end = time(NULL) + SECONDS;
	self->tormentor = start_torment(self->shared, variant->torment);
	while (goes_on(self->shared, reads, end)) {
		struct kernel_text all;
		const char *bad;
		pid_t child;

		ASSERT_EQ(0, kernel_tables("pagetable", &all));
		bad = wrong(&all, &self->places);
		EXPECT_EQ(NULL, bad) TH_LOG("%s", bad);
		/* This is never changed but for its rights. */
		for (size_t i = 0; i < all.nr; i++) {
			const struct kernel_run *run = &all.run[i];

			if (all.region[run->region].start == direct && is_leaf(run))
				EXPECT_EQ((run->start - offset) / page_size(), run->pfn)
					TH_LOG("%lx", run->start);
		}
		kernel_free(&all);
		reads++;
		/* One that is killed in the middle is gone at once. */
		child = fork();
		if (!child) {
			free(read_file(LENS "/kernel/pagetable", NULL));
			_exit(0);
		}
		usleep(1000 * (reads * 7 % 50));
		kill(child, SIGKILL);
		ASSERT_EQ(child, waitpid(child, NULL, 0));
		killed++;
	}
	END_TORMENT();
	TH_LOG("%u reads, %u killed, %u rounds", reads, killed, self->shared->rounds);
	EXPECT_LE(READS, reads);
}

TEST_HARNESS_MAIN

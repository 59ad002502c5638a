// SPDX-License-Identifier: GPL-2.0
/* The words of the file vmas, against numa_maps, smaps and what was asked for. */
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "lib/compare.h"
#include "lib/util.h"

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

#ifndef MPOL_PREFERRED_MANY
#define MPOL_PREFERRED_MANY 5
#endif
#define WEIGHTED_INTERLEAVE 6

/* What a target tells the test. */
struct report {
	char *map[16];
	int skip;
};

FIXTURE(words)
{
	pid_t target;
	struct report *report;
	struct lens_vmas list;
};

FIXTURE_SETUP(words)
{
	self->target = 0;
	self->report = mmap(NULL, sizeof(*self->report), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->report);
}

FIXTURE_TEARDOWN(words)
{
	if (self->target) {
		lens_detach(self->target);
		target_end(self->target);
	}
}

/* Starts a target, compares all of it, and reads its VMAs for a closer look. */
#define look_at(make) do { \
	self->target = target_start(make, self->report); \
	ASSERT_LT(0, self->target); \
	if (self->report->skip) \
		SKIP(return, #make ": %s", strerror(self->report->skip)); \
	ASSERT_EQ(0, lens_attach(self->target)); \
	EXPECT_EQ(0, compare_vmas(self->target)) TH_LOG("%s", compare_message); \
	ASSERT_EQ(0, lens_vmas(self->target, &self->list)) TH_LOG("%s", lens_error); \
} while (0)

static const struct lens_vma *vma_at(const struct lens_vmas *list, const void *addr)
{
	for (size_t i = 0; i < list->nr; i++)
		if (list->vma[i].start <= (uintptr_t)addr && (uintptr_t)addr < list->vma[i].end)
			return &list->vma[i];
	return NULL;
}

#define value_of(number, key) lens_word(vma_at(&self->list, self->report->map[number]), key)

/* A number of set bits. */
#define EXPECT_BIT(vma, bit, word) do { \
	const char *list = lens_word(vma, "prot"), *at = strstr(list, word); \
	bool has = at && (at == list || at[-1] == '|') && strchr("|", at[strlen(word)]); \
	EXPECT_EQ((vma)->prot >> (bit) & 1, has) TH_LOG("%lx: %s", (vma)->prot, list); \
} while (0)

static void protections(void *arg)
{
	struct report *report = arg;

	for (int prot = 0; prot < 8; prot++)
		report->map[prot] = map_alone(prot, ANON, -1, 1, 0);
	report->map[8] = map_alone(RW, MAP_SHARED | MAP_ANONYMOUS, -1, 1, 0);
}

/* The bits, by the numbers of the architectures' manuals. */
TEST_F(words, spell_the_protection)
{
	look_at(protections);
	for (int i = 0; i < 9; i++) {
		const struct lens_vma *vma = vma_at(&self->list, self->report->map[i]);

		ASSERT_NE(NULL, vma);
		ASSERT_NE(NULL, lens_word(vma, "prot"));
#ifdef __x86_64__
		EXPECT_BIT(vma, 0, "P");
		EXPECT_BIT(vma, 1, "RW");
		EXPECT_BIT(vma, 2, "US");
		EXPECT_BIT(vma, 5, "A");
		EXPECT_BIT(vma, 63, "NX");
		EXPECT_EQ(i != 0, vma->prot & 1);
		/* Without P, no other bit has a say. */
		EXPECT_EQ(i && !(i & PROT_EXEC), vma->prot >> 63);
#else
		EXPECT_BIT(vma, 0, "VALID");
		EXPECT_BIT(vma, 6, "USER");
		EXPECT_BIT(vma, 7, "RDONLY");
		EXPECT_BIT(vma, 10, "AF");
		EXPECT_BIT(vma, 53, "PXN");
		EXPECT_BIT(vma, 54, "UXN");
		EXPECT_EQ(!(i & PROT_EXEC), vma->prot >> 54 & 1);
#endif
	}
}

static const struct {
	int mode;
	const char *word;	/* up to the nodes */
	bool has_nodes;
} policies[] = {
	{ MPOL_BIND, "bind", true },
	{ MPOL_INTERLEAVE, "interleave", true },
	{ MPOL_PREFERRED, "prefer", true },
	{ MPOL_PREFERRED_MANY, "prefer-many", true },
	{ WEIGHTED_INTERLEAVE, "weighted-interleave", true },
	{ MPOL_LOCAL, "local", false },
	{ MPOL_BIND | MPOL_F_STATIC_NODES, "bind=static", true },
	{ MPOL_INTERLEAVE | MPOL_F_RELATIVE_NODES, "interleave=relative", true },
	{ MPOL_BIND | MPOL_F_STATIC_NODES | MPOL_F_NUMA_BALANCING, "bind=static|balancing", true },
};

/* All nodes of this machine, 0 to N, as a mask; at most 8 of them. */
static unsigned long all_nodes(void)
{
	unsigned long mask = 1;
	char path[64];

	for (int i = 1; i < 8; i++) {
		snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/meminfo", i);
		if (!access(path, F_OK))
			mask |= 1UL << i;
	}
	return mask;
}

static void with_policies(void *arg)
{
	struct report *report = arg;

	for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
		unsigned long nodes = policies[i].mode == MPOL_PREFERRED ? 1 : all_nodes();

		report->map[i] = map_alone(RW, ANON, -1, 2, 0);
		if (syscall(__NR_mbind, report->map[i], 2 * page_size(), policies[i].mode,
			    policies[i].has_nodes ? &nodes : NULL,
			    policies[i].has_nodes ? 8 * sizeof(nodes) : 0, 0))
			report->map[i] = NULL;
	}
	report->map[14] = map_alone(RW, ANON, -1, 1, 0);
	report->map[15] = map_alone(RW, MAP_SHARED | MAP_ANONYMOUS, -1, 1, 0);
	syscall(__NR_set_mempolicy, MPOL_DEFAULT, NULL, 0);
}

/* The policy of the VMA at @addr as numa_maps has it, with our names for two of them. */
static void numa_policy(pid_t pid, const void *addr, char *policy, size_t room)
{
	static const char *const names[][2] = {
		{ "prefer (many)", "prefer-many" },
		{ "weighted interleave", "weighted-interleave" },
	};
	char path[32], *text, *line, *next;

	snprintf(path, sizeof(path), "/proc/%d/numa_maps", pid);
	text = read_file(path, NULL);
	next = text;
	*policy = '\0';
	while ((line = strsep(&next, "\n"))) {
		const char *name = strchr(line, ' ');

		if (!name++ || strtoul(line, NULL, 16) != (uintptr_t)addr)
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			size_t len = strlen(names[i][0]);

			if (!strncmp(name, names[i][0], len)) {
				snprintf(policy, room, "%s", names[i][1]);
				name += len;
				break;
			}
		}
		snprintf(policy + strlen(policy), room - strlen(policy), "%.*s",
			 (int)strcspn(name, " "), name);
	}
	free(text);
}

TEST_F(words, tell_the_memory_policy)
{
	unsigned int seen = 0;

	look_at(with_policies);
	for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
		const char *ours, *word = policies[i].word;
		char theirs[64];

		if (!self->report->map[i])
			continue;
		ours = value_of(i, "policy");
		ASSERT_NE(NULL, ours);
		EXPECT_EQ(0, strncmp(word, ours, strlen(word))) TH_LOG("%s: %s", word, ours);
		EXPECT_EQ(policies[i].has_nodes ? ':' : '\0', ours[strlen(word)])
			TH_LOG("%s: %s", word, ours);
		numa_policy(self->target, self->report->map[i], theirs, sizeof(theirs));
		EXPECT_STREQ(theirs, ours);
		seen++;
	}
	if (access("/proc/self/numa_maps", F_OK))
		SKIP(return, "this kernel has no memory policies");
	EXPECT_LT(3, seen);
	EXPECT_STREQ("default", value_of(14, "policy"));
	/* Any process that maps it may give the object one. */
	EXPECT_STREQ("object", value_of(15, "policy"));
}

static const struct {
	unsigned long mode;
	const char *word;
} modes[] = {
	{ UFFDIO_REGISTER_MODE_MISSING, "missing" },
	{ UFFDIO_REGISTER_MODE_WP, "wp" },
	{ UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP, "missing,wp" },
	{ UFFDIO_REGISTER_MODE_MINOR, "minor" },
};

static void with_userfaultfd(void *arg)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct report *report = arg;
	int fd = syscall(__NR_userfaultfd, 0);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api)) {
		report->skip = errno;
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		/* Minor faults are those of shared memory. */
		int shared = modes[i].mode & UFFDIO_REGISTER_MODE_MINOR ? MAP_SHARED : MAP_PRIVATE;
		struct uffdio_register range = { .mode = modes[i].mode };

		report->map[i] = map_alone(RW, shared | MAP_ANONYMOUS, -1, 2, 0);
		range.range.start = (uintptr_t)report->map[i];
		range.range.len = 2 * page_size();
		if (ioctl(fd, UFFDIO_REGISTER, &range))
			report->map[i] = NULL;
	}
	report->map[8] = map_alone(RW, ANON, -1, 2, 0);
}

TEST_F(words, tell_of_userfaultfd)
{
	unsigned int seen = 0;

	look_at(with_userfaultfd);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		if (!self->report->map[i])
			continue;
		EXPECT_STREQ(modes[i].word, value_of(i, "uffd"));
		seen++;
	}
	EXPECT_LT(0, seen);
	EXPECT_EQ(NULL, value_of(8, "uffd"));
}

static void with_keys(void *arg)
{
	struct report *report = arg;

	for (int i = 0; i < 15; i++) {
		int key = pkey_alloc(0, 0);

		if (key < 0) {
			report->skip = i ? 0 : errno;
			return;
		}
		report->map[key] = map_alone(RW, ANON, -1, 1, 0);
		pkey_mprotect(report->map[key], page_size(), RW, key);
	}
}

TEST_F(words, tell_the_protection_key)
{
	unsigned int seen = 0;

	look_at(with_keys);
	for (int key = 1; key < 16; key++) {
		if (!self->report->map[key])
			continue;
		/* That smaps says the same was compared. */
		EXPECT_EQ(key, strtol(value_of(key, "pkey") ?: "", NULL, 10));
		seen++;
	}
	EXPECT_LT(5, seen);
}

static void family(void *arg)
{
	struct report *report = arg;
	pid_t child;

	report->map[0] = map_alone(RW, ANON, -1, 1, 0);
	report->map[1] = map_alone(RW, ANON, -1, 1, 0);
	report->map[0][0] = 1;
	child = fork();
	if (!child) {
		/* Copied on write, into a tree below the parent's. */
		report->map[0][0] = 2;
		report->map[2] = (void *)(uintptr_t)getpid();
		pause();
		_exit(0);
	}
	while (!*(void *volatile *)&report->map[2])
		usleep(1000);
}

TEST_F(words, tell_parent_from_child)
{
	struct lens_vmas list;
	pid_t child;

	look_at(family);
	child = (pid_t)(uintptr_t)self->report->map[2];
	EXPECT_STREQ("root", value_of(0, "anon_vma"));
	EXPECT_EQ(NULL, value_of(1, "anon_vma"));
	ASSERT_EQ(0, lens_attach(child));
	EXPECT_EQ(0, lens_vmas(child, &list)) TH_LOG("%s", lens_error);
	EXPECT_STREQ("child", lens_word(vma_at(&list, self->report->map[0]), "anon_vma"));
	EXPECT_EQ(NULL, lens_word(vma_at(&list, self->report->map[1]), "anon_vma"));
	EXPECT_EQ(0, lens_detach(child));
	kill(child, SIGKILL);
}

static void changed_last(void *arg)
{
	struct report *report = arg;

	report->map[0] = map_alone(RW, ANON, -1, 1, 0);
	report->map[1] = map_alone(RW, ANON, -1, 1, 0);
	mprotect(report->map[0], page_size(), PROT_READ);
}

TEST_F(words, tell_when_it_was_locked)
{
	unsigned long seq[2], mm[2];

	look_at(changed_last);
	for (int i = 0; i < 2; i++) {
		const char *value = value_of(i, "lock_seq");
		char *slash;

		ASSERT_NE(NULL, value);
		seq[i] = strtoul(value, &slash, 10);
		ASSERT_EQ('/', *slash) TH_LOG("%s", value);
		mm[i] = strtoul(slash + 1, NULL, 10);
	}
	/* The counter was odd while the last change went on, and is even now. */
	EXPECT_EQ(mm[0], mm[1]);
	EXPECT_EQ(0, mm[0] % 2);
	EXPECT_EQ(mm[0], seq[0] + 1);
	EXPECT_GT(seq[0], seq[1]);
}

TEST_HARNESS_MAIN

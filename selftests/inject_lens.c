// SPDX-License-Identifier: GPL-2.0
/*
 * Looking at a process, with one failure after the other in it: who is told that it failed has
 * been told nothing else, and is told the same as ever when he asks again.
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/inject.h"
#include "lib/knobs.h"
#include "lib/lens.h"
#include "lib/module.h"
#include "lib/query.h"
#include "lib/targets.h"
#include "lib/texts.h"
#include "lib/util.h"
#include "lib/walk.h"

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define PAGES 64
#define ROOM (64 << 10)

static char *some_memory;

static void touch(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < PAGES; i += 1 + i % 3)
		some_memory[i * page_size()] = 1;
	mprotect(some_memory + 8 * page_size(), 8 * page_size(), PROT_READ);
}

/* References to an address space: no list of ours has them, and kmemleak does not miss them. */
struct held {
	uint64_t users, count;
};

static struct held held_take(pid_t pid)
{
	struct held held;

	if (lens_attach(pid))
		abort();
	held.users = lens_mm_number(pid, "mm_users");
	held.count = lens_mm_number(pid, "mm_count");
	if (lens_detach(pid))
		abort();
	return held;
}

/* Each processor may keep one by the count, khugepaged one, and KSM one. */
#define EXPECT_NO_MORE_HELD(before, pid) do { \
	struct held now_ = held_take(pid); \
	EXPECT_EQ((before).users, now_.users); \
	EXPECT_GE((before).count + sysconf(_SC_NPROCESSORS_CONF) + 2, now_.count); \
} while (0)

FIXTURE(inject_lens)
{
	struct sweep sweep;
	struct held of_target, of_self;
	pid_t target;
	int fd;
};

FIXTURE_SETUP(inject_lens)
{
	some_memory = map_alone(RW, ANON, -1, PAGES, 0);
	self->target = target_start(touch, NULL);
	ASSERT_LT(0, self->target);
	self->fd = device_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	SWEEP_SETUP(&self->sweep);
	self->of_target = held_take(self->target);
	self->of_self = held_take(getpid());
}

FIXTURE_TEARDOWN(inject_lens)
{
	if (self->sweep.nth > 0)
		EXPECT_NOTHING_LEFT(&self->sweep);
	knobs_restore();
	/* If the test has not got so far. */
	lens_detach(self->target);
	EXPECT_NO_MORE_HELD(self->of_target, self->target);
	EXPECT_NO_MORE_HELD(self->of_self, getpid());
	target_end(self->target);
	close(self->fd);
}

/* Every form, all of it and a part, of another process and of the caller. */
static const struct {
	unsigned int form, flags;
	uint64_t required, excluded, raw_mask, phys_end;
} walks[] = {
	{ .form = MMLENS_FORM_ENTRIES },
	{ .form = MMLENS_FORM_ENTRIES, .flags = MMLENS_WALK_PAGES, .excluded = MMLENS_PT_HOLE },
	{ .form = MMLENS_FORM_RUNS },
	{ .form = MMLENS_FORM_RUNS, .required = MMLENS_PT_PRESENT | MMLENS_PT_WRITE },
	{ .form = MMLENS_FORM_RUNS, .raw_mask = 1ULL << 20 },
	{ .form = MMLENS_FORM_TABLES },
	{ .form = MMLENS_FORM_VMAS },
	{ .form = MMLENS_FORM_VMAS, .flags = MMLENS_WALK_NAMES },
	{ .form = MMLENS_FORM_COUNTS },
	{ .form = MMLENS_FORM_COUNTS, .phys_end = 1ULL << 31 },
};

TEST_F_TIMEOUT(inject_lens, walk, 300)
{
	char *expected = malloc(ROOM), *buffer = malloc(ROOM);

	for (size_t i = 0; i < ARRAY_SIZE(walks) && __test_passed(_metadata); i++) {
		struct mmlens_walk asked = walk_of(self->target, walks[i].form), good = asked;

		asked.flags = walks[i].flags;
		asked.required = walks[i].required;
		asked.excluded = walks[i].excluded;
		asked.raw_mask = walks[i].raw_mask;
		asked.phys_end = walks[i].phys_end;
		asked.buffer = (unsigned long)buffer;
		asked.bytes = ROOM;
		good = asked;
		ASSERT_EQ(0, walk_call(self->fd, &good, expected, ROOM)) TH_LOG("walk %zu", i);
		ASSERT_LT(0, good.records);
		good.buffer = asked.buffer;
		for_each_failure(&self->sweep, 2) {
			struct mmlens_walk walk = asked;

			memset(buffer, 0, ROOM);
			if (INJECT(&self->sweep, ioctl(self->fd, MMLENS_IOC_WALK, &walk))) {
				EXPECT_INJECTED(&self->sweep, errno);
				EXPECT_EQ(0, memcmp(&walk, &asked, sizeof(walk)));
				ASSERT_EQ(0, ioctl(self->fd, MMLENS_IOC_WALK, &walk));
			}
			EXPECT_EQ(0, memcmp(&walk, &good, sizeof(walk))) TH_LOG("walk %zu", i);
			EXPECT_EQ(0, memcmp(buffer, expected, good.bytes)) TH_LOG("walk %zu", i);
		}
	}
	free(expected);
	free(buffer);
}

/* Its own memory: what it is told goes where it is looked at. */
TEST_F_TIMEOUT(inject_lens, walk_of_the_caller, 300)
{
	char *buffer = map_alone(RW, ANON, -1, ROOM / page_size(), 0);

	for_each_failure(&self->sweep, 2) {
		struct mmlens_walk walk = walk_of(0, MMLENS_FORM_ENTRIES), asked;

		/* Not there: the stores fault. */
		madvise(buffer, ROOM, MADV_DONTNEED);
		walk.buffer = (unsigned long)buffer;
		walk.bytes = ROOM;
		asked = walk;
		if (INJECT(&self->sweep, ioctl(self->fd, MMLENS_IOC_WALK, &walk))) {
			/* There may be no page to copy to. */
			EXPECT_INJECTED_OR(&self->sweep, EFAULT, errno);
			EXPECT_EQ(0, memcmp(&walk, &asked, sizeof(walk)));
			ASSERT_EQ(0, ioctl(self->fd, MMLENS_IOC_WALK, &walk));
		}
		EXPECT_LT(0, walk.records);
	}
	munmap(buffer, ROOM);
}

TEST_F_TIMEOUT(inject_lens, query, 300)
{
	const uint64_t at = (unsigned long)some_memory;
	const struct {
		unsigned int what;
		uint64_t address, length;
	} questions[] = {
		{ MMLENS_QUERY_FIND_VMA, at, 0 },
		{ MMLENS_QUERY_FIND_VMA_PREV, at, 0 },
		{ MMLENS_QUERY_INTERSECTION, at, page_size() },
		{ MMLENS_QUERY_GAP, 0, page_size() },
		{ MMLENS_QUERY_TRANSLATE, at, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(questions) && __test_passed(_metadata); i++) {
		struct mmlens_query asked = {
			.size = sizeof(asked), .what = questions[i].what, .pid = self->target,
			.address = questions[i].address, .length = questions[i].length,
		}, good = asked;

		ASSERT_EQ(0, ioctl(self->fd, MMLENS_IOC_QUERY, &good)) TH_LOG("%zu", i);
		for_each_failure(&self->sweep, 2) {
			struct mmlens_query query = asked;

			if (INJECT(&self->sweep, ioctl(self->fd, MMLENS_IOC_QUERY, &query))) {
				EXPECT_INJECTED(&self->sweep, errno);
				EXPECT_EQ(0, memcmp(&query, &asked, sizeof(query)));
				ASSERT_EQ(0, ioctl(self->fd, MMLENS_IOC_QUERY, &query));
			}
			EXPECT_EQ(0, memcmp(&query, &good, sizeof(query))) TH_LOG("%zu", i);
		}
	}
}

/* In words: what was asked before stays what is read, or there is nothing to read. */
static void sweep_questions(struct __test_metadata *_metadata, struct sweep *sweep, int file)
{
	static const char *const questions[] = { "find_vma", "translate", "explain", "rmap" };
	char question[64], reply[4096], expected[4096];

	/* There: no copy to it has to have memory. */
	memset(reply, 0, sizeof(reply));
	for (size_t i = 0; i < ARRAY_SIZE(questions) && __test_passed(_metadata); i++) {
		ssize_t size, len;

		len = snprintf(question, sizeof(question), "%s 0x%lx", questions[i],
			       (unsigned long)some_memory);
		ASSERT_EQ(len, write(file, question, len)) TH_LOG("%s", question);
		size = read(file, expected, sizeof(expected));
		ASSERT_LT(0, size);
		for_each_failure(sweep, 1) {
			ssize_t got = INJECT(sweep, write(file, question, len));

			if (got != len) {
				EXPECT_EQ(-1, got);
				EXPECT_INJECTED(sweep, errno);
				ASSERT_EQ(len, write(file, question, len));
			}
			got = INJECT(sweep, read(file, reply, sizeof(reply)));
			if (got < 0) {
				EXPECT_INJECTED(sweep, errno);
				got = read(file, reply, sizeof(reply));
			}
			EXPECT_EQ(size, got) TH_LOG("%s", question);
			EXPECT_EQ(0, memcmp(reply, expected, size)) TH_LOG("%s", question);
		}
	}
	close(file);
}

TEST_F_TIMEOUT(inject_lens, question_and_answer, 300)
{
	int file = text_open(self->fd, MMLENS_TEXT_QUERY, self->target);
	char path[96];

	ASSERT_LE(0, file);
	sweep_questions(_metadata, &self->sweep, file);

	ASSERT_EQ(0, lens_attach(self->target));
	snprintf(path, sizeof(path), LENS "/%d/query", self->target);
	file = open(path, O_RDWR);
	ASSERT_LE(0, file);
	sweep_questions(_metadata, &self->sweep, file);
	ASSERT_EQ(0, lens_detach(self->target));
}

/* A folder is there as a whole, with all of its files, or not at all. */
static bool is_attached(pid_t pid)
{
	int files = 0;

	for (size_t i = 0; i < ARRAY_SIZE(process_texts); i++) {
		char path[96];

		snprintf(path, sizeof(path), LENS "/%d/%s", pid, process_texts[i].name);
		files += !access(path, F_OK);
	}
	if (files && files != ARRAY_SIZE(process_texts))
		abort();
	if (has_folder(pid) != !!files || !*target_state(pid) != !files)
		abort();
	return files;
}

TEST_F_TIMEOUT(inject_lens, attach_and_detach, 300)
{
	/* By ioctls, and by the files. */
	for (int by_file = 0; by_file < 2; by_file++) {
		for_each_failure(&self->sweep, 10) {
			int ret;

			ret = by_file ? INJECT(&self->sweep, lens_attach(self->target)) :
			      INJECT(&self->sweep, ioctl_attach(self->fd, self->target));
			if (ret) {
				EXPECT_INJECTED(&self->sweep, -ret);
				EXPECT_FALSE(is_attached(self->target));
				ASSERT_EQ(0, ioctl_attach(self->fd, self->target));
			}
			EXPECT_TRUE(is_attached(self->target));
			ret = by_file ? INJECT(&self->sweep, lens_detach(self->target)) :
			      INJECT(&self->sweep, ioctl_detach(self->fd, self->target));
			if (ret) {
				EXPECT_INJECTED(&self->sweep, -ret);
				EXPECT_TRUE(is_attached(self->target));
				ASSERT_EQ(0, ioctl_detach(self->fd, self->target));
			}
			EXPECT_FALSE(is_attached(self->target));
		}
	}
}

/* By the device, or without one (-1) in debugfs: of the caller, or of no process. */
static int open_text(int device, const struct text_file *file, pid_t pid)
{
	char path[96];
	int fd;

	if (device >= 0)
		return text_open(device, file->what, pid);
	snprintf(path, sizeof(path), LENS "/%s%s", pid ? "self/" : "", file->name);
	fd = open(path, O_RDONLY);
	return fd < 0 ? -errno : fd;
}

/* Opened, and read in two pieces, with each failure in turn. */
static void sweep_text(struct __test_metadata *_metadata, struct sweep *sweep, int device,
		       const struct text_file *file, pid_t pid)
{
	for_each_failure(sweep, 4) {
		int text = INJECT(sweep, open_text(device, file, pid));
		/* There: no copy to it has to have memory. */
		char bytes[2048] = {};
		ssize_t got, all = 0;

		if (text < 0) {
			EXPECT_INJECTED(sweep, -text);
			text = open_text(device, file, pid);
			ASSERT_LE(0, text);
		}
		/* From the beginning, and from the middle of a record. */
		for (int part = 0; part < 2; part++) {
			size_t room = part ? sizeof(bytes) : 10;

			got = INJECT(sweep, read(text, bytes, room));
			if (got < 0) {
				EXPECT_INJECTED(sweep, errno);
				got = read(text, bytes, room);
			}
			EXPECT_LT(0, got) TH_LOG("%s", file->name);
			/* Text, and nothing lost in between. */
			EXPECT_EQ(NULL, memchr(bytes, 0, got));
			all += got;
		}
		EXPECT_EQ(all, lseek(text, 0, SEEK_CUR)) TH_LOG("%s", file->name);
		close(text);
	}
}

/* The memory of files takes a moment to go; what is of the device is gone at once. */
TEST_F_TIMEOUT(inject_lens, texts, 300)
{
	for (size_t i = 0; i < ARRAY_SIZE(process_texts) + ARRAY_SIZE(kernel_texts); i++) {
		bool own = i < ARRAY_SIZE(process_texts);
		const struct text_file *file = own ? process_texts + i :
					       kernel_texts + i - ARRAY_SIZE(process_texts);
		pid_t pid = own ? self->target : 0;
		int text = text_open(self->fd, file->what, pid);

		close(text);
		/* kernel/pagetable and query have tests of their own. */
		if (text == -ENOENT || file->what == MMLENS_TEXT_QUERY)
			continue;
		ASSERT_LE(0, text) TH_LOG("%s", file->name);
		sweep_text(_metadata, &self->sweep, self->fd, file, pid);
		sweep_text(_metadata, &self->sweep, -1, file, pid);
	}
}

TEST_F_TIMEOUT(inject_lens, list_of_targets, 300)
{
	static const struct text_file file = { .name = "targets" };

	ASSERT_EQ(0, lens_attach(self->target));
	sweep_text(_metadata, &self->sweep, -1, &file, 0);
	ASSERT_EQ(0, lens_detach(self->target));
}

/* Of the files that are not a text of the device. */
TEST_F_TIMEOUT(inject_lens, opens, 300)
{
	static const struct {
		const char *name;
		int flags;
	} files[] = {
		{ "attach", O_WRONLY }, { "detach", O_WRONLY }, { "targets", O_RDONLY },
		{ "self/query", O_RDWR },
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		char path[96];

		snprintf(path, sizeof(path), LENS "/%s", files[i].name);
		for_each_failure(&self->sweep, 2) {
			int fd = INJECT(&self->sweep, open(path, files[i].flags));

			if (fd < 0) {
				EXPECT_INJECTED(&self->sweep, errno);
				fd = open(path, files[i].flags);
			}
			ASSERT_LE(0, fd) TH_LOG("%s", files[i].name);
			close(fd);
		}
	}
}

FIXTURE(inject_kernel)
{
	struct sweep sweep;
	int fd;
};

FIXTURE_SETUP(inject_kernel)
{
	self->fd = -1;
	if (!module_file())
		SKIP(return, "there is no mmlens.ko; say where by MMLENS_KO");
	ASSERT_EQ(0, module_unload());
	ASSERT_EQ(0, module_load("kernel_walk=1"));
	self->fd = device_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	SWEEP_SETUP(&self->sweep);
}

FIXTURE_TEARDOWN(inject_kernel)
{
	if (self->sweep.nth > 0)
		EXPECT_NOTHING_LEFT(&self->sweep);
	knobs_restore();
	close(self->fd);
	if (module_file()) {
		module_unload();
		module_load("");
	}
}

/* All of the kernel's tables, which change meanwhile: it is text, and no piece of it is lost. */
TEST_F_TIMEOUT(inject_kernel, pagetable, 300)
{
	static const struct text_file file = { MMLENS_TEXT_KERNEL_PAGETABLE, "kernel/pagetable" };

	sweep_text(_metadata, &self->sweep, self->fd, &file, 0);
	sweep_text(_metadata, &self->sweep, -1, &file, 0);
}

TEST_HARNESS_MAIN_WITH_INJECTORS(1 << INJECT_SLAB | 1 << INJECT_COPY)

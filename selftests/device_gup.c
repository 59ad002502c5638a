// SPDX-License-Identifier: GPL-2.0
/* What takes pages by get_user_pages(), and what copies: only the latter works without pages. */
#include <fcntl.h>
#include <malloc.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/knobs.h"
#include "lib/setups.h"
#include "lib/util.h"

#define PAGES 8
#define RW (PROT_READ | PROT_WRITE)

FIXTURE(gup)
{
	size_t page, size;
	int fd;
	char *map, *copy;
	struct combo combo;
};

FIXTURE_SETUP(gup)
{
	self->page = page_size();
	self->size = PAGES * self->page;
	ASSERT_EQ(0, posix_memalign((void **)&self->copy, self->page, self->size));
}

FIXTURE_TEARDOWN(gup)
{
	knobs_restore();
}

#define MAKE() do { \
	self->fd = device_make(self->combo.words, 0); \
	ASSERT_LE(0, self->fd) TH_LOG("%s: %s", self->combo.words, strerror(-self->fd)); \
	self->map = map_alone(RW, MAP_SHARED, self->fd, PAGES, 0); \
} while (0)

#define DROP() do { \
	munmap(self->map, self->size); \
	close(self->fd); \
} while (0)

TEST_F_TIMEOUT(gup, other_processes_reach_normal_pages_only, 300)
{
	for_each_combo(&self->combo) {
		ssize_t want = is_normal(&self->combo) ? (ssize_t)self->size : -1;
		struct iovec local = { .iov_base = self->copy, .iov_len = self->size };
		struct iovec remote = { .iov_len = self->size };

		MAKE();
		remote.iov_base = self->map;
		/* Never touched, and touched. */
		for (unsigned int seed = 1; seed < 3; seed++) {
			EXPECT_EQ(want, process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
			if (want < 0)
				EXPECT_EQ(EFAULT, errno);
			fill_pages(self->copy, PAGES, seed);
			EXPECT_EQ(want, process_vm_writev(getpid(), &local, 1, &remote, 1, 0));
			if (want < 0) {
				EXPECT_EQ(EFAULT, errno);
				fill_pages(self->map, PAGES, seed);
			}
			EXPECT_TRUE(pages_have(self->map, PAGES, seed));
		}
		DROP();
	}
}

/* Copies to and from user space need no pages: they fault as the process itself does. */
TEST_F_TIMEOUT(gup, system_calls_copy_from_and_to_all_of_it, 300)
{
	int pipes[2];

	ASSERT_EQ(0, pipe(pipes));
	ASSERT_LE((int)self->size, fcntl(pipes[1], F_SETPIPE_SZ, 2 * self->size));
	for_each_combo(&self->combo) {
		char *second;

		MAKE();
		second = device_map(self->fd, RW, MAP_SHARED, PAGES, 0);
		fill_pages(self->copy, PAGES, 3);
		ASSERT_EQ((ssize_t)self->size, write(pipes[1], self->copy, self->size));
		EXPECT_EQ((ssize_t)self->size, read(pipes[0], self->map, self->size));
		EXPECT_TRUE(pages_have(self->map, PAGES, 3));
		EXPECT_EQ((ssize_t)self->size, write(pipes[1], second, self->size));
		memset(self->copy, 0, self->size);
		EXPECT_EQ((ssize_t)self->size, read(pipes[0], self->copy, self->size));
		EXPECT_TRUE(pages_have(self->copy, PAGES, 3));
		munmap(second, self->size);
		DROP();
	}
}

TEST_F_TIMEOUT(gup, pipes_take_normal_pages_only, 300)
{
	for_each_combo(&self->combo) {
		struct iovec iov = { .iov_len = self->page };
		int pipes[2];

		MAKE();
		fill_pages(self->map, PAGES, 1);
		iov.iov_base = self->map + self->page;
		ASSERT_EQ(0, pipe(pipes));
		if (is_normal(&self->combo)) {
			EXPECT_EQ((ssize_t)self->page, vmsplice(pipes[1], &iov, 1, 0));
			/* The buffer goes, the page stays for who has it. */
			DROP();
			EXPECT_EQ((ssize_t)self->page, read(pipes[0], self->copy, self->page));
			EXPECT_TRUE(pages_have(self->copy, 1, 1 + 1));
		} else {
			EXPECT_EQ(-1, vmsplice(pipes[1], &iov, 1, 0));
			if (self->combo.kind == MMLENS_PAGE_KIND_PFNMAP)
				EXPECT_EQ(EFAULT, errno);
			DROP();
		}
		close(pipes[0]);
		close(pipes[1]);
	}
}

TEST_F_TIMEOUT(gup, direct_io_has_normal_pages_only, 300)
{
	char name[] = "/var/tmp/mmlens-XXXXXX";
	int file = mkstemp(name);
	struct statfs fs;

	ASSERT_LE(0, file);
	unlink(name);
	/* It takes the flag, and copies all the same. */
	if (!fstatfs(file, &fs) && fs.f_type == TMPFS_MAGIC)
		SKIP(return, "there is no file but of tmpfs");
	fill_pages(self->copy, PAGES, 1);
	ASSERT_EQ((ssize_t)self->size, write(file, self->copy, self->size));
	fsync(file);
	if (fcntl(file, F_SETFL, O_DIRECT) ||
	    pread(file, self->copy, self->page, 0) != (ssize_t)self->page)
		SKIP(return, "the file system has no direct I/O");
	for_each_combo(&self->combo) {
		bool normal = is_normal(&self->combo);
		ssize_t want = normal ? (ssize_t)self->size : -1;

		MAKE();
		fill_pages(self->map, PAGES, 2);
		EXPECT_EQ(want, pwrite(file, self->map, self->size, 0));
		if (self->combo.kind == MMLENS_PAGE_KIND_PFNMAP)
			EXPECT_EQ(EFAULT, errno);
		memset(self->map, 0, self->size);
		EXPECT_EQ(want, pread(file, self->map, self->size, 0));
		if (self->combo.kind == MMLENS_PAGE_KIND_PFNMAP)
			EXPECT_EQ(EFAULT, errno);
		EXPECT_EQ(normal, pages_have(self->map, PAGES, 2));
		EXPECT_EQ(!normal, pages_are_zero(self->map, PAGES));
		DROP();
	}
}

#define SECRET "what is in the buffer is nobody's business"
#define KNOWN "what is elsewhere is in the core"

/* Neither is a string of the program as it is: the compiler must not put it together. */
static void hide(char *to, const char *text)
{
	static volatile char key = 1;

	while (*text)
		*to++ = *text++ ^ key;
	*to = '\0';
}

/* Whether a file's contents have this text. */
static bool has_text(const char *core, size_t len, const char *text)
{
	return core && memmem(core, len, text, strlen(text));
}

/* Of mm/gup_test.h. */
struct pin_longterm_test {
	__u64 addr, size;
	__u32 flags;
};

#define PIN_WRITE 1
#define PIN_FAST 2
#define PIN_LONGTERM_TEST_START _IOW('g', 7, struct pin_longterm_test)
#define PIN_LONGTERM_TEST_STOP _IO('g', 8)
#define PIN_LONGTERM_TEST_READ _IOW('g', 9, __u64)

/*
 * What the kernel has pinned for good is there when mapping and buffer are gone. Not for writing
 * where writes are to be told of: it could write at any time later.
 */
TEST_F_TIMEOUT(gup, pins_outlive_the_buffer, 300)
{
	int pins = open("/sys/kernel/debug/gup_test", O_RDWR);

	if (pins < 0)
		SKIP(return, "a kernel without GUP_TEST");
	for_each_combo(&self->combo) {
		for (unsigned int flags = 0; flags <= (PIN_WRITE | PIN_FAST); flags++) {
			bool told = self->combo.track && (flags & PIN_WRITE);
			bool mixed = self->combo.kind == MMLENS_PAGE_KIND_MIXED;
			/* Frames that are mixed in are seen only when they are met. */
			int refused = mixed && !(flags & PIN_WRITE) ? -EEXIST : -EFAULT;
			int want = is_normal(&self->combo) && !told ? 0 : refused, ret;
			struct pin_longterm_test test = { .size = self->size, .flags = flags };
			__u64 to = (uintptr_t)self->copy;

			MAKE();
			fill_pages(self->map, PAGES, 9 + flags);
			test.addr = (uintptr_t)self->map;
			ret = ioctl(pins, PIN_LONGTERM_TEST_START, &test) ? -errno : 0;
			EXPECT_EQ(want, ret) TH_LOG("%s, %u", self->combo.words, flags);
			DROP();
			if (ret)
				continue;
			memset(self->copy, 0, self->size);
			EXPECT_EQ(0, ioctl(pins, PIN_LONGTERM_TEST_READ, &to));
			EXPECT_TRUE(pages_have(self->copy, PAGES, 9 + flags));
			EXPECT_EQ(0, ioctl(pins, PIN_LONGTERM_TEST_STOP));
		}
	}
	close(pins);
}

TEST_F_TIMEOUT(gup, core_dumps_leave_it_out, 120)
{
	char folder[] = "/tmp/mmlens-XXXXXX", path[64], text[64];
	const struct rlimit all = { .rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY };

	ASSERT_NE(NULL, mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/core", folder);
	if (knob_set("/proc/sys/kernel/core_pattern", path) ||
	    knob_set("/proc/sys/kernel/core_uses_pid", "0"))
		SKIP(return, "cores cannot be had in a file");
	if (access("/proc/self/coredump_filter", W_OK))
		SKIP(return, "this kernel writes no cores");
	for_each_combo(&self->combo) {
		char *core;
		size_t len;
		int status;
		pid_t pid;

		/* One for each way of mapping is enough; a slow kernel takes seconds for a core. */
		if (self->combo.track || self->combo.cache != MMLENS_CACHE_WB ||
		    (kernel_is_slow() && self->combo.strategy == MMLENS_STRATEGY_AROUND))
			continue;
		unlink(path);
		/* The child has this stack, too. */
		explicit_bzero(text, sizeof(text));
		pid = fork();
		if (!pid) {
			char *known = map_alone(RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 1, 0);

			/* What is mapped from files is left out unless one asks for it. */
			if (write_file("/proc/self/coredump_filter", "0x7f"))
				_exit(1);
			MAKE();
			hide(self->map + self->page, SECRET);
			hide(known, KNOWN);
			setrlimit(RLIMIT_CORE, &all);
			signal(SIGABRT, SIG_DFL);
			abort();
		}
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_TRUE(WIFSIGNALED(status));
		if (!WCOREDUMP(status))
			SKIP(return, "this kernel writes no cores");
		core = read_file(path, &len);
		hide(text, KNOWN);
		EXPECT_TRUE(has_text(core, len, text));
		hide(text, SECRET);
		EXPECT_FALSE(has_text(core, len, text));
		free(core);
		/* Or it is in the next core. */
		malloc_trim(0);
	}
	unlink(path);
	rmdir(folder);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/*
 * The samples do what the comments on top of them say: programs that use /dev/mmlens, and
 * the module vm_minimal, which is a driver of its own over the same layer.
 *
 * The programs are in the folder samples/ beside this one; vm_minimal.ko is beside it, or
 * where VM_MINIMAL_KO says.
 */
#include <fcntl.h>
#include <limits.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/util.h"

#define RW (PROT_READ | PROT_WRITE)

/* A file beside this program. */
static const char *beside(const char *name)
{
	static char path[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);

	while (len > 0 && path[len - 1] != '/')
		len--;
	len = len > 0 ? len : 0;
	snprintf(path + len, sizeof(path) - len, "%s", name);
	return path;
}

/* Runs a sample: its exit status, or -1; what it said is in *text, to be freed. */
static int run(const char *name, const char *argument, char **text)
{
	int fds[2], status;
	pid_t pid;

	if (pipe(fds))
		return -1;
	pid = fork();
	if (!pid) {
		dup2(fds[1], STDOUT_FILENO);
		dup2(fds[1], STDERR_FILENO);
		close(fds[0]);
		close(fds[1]);
		execl(beside(name), name, argument, NULL);
		_exit(127);
	}
	close(fds[1]);
	*text = read_fd(fds[0], NULL);
	close(fds[0]);
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Into the variable text. */
#define RUN(name, argument) do { \
	if (access(beside(name), X_OK)) \
		SKIP(return, "there is no %s; make -C samples", beside(name)); \
	ASSERT_EQ(0, run(name, argument, &text)) TH_LOG("%s", text); \
} while (0)

/* One after the other, from *text on, which is moved behind them; says the first that is not. */
static const char *missing(char **text, const char *const *parts)
{
	for (; *parts; parts++) {
		char *found = strstr(*text, *parts);

		if (!found)
			return *parts;
		*text = found + strlen(*parts);
	}
	return NULL;
}

#define EXPECT_PARTS(text, ...) do { \
	static const char *const parts[] = { __VA_ARGS__, NULL }; \
	char *at = (text); \
	const char *part = missing(&at, parts); \
	EXPECT_EQ(NULL, part) TH_LOG("no \"%s\" at its place in:\n%s", part, text); \
} while (0)

TEST(events_come_in_order)
{
	char *text;

	RUN("samples/events", NULL);
	EXPECT_PARTS(text, " mmap  ", " open  ",
		     " fault        done     page 0 ", ", 1 mapped",
		     " page_mkwrite done     page 0 ", ", a write\n",
		     " fault        done     page 1 ", ", a write\n",
		     " page_mkwrite done     page 1 ", " may_split  ", " close  ",
		     " mprotect  ", " close  ", " close  ");
	EXPECT_EQ(NULL, strstr(text, "lost"));
	free(text);
}

TEST(strategies_differ_in_faults)
{
	const unsigned long pages = (4 << 20) / page_size();
	const char *const names[] = { "lazy", "around=16", "eager", "remap" };
	const unsigned long by_mmap[] = { 0, 0, pages, pages };
	const unsigned long faults[] = { pages, pages / 16, 0, 0 };
	char *text;

	RUN("samples/mmap_strategies", "4");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		unsigned long inserted, asked, huge;
		char *row = strstr(text, names[i]);

		ASSERT_NE(NULL, row) TH_LOG("%s", text);
		ASSERT_EQ(3, sscanf(row, "%*s %*f %*f %lu %lu %lu", &inserted, &asked, &huge))
			TH_LOG("%s", text);
		EXPECT_EQ(by_mmap[i], inserted) TH_LOG("%s", names[i]);
		EXPECT_LE(faults[i], asked) TH_LOG("%s", names[i]);
		/* A block is cut where a table ends, and there are three tables at most. */
		EXPECT_GE(faults[i] + (i == 1 ? 2 : 0), asked) TH_LOG("%s", names[i]);
		EXPECT_EQ(0, huge);
	}
	/* Whether there are any depends on the kernel and its huge pages. */
	EXPECT_PARTS(text, "\nhuge ");
	free(text);
}

TEST(revoking_is_sigbus_for_all)
{
	char *text;

	RUN("samples/share_and_revoke", NULL);
	EXPECT_PARTS(text, "child: sees \"hello\"\n", "parent: sees \"hello back\"\n",
		     "parent: took it away\n", "parent: SIGBUS", "child: SIGBUS",
		     "parent: gave it back\n", "child: sees \"hello back\"\n");
	free(text);
}

static const char *const tracked[] = {
	"all read:", " 0 dirty:\n",
	"only looked:", " 2 dirty: 3 5\n", "taken:", " 2 dirty: 3 5\n",
	"a thousand times:", " 1 dirty: 5\n",
	"pwrite():", " 1 dirty: 7\n", "nothing written:", " 0 dirty:\n", NULL,
};

TEST(writes_are_tracked)
{
	char *text, *at;

	RUN("samples/track_writes", NULL);
	at = text;
	EXPECT_EQ(NULL, missing(&at, tracked)) TH_LOG("%s", text);
	EXPECT_PARTS(text, "page_mkwrite ran 3 times\n");
	free(text);
}

TEST(writes_are_tracked_in_rust)
{
	char *text, *at;

	if (access(beside("samples/track_writes_rs"), X_OK))
		SKIP(return, "no Rust standard library for this machine where the samples were built");
	RUN("samples/track_writes_rs", NULL);
	at = text;
	EXPECT_EQ(NULL, missing(&at, tracked)) TH_LOG("%s", text);
	free(text);
}

TEST(faults_are_seen_by_the_lens)
{
	char *text;

	RUN("samples/watch_faults", NULL);
	EXPECT_PARTS(text, "shared mapping", "mapped: fault 0, page_mkwrite 0\n", "no entry\n",
		     "read: fault 1, page_mkwrite 0\n", " r-- ",
		     "written: fault 1, page_mkwrite 1\n", " rw- ",
		     "private mapping", "mapped: fault 1, page_mkwrite 1\n", "no entry\n",
		     "read: fault 2, page_mkwrite 1\n", " r-- ",
		     "written: fault 2, page_mkwrite 1\n", " rw- ");
	free(text);
}

#define MINIMAL "/dev/vm_minimal"
#define PAGES 16

static const char *minimal_file(void)
{
	return getenv("VM_MINIMAL_KO") ?: beside("vm_minimal.ko");
}

static int minimal_load(void)
{
	int fd = open(minimal_file(), O_RDONLY | O_CLOEXEC), ret;

	ret = syscall(SYS_finit_module, fd, "", 0) ? -errno : 0;
	close(fd);
	return ret;
}

/* As rmmod does: never waits. */
static int minimal_unload(void)
{
	return syscall(SYS_delete_module, "vm_minimal", O_NONBLOCK) ? -errno : 0;
}

FIXTURE(minimal)
{
	int fd;
	size_t page;
	char *map;	/* all PAGES of it, shared and writable */
};

FIXTURE_SETUP(minimal)
{
	int ret;

	if (access(minimal_file(), R_OK))
		SKIP(return, "there is no vm_minimal.ko; say where by VM_MINIMAL_KO");
	ret = minimal_load();
	/* A test that died has left it. */
	ASSERT_TRUE(!ret || ret == -EEXIST);
	self->page = page_size();
	self->fd = open(MINIMAL, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	self->map = device_map(self->fd, RW, MAP_SHARED, PAGES, 0);
	ASSERT_NE(MAP_FAILED, self->map);
}

FIXTURE_TEARDOWN(minimal)
{
	if (self->map) {
		munmap(self->map, PAGES * self->page);
		close(self->fd);
		EXPECT_EQ(0, minimal_unload());
	}
}

TEST_F(minimal, is_zeroed_memory)
{
	EXPECT_TRUE(pages_are_zero(self->map, PAGES));
	for (size_t i = 0; i < PAGES; i++) {
		EXPECT_EQ(0, access_signal(self->map + i * self->page, false));
		EXPECT_EQ(0, access_signal(self->map + (i + 1) * self->page - 1, true));
	}
	fill_pages(self->map, PAGES, 1);
	EXPECT_TRUE(pages_have(self->map, PAGES, 1));
}

TEST_F(minimal, mappings_of_a_file_share_it)
{
	char *part = device_map(self->fd, RW, MAP_SHARED, 4, PAGES - 4);
	char *copy = device_map(self->fd, RW, MAP_PRIVATE, PAGES, 0), byte;
	int other_fd = open(MINIMAL, O_RDWR), mem = open("/proc/self/mem", O_RDONLY);
	char *other = device_map(other_fd, RW, MAP_SHARED, PAGES, 0);

	ASSERT_NE(MAP_FAILED, part);
	ASSERT_NE(MAP_FAILED, copy);
	ASSERT_NE(MAP_FAILED, other);
	part[0] = 'a';
	EXPECT_EQ('a', self->map[(PAGES - 4) * self->page]);
	EXPECT_EQ('a', copy[(PAGES - 4) * self->page]);
	copy[(PAGES - 4) * self->page] = 'b';
	EXPECT_EQ('a', part[0]);
	EXPECT_TRUE(pages_are_zero(other, PAGES));
	/* They are pages that others can get. */
	EXPECT_EQ(1, pread(mem, &byte, 1, (off_t)(uintptr_t)part));
	EXPECT_EQ('a', byte);
	munmap(part, 4 * self->page);
	munmap(copy, PAGES * self->page);
	munmap(other, PAGES * self->page);
	close(other_fd);
}

TEST_F(minimal, has_an_end)
{
	EXPECT_EQ(MAP_FAILED, device_map(self->fd, RW, MAP_SHARED, PAGES + 1, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, device_map(self->fd, RW, MAP_SHARED, 2, PAGES - 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, device_map(self->fd, RW, MAP_SHARED, 1, PAGES));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, device_map(self->fd, RW, MAP_SHARED, 1, 1ul << 40));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mremap(self->map, PAGES * self->page, 2 * PAGES * self->page,
				     MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, read(self->fd, self->map, 1));
}

TEST_F(minimal, is_split_and_moved)
{
	char *moved;

	fill_pages(self->map, PAGES, 7);
	ASSERT_EQ(0, munmap(self->map + 4 * self->page, 4 * self->page));
	EXPECT_EQ(SIGSEGV, access_signal(self->map + 4 * self->page, false));
	EXPECT_TRUE(pages_have(self->map, 4, 7));
	EXPECT_TRUE(pages_have(self->map + 8 * self->page, PAGES - 8, 7 + 8));
	ASSERT_EQ(0, mprotect(self->map + self->page, self->page, PROT_READ));
	EXPECT_EQ(SIGSEGV, access_signal(self->map + self->page, true));
	moved = mremap(self->map + 8 * self->page, 8 * self->page, 2 * self->page, MREMAP_MAYMOVE);
	ASSERT_NE(MAP_FAILED, moved);
	EXPECT_TRUE(pages_have(moved, 2, 7 + 8));
	EXPECT_EQ(-EWOULDBLOCK, minimal_unload());
}

TEST_F(minimal, is_shared_with_a_child)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		fill_pages(self->map, PAGES, 3);
		_exit(!pages_have(self->map, PAGES, 3));
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_TRUE(pages_have(self->map, PAGES, 3));
}

static void touch(void *arg)
{
	fill_pages(arg, PAGES, 5);
}

TEST_F(minimal, stays_as_long_as_it_is_used)
{
	pid_t child = target_start(touch, self->map);

	/* A descriptor; a part of a mapping without it; that of a child. */
	munmap(self->map, (PAGES - 1) * self->page);
	EXPECT_EQ(-EWOULDBLOCK, minimal_unload());
	close(self->fd);
	EXPECT_EQ(-EWOULDBLOCK, minimal_unload());
	EXPECT_TRUE(pages_have(self->map + (PAGES - 1) * self->page, 1, 5 + PAGES - 1));
	munmap(self->map + (PAGES - 1) * self->page, self->page);
	EXPECT_EQ(-EWOULDBLOCK, minimal_unload());
	EXPECT_EQ(0, access(MINIMAL, F_OK));
	target_end(child);
	EXPECT_EQ(0, minimal_unload());
	EXPECT_NE(0, access(MINIMAL, F_OK));
	/* For the end of the test. */
	ASSERT_EQ(0, minimal_load());
}

TEST_HARNESS_MAIN

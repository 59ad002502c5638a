// SPDX-License-Identifier: GPL-2.0
/* Who can look at processes: modes, capabilities, descriptors that are passed on. */
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "lib/lens.h"
#include "lib/util.h"

#define KPTR_RESTRICT "/proc/sys/kernel/kptr_restrict"

static const char *const readable[] = { "targets", "self/mm", "self/vmas", "self/pagetable",
					"self/entries", "self/layout", "self/summary",
					"self/user_pgd", "kernel/layout", "kernel/registers",
					"kernel/own", "self/query" };
static const char *const writable[] = { "attach", "detach" };

/* What opening a file of the folder says: 0 or an errno. */
static int open_error(const char *file, int flags)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), LENS "/%s", file);
	fd = open(path, flags);
	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

/* Takes one capability from this process, and leaves it the others. */
static int drop_capability(int cap)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return -1;
	data[CAP_TO_INDEX(cap)].effective &= ~CAP_TO_MASK(cap);
	data[CAP_TO_INDEX(cap)].permitted &= ~CAP_TO_MASK(cap);
	return syscall(SYS_capset, &header, data);
}

TEST(modes_and_owners)
{
	static const struct { const char *path; int mode; } files[] = {
		{ LENS "/attach", S_IFREG | 0200 }, { LENS "/detach", S_IFREG | 0200 },
		{ LENS "/targets", S_IFREG | 0400 }, { LENS "/self/mm", S_IFREG | 0400 },
		{ LENS "/self/vmas", S_IFREG | 0400 }, { LENS "/self/pagetable", S_IFREG | 0400 },
		{ LENS "/self/entries", S_IFREG | 0400 }, { LENS "/self/query", S_IFREG | 0600 },
		{ LENS "/kernel/layout", S_IFREG | 0400 },
		{ LENS "/kernel/registers", S_IFREG | 0400 },
		{ LENS "/kernel/own", S_IFREG | 0400 },
	};
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		ASSERT_EQ(0, stat(files[i].path, &st)) TH_LOG("%s", files[i].path);
		EXPECT_EQ(files[i].mode, (int)st.st_mode) TH_LOG("%s", files[i].path);
		EXPECT_EQ(0, st.st_uid);
	}
	/* Root may open anything by mode, but a file does only what it is for. */
	EXPECT_EQ(NULL, read_file(LENS "/attach", NULL));
	EXPECT_GT(0, write_file(LENS "/targets", "1"));
}

TEST(nobody_opens_without_the_capability)
{
	/* Mode and owner would let us: it is our own check. */
	ASSERT_EQ(0, drop_capability(CAP_SYS_ADMIN));
	for (size_t i = 0; i < ARRAY_SIZE(readable); i++) {
		EXPECT_EQ(EPERM, open_error(readable[i], O_RDONLY)) TH_LOG("%s", readable[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(writable); i++) {
		EXPECT_EQ(EPERM, open_error(writable[i], O_WRONLY)) TH_LOG("%s", writable[i]);
	}
	EXPECT_EQ(EPERM, open_error("self/query", O_RDWR));
	EXPECT_EQ(EPERM, open_error("self/query", O_WRONLY));
}

TEST(the_folder_of_a_target_wants_the_capability_too)
{
	int detach = open(LENS "/detach", O_WRONLY);
	char path[64];

	ASSERT_EQ(0, lens_attach(getpid()));
	snprintf(path, sizeof(path), "%d/entries", getpid());
	EXPECT_EQ(0, open_error(path, O_RDONLY));
	ASSERT_EQ(0, drop_capability(CAP_SYS_ADMIN));
	EXPECT_EQ(EPERM, open_error(path, O_RDONLY));
	/* Opened with the capability. */
	EXPECT_LT(0, dprintf(detach, "%d", getpid()));
}

FIXTURE(kernel_addresses)
{
	uint64_t restricted;
};

FIXTURE_SETUP(kernel_addresses)
{
	self->restricted = read_number(KPTR_RESTRICT);
}

FIXTURE_TEARDOWN_PARENT(kernel_addresses)
{
	write_number(KPTR_RESTRICT, self->restricted);
}

/* As for any file that shows them: the sysctl hides them from all, or asks for CAP_SYSLOG. */
TEST_F(kernel_addresses, obey_kptr_restrict)
{
	static const char *const files[] = { "kernel/layout", "kernel/own",
					     "kernel/registers" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		ASSERT_EQ(0, write_number(KPTR_RESTRICT, 0));
		EXPECT_EQ(0, open_error(files[i], O_RDONLY));
		ASSERT_EQ(0, write_number(KPTR_RESTRICT, 1));
		EXPECT_EQ(0, open_error(files[i], O_RDONLY));
		ASSERT_EQ(0, write_number(KPTR_RESTRICT, 2));
		EXPECT_EQ(EPERM, open_error(files[i], O_RDONLY));
	}
	/* No addresses of the kernel in this. */
	EXPECT_EQ(0, open_error("self/entries", O_RDONLY));
	ASSERT_EQ(0, write_number(KPTR_RESTRICT, 1));
	ASSERT_EQ(0, drop_capability(CAP_SYSLOG));
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		EXPECT_EQ(EPERM, open_error(files[i], O_RDONLY));
}

TEST(the_capability_of_another_user_namespace_is_none)
{
	int fd = open(LENS "/self/entries", O_RDONLY);
	char byte;

	ASSERT_LE(0, fd);
	if (unshare(CLONE_NEWUSER))
		SKIP(return, "no user namespaces");
	/* All capabilities, there; and the files are still ours by owner. */
	for (size_t i = 0; i < ARRAY_SIZE(readable); i++) {
		EXPECT_EQ(EPERM, open_error(readable[i], O_RDONLY)) TH_LOG("%s", readable[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(writable); i++) {
		EXPECT_EQ(EPERM, open_error(writable[i], O_WRONLY)) TH_LOG("%s", writable[i]);
	}
	/* What was opened outside can be read. */
	EXPECT_EQ(1, read(fd, &byte, 1));
}

TEST(other_users_do_not_get_in)
{
	ASSERT_EQ(0, setuid(12345));
	EXPECT_EQ(EACCES, open_error("self/entries", O_RDONLY));
	EXPECT_EQ(EACCES, open_error("attach", O_WRONLY));
}

TEST(a_descriptor_has_the_rights_of_its_opener)
{
	int entries = open(LENS "/self/entries", O_RDONLY);
	int attach = open(LENS "/attach", O_WRONLY), detach = open(LENS "/detach", O_WRONLY);
	int query = open(LENS "/self/query", O_RDWR);
	char text[64];

	ASSERT_LE(0, entries);
	ASSERT_LE(0, query);
	ASSERT_LE(0, attach);
	ASSERT_LE(0, detach);
	snprintf(text, sizeof(text), "%d", getpid());
	ASSERT_EQ(0, setuid(12345));
	EXPECT_LT(0, write(attach, text, strlen(text)));
	EXPECT_LT(0, write(detach, text, strlen(text)));
	EXPECT_EQ(10, read(entries, text, 10));
	EXPECT_EQ(10, write(query, "find_vma 0", 10));
	EXPECT_EQ(10, read(query, text, 10));
}

TEST_HARNESS_MAIN

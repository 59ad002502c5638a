// SPDX-License-Identifier: GPL-2.0
/*
 * MMLENS_IOC_TEXT: descriptors that read as the files of debugfs do, and who may;
 * MMLENS_IOC_ATTACH and DETACH.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/lens.h"
#include "lib/module.h"
#include "lib/query.h"
#include "lib/targets.h"
#include "lib/texts.h"
#include "lib/util.h"

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define PAGES 700

static void some_memory(void *arg)
{
	char *map = map_alone(RW, ANON, -1, PAGES, 0);

	(void)arg;
	for (size_t i = 0; i < PAGES; i += 1 + i % 7)
		map[i * page_size()] = 1;
	mprotect(map + 8 * page_size(), 8 * page_size(), PROT_READ);
}

FIXTURE(text)
{
	pid_t target;
	int fd;
};

FIXTURE_SETUP(text)
{
	if (access(LENS, F_OK))
		SKIP(return, "there is no debugfs");
	self->fd = device_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	self->target = target_start(some_memory, NULL);
	ASSERT_LT(0, self->target);
	ASSERT_EQ(0, lens_attach(self->target));
}

FIXTURE_TEARDOWN(text)
{
	lens_detach(self->target);
	target_end(self->target);
	close(self->fd);
}

/* A descriptor that reads as file @name of the lens. */
static char *read_text(int fd, unsigned int what, pid_t pid)
{
	int text = text_open(fd, what, pid);
	char *all = text < 0 ? NULL : read_fd(text, NULL);

	close(text);
	return all;
}

/* Takes out a line that is not the first, by the name it begins with; false if there is none. */
static bool without_line(char *text, const char *name)
{
	char *line = text, *end;

	do {
		line = strchr(line, '\n');
		if (!line)
			return false;
		line++;
	} while (strncmp(line, name, strlen(name)));
	end = strchrnul(line, '\n');
	memmove(line, end, strlen(end) + 1);
	return true;
}

TEST_F(text, of_a_process_is_that_of_its_file)
{
	for (size_t i = 0; i < ARRAY_SIZE(process_texts); i++) {
		char *expected = lens_read(self->target, process_texts[i].name, NULL);
		char *text = read_text(self->fd, process_texts[i].what, self->target);
		bool has_count;

		ASSERT_NE(NULL, expected) TH_LOG("%s", process_texts[i].name);
		ASSERT_NE(NULL, text) TH_LOG("%s", process_texts[i].name);
		EXPECT_LT(20, strlen(text));
		/* Kernel threads that ran on the memory keep it for a while. */
		has_count = !strcmp(process_texts[i].name, "mm");
		EXPECT_EQ(has_count, without_line(expected, "mm_count:"));
		EXPECT_EQ(has_count, without_line(text, "mm_count:"));
		EXPECT_STREQ(expected, text) TH_LOG("%s", process_texts[i].name);
		free(expected);
		free(text);
	}
}

/* Cuts a text of registers down to their names: each processor has other values. */
static void keep_names(char *text)
{
	char *to = text, *line;

	while ((line = strsep(&text, "\n"))) {
		size_t len = strcspn(line, ":= ");

		memmove(to, line, len);
		to += len;
		*to++ = '\n';
		if (!text)
			break;
	}
	*to = '\0';
}

TEST_F(text, of_the_kernel_is_that_of_its_file)
{
	for (size_t i = 0; i < ARRAY_SIZE(kernel_texts); i++) {
		unsigned int what = kernel_texts[i].what;
		char path[64], *expected, *text;

		snprintf(path, sizeof(path), LENS "/%s", kernel_texts[i].name);
		if (what == MMLENS_TEXT_KERNEL_PAGETABLE && access(path, F_OK)) {
			EXPECT_EQ(-ENOENT, text_open(self->fd, what, 0));
			continue;
		}
		expected = read_file(path, NULL);
		text = read_text(self->fd, what, 0);
		ASSERT_NE(NULL, expected) TH_LOG("%s", path);
		ASSERT_NE(NULL, text) TH_LOG("%s", path);
		EXPECT_LT(20, strlen(text));
		if (what == MMLENS_TEXT_KERNEL_REGISTERS) {
			keep_names(expected);
			keep_names(text);
		}
		/* The tables of the kernel change all the time. */
		if (what == MMLENS_TEXT_KERNEL_PAGETABLE)
			*strchrnul(expected, '\n') = *strchrnul(text, '\n') = '\0';
		EXPECT_STREQ(expected, text) TH_LOG("%s", path);
		free(expected);
		free(text);
	}
}

/* A mapping that only the caller has. */
static bool shows(int fd, unsigned int what, pid_t pid, const void *at)
{
	char *text = read_text(fd, what, pid), number[32];
	bool found;

	snprintf(number, sizeof(number), "%016lx", (unsigned long)at);
	found = text && strstr(text, number);
	free(text);
	return found;
}

TEST_F(text, zero_is_the_caller)
{
	char *own = map_alone(RW, ANON, -1, 2, 0);

	own[0] = 1;
	EXPECT_TRUE(shows(self->fd, MMLENS_TEXT_VMAS, 0, own));
	EXPECT_TRUE(shows(self->fd, MMLENS_TEXT_ENTRIES, 0, own));
	EXPECT_TRUE(shows(self->fd, MMLENS_TEXT_VMAS, getpid(), own));
	EXPECT_FALSE(shows(self->fd, MMLENS_TEXT_VMAS, self->target, own));
}

TEST_F(text, is_the_process_as_it_was_when_it_was_opened)
{
	int text = text_open(self->fd, MMLENS_TEXT_MM, self->target);
	char *before = read_fd(text, NULL), *after;

	ASSERT_LE(0, text);
	target_end(self->target);
	EXPECT_EQ(0, lseek(text, 0, SEEK_SET));
	after = read_fd(text, NULL);
	ASSERT_NE(NULL, before);
	ASSERT_NE(NULL, after);
	EXPECT_STRNE(before, after);
	EXPECT_NE(NULL, strstr(after, "gone")) TH_LOG("%s", after);
	EXPECT_EQ(-ESRCH, text_open(self->fd, MMLENS_TEXT_MM, self->target));
}

TEST_F(text, can_be_read_in_any_way)
{
	char *whole = read_text(self->fd, MMLENS_TEXT_ENTRIES, self->target);
	size_t len = strlen(whole), at = 0;
	int text = text_open(self->fd, MMLENS_TEXT_ENTRIES, self->target);
	char *piece = malloc(len + 1);
	ssize_t got;

	/* A few bytes, more and more. */
	for (size_t want = 1; (got = read(text, piece + at, want % 300 + 1)) > 0; want += 7)
		at += got;
	EXPECT_EQ(0, got);
	EXPECT_EQ(len, at);
	EXPECT_EQ(0, memcmp(whole, piece, len));
	/* From other places, with and without the position. */
	for (size_t from = 0; from < len; from += 1 + len / 9) {
		size_t want = len - from < 100 ? len - from : 100;

		EXPECT_EQ((off_t)from, lseek(text, from, SEEK_SET));
		EXPECT_LT(0, got = read(text, piece, want));
		EXPECT_EQ(0, memcmp(whole + from, piece, got));
		EXPECT_LT(0, got = pread(text, piece, want, from));
		EXPECT_EQ(0, memcmp(whole + from, piece, got));
	}
	EXPECT_EQ(-1, lseek(text, -1, SEEK_SET));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, write(text, "x", 1));
	EXPECT_EQ(EBADF, errno);
	free(whole);
	free(piece);
	close(text);
}

TEST_F(text, of_questions_answers_as_the_file_does)
{
	static const char *const words[] = {
		"help", "find_vma 0", "find_vma_prev 7fffffff0000", "gap 2000", "translate 400000",
		"find_vma_intersection 1 ffffffff", "explain 1",
	};
	int file = query_open(self->target);
	int text = text_open(self->fd, MMLENS_TEXT_QUERY, self->target);
	char expected[8192];

	ASSERT_LE(0, file);
	ASSERT_LE(0, text);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		strcpy(expected, query(file, "%s", words[i]));
		EXPECT_STREQ(expected, query(text, "%s", words[i]));
	}
	EXPECT_EQ(-EINVAL, query_ask(text, "what is love"));
	/* The last one still counts. */
	EXPECT_EQ(0, lseek(text, 0, SEEK_SET));
	{
		char *again = read_fd(text, NULL);

		EXPECT_STREQ(expected, again);
		free(again);
	}
	close(text);
	close(file);
}

TEST_F(text, refuses_what_is_not_in_the_header)
{
	struct mmlens_text text = { .size = sizeof(text), .what = 0, .reserved = 1 };

	EXPECT_EQ(-1, ioctl(self->fd, MMLENS_IOC_TEXT, &text));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, ioctl(self->fd, MMLENS_IOC_TEXT, (void *)1));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-EINVAL, text_open(self->fd, MMLENS_TEXT_BUFFERS + 1, 0));
	EXPECT_EQ(-EINVAL, text_open(self->fd, ~0, 0));
	EXPECT_EQ(-EINVAL, text_open(self->fd, MMLENS_TEXT_MM, -1));
	EXPECT_EQ(-EINVAL, text_open(self->fd, MMLENS_TEXT_MM, -getpid()));
	EXPECT_EQ(-ESRCH, text_open(self->fd, MMLENS_TEXT_MM, 0x7fffffff));
	/* Files of no process. */
	for (size_t i = 0; i < ARRAY_SIZE(kernel_texts); i++) {
		if (kernel_texts[i].what != MMLENS_TEXT_KERNEL_PAGETABLE)
			EXPECT_EQ(-EINVAL, text_open(self->fd, kernel_texts[i].what, getpid()));
	}
}

TEST_F(text, structs_are_versioned_by_their_size)
{
	struct { struct mmlens_text text; __u64 more; } larger = {
		.text = { .size = sizeof(larger), .what = MMLENS_TEXT_MM },
	};
	unsigned int sized = _IOC(_IOC_WRITE, MMLENS_IOC_MAGIC, 9, sizeof(larger));
	int text = ioctl(self->fd, sized, &larger);

	EXPECT_LT(0, text);
	close(text);
	larger.more = 1;
	EXPECT_EQ(-1, ioctl(self->fd, sized, &larger));
	EXPECT_EQ(E2BIG, errno);
	larger.text.size = 12;
	EXPECT_EQ(-1, ioctl(self->fd, _IOC(_IOC_WRITE, MMLENS_IOC_MAGIC, 9, 12), &larger));
	EXPECT_EQ(EINVAL, errno);
	larger.text.size = 4;
	EXPECT_EQ(-1, ioctl(self->fd, _IOC(_IOC_WRITE, MMLENS_IOC_MAGIC, 10, 4), &larger));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, ioctl(self->fd, _IOC(_IOC_WRITE, MMLENS_IOC_MAGIC, 11, 4), &larger));
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(text, is_a_descriptor_with_the_flags_that_it_should_have)
{
	int text = text_open(self->fd, MMLENS_TEXT_MM, 0);
	int ask = text_open(self->fd, MMLENS_TEXT_QUERY, 0);
	char path[64], link[64] = "";

	ASSERT_LE(0, text);
	EXPECT_EQ(FD_CLOEXEC, fcntl(text, F_GETFD));
	EXPECT_EQ(O_RDONLY, fcntl(text, F_GETFL) & O_ACCMODE);
	EXPECT_EQ(O_RDWR, fcntl(ask, F_GETFL) & O_ACCMODE);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", text);
	ASSERT_LT(0, readlink(path, link, sizeof(link) - 1));
	EXPECT_STREQ("anon_inode:[mmlens]", link);
	/* It cannot be had again by its name. */
	EXPECT_EQ(-1, open(path, O_RDONLY));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, page_size(), PROT_READ, MAP_SHARED, text, 0));
	/* No descriptor left: nothing was made. */
	{
		struct rlimit limit = { text + 2, text + 2 };

		close(ask);
		ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
		ask = text_open(self->fd, MMLENS_TEXT_QUERY, 0);
		EXPECT_LT(text, ask);
		EXPECT_EQ(-EMFILE, text_open(self->fd, MMLENS_TEXT_MM, 0));
	}
	close(ask);
	close(text);
}

/* It is its own: neither the device nor the process has to stay. */
TEST_F(text, does_not_need_the_device_to_stay_open)
{
	int device = device_open(O_RDONLY), text = text_open(device, MMLENS_TEXT_VMAS, 0);
	char *all;

	close(device);
	all = read_fd(text, NULL);
	ASSERT_NE(NULL, all);
	EXPECT_LT(100, strlen(all));
	free(all);
	close(text);
}

TEST_F(text, cannot_be_had_without_the_capability)
{
	int text = text_open(self->fd, MMLENS_TEXT_MM, self->target), status;
	pid_t child = fork();

	if (!child) {
		char byte[8];

		if (setuid(12345))
			_exit(1);
		/* The device was opened by root, and that is not enough. */
		for (size_t i = 0; i < ARRAY_SIZE(process_texts); i++)
			if (text_open(self->fd, process_texts[i].what, 0) != -EPERM)
				_exit(2);
		for (size_t i = 0; i < ARRAY_SIZE(kernel_texts); i++)
			if (text_open(self->fd, kernel_texts[i].what, 0) != -EPERM)
				_exit(3);
		if (ioctl_attach(self->fd, getppid()) != -EPERM ||
		    ioctl_detach(self->fd, self->target) != -EPERM)
			_exit(4);
		/* What it was given, it may read, and nothing else. */
		_exit(read(text, byte, 8) == 8 ? 0 : 5);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	close(text);
}

TEST_F(text, of_another_user_namespace_is_none)
{
	if (unshare(CLONE_NEWUSER))
		SKIP(return, "no user namespaces");
	EXPECT_EQ(-EPERM, text_open(self->fd, MMLENS_TEXT_MM, 0));
	EXPECT_EQ(-EPERM, ioctl_attach(self->fd, getpid()));
}

/* Booted with debugfs=off. */
TEST(all_of_it_is_there_without_debugfs)
{
	int fd = device_open(O_RDWR), ask;

	if (!access(LENS, F_OK))
		SKIP(return, "there is debugfs; boot with debugfs=off");
	ASSERT_LE(0, fd);
	for (size_t i = 0; i < ARRAY_SIZE(process_texts); i++) {
		char *text = read_text(fd, process_texts[i].what, 0);

		ASSERT_NE(NULL, text) TH_LOG("%s", process_texts[i].name);
		EXPECT_LT(20, strlen(text));
		free(text);
	}
	for (size_t i = 0; i < ARRAY_SIZE(kernel_texts); i++) {
		char *text = read_text(fd, kernel_texts[i].what, 0);

		if (!text && kernel_texts[i].what == MMLENS_TEXT_KERNEL_PAGETABLE)
			continue;
		ASSERT_NE(NULL, text) TH_LOG("%s", kernel_texts[i].name);
		EXPECT_LT(20, strlen(text));
		free(text);
	}
	ask = text_open(fd, MMLENS_TEXT_QUERY, 0);
	EXPECT_NE(NULL, strstr(query(ask, "find_vma %lx", (unsigned long)&fd), "[stack]"));
	/* There is nowhere to make a folder. */
	EXPECT_EQ(-ENODEV, ioctl_attach(fd, getpid()));
	EXPECT_EQ(-ENODEV, ioctl_detach(fd, getpid()));
}

FIXTURE(pinned)
{
	int fd;
};

FIXTURE_SETUP(pinned)
{
	if (!module_file())
		SKIP(return, "there is no mmlens.ko; say where by MMLENS_KO");
	ASSERT_EQ(0, module_uses());
}

FIXTURE_TEARDOWN(pinned)
{
	if (module_file() && module_uses() < 0)
		module_load("");
}

TEST_F(pinned, module_stays_while_a_text_is_open)
{
	for (size_t i = 0; i < ARRAY_SIZE(process_texts); i++) {
		int device = device_open(O_RDWR);
		int text = text_open(device, process_texts[i].what, 0);

		ASSERT_LE(0, text);
		close(device);
		EXPECT_EQ(1, module_uses());
		EXPECT_EQ(-EWOULDBLOCK, module_unload());
		free(read_fd(text, NULL));
		close(text);
		EXPECT_EQ(0, module_uses());
	}
	EXPECT_EQ(0, module_unload());
}

TEST_F(text, attach_and_detach_are_those_of_debugfs)
{
	pid_t other = target_start(some_memory, NULL);

	EXPECT_FALSE(has_folder(other));
	EXPECT_EQ(0, ioctl_attach(self->fd, other));
	EXPECT_TRUE(has_folder(other));
	EXPECT_STREQ("user", target_state(other));
	EXPECT_EQ(-EEXIST, ioctl_attach(self->fd, other));
	EXPECT_EQ(-EEXIST, lens_attach(other));
	EXPECT_EQ(-EEXIST, ioctl_attach(self->fd, self->target));
	EXPECT_EQ(0, ioctl_detach(self->fd, other));
	EXPECT_FALSE(has_folder(other));
	EXPECT_EQ(-ENOENT, ioctl_detach(self->fd, other));
	EXPECT_EQ(0, lens_attach(other));
	EXPECT_EQ(0, ioctl_detach(self->fd, other));
	EXPECT_EQ(-EINVAL, ioctl_attach(self->fd, -1));
	EXPECT_EQ(-EINVAL, ioctl_detach(self->fd, -1));
	EXPECT_EQ(-ESRCH, ioctl_attach(self->fd, 0x7fffffff));
	EXPECT_EQ(-ENOENT, ioctl_detach(self->fd, 0x7fffffff));
	/* The caller. */
	EXPECT_EQ(0, ioctl_attach(self->fd, 0));
	EXPECT_TRUE(has_folder(getpid()));
	EXPECT_EQ(-EEXIST, ioctl_attach(self->fd, getpid()));
	EXPECT_EQ(0, ioctl_detach(self->fd, 0));
	EXPECT_FALSE(has_folder(getpid()));
	/* A process that is gone can still be detached. */
	EXPECT_EQ(0, ioctl_attach(self->fd, other));
	target_end(other);
	EXPECT_EQ(-ESRCH, ioctl_attach(self->fd, other));
	EXPECT_EQ(0, ioctl_detach(self->fd, other));
}

TEST_HARNESS_MAIN

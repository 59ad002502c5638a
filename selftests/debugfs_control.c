// SPDX-License-Identifier: GPL-2.0
/* Which processes can be looked at: attach, detach, targets, self. */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "lib/lens.h"
#include "lib/proc.h"
#include "lib/targets.h"
#include "lib/util.h"

FIXTURE(control)
{
	pid_t target;
};

FIXTURE_SETUP(control)
{
	self->target = target_start(nothing, NULL);
	ASSERT_LT(0, self->target);
}

FIXTURE_TEARDOWN(control)
{
	lens_detach(self->target);
	target_end(self->target);
}

TEST_F(control, attach_makes_a_folder_and_detach_removes_it)
{
	struct stat st;
	char path[96];

	EXPECT_FALSE(has_folder(self->target));
	ASSERT_EQ(0, lens_attach(self->target));
	for (size_t i = 0; i < NR_FILES; i++) {
		snprintf(path, sizeof(path), LENS "/%d/%s", self->target, target_files[i]);
		ASSERT_EQ(0, stat(path, &st));
		EXPECT_EQ(S_IFREG | 0400, st.st_mode);
	}
	EXPECT_STREQ("user", target_state(self->target));
	ASSERT_EQ(0, lens_detach(self->target));
	EXPECT_FALSE(has_folder(self->target));
	EXPECT_STREQ("", target_state(self->target));
}

TEST_F(control, not_a_number_is_refused)
{
	static const char *const words[] = {
		"", " ", "\n", "0", "00", "-1", "+1", "1 2", "1,2", "1x", "x1", "0x1", "1\n2",
		"self",
		"2147483648", "4294967297", "18446744073709551617", "1.0", "\xd9\xa1",
		"000000000000000000000000000000001",
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		EXPECT_EQ(-EINVAL, write_file(LENS "/attach", words[i])) TH_LOG("'%s'", words[i]);
		EXPECT_EQ(-EINVAL, write_file(LENS "/detach", words[i])) TH_LOG("'%s'", words[i]);
	}
	EXPECT_FALSE(has_folder(1));
}

TEST_F(control, a_nul_is_no_white_space)
{
	int fd = open(LENS "/attach", O_WRONLY);

	EXPECT_EQ(-1, write(fd, "1\0", 2));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, syscall(SYS_write, fd, 8L, 1L));
	EXPECT_EQ(EFAULT, errno);
	close(fd);
}

TEST_F(control, white_space_around_the_number_is_fine)
{
	static const char *const formats[] = {
		"%d", "%d\n", " %d", "\t%d \n", "000%d", "\n%d\r\n",
	};
	char text[32];

	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		snprintf(text, sizeof(text), formats[i], self->target);
		EXPECT_EQ(0, write_file(LENS "/attach", text)) TH_LOG("'%s'", formats[i]);
		EXPECT_EQ(0, write_file(LENS "/detach", text)) TH_LOG("'%s'", formats[i]);
	}
}

TEST_F(control, no_such_task)
{
	EXPECT_EQ(-ESRCH, write_file(LENS "/attach", "2147483647"));
	EXPECT_EQ(-ENOENT, write_file(LENS "/detach", "2147483647"));
	/* Reaped: gone for good. */
	target_end(self->target);
	EXPECT_EQ(-ESRCH, lens_attach(self->target));
}

TEST_F(control, twice)
{
	ASSERT_EQ(0, lens_attach(self->target));
	EXPECT_EQ(-EEXIST, lens_attach(self->target));
	ASSERT_EQ(0, lens_detach(self->target));
	EXPECT_EQ(-ENOENT, lens_detach(self->target));
	/* And once more from the beginning. */
	EXPECT_EQ(0, lens_attach(self->target));
}

TEST_F(control, targets_are_listed_in_order)
{
	pid_t other = target_start(nothing, NULL);
	char want[128], *text;

	ASSERT_EQ(0, lens_attach(other));
	ASSERT_EQ(0, lens_attach(self->target));
	text = read_file(LENS "/targets", NULL);
	ASSERT_NE(NULL, text);
	EXPECT_EQ(0, strncmp(text, "# pid state    comm\n", 20));
	snprintf(want, sizeof(want),
		 "%-5d user     debugfs_control\n%-5d user     debugfs_control\n", other,
		 self->target);
	EXPECT_NE(NULL, strstr(text, want)) TH_LOG("%s", text);
	free(text);
	EXPECT_EQ(0, lens_detach(other));
	target_end(other);
}

/* The number in the next line of a list, which is read byte by byte; 0 at its end. */
static pid_t next_listed(int list)
{
	char line[64];
	size_t len = 0;

	while (len < sizeof(line) - 1 && read(list, line + len, 1) == 1 && line[len] != '\n')
		len++;
	line[len] = '\0';
	return atoi(line);
}

/* The same while others come and go: those that stay are there, and no one is there twice. */
TEST_F(control, the_list_goes_on_where_it_was)
{
	pid_t pids[5] = { self->target }, pid;
	int list = open(LENS "/targets", O_RDONLY);

	ASSERT_LE(0, list);
	for (size_t i = 1; i < ARRAY_SIZE(pids); i++)
		pids[i] = target_start(nothing, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
		ASSERT_EQ(0, lens_attach(pids[i]));
	/* The heading, and those of others, if there are any. */
	EXPECT_EQ(0, next_listed(list));
	while ((pid = next_listed(list)) && pid != pids[0])
		;
	EXPECT_EQ(pids[0], pid);
	EXPECT_EQ(0, lens_detach(pids[0]));
	EXPECT_EQ(pids[1], next_listed(list));
	EXPECT_EQ(0, lens_attach(pids[0]));
	/* seq_file has the next line already. */
	EXPECT_EQ(0, lens_detach(pids[3]));
	EXPECT_EQ(pids[2], next_listed(list));
	EXPECT_EQ(pids[4], next_listed(list));
	EXPECT_EQ(pids[0], next_listed(list));
	EXPECT_EQ(0, next_listed(list));
	for (size_t i = 1; i < ARRAY_SIZE(pids); i++) {
		lens_detach(pids[i]);
		target_end(pids[i]);
	}
	close(list);
}

static void rename_oddly(void *arg)
{
	(void)arg;
	prctl(PR_SET_NAME, "a\\ b\n\x7f\xc3\xa9");
}

TEST(odd_names_are_escaped)
{
	pid_t pid = target_start(rename_oddly, NULL);
	char *text, *comm;

	ASSERT_EQ(0, lens_attach(pid));
	text = read_file(LENS "/targets", NULL);
	EXPECT_NE(NULL, strstr(text, " a\\134 b\\012\\177\\303\\251\n")) TH_LOG("%s", text);
	comm = lens_mm(pid, "comm");
	EXPECT_STREQ("a\\134 b\\012\\177\\303\\251", comm);
	free(comm);
	free(text);
	EXPECT_EQ(0, lens_detach(pid));
	target_end(pid);
}

TEST_F(control, detach_ends_open_files)
{
	char byte[64];

	ASSERT_EQ(0, lens_attach(self->target));
	for (size_t i = 0; i < NR_FILES; i++) {
		int fd = lens_open(self->target, target_files[i]);

		ASSERT_LE(0, fd);
		ASSERT_LT(0, read(fd, byte, 10));
		ASSERT_EQ(0, lens_detach(self->target));
		EXPECT_EQ(-1, read(fd, byte, sizeof(byte)));
		EXPECT_EQ(EIO, errno);
		ASSERT_EQ(0, lens_attach(self->target));
		/* Not revived by the new folder. */
		EXPECT_EQ(-1, pread(fd, byte, sizeof(byte), 0));
		EXPECT_EQ(EIO, errno);
		close(fd);
	}
}

static void *detach_it(void *arg)
{
	return (void *)(long)lens_detach(*(pid_t *)arg);
}

struct read_call {
	int fd;
	char *to;
};

static void *read_it(void *arg)
{
	struct read_call *me = arg;

	return (void *)read(me->fd, me->to, page_size());
}

static bool is_listed(pid_t pid)
{
	char *text = read_file(LENS "/targets", NULL), line[16];
	bool is;

	snprintf(line, sizeof(line), "\n%d ", pid);
	is = text && strstr(text, line);
	free(text);
	return is;
}

/* Whether one of the lines that can be read from the kernel's log now has the words. */
static bool log_has(int kmsg, const char *words)
{
	char line[1024];
	bool has = false;
	ssize_t got;

	while ((got = read(kmsg, line, sizeof(line) - 1)) > 0 || errno == EPIPE) {
		line[got > 0 ? got : 0] = '\0';
		has |= !!strstr(line, words);
	}
	return has;
}

/*
 * A read waits for the page where it is to store what it has read, for as long as we like; detach
 * waits for the read. Meanwhile the folder is there, and cannot be made.
 */
TEST_F(control, attach_while_detach_waits)
{
	int uffd = syscall(SYS_userfaultfd, O_NONBLOCK | O_CLOEXEC);
	int kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct uffdio_register watched = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_api api = { .api = UFFD_API };
	struct pollfd fault = { .fd = uffd, .events = POLLIN };
	struct read_call call;
	pthread_t reader, detacher;
	pid_t pid = getpid();
	void *ret;

	if (uffd < 0)
		SKIP(return, "userfaultfd: %s", strerror(errno));
	ASSERT_LE(0, kmsg);
	ASSERT_LE(0, lseek(kmsg, 0, SEEK_END));
	ASSERT_EQ(0, lens_attach(pid));
	call.fd = lens_open(pid, "mm");
	ASSERT_LE(0, call.fd);
	call.to = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);
	watched.range.start = (uintptr_t)call.to;
	watched.range.len = page_size();
	ASSERT_EQ(0, ioctl(uffd, UFFDIO_API, &api));
	ASSERT_EQ(0, ioctl(uffd, UFFDIO_REGISTER, &watched));
	ASSERT_EQ(0, pthread_create(&reader, NULL, read_it, &call));
	ASSERT_EQ(1, poll(&fault, 1, -1));
	ASSERT_EQ(0, pthread_create(&detacher, NULL, detach_it, &pid));
	/* Before it has begun, detach would wait here, and for ever. */
	while (is_listed(pid))
		usleep(1000);
	for (int i = 0; i < 20; i++) {
		EXPECT_EQ(-EEXIST, lens_attach(pid));
		usleep(5000);
	}
	EXPECT_EQ(-ENOENT, lens_detach(pid));
	ASSERT_EQ(0, ioctl(uffd, UFFDIO_UNREGISTER, &watched.range));
	ASSERT_EQ(0, pthread_join(reader, &ret));
	EXPECT_LT(0, (long)ret);
	ASSERT_EQ(0, pthread_join(detacher, &ret));
	EXPECT_EQ(0, (long)ret);
	EXPECT_FALSE(log_has(kmsg, "already exists"));
	EXPECT_EQ(0, lens_attach(pid));
	EXPECT_EQ(0, lens_detach(pid));
	close(call.fd);
	close(kmsg);
	close(uffd);
}

TEST_F(control, self_is_the_one_who_opens)
{
	int fd = lens_open(0, "mm"), status;
	char line[32];
	pid_t pid;

	EXPECT_EQ(getpid(), (int)lens_mm_number(0, "pid"));
	pid = fork();
	if (!pid) {
		bool good = (int)lens_mm_number(0, "pid") == getpid();
		int old = 0;

		/* A descriptor goes on showing the one who opened it. */
		if (read(fd, line, sizeof(line) - 1) <= 0 || sscanf(line, "pid: %d", &old) != 1)
			good = false;
		_exit(!(good && old == getppid()));
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_F_TIMEOUT(control, at_most_1024_targets, 200)
{
	pid_t *pids = calloc(1100, sizeof(*pids));
	int attached, ret = 0;

	if (kernel_is_slow())
		SKIP(return, "it takes too long here");
	for (attached = 0; attached < 1100; attached++) {
		pids[attached] = child_fork();
		if (!pids[attached]) {
			for (;;)
				pause();
		}
		ret = lens_attach(pids[attached]);
		if (ret)
			break;
	}
	EXPECT_EQ(-ENOSPC, ret);
	EXPECT_EQ(1024, attached);
	for (int i = 0; i <= attached; i++) {
		if (i < attached)
			EXPECT_EQ(0, lens_detach(pids[i]));
		target_end(pids[i]);
	}
	free(pids);
}

TEST_HARNESS_MAIN

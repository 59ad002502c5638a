// SPDX-License-Identifier: GPL-2.0
/* What can be a target: processes, threads, kernel threads, the dead, those of other namespaces. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "lib/lens.h"
#include "lib/proc.h"
#include "lib/targets.h"
#include "lib/util.h"

/* What opening a file of a target says: 0 or a negative errno. */
static int open_error(pid_t pid, const char *file)
{
	int fd = lens_open(pid, file);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

FIXTURE(target_kinds)
{
	pid_t target;
};

FIXTURE_SETUP(target_kinds)
{
	self->target = target_start(nothing, NULL);
	ASSERT_LT(0, self->target);
}

FIXTURE_TEARDOWN(target_kinds)
{
	lens_detach(self->target);
	target_end(self->target);
}

TEST_F(target_kinds, kernel_thread_has_no_memory)
{
	char *mm;

	/* kthreadd. Somebody else may have it attached. */
	lens_detach(2);
	ASSERT_EQ(0, lens_attach(2));
	EXPECT_STREQ("kernel", target_state(2));
	mm = lens_mm(2, "mm");
	ASSERT_NE(NULL, mm);
	EXPECT_EQ(0, strncmp(mm, "none: ", 6));
	free(mm);
	mm = lens_mm(2, "active_mm");
	EXPECT_NE(NULL, mm);
	free(mm);
	for (size_t i = 1; i < NR_FILES; i++) {
		char *text = lens_read(2, target_files[i], NULL), *next = text, *line;

		ASSERT_NE(NULL, text);
		while ((line = strsep(&next, "\n")))
			EXPECT_TRUE(!*line || *line == '#');
		free(text);
	}
	EXPECT_EQ(0, lens_detach(2));
}

TEST_F(target_kinds, zombie_is_a_target_without_memory)
{
	pid_t zombie = fork();

	if (!zombie)
		_exit(0);
	while (proc_state(zombie) != 'Z')
		usleep(1000);
	/* It is still a task. */
	ASSERT_EQ(0, lens_attach(zombie));
	EXPECT_STREQ("exited", target_state(zombie));
	for (size_t i = 0; i < NR_FILES; i++)
		EXPECT_EQ(-ESRCH, open_error(zombie, target_files[i]));
	target_end(zombie);
	EXPECT_STREQ("exited", target_state(zombie));
	for (size_t i = 0; i < NR_FILES; i++)
		EXPECT_EQ(-ESRCH, open_error(zombie, target_files[i]));
	EXPECT_EQ(-ESRCH, lens_attach(zombie));
	EXPECT_EQ(0, lens_detach(zombie));
}

TEST_F(target_kinds, exited_target_stays_until_detached)
{
	char byte[16];
	int mm, entries;

	ASSERT_EQ(0, lens_attach(self->target));
	mm = lens_open(self->target, "mm");
	entries = lens_open(self->target, "entries");
	ASSERT_LT(0, read(entries, byte, 8));
	target_end(self->target);
	EXPECT_STREQ("exited", target_state(self->target));
	EXPECT_TRUE(has_folder(self->target));
	for (size_t i = 0; i < NR_FILES; i++)
		EXPECT_EQ(-ESRCH, open_error(self->target, target_files[i]));

	/* What was open says so, or ends. */
	for (int i = 0; i < 1000; i++)
		if (read(entries, byte, sizeof(byte)) <= 0)
			break;
	EXPECT_EQ(0, read(entries, byte, sizeof(byte)));
	close(entries);
	{
		char *text = read_fd(mm, NULL);

		ASSERT_NE(NULL, text);
		EXPECT_NE(NULL, strstr(text, " gone: the process has exited\n"))
			TH_LOG("%s", text);
		free(text);
	}
	EXPECT_EQ(0, lens_detach(self->target));
	EXPECT_FALSE(has_folder(self->target));
}

TEST_F(target_kinds, a_new_process_takes_the_place_of_a_dead_one)
{
	pid_t pid = self->target, again;

	ASSERT_EQ(0, lens_attach(pid));
	target_end(pid);
	if (write_number("/proc/sys/kernel/ns_last_pid", pid - 1))
		SKIP(return, "pids cannot be chosen");
	again = target_start(nothing, NULL);
	self->target = again;
	if (again != pid)
		SKIP(return, "somebody else got the pid");
	/* The folder is the dead one's. */
	EXPECT_STREQ("exited", target_state(pid));
	EXPECT_EQ(-ESRCH, open_error(pid, "mm"));
	ASSERT_EQ(0, lens_attach(pid));
	EXPECT_STREQ("user", target_state(pid));
	EXPECT_EQ(0, open_error(pid, "entries"));
	EXPECT_EQ(-EEXIST, lens_attach(pid));
	EXPECT_EQ(0, lens_detach(pid));
}

/* A process with a thread: its id is written to @arg. */
static int sleep_as_thread(void *arg)
{
	*(volatile int *)arg = gettid();
	for (;;)
		pause();
	return 0;
}

static void start_thread(void *arg)
{
	char *stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	clone(sleep_as_thread, stack + 65536,
	      CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD, arg);
	while (!*(volatile int *)arg)
		usleep(1000);
}

TEST_F(target_kinds, thread_id_is_a_target)
{
	volatile int *tid = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = target_start(start_thread, (void *)tid);

	ASSERT_LT(0, pid);
	ASSERT_NE(pid, *tid);
	ASSERT_EQ(0, lens_attach(*tid));
	EXPECT_EQ(*tid, (int)lens_mm_number(*tid, "pid"));
	EXPECT_EQ(pid, (int)lens_mm_number(*tid, "tgid"));
	/* Both are targets of their own, with the same memory. */
	ASSERT_EQ(0, lens_attach(pid));
	EXPECT_EQ(lens_mm_number(pid, "pgd"), lens_mm_number(*tid, "pgd"));
	EXPECT_EQ(0, lens_detach(pid));
	EXPECT_EQ(0, open_error(*tid, "vmas"));
	EXPECT_EQ(0, lens_detach(*tid));
	target_end(pid);
}

static volatile int *answers;

/* A child that does it as number 1 of a pid namespace, and tells by the answers. */
static pid_t start_as_1(void (*what)(void))
{
	pid_t pid;

	answers = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (answers == MAP_FAILED || unshare(CLONE_NEWPID))
		return -errno;
	pid = child_fork();
	if (!pid) {
		what();
		_exit(0);
	}
	return pid;
}

/* The writer's numbers count. */
static void attach_self_as_1(void)
{
	answers[0] = getpid();
	answers[1] = lens_attach(1);
	answers[2] = lens_attach(1);
	answers[3] = write_file(LENS "/attach", "2147483647");
	answers[4] = 1;
	for (;;)
		pause();
}

TEST_F(target_kinds, numbers_are_those_of_the_writers_pid_namespace)
{
	pid_t pid = start_as_1(attach_self_as_1);

	ASSERT_LT(0, pid);
	for (int i = 0; i < 20000 && !answers[4]; i++)
		usleep(1000);
	EXPECT_EQ(1, answers[0]);
	EXPECT_EQ(0, answers[1]);
	EXPECT_EQ(-EEXIST, answers[2]);
	EXPECT_EQ(-ESRCH, answers[3]);
	/* Named by the number that it has here. */
	EXPECT_TRUE(has_folder(pid));
	EXPECT_EQ(pid, (int)lens_mm_number(pid, "pid"));
	EXPECT_EQ(0, lens_detach(pid));
	target_end(pid);
}

static bool lists_a(const char *state)
{
	char *text = read_file(LENS "/targets", NULL);
	bool does = text && strstr(text, state);

	free(text);
	return does;
}

/* As number 1 of a namespace: a process that is dead, and another one with its number. */
static void two_of_one_number(void)
{
	pid_t pid = target_start(nothing, NULL);

	answers[1] = lens_attach(pid);
	target_end(pid);
	if (write_number("/proc/sys/kernel/ns_last_pid", pid - 1) ||
	    target_start(nothing, NULL) != pid) {
		lens_detach(pid);
		return;
	}
	answers[2] = lens_attach(pid);
	answers[3] = lists_a(" user ");
	answers[4] = lens_detach(pid);
	answers[5] = lists_a(" user ");
	answers[6] = lists_a(" exited ");
	answers[7] = lens_detach(pid);
	answers[8] = lists_a(" exited ");
	answers[9] = lens_detach(pid);
	target_end(pid);
	answers[0] = 1;
}

/* In a namespace there can be two with one number: by their numbers here they are different. */
TEST_F(target_kinds, detach_takes_the_one_that_lives)
{
	pid_t pid = start_as_1(two_of_one_number);
	int status;

	ASSERT_LT(0, pid);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
	if (!answers[0])
		SKIP(return, "pids cannot be chosen");
	EXPECT_EQ(0, answers[1]);
	EXPECT_EQ(0, answers[2]);
	EXPECT_TRUE(answers[3]);
	EXPECT_EQ(0, answers[4]);
	EXPECT_FALSE(answers[5]);
	EXPECT_TRUE(answers[6]);
	EXPECT_EQ(0, answers[7]);
	EXPECT_FALSE(answers[8]);
	EXPECT_EQ(-ENOENT, answers[9]);
}

TEST_HARNESS_MAIN

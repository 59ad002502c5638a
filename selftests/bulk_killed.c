// SPDX-License-Identifier: GPL-2.0
/*
 * Signals to who looks at a process: one that kills ends it, also while it waits for the
 * process that it looks at; one that is handled does not disturb it.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>

#include "kselftest_harness.h"
#include "lib/arena.h"
#include "lib/device.h"
#include "lib/module.h"
#include "lib/texts.h"
#include "lib/util.h"
#include "lib/walk.h"

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define ROOM (256 << 10)
#define TABLES 64
#define MIB (1UL << 20)

/* Memory that takes a while to look at: a page in each of many tables. */
static void many_tables(void *arg)
{
	const size_t span = page_size() / 8 * page_size();
	char *map = map_alone(RW, ANON | MAP_NORESERVE, -1, TABLES * span / page_size(), 0);

	(void)arg;
	for (size_t i = 0; i < TABLES; i++)
		map[i * span] = 1;
	if (mlockall(MCL_CURRENT | MCL_ONFAULT))
		abort();
}

FIXTURE(killed)
{
	pid_t target;
	int fd;
	long uses;
};

FIXTURE_SETUP(killed)
{
	self->uses = module_uses();
	self->fd = device_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	self->target = target_start(many_tables, NULL);
	ASSERT_LT(0, self->target);
}

FIXTURE_TEARDOWN(killed)
{
	target_end(self->target);
	close(self->fd);
	EXPECT_EQ(self->uses, module_uses());
}

/* Looks again and again, in whatever way; never returns. */
static void look(int fd, pid_t pid, unsigned int how)
{
	static char buffer[ROOM];

	for (;;) {
		struct mmlens_walk walk = walk_of(pid, how);
		int text;

		if (how <= MMLENS_FORM_COUNTS) {
			if (how == MMLENS_FORM_ENTRIES)
				walk.flags = MMLENS_WALK_PAGES;
			if (walk_call(fd, &walk, buffer, ROOM))
				_exit(1);
			continue;
		}
		text = text_open(fd, how == MMLENS_FORM_COUNTS + 1 ? MMLENS_TEXT_ENTRIES :
				 MMLENS_TEXT_PAGETABLE, pid);
		if (text < 0)
			_exit(1);
		while (read(text, buffer, ROOM) > 0)
			;
		close(text);
	}
}

/* In any state: it is gone, by that signal and with nothing of ours held. */
TEST_F_TIMEOUT(killed, ends_a_look, 120)
{
	for (unsigned int how = 0; how <= MMLENS_FORM_COUNTS + 2; how++) {
		for (unsigned long round = 0; round < effort(8); round++) {
			pid_t pid = fork();
			int status;

			if (!pid)
				look(self->fd, self->target, how);
			usleep(20000 + 7000 * round);
			ASSERT_EQ(0, kill(pid, SIGKILL));
			ASSERT_EQ(pid, waitpid(pid, &status, 0));
			EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
				TH_LOG("way %u: status %x", how, status);
		}
	}
}

/* The state of a process as /proc/PID/stat has it. */
static char state_of(pid_t pid)
{
	char path[32], *text, state = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	text = read_file(path, NULL);
	if (text)
		state = *(strrchr(text, ')') + 2);
	free(text);
	return state;
}

/*
 * Whether it sleeps and cannot be disturbed, before @other has ended: longer than it would for a
 * page of its own or the like.
 */
static bool comes_to_wait(pid_t pid, pid_t other)
{
	for (int looks = 0; looks < 10; usleep(500)) {
		char state = state_of(pid);

		if (state == 'Z' || state_of(other) == 'Z')
			return false;
		looks = state == 'D' ? looks + 1 : 0;
	}
	return true;
}

/* How long one that is killed has to be gone, in steps of 10 ms. */
#define PATIENCE 1000

/*
 * One makes a large buffer, and has its processor only when nobody else wants it; another, which
 * has the same file, waits in mmap() until it is made, and with its mmap lock; a third waits for
 * that, to look at the second, and is killed. Meanwhile somebody else wants the processor of the
 * first. Returns whether the third was gone before the second had its mapping; -1: they were too
 * fast.
 */
static int kill_one_who_waits(int fd)
{
	struct mmlens_setup setup = device_words("vmalloc", 192 * MIB / page_size());
	static const struct sched_param none;
	int buffer = device_open(O_RDWR), ret = -1;
	pid_t maker, hog, mapper, looker = 0;

	maker = child_fork();
	if (!maker) {
		run_on(1);
		sched_setscheduler(0, SCHED_IDLE, &none);
		_exit(!!ioctl(buffer, MMLENS_IOC_SETUP, &setup));
	}
	usleep(10000);
	hog = child_fork();
	if (!hog) {
		run_on(1);
		for (;;)
			;
	}
	run_on(0);
	mapper = child_fork();
	if (!mapper) {
		device_map(buffer, RW, MAP_SHARED, 1, 0);
		_exit(0);
	}
	if (!comes_to_wait(mapper, maker))
		goto out;
	looker = child_fork();
	if (!looker)
		look(fd, mapper, MMLENS_FORM_VMAS);
	if (!comes_to_wait(looker, mapper))
		goto out;
	kill(looker, SIGKILL);
	ret = 0;
	for (int i = 0; i < PATIENCE && !ret; i++, usleep(10000))
		ret = waitpid(looker, NULL, WNOHANG) == looker;
	if (ret)
		looker = 0;
	if (state_of(mapper) != 'D')
		ret = -1;
out:
	target_end(hog);
	waitpid(mapper, NULL, 0);
	waitpid(maker, NULL, 0);
	target_end(looker);
	close(buffer);
	return ret;
}

TEST_F_TIMEOUT(killed, while_it_waits_for_the_mmap_lock, 120)
{
	int ret = -1;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "there is one processor");
	if (device_info(self->fd).max_bytes < 192 * MIB)
		SKIP(return, "buffers cannot be that large");
	for (int i = 0; ret < 0 && i < 8; i++)
		ret = kill_one_who_waits(self->fd);
	if (ret < 0)
		SKIP(return, "a large buffer is made too fast");
	EXPECT_EQ(1, ret);
}

static volatile sig_atomic_t ticks;

static void on_tick(int signal)
{
	(void)signal;
	ticks++;
}

static const struct itimerval often = { { 0, 2000 }, { 0, 2000 } }, never;

/* Counts are told apart by the calls, whose number may differ: what they counted is the same. */
static bool are_same(unsigned int form, const struct records *expected, const struct records *got)
{
	if (form == MMLENS_FORM_COUNTS)
		return got->nr == expected->nr;
	return got->nr == expected->nr && got->size == expected->size &&
	       !memcmp(expected->bytes, got->bytes, got->size);
}

/* Where they differ first, by words. */
static void show_difference(const struct records *expected, const struct records *got)
{
	const uint64_t *one = (void *)expected->bytes, *other = (void *)got->bytes;
	size_t bytes = expected->size < got->size ? expected->size : got->size;
	size_t words = bytes / sizeof(*one), at = 0;

	while (at < words && one[at] == other[at])
		at++;
	printf("# %zu bytes, %llu records; with signals %zu, %llu", expected->size,
	       (unsigned long long)expected->nr, got->size, (unsigned long long)got->nr);
	if (at < words)
		printf("; word %zu is %#llx, with signals %#llx", at,
		       (unsigned long long)one[at], (unsigned long long)other[at]);
	printf("\n");
}

/*
 * How often something of who is stopped may change by the kernel's own hand between two looks.
 * What is locked neither ages nor is swapped; it can still be moved.
 */
#define CHANGES 4

/*
 * Whether the same is told with signals as without, where without them it is what was @expected,
 * or else what is expected from then on.
 */
static bool is_told(int fd, const struct mmlens_walk *walk, struct records *expected)
{
	for (int i = 0; i <= CHANGES; i++) {
		struct records got;
		bool same;

		setitimer(ITIMER_REAL, &often, NULL);
		if (walk_all(fd, walk, ROOM, &got))
			return false;
		setitimer(ITIMER_REAL, &never, NULL);
		same = are_same(walk->form, expected, &got);
		if (!same) {
			show_difference(expected, &got);
			walk_free(expected);
			if (walk_all(fd, walk, ROOM, expected))
				return false;
			same = are_same(walk->form, expected, &got);
		}
		walk_free(&got);
		if (same)
			return true;
	}
	return false;
}

/* Signals that are handled: nothing fails, and nothing is told otherwise than without. */
TEST_F_TIMEOUT(killed, handled_signals_do_not_disturb, 120)
{
	/* No SA_RESTART: a call that gives up would be seen. */
	struct sigaction action = { .sa_handler = on_tick };
	struct records expected;

	sigaction(SIGALRM, &action, NULL);
	for (unsigned int form = 0; form <= MMLENS_FORM_COUNTS; form++) {
		struct mmlens_walk walk = walk_of(self->target, form);

		ASSERT_EQ(0, walk_all(self->fd, &walk, ROOM, &expected));
		/* Some of each, and at least until there was a signal. */
		for (unsigned long round = 0; round < effort(10) || !ticks; round++)
			EXPECT_TRUE(is_told(self->fd, &walk, &expected)) TH_LOG("form %u", form);
		walk_free(&expected);
	}
	EXPECT_LT(0, ticks);
}

TEST_HARNESS_MAIN

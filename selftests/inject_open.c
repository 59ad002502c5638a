// SPDX-License-Identifier: GPL-2.0
/*
 * What opens and closes the device, and says what a descriptor begins with, with one failure
 * after the other in it.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/group.h"
#include "lib/inject.h"
#include "lib/knobs.h"
#include "lib/setups.h"
#include "lib/util.h"

#define PAGES 8
#define RW (PROT_READ | PROT_WRITE)

FIXTURE(inject_open)
{
	struct sweep sweep;
};

FIXTURE_SETUP(inject_open)
{
	SWEEP_SETUP(&self->sweep);
	GROUP_SETUP();
}

FIXTURE_TEARDOWN(inject_open)
{
	EXPECT_NOTHING_LEFT(&self->sweep);
	knobs_restore();
	GROUP_TEARDOWN();
}

TEST_F_TIMEOUT(inject_open, fails_as_a_whole, 300)
{
	for_each_failure(&self->sweep, 3) {
		int fd = INJECT(&self->sweep, device_open(O_RDWR));

		if (fd < 0) {
			EXPECT_INJECTED(&self->sweep, errno);
			continue;
		}
		EXPECT_EQ(0, device_info(fd).bytes);
		close(fd);
	}
}

/*
 * close() cannot say that something failed in it, and lets go of all the same. Neither what it
 * gives back nor a VMA that goes as a whole need want memory, or copy anything.
 */
TEST_F_TIMEOUT(inject_open, close_cannot_fail, 300)
{
	for_each_failure(&self->sweep, 0) {
		int fd = device_make("vmap,pfnmap,track", PAGES);
		char *map = device_map(fd, RW, MAP_SHARED, PAGES, 0);

		ASSERT_NE(MAP_FAILED, map);
		fill_pages(map, PAGES, 1);
		EXPECT_EQ(0, INJECT_IF_ANY(&self->sweep, munmap(map, PAGES * page_size())));
		if (self->sweep.failed)
			munmap(map, PAGES * page_size());
		EXPECT_EQ(0, device_info(fd).mappings);
		sweep_arm(&self->sweep, 0);
		close(fd);
		sweep_disarm(&self->sweep);
	}
}

/* What a descriptor begins with: as it was, or as it is to be. */
TEST_F_TIMEOUT(inject_open, parameter_is_set_as_a_whole, 300)
{
	static const char words[] = "vmap,pfnmap,track";
	char *before = read_file(SETUP_PARAMETER, NULL);
	int file = open(SETUP_PARAMETER, O_WRONLY);

	ASSERT_LE(0, file);
	ASSERT_NE(NULL, before);
	for_each_failure(&self->sweep, 2) {
		ssize_t len = sizeof(words) - 1;
		ssize_t got = INJECT(&self->sweep, pwrite(file, words, len, 0));

		if (got != len) {
			char *now = read_file(SETUP_PARAMETER, NULL);

			EXPECT_EQ(-1, got);
			EXPECT_INJECTED(&self->sweep, errno);
			EXPECT_STREQ(before, now);
			free(now);
			ASSERT_EQ(len, pwrite(file, words, len, 0));
		}
		ASSERT_EQ(strlen(before), pwrite(file, before, strlen(before), 0));
	}
	close(file);
	free(before);
}

static volatile pid_t copy;

/*
 * Has no rseq area, so that what it forks does not write to that page and get its own. That is a
 * child of the one who sweeps, and dies with it.
 */
static int fork_copy(void *arg)
{
	pid_t pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL);

	(void)arg;
	if (!pid)
		syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	while (!pid)
		syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0);
	copy = pid;
	syscall(SYS_exit, 0);
	return 0;
}

/*
 * Of the sweep itself: who has moved to another CPU, and shares the page of its rseq area since
 * a fork, would get that page copied on the way to user mode, and killed if there is none.
 */
TEST_F_TIMEOUT(inject_open, who_sweeps_may_move, 300)
{
	static char stack[16 << 10] __attribute__((aligned(16)));
	cpu_set_t one;

	for_each_failure(&self->sweep, 1) {
		pid_t pid;

		copy = 0;
		pid = clone(fork_copy, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL);
		ASSERT_LT(0, pid);
		while (!copy)
			;
		ASSERT_LT(0, copy);
		CPU_ZERO(&one);
		CPU_SET(!sched_getcpu(), &one);
		sweep_arm(&self->sweep, __LINE__);
		syscall(SYS_sched_setaffinity, 0, sizeof(one), &one);
		sweep_disarm(&self->sweep);
		kill(copy, SIGKILL);
		EXPECT_EQ(copy, waitpid(copy, NULL, 0));
		EXPECT_EQ(pid, waitpid(pid, NULL, 0));
	}
}

TEST_HARNESS_MAIN_WITH_INJECTORS(1 << INJECT_SLAB | 1 << INJECT_COPY)

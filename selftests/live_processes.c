// SPDX-License-Identifier: GPL-2.0
/* Every process of a busy system, dumped while it runs: all lines have their form. */
#include <signal.h>
#include <time.h>

#include "kselftest_harness.h"
#include "lib/compare.h"
#include "lib/util.h"

static bool has_ended(int ret)
{
	return ret == -ESRCH || ret == -ENOENT || ret == -EIO;
}

/* Reads all files of a process. Returns 0, or what is wrong. */
static int dump(pid_t pid)
{
	struct lens_vmas vmas;
	struct lens_table table;
	int ret = lens_vmas(pid, &vmas);

	lens_vmas_free(&vmas);
	if (!ret) {
		ret = lens_entries(pid, &table);
		lens_table_free(&table);
	}
	if (!ret) {
		ret = lens_pagetable(pid, &table);
		lens_table_free(&table);
	}
	if (!ret)
		free(lens_mm(pid, "pgd"));
	return ret;
}

static void dump_all(struct __test_metadata *_metadata, time_t seconds)
{
	time_t end = time(NULL) + seconds;
	unsigned long dumped = 0, ended = 0, rounds = 0;

	/* Every process once, however long that takes. */
	for (; !rounds || time(NULL) < end; rounds++) {
		size_t nr;
		pid_t *pids = proc_pids(&nr);

		for (size_t i = 0; i < nr && (!rounds || time(NULL) < end); i++) {
			int ret = lens_attach(pids[i]);

			if (ret == -ESRCH)
				continue;
			ASSERT_EQ(0, ret);
			ret = dump(pids[i]);
			dumped += !ret;
			ended += has_ended(ret);
			EXPECT_TRUE(!ret || has_ended(ret))
				TH_LOG("%d: %s: %s", pids[i], strerror(-ret), lens_error);
			EXPECT_EQ(0, lens_detach(pids[i]));
		}
		free(pids);
	}
	TH_LOG("%lu dumped, %lu ended meanwhile", dumped, ended);
	EXPECT_LT(0, dumped);
}

FIXTURE(live)
{
	pid_t group;
};

FIXTURE_SETUP(live)
{
}

FIXTURE_TEARDOWN(live)
{
	if (self->group > 0) {
		kill(-self->group, SIGKILL);
		waitpid(self->group, NULL, 0);
	}
}

/* In a group of its own, with all its children. */
static pid_t start_group(char *const argv[])
{
	pid_t pid = fork();

	if (!pid) {
		setpgid(0, 0);
		if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
			_exit(1);
		execvp(argv[0], argv);
		_exit(127);
	}
	setpgid(pid, pid);
	return pid;
}

TEST_F_TIMEOUT(live, while_stress_ng_maps_and_forks, 120)
{
	char *const stress[] = {
		"stress-ng", "--vm", "1", "--vm-bytes", "24M", "--mmap", "1", "--mmap-bytes", "16M",
		"--fork", "1", "--mremap", "1", "--mremap-bytes", "8M", "--timeout", "100", NULL,
	};
	int status;

	self->group = start_group(stress);
	sleep(1);
	if (waitpid(self->group, &status, WNOHANG) == self->group) {
		self->group = 0;
		SKIP(return, "there is no stress-ng");
	}
	dump_all(_metadata, effort(6));
}

TEST_F_TIMEOUT(live, while_programs_come_and_go, 120)
{
	char *const shell[] = {
		"sh", "-c", "while :; do (cat /proc/self/maps; true | sort | head -1); done", NULL,
	};

	self->group = start_group(shell);
	dump_all(_metadata, effort(3));
}

TEST_HARNESS_MAIN

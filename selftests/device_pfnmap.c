// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's own test of VM_PFNMAP, tools/testing/selftests/mm/pfnmap.c, on buffers of
 * all kinds that are mapped by frame number.
 */
#include <fcntl.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/setups.h"
#include "lib/util.h"

FIXTURE(pfnmap)
{
	char *before;
};

FIXTURE_SETUP(pfnmap)
{
	self->before = read_file(SETUP_PARAMETER, NULL);
	ASSERT_NE(NULL, self->before);
}

FIXTURE_TEARDOWN(pfnmap)
{
	if (self->before)
		write_file(SETUP_PARAMETER, self->before);
	free(self->before);
}

/* Its exit status, or -1; what it said is in *text, to be freed. */
static int run(char **text)
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
		execl("./pfnmap", "pfnmap", "--", DEVICE, NULL);
		_exit(127);
	}
	close(fds[1]);
	*text = read_fd(fds[0], NULL);
	close(fds[0]);
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F_TIMEOUT(pfnmap, passes_the_kernel_s_own_test, 400)
{
	struct combo combo;

	for_each_combo(&combo) {
		char *text = NULL;
		int status;

		if (combo.kind != MMLENS_PAGE_KIND_PFNMAP)
			continue;
		ASSERT_EQ(0, write_file(SETUP_PARAMETER, combo.words)) TH_LOG("%s", combo.words);
		status = run(&text);
		/* Nothing was skipped, and all that there is was run. */
		EXPECT_EQ(KSFT_PASS, status);
		ASSERT_NE(NULL, text);
		EXPECT_NE(NULL, strstr(text, "# Totals: pass:6 fail:0 xfail:0 xpass:0 skip:0"));
		/* As comments: these are results of another program. */
		if (!__test_passed(_metadata))
			for (char *next = text, *line; (line = strsep(&next, "\n"));)
				fprintf(stderr, "# %s\n", line);
		free(text);
	}
}

/* So that the test above can fail: it does on what is not VM_PFNMAP. */
TEST_F(pfnmap, is_skipped_for_normal_pages)
{
	char *text = NULL;

	ASSERT_EQ(0, write_file(SETUP_PARAMETER, SETUP_DEFAULT));
	EXPECT_EQ(KSFT_SKIP, run(&text)) TH_LOG("%s", text);
	EXPECT_NE(NULL, strstr(text ? text : "", "Not pfnmap'ed"));
	free(text);
}

TEST_HARNESS_MAIN

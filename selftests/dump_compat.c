// SPDX-License-Identifier: GPL-2.0
/* The files of a 32-bit process: half of its addresses are small, and its tables are not. */
#include <errno.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "lib/compare_kind.h"
#include "lib/util.h"

FIXTURE(compat)
{
	pid_t target;
	uint64_t map;
};

/* The program stops by itself, once it has said where its memory is. */
FIXTURE_SETUP(compat)
{
	char text[16] = "";
	int fds[2], status;

	ASSERT_EQ(0, pipe(fds));
	self->map = 0;
	self->target = child_fork();
	if (!self->target) {
		dup2(fds[1], STDOUT_FILENO);
		execl("./program32", "program32", NULL);
		_exit(errno);
	}
	close(fds[1]);
	ASSERT_EQ(self->target, waitpid(self->target, &status, WUNTRACED));
	if (WIFEXITED(status)) {
		self->target = 0;
		SKIP(return, "cannot run a 32-bit program: %s", strerror(WEXITSTATUS(status)));
	}
	ASSERT_TRUE(WIFSTOPPED(status));
	ASSERT_EQ(9, read(fds[0], text, sizeof(text) - 1));
	self->map = strtoul(text, NULL, 16);
	ASSERT_EQ(0, lens_attach(self->target));
}

FIXTURE_TEARDOWN(compat)
{
	if (!self->target)
		return;
	lens_detach(self->target);
	target_end(self->target);
}

TEST_F(compat, is_shown_as_proc_does)
{
	EXPECT_EQ(0, compare_vmas(self->target)) TH_LOG("%s", compare_message);
	EXPECT_EQ(0, compare_entries(self->target)) TH_LOG("%s", compare_message);
	EXPECT_EQ(0, compare_pagetable(self->target)) TH_LOG("%s", compare_message);
	EXPECT_EQ(0, compare_smaps(self->target)) TH_LOG("%s", compare_message);
}

TEST_F(compat, has_small_addresses)
{
	uint64_t end = lens_mm_number(self->target, "task_size");
	struct lens_table table;
	const struct lens_entry *e;

	EXPECT_LT(1UL << 31, end);
	EXPECT_GE(1UL << 32, end);
	ASSERT_EQ(0, lens_entries(self->target, &table)) TH_LOG("%s", lens_error);
	for (size_t i = 0; i < table.nr_vmas; i++)
		EXPECT_GE(end, table.vma[i].end);
	/* All but the last page were written. */
	e = lens_find(&table, self->map);
	ASSERT_NE(NULL, e);
	EXPECT_EQ(LENS_LEAF, e->kind);
	EXPECT_STREQ("rw-", e->rwx);
	EXPECT_NE(NULL, lens_find(&table, self->map + 6 * 4096));
	if (page_size() == 4096)
		EXPECT_EQ(NULL, lens_find(&table, self->map + 7 * 4096));
	lens_table_free(&table);
}

TEST_HARNESS_MAIN

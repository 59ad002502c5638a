/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A memory cgroup of a test's own, so that a page which is lost is missed: kmemleak looks for
 * objects, and knows neither pages nor page tables.
 */
#ifndef MMLENS_SELFTESTS_GROUP_H
#define MMLENS_SELFTESTS_GROUP_H

#include <stdbool.h>

/* Whether the kernel has such groups: then a test that cannot make one has failed. */
bool group_is_possible(void);
/* Makes the group, for this process; 0 or a negative errno. */
int group_enter(void);
/* What the kernel has allocated for it, in pages; waits for it to be so little. */
long group_pages(long most);
void group_leave(void);

/* Pages for what a process has of its own, such as page tables. */
#define GROUP_REST 12

/* In the setup and the teardown of a fixture; between them all pages are given back. */
#define GROUP_SETUP() do { \
	if (group_is_possible()) { \
		ASSERT_EQ(0, group_enter()); \
	} \
} while (0)

#define GROUP_TEARDOWN() do { \
	if (group_is_possible()) { \
		long pages_ = group_pages(GROUP_REST); \
		/* Of itself there are some: else they are not counted. */ \
		EXPECT_LT(0, pages_); \
		EXPECT_GE(GROUP_REST, pages_); \
		TH_LOG("%ld pages are left", pages_); \
		group_leave(); \
	} \
} while (0)

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/* For tests that unload the module. Only for files with kselftest_harness.h before it. */
#ifndef MMLENS_SELFTESTS_MODULE_TEST_H
#define MMLENS_SELFTESTS_MODULE_TEST_H

#include <errno.h>

#include "module.h"

/* In a setup: it is loaded, and nobody uses it. */
#define MODULE_BEGIN() do { \
	if (!module_file()) \
		SKIP(return, "there is no mmlens.ko; say where by MMLENS_KO"); \
	if (module_uses() < 0) \
		ASSERT_EQ(0, module_load("")); \
	ASSERT_EQ(0, module_uses()) TH_LOG("somebody else uses the module"); \
} while (0)

/* In a teardown: it is loaded, whatever the test did. */
#define MODULE_END() do { \
	if (module_file() && module_uses() < 0) \
		module_load(""); \
} while (0)

/* The module is used, and does not go; the arguments are for the log. */
#define EXPECT_PINNED(...) do { \
	EXPECT_LT(0, module_uses()) TH_LOG(__VA_ARGS__); \
	EXPECT_EQ(-EWOULDBLOCK, module_unload()) TH_LOG(__VA_ARGS__); \
} while (0)

/* Nobody uses it: it goes, and comes back. */
#define EXPECT_FREE(...) do { \
	EXPECT_EQ(0, module_uses()) TH_LOG(__VA_ARGS__); \
	EXPECT_EQ(0, module_unload()) TH_LOG(__VA_ARGS__); \
	ASSERT_EQ(0, module_load("")); \
} while (0)

#endif

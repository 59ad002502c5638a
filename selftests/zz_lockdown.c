// SPDX-License-Identifier: GPL-2.0
/*
 * What a kernel that is locked down to confidentiality lets nobody see. This cannot
 * be undone before the next boot, so it is the last program.
 */
#include <fcntl.h>
#include <sys/mount.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/lens.h"
#include "lib/query.h"
#include "lib/util.h"

#define LOCKDOWN "/sys/kernel/security/lockdown"

TEST(nothing_is_shown_to_anybody)
{
	int before = lens_open(0, "entries"), asked = query_open(0);
	char *level, byte[16];

	/* Whoever looks for leaks afterwards could not read it any more. */
	if (!access("/sys/kernel/debug/kmemleak", F_OK))
		SKIP(return, "it would hide the reports of kmemleak");
	ASSERT_LE(0, before);
	ASSERT_LE(0, asked);
	ASSERT_EQ(0, query_ask(asked, "find_vma 0"));
	ASSERT_EQ(8, read(before, byte, 8));
	mount("securityfs", "/sys/kernel/security", "securityfs", 0, NULL);
	level = read_file(LOCKDOWN, NULL);
	if (!level)
		SKIP(return, "the kernel cannot be locked down; boot it with lsm=lockdown");
	/* On the way there, a debugfs file that can be written to is not opened any more. */
	if (strstr(level, "[none]")) {
		ASSERT_EQ(0, write_file(LOCKDOWN, "integrity"));
		EXPECT_EQ(-EPERM, query_open(0));
		EXPECT_LE(0, lens_open(0, "entries"));
	}
	if (!strstr(level, "[confidentiality]"))
		ASSERT_EQ(0, write_file(LOCKDOWN, "confidentiality"));
	EXPECT_EQ(-EPERM, lens_open(0, "entries"));
	EXPECT_EQ(-EPERM, lens_open(0, "mm"));
	EXPECT_EQ(-EPERM, lens_attach(getpid()));
	/* Nor by what was opened before. */
	EXPECT_EQ(-1, read(before, byte, 8));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, read(asked, byte, 8));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-EPERM, query_ask(asked, "find_vma 0"));
	EXPECT_EQ(-EPERM, query_open(0));
	/* The device shows nothing of anybody else. */
	EXPECT_NE(MAP_FAILED, device_map(device_open(O_RDWR), PROT_READ, MAP_SHARED, 1, 0));
}

TEST_HARNESS_MAIN

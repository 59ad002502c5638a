// SPDX-License-Identifier: GPL-2.0
/*
 * Who may see what: each row of Documentation/rights.rst, by somebody who is that, with every
 * interface, on processes of all sorts. All that they get is searched for contents of memory,
 * and for kernel addresses and places in memory where these must not be.
 */
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/lens.h"
#include "lib/rights.h"
#include "lib/util.h"

#define KPTR_RESTRICT "/proc/sys/kernel/kptr_restrict"

FIXTURE(rights)
{
	long restricted;
};

FIXTURE_VARIANT(rights)
{
	const char *who;
};

#define ROW(id, name) FIXTURE_VARIANT_ADD(rights, id) { .who = name }

ROW(root, "root");
ROW(pid_namespace, "pid-namespace");
ROW(user, "user");
ROW(given, "given");
ROW(setuid, "setuid");
ROW(open_node, "open-node");
ROW(ptrace, "ptrace");
ROW(rawio, "rawio");
ROW(sysadmin, "sysadmin");
ROW(dropped, "dropped");
ROW(uid_0, "uid-0");
ROW(user_namespace, "user-namespace");

FIXTURE_SETUP(rights)
{
	self->restricted = read_number(KPTR_RESTRICT);
	rights_begin();
}

FIXTURE_TEARDOWN(rights)
{
	write_number(KPTR_RESTRICT, self->restricted);
	chmod(DEVICE, 0600);
	rights_end();
}

TEST_F_TIMEOUT(rights, are_those_of_the_table, 300)
{
	const struct rights_row *row = rights_row(variant->who);

	/* As an administrator could have it. */
	if (!strcmp(row->who, "open-node"))
		ASSERT_EQ(0, chmod(DEVICE, 0666));
	for (int kptr = 0; kptr <= 2; kptr++) {
		const char *wrong = NULL;

		ASSERT_EQ(0, write_number(KPTR_RESTRICT, kptr));
		/* A count may look like a place, but not each time. */
		for (int times = 0; times < 3; times++) {
			struct rights_given given;

			rights_open(0, &given);
			wrong = rights_check(row, kptr, &given);
			rights_close(&given);
			if (!wrong || !strstr(wrong, "a physical address"))
				break;
		}
		if (wrong && !strncmp(wrong, "skip", 4))
			SKIP(return, "%s", wrong);
		EXPECT_EQ(NULL, wrong) TH_LOG("%s", wrong);
	}
}

TEST_HARNESS_MAIN

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
#include "lib/module.h"
#include "lib/rights.h"
#include "lib/util.h"

FIXTURE(rights)
{
	long restricted;
};

FIXTURE_VARIANT(rights)
{
	const char *who;
};

FIXTURE_VARIANT_ADD(rights, root) { .who = "root" };
FIXTURE_VARIANT_ADD(rights, pid_namespace) { .who = "pid-namespace" };
FIXTURE_VARIANT_ADD(rights, user) { .who = "user" };
FIXTURE_VARIANT_ADD(rights, given) { .who = "given" };
FIXTURE_VARIANT_ADD(rights, setuid) { .who = "setuid" };
FIXTURE_VARIANT_ADD(rights, open_node) { .who = "open-node" };
FIXTURE_VARIANT_ADD(rights, ptrace) { .who = "ptrace" };
FIXTURE_VARIANT_ADD(rights, rawio) { .who = "rawio" };
FIXTURE_VARIANT_ADD(rights, sysadmin) { .who = "sysadmin" };
FIXTURE_VARIANT_ADD(rights, dropped) { .who = "dropped" };
FIXTURE_VARIANT_ADD(rights, uid_0) { .who = "uid-0" };
FIXTURE_VARIANT_ADD(rights, user_namespace) { .who = "user-namespace" };

FIXTURE_SETUP(rights)
{
	self->restricted = read_number(KPTR_RESTRICT);
	ASSERT_EQ(0, rights_load());
	rights_begin();
}

FIXTURE_TEARDOWN(rights)
{
	write_number(KPTR_RESTRICT, self->restricted);
	chmod(DEVICE, 0600);
	rights_end();
	EXPECT_EQ(0, module_load_anew(""));
}

TEST_F_TIMEOUT(rights, are_those_of_the_table, 300)
{
	const struct rights_row *row = rights_row(variant->who);

	/* As an administrator could have it. */
	if (!strcmp(row->who, "open-node"))
		ASSERT_EQ(0, chmod(DEVICE, 0666));
	for (int kptr = 0; kptr <= 2; kptr += 1 + kernel_is_slow()) {
		const char *wrong = NULL;

		ASSERT_EQ(0, write_number(KPTR_RESTRICT, kptr));
		/* A count may look like a place, but not each time. */
		for (int times = 0; times < 3; times++) {
			struct rights_given given;

			rights_open(0, &given);
			EXPECT_EQ(rights_have_memory(), device_info(given.memory).backing ==
							MMLENS_BACKING_IOREMAP);
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

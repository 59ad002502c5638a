// SPDX-License-Identifier: GPL-2.0
/*
 * What a kernel that is locked down to confidentiality lets nobody see. This cannot
 * be undone before the next boot, so it is the last program.
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/lens.h"
#include "lib/module.h"
#include "lib/query.h"
#include "lib/rights.h"
#include "lib/texts.h"
#include "lib/util.h"

#define LOCKDOWN "/sys/kernel/security/lockdown"

/* A question to a descriptor that is written to: debugfs has none under integrity. */
static void ask_by_the_device(struct __test_metadata *_metadata, int device)
{
	int fd = text_open(device, MMLENS_TEXT_QUERY, 0);
	char *answer = fd < 0 ? NULL : query(fd, "find_vma %lx", (unsigned long)&fd);

	ASSERT_NE(NULL, answer);
	EXPECT_NE(NULL, strstr(answer, "[stack]")) TH_LOG("%s", answer);
	close(fd);
}

/* What root gets, of the whole table. */
static void try_all(struct __test_metadata *_metadata, const char *row, struct rights_given *given)
{
	const char *wrong;

	given->device = device_open(O_RDWR);
	wrong = rights_check(rights_row(row), read_number(KPTR_RESTRICT), given);
	EXPECT_EQ(NULL, wrong) TH_LOG("%s", wrong);
	close(given->device);
}

FIXTURE(lockdown)
{
};

FIXTURE_SETUP(lockdown)
{
	/* Nothing may be loaded afterwards, so that it stays like this. */
	ASSERT_EQ(0, rights_load());
}

FIXTURE_TEARDOWN(lockdown)
{
}

TEST_F_TIMEOUT(lockdown, shows_nothing_to_anybody, 200)
{
	int before = lens_open(0, "entries"), asked = query_open(0);
	int device = device_open(O_RDWR), text = text_open(device, MMLENS_TEXT_ENTRIES, 0);
	struct mmlens_machine machine = { .size = sizeof(machine) };
	struct mmlens_query question;
	struct rights_given given;
	char *level, byte[16];

	/* Whoever looks for leaks afterwards could not read it any more. */
	if (!access("/sys/kernel/debug/kmemleak", F_OK))
		SKIP(return, "it would hide the reports of kmemleak");
	ASSERT_LE(0, before);
	ASSERT_LE(0, asked);
	ASSERT_EQ(0, query_ask(asked, "find_vma 0"));
	ASSERT_EQ(8, read(before, byte, 8));
	ASSERT_EQ(8, read(text, byte, 8));
	mount("securityfs", "/sys/kernel/security", "securityfs", 0, NULL);
	level = read_file(LOCKDOWN, NULL);
	if (!level)
		SKIP(return, "the kernel cannot be locked down; boot it with lsm=lockdown");
	rights_begin();
	rights_open(0, &given);
	EXPECT_EQ(rights_have_memory(),
		  device_info(given.memory).backing == MMLENS_BACKING_IOREMAP);
	close(given.device);
	/* On the way there, a debugfs file that can be written to is not opened any more. */
	if (strstr(level, "[none]")) {
		ASSERT_EQ(0, write_file(LOCKDOWN, "integrity"));
		EXPECT_EQ(-EPERM, query_open(0));
		EXPECT_LE(0, lens_open(0, "entries"));
		/* The device does what the files of debugfs cannot any more. */
		EXPECT_EQ(-EPERM, lens_attach(getpid()));
		EXPECT_EQ(0, ioctl_attach(device, getpid()));
		EXPECT_LE(0, lens_open(getpid(), "entries"));
		EXPECT_EQ(-EPERM, lens_detach(getpid()));
		EXPECT_EQ(0, ioctl_detach(device, getpid()));
		ask_by_the_device(_metadata, device);
		try_all(_metadata, "integrity", &given);
	}
	if (!strstr(level, "[confidentiality]"))
		ASSERT_EQ(0, write_file(LOCKDOWN, "confidentiality"));
	try_all(_metadata, "confidentiality", &given);
	rights_end();
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
	/* Nor by the device. */
	EXPECT_EQ(-1, read(text, byte, 8));
	EXPECT_EQ(EPERM, errno);
	for (unsigned int what = 0; what <= MMLENS_TEXT_BUFFERS; what++) {
		EXPECT_EQ(-EPERM, text_open(device, what, 0)) TH_LOG("%u", what);
	}
	EXPECT_EQ(-EPERM, ask(device, 0, MMLENS_QUERY_FIND_VMA, 0, 0, &question));
	EXPECT_EQ(-EPERM, ioctl_attach(device, getpid()));
	EXPECT_EQ(-EPERM, ioctl_detach(device, getpid()));
	EXPECT_EQ(0, ioctl(device, MMLENS_IOC_MACHINE, &machine));
	/* The device shows nothing of anybody else. */
	EXPECT_NE(MAP_FAILED, device_map(device_open(O_RDWR), PROT_READ, MAP_SHARED, 1, 0));
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/*
 * The module goes as soon as it may, which is just when somebody lets go of the last of it: not
 * before that call has left the module.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/lens.h"
#include "lib/module_test.h"
#include "lib/util.h"

#define RW (PROT_READ | PROT_WRITE)
#define ROUNDS effort(20)
/* How long it may take until an unload has come before the last of it was let go. */
#define PATIENCE 120

FIXTURE(unload)
{
	time_t end;
	unsigned long rounds, refused;
};

FIXTURE_SETUP(unload)
{
	MODULE_BEGIN();
	self->end = time(NULL) + PATIENCE;
}

FIXTURE_TEARDOWN(unload)
{
	TH_LOG("%lu rounds, %lu times refused", self->rounds, self->refused);
	MODULE_END();
}

/* A child that has the descriptor, and the mapping if there is one, and lets go of them. */
static pid_t let_go(int fd, char *map)
{
	pid_t pid = fork();

	if (!pid) {
		if (map)
			munmap(map, 4 * page_size());
		close(fd);
		_exit(0);
	}
	if (map)
		munmap(map, 4 * page_size());
	close(fd);
	return pid;
}

static int unload_at_once(unsigned long *refused)
{
	int ret;

	while ((ret = module_unload()) == -EWOULDBLOCK)
		++*refused;
	return ret;
}

/* Nothing was shown if it was always too late: then it goes on. */
static bool goes_on(struct _test_data_unload *self)
{
	if (self->rounds >= ROUNDS && (self->refused || time(NULL) >= self->end))
		return false;
	self->rounds++;
	return true;
}

#define EXPECT_GONE(pid) do { \
	int status = -1; \
	EXPECT_EQ(0, unload_at_once(&self->refused)); \
	EXPECT_EQ(pid, waitpid(pid, &status, 0)); \
	EXPECT_EQ(0, status); \
	ASSERT_EQ(0, module_load("")); \
} while (0)

TEST_F_TIMEOUT(unload, while_a_descriptor_is_closed, 300)
{
	while (goes_on(self)) {
		int fd = device_open(O_RDWR);
		pid_t pid;

		ASSERT_LE(0, fd);
		pid = let_go(fd, NULL);
		EXPECT_GONE(pid);
	}
	EXPECT_LT(0, self->refused);
}

TEST_F_TIMEOUT(unload, while_a_mapping_goes, 300)
{
	while (goes_on(self)) {
		int fd = device_open(O_RDWR);
		char *map = device_map(fd, RW, MAP_SHARED, 4, 0);
		pid_t pid;

		ASSERT_NE(MAP_FAILED, map);
		fill_pages(map, 4, 1);
		pid = let_go(fd, map);
		EXPECT_GONE(pid);
	}
	EXPECT_LT(0, self->refused);
}

TEST_F_TIMEOUT(unload, while_a_file_is_closed, 300)
{
	while (goes_on(self)) {
		int fd = lens_open(0, self->rounds & 1 ? "entries" : "mm");
		char byte;
		pid_t pid;

		ASSERT_EQ(1, read(fd, &byte, 1));
		pid = let_go(fd, NULL);
		EXPECT_GONE(pid);
	}
	EXPECT_LT(0, self->refused);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/* Who pays for the memory of a buffer: the memory cgroup of whoever makes it. */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/look.h"
#include "lib/setups.h"
#include "lib/util.h"

#define GROUPS "/sys/fs/cgroup"
#define GROUP GROUPS "/mmlens-test"
#define MIB (1UL << 20)
#define RW (PROT_READ | PROT_WRITE)

FIXTURE(charge)
{
	pid_t child;
	int go[2], done[2];
};

FIXTURE_VARIANT(charge)
{
	const char *words;
};

#define BUFFER(text) { .words = text }

FIXTURE_VARIANT_ADD(charge, vmalloc) BUFFER("vmalloc,track");
FIXTURE_VARIANT_ADD(charge, vmap) BUFFER("vmap");
FIXTURE_VARIANT_ADD(charge, vmap_wc) BUFFER("vmap,pfnmap,wc");
FIXTURE_VARIANT_ADD(charge, contig) BUFFER("contig");
FIXTURE_VARIANT_ADD(charge, contig_huge) BUFFER("contig,huge");
FIXTURE_VARIANT_ADD(charge, sparse) BUFFER("sparse");

FIXTURE_SETUP(charge)
{
	if (write_file(GROUPS "/cgroup.subtree_control", "+memory"))
		SKIP(return, "there is no memory controller in " GROUPS);
	if (mkdir(GROUP, 0755) && errno != EEXIST)
		SKIP(return, "no cgroup can be made: %s", strerror(errno));
	if (strstr(variant->words, "huge") && !has_huge_pages())
		SKIP(return, "the kernel has no transparent huge pages");
	ASSERT_EQ(0, pipe(self->go));
	ASSERT_EQ(0, pipe(self->done));
}

FIXTURE_TEARDOWN(charge)
{
	if (self->child > 0)
		target_end(self->child);
	/* What is freed is uncharged a little later. */
	for (int i = 0; i < 100 && rmdir(GROUP); i++)
		usleep(10000);
}

/* A child of the group that makes a buffer and touches it; says the errno, and waits. */
static pid_t start(int *go, int *done, const char *words, size_t pages)
{
	pid_t pid = fork();
	char byte = 0;

	if (!pid) {
		char *map;
		int fd;

		if (write_file(GROUP "/cgroup.procs", "0"))
			_exit(1);
		fd = device_make(words, 0);
		map = device_map(fd, RW, MAP_SHARED, pages, 0);
		byte = map == MAP_FAILED ? errno : 0;
		/* Those of sparse come only now. */
		if (!byte)
			write_all(map, pages);
		if (write(done[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 1)
			_exit(1);
		if (map != MAP_FAILED)
			munmap(map, pages * page_size());
		close(fd);
		byte = 0;
		if (write(done[1], &byte, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	return pid;
}

TEST_F_TIMEOUT(charge, is_for_the_group_of_the_maker, 120)
{
	const size_t size = 64 * MIB, slack = 8 * MIB;
	long before, with;
	char error;

	self->child = start(self->go, self->done, variant->words, size / page_size());
	before = read_number(GROUP "/memory.current");
	ASSERT_EQ(1, read(self->done[0], &error, 1));
	ASSERT_EQ(0, error) TH_LOG("%s", strerror(error));
	with = read_number(GROUP "/memory.current");
	EXPECT_LE((long)size, with);
	EXPECT_GT((long)(size + slack) + before, with);
	ASSERT_EQ(1, write(self->go[1], "", 1));
	ASSERT_EQ(1, read(self->done[0], &error, 1));
	/* What was freed waits for a moment on some processor. */
	for (int i = 0; i < 500 && read_number(GROUP "/memory.current") >= (long)slack; i++)
		usleep(10000);
	EXPECT_GT((long)slack, read_number(GROUP "/memory.current"));
}

/* How often the kernel has killed in the group for want of memory. */
static long oom_kills(void)
{
	char *text = read_file(GROUP "/memory.events", NULL), *at = NULL;
	long nr = -1;

	if (text)
		at = strstr(text, "oom_kill ");
	if (at)
		nr = strtol(at + strlen("oom_kill "), NULL, 10);
	free(text);
	return nr;
}

/* A child of the group that makes a buffer and touches it; its exit code is the errno. */
static pid_t try(const char *words, size_t pages)
{
	pid_t pid = fork();

	if (!pid) {
		char *map;

		if (write_file(GROUP "/cgroup.procs", "0"))
			_exit(255);
		map = device_map(device_make(words, 0), RW, MAP_SHARED, pages, 0);
		/* Nothing that needs memory from here on: what failed may not all be free yet. */
		if (map == MAP_FAILED)
			_exit(errno);
		write_all(map, pages);
		_exit(0);
	}
	return pid;
}

/*
 * More than the group may have: whoever asks for a buffer is told, and nobody is killed. Pages
 * that come when they are used are as any other memory: a fault cannot tell.
 */
TEST_F_TIMEOUT(charge, a_limit_is_no_memory, 120)
{
	int status;
	pid_t pid;

	ASSERT_EQ(0, write_file(GROUP "/memory.max", "24M"));
	write_file(GROUP "/memory.swap.max", "0");
	pid = try(variant->words, 64 * MIB / page_size());
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	if (strstr(variant->words, "sparse")) {
		EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
			TH_LOG("status %x", status);
		EXPECT_LT(0, oom_kills());
	} else {
		EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == ENOMEM)
			TH_LOG("status %x", status);
		EXPECT_EQ(0, oom_kills());
	}
}

TEST_HARNESS_MAIN

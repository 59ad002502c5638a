// SPDX-License-Identifier: GPL-2.0
/*
 * The module cannot go while something of it is in use, and leaves nothing behind.
 *
 * Unloads the module. It is loaded again from MMLENS_KO, or from where guests or
 * installed kernels have it; without that file most of this is skipped.
 */
#include <fcntl.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/footprint.h"
#include "lib/lens.h"
#include "lib/module_test.h"
#include "lib/util.h"

#define RW (PROT_READ | PROT_WRITE)

FIXTURE(lifetime)
{
};

FIXTURE_SETUP(lifetime)
{
	MODULE_BEGIN();
}

FIXTURE_TEARDOWN(lifetime)
{
	MODULE_END();
}

/* Let go, it goes. */
#define EXPECT_GOES() do { \
	EXPECT_EQ(0, module_uses()); \
	EXPECT_EQ(0, module_unload()); \
	EXPECT_EQ(-1, module_uses()); \
} while (0)

static void nothing(void *arg)
{
	(void)arg;
}

TEST_F(lifetime, goes_if_nobody_uses_it)
{
	EXPECT_GOES();
	EXPECT_NE(0, access(DEVICE, F_OK));
	EXPECT_NE(0, access(LENS, F_OK));
	ASSERT_EQ(0, module_load(""));
	EXPECT_EQ(-EEXIST, module_load(""));
	EXPECT_EQ(0, access(LENS "/self/mm", F_OK));
}

TEST_F(lifetime, descriptor_keeps_it)
{
	int fd = device_open(O_RDWR);

	EXPECT_PINNED("in use");
	EXPECT_EQ(0, device_info(fd).bytes);
	close(fd);
	EXPECT_GOES();
}

TEST_F(lifetime, mapping_keeps_it_without_a_descriptor)
{
	int fd = device_open(O_RDWR);
	char *map = device_map(fd, RW, MAP_SHARED, 4, 0);

	close(fd);
	EXPECT_PINNED("in use");
	fill_pages(map, 4, 1);
	/* A part of it, too, and a part of that in a child. */
	munmap(map, 2 * page_size());
	EXPECT_PINNED("in use");
	{
		pid_t child = target_start(nothing, NULL);

		munmap(map + 2 * page_size(), 2 * page_size());
		EXPECT_PINNED("in use");
		target_end(child);
	}
	EXPECT_GOES();
}

/* Frames have no count of their own: the mapping has to keep all that is behind them. */
TEST_F(lifetime, mapping_of_frames_keeps_it)
{
	static const char *const words[] = {
		"vmap,pfnmap,eager,wc", "contig,mixed", "vmalloc,pfnmap,around=8,track",
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		int fd = device_make(words[i], 0);
		char *map = device_map(fd, RW, MAP_SHARED, 4, 0);

		ASSERT_NE(MAP_FAILED, map);
		close(fd);
		EXPECT_PINNED("in use");
		fill_pages(map, 4, 1);
		munmap(map, 3 * page_size());
		EXPECT_PINNED("in use");
		EXPECT_TRUE(pages_have(map + 3 * page_size(), 1, 1 + 3));
		munmap(map + 3 * page_size(), page_size());
		EXPECT_EQ(0, module_uses());
	}
	EXPECT_GOES();
}

TEST_F(lifetime, last_of_several_descriptors_lets_it_go)
{
	int fd = device_open(O_RDWR), copy = dup(fd);

	close(fd);
	EXPECT_PINNED("in use");
	close(copy);
	EXPECT_GOES();
}

TEST_F(lifetime, reader_keeps_it)
{
	static const char *const files[] = { "mm", "vmas", "pagetable", "entries" };
	char byte[8];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		int fd = lens_open(0, files[i]);

		ASSERT_LE(0, fd);
		EXPECT_PINNED("in use");
		/* Before, in the middle, and at the end of reading. */
		EXPECT_EQ(8, read(fd, byte, 8));
		EXPECT_PINNED("in use");
		free(read_fd(fd, NULL));
		EXPECT_PINNED("in use");
		close(fd);
		EXPECT_EQ(0, module_uses());
	}
	EXPECT_GOES();
}

TEST_F(lifetime, control_files_keep_it)
{
	static const char *const files[] = { LENS "/attach", LENS "/detach" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		int fd = open(files[i], O_WRONLY);

		ASSERT_LE(0, fd);
		EXPECT_PINNED("in use");
		close(fd);
	}
	{
		int fd = open(LENS "/targets", O_RDONLY);

		ASSERT_LE(0, fd);
		EXPECT_PINNED("in use");
		close(fd);
	}
	EXPECT_GOES();
}

TEST_F(lifetime, target_alone_does_not_keep_it)
{
	pid_t target = target_start(nothing, NULL);
	char byte[8];
	int fd;

	ASSERT_EQ(0, lens_attach(target));
	fd = lens_open(target, "entries");
	EXPECT_PINNED("in use");
	/* Detached, and the file is there as long as somebody has it open. */
	ASSERT_EQ(0, lens_detach(target));
	EXPECT_PINNED("in use");
	EXPECT_EQ(-1, read(fd, byte, 8));
	EXPECT_EQ(EIO, errno);
	close(fd);
	ASSERT_EQ(0, lens_attach(target));
	ASSERT_EQ(0, lens_attach(getpid()));
	EXPECT_GOES();
	ASSERT_EQ(0, module_load(""));
	/* Nothing is attached to the new one. */
	EXPECT_EQ(-ENOENT, lens_detach(target));
	target_end(target);
}

TEST_F(lifetime, refused_opens_do_not_keep_it)
{
	/* Without a page: an error on every way in. */
	EXPECT_GT(0, write_file(LENS "/attach", "x"));
	EXPECT_GT(0, write_file(LENS "/attach", "2147483647"));
	EXPECT_GT(0, open(LENS "/self/entries", O_RDWR | O_DIRECTORY));
	EXPECT_GT(0, open(DEVICE, O_RDWR | O_DIRECTORY));
	EXPECT_EQ(MAP_FAILED, device_map(-1, RW, MAP_SHARED, 1, 0));
	EXPECT_GOES();
}

#define ROUNDS ((int)(kernel_is_slow() ? 10 + effort(90) : effort(1000)))

static bool one_round(pid_t target, int number)
{
	/* Each has another way to be made and to be mapped. */
	static const char *const words[] = {
		"vmalloc,track", "vmap,pfnmap,eager,wc", "contig,remap", "sparse,around=8,track",
		"contig,mixed,around=8", "vmap,pfnmap,track",
	};
	char *map, *text;
	int fd;

	if (module_load(""))
		return false;
	fd = device_make(words[number % ARRAY_SIZE(words)], 0);
	map = device_map(fd, RW, MAP_SHARED, 64, 0);
	if (map == MAP_FAILED)
		return false;
	fill_pages(map, 64, 1);
	if (lens_attach(target))
		return false;
	text = lens_read(target, "pagetable", NULL);
	free(text);
	free(lens_read(0, "entries", NULL));
	munmap(map, 64 * page_size());
	close(fd);
	return text && !module_unload();
}

/* Whether so many rounds made nothing grow by nearly one for each. */
static bool leaves_nothing(struct __test_metadata *_metadata, pid_t target, int rounds)
{
	struct footprint before = footprint_take(), after;
	const char *name;
	long grown;
	bool good;

	for (int i = 0; i < rounds; i++) {
		ASSERT_TRUE(one_round(target, i)) TH_LOG("round %d: %s", i, strerror(errno));
	}
	after = footprint_take();
	grown = footprint_growth(&before, &after, &name);
	/* In kB: a table for each round would be four times as much. */
	good = after.vmallocs - before.vmallocs < rounds / 2 && grown < rounds * 3 / 4 &&
	       after.page_tables - before.page_tables < 3 * rounds &&
	       after.percpu - before.percpu < rounds;
	EXPECT_EQ(0, after.ours);
	/* Else nothing of them could have grown. */
	if (!kernel_is_slow() && !access("/sys/kernel/slab", F_OK)) {
		EXPECT_LT(0, footprint_compared(&before, &after));
	}
	TH_LOG("%d rounds: %ld vmallocs, page tables %ld kB, percpu %ld kB, %s %ld objects more",
	       rounds, after.vmallocs - before.vmallocs, after.page_tables - before.page_tables,
	       after.percpu - before.percpu, name, grown);
	footprint_free(&before);
	footprint_free(&after);
	return good;
}

TEST_F_TIMEOUT(lifetime, loading_again_and_again_leaves_nothing, 2000)
{
	pid_t target = target_start(nothing, NULL);
	bool good = false;

	ASSERT_EQ(0, module_unload());
	/* Caches fill up once. Where a round takes a second, the first try has to do for that. */
	for (int i = 0; i < 12 && !kernel_is_slow(); i++)
		ASSERT_TRUE(one_round(target, i));
	/* Others may need memory once, too. A leak is there each time. */
	for (int times = 0; times < (kernel_is_slow() ? 4 : 3) && !good; times++)
		good = leaves_nothing(_metadata, target, ROUNDS);
	EXPECT_TRUE(good);
	ASSERT_EQ(0, module_load(""));
	target_end(target);
}

TEST_HARNESS_MAIN

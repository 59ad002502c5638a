// SPDX-License-Identifier: GPL-2.0
/* What a buffer can be, and that each of these is memory. */
#include <fcntl.h>
#include <linux/mman.h>
#include <signal.h>
#include <sys/ioctl.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/setups.h"
#include "lib/util.h"

#define PAGES 16
#define RW (PROT_READ | PROT_WRITE)

FIXTURE(setup)
{
	size_t page, size;
};

FIXTURE_SETUP(setup)
{
	self->page = page_size();
	self->size = PAGES * self->page;
}

FIXTURE_TEARDOWN(setup)
{
}

static int set_up(int fd, struct mmlens_setup setup)
{
	setup.size = sizeof(setup);
	return ioctl(fd, MMLENS_IOC_SETUP, &setup) ? errno : 0;
}

TEST_F_TIMEOUT(setup, goes_together_or_not, 120)
{
	struct combo combo;

	for (size_t i = 0; combo_at(i, &combo); i++) {
		int fd = device_make(combo.words, 0);

		EXPECT_EQ(combo_errno(&combo), fd < 0 ? fd : 0) TH_LOG("%s", combo.words);
		close(fd);
	}
}

TEST_F_TIMEOUT(setup, is_what_was_asked_for, 120)
{
	const unsigned int areas[] = {
		[MMLENS_BACKING_VMALLOC] = MMLENS_AREA_ALLOC,
		[MMLENS_BACKING_VMAP] = MMLENS_AREA_MAP,
		[MMLENS_BACKING_CONTIG] = MMLENS_AREA_MAP,
		[MMLENS_BACKING_SPARSE] = MMLENS_AREA_NONE,
	};
	struct combo combo;

	for_each_combo(&combo) {
		int fd = device_make(combo.words, 0);
		struct mmlens_info info = device_info(fd);

		/* Without memory, it is told what it will be. */
		for (int mapped = 0; mapped < 2; mapped++) {
			EXPECT_EQ(mapped ? combo.backing : MMLENS_BACKING_NONE, info.backing);
			EXPECT_EQ(mapped * self->size, info.bytes);
			EXPECT_EQ(combo.strategy, info.strategy);
			EXPECT_EQ(combo.kind, info.page_kind);
			EXPECT_EQ(combo.cache, info.cache);
			EXPECT_EQ(combo.track ? MMLENS_SETUP_TRACK : 0, info.flags);
			if (combo.strategy == MMLENS_STRATEGY_AROUND)
				EXPECT_EQ(COMBO_AROUND, info.around);
			EXPECT_EQ(mapped ? areas[combo.backing] : MMLENS_AREA_NONE, info.area);
			EXPECT_EQ(info.area == MMLENS_AREA_NONE, info.area_address == 0);
			EXPECT_EQ(0, info.phys);
			EXPECT_EQ(mapped, info.mappings);
			if (mapped)
				break;
			ASSERT_NE(MAP_FAILED, device_map(fd, RW, MAP_SHARED, PAGES, 0))
				TH_LOG("%s: %s", combo.words, strerror(errno));
			info = device_info(fd);
			EXPECT_EQ(combo.cache, info.area_cache);
			EXPECT_EQ(combo.backing == MMLENS_BACKING_SPARSE ? 0 : PAGES,
				  info.allocated_pages);
		}
		close(fd);
	}
}

/* A child writes what its parent then reads, by another mapping. */
static bool child_writes(char *map, const char *other, unsigned int seed)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		bool good = pages_have(map, PAGES, seed) && pages_have(other, PAGES, seed);

		fill_pages(map, PAGES, seed + 1);
		_exit(!good || !pages_have(map, PAGES, seed + 1));
	}
	return waitpid(pid, &status, 0) == pid && !status;
}

static void share(struct __test_metadata *_metadata, const struct combo *combo, int fd)
{
	char *map = device_map(fd, RW, MAP_SHARED, PAGES, 0);
	char *second = device_map(fd, RW, MAP_SHARED, PAGES, 0), *private, *part;

	ASSERT_NE(MAP_FAILED, map) TH_LOG("%s: %s", combo->words, strerror(errno));
	ASSERT_NE(MAP_FAILED, second);
	/* What others had there before is gone, whatever the cache has of it. */
	EXPECT_TRUE(pages_are_zero(map, PAGES));
	fill_pages(map, PAGES, 1);
	EXPECT_TRUE(pages_have(map, PAGES, 1));
	EXPECT_TRUE(pages_have(second, PAGES, 1));
	EXPECT_TRUE(child_writes(second, map, 1));
	EXPECT_TRUE(pages_have(map, PAGES, 2));
	part = device_map(fd, PROT_READ, MAP_SHARED, 3, PAGES - 3);
	ASSERT_NE(MAP_FAILED, part);
	EXPECT_TRUE(pages_have(part, 3, 2 + PAGES - 3));
	EXPECT_EQ(MAP_FAILED, device_map(fd, PROT_READ, MAP_SHARED, 1, PAGES));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, device_map(fd, PROT_READ, MAP_SHARED, 4, PAGES - 3));
	EXPECT_EQ(EINVAL, errno);

	private = device_map(fd, RW, MAP_PRIVATE, PAGES, 0);
	if (!can_be_private(combo)) {
		EXPECT_EQ(MAP_FAILED, private);
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(MAP_FAILED, device_map(fd, PROT_READ, MAP_PRIVATE, PAGES, 0));
		EXPECT_EQ(EINVAL, errno);
		return;
	}
	ASSERT_NE(MAP_FAILED, private);
	EXPECT_TRUE(pages_have(private, PAGES, 2));
	fill_pages(private, PAGES, 5);
	EXPECT_TRUE(pages_have(private, PAGES, 5));
	EXPECT_TRUE(pages_have(map, PAGES, 2));
	fill_pages(map, PAGES, 6);
	EXPECT_TRUE(pages_have(private, PAGES, 5));
	/* Written at once, without having been read. */
	private = device_map(fd, RW, MAP_PRIVATE, PAGES, 0);
	fill_pages(private, 4, 7);
	EXPECT_TRUE(pages_have(private, 4, 7));
	EXPECT_TRUE(pages_have(private + 4 * page_size(), PAGES - 4, 6 + 4));
	EXPECT_TRUE(pages_have(map, PAGES, 6));
}

TEST_F_TIMEOUT(setup, is_shared_memory_whatever_it_is, 300)
{
	struct combo combo;

	for_each_combo(&combo) {
		int fd = device_make(combo.words, 0);
		pid_t pid = fork();
		int status;

		/* All mappings go with the process. */
		if (!pid) {
			share(_metadata, &combo, fd);
			_exit(_metadata->exit_code);
		}
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status);
		EXPECT_EQ(0, device_info(fd).mappings);
		close(fd);
	}
}

static void cut(struct __test_metadata *_metadata, const struct combo *combo, int fd)
{
	const size_t page = page_size(), size = PAGES * page;
	char *map = device_map(fd, RW, MAP_SHARED, PAGES, 0);
	char *room = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *middle;

	ASSERT_NE(MAP_FAILED, map) TH_LOG("%s: %s", combo->words, strerror(errno));
	/* Of some pages there is an entry, of some there may be none. */
	fill_pages(map, PAGES / 2, 1);
	middle = map + 6 * page;
	ASSERT_EQ(0, mprotect(middle, 3 * page, PROT_READ));
	EXPECT_EQ(SIGSEGV, access_signal(middle, true));
	EXPECT_EQ(0, access_signal(middle, false));
	EXPECT_EQ(0, access_signal(middle - 1, true));
	EXPECT_EQ(0, access_signal(middle + 3 * page, true));
	ASSERT_EQ(0, mprotect(middle, 3 * page, PROT_NONE));
	EXPECT_EQ(SIGSEGV, access_signal(middle, false));
	ASSERT_EQ(0, mprotect(middle, 3 * page, RW));
	EXPECT_EQ(0, access_signal(middle, true));
	EXPECT_TRUE(pages_have(map, PAGES / 2, 1));
	munmap(map, size);

	map = device_map(fd, RW, MAP_SHARED, PAGES, 0);
	fill_pages(map, PAGES, 2);
	ASSERT_EQ(room, mremap(map, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, room));
	EXPECT_EQ(SIGSEGV, access_signal(map, false));
	EXPECT_TRUE(pages_have(room, PAGES, 2));
	EXPECT_EQ(MAP_FAILED, mremap(room, size, size + page, MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(MAP_FAILED, mremap(room, size, size, MREMAP_MAYMOVE | MREMAP_DONTUNMAP));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(1, device_info(fd).mappings);

	ASSERT_EQ(0, munmap(room + 6 * page, 3 * page));
	EXPECT_EQ(2, device_info(fd).mappings);
	for (size_t i = 0; i < PAGES; i++)
		EXPECT_EQ(i < 6 || i >= 9 ? 0 : SIGSEGV, access_signal(room + i * page, false));
	EXPECT_TRUE(pages_have(room, 6, 2));
	EXPECT_TRUE(pages_have(room + 9 * page, PAGES - 9, 2 + 9));
	fill_pages(room, 6, 3);
	ASSERT_EQ(room, mremap(room, 6 * page, 2 * page, 0));
	EXPECT_TRUE(pages_have(room, 2, 3));
	ASSERT_EQ(0, munmap(room, size));
	EXPECT_EQ(0, device_info(fd).mappings);
	EXPECT_EQ(device_done(fd, MMLENS_OP_MMAP) + device_done(fd, MMLENS_OP_OPEN),
		  device_done(fd, MMLENS_OP_CLOSE));
	/* The buffer has all of it, cut or not. */
	map = device_map(fd, PROT_READ, MAP_SHARED, PAGES, 0);
	EXPECT_TRUE(pages_have(map, 6, 3));
	EXPECT_TRUE(pages_have(map + 6 * page, PAGES - 6, 2 + 6));
	munmap(map, size);
}

TEST_F_TIMEOUT(setup, can_be_cut_and_moved_whatever_it_is, 300)
{
	struct combo combo;

	for_each_combo(&combo) {
		int fd = device_make(combo.words, 0);

		cut(_metadata, &combo, fd);
		close(fd);
	}
}

TEST_F_TIMEOUT(setup, nothing_outside_of_it_can_be_mapped, 120)
{
	/* One more than the last page that an offset can name. */
	const size_t end = SIZE_MAX / self->page + 1;
	const struct { size_t pages, at; } wrong[] = {
		{ 1, PAGES }, { PAGES + 1, 0 }, { 2, PAGES - 1 }, { PAGES, 1 }, { 1, PAGES + 1 },
		{ 1, 1UL << 40 }, { 1, end / 2 - 1 }, { 1, end - 2 }, { 2, end - 3 },
	};
	struct combo combo;

	for_each_combo(&combo) {
		int fd = device_make(combo.words, PAGES);

		for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
			EXPECT_EQ(MAP_FAILED, device_map(fd, PROT_READ, MAP_SHARED, wrong[i].pages,
							 wrong[i].at));
			EXPECT_EQ(EINVAL, errno)
				TH_LOG("pages %zu at %zu", wrong[i].pages, wrong[i].at);
		}
		EXPECT_EQ(0, device_info(fd).mappings);
		close(fd);
	}
}

/* The mapping keeps it all, also pages that nobody has touched. */
TEST_F_TIMEOUT(setup, outlives_its_descriptor_whatever_it_is, 120)
{
	struct combo combo;

	for_each_combo(&combo) {
		int fd = device_make(combo.words, 0), status;
		char *map = device_map(fd, RW, MAP_SHARED, PAGES, 0);
		pid_t pid;

		ASSERT_NE(MAP_FAILED, map);
		fill_pages(map, PAGES / 2, 1);
		close(fd);
		pid = fork();
		if (!pid) {
			/* The last one to have it is this child. */
			usleep(2000);
			fill_pages(map, PAGES, 2);
			_exit(!pages_have(map, PAGES, 2));
		}
		munmap(map, self->size);
		/* What it had, others get and write to, if it is free by mistake. */
		fd = device_make(combo.words, PAGES);
		map = device_map(fd, RW, MAP_SHARED, PAGES, 0);
		fill_pages(map, PAGES, 3);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status);
		EXPECT_TRUE(pages_have(map, PAGES, 3));
		munmap(map, self->size);
		close(fd);
	}
}

/* What the opener may not do, mprotect() does not give. */
TEST_F_TIMEOUT(setup, read_only_files_stay_so_whatever_it_is, 120)
{
	struct combo combo;

	for_each_combo(&combo) {
		int fd = device_open(O_RDONLY);
		char *map;

		ASSERT_EQ(0, set_up(fd, device_words(combo.words, PAGES)));
		EXPECT_EQ(MAP_FAILED, device_map(fd, RW, MAP_SHARED, PAGES, 0));
		EXPECT_EQ(EACCES, errno);
		map = device_map(fd, PROT_READ, MAP_SHARED, PAGES, 0);
		ASSERT_NE(MAP_FAILED, map);
		EXPECT_TRUE(pages_are_zero(map, PAGES));
		EXPECT_EQ(-1, mprotect(map, self->page, RW));
		EXPECT_EQ(EACCES, errno);
		EXPECT_EQ(SIGSEGV, access_signal(map, true));
		munmap(map, self->size);
		close(fd);
	}
}

TEST_F(setup, is_done_once_and_before_there_is_memory)
{
	int fd = device_open(O_RDWR);
	const struct mmlens_setup vmap = { .backing = MMLENS_BACKING_VMAP };

	EXPECT_EQ(0, set_up(fd, vmap));
	EXPECT_EQ(EBUSY, set_up(fd, vmap));
	ASSERT_NE(MAP_FAILED, device_map(fd, RW, MAP_SHARED, PAGES, 0));
	EXPECT_EQ(EBUSY, set_up(fd, vmap));
	fd = device_open(O_RDWR);
	ASSERT_NE(MAP_FAILED, device_map(fd, RW, MAP_SHARED, PAGES, 0));
	EXPECT_EQ(EBUSY, set_up(fd, vmap));
	EXPECT_EQ(MMLENS_BACKING_VMALLOC, device_info(fd).backing);
}

TEST_F(setup, changes_nothing_if_it_fails)
{
	const struct mmlens_setup wrong[] = {
		/* Numbers that are not in the header. */
		{ .backing = MMLENS_BACKING_IOREMAP + 1 }, { .backing = ~0u },
		{ .strategy = MMLENS_STRATEGY_HUGE + 1 }, { .strategy = ~0u },
		{ .page_kind = MMLENS_PAGE_KIND_MIXED + 1 }, { .page_kind = ~0u },
		{ .cache = MMLENS_CACHE_UC + 1 }, { .cache = ~0u },
		{ .flags = MMLENS_SETUP_NOSPLIT << 1 }, { .flags = ~0u },
		{ .strategy = MMLENS_STRATEGY_AROUND, .around = 3 },
		{ .strategy = MMLENS_STRATEGY_AROUND, .around = ~0u },
		{ .strategy = MMLENS_STRATEGY_LAZY, .around = 8 },
		{ .strategy = MMLENS_STRATEGY_EAGER, .around = 8 },
		{ .backing = MMLENS_BACKING_VMAP, .region = 1 },
		{ .reserved = 1 },
	};
	int fd = device_open(O_RDWR);
	struct mmlens_info before = device_info(fd), after;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		EXPECT_EQ(EINVAL, set_up(fd, wrong[i])) TH_LOG("number %zu", i);
		after = device_info(fd);
		EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
	}
	EXPECT_EQ(EOPNOTSUPP, set_up(fd, device_words("vmalloc,wc", PAGES)));
	EXPECT_EQ(EOPNOTSUPP, set_up(fd, device_words("ioremap,normal", 0)));
	EXPECT_EQ(ENOMEM, set_up(fd, device_words("vmap", before.max_bytes / self->page + 1)));
	EXPECT_EQ(ENOMEM, set_up(fd, device_words("sparse", (1UL << 40) / self->page)));
	after = device_info(fd);
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
	EXPECT_EQ(0, set_up(fd, device_words("contig,pfnmap", 3)));
	EXPECT_EQ(MMLENS_BACKING_CONTIG, device_info(fd).backing);
	EXPECT_EQ(3 * self->page, device_info(fd).bytes);
}

TEST_F(setup, device_memory_must_have_been_named)
{
	char *io = read_file("/sys/module/mmlens/parameters/io", NULL);
	char *pci = read_file("/sys/module/mmlens/parameters/pci", NULL);
	int fd = device_open(O_RDWR);

	ASSERT_NE(NULL, io);
	ASSERT_NE(NULL, pci);
	for (unsigned int region = 0; region < 2; region++) {
		struct mmlens_setup setup = {
			.backing = MMLENS_BACKING_IOREMAP, .cache = MMLENS_CACHE_UC,
			.page_kind = MMLENS_PAGE_KIND_PFNMAP, .region = region,
		};

		/* How sysfs shows a parameter that was not given. */
		if (!strcmp(region ? pci : io, "(null)\n")) {
			EXPECT_EQ(ENODEV, set_up(fd, setup)) TH_LOG("region %u", region);
		}
		setup.region = 2 + region;
		EXPECT_EQ(ENODEV, set_up(fd, setup));
	}
	free(io);
	free(pci);
}

TEST_F_TIMEOUT(setup, with_a_size_makes_memory_at_once, 120)
{
	struct combo combo;

	for_each_combo(&combo) {
		int fd = device_make(combo.words, PAGES);
		bool sparse = combo.backing == MMLENS_BACKING_SPARSE;
		char *map;

		ASSERT_LE(0, fd) TH_LOG("%s: %s", combo.words, strerror(-fd));
		EXPECT_EQ(self->size, device_info(fd).bytes);
		EXPECT_EQ(combo.backing, device_info(fd).backing);
		EXPECT_EQ(sparse ? 0 : PAGES, device_info(fd).allocated_pages);
		/* The first mapping decides nothing: it may begin anywhere. */
		EXPECT_EQ(MAP_FAILED, device_map(fd, RW, MAP_SHARED, PAGES + 1, 0));
		EXPECT_EQ(EINVAL, errno);
		map = device_map(fd, RW, MAP_SHARED, 2, PAGES - 2);
		ASSERT_NE(MAP_FAILED, map);
		fill_pages(map, 2, 1);
		EXPECT_TRUE(pages_have(map, 2, 1));
		EXPECT_EQ(self->size, device_info(fd).bytes);
		EXPECT_EQ(sparse ? 2 : PAGES, device_info(fd).allocated_pages);
		munmap(map, 2 * self->page);
		close(fd);
	}
}

TEST_F(setup, around_is_16_unless_said)
{
	int fd = device_open(O_RDWR);

	EXPECT_EQ(0, set_up(fd, (struct mmlens_setup) { .strategy = MMLENS_STRATEGY_AROUND }));
	EXPECT_EQ(16, device_info(fd).around);
}

TEST_F(setup, sparse_pages_come_when_they_are_used)
{
	int fd = device_make("sparse", 8 * PAGES);
	char *map = device_map(fd, RW, MAP_SHARED, 8 * PAGES, 0);
	char *private = device_map(fd, RW, MAP_PRIVATE, 8 * PAGES, 0);

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(0, device_info(fd).allocated_pages);
	fill_pages(map + 40 * self->page, 1, 1);
	EXPECT_EQ(1, device_info(fd).allocated_pages);
	/* The same page once more; another one, read and never written. */
	EXPECT_TRUE(pages_have(private + 40 * self->page, 1, 1));
	EXPECT_EQ(1, device_info(fd).allocated_pages);
	EXPECT_TRUE(pages_are_zero(map + 90 * self->page, 1));
	EXPECT_GE(2, device_info(fd).allocated_pages);
	EXPECT_EQ(8 * PAGES * self->page, device_info(fd).bytes);
}

TEST_HARNESS_MAIN

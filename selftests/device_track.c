// SPDX-License-Identifier: GPL-2.0
/* Which pages of a buffer were written: exactly those, whoever wrote them and however. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/setups.h"
#include "lib/util.h"

#define RW (PROT_READ | PROT_WRITE)
/* Words of a bitmap, the last of which is not full. */
#define PAGES 150
#define WORDS 3

FIXTURE(track)
{
	size_t page, size;
	int fd, mem, file;
	char *map;
	struct combo combo;
};

FIXTURE_SETUP(track)
{
	char name[] = "/var/tmp/mmlens-XXXXXX";

	self->page = page_size();
	self->size = PAGES * self->page;
	self->mem = open("/proc/self/mem", O_RDWR);
	self->file = mkstemp(name);
	ASSERT_LE(0, self->file);
	unlink(name);
	ASSERT_EQ(0, ftruncate(self->file, self->page));
}

FIXTURE_TEARDOWN(track)
{
}

#define for_each_tracked(combo) for_each_combo(combo) if ((combo)->track)

#define MAKE() do { \
	self->fd = device_make(self->combo.words, PAGES); \
	ASSERT_LE(0, self->fd) TH_LOG("%s: %s", self->combo.words, strerror(-self->fd)); \
	self->map = map_alone(RW, MAP_SHARED, self->fd, PAGES, 0); \
} while (0)

#define DROP() do { \
	munmap(self->map, self->size); \
	close(self->fd); \
} while (0)

static bool has(const __u64 *set, size_t page)
{
	return set[page / 64] >> page % 64 & 1;
}

static void add(__u64 *set, size_t page)
{
	set[page / 64] |= 1ULL << page % 64;
}

static __u64 count(const __u64 *set)
{
	__u64 pages = 0;

	for (size_t page = 0; page < PAGES; page++)
		pages += has(set, page);
	return pages;
}

/* A part of a set: from page @first on, as a bitmap of a harvest has it. */
static void part(const __u64 *set, size_t first, size_t pages, __u64 *bits)
{
	memset(bits, 0, WORDS * sizeof(*bits));
	for (size_t page = 0; page < pages; page++)
		if (has(set, first + page))
			add(bits, page);
}

/* Some pages, always with those on both sides of a border between words, and the last. */
static void choose(unsigned int seed, __u64 *set)
{
	memset(set, 0, WORDS * sizeof(*set));
	for (size_t page = 0; page < PAGES; page++)
		if (rand_r(&seed) % 3 == 0)
			add(set, page);
	add(set, 63);
	add(set, 64);
	add(set, PAGES - 1);
}

static void write_to(char *map, const __u64 *set)
{
	for (size_t page = 0; page < PAGES; page++)
		if (has(set, page))
			map[page * page_size()]++;
}

static void read_all(const char *map)
{
	for (size_t page = 0; page < PAGES; page++)
		(void)*(volatile const char *)(map + page * page_size());
}

/* Whether a harvest tells of these pages, and of no other. What it does not write is seen. */
static bool tells(int fd, size_t first, size_t pages, unsigned int flags, const __u64 *set)
{
	__u64 bits[WORDS + 1], wanted[WORDS], dirty = ~0ULL;
	size_t words = (pages + 63) / 64;
	int error;

	memset(bits, 0xa5, sizeof(bits));
	part(set, first, pages, wanted);
	error = device_dirty(fd, first, pages, flags, bits, &dirty);
	if (!error && dirty == count(wanted) && bits[words] == 0xa5a5a5a5a5a5a5a5 &&
	    !memcmp(bits, wanted, words * sizeof(*bits)))
		return true;
	fprintf(stderr, "# error %d, %llu pages and not %llu:", error, dirty, count(wanted));
	for (size_t word = 0; word < words; word++)
		fprintf(stderr, " %016llx/%016llx", bits[word], wanted[word]);
	fprintf(stderr, "\n");
	return false;
}

/* Harvests all: whether these pages were dirty, by every way of telling, and no longer are. */
static bool were_dirty(int fd, const __u64 *set)
{
	static const __u64 none[WORDS];
	__u64 dirty = ~0ULL;

	return device_info(fd).dirty_pages == count(set) &&
	       !device_dirty(fd, 0, PAGES, MMLENS_DIRTY_PEEK, NULL, &dirty) && dirty == count(set) &&
	       tells(fd, 0, PAGES, MMLENS_DIRTY_PEEK, set) && tells(fd, 0, PAGES, 0, set) &&
	       tells(fd, 0, PAGES, 0, none) && !device_info(fd).dirty_pages;
}

static bool was_dirty(int fd, size_t page)
{
	__u64 set[WORDS] = {};

	add(set, page);
	return were_dirty(fd, set);
}

static bool is_clean(int fd)
{
	static const __u64 none[WORDS];

	return were_dirty(fd, none);
}

TEST_F_TIMEOUT(track, neither_a_mapping_nor_a_read_makes_dirty, 120)
{
	for_each_tracked(&self->combo) {
		char *copy = malloc(self->size), *second;

		MAKE();
		EXPECT_TRUE(is_clean(self->fd));
		read_all(self->map);
		second = device_map(self->fd, RW, MAP_SHARED, PAGES, 0);
		EXPECT_EQ((ssize_t)self->size, pread(self->fd, copy, self->size, 0));
		EXPECT_EQ((ssize_t)self->size, pread(self->mem, copy, self->size,
						     (uintptr_t)second));
		read_all(second);
		EXPECT_TRUE(is_clean(self->fd));
		/* What is mapped already, and maybe has been by mmap(), still tells of a write. */
		second[70 * self->page] = 1;
		EXPECT_TRUE(was_dirty(self->fd, 70));
		munmap(second, self->size);
		free(copy);
		DROP();
	}
}

TEST_F_TIMEOUT(track, the_first_access_is_a_write, 120)
{
	for_each_tracked(&self->combo) {
		MAKE();
		self->map[65 * self->page] = 1;
		EXPECT_TRUE(was_dirty(self->fd, 65));
		DROP();
	}
}

TEST_F_TIMEOUT(track, exactly_what_was_written_is_told_each_time, 120)
{
	for_each_tracked(&self->combo) {
		MAKE();
		for (unsigned int seed = 1; seed < 5; seed++) {
			__u64 set[WORDS];

			choose(seed, set);
			/* The more often, the same. */
			for (unsigned int i = 0; i < seed; i++)
				write_to(self->map, set);
			EXPECT_TRUE(were_dirty(self->fd, set));
			/* They are still mapped: by entries that can only be read. */
			write_to(self->map, set);
			EXPECT_TRUE(were_dirty(self->fd, set));
			if (seed == 3)
				madvise(self->map, self->size, MADV_DONTNEED);
		}
		DROP();
	}
}

TEST_F_TIMEOUT(track, a_part_is_harvested_alone, 120)
{
	static const struct { size_t first, pages; } parts[] = {
		{ 0, 0 }, { 0, 1 }, { 1, 1 }, { 63, 2 }, { 1, 64 }, { 65, 64 }, { 63, 65 },
		{ 7, PAGES - 7 }, { PAGES - 1, 1 }, { PAGES, 0 },
	};

	for_each_tracked(&self->combo) {
		__u64 set[WORDS];

		MAKE();
		choose(9, set);
		for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
			size_t first = parts[i].first, pages = parts[i].pages;
			__u64 left[WORDS] = {};

			write_to(self->map, set);
			EXPECT_TRUE(tells(self->fd, first, pages, MMLENS_DIRTY_PEEK, set));
			EXPECT_TRUE(tells(self->fd, first, pages, 0, set));
			for (size_t page = 0; page < PAGES; page++)
				if (has(set, page) && (page < first || page >= first + pages))
					add(left, page);
			EXPECT_TRUE(were_dirty(self->fd, left)) TH_LOG("%zu at %zu", pages, first);
		}
		DROP();
	}
}

static __u64 faults(int fd)
{
	return device_calls(fd, MMLENS_OP_FAULT) + device_calls(fd, MMLENS_OP_PAGE_MKWRITE) +
	       device_calls(fd, MMLENS_OP_PFN_MKWRITE);
}

TEST_F_TIMEOUT(track, a_look_changes_nothing, 120)
{
	for_each_tracked(&self->combo) {
		struct mmlens_dirty request = {
			.size = sizeof(request), .flags = MMLENS_DIRTY_PEEK, .pages = PAGES,
		};
		__u64 set[WORDS], before;

		MAKE();
		choose(2, set);
		write_to(self->map, set);
		before = faults(self->fd);
		for (int i = 0; i < 3; i++) {
			ASSERT_EQ(0, ioctl(self->fd, MMLENS_IOC_DIRTY, &request));
			EXPECT_EQ(count(set), request.dirty);
			EXPECT_EQ(0, request.protected);
			EXPECT_EQ(PAGES, request.pages);
			write_to(self->map, set);
		}
		/* The entries were left as they are. */
		EXPECT_EQ(before, faults(self->fd));
		request.flags = 0;
		ASSERT_EQ(0, ioctl(self->fd, MMLENS_IOC_DIRTY, &request));
		EXPECT_EQ(count(set), request.dirty);
		EXPECT_EQ(count(set), request.protected);
		write_to(self->map, set);
		EXPECT_LT(before, faults(self->fd));
		EXPECT_TRUE(were_dirty(self->fd, set));
		DROP();
	}
}

TEST_F_TIMEOUT(track, what_cannot_be_told_stays_dirty, 120)
{
	char *room = map_alone(RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 1, 0) + self->page;

	for_each_tracked(&self->combo) {
		struct mmlens_dirty *request = (void *)self->map;
		__u64 set[WORDS], dirty;

		MAKE();
		choose(3, set);
		write_to(self->map, set);
		EXPECT_EQ(-EFAULT, device_dirty(self->fd, 0, PAGES, 0, (void *)8, &dirty));
		EXPECT_EQ(-EFAULT, device_dirty(self->fd, 0, PAGES, 0, (void *)-8, &dirty));
		/* There is room for the first two words. */
		EXPECT_EQ(-EFAULT, device_dirty(self->fd, 0, PAGES, 0, (void *)(room - 16),
						&dirty));
		EXPECT_TRUE(were_dirty(self->fd, set));
		/* It goes on as ever. */
		write_to(self->map, set);
		EXPECT_TRUE(were_dirty(self->fd, set));
		/* Nor can the answer be put where nothing can be written. */
		request = mmap(NULL, self->page, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		*request = (struct mmlens_dirty) { .size = sizeof(*request), .pages = PAGES };
		ASSERT_EQ(0, mprotect(request, self->page, PROT_READ));
		write_to(self->map, set);
		EXPECT_EQ(-1, ioctl(self->fd, MMLENS_IOC_DIRTY, request));
		EXPECT_EQ(EFAULT, errno);
		EXPECT_TRUE(were_dirty(self->fd, set));
		munmap(request, self->page);
		DROP();
	}
}

TEST_F_TIMEOUT(track, every_way_to_write_is_seen, 120)
{
	int pipes[2];

	ASSERT_EQ(0, pipe(pipes));
	for_each_tracked(&self->combo) {
		char *second, *at, bytes[] = "abc";
		struct iovec local = { .iov_base = bytes, .iov_len = 3 }, remote = local;
		__u64 set[WORDS] = {};
		pid_t pid;

		MAKE();
		/* The border between pages 63 and 64: all that copies, copies to both. */
		at = self->map + 64 * self->page - 1;
		add(set, 63);
		add(set, 64);
		for (int i = 0; i < 2; i++) {
			second = device_map(self->fd, RW, MAP_SHARED, PAGES - 60, 60);
			second[3 * self->page] = 1;
			EXPECT_TRUE(was_dirty(self->fd, 63));
			/* Both mappings tell: neither is left writable. */
			self->map[63 * self->page] = 1;
			EXPECT_TRUE(was_dirty(self->fd, 63));
			second[3 * self->page] = 1;
			EXPECT_TRUE(was_dirty(self->fd, 63));
			munmap(second, self->size - 60 * self->page);

			pid = fork();
			if (!pid) {
				memcpy(at, "abc", 3);
				_exit(0);
			}
			ASSERT_EQ(pid, waitpid(pid, NULL, 0));
			EXPECT_TRUE(were_dirty(self->fd, set));
			EXPECT_EQ(3, pwrite(self->fd, bytes, 3, 64 * self->page - 1));
			EXPECT_TRUE(were_dirty(self->fd, set));
			EXPECT_EQ(3, pwrite(self->mem, bytes, 3, (uintptr_t)at));
			EXPECT_TRUE(were_dirty(self->fd, set));
			ASSERT_EQ(3, write(pipes[1], bytes, 3));
			EXPECT_EQ(3, read(pipes[0], at, 3));
			EXPECT_TRUE(were_dirty(self->fd, set));
			remote.iov_base = at;
			EXPECT_EQ(is_normal(&self->combo) ? 3 : -1,
				  process_vm_writev(getpid(), &local, 1, &remote, 1, 0));
			EXPECT_EQ(is_normal(&self->combo), !is_clean(self->fd) || 0);
			/* And once more, from entries that are writable but clean. */
		}
		DROP();
	}
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/*
 * /proc/PID/mem and ptrace: of pages the kernel gets hold of, of frame numbers only the
 * device can tell what is there.
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/setups.h"
#include "lib/util.h"

#define PAGES 8
#define RW (PROT_READ | PROT_WRITE)

FIXTURE(access)
{
	size_t page, size;
	int fd, mem;
	char *map;
	struct combo combo;
};

FIXTURE_SETUP(access)
{
	self->page = page_size();
	self->size = PAGES * self->page;
	self->mem = open("/proc/self/mem", O_RDWR);
	ASSERT_LE(0, self->mem);
}

FIXTURE_TEARDOWN(access)
{
}

/* Nothing around it: by force, the kernel reads what is PROT_NONE too. */
static char *map_in_a_hole(int prot, int flags, int fd, size_t pages, size_t at)
{
	char *map = map_alone(prot, flags, fd, pages, at * page_size());

	munmap(map - page_size(), page_size());
	munmap(map + pages * page_size(), page_size());
	return map;
}

#define MAKE() do { \
	self->fd = device_make(self->combo.words, 0); \
	ASSERT_LE(0, self->fd) TH_LOG("%s: %s", self->combo.words, strerror(-self->fd)); \
	self->map = map_in_a_hole(RW, MAP_SHARED, self->fd, PAGES, 0); \
} while (0)

#define DROP() do { \
	munmap(self->map, self->size); \
	close(self->fd); \
} while (0)

#define GET(to, bytes, at) pread(self->mem, to, bytes, (uintptr_t)(at))
#define PUT(from, bytes, at) pwrite(self->mem, from, bytes, (uintptr_t)(at))

TEST_F_TIMEOUT(access, reaches_all_of_it, 300)
{
	char *copy = malloc(self->size);

	for_each_combo(&self->combo) {
		MAKE();
		/* Before anybody touched it. */
		EXPECT_EQ((ssize_t)self->size, GET(copy, self->size, self->map));
		EXPECT_TRUE(pages_are_zero(copy, PAGES));
		fill_pages(copy, PAGES, 1);
		EXPECT_EQ((ssize_t)self->size, PUT(copy, self->size, self->map));
		EXPECT_TRUE(pages_have(self->map, PAGES, 1));
		fill_pages(self->map, PAGES, 2);
		EXPECT_EQ((ssize_t)self->size, GET(copy, self->size, self->map));
		EXPECT_TRUE(pages_have(copy, PAGES, 2));
		/* What is not normal nobody but the device can reach. */
		EXPECT_EQ(!is_normal(&self->combo), device_done(self->fd, MMLENS_OP_ACCESS) > 0);
		DROP();
	}
}

TEST_F_TIMEOUT(access, across_pages_and_at_odd_places, 300)
{
	for_each_combo(&self->combo) {
		char text[] = "across the border of a page", back[sizeof(text)];
		ssize_t len = sizeof(text);

		MAKE();
		for (size_t page = 1; page < PAGES; page++) {
			char *at = self->map + page * self->page - 11;

			EXPECT_EQ(len, PUT(text, len, at));
			EXPECT_EQ(0, memcmp(at, text, len));
			memcpy(at + 1, "CROSS", 5);
			EXPECT_EQ(len, GET(back, len, at));
			EXPECT_EQ(0, memcmp(at, back, len));
		}
		for (int i = 1; i < 9; i++) {
			EXPECT_EQ(i, PUT(text, i, self->map + 100 * i + i));
			EXPECT_EQ(0, memcmp(self->map + 100 * i + i, text, i));
			/* And not a byte more. */
			EXPECT_EQ(0, self->map[100 * i + i + i]);
			EXPECT_EQ(0, self->map[100 * i + i - 1]);
		}
		DROP();
	}
}

TEST_F_TIMEOUT(access, ends_where_the_vma_ends, 300)
{
	for_each_combo(&self->combo) {
		char bytes[64] = {};
		char *part;

		MAKE();
		EXPECT_EQ(24, GET(bytes, 64, self->map + self->size - 24));
		EXPECT_EQ(24, PUT(bytes, 64, self->map + self->size - 24));
		EXPECT_EQ(-1, GET(bytes, 64, self->map + self->size));
		EXPECT_EQ(EIO, errno);
		EXPECT_EQ(-1, PUT(bytes, 64, self->map - 64));
		/* Where the buffer goes on, and what comes before. */
		part = map_in_a_hole(RW, MAP_SHARED, self->fd, 2, 3);
		fill_pages(self->map, PAGES, 1);
		EXPECT_EQ(24, GET(bytes, 64, part + 2 * self->page - 24));
		EXPECT_EQ(24, PUT(bytes, 64, part + 2 * self->page - 24));
		EXPECT_EQ(-1, GET(bytes, 64, part + 2 * self->page));
		EXPECT_EQ(64, GET(bytes, 64, part));
		EXPECT_EQ(0, memcmp(bytes, self->map + 3 * self->page, 64));
		EXPECT_TRUE(pages_have(self->map, PAGES, 1));
		munmap(part, 2 * self->page);
		DROP();
	}
}

/*
 * The kernel writes by force only into private mappings, where that makes a copy: see
 * check_vma_flags(), mm/gup.c. What it refuses it then asks the device for.
 */
TEST_F_TIMEOUT(access, does_not_write_what_is_read_only, 300)
{
	for_each_combo(&self->combo) {
		struct mmlens_setup setup = device_words(self->combo.words, PAGES);
		char text[] = "never", back[8] = "x";
		int fd = device_open(O_RDONLY);
		char *map;

		MAKE();
		fill_pages(self->map, PAGES, 1);
		ASSERT_EQ(0, mprotect(self->map, self->size, PROT_READ));
		EXPECT_EQ(-1, PUT(text, 5, self->map + self->page));
		EXPECT_EQ(0, self->map[self->page]);
		EXPECT_EQ(5, GET(back, 5, self->map + self->page));
		EXPECT_EQ(0, memcmp(back, self->map + self->page, 5));
		EXPECT_TRUE(pages_have(self->map, PAGES, 1));
		DROP();

		/* A file that may not be written, by nobody. */
		ASSERT_EQ(0, ioctl(fd, MMLENS_IOC_SETUP, &setup));
		map = map_alone(PROT_READ, MAP_SHARED, fd, PAGES, 0);
		EXPECT_EQ(-1, PUT(text, 5, map + self->page));
		EXPECT_TRUE(pages_are_zero(map, PAGES));
		munmap(map, self->size);
		close(fd);
	}
}

TEST_F_TIMEOUT(access, private_mappings_give_and_get_copies, 300)
{
	for_each_combo(&self->combo) {
		char *private, back[8] = "";

		if (!can_be_private(&self->combo))
			continue;
		MAKE();
		fill_pages(self->map, PAGES, 1);
		private = map_alone(RW, MAP_PRIVATE, self->fd, PAGES, 0);
		EXPECT_EQ(4, PUT("copy", 4, private));
		EXPECT_EQ(0, memcmp(private, "copy", 4));
		EXPECT_EQ(0, self->map[0]);
		EXPECT_EQ(4, GET(back, 4, private));
		EXPECT_STREQ("copy", back);
		EXPECT_TRUE(pages_have(private, PAGES, 1));
		EXPECT_TRUE(pages_have(self->map, PAGES, 1));
		munmap(private, self->size);
		DROP();
	}
}

/* Nothing of it is mapped in the one who writes: the core has to copy the page, not an address. */
TEST_F_TIMEOUT(access, copies_are_made_by_others_too, 300)
{
	for_each_combo(&self->combo) {
		char *private, path[32];
		int status, mem;
		pid_t pid;

		if (!can_be_private(&self->combo))
			continue;
		MAKE();
		fill_pages(self->map, PAGES, 1);
		private = map_alone(RW, MAP_PRIVATE, self->fd, PAGES, 0);
		pid = fork();
		if (!pid) {
			bool good = pages_have(private, PAGES, 1);

			raise(SIGSTOP);
			good &= !memcmp(private, "copy", 4) && pages_have(private, PAGES, 1);
			_exit(!good);
		}
		ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
		munmap(private, self->size);
		snprintf(path, sizeof(path), "/proc/%d/mem", pid);
		mem = open(path, O_RDWR);
		EXPECT_EQ(4, pwrite(mem, "copy", 4, (uintptr_t)private));
		close(mem);
		kill(pid, SIGCONT);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status) TH_LOG("%s", self->combo.words);
		EXPECT_TRUE(pages_have(self->map, PAGES, 1));
		DROP();
	}
}

TEST_F_TIMEOUT(access, debuggers_peek_and_poke, 300)
{
	for_each_combo(&self->combo) {
		long word = 0x1122334455667788, *place;
		int status;
		pid_t pid;

		MAKE();
		place = (long *)(self->map + 3 * self->page + 16);
		*place = word;
		pid = fork();
		if (!pid) {
			ptrace(PTRACE_TRACEME, 0, NULL, NULL);
			/*
			 * fork() leaves the entries of frames old, and clean. That
			 * follow_pfn_pte() (mm/gup.c) makes one young by set_pte_at() is what
			 * arm64 warns of with DEBUG_VM, whoever's VMA it is.
			 */
			(void)*(const volatile long *)place;
			(void)*(const volatile char *)(self->map + self->size - 1);
			raise(SIGSTOP);
			_exit(*place != 42);
		}
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_TRUE(WIFSTOPPED(status));
		errno = 0;
		EXPECT_EQ(word, ptrace(PTRACE_PEEKDATA, pid, place, NULL));
		EXPECT_EQ(0, errno);
		EXPECT_EQ(0, ptrace(PTRACE_POKEDATA, pid, place, 42L));
		EXPECT_EQ(42, *place);
		/* Past the end: half of the word is not there. */
		EXPECT_EQ(-1, ptrace(PTRACE_PEEKDATA, pid, self->map + self->size - 4, NULL));
		EXPECT_EQ(EIO, errno);
		ptrace(PTRACE_CONT, pid, NULL, NULL);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status);
		DROP();
	}
}

/* Each access is one, and says how many bytes' pages; writes count as writes. */
TEST_F(access, is_counted)
{
	char bytes[8] = "1234567";

	self->fd = device_make("vmap,pfnmap,track", 0);
	self->map = map_in_a_hole(RW, MAP_SHARED, self->fd, PAGES, 0);
	for (__u64 i = 0; i < 5; i++) {
		EXPECT_EQ(i, device_done(self->fd, MMLENS_OP_ACCESS));
		EXPECT_EQ(8, GET(bytes, 8, self->map + i * self->page));
	}
	EXPECT_EQ(0, device_info(self->fd).dirty_pages);
	EXPECT_EQ(8, PUT(bytes, 8, self->map + 3 * self->page));
	EXPECT_EQ(6, device_done(self->fd, MMLENS_OP_ACCESS));
	EXPECT_EQ(1, device_info(self->fd).dirty_pages);
	/* Nothing was mapped by all that. */
	EXPECT_EQ(0, device_calls(self->fd, MMLENS_OP_FAULT));
}

TEST_HARNESS_MAIN

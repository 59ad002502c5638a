// SPDX-License-Identifier: GPL-2.0
/* The question explain: the reason for every kind of memory, made as the kernel documents it. */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/query.h"
#include "lib/util.h"

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static void write_pages(char *map, size_t first, size_t nr)
{
	for (size_t i = first; i < first + nr; i++)
		map[i * page_size()] = 1;
}

static void read_pages(const char *map, size_t first, size_t nr)
{
	for (size_t i = first; i < first + nr; i++)
		(void)*(volatile const char *)(map + i * page_size());
}

/* The first word of a line of the answer: "REASON" of "reason:  REASON: a sentence". */
static const char *word_of(int fd, const char *name, const void *addr)
{
	static char word[64];
	const char *answer = query(fd, "explain %lx", (uintptr_t)addr);
	const char *value = answer ? query_value(answer, name) : NULL;

	snprintf(word, sizeof(word), "%.*s", value ? (int)strcspn(value, ":") : 1, value ?: "?");
	return word;
}

#define EXPECT_REASON(word, addr) do { \
	const char *reason = word_of(self->fd, "reason", addr); \
	EXPECT_STREQ(word, reason) \
		TH_LOG("%s", query(self->fd, "explain %lx", (uintptr_t)(addr))); \
} while (0)

#define EXPECT_NOT_HUGE(word, addr) do { \
	EXPECT_STREQ("no: " word, huge_of(self->fd, addr)) \
		TH_LOG("%s", query(self->fd, "explain %lx", (uintptr_t)(addr))); \
} while (0)

/* "no: WORD" or "yes". */
static const char *huge_of(int fd, const void *addr)
{
	static char word[64];
	const char *answer = query(fd, "explain %lx", (uintptr_t)addr);
	const char *value = answer ? query_value(answer, "huge") : NULL;
	const char *colon;

	if (!value)
		return "?";
	colon = strchr(value, ':');
	if (colon && !strncmp(value, "no: ", 4))
		colon = strchr(colon + 1, ':');
	snprintf(word, sizeof(word), "%.*s", colon ? (int)(colon - value) : 1, value);
	return word;
}

/* About oneself: a page is as the line before has left it. */
FIXTURE(explain)
{
	int fd;
	char folder[32];
};

FIXTURE_SETUP(explain)
{
	/* Not a tmpfs: a file system that is told of writes. */
	strcpy(self->folder, "/var/tmp/mmlens-XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->folder));
	ASSERT_EQ(0, chdir(self->folder));
	self->fd = query_open(0);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(explain)
{
	close(self->fd);
	unlink("file");
	if (!chdir("/"))
		rmdir(self->folder);
}

TEST_F(explain, no_vma)
{
	char *room;

	EXPECT_EQ(0, strncmp("none: ", query(self->fd, "explain 0"), 6));
	EXPECT_NE(NULL, strstr(query(self->fd, "explain ffffffffffffffff"), "not a user address"));
	room = mmap(NULL, 64 * page_size(), PROT_NONE, ANON, -1, 0);
	munmap(room, 64 * page_size());
	room = mmap(room + 60 * page_size(), page_size(), RW, ANON | MAP_GROWSDOWN | MAP_FIXED,
		    -1, 0);
	EXPECT_NE(NULL, strstr(query(self->fd, "explain %lx", (uintptr_t)room - 1), "stack"));
}

TEST_F(explain, anonymous_memory)
{
	char *map = map_alone(RW, ANON, -1, 8, 0);

	EXPECT_REASON("untouched", map);
	read_pages(map, 0, 1);
	EXPECT_REASON("zero-page", map);
	/* Nothing has been written: there is no anon_vma, and this page was not touched. */
	EXPECT_REASON("untouched", map + page_size());
	write_pages(map, 0, 2);
	EXPECT_REASON("writable", map);
	EXPECT_REASON("writable", map + page_size());
	EXPECT_REASON("absent", map + 2 * page_size());
	madvise(map, page_size(), MADV_DONTNEED);
	EXPECT_REASON("absent", map);
	mprotect(map, 8 * page_size(), PROT_READ);
	EXPECT_REASON("read-only", map + page_size());
	mprotect(map, 8 * page_size(), PROT_NONE);
	EXPECT_REASON("prot-none", map + page_size());
	EXPECT_REASON("no-access", map);
	EXPECT_NOT_HUGE("small", map);
}

TEST_F(explain, a_fork)
{
	char *map = map_alone(RW, ANON, -1, 4, 0), *answer;
	pid_t child;

	write_pages(map, 0, 4);
	EXPECT_REASON("writable", map);
	child = fork();
	if (!child) {
		pause();
		_exit(0);
	}
	answer = query(self->fd, "explain %lx", (uintptr_t)map);
	EXPECT_STREQ("2, maybe shared", query_value(answer, "mapcount"));
	EXPECT_REASON("cow-pending", map);
	/* A copy of its own. */
	write_pages(map, 1, 1);
	EXPECT_REASON("writable", map + page_size());
	answer = query(self->fd, "explain %lx", (uintptr_t)map + page_size());
	EXPECT_STREQ("1, exclusive to this process", query_value(answer, "mapcount"));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	EXPECT_REASON("cow-pending", map);
	answer = query(self->fd, "explain %lx", (uintptr_t)map);
	EXPECT_NE(NULL, strstr(answer, "the others have gone"));
	write_pages(map, 0, 1);
	EXPECT_REASON("writable", map);
}

TEST_F(explain, files)
{
	int file = make_file("file", 8);
	char *shared = map_alone(RW, MAP_SHARED, file, 12, 0);
	char *private = map_alone(RW, MAP_PRIVATE, file, 8, 0);
	char *readable = map_alone(PROT_READ, MAP_SHARED, file, 8, 0);
	char *answer;

	for (int i = 0; i < 8; i++)
		pwrite(file, "x", 1, i * page_size());
	EXPECT_REASON("not-mapped", shared);
	EXPECT_REASON("past-end", shared + 8 * page_size());
	EXPECT_REASON("not-mapped", private + 7 * page_size());
	/* One by one: a fault may map the neighbours that are in memory as well. */
	read_pages(shared, 0, 1);
	EXPECT_REASON("page-mkwrite", shared);
	write_pages(shared, 0, 1);
	EXPECT_REASON("writable", shared);
	read_pages(private, 2, 1);
	EXPECT_REASON("cow-file", private + 2 * page_size());
	answer = query(self->fd, "explain %lx", (uintptr_t)private + 2 * page_size());
	EXPECT_EQ(0, strncmp("file pfn", query_value(answer, "page") ?: "", 8));
	write_pages(private, 2, 1);
	EXPECT_REASON("writable", private + 2 * page_size());
	answer = query(self->fd, "rmap %lx", (uintptr_t)private + 2 * page_size());
	EXPECT_NE(NULL, strstr(answer, "\n# here is a private copy"));
	read_pages(readable, 3, 1);
	EXPECT_REASON("read-only", readable + 3 * page_size());
}

TEST_F(explain, shared_anonymous_memory)
{
	char *map = map_alone(RW, MAP_SHARED | MAP_ANONYMOUS, -1, 8, 0), *answer;

	EXPECT_REASON("not-mapped", map);
	write_pages(map, 0, 1);
	EXPECT_REASON("writable", map);
	answer = query(self->fd, "explain %lx", (uintptr_t)map);
	EXPECT_EQ(0, strncmp("shmem pfn", query_value(answer, "page") ?: "", 9));
}

TEST_F(explain, the_device)
{
	char *map = device_map(device_open(O_RDWR), RW, MAP_SHARED, 4, 0), *answer;

	EXPECT_REASON("not-mapped", map);
	read_pages(map, 0, 1);
	EXPECT_REASON("page-mkwrite", map);
	write_pages(map, 0, 1);
	EXPECT_REASON("writable", map);
	answer = query(self->fd, "explain %lx", (uintptr_t)map);
	EXPECT_EQ(0, strncmp("kernel pfn", query_value(answer, "page") ?: "", 10));
}

TEST_F(explain, guard_regions)
{
	char *map = map_alone(RW, ANON, -1, 8, 0);

	write_pages(map, 0, 4);
	if (madvise(map + page_size(), 2 * page_size(), MADV_GUARD_INSTALL))
		SKIP(return, "no guard regions");
	EXPECT_REASON("guard", map + page_size());
	EXPECT_REASON("guard", map + 2 * page_size());
	EXPECT_REASON("writable", map + 3 * page_size());
	madvise(map + page_size(), page_size(), MADV_GUARD_REMOVE);
	EXPECT_REASON("absent", map + page_size());
}

TEST_F(explain, locked_memory)
{
	char *map = map_alone(RW, ANON, -1, 4, 0), *answer;

	ASSERT_EQ(0, mlock(map, 4 * page_size()));
	EXPECT_REASON("writable", map);
	answer = query(self->fd, "explain %lx", (uintptr_t)map);
	EXPECT_NE(NULL, strstr(query_value(answer, "flags") ?: "", "MLOCKED"));
}

TEST_F(explain, soft_dirty)
{
	char *map = map_alone(RW, ANON, -1, 4, 0);
	char *shared = map_alone(RW, MAP_SHARED | MAP_ANONYMOUS, -1, 4, 0);
	uint64_t entry;
	int fd = proc_pagemap_open(getpid());

	write_pages(map, 0, 2);
	write_pages(shared, 0, 2);
	ASSERT_TRUE(proc_pagemap(fd, (uintptr_t)map, &entry, 1));
	close(fd);
	if (!(entry & PM_SOFT_DIRTY))
		SKIP(return, "the kernel does not track it");
	ASSERT_EQ(0, write_file("/proc/self/clear_refs", "4"));
	EXPECT_REASON("soft-dirty", map);
	EXPECT_REASON("soft-dirty", shared);
	write_pages(map, 0, 1);
	write_pages(shared, 0, 1);
	EXPECT_REASON("writable", map);
	EXPECT_REASON("writable", shared);
	EXPECT_REASON("soft-dirty", map + page_size());
}

static int userfault(uint64_t features, char *map, size_t pages, uint64_t mode)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	struct uffdio_register area = {
		.range = { .start = (uintptr_t)map, .len = pages * page_size() },
		.mode = mode,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &area))
		return -1;
	return fd;
}

TEST_F(explain, userfaultfd)
{
	char *map = map_alone(RW, ANON, -1, 8, 0), *missing = map_alone(RW, ANON, -1, 8, 0);
	struct uffdio_writeprotect protect = {
		.range = { .start = (uintptr_t)map, .len = 4 * page_size() },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	int fd;

	write_pages(map, 0, 2);
	write_pages(map, 5, 1);
	fd = userfault(UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_WP_UNPOPULATED, map, 8,
		       UFFDIO_REGISTER_MODE_WP);
	if (fd < 0 || ioctl(fd, UFFDIO_WRITEPROTECT, &protect))
		SKIP(return, "no write protection by userfaultfd");
	EXPECT_REASON("uffd-wp", map);
	EXPECT_REASON("uffd-wp-marker", map + 3 * page_size());
	EXPECT_REASON("writable", map + 5 * page_size());
	ASSERT_LE(0, userfault(0, missing, 8, UFFDIO_REGISTER_MODE_MISSING));
	EXPECT_REASON("uffd-missing", missing);
}

TEST_F_TIMEOUT(explain, swapped_out, 60)
{
	char *map = map_alone(RW, ANON, -1, 16, 0);
	uint64_t entry = 0;
	const char *reason;
	char want[96];
	int fd = proc_pagemap_open(getpid());

	if (system("{ modprobe zram && echo 64M >/sys/block/zram0/disksize && mkswap /dev/zram0 &&"
		   " swapon /dev/zram0; } >/dev/null 2>&1"))
		SKIP(return, "no swap device can be made");
	for (int i = 0; i < 16; i++)
		memset(map + i * page_size(), i + 1, page_size());
	for (int i = 0; i < 100 && !(entry & PM_SWAP); i++) {
		madvise(map, 16 * page_size(), MADV_PAGEOUT);
		/* On a busy machine that takes a while. */
		usleep(10000);
		ASSERT_TRUE(proc_pagemap(fd, (uintptr_t)map, &entry, 1));
	}
	ASSERT_TRUE(entry & PM_SWAP);
	EXPECT_REASON("swapped", map);
	reason = query_value(query(self->fd, "explain %lx", (uintptr_t)map), "reason");
	snprintf(want, sizeof(want), "swapped: in swap area %lu at page 0x%lx ",
		 PM_SWAP_TYPE(entry), PM_SWAP_OFFSET(entry));
	EXPECT_EQ(0, strncmp(want, reason, strlen(want))) TH_LOG("%s", reason);
	munmap(map, 16 * page_size());
	close(fd);
	EXPECT_EQ(0, system("swapoff /dev/zram0 && echo 1 >/sys/block/zram0/reset"));
}

static uint64_t huge_size(void)
{
	long size = read_number("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size");

	return size > 0 ? size : 0;
}

TEST_F(explain, huge_pages)
{
	size_t size = huge_size(), pages = size / page_size();
	char *map, *answer;

	if (!size)
		SKIP(return, "no transparent huge pages");
	map = map_aligned(RW, ANON, 2 * size, size);
	madvise(map, 2 * size, MADV_HUGEPAGE);
	EXPECT_NOT_HUGE("empty", map);
	write_pages(map, 0, 1);
	if (strcmp(huge_of(self->fd, map), "yes"))
		SKIP(return, "there is no huge page to be had");
	EXPECT_REASON("writable", map + 7 * page_size());
	answer = query(self->fd, "explain %lx", (uintptr_t)map + 7 * page_size());
	EXPECT_NE(NULL, strstr(query_value(answer, "page") ?: "", "page 7 of a folio of "));
	/* One folio still, of which a part is mapped otherwise. */
	mprotect(map + page_size(), page_size(), PROT_READ);
	EXPECT_NOT_HUGE("small", map);
	EXPECT_NOT_HUGE("unaligned", map + 2 * page_size());
	mprotect(map + page_size(), page_size(), RW);
	EXPECT_NOT_HUGE("split", map);

	map = map_aligned(RW, ANON, 2 * size, size);
	madvise(map, 2 * size, MADV_NOHUGEPAGE);
	write_pages(map, 0, 3);
	EXPECT_NOT_HUGE("advice", map);
	answer = query(self->fd, "explain %lx", (uintptr_t)map);
	EXPECT_NE(NULL, strstr(query_value(answer, "page") ?: "", "(order 0)"));
	madvise(map, 2 * size, MADV_HUGEPAGE);
	EXPECT_NOT_HUGE("folios", map);
	{
		char text[64];

		snprintf(text, sizeof(text), "no: folios: 3 of %zu pages are mapped", pages);
		answer = query(self->fd, "explain %lx", (uintptr_t)map);
		EXPECT_NE(NULL, strstr(query_value(answer, "huge"), text));
	}
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	EXPECT_NOT_HUGE("process", map);
	prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
	munmap(map + size + size / 2, size / 2);
	EXPECT_NOT_HUGE("unaligned", map + size);
}

TEST_F(explain, huge_pages_of_files)
{
	size_t size = huge_size();
	char *room, *map;
	int file;

	if (!size)
		SKIP(return, "no transparent huge pages");
	file = make_file("file", 4 * size / page_size());
	room = map_aligned(PROT_NONE, ANON | MAP_NORESERVE, 3 * size, size);
	map = mmap(room, 3 * size, PROT_READ, MAP_SHARED | MAP_FIXED, file, page_size());
	read_pages(map, 0, 1);
	EXPECT_NOT_HUGE("file-offset", map);
	/* What a driver maps is the driver's business. */
	map = device_map(device_open(O_RDWR), RW, MAP_SHARED, 3 * size / page_size(), 0);
	read_pages(map, size / page_size(), 1);
	EXPECT_NOT_HUGE("driver", map + size);
}

TEST_F(explain, hugetlb)
{
	size_t size = huge_size();
	char path[96];
	char *map, *answer;
	long before;

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%zukB/nr_hugepages",
		 size >> 10);
	before = read_number(path);
	write_number(path, 2);
	if (read_number(path) < 2) {
		write_number(path, before);
		SKIP(return, "no huge pages to be had");
	}
	map = map_aligned(RW, MAP_PRIVATE | MAP_HUGETLB, size, size);
	EXPECT_REASON("not-mapped", map);
	write_pages(map, 0, 1);
	EXPECT_REASON("writable", map + page_size());
	answer = query(self->fd, "explain %lx", (uintptr_t)map);
	EXPECT_EQ(0, strncmp("hugetlb pfn", query_value(answer, "page") ?: "", 11));
	munmap(map, size);
	write_number(path, before);
}

TEST_F_TIMEOUT(explain, merged_by_ksm, 60)
{
	static const char run[] = "/sys/kernel/mm/ksm/run";
	char *map = map_alone(RW, ANON, -1, 16, 0);
	bool merged = false;
	long before = read_number(run);

	memset(map, 0x5a, 16 * page_size());
	if (before < 0 || madvise(map, 16 * page_size(), MADV_MERGEABLE))
		SKIP(return, "no KSM");
	write_number("/sys/kernel/mm/ksm/pages_to_scan", 5000);
	write_number(run, 1);
	for (int i = 0; i < 200 && !merged; i++) {
		merged = !strcmp("ksm", word_of(self->fd, "reason", map + 8 * page_size()));
		usleep(50000);
	}
	write_number(run, 2);
	write_number(run, before);
	EXPECT_TRUE(merged);
}

TEST_HARNESS_MAIN

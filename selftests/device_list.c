// SPDX-License-Identifier: GPL-2.0
/* What fdinfo and the list in debugfs say of the open files of the device. */
#include <fcntl.h>
#include <signal.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/kinds.h"
#include "lib/lens.h"
#include "lib/look.h"
#include "lib/setups.h"
#include "lib/util.h"

FIXTURE(list)
{
	int fd;
	size_t page;
	char *map;
	char *text;	/* what was read last */
	pid_t child;
};

FIXTURE_SETUP(list)
{
	self->page = page_size();
	self->fd = device_make("vmap,around=8,track", 2 * PAGES);
	ASSERT_LE(0, self->fd);
	self->map = device_map(self->fd, RW, MAP_SHARED, 2 * PAGES, 0);
	ASSERT_NE(MAP_FAILED, self->map);
}

FIXTURE_TEARDOWN(list)
{
	free(self->text);
	if (self->child > 0)
		target_end(self->child);
}

/* How many lines begin with a word, after any spaces. */
static int lines(const char *text, const char *word)
{
	int found = 0;

	for (; text; text = strchr(text, '\n')) {
		text += strspn(text, "\n ");
		found += !strncmp(text, word, strlen(word));
	}
	return found;
}

/* That one line is just that. */
#define EXPECT_LINE(format, ...) do { \
	char line_[256]; \
	snprintf(line_, sizeof(line_), format "\n", ##__VA_ARGS__); \
	EXPECT_EQ(1, lines(self->text, line_)) TH_LOG("no %s in\n%s", line_, self->text); \
} while (0)

static char *fdinfo(int fd)
{
	char name[64];

	snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", fd);
	return read_file(name, NULL);
}

/* What the list has of a buffer; NULL if it is not there. */
static char *listed(__u64 id)
{
	char *text = read_file(LENS "/buffers", NULL), *start, *end, *copy = NULL;
	char name[32];

	snprintf(name, sizeof(name), "buffer %llu: ", id);
	for (start = text; start && strncmp(start, name, strlen(name)); start = end) {
		end = strstr(start, "\nbuffer ");
		end = end ? end + 1 : NULL;
	}
	if (start) {
		end = strstr(start, "\nbuffer ");
		copy = strndup(start, end ? (size_t)(end + 1 - start) : strlen(start));
	}
	free(text);
	return copy;
}

TEST_F(list, fdinfo_tells_what_the_buffer_is)
{
	__u64 id = device_info(self->fd).id;

	device_map(self->fd, PROT_READ, MAP_SHARED, 1, 2);
	read_all(self->map + 3 * self->page, 1);
	write_all(self->map + 3 * self->page, 1);
	write_all(self->map + 12 * self->page, 1);
	self->text = fdinfo(self->fd);
	EXPECT_LINE("mmlens-id:\t%llu", id);
	EXPECT_LINE("mmlens-bytes:\t%zu", 2 * PAGES * self->page);
	EXPECT_LINE("mmlens-mappings:\t2");
	EXPECT_LINE("mmlens-setup:\tvmap,normal,around=8,wb,track");
	EXPECT_LINE("mmlens-faults:\t2");
	EXPECT_LINE("mmlens-page-mkwrites:\t2");
	EXPECT_LINE("mmlens-dirty:\t2");
	EXPECT_LINE("mmlens-revoked:\t0");
	EXPECT_EQ(8, lines(self->text, "mmlens-"));

	free(self->text);
	ASSERT_EQ(0, device_dirty(self->fd, 0, 2 * PAGES, 0, NULL, NULL));
	ASSERT_EQ(0, device_revoke(self->fd, 0));
	munmap(self->map, 2 * PAGES * self->page);
	self->text = fdinfo(self->fd);
	EXPECT_LINE("mmlens-mappings:\t1");
	EXPECT_LINE("mmlens-dirty:\t0");
	EXPECT_LINE("mmlens-revoked:\t1");
}

TEST_F(list, fdinfo_tells_what_an_empty_one_is_to_be)
{
	char *parameter = read_file(SETUP_PARAMETER, NULL);
	int fd = device_open(O_RDONLY);

	self->text = fdinfo(fd);
	EXPECT_LINE("mmlens-bytes:\t0");
	EXPECT_LINE("mmlens-mappings:\t0");
	EXPECT_LINE("mmlens-setup:\t%s", strsep(&parameter, "\n"));
	EXPECT_LINE("mmlens-faults:\t0");
	EXPECT_LINE("mmlens-dirty:\t0");
	EXPECT_EQ(8, lines(self->text, "mmlens-"));
}

/* That a mapping is in the text as it is in /proc/self/maps. */
static void expect_mapping(struct __test_metadata *_metadata, const char *text,
			   const struct proc_vma *vma, pid_t pid)
{
	char line[256], *comm = read_file("/proc/self/comm", NULL);

	ASSERT_NE(NULL, vma);
	snprintf(line, sizeof(line), "mapping:  %016lx-%016lx %s %-8lx %d %s", vma->start,
		 vma->end, vma->perm, vma->offset / page_size(), pid, comm);
	EXPECT_EQ(1, lines(text, line)) TH_LOG("no %s in\n%s", line, text);
	free(comm);
}

#define OPENS 64

TEST_F(list, has_each_open_file_with_its_mappings)
{
	struct { int fd; __u64 id; char *map, *second; } opens[OPENS];
	struct proc_vmas vmas;

	for (size_t i = 0; i < OPENS; i++) {
		opens[i].fd = device_open(O_RDWR);
		ASSERT_LE(0, opens[i].fd);
		opens[i].id = device_info(opens[i].fd).id;
		for (size_t j = 0; j < i; j++)
			ASSERT_NE(opens[j].id, opens[i].id);
		opens[i].map = device_map(opens[i].fd, RW, MAP_SHARED, 3, 0);
		ASSERT_NE(MAP_FAILED, opens[i].map);
		opens[i].second = device_map(opens[i].fd, PROT_READ, MAP_PRIVATE, 1, 1 + i % 2);
	}
	/* Not a mapping more, nor one that became another's. */
	ASSERT_EQ(0, munmap(opens[7].second, self->page));
	ASSERT_EQ(0, proc_vmas(getpid(), false, &vmas));
	for (size_t i = 0; i < OPENS; i++) {
		self->text = listed(opens[i].id);
		ASSERT_NE(NULL, self->text) TH_LOG("buffer %llu", opens[i].id);
		EXPECT_EQ(i == 7 ? 1 : 2, lines(self->text, "mapping:"));
		expect_mapping(_metadata, self->text, proc_find(&vmas, (uintptr_t)opens[i].map),
			       getpid());
		if (i != 7)
			expect_mapping(_metadata, self->text,
				       proc_find(&vmas, (uintptr_t)opens[i].second), getpid());
		EXPECT_LINE("size:     %zu bytes (3 pages, 3 allocated)", 3 * self->page);
		free(self->text);
		self->text = NULL;
	}
	/* A mapping keeps it there; when both are gone it is gone. */
	for (size_t i = 0; i < OPENS; i++) {
		close(opens[i].fd);
		munmap(opens[i].second, self->page);
		self->text = listed(opens[i].id);
		EXPECT_EQ(1, lines(self->text, "mapping:"));
		free(self->text);
		self->text = NULL;
		munmap(opens[i].map, 3 * self->page);
		EXPECT_EQ(NULL, listed(opens[i].id));
	}
	proc_vmas_free(&vmas);
}

TEST_F(list, has_the_mappings_of_other_processes)
{
	__u64 id = device_info(self->fd).id;
	struct proc_vmas vmas;
	const struct proc_vma *vma;

	self->child = fork();
	if (!self->child) {
		target_stop();
		_exit(0);
	}
	ASSERT_EQ(self->child, waitpid(self->child, NULL, WUNTRACED));
	ASSERT_EQ(0, mprotect(self->map, 2 * PAGES * self->page, PROT_READ));
	self->text = listed(id);
	EXPECT_EQ(2, lines(self->text, "mapping:"));
	ASSERT_EQ(0, proc_vmas(self->child, false, &vmas));
	vma = proc_find(&vmas, (uintptr_t)self->map);
	EXPECT_STREQ("rw-s", vma->perm);
	expect_mapping(_metadata, self->text, vma, self->child);
	proc_vmas_free(&vmas);
	ASSERT_EQ(0, proc_vmas(getpid(), false, &vmas));
	expect_mapping(_metadata, self->text, proc_find(&vmas, (uintptr_t)self->map), getpid());
	proc_vmas_free(&vmas);
	free(self->text);
	target_end(self->child);
	self->child = 0;
	self->text = listed(id);
	EXPECT_EQ(1, lines(self->text, "mapping:"));
}

TEST_F(list, shows_what_was_done_to_a_buffer)
{
	__u64 id = device_info(self->fd).id;
	int fd;

	write_all(self->map + 3 * self->page, 2);
	self->text = listed(id);
	EXPECT_LINE("buffer %llu: vmap,normal,around=8,wb,track", id);
	EXPECT_LINE("dirty:    2 pages");
	EXPECT_EQ(0, lines(self->text, "revoked"));
	EXPECT_EQ(1, lines(self->text, "area:     VM_MAP "));
	EXPECT_EQ(1, lines(self->text, "done:     mmap=1 open=0 close=0 fault=2 huge_fault=0 "
			   "map_pages=0 page_mkwrite=2 pfn_mkwrite=0 mremap=0 access=0\n"))
		TH_LOG("%s", self->text);
	free(self->text);
	ASSERT_EQ(0, device_dirty(self->fd, 0, 4, 0, NULL, NULL));
	ASSERT_EQ(0, device_revoke(self->fd, 0));
	self->text = listed(id);
	EXPECT_LINE("dirty:    1 pages");
	EXPECT_LINE("revoked");
	free(self->text);
	ASSERT_EQ(0, device_restore(self->fd));
	self->text = listed(id);
	EXPECT_EQ(0, lines(self->text, "revoked"));
	free(self->text);

	/* Of what there is no mapping, and no page yet but one. */
	fd = device_make("sparse", PAGES);
	ASSERT_EQ(1, pwrite(fd, "x", 1, self->page));
	self->text = listed(device_info(fd).id);
	EXPECT_LINE("size:     %zu bytes (%d pages, 1 allocated)", PAGES * self->page, PAGES);
	EXPECT_EQ(0, lines(self->text, "area:"));
	EXPECT_EQ(0, lines(self->text, "dirty:"));
	EXPECT_EQ(0, lines(self->text, "mapping:"));
}

TEST_HARNESS_MAIN

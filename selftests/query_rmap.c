// SPDX-License-Identifier: GPL-2.0
/* The question rmap, against the maps of every process that has the file mapped. */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/proc.h"
#include "lib/query.h"
#include "lib/util.h"

#define RW (PROT_READ | PROT_WRITE)
#define CHILDREN 9
#define PAGES 16

struct line {
	int pid;
	uint64_t start, end, pgoff, address;
	char perm[5], comm[16];
};

FIXTURE(rmap)
{
	char folder[32];
	int file;
	char *map;
	int fd;
	pid_t child[CHILDREN];
};

FIXTURE_SETUP(rmap)
{
	strcpy(self->folder, "/tmp/mmlens-XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->folder));
	ASSERT_EQ(0, chdir(self->folder));
	self->file = make_file("file", PAGES);
	self->map = map_alone(RW, MAP_SHARED, self->file, PAGES, 0);
	self->fd = query_open(0);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(rmap)
{
	for (int i = 0; i < CHILDREN; i++)
		target_end(self->child[i]);
	close(self->fd);
	unlink("file");
	if (!chdir("/"))
		rmdir(self->folder);
}

/* A line of an answer; false at its end, -1 if it is none. */
static int next(char **answer, struct line *line)
{
	char *text = query_line(answer), pid[16];

	if (!text)
		return 0;
	if (sscanf(text, "%15s %lx-%lx %4s %lx %lx %15s", pid, &line->start, &line->end,
		   line->perm, &line->pgoff, &line->address, line->comm) != 7)
		return -1;
	line->pid = strcmp(pid, "-") ? atoi(pid) : 0;
	return 1;
}

/* How many mappings of a page of the file @pid has, as its maps say; checks one of them. */
static unsigned int expected(pid_t pid, uint64_t page, const struct line *line, bool *listed)
{
	struct proc_vmas vmas;
	unsigned int nr = 0;

	if (proc_vmas(pid, false, &vmas))
		return 0;
	for (size_t i = 0; i < vmas.nr; i++) {
		const struct proc_vma *vma = &vmas.vma[i];
		uint64_t first = vma->offset / page_size();
		uint64_t pages = (vma->end - vma->start) / page_size();

		if (!strstr(vma->name, "/file") || page < first || page >= first + pages)
			continue;
		nr++;
		if (line && vma->start == line->start && vma->end == line->end &&
		    first == line->pgoff && !strcmp(vma->perm, line->perm) &&
		    line->address == vma->start + (page - first) * page_size())
			*listed = true;
	}
	proc_vmas_free(&vmas);
	return nr;
}

static void map_parts(void *arg)
{
	/* Inherited: the whole of it, shared. */
	int number = *(int *)arg, file = open("file", O_RDWR);

	map_alone(PROT_READ, MAP_PRIVATE, file, 4, number * page_size());
	map_alone(RW, MAP_SHARED, file, 2, (number + 3) * page_size());
	map_alone(PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 1, PAGES / 2 * page_size());
}

TEST_F(rmap, is_every_mapping_in_every_process)
{
	for (int i = 0; i < CHILDREN; i++) {
		self->child[i] = target_start(map_parts, &i);
		ASSERT_LT(0, self->child[i]);
	}
	for (int page = 0; page < PAGES; page++) {
		char *answer = query(self->fd, "rmap %lx",
				     (uintptr_t)self->map + page * page_size() + 7);
		unsigned int want = expected(getpid(), page, NULL, NULL), found = 0;
		struct line line;
		int ret;

		for (int i = 0; i < CHILDREN; i++)
			want += expected(self->child[i], page, NULL, NULL);
		ASSERT_NE(NULL, answer);
		while ((ret = next(&answer, &line)) == 1) {
			bool listed = false;

			expected(line.pid, page, &line, &listed);
			EXPECT_TRUE(listed) TH_LOG("page %d: %d %lx", page, line.pid, line.start);
			EXPECT_STREQ("query_rmap", line.comm);
			found++;
		}
		EXPECT_EQ(0, ret);
		EXPECT_EQ(want, found);
		EXPECT_LE(1 + CHILDREN, found);
	}
}

TEST_F(rmap, of_a_page_that_many_map)
{
	unsigned int want = 0, found = 0;
	uint64_t addresses = 0, listed = 0;
	struct line line;
	char *answer;
	int ret;

	/* More than are copied at one time. */
	for (int i = 0; i < 300; i++) {
		char *map = map_alone(i % 2 ? PROT_READ : RW, i % 3 ? MAP_SHARED : MAP_PRIVATE,
				      self->file, 1 + i % 3, 5 * page_size());

		addresses += (uintptr_t)map;
		want++;
	}
	answer = query(self->fd, "rmap %lx", (uintptr_t)self->map + 5 * page_size());
	ASSERT_NE(NULL, answer);
	while ((ret = next(&answer, &line)) == 1) {
		EXPECT_EQ(getpid(), line.pid);
		if (line.start != (uintptr_t)self->map)
			listed += line.address;
		found++;
	}
	EXPECT_EQ(0, ret);
	EXPECT_EQ(want + 1, found);
	EXPECT_EQ(addresses, listed);
}

TEST_F(rmap, of_what_is_no_file)
{
	char *anon = map_alone(RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 2, 0);
	char *map = device_map(device_open(O_RDWR), RW, MAP_SHARED, 2, 0);

	anon[0] = 1;
	EXPECT_EQ(0, strncmp("none: ", query(self->fd, "rmap 0"), 6));
	EXPECT_EQ(0, strncmp("none: ", query(self->fd, "rmap %lx", (uintptr_t)anon), 6));
	EXPECT_EQ(0, strncmp("none: ", query(self->fd, "rmap %lx", (uintptr_t)anon + page_size()),
			     6));
	EXPECT_NE(NULL, strstr(query(self->fd, "rmap %lx", (uintptr_t)map), "\n# a device: "));
}

static void churn(const char *folder)
{
	int file = chdir(folder) ? -1 : open("file", O_RDWR);

	for (unsigned int i = 0;; i++) {
		void *map[8];

		for (int j = 0; j < 8; j++)
			map[j] = mmap(NULL, (1 + (i + j) % 4) * page_size(), PROT_READ,
				      MAP_SHARED, file, (i + j) % 3 * page_size());
		if (i % 64 == 0 && !fork())
			_exit(0);
		for (int j = 0; j < 8; j++)
			munmap(map[j], (1 + (i + j) % 4) * page_size());
	}
}

/* What is mapped all the time is listed, whatever comes and goes. */
TEST_F_TIMEOUT(rmap, while_others_map_and_unmap, 120)
{
	int rounds = effort(kernel_is_slow() ? 10 : 40);

	signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < 100; i++)
		map_alone(PROT_READ, MAP_SHARED, self->file, 1, 2 * page_size());
	for (int i = 0; i < 4; i++) {
		self->child[i] = fork();
		if (!self->child[i]) {
			signal(SIGCHLD, SIG_IGN);
			munmap(self->map, PAGES * page_size());
			churn(self->folder);
		}
	}
	for (int i = 0; i < rounds; i++) {
		char *answer = query(self->fd, "rmap %lx",
				     (uintptr_t)self->map + 2 * page_size());
		unsigned int mine = 0;
		struct line line;
		int ret;

		ASSERT_NE(NULL, answer);
		while ((ret = next(&answer, &line)) == 1) {
			EXPECT_LE(line.pgoff, 2);
			EXPECT_LT(2, line.pgoff + (line.end - line.start) / page_size());
			mine += line.pid == getpid();
		}
		ASSERT_EQ(0, ret);
		EXPECT_EQ(101, mine);
	}
	signal(SIGCHLD, SIG_DFL);
}

TEST_HARNESS_MAIN

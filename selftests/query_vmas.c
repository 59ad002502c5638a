// SPDX-License-Identifier: GPL-2.0
/* The file query: how it is used; find_vma and gap, against maps, PROCMAP_QUERY and mmap(). */
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "lib/proc.h"
#include "lib/query.h"
#include "lib/util.h"

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static void scattered(void *arg)
{
	char *map = map_alone(RW, ANON, -1, 64, 0);

	(void)arg;
	for (int i = 1; i < 64; i += 7)
		munmap(map + i * page_size(), (1 + i % 3) * page_size());
	for (int i = 4; i < 64; i += 5)
		mprotect(map + i * page_size(), page_size(), PROT_READ);
	map_alone(RW, ANON | MAP_GROWSDOWN, -1, 2, 0);
}

/* "START-END", with spaces before it. */
static bool parse_bounds(const char *text, uint64_t *start, uint64_t *end)
{
	char *dash, *behind;

	*start = strtoul(text, &dash, 16);
	if (*dash != '-')
		return false;
	*end = strtoul(dash + 1, &behind, 16);
	return behind > dash + 1;
}

FIXTURE(query)
{
	pid_t target;
	int fd;
	int maps;
	struct proc_vmas vmas;
	char path[96];
};

FIXTURE_SETUP(query)
{
	char path[32];

	self->target = target_start(scattered, NULL);
	ASSERT_LT(0, self->target);
	ASSERT_EQ(0, lens_attach(self->target));
	self->fd = query_open(self->target);
	ASSERT_LE(0, self->fd);
	snprintf(self->path, sizeof(self->path), LENS "/%d/query", self->target);
	snprintf(path, sizeof(path), "/proc/%d/maps", self->target);
	self->maps = open(path, O_RDONLY);
	ASSERT_LE(0, self->maps);
	ASSERT_EQ(0, proc_vmas(self->target, false, &self->vmas));
	/* It is not in the tree of VMAs. */
	if (!strcmp(self->vmas.vma[self->vmas.nr - 1].name, "[vsyscall]"))
		self->vmas.nr--;
}

FIXTURE_TEARDOWN(query)
{
	close(self->fd);
	close(self->maps);
	proc_vmas_free(&self->vmas);
	lens_detach(self->target);
	target_end(self->target);
}

TEST_F(query, is_a_file_to_read_and_write)
{
	struct stat st;

	ASSERT_EQ(0, stat(self->path, &st));
	EXPECT_EQ(S_IFREG | 0600, st.st_mode);
	ASSERT_EQ(0, stat(LENS "/self/query", &st));
	EXPECT_EQ(S_IFREG | 0600, st.st_mode);
}

TEST_F(query, says_what_can_be_asked)
{
	static const char *const words[] = {
		"find_vma ", "find_vma_prev ", "find_vma_intersection ", "gap ", "translate ",
		"explain ", "rmap ", "help ",
	};
	char *text = read_fd(self->fd, NULL), *answer = query(self->fd, "help");

	ASSERT_NE(NULL, text);
	ASSERT_NE(NULL, answer);
	EXPECT_STREQ(text, answer);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		EXPECT_NE(NULL, strstr(answer, words[i])) TH_LOG("%s", words[i]);
	}
	free(text);
}

TEST_F(query, anything_else_is_refused)
{
	static const char *const words[] = {
		"", "\n", "find", "find_vma", "find_vma x", "find_vma 1 2", "find_vma  1",
		"find_vma -1", "find_vma 10000000000000000", "find_vma_intersection 2 1",
		"find_vma_intersection 1 1", "gap 0", "gap 2M", "explain", "help 1", "\xff\xfe",
		"find_vma 1\nfind_vma 2",
	};
	char answer[4096], text[200];

	strcpy(answer, query(self->fd, "find_vma 0"));
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		EXPECT_EQ(-EINVAL, query_ask(self->fd, "%s", words[i])) TH_LOG("'%s'", words[i]);
	}
	memset(text, ' ', sizeof(text));
	text[0] = 'h';
	EXPECT_EQ(-1, write(self->fd, text, sizeof(text)));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, syscall(SYS_write, self->fd, 8L, 4L));
	EXPECT_EQ(EFAULT, errno);
	/* The question before is still there. */
	ASSERT_EQ(0, lseek(self->fd, 0, SEEK_SET));
	ASSERT_LT(0, read(self->fd, text, sizeof(text)));
	EXPECT_EQ(0, memcmp(answer, text, 16));
}

TEST_F(query, each_open_file_has_its_own_answer)
{
	const struct proc_vma *first = &self->vmas.vma[0];
	int other = query_open(self->target);
	uint64_t start, end;
	char text[4096];
	ssize_t got;

	ASSERT_EQ(0, query_ask(other, "help\n"));
	ASSERT_EQ(0, query_ask(self->fd, "find_vma 0\n"));
	ASSERT_LT(0, read(other, text, 10));
	/* In pieces. */
	for (size_t at = 0; (got = read(self->fd, text + at, 3)) > 0; at += got)
		text[at + got] = '\0';
	ASSERT_EQ(0, got);
	ASSERT_TRUE(parse_bounds(text, &start, &end));
	EXPECT_EQ(first->start, start);
	EXPECT_EQ(first->end, end);
	/* At its end, until it is read from the beginning or asked again. */
	EXPECT_EQ(0, read(self->fd, text, sizeof(text)));
	EXPECT_EQ(16, pread(self->fd, text, 16, 0));
	EXPECT_EQ(16, pread(self->fd, text, 16, 17));
	EXPECT_EQ(end, strtoul(text, NULL, 16));
	ASSERT_EQ(0, query_ask(self->fd, "find_vma %lx", first->end));
	EXPECT_EQ(0, lseek(self->fd, 0, SEEK_CUR));
	ASSERT_LT(16, read(self->fd, text, sizeof(text)));
	EXPECT_EQ(self->vmas.vma[1].start, strtoul(text, NULL, 16));
	/* The other one went on with its own. */
	ASSERT_LT(0, read(other, text, 20));
	close(other);
}

TEST_F(query, by_the_shell)
{
	char command[256], text[64] = "";
	FILE *pipe;

	snprintf(command, sizeof(command),
		 "exec 3<>%s; echo find_vma 0x%lx >&3; cat <&3; echo find_vma 0 >&3; cat <&3",
		 self->path, self->vmas.vma[1].start);
	pipe = popen(command, "r");
	ASSERT_NE(NULL, fgets(text, 17, pipe));
	EXPECT_EQ(self->vmas.vma[1].start, strtoul(text, NULL, 16));
	while (fgetc(pipe) != '\n')
		;
	ASSERT_NE(NULL, fgets(text, 17, pipe));
	EXPECT_EQ(self->vmas.vma[0].start, strtoul(text, NULL, 16));
	pclose(pipe);
}

/* What the tables hold is counted for the file vmas only. */
static void drop_counts(char *line)
{
	static const char *const keys[] = {
		"present", "contiguous", "accessed", "dirty", "writable", "protnone", "special",
		"swap", "migration", "device", "hwpoison", "marker", "nonpresent", "bad",
		"pgd", "p4d", "pud", "pmd", "tables",
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		char key[32], *word;

		snprintf(key, sizeof(key), " %s=", keys[i]);
		word = strstr(line, key);
		if (word) {
			char *behind = word + 1 + strcspn(word + 1, " ");

			memmove(word, behind, strlen(behind) + 1);
		}
	}
}

/* The line of the file vmas that begins with this address, or "none". */
static const char *line_of(const char *vmas, const struct proc_vma *vma)
{
	static char line[1024];
	char start[20];
	const char *found;

	if (!vma)
		return "none";
	snprintf(start, sizeof(start), "\n%016lx-", vma->start);
	found = strstr(vmas, start);
	snprintf(line, sizeof(line), "%.*s", found ? (int)strcspn(found + 1, "\n") : 0, found + 1);
	drop_counts(line);
	return line;
}

TEST_F(query, find_vma_is_what_procmap_query_finds)
{
	char *vmas = lens_read(self->target, "vmas", NULL);

	ASSERT_LT(20, self->vmas.nr);
	for (size_t i = 0; i < self->vmas.nr; i++) {
		const struct proc_vma *vma = &self->vmas.vma[i];
		uint64_t at[] = {
			vma->start - 1, vma->start, (vma->start + vma->end) / 2, vma->end - 1,
			vma->end,
		};

		for (size_t j = 0; j < ARRAY_SIZE(at); j++) {
			struct procmap_query want = {
				.size = sizeof(want), .query_addr = at[j],
				.query_flags = PROCMAP_QUERY_COVERING_OR_NEXT_VMA,
			};
			char *answer = query(self->fd, "find_vma %lx", at[j]), *line;
			bool found = !ioctl(self->maps, PROCMAP_QUERY, &want);

			ASSERT_NE(NULL, answer);
			line = query_line(&answer);
			EXPECT_STREQ(line_of(vmas, found ? proc_find(&self->vmas, want.vma_start) :
					     NULL), line);
			EXPECT_EQ(NULL, query_line(&answer));
		}
	}
	free(vmas);
}

TEST_F(query, find_vma_prev_is_the_one_before)
{
	char *vmas = lens_read(self->target, "vmas", NULL);

	for (size_t i = 0; i <= self->vmas.nr; i++) {
		const struct proc_vma *vma = i < self->vmas.nr ? &self->vmas.vma[i] : NULL;
		const struct proc_vma *prev = i ? &self->vmas.vma[i - 1] : NULL;
		uint64_t at[] = { vma ? vma->start : ~0UL, prev ? prev->end : 0 };

		for (size_t j = 0; j < ARRAY_SIZE(at); j++) {
			char *answer = query(self->fd, "find_vma_prev %lx", at[j]);

			ASSERT_NE(NULL, answer);
			EXPECT_STREQ(line_of(vmas, vma), query_line(&answer));
			EXPECT_STREQ(line_of(vmas, prev), query_line(&answer));
			EXPECT_EQ(NULL, query_line(&answer));
		}
	}
	free(vmas);
}

TEST_F(query, find_vma_intersection_is_the_first_in_the_range)
{
	char *vmas = lens_read(self->target, "vmas", NULL);
	const struct proc_vma *vma = self->vmas.vma;

	for (size_t i = 0; i + 1 < self->vmas.nr; i++, vma++) {
		const struct { uint64_t start, end; const struct proc_vma *want; } ranges[] = {
			{ vma->end - 1, ~0UL, vma },
			{ vma->end, vma[1].start, NULL },
			{ vma->end, vma[1].start + 1, vma + 1 },
			{ vma->start, vma->start + 1, vma },
			{ 0, vma->end, self->vmas.vma },
		};

		for (size_t j = 0; j < ARRAY_SIZE(ranges); j++) {
			char *answer;

			if (ranges[j].start == ranges[j].end)
				continue;
			answer = query(self->fd, "find_vma_intersection %lx 0x%lx",
				       ranges[j].start, ranges[j].end);
			ASSERT_NE(NULL, answer);
			EXPECT_STREQ(line_of(vmas, ranges[j].want), query_line(&answer));
		}
	}
	free(vmas);
}

static const uint64_t lengths[] = { 1, 2, 3, 5, 16, 64, 512, 513, 1024, 1UL << 18, 1UL << 24 };

TEST_F(query, gap_is_where_maps_has_none)
{
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		uint64_t len = lengths[i] * page_size(), low, high, start, end;
		uint64_t lowest[2] = {}, highest[2] = {}, below;
		char *answer = query(self->fd, "gap %lx", len - 5), *line;

		ASSERT_NE(NULL, answer);
		ASSERT_NE(NULL, strstr(answer, " in "));
		ASSERT_TRUE(parse_bounds(strstr(answer, " in ") + 4, &low, &high));
		EXPECT_EQ(page_size(), low);
		below = low;
		for (size_t j = 0; j <= self->vmas.nr; j++) {
			uint64_t next = j < self->vmas.nr ? self->vmas.vma[j].start : high;

			if (next >= below + len) {
				highest[0] = below;
				highest[1] = next;
				if (!lowest[1])
					memcpy(lowest, highest, sizeof(lowest));
			}
			below = j < self->vmas.nr ? self->vmas.vma[j].end : below;
		}
		line = query_line(&answer);
		ASSERT_EQ(0, strncmp(line, "lowest ", 7)) TH_LOG("%s", line);
		ASSERT_TRUE(parse_bounds(line + 7, &start, &end)) TH_LOG("%s", line);
		EXPECT_EQ(lowest[0], start);
		EXPECT_EQ(lowest[1], end);
		line = query_line(&answer);
		ASSERT_EQ(0, strncmp(line, "highest ", 8)) TH_LOG("%s", line);
		ASSERT_TRUE(parse_bounds(line + 8, &start, &end)) TH_LOG("%s", line);
		EXPECT_EQ(highest[0], start);
		EXPECT_EQ(highest[1], end);
	}
	EXPECT_NE(NULL, strstr(query(self->fd, "gap 7fffffffffffffff"), "\nlowest  none\n"));
	EXPECT_NE(NULL, strstr(query(self->fd, "gap ffffffffffffffff"), "\nhighest none\n"));
}

TEST_F(query, gap_is_where_mmap_goes)
{
	int fd = query_open(0);

	map_alone(RW, ANON | MAP_GROWSDOWN, -1, 2, 0);
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		uint64_t len = lengths[i] * page_size();
		char *answer = query(fd, "gap %lx", len), *line;
		void *map = mmap(NULL, len, RW, ANON | MAP_NORESERVE, -1, 0);

		ASSERT_NE(NULL, answer);
		ASSERT_NE(MAP_FAILED, map);
		query_line(&answer);
		query_line(&answer);
		line = query_line(&answer);
		ASSERT_NE(NULL, line);
		ASSERT_EQ(0, strncmp(line, "mmap ", 5));
		EXPECT_EQ((uintptr_t)map, strtoul(line + 5, NULL, 16)) TH_LOG("%lx: %s", len, line);
		/* Some stay, so that the next search meets them. */
		if (i % 3)
			munmap(map, len);
	}
	close(fd);
}

TEST_F(query, of_a_kernel_thread_and_of_the_dead)
{
	pid_t other = target_start(scattered, NULL);
	int fd;

	ASSERT_EQ(0, lens_attach(2));
	fd = query_open(2);
	EXPECT_EQ(0, strncmp("none: ", query(fd, "find_vma 0") ?: "", 6));
	EXPECT_EQ(0, strncmp("none: ", query(fd, "gap 1") ?: "", 6));
	close(fd);
	EXPECT_EQ(0, lens_detach(2));

	ASSERT_EQ(0, lens_attach(other));
	fd = query_open(other);
	target_end(other);
	EXPECT_EQ(0, strncmp("gone: ", query(fd, "find_vma 0") ?: "", 6));
	EXPECT_EQ(-ESRCH, query_open(other));
	EXPECT_EQ(0, lens_detach(other));
	/* Its files are gone: what is open is of no use. */
	EXPECT_EQ(-EIO, query_ask(fd, "help"));
	close(fd);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/* Reading the files: in any pieces, by many, while the process runs, ends and changes. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

#include "kselftest_harness.h"
#include "lib/compare.h"
#include "lib/util.h"

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static const char *const files[] = { "mm", "vmas", "summary", "layout", "pagetable", "entries" };

/* Many VMAs and entries of every level. */
static void large(void *arg)
{
	char *map = mmap(NULL, 600 * page_size(), RW, ANON, -1, 0);

	(void)arg;
	for (int i = 0; i < 600; i += 3) {
		map[i * page_size()] = 1;
		mprotect(map + i * page_size(), page_size(), PROT_READ);
	}
}

FIXTURE(stream)
{
	pid_t target;
};

FIXTURE_SETUP(stream)
{
	self->target = target_start(large, NULL);
	ASSERT_LT(0, self->target);
	ASSERT_EQ(0, lens_attach(self->target));
}

FIXTURE_TEARDOWN(stream)
{
	lens_detach(self->target);
	target_end(self->target);
}

/* The mm file counts its readers. */
static bool same_text(const char *file, char *a, char *b)
{
	if (!strcmp(file, "mm")) {
		a = strstr(a, "map_count");
		b = strstr(b, "map_count");
	}
	return a && b && !strcmp(a, b);
}

TEST_F_TIMEOUT(stream, pieces_of_any_size_make_the_same_text, 120)
{
	static const size_t sizes[] = { 1 << 20, 1 << 16, 4097, 4096, 4095, 100, 7, 1 };
	static char text[1 << 20];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		char *whole = lens_read(self->target, files[i], NULL);

		ASSERT_NE(NULL, whole);
		/* Byte by byte is slow enough without checks. */
		for (size_t j = 0; j < ARRAY_SIZE(sizes) - kernel_is_slow(); j++) {
			int fd = lens_open(self->target, files[i]);
			size_t have = 0;
			ssize_t got;

			/* Small ones at the start, and then around every eighth page. */
			while ((got = read(fd, text + have,
					   sizes[j] < 100 && have / 4096 % 8 > 1 ?
					   4096 : sizes[j])) > 0) {
				have += got;
				ASSERT_GT(sizeof(text) - (1 << 17), have);
				if (sizes[j] > 1 << 17)
					ASSERT_GT(1 << 17, got);
			}
			EXPECT_EQ(0, got);
			text[have] = '\0';
			EXPECT_TRUE(same_text(files[i], whole, text))
				TH_LOG("%s by %zu", files[i], sizes[j]);
			close(fd);
		}
		free(whole);
	}
}

TEST_F_TIMEOUT(stream, any_offset_can_be_read, 200)
{
	char *whole = lens_read(self->target, "entries", NULL), piece[512];
	size_t len = strlen(whole);
	int fd = lens_open(self->target, "entries");

	for (int i = 0; i < 200; i++) {
		/* Back and forth. */
		size_t at = (size_t)i * 7919 * 31 % len;
		ssize_t got = pread(fd, piece, sizeof(piece), at);

		ASSERT_LT(0, got);
		EXPECT_EQ(0, memcmp(piece, whole + at, got)) TH_LOG("at %zu", at);
	}
	EXPECT_EQ(0, pread(fd, piece, 1, len));
	EXPECT_EQ(0, pread(fd, piece, 1, len + 100000));
	EXPECT_EQ(1, pread(fd, piece, 1, len - 1));
	EXPECT_EQ('\n', piece[0]);
	/* Rewound, it is read anew. */
	ASSERT_EQ(100, lseek(fd, 100, SEEK_SET));
	ASSERT_EQ(10, read(fd, piece, 10));
	EXPECT_EQ(0, memcmp(piece, whole + 100, 10));
	ASSERT_EQ(0, lseek(fd, 0, SEEK_SET));
	{
		char *again = read_fd(fd, NULL);

		EXPECT_STREQ(whole, again);
		free(again);
	}
	EXPECT_EQ(-1, lseek(fd, -1, SEEK_SET));
	free(whole);
	close(fd);
}

TEST_F_TIMEOUT(stream, readers_do_not_disturb_each_other, 200)
{
	char *whole = lens_read(self->target, "entries", NULL), a[100], b[333];
	int one = lens_open(self->target, "entries"), two = lens_open(self->target, "entries");
	size_t at_one = 0, at_two = 0;
	ssize_t got;

	do {
		got = read(one, a, sizeof(a));
		EXPECT_EQ(0, memcmp(a, whole + at_one, got));
		at_one += got;
		got = read(two, b, sizeof(b));
		EXPECT_EQ(0, memcmp(b, whole + at_two, got));
		at_two += got;
	} while (got > 0);
	EXPECT_EQ(strlen(whole), at_two);
	/* One file of two processes: every byte goes to one of them. */
	ASSERT_EQ(0, lseek(one, 0, SEEK_SET));
	at_one = 0;
	while ((got = read(one, a, sizeof(a))) > 0)
		at_one += got;
	EXPECT_EQ(strlen(whole), at_one);
	free(whole);
}

TEST_F(stream, ends_where_the_process_ends)
{
	for (size_t i = 1; i < ARRAY_SIZE(files); i++) {
		pid_t pid = target_start(large, NULL);
		char piece[200];
		ssize_t got;
		int fd;

		ASSERT_EQ(0, lens_attach(pid));
		fd = lens_open(pid, files[i]);
		ASSERT_LT(0, read(fd, piece, sizeof(piece)));
		target_end(pid);
		/* What was made for the last read is still given out. */
		while ((got = read(fd, piece, sizeof(piece))) > 0)
			;
		EXPECT_EQ(0, got);
		EXPECT_EQ(0, lens_detach(pid));
		close(fd);
	}
}

static void exec_sleep(void *arg)
{
	char *map = mmap(NULL, 8 * page_size(), RW, ANON, -1, 0);

	*(char **)arg = map;
	*map = 1;
	target_stop();
	execlp("sleep", "sleep", "1000", NULL);
	_exit(1);
}

TEST_F(stream, an_open_file_does_not_follow_an_exec)
{
	char **map = mmap(NULL, page_size(), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = target_start(exec_sleep, map);
	struct lens_table table;
	char piece[64], *name;
	int fd;

	ASSERT_EQ(0, lens_attach(pid));
	ASSERT_EQ(0, lens_entries(pid, &table));
	EXPECT_NE(NULL, lens_find(&table, (uintptr_t)*map));
	lens_table_free(&table);
	fd = lens_open(pid, "vmas");
	ASSERT_LT(0, read(fd, piece, 1));
	kill(pid, SIGCONT);
	/* It sleeps when it has loaded itself. */
	do {
		usleep(10000);
		name = lens_mm(pid, "comm");
		if (name && (strcmp(name, "sleep") || proc_state(pid) != 'S')) {
			free(name);
			name = NULL;
		}
	} while (!name);
	/* The old one ends; opened anew, it is the new one. */
	{
		char *rest = read_fd(fd, NULL);

		ASSERT_NE(NULL, rest);
		EXPECT_EQ(NULL, strstr(rest, "/sleep"));
		free(rest);
	}
	for (bool there = false; !there;) {
		char *fresh = lens_read(pid, "vmas", NULL);

		ASSERT_NE(NULL, fresh);
		there = strstr(fresh, "/sleep");
		free(fresh);
	}
	free(name);
	EXPECT_EQ(0, lens_detach(pid));
	target_end(pid);
}

/* What never changes, between things that do. */
struct busy {
	char *quiet[8];
	volatile bool ready;
};

#define QUIET_PAGES 5

static void *churn(void *arg)
{
	(void)arg;
	for (unsigned int i = 0;; i++) {
		char *map = mmap(NULL, (i % 50 + 1) * page_size(), RW, ANON, -1, 0);

		map[0] = 1;
		mprotect(map, page_size(), i & 1 ? PROT_READ : PROT_NONE);
		munmap(map, (i % 50 + 1) * page_size());
	}
	return NULL;
}

static void be_busy(struct busy *busy)
{
	pthread_t thread;

	for (int i = 0; i < 8; i++) {
		busy->quiet[i] = map_alone(RW, ANON, -1, QUIET_PAGES, 0);
		for (int page = 0; page < QUIET_PAGES; page++)
			busy->quiet[i][page * page_size()] = 1;
	}
	busy->ready = true;
	pthread_create(&thread, NULL, churn, NULL);
	/* This one splits and joins its neighbourhood, forks, and grows. */
	for (;;) {
		char *left = busy->quiet[3] - page_size();

		mprotect(left, page_size(), RW);
		mprotect(left, page_size(), PROT_NONE);
		sbrk(page_size());
		if (!vfork())
			_exit(0);
		wait(NULL);
	}
}

TEST_F_TIMEOUT(stream, what_does_not_change_is_always_there, 120)
{
	struct busy *busy = mmap(NULL, sizeof(*busy), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = fork();

	if (!pid)
		be_busy(busy);
	while (!busy->ready)
		usleep(1000);
	ASSERT_EQ(0, lens_attach(pid));
	for (int round = effort(kernel_is_slow() ? 10 : 60); round; round--) {
		struct lens_table entries, runs;
		struct lens_vmas vmas;

		ASSERT_EQ(0, lens_entries(pid, &entries)) TH_LOG("%s", lens_error);
		ASSERT_EQ(0, lens_pagetable(pid, &runs)) TH_LOG("%s", lens_error);
		ASSERT_EQ(0, lens_vmas(pid, &vmas)) TH_LOG("%s", lens_error);
		for (int i = 0; i < 8; i++) {
			size_t found = 0;

			for (int page = 0; page < QUIET_PAGES; page++) {
				uint64_t at = (uintptr_t)busy->quiet[i] + page * page_size();

				EXPECT_NE(NULL, lens_find(&entries, at));
				EXPECT_NE(NULL, lens_find(&runs, at));
			}
			for (size_t v = 0; v < vmas.nr; v++)
				found += vmas.vma[v].start <= (uintptr_t)busy->quiet[i] &&
					 (uintptr_t)busy->quiet[i] < vmas.vma[v].end;
			EXPECT_LE(1, found);
		}
		lens_table_free(&entries);
		lens_table_free(&runs);
		lens_vmas_free(&vmas);
	}
	EXPECT_EQ(0, lens_detach(pid));
	target_end(pid);
}

static void sparse(void *arg)
{
	char *map = mmap(NULL, 1UL << 43, RW, ANON | MAP_NORESERVE, -1, 0);

	*(char **)arg = map;
	if (map == MAP_FAILED)
		return;
	madvise(map, 1UL << 43, MADV_NOHUGEPAGE);
	for (int i = 0; i < 32; i++)
		map[i * ((1UL << 38) + (1UL << 21) + page_size())] = 1;
}

TEST_F(stream, holes_cost_no_time)
{
	char **map = mmap(NULL, page_size(), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = target_start(sparse, map);
	struct lens_table table, runs;

	ASSERT_NE(MAP_FAILED, *map);
	ASSERT_EQ(0, lens_attach(pid));
	/* 2^31 pages: one by one, this would never end. */
	ASSERT_EQ(0, lens_entries(pid, &table)) TH_LOG("%s", lens_error);
	ASSERT_EQ(0, lens_pagetable(pid, &runs)) TH_LOG("%s", lens_error);
	for (int i = 0; i < 32; i++) {
		char *at = *map + i * ((1UL << 38) + (1UL << 21) + page_size());

		EXPECT_NE(NULL, lens_find(&table, (uintptr_t)at));
		EXPECT_EQ(NULL, lens_find(&table, (uintptr_t)at + page_size()));
	}
	EXPECT_EQ(0, compare_runs(&runs, &table)) TH_LOG("%s", compare_message);
	lens_table_free(&table);
	lens_table_free(&runs);
	EXPECT_EQ(0, lens_detach(pid));
	target_end(pid);
}

TEST_F(stream, readers_can_be_killed)
{
	for (int i = 0; i < 20; i++) {
		pid_t reader = fork();

		while (!reader)
			free(lens_read(self->target, i & 1 ? "entries" : "pagetable", NULL));
		usleep(2000 * (i % 5));
		kill(reader, SIGKILL);
		ASSERT_EQ(reader, waitpid(reader, NULL, 0));
	}
	EXPECT_EQ(0, compare_entries(self->target)) TH_LOG("%s", compare_message);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/* Operations as others see them: histograms, other pid namespaces, ftrace and perf. */
#include <fcntl.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/kinds.h"
#include "lib/look.h"
#include "lib/util.h"

#define TRACING "/sys/kernel/tracing"
#define EVENTS TRACING "/events/mmlens"

FIXTURE(trace)
{
	int fd;
	size_t page;
	char *map;
	bool traced;
};

FIXTURE_SETUP(trace)
{
	self->page = page_size();
	self->fd = device_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	self->map = device_map(self->fd, RW, MAP_SHARED, PAGES, 0);
	ASSERT_NE(MAP_FAILED, self->map);
}

/* Empties the buffer of ftrace. */
static int forget_traces(void)
{
	return close(open(TRACING "/trace", O_WRONLY | O_TRUNC));
}

FIXTURE_TEARDOWN(trace)
{
	if (self->traced) {
		EXPECT_EQ(0, write_file(EVENTS "/enable", "0"));
		EXPECT_EQ(0, forget_traces());
	}
}

static bool has_tracing(void)
{
	if (access(TRACING "/trace", F_OK))
		mount("tracefs", TRACING, "tracefs", 0, NULL);
	return !access(EVENTS "/enable", F_OK);
}

TEST_F(trace, histograms_agree_with_the_counters)
{
	char *split = self->map + 2 * self->page;
	struct mmlens_event got[64];
	__u64 ns[MMLENS_OP_COUNT] = {};
	pid_t child;
	char byte;
	int count;

	write_all(self->map, PAGES / 2);
	read_all(self->map, PAGES);
	child = fork();
	if (!child)
		_exit(0);
	waitpid(child, NULL, 0);
	ASSERT_EQ(0, mprotect(split, self->page, PROT_READ));
	ASSERT_EQ(1, pread(self->fd, &byte, 1, 0));
	ASSERT_EQ(1, pwrite(self->fd, &byte, 1, 0));
	ASSERT_EQ(0, device_revoke(self->fd, 0));
	EXPECT_EQ(SIGBUS, access_signal(self->map, false));
	EXPECT_EQ(-1, pread(self->fd, &byte, 1, 0));

	count = device_events(self->fd, got, ARRAY_SIZE(got), NULL);
	for (int i = 0; i < count; i++) {
		/* What read and write do is counted, and no event. */
		ASSERT_GT(MMLENS_OP_READ, got[i].op);
		ns[got[i].op] += got[i].ns;
	}
	for (unsigned int op = 0; op < MMLENS_OP_COUNT; op++) {
		struct mmlens_stats stats = device_op(self->fd, op);
		__u64 calls = 0, least = 0, most = 0;

		for (unsigned int i = 0; i < MMLENS_BUCKETS; i++) {
			calls += stats.ns_log2[i];
			least += i ? stats.ns_log2[i] << i : 0;
			most += stats.ns_log2[i] * ((2ull << i) - 1);
		}
		EXPECT_EQ(device_calls(self->fd, op), calls) TH_LOG("operation %u", op);
		EXPECT_LE(least, stats.ns) TH_LOG("operation %u", op);
		if (!stats.ns_log2[MMLENS_BUCKETS - 1])
			EXPECT_GE(most, stats.ns) TH_LOG("operation %u", op);
		/* And both with the events. */
		if (op < MMLENS_OP_READ)
			EXPECT_EQ(ns[op], stats.ns) TH_LOG("operation %u", op);
	}
	EXPECT_EQ(2, device_calls(self->fd, MMLENS_OP_READ));
	EXPECT_EQ(PAGES + 1, device_calls(self->fd, MMLENS_OP_FAULT));
}

/* The last event of a buffer. */
static struct mmlens_event last_event(int fd)
{
	struct mmlens_event got[64] = {};
	int count = device_events(fd, got, ARRAY_SIZE(got), NULL);

	return got[count > 0 ? count - 1 : 0];
}

TEST_F(trace, events_have_the_numbers_of_who_opened)
{
	struct mmlens_event event;
	int inner, pidfd, fd, pipes[2];
	pid_t child;
	char *map;

	if (unshare(CLONE_NEWPID))
		SKIP(return, "there are no pid namespaces: %s", strerror(errno));
	ASSERT_EQ(0, pipe(pipes));
	child = fork();
	if (!child) {
		inner = device_open(O_RDWR);
		map = device_map(inner, RW, MAP_SHARED, PAGES, 0);
		read_all(map, 1);
		read_all(self->map, 1);
		event = last_event(inner);
		if (event.op != MMLENS_OP_FAULT || event.pid != 1 || event.tid != 1)
			_exit(1);
		/* The first of a namespace cannot stop itself. */
		if (write(pipes[1], &inner, sizeof(inner)) != sizeof(inner))
			_exit(1);
		for (;;)
			pause();
	}
	close(pipes[1]);
	ASSERT_EQ((ssize_t)sizeof(inner), read(pipes[0], &inner, sizeof(inner)));
	event = last_event(self->fd);
	EXPECT_EQ(MMLENS_OP_FAULT, event.op);
	EXPECT_EQ(child, event.pid);
	EXPECT_EQ(child, event.tid);

	/* Who is outside has no number inside. */
	pidfd = syscall(SYS_pidfd_open, child, 0);
	fd = syscall(SYS_pidfd_getfd, pidfd, inner, 0);
	ASSERT_LE(0, fd);
	map = device_map(fd, RW, MAP_SHARED, PAGES, 0);
	ASSERT_NE(MAP_FAILED, map);
	read_all(map, 1);
	event = last_event(fd);
	EXPECT_EQ((uintptr_t)map, event.address);
	EXPECT_EQ(0, event.pid);
	EXPECT_EQ(0, event.tid);
	target_end(child);
}

/* How many lines there are that begin so, of this process; @text goes on behind the time. */
static int traced(const char *trace, const char *text)
{
	char *copy = strdup(trace), *rest = copy, *line, task[32];
	int found = 0;

	snprintf(task, sizeof(task), "-%d ", getpid());
	while ((line = strsep(&rest, "\n")))
		found += strstr(line, task) && strstr(line, text);
	free(copy);
	return found;
}

TEST_F(trace, ftrace_shows_what_the_ring_has)
{
	static const char *const points[] = { "vma", "fault", "mkwrite" };
	static const char *const ops[] = { "mmap", "fault", "page_mkwrite" };
	static const char *const outcomes[] = {
		"done", "killed", "fallback", "sigbus", "oom", "error",
	};
	__u64 id = device_info(self->fd).id;
	struct mmlens_event got[8];
	char text[256], *trace;
	char *map;
	int count;

	if (!has_tracing())
		SKIP(return, "there is no tracefs, or it has no mmlens");
	last_event(self->fd);
	self->traced = true;
	for (int i = 0; i < 3; i++) {
		snprintf(text, sizeof(text), EVENTS "/%s/enable", points[i]);
		ASSERT_EQ(0, write_file(text, "1")) TH_LOG("%s", text);
	}
	ASSERT_EQ(0, forget_traces());
	map = device_map(self->fd, RW, MAP_SHARED, 2, 3);
	write_all(map + self->page, 1);
	ASSERT_EQ(0, device_revoke(self->fd, 0));
	EXPECT_EQ(SIGBUS, access_signal(map, false));
	ASSERT_EQ(0, write_file(EVENTS "/enable", "0"));
	/* Seen by nobody. */
	EXPECT_EQ(SIGBUS, access_signal(map, false));

	count = device_events(self->fd, got, ARRAY_SIZE(got), NULL);
	ASSERT_EQ(5, count);
	trace = read_file(TRACING "/trace", NULL);
	ASSERT_NE(NULL, trace);
	for (int i = 0; i < 4; i++) {
		int kind = i % 3 ? i % 3 : i / 3;

		snprintf(text, sizeof(text),
			 " %s: buffer=%llu op=%s address=0x%llx pgoff=%llu flags=0x%x outcome=%s pages=%u ns=%u",
			 points[kind], id, ops[kind], got[i].address, got[i].pgoff, got[i].flags,
			 outcomes[got[i].outcome], got[i].pages, got[i].ns);
		EXPECT_EQ(1, traced(trace, text)) TH_LOG("no\n%s in\n%s", text, trace);
	}
	EXPECT_EQ(MMLENS_OUTCOME_SIGBUS, got[3].outcome);
	snprintf(text, sizeof(text), "buffer=%llu ", id);
	EXPECT_EQ(4, traced(trace, text)) TH_LOG("%s", trace);
	free(trace);
}

TEST_F(trace, perf_counts_each_fault)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr) };
	__u64 count = 0;
	int perf;

	if (!has_tracing())
		SKIP(return, "there is no tracefs, or it has no mmlens");
	attr.config = read_number(EVENTS "/fault/id");
	perf = syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (perf < 0)
		SKIP(return, "perf_event_open: %s", strerror(errno));
	/* A page twice: no second fault, and page_mkwrite is another one. */
	read_all(self->map, PAGES - 1);
	write_all(self->map, PAGES - 1);
	ASSERT_EQ((ssize_t)sizeof(count), read(perf, &count, sizeof(count)));
	EXPECT_EQ(PAGES - 1, count);
	ASSERT_EQ(0, ioctl(perf, PERF_EVENT_IOC_DISABLE, 0));
	read_all(self->map, PAGES);
	ASSERT_EQ((ssize_t)sizeof(count), read(perf, &count, sizeof(count)));
	EXPECT_EQ(PAGES - 1, count);
}

TEST_HARNESS_MAIN

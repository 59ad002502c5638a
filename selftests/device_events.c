// SPDX-License-Identifier: GPL-2.0
/* What the ring of a buffer, its histograms and the tracepoints say of each operation. */
#include <fcntl.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/kinds.h"
#include "lib/knobs.h"
#include "lib/setups.h"
#include "lib/util.h"

#define ROOM 64
/* Which lock it was is the kernel's choice. */
#define FLAGS (~(__u32)MMLENS_EVENT_VMA_LOCK)

FIXTURE(events)
{
	int fd;
	size_t page;
	char *map;	/* the whole buffer: its mmap is the first event */
	struct mmlens_event got[ROOM];
};

FIXTURE_SETUP(events)
{
	self->page = page_size();
	self->fd = device_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	self->map = device_map(self->fd, RW, MAP_SHARED, PAGES, 0);
	ASSERT_NE(MAP_FAILED, self->map);
}

FIXTURE_TEARDOWN(events)
{
}

static __u64 now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ull + time.tv_nsec;
}

static void touch(const char *p)
{
	(void)*(const volatile char *)p;
}

/* A buffer with room for so many events. */
static int make_with_room(const char *words, size_t pages, unsigned int events)
{
	struct mmlens_setup setup = device_words(words, pages);
	int fd = device_open(O_RDWR);

	setup.events = events;
	return ioctl(fd, MMLENS_IOC_SETUP, &setup) ? -errno : fd;
}

/* All operations that are events. */
static __u64 made(int fd)
{
	__u64 all = 0;

	for (unsigned int op = 0; op < MMLENS_OP_READ; op++)
		all += device_calls(fd, op);
	return all;
}

struct want {
	unsigned int op;
	const char *at;
	size_t pgoff;
	pid_t pid;
	unsigned int flags, pages;
};

static void same_events(struct __test_metadata *_metadata, const struct mmlens_event *got,
			const struct want *wants, int nr)
{
	for (int i = 0; i < nr; i++, got++, wants++) {
		EXPECT_EQ(wants->op, got->op) TH_LOG("event %d", i);
		EXPECT_EQ((uintptr_t)wants->at, got->address) TH_LOG("event %d", i);
		EXPECT_EQ(wants->pgoff, got->pgoff) TH_LOG("event %d", i);
		EXPECT_EQ(wants->pid, got->pid) TH_LOG("event %d", i);
		EXPECT_EQ(wants->pid, got->tid) TH_LOG("event %d", i);
		EXPECT_EQ(wants->flags, got->flags & FLAGS) TH_LOG("event %d", i);
		EXPECT_EQ(wants->pages, got->pages) TH_LOG("event %d", i);
		EXPECT_EQ(MMLENS_OUTCOME_DONE, got->outcome) TH_LOG("event %d", i);
	}
}

/* Takes all events, which are to be these. */
#define EXPECT_EVENTS(...) do { \
	const struct want wants_[] = { __VA_ARGS__ }; \
	ASSERT_EQ((int)ARRAY_SIZE(wants_), device_events(self->fd, self->got, ROOM, NULL)); \
	same_events(_metadata, self->got, wants_, ARRAY_SIZE(wants_)); \
} while (0)

TEST_F(events, tell_each_operation_in_order)
{
	char *map = self->map, *third = map + 2 * self->page, *target;
	size_t size = PAGES * self->page;
	pid_t me = getpid(), child;

	touch(third);
	*third = 1;
	third[self->page] = 1;
	/* To page_mkwrite the core does not say who writes. */
	EXPECT_EVENTS({ MMLENS_OP_MMAP, map, 0, me, 0, 0 },
		      { MMLENS_OP_FAULT, third, 2, me, MMLENS_EVENT_USER, 1 },
		      { MMLENS_OP_PAGE_MKWRITE, third, 2, me, MMLENS_EVENT_WRITE, 1 },
		      { MMLENS_OP_FAULT, third + self->page, 3, me,
			MMLENS_EVENT_WRITE | MMLENS_EVENT_USER, 1 },
		      { MMLENS_OP_PAGE_MKWRITE, third + self->page, 3, me, MMLENS_EVENT_WRITE, 1 });

	child = fork();
	if (!child)
		_exit(0);
	ASSERT_EQ(child, waitpid(child, NULL, 0));
	EXPECT_EVENTS({ MMLENS_OP_OPEN, map, 0, me, 0, 0 },
		      { MMLENS_OP_CLOSE, map, 0, child, 0, 0 });

	target = map_alone(PROT_NONE, ANON, -1, PAGES, 0);
	ASSERT_EQ(target, mremap(map, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, target));
	EXPECT_EVENTS({ MMLENS_OP_OPEN, target, 0, me, 0, 0 },
		      { MMLENS_OP_MREMAP, target, 0, me, 0, 0 },
		      { MMLENS_OP_CLOSE, map, 0, me, 0, 0 });

	ASSERT_EQ(0, mprotect(target + 3 * self->page, size - 3 * self->page, PROT_READ));
	EXPECT_EVENTS({ MMLENS_OP_MPROTECT, target, 0, me, 0, 0 },
		      { MMLENS_OP_MAY_SPLIT, target, 0, me, 0, 0 },
		      { MMLENS_OP_OPEN, target, 0, me, 0, 0 });
	ASSERT_EQ(0, munmap(target + 3 * self->page, size - 3 * self->page));
	EXPECT_EVENTS({ MMLENS_OP_CLOSE, target + 3 * self->page, 3, me, 0, 0 });
	ASSERT_EQ(0, munmap(target, 3 * self->page));
	EXPECT_EVENTS({ MMLENS_OP_CLOSE, target, 0, me, 0, 0 });
	EXPECT_EQ(0, device_events(self->fd, self->got, ROOM, NULL));
}

static void *touch_as_thread(void *arg)
{
	touch(arg);
	return (void *)syscall(SYS_gettid);
}

TEST_F(events, name_the_thread_and_whose_memory_it_was)
{
	char byte;
	struct iovec local = { .iov_base = &byte, .iov_len = 1 };
	struct iovec remote = { .iov_base = self->map + self->page, .iov_len = 1 };
	pthread_t thread;
	pid_t me = getpid(), child;
	void *tid;
	int status;

	ASSERT_EQ(0, pthread_create(&thread, NULL, touch_as_thread, self->map));
	ASSERT_EQ(0, pthread_join(thread, &tid));
	ASSERT_EQ(2, device_events(self->fd, self->got, ROOM, NULL));
	EXPECT_EQ(me, self->got[1].pid);
	EXPECT_EQ((long)tid, self->got[1].tid);
	EXPECT_NE(me, self->got[1].tid);

	child = fork();
	if (!child)
		_exit(process_vm_readv(me, &local, 1, &remote, 1, 0) != 1);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	ASSERT_EQ(0, status);
	EXPECT_EVENTS({ MMLENS_OP_OPEN, self->map, 0, me, 0, 0 },
		      { MMLENS_OP_FAULT, self->map + self->page, 1, child, MMLENS_EVENT_REMOTE, 1 },
		      { MMLENS_OP_CLOSE, self->map, 0, child, 0, 0 });
}

TEST_F(events, have_times_of_the_monotonic_clock)
{
	__u64 before = now(), after;
	int count;

	for (size_t i = 0; i < PAGES; i++)
		self->map[i * self->page] = 1;
	after = now();
	count = device_events(self->fd, self->got, ROOM, NULL);
	ASSERT_EQ(1 + 2 * PAGES, count);
	/* The mmap was before. */
	EXPECT_GE(before, self->got[0].time + self->got[0].ns);
	EXPECT_LE(before, self->got[1].time);
	for (int i = 1; i < count; i++)
		EXPECT_LE(self->got[i - 1].time + self->got[i - 1].ns, self->got[i].time);
	EXPECT_GE(after, self->got[count - 1].time + self->got[count - 1].ns);
}

TEST_F(events, tell_what_was_refused)
{
	touch(self->map);
	ASSERT_EQ(0, device_revoke(self->fd, 0));
	ASSERT_EQ(2, device_events(self->fd, self->got, ROOM, NULL));
	EXPECT_EQ(SIGBUS, access_signal(self->map, true));
	EXPECT_EQ(MAP_FAILED, device_map(self->fd, PROT_READ, MAP_SHARED, 1, 0));
	ASSERT_EQ(2, device_events(self->fd, self->got, ROOM, NULL));
	EXPECT_EQ(MMLENS_OP_FAULT, self->got[0].op);
	EXPECT_EQ(MMLENS_OUTCOME_SIGBUS, self->got[0].outcome);
	EXPECT_EQ(0, self->got[0].pages);
	EXPECT_EQ((uintptr_t)self->map, self->got[0].address);
	EXPECT_EQ(MMLENS_OP_MMAP, self->got[1].op);
	EXPECT_EQ(MMLENS_OUTCOME_ERROR, self->got[1].outcome);
}

TEST_F(events, count_the_neighbours_of_a_page)
{
	/* No number: the default. */
	int fd = device_make("vmalloc,around=", ROOM);
	char *place = map_aligned(PROT_NONE, MAP_PRIVATE, ROOM * self->page, ROOM * self->page);
	char *map = mmap(place, ROOM * self->page, RW, MAP_SHARED | MAP_FIXED, fd, 0);

	ASSERT_EQ(place, map);
	EXPECT_EQ(16, device_info(fd).around);
	touch(map + 21 * self->page);
	touch(map + 31 * self->page);
	map[40 * self->page] = 1;
	ASSERT_EQ(3, device_events(fd, self->got, ROOM, NULL));
	EXPECT_EQ(16, self->got[1].pages);
	EXPECT_EQ(21, self->got[1].pgoff);
	EXPECT_EQ((uintptr_t)map + 21 * self->page, self->got[1].address);
	/* A write is for one page. */
	EXPECT_EQ(1, self->got[2].pages);
	EXPECT_EQ(40, self->got[2].pgoff);
	EXPECT_EQ(17, device_op(fd, MMLENS_OP_FAULT).pages);
}

TEST_F(events, count_the_pages_of_a_huge_one)
{
	size_t per = pmd_size() / self->page;
	int fd = -ENOMEM, count, huge = 0;
	char *map;

	if (has_huge_pages())
		fd = device_make("contig,huge", per);
	if (fd == -ENOMEM)
		SKIP(return, "no transparent huge pages, or no memory for one");
	ASSERT_EQ(0, knob_set("/sys/kernel/mm/transparent_hugepage/enabled", "always"));
	map = device_map(fd, RW, MAP_SHARED, per, 0);
	map[5 * self->page] = 1;
	knobs_restore();
	count = device_events(fd, self->got, ROOM, NULL);
	ASSERT_LE(2, count);
	for (int i = 1; i < count; i++) {
		/* A larger one may be asked for before. */
		EXPECT_EQ(MMLENS_OP_HUGE_FAULT, self->got[i].op);
		if (self->got[i].outcome == MMLENS_OUTCOME_DONE) {
			huge++;
			EXPECT_EQ(per, self->got[i].pages);
			EXPECT_EQ(MMLENS_EVENT_WRITE | MMLENS_EVENT_USER, self->got[i].flags & FLAGS);
		} else {
			EXPECT_EQ(MMLENS_OUTCOME_FALLBACK, self->got[i].outcome);
			EXPECT_EQ(MMLENS_EVENT_PUD, self->got[i].flags & MMLENS_EVENT_PUD);
			EXPECT_EQ(0, self->got[i].pages);
		}
	}
	EXPECT_EQ(1, huge);
}

TEST_F(events, that_are_lost_are_the_oldest_and_counted)
{
	int fd = make_with_room("vmalloc", ROOM, 8), wrong;
	char *map = device_map(fd, RW, MAP_SHARED, ROOM, 0);
	__u64 dropped;

	for (size_t i = 0; i < 20; i++)
		touch(map + i * self->page);
	/* Who cannot be told of them changes nothing. */
	wrong = device_events(fd, (void *)1, ROOM, &dropped);
	EXPECT_EQ(-EFAULT, wrong);
	ASSERT_EQ(8, device_events(fd, self->got, ROOM, &dropped));
	EXPECT_EQ(made(fd), dropped + 8);
	EXPECT_EQ(13, dropped);
	for (size_t i = 0; i < 8; i++)
		EXPECT_EQ(12 + i, self->got[i].pgoff);
	touch(map + 20 * self->page);
	ASSERT_EQ(1, device_events(fd, self->got, ROOM, &dropped));
	EXPECT_EQ(0, dropped);
	EXPECT_EQ(20, self->got[0].pgoff);
}

TEST_F(events, are_taken_as_far_as_there_is_room)
{
	struct mmlens_events request = {
		.size = sizeof(request), .record_size = sizeof(self->got[0]),
		.records = (uintptr_t)self->got,
	};
	char *two = map_alone(RW, ANON, -1, 2, 0);
	size_t records = 3 * sizeof(self->got[0]) / 2;

	touch(self->map);
	touch(self->map + self->page);
	/* No room, and nowhere. */
	request.records = 0;
	ASSERT_EQ(0, ioctl(self->fd, MMLENS_IOC_EVENTS, &request));
	EXPECT_EQ(0, request.count);
	EXPECT_EQ(3, request.left);
	for (int wrong = -1; wrong <= 1; wrong += 2) {
		request.count = ROOM;
		request.record_size = sizeof(self->got[0]) + wrong;
		EXPECT_EQ(-1, ioctl(self->fd, MMLENS_IOC_EVENTS, &request));
		EXPECT_EQ(EINVAL, errno);
	}
	/* The second record ends where nobody may write. */
	ASSERT_EQ(0, mprotect(two + self->page, self->page, PROT_NONE));
	EXPECT_EQ(-EFAULT, device_events(self->fd, (void *)(two + self->page - records), 3, NULL));
	request.record_size = sizeof(self->got[0]);
	request.records = (uintptr_t)self->got;
	request.count = 2;
	ASSERT_EQ(0, ioctl(self->fd, MMLENS_IOC_EVENTS, &request));
	EXPECT_EQ(2, request.count);
	EXPECT_EQ(1, request.left);
	EXPECT_EQ(0, request.dropped);
	EXPECT_EQ(MMLENS_OP_MMAP, self->got[0].op);
	EXPECT_EQ(0, self->got[1].pgoff);
	ASSERT_EQ(1, device_events(self->fd, self->got, ROOM, NULL));
	EXPECT_EQ(1, self->got[0].pgoff);
}

TEST_F(events, are_not_of_read_and_write)
{
	char byte = 1;

	ASSERT_EQ(1, pwrite(self->fd, &byte, 1, 0));
	ASSERT_EQ(1, pread(self->fd, &byte, 1, 0));
	EXPECT_EQ(1, device_events(self->fd, self->got, ROOM, NULL));
	EXPECT_EQ(1, device_done(self->fd, MMLENS_OP_READ));
	EXPECT_EQ(1, device_done(self->fd, MMLENS_OP_WRITE));
}

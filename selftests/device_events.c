// SPDX-License-Identifier: GPL-2.0
/* What the ring of a buffer, its histograms and the tracepoints say of each operation. */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
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
		EXPECT_TRUE(got->op == wants->op && got->address == (uintptr_t)wants->at &&
			    got->pgoff == wants->pgoff && got->pid == wants->pid &&
			    got->tid == wants->pid && (got->flags & FLAGS) == wants->flags &&
			    got->pages == wants->pages && got->outcome == MMLENS_OUTCOME_DONE)
			TH_LOG("event %d: op %u at %llx, page %llu, by %d %d, flags %x, %u pages",
			       i, got->op, got->address, got->pgoff, got->pid, got->tid, got->flags,
			       got->pages);
	}
}

/* Takes all events, which are to be these. */
#define EXPECT_EVENTS(...) do { \
	const struct want wants_[] = { __VA_ARGS__ }; \
	ASSERT_EQ((int)ARRAY_SIZE(wants_), device_events(self->fd, self->got, ROOM, NULL)); \
	same_events(_metadata, self->got, wants_, ARRAY_SIZE(wants_)); \
} while (0)

/* The core takes the mmap lock for a driver that has nothing to map around a page. */
TEST(faults_need_the_lock_of_the_vma_alone)
{
	static const char *const words[] = {
		"vmalloc", "sparse,track", "contig,around=4", "vmap,pfnmap,track", "contig,mixed",
	};
	struct mmlens_event got[ROOM];

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		int fd = device_make(words[i], 16), nr, faults = 0, alone = 0;
		char *map = device_map(fd, RW, MAP_SHARED, 16, 0);

		ASSERT_NE(MAP_FAILED, map);
		for (int page = 0; page < 16; page += 4) {
			touch(map + page * page_size());
			map[(page + 1) * page_size()] = 1;
		}
		nr = device_events(fd, got, ROOM, NULL);
		for (int event = 0; event < nr; event++) {
			if (got[event].op != MMLENS_OP_FAULT)
				continue;
			faults++;
			alone += !!(got[event].flags & MMLENS_EVENT_VMA_LOCK);
		}
		/* Which lock it is in the end is the kernel's choice. */
		EXPECT_LT(faults / 2, alone) TH_LOG("%s: %d of %d", words[i], alone, faults);
		munmap(map, 16 * page_size());
		close(fd);
	}
}

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
	ASSERT_EQ(0, munmap(target, size));
	EXPECT_EVENTS({ MMLENS_OP_CLOSE, target, 0, me, 0, 0 },
		      { MMLENS_OP_CLOSE, target + 3 * self->page, 3, me, 0, 0 });
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
	int count = 1 + 2 * PAGES;

	for (size_t i = 0; i < PAGES; i++)
		self->map[i * self->page] = 1;
	after = now();
	ASSERT_EQ(count, device_events(self->fd, self->got, ROOM, NULL));
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
	/* A write is for one page. */
	EXPECT_EQ(1, self->got[2].pages);
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
			EXPECT_EQ(MMLENS_EVENT_WRITE | MMLENS_EVENT_USER,
				  self->got[i].flags & FLAGS);
		} else {
			EXPECT_EQ(MMLENS_OUTCOME_FALLBACK, self->got[i].outcome);
			EXPECT_EQ(MMLENS_EVENT_PUD, self->got[i].flags & MMLENS_EVENT_PUD);
		}
	}
	EXPECT_EQ(1, huge);
}

TEST_F(events, that_are_lost_are_the_oldest_and_counted)
{
	int fd = make_with_room("vmalloc", ROOM, 8);
	char *map = device_map(fd, RW, MAP_SHARED, ROOM, 0);
	__u64 dropped;

	for (size_t i = 0; i < 20; i++)
		touch(map + i * self->page);
	/* Who cannot be told of them changes nothing. */
	EXPECT_EQ(-EFAULT, device_events(fd, (void *)1, ROOM, &dropped));
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
	/* No room for any. */
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
	ASSERT_EQ(1, device_events(self->fd, self->got, ROOM, NULL));
	EXPECT_EQ(1, self->got[0].pgoff);
}

/* A process without the mapping, which says whether an event came and nothing else. */
static pid_t start_poller(const char *map, int fd)
{
	struct pollfd poller = { .fd = fd, .events = POLLRDBAND };
	pid_t pid;

	madvise((void *)map, PAGES * page_size(), MADV_DONTFORK);
	pid = fork();
	/* For ever: at the end of a timeout poll() would look once more. */
	if (!pid)
		_exit(poll(&poller, 1, -1) != 1 || poller.revents != POLLRDBAND);
	/* Sooner or later it sleeps there, unless it has ended. */
	while (!strchr("SZ", proc_state(pid)))
		usleep(1000);
	return pid;
}

TEST_F(events, wake_those_who_poll_for_them)
{
	struct pollfd poller = { .fd = self->fd, .events = POLLRDBAND };
	pid_t child;
	int status;

	ASSERT_EQ(1, poll(&poller, 1, 0));
	EXPECT_EQ(POLLRDBAND, poller.revents);
	touch(self->map);
	/* Not before all are taken. */
	ASSERT_EQ(1, device_events(self->fd, self->got, 1, NULL));
	EXPECT_EQ(1, poll(&poller, 1, 0));
	ASSERT_EQ(1, device_events(self->fd, self->got, 1, NULL));
	EXPECT_EQ(0, poll(&poller, 1, 0));
	child = start_poller(self->map, self->fd);
	touch(self->map + self->page);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
}

static void *take_nowhere(void *arg)
{
	const struct { int fd; char *records; } *to = arg;

	return (void *)(long)device_events(to->fd, (void *)to->records, ROOM, NULL);
}

TEST_F(events, wake_those_who_poll_if_nobody_could_be_told_after_all)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register watched = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct { int fd; char *records; } to = { .fd = self->fd };
	int uffd = syscall(SYS_userfaultfd, O_NONBLOCK), status;
	struct pollfd fault = { .fd = uffd, .events = POLLIN };
	pthread_t thread;
	pid_t child;
	void *result;

	if (uffd < 0)
		SKIP(return, "userfaultfd: %s", strerror(errno));
	to.records = map_alone(RW, ANON, -1, 1, 0);
	watched.range.start = (uintptr_t)to.records;
	watched.range.len = self->page;
	ASSERT_EQ(0, ioctl(uffd, UFFDIO_API, &api));
	ASSERT_EQ(0, ioctl(uffd, UFFDIO_REGISTER, &watched));
	/* It has taken the event, and waits for the page that it writes it to. */
	ASSERT_EQ(0, pthread_create(&thread, NULL, take_nowhere, &to));
	ASSERT_EQ(1, poll(&fault, 1, 10000));
	ASSERT_EQ(POLLIN, fault.revents);
	child = start_poller(self->map, self->fd);
	munmap(to.records, self->page);
	ASSERT_EQ(0, ioctl(uffd, UFFDIO_WAKE, &watched.range));
	ASSERT_EQ(0, pthread_join(thread, &result));
	EXPECT_EQ(-EFAULT, (long)result);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(1, device_events(self->fd, self->got, ROOM, NULL));
}

struct reader {
	int fd;
	volatile bool *stop;
	unsigned int seen[8 * ROOM];	/* by page */
	__u64 dropped;
};

static void *read_events(void *arg)
{
	struct reader *reader = arg;
	struct mmlens_event got[3];
	__u64 dropped;
	bool last;
	int count;

	do {
		last = *reader->stop;
		while ((count = device_events(reader->fd, got, ARRAY_SIZE(got), &dropped)) > 0) {
			reader->dropped += dropped;
			while (count--)
				reader->seen[got[count].pgoff] += got[count].op == MMLENS_OP_FAULT;
		}
	} while (!last);
	return NULL;
}

TEST_F(events, are_given_once_whoever_asks)
{
	const size_t pages = 8 * ROOM;
	int fd = make_with_room("vmalloc", pages, 2 * pages);
	char *map = device_map(fd, RW, MAP_SHARED, pages, 0);
	volatile bool stop = false;
	struct reader readers[2] = {};
	pthread_t threads[2];

	for (int i = 0; i < 2; i++) {
		readers[i].fd = fd;
		readers[i].stop = &stop;
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, read_events, &readers[i]));
	}
	for (size_t i = 0; i < pages; i++)
		touch(map + i * self->page);
	stop = true;
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < pages; i++) {
		EXPECT_EQ(1, readers[0].seen[i] + readers[1].seen[i])
			TH_LOG("page %zu", i);
	}
	EXPECT_EQ(0, readers[0].dropped + readers[1].dropped);
}

TEST_HARNESS_MAIN

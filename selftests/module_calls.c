// SPDX-License-Identifier: GPL-2.0
/*
 * The module does not go while a call is under way, though its descriptor was closed meanwhile, so
 * that nothing but the call has the file; and goes when the call has ended.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/lens.h"
#include "lib/module_test.h"
#include "lib/texts.h"
#include "lib/util.h"
#include "lib/walk.h"

#define RW (PROT_READ | PROT_WRITE)
#define PAGES 4

FIXTURE(calls)
{
	int fd;
};

FIXTURE_SETUP(calls)
{
	MODULE_BEGIN();
	self->fd = -1;
}

FIXTURE_TEARDOWN(calls)
{
	MODULE_END();
}

/*
 * A child that waits in poll(), and has no descriptors of its own: the table is ours, so that the
 * call takes a reference, which is the last one once the descriptor is closed here.
 */
static pid_t poll_by_our_descriptor(int fd)
{
	struct pollfd wait = { .fd = fd, .events = POLLRDBAND };
	pid_t pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(poll(&wait, 1, -1) != 1);
	}
	/* Sooner or later it sleeps there, unless it has ended. */
	while (!strchr("SZ", proc_state(pid)))
		usleep(1000);
	return pid;
}

TEST_F(calls, who_waits_for_events)
{
	struct mmlens_event event;
	int status = -1;
	pid_t child;
	char *map;

	/* One that is killed. */
	self->fd = device_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	child = poll_by_our_descriptor(self->fd);
	close(self->fd);
	EXPECT_PINNED("waiting");
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status)) TH_LOG("status %x", status);
	EXPECT_FREE("killed");

	/* One that is woken, by the end of the mapping: then nothing but its call is left. */
	self->fd = device_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	map = device_map(self->fd, RW, MAP_SHARED, 1, 0);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, madvise(map, page_size(), MADV_DONTFORK));
	ASSERT_EQ(1, device_events(self->fd, &event, 1, NULL));
	child = poll_by_our_descriptor(self->fd);
	close(self->fd);
	EXPECT_PINNED("waiting, and mapped");
	EXPECT_EQ(0, waitpid(child, &status, WNOHANG));
	munmap(map, page_size());
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_FREE("woken");
}

/* A call that has something to tell: how many bytes or records, or a negative number. */
struct way {
	const char *name;
	int (*open)(void);
	long (*call)(int fd, void *buffer, size_t bytes);
};

struct caller {
	const struct way *way;
	int fd;
	void *buffer;
	size_t bytes;
};

static int open_device(void)
{
	return device_open(O_RDWR);
}

static long walk(int fd, void *buffer, size_t bytes)
{
	struct mmlens_walk walk = walk_of(getppid(), MMLENS_FORM_ENTRIES);
	int ret = walk_call(fd, &walk, buffer, bytes);

	return ret ?: (long)walk.records;
}

static int open_buffer(void)
{
	return device_make("vmalloc,eager", PAGES);
}

static long read_pages(int fd, void *buffer, size_t bytes)
{
	return pread(fd, buffer, bytes, 0);
}

static int open_text(void)
{
	int device = device_open(O_RDWR), fd = text_open(device, MMLENS_TEXT_ENTRIES, 0);

	close(device);
	return fd;
}

static int open_file(void)
{
	return lens_open(0, "entries");
}

static int open_kernel_file(void)
{
	int fd = open(LENS "/kernel/layout", O_RDONLY);

	return fd < 0 ? -errno : fd;
}

static long read_text(int fd, void *buffer, size_t bytes)
{
	return read(fd, buffer, bytes);
}

static const struct way ways[] = {
	{ "WALK", open_device, walk }, { "pread", open_buffer, read_pages },
	{ "text", open_text, read_text }, { "file", open_file, read_text },
	{ "file of no process", open_kernel_file, read_text },
};

static void *call(void *arg)
{
	const struct caller *caller = arg;

	return (void *)caller->way->call(caller->fd, caller->buffer, caller->bytes);
}

/*
 * In the middle of a call: it waits for the page where its answer is to go, for as long as we like.
 * The descriptor is closed meanwhile, so that the call is all that holds the file.
 */
TEST_F_TIMEOUT(calls, that_wait_for_a_page, 120)
{
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct caller caller = { .way = &ways[i], .bytes = PAGES * page_size() };
		struct uffdio_register watched = { .mode = UFFDIO_REGISTER_MODE_MISSING };
		struct uffdio_api api = { .api = UFFD_API };
		int uffd = syscall(SYS_userfaultfd, O_NONBLOCK | O_CLOEXEC);
		struct pollfd fault = { .fd = uffd, .events = POLLIN };
		void *got = NULL;
		pthread_t thread;

		if (uffd < 0)
			SKIP(return, "userfaultfd: %s", strerror(errno));
		caller.fd = ways[i].open();
		if (caller.fd == -ENOENT) {
			TH_LOG("there is no debugfs, and no %s", ways[i].name);
			close(uffd);
			continue;
		}
		ASSERT_LE(0, caller.fd) TH_LOG("%s", ways[i].name);
		caller.buffer = map_alone(RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, PAGES, 0);
		watched.range.start = (uintptr_t)caller.buffer;
		watched.range.len = caller.bytes;
		ASSERT_EQ(0, ioctl(uffd, UFFDIO_API, &api));
		ASSERT_EQ(0, ioctl(uffd, UFFDIO_REGISTER, &watched));
		ASSERT_EQ(0, pthread_create(&thread, NULL, call, &caller));
		/* For ever: if there is no fault, the test times out. */
		ASSERT_EQ(1, poll(&fault, 1, -1));
		close(caller.fd);
		EXPECT_EQ(-1, fcntl(caller.fd, F_GETFD));
		for (int attempt = 0; attempt < 10; attempt++)
			EXPECT_PINNED("%s", ways[i].name);
		/* Whoever waits for a page gets one. */
		ASSERT_EQ(0, ioctl(uffd, UFFDIO_UNREGISTER, &watched.range));
		ASSERT_EQ(0, pthread_join(thread, &got));
		EXPECT_LT(0, (long)got) TH_LOG("%s", ways[i].name);
		close(uffd);
		munmap(caller.buffer, caller.bytes);
		EXPECT_FREE("%s", ways[i].name);
	}
}

TEST_HARNESS_MAIN

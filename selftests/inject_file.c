// SPDX-License-Identifier: GPL-2.0
/*
 * The system calls on an open buffer, with one failure after the other in them: a call that
 * fails has changed nothing, and what is counted or recorded is not lost.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/group.h"
#include "lib/inject.h"
#include "lib/knobs.h"
#include "lib/util.h"

#define PAGES 8
#define RW (PROT_READ | PROT_WRITE)
/* Faults of MAKE: a read and a write of each page. */
#define ROOM 64

FIXTURE(inject_file)
{
	struct sweep sweep;
	size_t size;
	char *map;
	int fd;
};

FIXTURE_VARIANT(inject_file)
{
	const char *words;
};

FIXTURE_VARIANT_ADD(inject_file, pages) { .words = "vmalloc,track" };
FIXTURE_VARIANT_ADD(inject_file, frames) { .words = "vmap,pfnmap,track" };

FIXTURE_SETUP(inject_file)
{
	SWEEP_SETUP(&self->sweep);
	GROUP_SETUP();
	self->size = PAGES * page_size();
}

FIXTURE_TEARDOWN(inject_file)
{
	EXPECT_NOTHING_LEFT(&self->sweep);
	knobs_restore();
	GROUP_TEARDOWN();
}

/* A buffer whose pages are all dirty. */
#define MAKE() do { \
	self->fd = device_make(variant->words, 0); \
	self->map = device_map(self->fd, RW, MAP_SHARED, PAGES, 0); \
	ASSERT_NE(MAP_FAILED, self->map); \
	fill_pages(self->map, PAGES, 1); \
} while (0)

#define UNMAKE() do { \
	munmap(self->map, self->size); \
	close(self->fd); \
} while (0)

TEST_F_TIMEOUT(inject_file, info_and_stats, 300)
{
	MAKE();
	for_each_failure(&self->sweep, 2) {
		struct mmlens_info info = { .size = sizeof(info) }, before = info;
		struct mmlens_stats stats = {
			.size = sizeof(stats), .op = MMLENS_OP_FAULT,
		}, nothing = stats;

		if (INJECT(&self->sweep, ioctl(self->fd, MMLENS_IOC_INFO, &info))) {
			EXPECT_INJECTED(&self->sweep, errno);
			EXPECT_EQ(0, memcmp(&info, &before, sizeof(info)));
			info = device_info(self->fd);
		}
		EXPECT_EQ(self->size, info.bytes);
		EXPECT_EQ(PAGES, info.dirty_pages);
		if (INJECT(&self->sweep, ioctl(self->fd, MMLENS_IOC_STATS, &stats))) {
			EXPECT_INJECTED(&self->sweep, errno);
			EXPECT_EQ(0, memcmp(&stats, &nothing, sizeof(stats)));
			stats = device_op(self->fd, MMLENS_OP_FAULT);
		}
		EXPECT_EQ(PAGES, stats.pages);
	}
	UNMAKE();
}

/* An event is given once, and not at all if it cannot be told. */
TEST_F_TIMEOUT(inject_file, events, 300)
{
	struct mmlens_event all[ROOM], events[ROOM];
	int count;

	MAKE();
	count = device_events(self->fd, all, ROOM, NULL);
	UNMAKE();
	ASSERT_LT(PAGES, count);
	/* There: no copy to it has to have memory. */
	memset(events, 0, sizeof(events));
	for_each_failure(&self->sweep, 2) {
		int got;

		MAKE();
		got = INJECT(&self->sweep, device_events(self->fd, events, ROOM, NULL));
		if (got < 0) {
			EXPECT_INJECTED(&self->sweep, -got);
			got = device_events(self->fd, events, ROOM, NULL);
		}
		EXPECT_EQ(count, got);
		for (int i = 0; i < got; i++) {
			EXPECT_EQ(all[i].op, events[i].op);
			EXPECT_EQ(all[i].pgoff, events[i].pgoff);
		}
		EXPECT_EQ(0, device_events(self->fd, events, ROOM, NULL));
		UNMAKE();
	}
}

/* What was not told of is dirty as before. */
TEST_F_TIMEOUT(inject_file, dirty, 300)
{
	for_each_failure(&self->sweep, 2) {
		struct mmlens_dirty dirty = { .size = sizeof(dirty), .pages = PAGES };
		__u64 bitmap = 0, rest = 0, found;

		MAKE();
		dirty.bitmap = (unsigned long)&bitmap;
		if (INJECT(&self->sweep, ioctl(self->fd, MMLENS_IOC_DIRTY, &dirty))) {
			EXPECT_INJECTED(&self->sweep, errno);
			bitmap = 0;
		} else {
			/* Of a range as short as this it is all or nothing. */
			EXPECT_EQ(PAGES, dirty.pages);
			EXPECT_EQ(PAGES, dirty.dirty);
		}
		EXPECT_EQ(0, device_dirty(self->fd, 0, PAGES, 0, &rest, &found));
		EXPECT_EQ((1ULL << PAGES) - 1, bitmap | rest);
		EXPECT_EQ(0, device_info(self->fd).dirty_pages);
		/* And is noticed again. */
		fill_pages(self->map, PAGES, 2);
		EXPECT_EQ(PAGES, device_info(self->fd).dirty_pages);
		UNMAKE();
	}
}

/* All or nothing, and it can be done again. */
TEST_F_TIMEOUT(inject_file, revoke_and_restore, 300)
{
	for_each_failure(&self->sweep, 1) {
		int ret;

		MAKE();
		ret = INJECT(&self->sweep, device_revoke(self->fd, 0));
		if (ret) {
			EXPECT_INJECTED(&self->sweep, -ret);
			EXPECT_EQ(0, device_info(self->fd).revoked);
			EXPECT_EQ(0, access_signal(self->map, true));
			EXPECT_EQ(0, device_revoke(self->fd, 0));
		}
		EXPECT_EQ(1, device_info(self->fd).revoked);
		EXPECT_EQ(SIGBUS, access_signal(self->map, false));
		ret = INJECT(&self->sweep, device_restore(self->fd));
		if (ret) {
			EXPECT_INJECTED(&self->sweep, -ret);
			EXPECT_EQ(1, device_info(self->fd).revoked);
			EXPECT_EQ(0, device_restore(self->fd));
		}
		EXPECT_EQ(0, device_info(self->fd).revoked);
		EXPECT_TRUE(pages_have(self->map + page_size(), PAGES - 1, 1 + 1));
		UNMAKE();
	}
}

TEST_F_TIMEOUT(inject_file, machine, 300)
{
	struct mmlens_machine machine = { .size = sizeof(machine) };
	int fd = device_open(O_RDWR);

	ASSERT_EQ(0, ioctl(fd, MMLENS_IOC_MACHINE, &machine));
	for_each_failure(&self->sweep, 2) {
		struct mmlens_machine again = { .size = sizeof(again) };

		if (INJECT(&self->sweep, ioctl(fd, MMLENS_IOC_MACHINE, &again))) {
			EXPECT_INJECTED(&self->sweep, errno);
			EXPECT_EQ(0, again.arch);
			ASSERT_EQ(0, ioctl(fd, MMLENS_IOC_MACHINE, &again));
		}
		EXPECT_EQ(0, memcmp(&machine, &again, sizeof(machine)));
	}
	close(fd);
}

/* A short result is of what was copied. */
TEST_F_TIMEOUT(inject_file, read_and_write, 300)
{
	char *data = malloc(self->size), *other = malloc(self->size);

	for_each_failure(&self->sweep, 2) {
		struct iovec parts[2] = {
			{ other, page_size() + 100 },
			{ other + page_size() + 100, self->size - page_size() - 100 },
		};
		ssize_t done;

		MAKE();
		memset(other, 0, self->size);
		done = INJECT(&self->sweep, preadv(self->fd, parts, 2, 0));
		if (done < 0)
			EXPECT_INJECTED(&self->sweep, errno);
		if (done < (ssize_t)self->size)
			EXPECT_TRUE(self->sweep.failed);
		done = done < 0 ? 0 : done;
		EXPECT_EQ(0, memcmp(self->map, other, done));

		memset(data, self->sweep.number, self->size);
		parts[0].iov_base = data;
		parts[1].iov_base = data + page_size() + 100;
		done = INJECT(&self->sweep, pwritev(self->fd, parts, 2, 0));
		if (done < 0)
			EXPECT_INJECTED(&self->sweep, errno);
		if (done < (ssize_t)self->size)
			EXPECT_TRUE(self->sweep.failed);
		done = done < 0 ? 0 : done;
		EXPECT_EQ(0, memcmp(self->map, data, done));
		EXPECT_TRUE(done == (ssize_t)self->size ||
			    pages_have(self->map + self->size - page_size(), 1, PAGES));
		UNMAKE();
	}
	free(data);
	free(other);
}

TEST_F_TIMEOUT(inject_file, lseek_poll_and_fdinfo, 300)
{
	char path[64];

	MAKE();
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->fd);
	for_each_failure(&self->sweep, 3) {
		/* Whoever polls first makes what is waited on. */
		int fd = device_make(variant->words, PAGES), ret;
		struct pollfd wait = { .fd = fd, .events = POLLIN | POLLPRI };
		char *text;

		/* It only sets a number. */
		EXPECT_EQ(1, INJECT_IF_ANY(&self->sweep, lseek(fd, 1, SEEK_SET)));
		ret = INJECT(&self->sweep, poll(&wait, 1, 0));
		if (ret < 0) {
			EXPECT_INJECTED(&self->sweep, errno);
		} else if (self->sweep.failed) {
			/* Who cannot wait is told that something is wrong. */
			EXPECT_NE(0, wait.revents & POLLIN);
		}
		EXPECT_EQ(1, poll(&wait, 1, 0));
		EXPECT_EQ(POLLIN, wait.revents);
		text = INJECT(&self->sweep, read_file(path, NULL));
		/* There may be no page to read to. */
		if (!text)
			EXPECT_INJECTED_OR(&self->sweep, EFAULT, errno);
		else
			EXPECT_NE(NULL, strstr(text, "mmlens-bytes:"));
		free(text);
		close(fd);
	}
	UNMAKE();
}

TEST_HARNESS_MAIN_WITH_INJECTORS(1 << INJECT_SLAB | 1 << INJECT_COPY)

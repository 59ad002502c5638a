// SPDX-License-Identifier: GPL-2.0
/*
 * The module does not go while something of it is being used, and does when that is over:
 * mappings of each kind, readers of every text, tracepoints; and rmmod that races with all who
 * come.
 */
#include <fcntl.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/lens.h"
#include "lib/module_test.h"
#include "lib/query.h"
#include "lib/targets.h"
#include "lib/texts.h"
#include "lib/util.h"

#define RW (PROT_READ | PROT_WRITE)
#define PAGES 16
#define TRACING "/sys/kernel/tracing"

FIXTURE(users)
{
	int fd;
};

FIXTURE_SETUP(users)
{
	MODULE_BEGIN();
	self->fd = -1;
}

FIXTURE_TEARDOWN(users)
{
	MODULE_END();
}

/* Every backing, way to map, kind and cache type that go together. */
TEST_F_TIMEOUT(users, mappings_of_each_kind, 300)
{
	static const char *const words[][6] = {
		{ "vmalloc", "vmap", "contig", "sparse" },
		{ "lazy", "around=8", "eager", "remap", "huge" },
		{ "normal", "pfnmap", "mixed" },
		{ "wb", "wc", "uc" },
	};
	size_t size = PAGES * page_size();
	int made = 0;

	for (unsigned int i = 0; i < 4 * 5 * 3 * 3 * 2; i++) {
		unsigned int n = i / 2;
		char text[64];
		char *map;
		int fd;

		snprintf(text, sizeof(text), "%s,%s,%s,%s%s", words[0][n % 4], words[1][n / 4 % 5],
			 words[2][n / 20 % 3], words[3][n / 60], i % 2 ? ",track" : "");
		fd = device_make(text, PAGES);
		if (fd == -EOPNOTSUPP)
			continue;
		ASSERT_LE(0, fd) TH_LOG("%s", text);
		map = device_map(fd, RW, MAP_SHARED, PAGES, 0);
		ASSERT_NE(MAP_FAILED, map) TH_LOG("%s", text);
		close(fd);
		EXPECT_PINNED("%s", text);
		fill_pages(map, PAGES, i);
		EXPECT_TRUE(pages_have(map, PAGES, i)) TH_LOG("%s", text);
		EXPECT_PINNED("%s", text);
		munmap(map, size);
		EXPECT_EQ(0, module_uses()) TH_LOG("%s", text);
		made++;
	}
	EXPECT_LT(20, made);
	EXPECT_FREE();
}

/* What has no folder: the files of the kernel, the list of buffers, questions. */
TEST_F(users, readers_of_every_text)
{
	char byte[8];

	for (unsigned int what = 0; what <= MMLENS_TEXT_BUFFERS; what++) {
		int device = device_open(O_RDWR), fd = text_open(device, what, 0);

		close(device);
		if (fd == -ENOENT)
			continue;
		ASSERT_LE(0, fd) TH_LOG("%u", what);
		EXPECT_PINNED("%u", what);
		/* There is no buffer to list. */
		EXPECT_EQ(what == MMLENS_TEXT_BUFFERS ? 0 : 8, read(fd, byte, 8))
			TH_LOG("%u", what);
		EXPECT_PINNED("%u", what);
		/* A copy in another process. */
		{
			pid_t child = target_start(nothing, NULL);

			close(fd);
			EXPECT_PINNED("%u", what);
			target_end(child);
		}
		EXPECT_EQ(0, module_uses()) TH_LOG("%u", what);
	}
	for (size_t i = 0; i < ARRAY_SIZE(kernel_texts); i++) {
		char path[64];
		int fd;

		snprintf(path, sizeof(path), LENS "/%s", kernel_texts[i].name);
		fd = open(path, O_RDONLY);
		if (fd < 0 && errno == ENOENT)
			continue;
		EXPECT_PINNED("%s", path);
		free(read_fd(fd, NULL));
		EXPECT_PINNED("%s", path);
		close(fd);
		EXPECT_EQ(0, module_uses()) TH_LOG("%s", path);
	}
	self->fd = query_open(0);
	EXPECT_PINNED("query");
	EXPECT_EQ(0, query_ask(self->fd, "find_vma 0"));
	EXPECT_PINNED("query, asked");
	close(self->fd);
	EXPECT_FREE();
}

/*
 * Tracepoints: perf keeps the module, since it holds the event; what ftrace has switched on
 * it switches off when the module goes.
 */
TEST_F(users, tracepoints)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr), .sample_period = 1,
	};
	char *map, *text;
	int fd;

	if (access(TRACING "/trace", F_OK))
		mount("tracefs", TRACING, "tracefs", 0, NULL);
	if (access(TRACING "/events/mmlens/fault/id", F_OK))
		SKIP(return, "there is no tracefs");
	attr.config = read_number(TRACING "/events/mmlens/fault/id");
	fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
	ASSERT_LE(0, fd);
	EXPECT_PINNED("perf");
	close(fd);
	for (int i = 0; i < 1000 && module_uses(); i++)
		usleep(1000);
	EXPECT_FREE("after perf");

	ASSERT_EQ(0, write_file(TRACING "/events/mmlens/enable", "1"));
	self->fd = device_open(O_RDWR);
	map = device_map(self->fd, RW, MAP_SHARED, PAGES, 0);
	fill_pages(map, PAGES, 1);
	EXPECT_PINNED("ftrace, and mapped");
	munmap(map, PAGES * page_size());
	close(self->fd);
	EXPECT_EQ(0, module_uses());
	EXPECT_EQ(0, module_unload());
	EXPECT_NE(0, access(TRACING "/events/mmlens", F_OK));
	/* Nobody could print what was traced any more. */
	text = read_file(TRACING "/trace", NULL);
	ASSERT_NE(NULL, text);
	EXPECT_EQ(NULL, strstr(text, " fault: "));
	free(text);
	ASSERT_EQ(0, module_load(""));
	EXPECT_EQ(0, read_number(TRACING "/events/mmlens/fault/enable"));
	EXPECT_FREE("after ftrace");
}

/* What a reader of an event's file, or of the trace, can have. */
static bool may_read(int fd)
{
	char bytes[4096];
	ssize_t size = read(fd, bytes, sizeof(bytes) - 1);

	if (size < 0)
		return errno == EAGAIN || errno == ENODEV || errno == EINVAL || errno == EIO;
	bytes[size] = '\0';
	/* Nobody could print it. */
	return !strstr(bytes, " fault: ");
}

/* Open files of the events and of what is traced, in an instance too, are no users. */
TEST_F(users, files_of_the_tracepoints)
{
	static const char *const names[] = {
		"events/mmlens/enable", "events/mmlens/filter", "events/mmlens/fault/enable",
		"events/mmlens/fault/filter", "events/mmlens/fault/format", "events/mmlens/fault/id",
		"events/mmlens/fault/trigger", "trace", "trace_pipe",
	};
	static const char *const roots[] = { TRACING, TRACING "/instances/mmlens" };
	int files[ARRAY_SIZE(roots)][ARRAY_SIZE(names)];
	char path[128], *map;

	if (access(TRACING "/trace", F_OK))
		mount("tracefs", TRACING, "tracefs", 0, NULL);
	if (access(TRACING "/events/mmlens/fault/id", F_OK))
		SKIP(return, "there is no tracefs");
	/* That of a run that has failed. */
	rmdir(roots[1]);
	ASSERT_EQ(0, mkdir(roots[1], 0700));
	for (size_t root = 0; root < ARRAY_SIZE(roots); root++) {
		/* The first time makes the ring larger, which an open trace would forbid. */
		snprintf(path, sizeof(path), "%s/%s", roots[root], names[0]);
		EXPECT_EQ(0, write_file(path, "1")) TH_LOG("%s", path);
		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			snprintf(path, sizeof(path), "%s/%s", roots[root], names[i]);
			files[root][i] = open(path, O_RDONLY | O_NONBLOCK);
			EXPECT_LE(0, files[root][i]) TH_LOG("%s", path);
		}
	}
	self->fd = device_open(O_RDWR);
	map = device_map(self->fd, RW, MAP_SHARED, PAGES, 0);
	fill_pages(map, PAGES, 1);
	munmap(map, PAGES * page_size());
	close(self->fd);

	for (size_t root = 0; root < ARRAY_SIZE(roots); root++) {
		char *text;

		snprintf(path, sizeof(path), "%s/trace", roots[root]);
		text = read_file(path, NULL);
		EXPECT_TRUE(text && strstr(text, " fault: ")) TH_LOG("%s", path);
		free(text);
	}
	EXPECT_EQ(0, module_unload());
	for (size_t root = 0; root < ARRAY_SIZE(roots); root++) {
		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			EXPECT_TRUE(may_read(files[root][i]))
				TH_LOG("%s/%s", roots[root], names[i]);
			close(files[root][i]);
		}
	}
	EXPECT_EQ(0, rmdir(roots[1]));
	ASSERT_EQ(0, module_load(""));
	EXPECT_FREE("after the files of tracefs");
}

/* What may come out of a module that comes and goes at any moment. */
static bool is_fine(int error)
{
	switch (error) {
	case 0:
	case ENOENT:	/* there is no node or folder (any more) */
	case ENODEV:	/* the device is gone */
	case ENXIO:	/* it is being unloaded */
	case EAGAIN:	/* it is being loaded */
	case EIO:	/* the file is gone */
	case EEXIST:	/* attached before */
		return true;
	}
	return false;
}

static volatile bool stop;

struct comers {
	volatile long came, bad;
	volatile int error;
	const char *volatile where;
};

static void came(struct comers *c, const char *where, int error)
{
	__atomic_add_fetch(&c->came, !error, __ATOMIC_RELAXED);
	if (!is_fine(error)) {
		c->error = error;
		c->where = where;
		__atomic_add_fetch(&c->bad, 1, __ATOMIC_RELAXED);
	}
}

/* For there to be a moment when nobody is there. */
static void stay_away(unsigned int *seed)
{
	usleep(rand_r(seed) / 16 % 8000);
}

static void *come_and_map(void *arg)
{
	struct mmlens_machine machine = { .size = sizeof(machine) };
	unsigned int seed = 1;

	for (; !stop; stay_away(&seed)) {
		int fd = device_open(O_RDWR);
		char *map;

		came(arg, "open", fd < 0 ? errno : 0);
		if (fd < 0)
			continue;
		came(arg, "MACHINE", ioctl(fd, MMLENS_IOC_MACHINE, &machine) ? errno : 0);
		map = device_map(fd, RW, MAP_SHARED, 2, 0);
		came(arg, "mmap", map == MAP_FAILED ? errno : 0);
		close(fd);
		if (map == MAP_FAILED)
			continue;
		map[0] = 1;
		map[page_size()] = 1;
		munmap(map, 2 * page_size());
	}
	return NULL;
}

static void *come_and_look(void *arg)
{
	unsigned int seed = 2;
	char byte[64];

	for (; !stop; stay_away(&seed)) {
		int fd = lens_open(0, "entries");

		came(arg, "entries", fd < 0 ? -fd : 0);
		if (fd >= 0) {
			came(arg, "read", read(fd, byte, sizeof(byte)) < 0 ? errno : 0);
			close(fd);
		}
		fd = open(LENS "/targets", O_RDONLY);
		came(arg, "targets", fd < 0 ? errno : 0);
		close(fd);
	}
	return NULL;
}

static void *come_and_attach(void *arg)
{
	unsigned int seed = 3;

	for (; !stop; stay_away(&seed)) {
		int fd = device_open(O_RDWR), text;

		came(arg, "attach", -lens_attach(getpid()));
		if (fd >= 0) {
			text = text_open(fd, MMLENS_TEXT_VMAS, 0);
			came(arg, "TEXT", text < 0 ? -text : 0);
			close(fd);
			close(text);
		}
		came(arg, "detach", -lens_detach(getpid()));
	}
	return NULL;
}

TEST_F_TIMEOUT(users, unloading_races_with_all_who_come, 900)
{
	static void *(*const all[])(void *arg) = { come_and_map, come_and_look, come_and_attach };
	time_t end = time(NULL) + 2 + effort(28);
	pthread_t threads[ARRAY_SIZE(all)];
	long loaded = 0, refused = 0;
	struct comers c = {};

	stop = false;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, all[i], &c));
	/* However slow the machine is, it goes once. */
	while (time(NULL) < end || (!loaded && time(NULL) < end + 300)) {
		int ret = module_unload();

		if (ret) {
			ASSERT_EQ(-EWOULDBLOCK, ret);
			refused++;
			continue;
		}
		ASSERT_EQ(0, module_load(""));
		loaded++;
	}
	stop = true;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(0, c.bad) TH_LOG("%s: %s", c.where, strerror(c.error));
	EXPECT_LT(0, c.came);
	EXPECT_LT(0, loaded);
	TH_LOG("loaded %ld times, refused %ld times, %ld came in", loaded, refused, c.came);
	lens_detach(getpid());
	EXPECT_FREE();
}

TEST_HARNESS_MAIN

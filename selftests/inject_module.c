// SPDX-License-Identifier: GPL-2.0
/*
 * Loading the module, with one failure after the other in its own init: it is not there then, and
 * neither is anything that it had made. Unloads the module, and loads it again.
 */
#include <fcntl.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/inject.h"
#include "lib/knobs.h"
#include "lib/lens.h"
#include "lib/module.h"
#include "lib/shared.h"
#include "lib/util.h"

#define DEBUGFS "/sys/kernel/debug/"
/* More than loading a module can fail at. */
#define MOST 1000000
/* So many failures one after the other in the kernel's own part: then ours is over. */
#define OUTSIDE 6

FIXTURE(inject_module)
{
	struct sweep sweep;
	int file, log;
	/* All that it does only if it is told to; a region only where there is one. */
	char parameters[160];
	bool has_region;
	char function[128];
	long enabled;
};

FIXTURE_SETUP(inject_module)
{
	if (!module_file())
		SKIP(return, "there is no mmlens.ko; say where by MMLENS_KO");
	strcpy(self->parameters, "kernel_walk=1");
	self->has_region = shared_function(self->function);
	if (self->has_region) {
		self->enabled = shared_times_enabled(self->function);
		sprintf(self->parameters + strlen(self->parameters), " pci=%s/2",
			strrchr(self->function, '/') + 1);
	}
	SWEEP_SETUP(&self->sweep);
	/* Where it failed is in the kernel's log, if it is told to say so. */
	ASSERT_EQ(0, knob_set(DEBUGFS "failslab/verbose", "2"));
	ASSERT_EQ(0, knob_set(DEBUGFS "fail_page_alloc/verbose", "2"));
	self->file = open(module_file(), O_RDONLY | O_CLOEXEC);
	self->log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ASSERT_LE(0, self->log);
	ASSERT_EQ(0, module_uses());
	ASSERT_EQ(0, module_unload());
}

FIXTURE_TEARDOWN(inject_module)
{
	knobs_restore();
	if (module_file()) {
		module_unload();
		module_load("");
	}
}

/* Where it was, as the log of the failure has it. */
struct place {
	bool in_init;		/* it names a function of the module */
	bool in_request;	/* and that a region is claimed */
};

static struct place read_place(int log)
{
	struct place place = {};
	char record[1024];
	ssize_t size;

	while ((size = read(log, record, sizeof(record) - 1)) > 0 || errno == EPIPE) {
		record[size > 0 ? size : 0] = '\0';
		place.in_init |= !!strstr(record, "[mmlens]");
		place.in_request |= !!strstr(record, "request_region");
	}
	return place;
}

/* How many things that can fail come after the one that would be the last. */
static unsigned int remaining(const struct sweep *sweep)
{
	char text[16] = "";

	if (pread(sweep->nth, text, sizeof(text) - 1, 0) <= 0)
		abort();
	return atoi(text);
}

static int load(int file, const char *parameters)
{
	return syscall(SYS_finit_module, file, parameters, 0) ? -errno : 0;
}

static bool has_areas(void)
{
	return ours_take().areas;
}

/*
 * Backwards from the last one: the kernel's own part comes first, and has ten times as many. Only
 * a few that come after the init has succeeded are the kernel's, too.
 */
TEST_F_TIMEOUT(inject_module, init_fails_as_a_whole, 600)
{
	unsigned int step = sweep_step(), inside = 0, outside = 0;
	struct sweep *sweep = &self->sweep;
	unsigned int first;

	/* Twice: the first time the kernel does more. */
	for (int i = 0; i < 2; i++) {
		sweep_set(sweep, MOST);
		sweep_arm(sweep, 0);
		ASSERT_EQ(0, load(self->file, self->parameters));
		first = MOST - remaining(sweep);
		sweep_disarm(sweep);
		ASSERT_EQ(0, module_unload());
	}
	sweep_set(sweep, first);
	while (sweep->number && outside < OUTSIDE && __test_passed(_metadata)) {
		struct place place;
		int ret;

		read_place(self->log);
		ret = INJECT(sweep, load(self->file, self->parameters));
		place = read_place(self->log);
		if (place.in_init) {
			inside++;
			outside = 0;
		} else if (ret && inside) {
			outside++;
		}
		if (!ret) {
			/* The kernel does without much: a note of kmemleak, for one. */
			EXPECT_EQ(0, access(LENS "/self/mm", F_OK));
			EXPECT_EQ(0, module_unload()) TH_LOG("failure %u", sweep->number);
		} else {
			/* Who wants memory to claim a region is told only that it cannot be had. */
			EXPECT_INJECTED_OR(sweep, place.in_init && place.in_request ? EBUSY :
					   ENOMEM, -ret);
		}
		EXPECT_EQ(-1, module_uses());
		EXPECT_NE(0, access(DEVICE, F_OK));
		EXPECT_NE(0, access(LENS, F_OK));
		EXPECT_NE(0, access("/sys/module/mmlens", F_OK));
		EXPECT_FALSE(has_areas()) TH_LOG("at failure %u", sweep->number);
		if (self->has_region) {
			EXPECT_TRUE(shared_is_claimed(0, 0));
			EXPECT_EQ(self->enabled, shared_times_enabled(self->function));
		}
		sweep_set(sweep, sweep->number - (sweep->number > step ? step : 1));
	}
	TH_LOG("%u failures in the init, of %u in all", inside, first);
	EXPECT_LT(5, inside);
	/* And it can be loaded as ever. */
	ASSERT_EQ(0, load(self->file, self->parameters));
	EXPECT_EQ(0, access(LENS "/kernel/pagetable", F_OK));
	self->sweep.before = ours_take();
	{
		int fd = device_make("vmap", 4);
		char *map = device_map(fd, PROT_READ | PROT_WRITE, MAP_SHARED, 4, 0);

		ASSERT_NE(MAP_FAILED, map);
		fill_pages(map, 4, 1);
		EXPECT_TRUE(pages_have(map, 4, 1));
		munmap(map, 4 * page_size());
		close(fd);
		EXPECT_EQ(0, lens_attach(getpid()));
		EXPECT_EQ(0, lens_detach(getpid()));
	}
	EXPECT_NOTHING_LEFT(sweep);
}

TEST_HARNESS_MAIN_WITH_INJECTORS(1 << INJECT_SLAB)

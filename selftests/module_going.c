// SPDX-License-Identifier: GPL-2.0
/*
 * Who comes between two steps of delete_module(): try_stop_module() takes the last reference
 * away, and then marks the module as going. There, the host's debugger makes the processor
 * stand still.
 */
#include <fcntl.h>

#include "kselftest_harness.h"
#include "lib/arena.h"
#include "lib/debugger.h"
#include "lib/lens.h"
#include "lib/module_test.h"
#include "lib/util.h"

#define SYS "/sys/module/mmlens"
/* struct module, as large as it is in every kernel so far; it ends with the count of references. */
#define MODULE_BYTES 1280
#define MILLISECONDS 500
/* TAINT_WARN. */
#define WARNED 0x200

FIXTURE(going)
{
	int debugger;
};

FIXTURE_SETUP(going)
{
	char *text;
	uint64_t module;

	MODULE_BEGIN();
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "there is one processor");
	text = read_file(SYS "/sections/.gnu.linkonce.this_module", NULL);
	ASSERT_NE(NULL, text);
	module = strtoull(text, NULL, 16);
	free(text);
	ASSERT_NE(0, module);
	self->debugger = debugger_watch(module, MODULE_BYTES, 0, MILLISECONDS);
	if (self->debugger < 0)
		SKIP(return, "there is no debugger beside this guest (scripts/vm --debugger, emulated)");
}

FIXTURE_TEARDOWN(going)
{
	MODULE_END();
}

static void unload(void *arg)
{
	(void)arg;
	run_on(0);
	target_stop();
	while (module_unload() == -EWOULDBLOCK)
		;
}

/* No references, and not marked; as many users are shown as there are references but one. */
static bool between(void)
{
	char *state = read_file(SYS "/initstate", NULL);
	bool live = state && !strcmp(state, "live\n");

	free(state);
	return live && read_number(SYS "/refcnt") == -1;
}

static int open_error(void)
{
	int fd = open(LENS "/targets", O_RDONLY), error = fd < 0 ? errno : 0;

	close(fd);
	return error;
}

TEST_F_TIMEOUT(going, opened_between_two_steps, 120)
{
	long tainted = read_number("/proc/sys/kernel/tainted");
	pid_t child = target_start(unload, NULL);
	unsigned int met = 0;

	ASSERT_LT(0, child);
	run_on(1);
	/*
	 * The debugger sees how many references there are. And no page is shared with the child any
	 * more, so that later nothing waits for the other processor to flush its TLB.
	 */
	for (int i = 0; i < 3; i++) {
		EXPECT_FALSE(between());
		EXPECT_EQ(0, open_error());
	}
	kill(child, SIGCONT);
	while (!access(LENS, F_OK)) {
		int error = between() ? open_error() : 0;

		if (!error || !between())
			continue;
		EXPECT_EQ(ENXIO, error);
		met++;
	}
	EXPECT_TRUE(debugger_met(self->debugger));
	target_end(child);
	EXPECT_LT(0, met);
	/* debugfs by itself would warn: rust/sys/debugfs/named.rs. */
	EXPECT_EQ(tainted & WARNED, read_number("/proc/sys/kernel/tainted") & WARNED);
	TH_LOG("%u opened it meanwhile", met);
}

TEST_HARNESS_MAIN

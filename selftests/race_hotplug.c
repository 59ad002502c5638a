// SPDX-License-Identifier: GPL-2.0
/*
 * Processors go and come, and the machine goes to sleep and wakes up, while a process is
 * looked at that uses the device. Nothing of mmlens is bound to a processor, and nothing of
 * it keeps a machine awake.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "kselftest_harness.h"
#include "lib/arena.h"
#include "lib/knobs.h"
#include "lib/lens.h"
#include "lib/module.h"
#include "lib/quiet.h"
#include "lib/util.h"

#define SECONDS effort(4)
#define TIMEOUT 7200
/* How much longer than SECONDS a slow machine has. */
#define PATIENCE 120
#define CPU1 "/sys/devices/system/cpu/cpu1/online"

FIXTURE(hotplug)
{
	struct arena *arena;
	pid_t target, other;
	struct quiet quiet;
};

FIXTURE_SETUP(hotplug)
{
	knob_set("/proc/sys/vm/compact_unevictable_allowed", "0");
	knob_set("/proc/sys/kernel/numa_balancing", "0");
	self->arena = arena_new(&torment_device);
	self->target = target_start(arena_run, self->arena);
	ASSERT_LT(0, self->target);
	ASSERT_EQ(0, lens_attach(self->target));
	ASSERT_EQ(0, quiet_begin(&self->quiet, self->arena, self->target));
}

FIXTURE_TEARDOWN(hotplug)
{
	target_end(self->other);
	write_file(CPU1, "1");
	lens_detach(self->target);
	target_end(self->target);
	knobs_restore();
	arena_free(self->arena);
}

/* Looks in all ways; what is wrong, or NULL. */
static const char *look_all(struct quiet *quiet)
{
	for (int look = 0; look < NR_LOOKS; look++) {
		int ret = quiet_look(quiet, look);

		if (ret)
			return ret < 0 ? strerror(-ret) : quiet_message;
	}
	return NULL;
}

/* What it did before it stopped, to become a target, says nothing. */
static void start_target(struct __test_metadata *_metadata, struct arena *arena, pid_t target)
{
	atomic_store(&arena->effects, 0);
	atomic_store(&arena->rounds, 0);
	ASSERT_EQ(0, kill(target, SIGCONT));
}

/* It went on with what it does, after there were @effects of it. */
static void end_target(struct __test_metadata *_metadata, struct arena *arena, pid_t target,
		       unsigned long effects)
{
	int status;

	atomic_store(&arena->stop, true);
	EXPECT_LT(effects, arena->effects);
	ASSERT_EQ(target, waitpid(target, &status, WUNTRACED));
	EXPECT_TRUE(WIFSTOPPED(status));
}

TEST_F_TIMEOUT(hotplug, processors, TIMEOUT)
{
	_Atomic int *gone = mmap(NULL, sizeof(*gone), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned long effects = 0;
	bool is_gone = false;
	const char *wrong;
	time_t end;

	if (write_file(CPU1, "1"))
		SKIP(return, "a machine with one processor, or that keeps all it has");
	wrong = look_all(&self->quiet);
	ASSERT_EQ(NULL, wrong) TH_LOG("%s", wrong);
	/* Where this one runs is gone again and again. */
	self->other = child_fork();
	if (!self->other) {
		for (;; usleep(10000)) {
			*gone += !write_file(CPU1, "0");
			usleep(10000);
			write_file(CPU1, "1");
		}
	}
	start_target(_metadata, self->arena, self->target);
	end = time(NULL) + SECONDS;
	while (time(NULL) < end || ((!is_gone || self->arena->effects == effects) &&
				    time(NULL) < end + PATIENCE)) {
		wrong = look_all(&self->quiet);
		ASSERT_EQ(NULL, wrong) TH_LOG("%s", wrong);
		if (!is_gone && *gone) {
			is_gone = true;
			effects = self->arena->effects;
		}
	}
	EXPECT_TRUE(is_gone);
	end_target(_metadata, self->arena, self->target, effects);
	TH_LOG("%d times off, %lu looks, %lu rounds", *gone, self->quiet.looks,
	       self->arena->rounds);
}

/* Whether a file of choices, "a [b] c", has this one. */
static bool has_choice(const char *path, const char *word)
{
	char *text = read_file(path, NULL), *rest = text, *choice;
	bool has = false;

	while (rest && (choice = strsep(&rest, " []\n")))
		has |= !strcmp(choice, word);
	free(text);
	return has;
}

/*
 * A guest that sleeps as deep as that its devices do has nothing more to say: Linux 7.3 asks
 * whether the ports of a virtio console are open before it has room for the answers. So this
 * is for other machines, and for who reads the kernel's console:
 *
 *	scripts/vm --timeout 300 --copy <the built selftests>:/selftests -- \
 *		sh -c 'MMLENS_SLEEP=deep /selftests/run race_hotplug >/dev/console'
 */
static bool may_sleep_deep(void)
{
	return getenv("MMLENS_SLEEP") || access("/sys/class/virtio-ports/vport0p1", F_OK);
}

TEST_F_TIMEOUT(hotplug, sleep, TIMEOUT)
{
	/* How far it goes before it wakes up. */
	static const struct { const char *state, *test; bool is_deep; } ways[] = {
		{ "freeze", "freezer", false }, { "mem", "freezer", false },
		{ "freeze", "devices", true }, { "mem", "devices", true },
		{ "mem", "processors", true }, { "mem", "core", true },
	};
	unsigned long effects = 0;
	unsigned int slept = 0;
	const char *wrong;
	time_t end;

	if (!has_choice("/sys/power/pm_test", "none"))
		SKIP(return, "a kernel without pm_test");
	knob_set("/sys/module/suspend/parameters/pm_test_delay", "1");
	ASSERT_EQ(0, knob_set("/sys/power/pm_test", "none"));
	wrong = look_all(&self->quiet);
	ASSERT_EQ(NULL, wrong) TH_LOG("%s", wrong);
	start_target(_metadata, self->arena, self->target);
	/* A walk is under way when it goes to sleep. */
	self->other = child_fork();
	if (!self->other) {
		while (!look_all(&self->quiet))
			;
		fprintf(stderr, "# %s\n", quiet_message);
		_exit(1);
	}
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		/* Where "mem" is no more than "freeze" it has not got that far. */
		bool is_shallow = !has_choice("/sys/power/mem_sleep", "deep") &&
				  !strcmp(ways[i].state, "mem");
		int ret;

		if ((ways[i].is_deep && !may_sleep_deep()) || is_shallow ||
		    !has_choice("/sys/power/state", ways[i].state) ||
		    !has_choice("/sys/power/pm_test", ways[i].test))
			continue;
		ASSERT_EQ(0, write_file("/sys/power/pm_test", ways[i].test));
		ret = write_file("/sys/power/state", ways[i].state);
		EXPECT_EQ(0, ret) TH_LOG("%s, %s: %s", ways[i].state, ways[i].test, strerror(-ret));
		/* It was frozen too, and has to go on from here. */
		if (!ret && !slept++)
			effects = self->arena->effects;
		wrong = look_all(&self->quiet);
		ASSERT_EQ(NULL, wrong) TH_LOG("%s", wrong);
	}
	/* They are still at it. */
	for (end = time(NULL) + PATIENCE; self->arena->effects == effects && time(NULL) < end; )
		usleep(10000);
	EXPECT_EQ(0, waitpid(self->other, NULL, WNOHANG));
	end_target(_metadata, self->arena, self->target, effects);
	TH_LOG("slept %u times, %lu rounds", slept, self->arena->rounds);
	EXPECT_LT(0, slept);
}

TEST_HARNESS_MAIN

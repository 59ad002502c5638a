// SPDX-License-Identifier: GPL-2.0
/* Random ioctls, by one thread and by many: what they say, and that they write nothing else. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/fuzz_call.h"
#include "lib/module.h"
#include "lib/setups.h"
#include "lib/util.h"

/* Programs that have found something: add the MMLENS_SEED that a failure prints. */
static const uint64_t kept[] = { 1 };

#define CALLS 150
#define CALLS_TOGETHER 60

struct before {
	struct reference reference;
	size_t buffers;
	long uses;
};

FIXTURE(fuzz_ioctl)
{
	struct before before;
	const char *goals[FUZZ_GOALS];
};

static const char *after(void *arg)
{
	const struct before *before = arg;

	if (!detach_all())
		return "a process stays attached";
	if (fuzz_buffers() != before->buffers)
		return "a buffer is left";
	return module_uses() != before->uses ? "the module is still used" : NULL;
}

FIXTURE_SETUP(fuzz_ioctl)
{
	reference_make(&self->before.reference);
	ASSERT_LT(0, self->before.reference.target);
	ASSERT_NE(0, self->before.reference.hash);
	self->before.buffers = fuzz_buffers();
	self->before.uses = module_uses();
	desk_goals(self->goals);
}

FIXTURE_TEARDOWN(fuzz_ioctl)
{
	detach_all();
	reference_end(&self->before.reference);
}

/* A buffer of any kind, or none yet. */
static int any_buffer(struct fuzz *f)
{
	struct combo combo;
	int fd = -1;

	if (fuzz_chance(f, 20))
		return device_open(fuzz_chance(f, 80) ? O_RDWR : O_RDONLY);
	while (fd < 0) {
		combo_at(fuzz_below(f, 4 * 5 * 3 * 3 * 2), &combo);
		/* ENOMEM may be: what is huge wants memory that is contiguous. */
		if (!combo_errno(&combo))
			fd = device_make(combo.words, fuzz_from(f, 1, 40));
	}
	return fd;
}

static void alone(struct fuzz *f, void *arg)
{
	const struct before *before = arg;
	struct desk desk;

	for (int fds = 0; fds < 3; fds++) {
		desk_make(&desk, f, &before->reference, any_buffer(f));
		FUZZ_EXPECT(f, desk.fd >= 0, "%d", errno);
		desk.alone = true;
		for (int i = 0; i < CALLS / 3; i++)
			desk_call(&desk);
		reference_check(&desk);
		if (fuzz_chance(f, 50))
			close(desk.fd);
	}
}

TEST_F_TIMEOUT(fuzz_ioctl, by_one_thread, 1800)
{
	const struct fuzz_programs programs = {
		.run = alone, .after = after, .arg = &self->before, .kept = kept,
		.nr_kept = ARRAY_SIZE(kept), .milliseconds = 20000, .goals = self->goals,
		.nr_goals = FUZZ_GOALS,
	};
	EXPECT_TRUE(fuzz_run(&programs));
}

struct caller {
	struct fuzz fuzz;
	const struct reference *reference;
	int fd;
};

static void *call_away(void *arg)
{
	struct caller *me = arg;
	struct desk desk;

	desk_make(&desk, &me->fuzz, me->reference, me->fd);
	for (int i = 0; i < CALLS_TOGETHER; i++)
		desk_call(&desk);
	return NULL;
}

/* Two threads and a process use one descriptor. */
static void together(struct fuzz *f, void *arg)
{
	const struct before *before = arg;
	int fd = any_buffer(f), status;
	struct caller callers[3];
	struct desk desk;
	pthread_t threads[2];
	pid_t pid;

	for (int i = 0; i < 3; i++)
		callers[i] = (struct caller) {
			.fuzz = { .seed = f->seed, .state = fuzz_bits(f) }, .fd = fd,
			.reference = &before->reference,
		};
	pid = child_fork();
	if (!pid) {
		call_away(&callers[2]);
		_exit(0);
	}
	for (int i = 0; i < 2; i++)
		FUZZ_EXPECT(f, !pthread_create(&threads[i], NULL, call_away, &callers[i]), "");
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	FUZZ_EXPECT(f, waitpid(pid, &status, 0) == pid && !status, "status %#x", status);
	desk_make(&desk, f, &before->reference, fd);
	reference_check(&desk);
}

TEST_F_TIMEOUT(fuzz_ioctl, by_threads_and_processes, 1800)
{
	const struct fuzz_programs programs = {
		.run = together, .after = after, .arg = &self->before, .kept = kept,
		.nr_kept = ARRAY_SIZE(kept), .milliseconds = 12000, .goals = self->goals,
		.nr_goals = FUZZ_GOALS,
	};

	/* One of them is likely to have mapped it before. */
	self->goals[_IOC_NR(MMLENS_IOC_SETUP)] = NULL;
	EXPECT_TRUE(fuzz_run(&programs));
}

TEST_HARNESS_MAIN

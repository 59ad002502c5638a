/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Failures, one after the other, on a kernel that can be told to fail: the first thing in a
 * system call that can fail does, then in another call the second, until nothing is left that
 * could have failed. What can fail is an allocation of a slab's object or of pages, also one
 * that may sleep, and a copy from or to user space.
 */
#ifndef MMLENS_SELFTESTS_INJECT_H
#define MMLENS_SELFTESTS_INJECT_H

#include <errno.h>
#include <stdbool.h>

/* What there is of ours in the whole system. */
struct ours {
	long uses;	/* of the module */
	long areas;	/* of the kernel, mapped by it */
	long buffers, targets;
	long descriptors;	/* of this process */
};

struct ours ours_take(void);

/* What can fail. */
enum injector { INJECT_SLAB, INJECT_PAGES, INJECT_COPY, NR_INJECTORS };

/* Calls in the source, of one sweep. */
#define SWEEP_SITES 8

struct sweep {
	int nth;		/* a file of this thread that tells the kernel */
	unsigned int number;	/* which one fails: from 1 on */
	char text[12];		/* the same, for the kernel */
	bool failed;		/* it did, in the last call */
	enum injector injector;	/* and was one of these; NR_INJECTORS: none of them */
	bool any;		/* in some call of this round */
	unsigned int rounds;	/* with a failure in them, of this sweep */
	int at;			/* the last call's site; -1: it is none */
	struct {
		int line;	/* where it is; 0: there are no more */
		unsigned int failed;
	} sites[SWEEP_SITES];
	/* Of each injector's times, which each failure takes one from. */
	long left[NR_INJECTORS];
	struct ours before;
};

/*
 * To be called by the thread that makes the calls. NULL, or why this kernel cannot. Changes
 * knobs, which the caller restores.
 */
const char *sweep_start(struct sweep *sweep);
/*
 * From one number to the next: with less effort some are left out, though not as many as of
 * what is only repeated.
 */
unsigned int sweep_step(void);
/* Which one fails: to be said before, as it writes to pages that a fork shares. */
void sweep_set(struct sweep *sweep, unsigned int number);
void sweep_begin(struct sweep *sweep);
/* The next number; false behind the last. */
bool sweep_next(struct sweep *sweep, bool go_on);
/*
 * From now on that one fails, in this thread; not any more. The second keeps errno. @line: of
 * what is armed, where something fails in some round; 0 if nothing need fail there.
 */
void sweep_arm(struct sweep *sweep, int line);
void sweep_disarm(struct sweep *sweep);

/* In a fixture that has a sweep. */
#define SWEEP_SETUP(sweep) do { \
	const char *why_ = sweep_start(sweep); \
	if (why_) \
		SKIP(return, "%s", why_); \
} while (0)

/*
 * Rounds, each with another failure in each of its calls, until there is none in any. In so many
 * of them at least something fails, and in each call once: else nothing has been tried. As many
 * as FIRST (inject.c) there are with any effort.
 */
#define for_each_failure(sweep, floor) \
	for (sweep_begin(sweep); \
	     sweep_next(sweep, __test_passed(_metadata)) || !SWEEP_ENDS(sweep, floor);)

#define SWEEP_ENDS(sweep, floor) ({ \
	if (__test_passed(_metadata)) { \
		EXPECT_LE(floor, (sweep)->rounds); \
		for (int i_ = 0; i_ < SWEEP_SITES && (sweep)->sites[i_].line; i_++) { \
			EXPECT_LT(0, (sweep)->sites[i_].failed) \
				TH_LOG("nothing fails in line %d", (sweep)->sites[i_].line); \
		} \
	} \
	true; \
})

/* One call that something in it is to fail in, and what it returned. */
#define INJECT(sweep, call) INJECT_AT(sweep, __LINE__, call)
/* The same, but there need be nothing in it that can fail: say why. */
#define INJECT_IF_ANY(sweep, call) INJECT_AT(sweep, 0, call)

#define INJECT_AT(sweep, line, call) ({ \
	__typeof__(call) ret_; \
	sweep_arm(sweep, line); \
	errno = 0; \
	ret_ = (call); \
	sweep_disarm(sweep); \
	ret_; \
})

/* Nothing of ours is left that was not there when the sweep began. */
#define EXPECT_NOTHING_LEFT(sweep) do { \
	struct ours now_ = ours_take(); \
	EXPECT_EQ((sweep)->before.uses, now_.uses); \
	EXPECT_EQ((sweep)->before.areas, now_.areas); \
	EXPECT_EQ((sweep)->before.buffers, now_.buffers); \
	EXPECT_EQ((sweep)->before.targets, now_.targets); \
	EXPECT_EQ((sweep)->before.descriptors, now_.descriptors); \
} while (0)

/* What a call says that the last failure was in: EFAULT for a copy, else ENOMEM. */
int injected_errno(const struct sweep *sweep);
/* An allocation failed: where a copy faults, it is the copy that says so. */
bool is_want_of_memory(const struct sweep *sweep);

/* Of the last call, which failed with that errno. */
#define EXPECT_INJECTED(sweep, error) do { \
	int error_ = (error); \
	EXPECT_TRUE((sweep)->failed); \
	EXPECT_EQ(injected_errno(sweep), error_) \
		TH_LOG("failure %u: %s", (sweep)->number, strerror(error_)); \
} while (0)

/* The same, where who wants memory may be told something else: say why. */
#define EXPECT_INJECTED_OR(sweep, other, error) do { \
	int told_ = (error); \
	if (told_ != (other) || !is_want_of_memory(sweep)) \
		EXPECT_INJECTED(sweep, told_); \
} while (0)

/* Of all tests of this program: so many failures of that kind; and whether there were sweeps. */
unsigned int inject_count(enum injector injector);
bool inject_swept(void);
/* Before the tests. */
void inject_begin(void);

/* For TEST_HARNESS_MAIN: the last test wants each of these to have failed, 1 << INJECT_... */
#define TEST_HARNESS_MAIN_WITH_INJECTORS(wanted) \
	FIXTURE(injectors) { \
	}; \
	FIXTURE_SETUP(injectors) \
	{ \
		if (!inject_swept()) \
			SKIP(return, "the kernel cannot be told to fail"); \
	} \
	FIXTURE_TEARDOWN(injectors) \
	{ \
	} \
	TEST_F(injectors, have_all_failed) \
	{ \
		for (int i = 0; i < NR_INJECTORS; i++) { \
			if ((wanted) & 1 << i) { \
				EXPECT_LT(0, inject_count(i)) TH_LOG("injector %d", i); \
			} \
		} \
	} \
	int main(int argc, char **argv) \
	{ \
		inject_begin(); \
		return test_harness_run(argc, argv); \
	}

#endif

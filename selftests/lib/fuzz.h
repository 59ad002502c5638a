/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Programs that are made of random numbers: each of its seed alone, so that it can be run
 * again. MMLENS_SEED=N runs only that one, MMLENS_COUNT=M so many from there on.
 */
#ifndef MMLENS_SELFTESTS_FUZZ_H
#define MMLENS_SELFTESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fuzz {
	uint64_t seed, state;
};

uint64_t fuzz_bits(struct fuzz *f);
/* Below @end, which is not 0; from @first to @last. */
uint64_t fuzz_below(struct fuzz *f, uint64_t end);
uint64_t fuzz_from(struct fuzz *f, uint64_t first, uint64_t last);
/* In so many of a hundred cases. */
bool fuzz_chance(struct fuzz *f, unsigned int percent);
/* A number that is likely to be an edge of something, in any of the 64 bits. */
uint64_t fuzz_number(struct fuzz *f);
/* An address that is likely to be none, or none of user space. */
uint64_t fuzz_address(struct fuzz *f);
void fuzz_fill(struct fuzz *f, void *bytes, size_t size);

/* What is being done, to be printed if it goes wrong. By one thread only. */
void fuzz_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* It went wrong: prints the seed and the last notes, and ends the process. */
void fuzz_fail(struct fuzz *f, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));

#define FUZZ_EXPECT(f, condition, format, ...) do { \
	if (!(condition)) \
		fuzz_fail(f, "%s: " format, #condition, ##__VA_ARGS__); \
} while (0)

/*
 * Of the calls of a fuzz_run(), in all of its processes: one of that number went well. Calls that
 * only ever fail would prove little.
 */
#define FUZZ_GOALS 16
void fuzz_good(unsigned int goal);

struct fuzz_programs {
	/* Runs in a process of its own, which may be full of holes at the end. */
	void (*run)(struct fuzz *f, void *arg);
	/* After each of them, in the parent: what is wrong now, or NULL. */
	const char *(*after)(void *arg);
	void *arg;
	/* Those that have found something once run first. */
	const uint64_t *kept;
	size_t nr_kept;
	/* Others, for so long: effort(). */
	unsigned int milliseconds;
	/* What has to go well once at least: for that there are more of them. NULL: it need not. */
	const char *const *goals;
	size_t nr_goals;
};

/* Whether all went well; says what did not. */
bool fuzz_run(const struct fuzz_programs *programs);

/* How many buffers there are, as debugfs has it. */
size_t fuzz_buffers(void);

#endif

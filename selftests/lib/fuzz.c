// SPDX-License-Identifier: GPL-2.0
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"
#include "lens.h"
#include "proc.h"
#include "util.h"

/* A program that takes longer hangs, however busy the machine is. */
#define PATIENCE 240
/* So many programs more that are run for the sake of what did not go well before. */
#define MORE_PROGRAMS 400

/* How often it went well; shared by all processes of a run. */
static unsigned int *good;

uint64_t fuzz_bits(struct fuzz *f)
{
	uint64_t z = f->state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

uint64_t fuzz_below(struct fuzz *f, uint64_t end)
{
	return fuzz_bits(f) % end;
}

uint64_t fuzz_from(struct fuzz *f, uint64_t first, uint64_t last)
{
	return first + fuzz_below(f, last - first + 1);
}

bool fuzz_chance(struct fuzz *f, unsigned int percent)
{
	return fuzz_below(f, 100) < percent;
}

uint64_t fuzz_number(struct fuzz *f)
{
	switch (fuzz_below(f, 8)) {
	case 0:
		return fuzz_below(f, 4);
	case 1:
		return -fuzz_from(f, 1, 4);
	case 2:
		return fuzz_below(f, 100);
	case 3:
		return (1UL << fuzz_below(f, 64)) + fuzz_below(f, 3) - 1;
	case 4:
		return fuzz_below(f, 1024) * page_size();
	case 5:
		return (fuzz_bits(f) >> fuzz_below(f, 64)) & -page_size();
	default:
		return fuzz_bits(f) >> fuzz_below(f, 64);
	}
}

uint64_t fuzz_address(struct fuzz *f)
{
	static const uint64_t bad[] = {
		0, 1, 8, 0x1000, 0x00007ffffffff000, 0x00007fffffffeff8, 0x0000800000000000,
		0x000fffffffffffff, 0x00fffffffffff000, 0x0100000000000000, 0x8000000000000000,
		0xffff000000000000, 0xffff800000000000, 0xffff888000000000, 0xff11000000000000,
		0xffffffff81000000, 0xffffffffffe00000, 0xfffffffffffff000, 0xfffffffffffffff8,
		0xffffffffffffffff,
	};

	/* Never memory of this program, which would not survive it. */
	return fuzz_chance(f, 70) ? bad[fuzz_below(f, sizeof(bad) / sizeof(*bad))] :
				    fuzz_bits(f) | 1UL << 63;
}

void fuzz_fill(struct fuzz *f, void *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((unsigned char *)bytes)[i] = fuzz_bits(f);
}

#define NOTES 32

static char notes[NOTES][160];
static unsigned int nr_notes;

void fuzz_note(const char *format, ...)
{
	char *note = notes[nr_notes++ % NOTES];
	va_list args;

	va_start(args, format);
	vsnprintf(note, sizeof(notes[0]), format, args);
	va_end(args);
	/* For what takes the machine with it. */
	if (getenv("MMLENS_NOTES"))
		printf("# %s\n", note), fflush(stdout);
}

void fuzz_fail(struct fuzz *f, const char *format, ...)
{
	va_list args;

	for (unsigned int i = nr_notes > NOTES ? nr_notes - NOTES : 0; i < nr_notes; i++)
		printf("# %u: %s\n", i, notes[i % NOTES]);
	printf("# MMLENS_SEED=%llu: ", (unsigned long long)f->seed);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	_exit(1);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000UL + t.tv_nsec / 1000000;
}

static void print_file(pid_t pid, const char *name)
{
	char path[64], *text;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	text = read_file(path, NULL);
	printf("# %s: %s\n", path, text ? text : "?");
	free(text);
}

/* Until it has ended, or for so many seconds. */
static bool ended(pid_t pid, int *status, unsigned int seconds)
{
	uint64_t end = now() + seconds * 1000UL;

	for (unsigned int naps = 0; now() < end; naps++) {
		if (waitpid(pid, status, WNOHANG) == pid)
			return true;
		usleep(naps < 100 ? 500 : 20000);
	}
	return false;
}

/* Whether there was a bad page, an oops, a warning or a lockup: TAINT_... of linux/panic.h. */
static bool kernel_complained(void)
{
	return read_number("/proc/sys/kernel/tainted") & (1 << 5 | 1 << 7 | 1 << 9 | 1 << 14);
}

static bool run_one(const struct fuzz_programs *programs, uint64_t seed)
{
	struct fuzz f = { .seed = seed, .state = seed };
	bool was_calm = !kernel_complained();
	const char *wrong = NULL;
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = child_fork();
	if (!pid) {
		setpgid(0, 0);
		programs->run(&f, programs->arg);
		_exit(0);
	}
	if (!ended(pid, &status, PATIENCE)) {
		wrong = "it does not end";
		print_file(pid, "stack");
		print_file(pid, "syscall");
		kill(-pid, SIGKILL);
		if (!ended(pid, &status, PATIENCE))
			wrong = "it cannot be killed";
	} else if (WIFSIGNALED(status)) {
		wrong = strsignal(WTERMSIG(status));
	}
	/* What it has left behind. */
	kill(-pid, SIGKILL);
	if (!status && !wrong && programs->after) {
		/* Those who were just killed take their time. */
		for (int i = 0; (wrong = programs->after(programs->arg)) && i < 600; i++)
			usleep(50000);
	}
	if (!wrong && was_calm && kernel_complained())
		wrong = "the kernel complained";
	if (wrong)
		printf("# MMLENS_SEED=%llu: %s\n", (unsigned long long)seed, wrong);
	return !status && !wrong;
}

void fuzz_good(unsigned int goal)
{
	if (good && goal < FUZZ_GOALS)
		__atomic_add_fetch(&good[goal], 1, __ATOMIC_RELAXED);
}

/* Whether all that is to go well did; prints it, or what did not. */
static bool met_goals(const struct fuzz_programs *programs, bool print)
{
	bool met = true;

	for (size_t i = 0; i < programs->nr_goals; i++) {
		if (!programs->goals[i])
			continue;
		met &= good[i] > 0;
		if (print)
			printf("# %s: went well %u times\n", programs->goals[i], good[i]);
	}
	return met;
}

bool fuzz_run(const struct fuzz_programs *programs)
{
	const char *wanted = getenv("MMLENS_SEED"), *count = getenv("MMLENS_COUNT");
	uint64_t seed = wanted ? strtoull(wanted, NULL, 0) : 0, end, nr = 0, more = 0;
	struct timespec t;
	bool met;

	good = mmap(NULL, FUZZ_GOALS * sizeof(*good), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (good == MAP_FAILED)
		abort();
	for (uint64_t i = 0; wanted && i < (count ? strtoull(count, NULL, 0) : 1); i++)
		if (!run_one(programs, seed + i))
			return false;
	if (wanted)
		return true;
	for (size_t i = 0; i < programs->nr_kept; i++)
		if (!run_one(programs, programs->kept[i]))
			return false;
	clock_gettime(CLOCK_REALTIME, &t);
	seed = t.tv_sec * 1000000UL + t.tv_nsec / 1000;
	for (end = now() + effort(programs->milliseconds); !nr || now() < end; nr++)
		if (!run_one(programs, seed + nr))
			return false;
	for (; !met_goals(programs, false) && more < MORE_PROGRAMS; more++, nr++)
		if (!run_one(programs, seed + nr))
			return false;
	met = met_goals(programs, true);
	printf("# %llu programs from MMLENS_SEED=%llu on\n", (unsigned long long)nr,
	       (unsigned long long)seed);
	return met;
}

size_t fuzz_buffers(void)
{
	char *text = read_file(LENS "/buffers", NULL);
	size_t nr = 0;

	for (char *at = text; at && (at = strstr(at, "buffer ")); at++)
		nr += at == text || at[-1] == '\n';
	free(text);
	return nr;
}

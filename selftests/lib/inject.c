// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "inject.h"
#include "knobs.h"
#include "lens.h"
#include "module.h"
#include "util.h"

#define DEBUGFS "/sys/kernel/debug/"
/* More than anything here can fail at. */
#define MOST 4000
/* So many of the first are never left out. */
#define FIRST 12
/* How many failures the kernel counts down from: it stops at 0. */
#define TIMES 1000000000

/* In the order of enum injector. */
static const char *const times_files[] = {
	DEBUGFS "failslab/times", DEBUGFS "fail_page_alloc/times", DEBUGFS "fail_usercopy/times",
};

/* Shared by all tests of a program, which are processes. */
static struct totals {
	bool swept;
	unsigned int failed[NR_INJECTORS];
} *totals;

void inject_begin(void)
{
	totals = mmap(NULL, sizeof(*totals), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (totals == MAP_FAILED)
		abort();
}

bool inject_swept(void)
{
	return totals->swept;
}

unsigned int inject_count(enum injector injector)
{
	return totals->failed[injector];
}

/* Each time anew: it cannot be read twice. */
static long read_times(const char *path)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	char text[24] = "";

	if (file < 0 || read(file, text, sizeof(text) - 1) <= 0)
		abort();
	close(file);
	return atol(text);
}

/* Lines of a file with such a word in them. */
static long count_lines(const char *path, const char *word)
{
	char *text = read_file(path, NULL), *next = text, *line;
	long nr = 0;

	while ((line = strsep(&next, "\n")))
		nr += *line && strstr(line, word);
	free(text);
	return nr;
}

static long count_entries(const char *path)
{
	DIR *dir = opendir(path);
	long nr = 0;

	while (dir && readdir(dir))
		nr++;
	if (dir)
		closedir(dir);
	return nr;
}

struct ours ours_take(void)
{
	return (struct ours) {
		.uses = module_uses(),
		.areas = count_lines("/proc/vmallocinfo", "mmlens"),
		.buffers = count_lines(LENS "/buffers", ""),
		.targets = count_lines(LENS "/targets", ""),
		.descriptors = count_entries("/proc/self/fd"),
	};
}

/*
 * glibc has the kernel write the CPU's number to memory of each thread, on its way to user mode
 * after the thread has moved. If that fails, as it may for a page that fork() shares, then the
 * thread gets SIGSEGV. Where it is registered is known, but not with which length.
 */
static bool rseq_unregister(void)
{
	char *area = (char *)__builtin_thread_pointer() + __rseq_offset;
	bool done = !__rseq_size;

	for (unsigned int bytes = 32; !done && bytes <= 1024; bytes++)
		done = !syscall(SYS_rseq, area, bytes, RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
	return done;
}

const char *sweep_start(struct sweep *sweep)
{
	static const struct {
		const char *path, *text;
	} wanted[] = {
		{ DEBUGFS "failslab/ignore-gfp-wait", "N" },
		{ DEBUGFS "failslab/verbose", "1" },
		{ DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N" },
		{ DEBUGFS "fail_page_alloc/ignore-gfp-highmem", "N" },
		{ DEBUGFS "fail_page_alloc/min-order", "0" },
		{ DEBUGFS "fail_page_alloc/verbose", "1" },
		{ DEBUGFS "fail_usercopy/verbose", "1" },
		/* If a test dies, where. */
		{ "/proc/sys/kernel/print-fatal-signals", "1" },
	};
	char text[16];

	sweep->nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (sweep->nth < 0)
		return "the kernel cannot be told to fail";
	if (!rseq_unregister())
		abort();
	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
		if (knob_set(wanted[i].path, wanted[i].text))
			return wanted[i].path;
	for (int i = 0; i < NR_INJECTORS; i++) {
		snprintf(text, sizeof(text), "%d", TIMES);
		if (knob_set(times_files[i], text))
			return times_files[i];
		sweep->left[i] = TIMES;
	}
	totals->swept = true;
	sweep->before = ours_take();
	return NULL;
}

unsigned int sweep_step(void)
{
	unsigned long percent = effort(100);

	return percent >= 100 ? 1 : percent >= 50 ? 2 : 5;
}

void sweep_begin(struct sweep *sweep)
{
	sweep->number = 0;
	sweep->any = true;
	sweep->rounds = 0;
	memset(sweep->sites, 0, sizeof(sweep->sites));
}

void sweep_set(struct sweep *sweep, unsigned int number)
{
	sweep->number = number;
	snprintf(sweep->text, sizeof(sweep->text), "%u", number);
}

bool sweep_next(struct sweep *sweep, bool go_on)
{
	sweep->rounds += sweep->number && sweep->any;
	if (!go_on && sweep->number)
		fprintf(stderr, "# at failure %u\n", sweep->number);
	if (!go_on || !sweep->any)
		return false;
	sweep->any = false;
	sweep_set(sweep, sweep->number + (sweep->number < FIRST ? 1 : sweep_step()));
	/* A test that never ends would make no sense. */
	if (sweep->number > MOST)
		abort();
	return true;
}

/* Which of the sites it is: a new one, or one that was armed before. */
static int site_of(struct sweep *sweep, int line)
{
	int at = 0;

	if (!line)
		return -1;
	while (sweep->sites[at].line && sweep->sites[at].line != line)
		if (++at == SWEEP_SITES)
			abort();
	sweep->sites[at].line = line;
	return at;
}

void sweep_arm(struct sweep *sweep, int line)
{
	sweep->at = site_of(sweep, line);
	if (pwrite(sweep->nth, sweep->text, strlen(sweep->text), 0) < 0)
		abort();
}

/* Which one has failed. What failed in the question has taken from its times, too. */
static void note_injector(struct sweep *sweep)
{
	sweep->injector = NR_INJECTORS;
	for (int i = 0; i < NR_INJECTORS; i++) {
		long left = read_times(times_files[i]);

		if (sweep->failed && left != sweep->left[i]) {
			sweep->injector = i;
			totals->failed[i]++;
		}
		sweep->left[i] = left;
	}
}

/*
 * Copies to and from user space count as well, also those of the question itself: then nothing
 * had failed before.
 */
void sweep_disarm(struct sweep *sweep)
{
	int error = errno;
	char text[16] = "1";

	sweep->failed = pread(sweep->nth, text, sizeof(text) - 1, 0) > 0 && atoi(text) == 0;
	sweep->any |= sweep->failed;
	if (sweep->at >= 0)
		sweep->sites[sweep->at].failed += sweep->failed;
	if (pwrite(sweep->nth, "0", 1, 0) < 0 && errno != EFAULT)
		abort();
	note_injector(sweep);
	errno = error;
}

int injected_errno(const struct sweep *sweep)
{
	return sweep->injector == INJECT_COPY ? EFAULT : is_want_of_memory(sweep) ? ENOMEM : 0;
}

bool is_want_of_memory(const struct sweep *sweep)
{
	return sweep->injector == INJECT_SLAB || sweep->injector == INJECT_PAGES;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * The life and death of a target, in every order: attached, opened, walked, read and detached
 * before and after it execs, exits, is reaped, and has its number given to another process. A
 * model knows what each step has to say.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/lens.h"
#include "lib/live.h"
#include "lib/query.h"
#include "lib/targets.h"
#include "lib/texts.h"
#include "lib/util.h"
#include "lib/walk.h"

#define HANDLES 6

#define MARK LIVE_MARK

enum state { RUNNING, ZOMBIE, REAPED };

/* A file of debugfs or a descriptor of TEXT, of the memory that the target had then. */
struct handle {
	int fd, memory;
	unsigned int file;
	bool of_debugfs, cut;
};

struct lives {
	int device, command, done;
	pid_t pid;
	/* What has to be: memory and process by number, and which process is attached, or 0. */
	enum state state;
	int memory, process, attached;
	struct handle handle[HANDLES];
	size_t nr;
	__u64 space;		/* of the first walk */
	int walked;		/* memory of that; 0: there was none */
	char said[400];		/* the steps so far */
	bool bad;
};

/* A step said something else than the model: noted once. */
#define WANT(l, condition, ...) do { \
	if (!(condition) && !(l)->bad) { \
		size_t len = strlen((l)->said); \
		(l)->bad = true; \
		len += snprintf((l)->said + len, sizeof((l)->said) - len, ": %s: ", #condition); \
		if (len < sizeof((l)->said)) \
			snprintf((l)->said + len, sizeof((l)->said) - len, __VA_ARGS__); \
	} \
} while (0)

/* A new process; with the number @pid if that is not 0. */
static void start(struct lives *l, pid_t pid)
{
	struct clone_args args = {
		.exit_signal = SIGCHLD,
		.set_tid = pid ? (uintptr_t)&pid : 0, .set_tid_size = !!pid,
	};
	int command[2], done[2];
	char byte;

	if (pipe2(command, O_CLOEXEC) || pipe2(done, O_CLOEXEC))
		abort();
	l->memory++;
	l->process++;
	l->pid = syscall(SYS_clone3, &args, sizeof(args));
	if (!l->pid) {
		live(l->memory, command[0], done[1]);
	}
	close(command[0]);
	close(done[1]);
	l->command = command[1];
	l->done = done[0];
	WANT(l, l->pid > 0, "%s", strerror(errno));
	WANT(l, read(l->done, &byte, 1) == 1, "it does not live");
	l->state = RUNNING;
}

static void end(struct lives *l)
{
	siginfo_t info;

	if (l->state == RUNNING) {
		kill(l->pid, SIGKILL);
		waitid(P_PID, l->pid, &info, WEXITED | WNOWAIT);
		close(l->command);
		close(l->done);
		l->state = ZOMBIE;
	}
}

static void reap(struct lives *l)
{
	end(l);
	if (l->state == ZOMBIE)
		waitpid(l->pid, NULL, 0);
	l->state = REAPED;
}

/* Files of a folder that is removed are cut off. */
static void cut(struct lives *l)
{
	for (size_t i = 0; i < l->nr; i++)
		l->handle[i].cut |= l->handle[i].of_debugfs;
	l->attached = 0;
}

static void attach(struct lives *l, bool by_ioctl)
{
	int want = l->state == REAPED ? -ESRCH : l->attached == l->process ? -EEXIST : 0;
	int got = by_ioctl ? ioctl_attach(l->device, l->pid) : lens_attach(l->pid);

	WANT(l, got == want, "attach: %d, not %d", got, want);
	if (want)
		return;
	cut(l);
	l->attached = l->process;
}

static void detach(struct lives *l, bool by_ioctl)
{
	int want = l->attached ? 0 : -ENOENT;
	int got = by_ioctl ? ioctl_detach(l->device, l->pid) : lens_detach(l->pid);

	WANT(l, got == want, "detach: %d, not %d", got, want);
	cut(l);
}

/* Opens file number @file in debugfs, or as a descriptor. */
static void open_one(struct lives *l, bool of_debugfs, unsigned int file)
{
	int want = 0, got;

	if (of_debugfs && !l->attached)
		want = -ENOENT;
	else if (l->state != RUNNING || (of_debugfs && l->attached != l->process))
		want = -ESRCH;
	if (!of_debugfs)
		got = text_open(l->device, process_texts[file].what, l->pid);
	else if (process_texts[file].what == MMLENS_TEXT_QUERY)
		got = query_open(l->pid);
	else
		got = lens_open(l->pid, process_texts[file].name);
	WANT(l, got == want || (got >= 0 && !want), "open: %d, not %d", got, want);
	if (got < 0)
		return;
	if (l->nr == HANDLES)
		close(l->handle[--l->nr].fd);
	l->handle[l->nr++] = (struct handle){
		.fd = got, .memory = l->memory, .file = file, .of_debugfs = of_debugfs,
	};
}

/* Whether a text says anything of user memory: a line that is no heading. */
static bool says_anything(const char *text)
{
	while (text && *text == '#') {
		text = strchr(text, '\n');
		text += !!text;
	}
	return text && *text;
}

/* The numbers of memories whose marks are in a text, as bits. */
static unsigned int marks_in(const struct lives *l, const char *text)
{
	unsigned int marks = 0;

	for (int memory = 1; memory <= l->memory; memory++) {
		char number[20];

		sprintf(number, "%016lx", MARK(memory));
		marks |= !!strstr(text, number) << memory;
	}
	return marks;
}

/* Reads all of an open file from its beginning. */
static void read_one(struct lives *l, struct handle *h)
{
	bool is_query = process_texts[h->file].what == MMLENS_TEXT_QUERY;
	bool lives = l->state == RUNNING && h->memory == l->memory;
	unsigned int want = lives ? 1u << l->memory : 0;
	const char *name = process_texts[h->file].name;
	char *text;
	int ret = 0;

	if (is_query)
		ret = query_ask(h->fd, "find_vma %lx", MARK(h->memory));
	else if (lseek(h->fd, 0, SEEK_SET))
		ret = -errno;
	if (h->cut) {
		char byte;

		WANT(l, !is_query || ret == -EIO, "asking %s: %d", name, ret);
		WANT(l, read(h->fd, &byte, 1) == -1 && errno == EIO, "reading %s", name);
		return;
	}
	WANT(l, !ret, "%s: %d", name, ret);
	text = read_fd(h->fd, NULL);
	WANT(l, text, "%s: %s", name, strerror(errno));
	if (!text)
		return;
	if (is_query || process_texts[h->file].what == MMLENS_TEXT_MM)
		WANT(l, !!strstr(text, "gone: ") == !lives, "%s: %s", name, text);
	else if (!lives || process_texts[h->file].what != MMLENS_TEXT_USER_PGD)
		/* Without page-table isolation there is no more than a heading. */
		WANT(l, says_anything(text) == lives, "%s: %.100s", name, text);
	switch (process_texts[h->file].what) {
	case MMLENS_TEXT_MM:
	case MMLENS_TEXT_SUMMARY:
	case MMLENS_TEXT_USER_PGD:
		want = 0;
	}
	WANT(l, marks_in(l, text) == want, "marks of %s: %x, not %x", name, marks_in(l, text),
	     want);
	free(text);
}

/* Walks and asks, for whatever memory there is, or for that of the first time. */
static void walk(struct lives *l, bool again)
{
	struct mmlens_walk walk = walk_of(l->pid, MMLENS_FORM_VMAS);
	struct mmlens_query query = {
		.what = MMLENS_QUERY_FIND_VMA, .pid = l->pid, .address = MARK(l->memory),
	};
	static struct mmlens_vma vmas[200];
	unsigned int marks = 0;
	int want = 0, got;

	if (again && !l->walked)
		return;
	walk.space = again ? l->space : 0;
	query.space = walk.space;
	if (l->state != RUNNING)
		want = -ESRCH;
	else if (again && l->walked != l->memory)
		want = -ESTALE;
	got = walk_call(l->device, &walk, vmas, sizeof(vmas));
	WANT(l, got == want, "walk: %d, not %d", got, want);
	got = ioctl_query(l->device, &query);
	WANT(l, got == want, "query: %d, not %d", got, want);
	if (got)
		return;
	for (__u64 i = 0; i < walk.records; i++)
		for (int memory = 1; memory <= l->memory; memory++)
			marks |= (vmas[i].start == MARK(memory)) << memory;
	WANT(l, marks == 1u << l->memory, "walk: marks %x", marks);
	WANT(l, query.vma.start == MARK(l->memory), "query: %llx", query.vma.start);
	WANT(l, walk.space && walk.space == query.space, "space %llu, %llu", walk.space,
	     query.space);
	if (!l->walked) {
		l->space = walk.space;
		l->walked = l->memory;
	}
}

static void exec(struct lives *l, char how)
{
	char byte;

	if (l->state != RUNNING)
		return;
	l->memory++;
	WANT(l, write(l->command, &how, 1) == 1 && read(l->done, &byte, 1) == 1, "exec");
}

/* What holds after each step. */
static void check(struct lives *l)
{
	const char *want = !l->attached ? "" :
			   l->state == RUNNING && l->attached == l->process ? "user" : "exited";

	WANT(l, !strcmp(want, target_state(l->pid)), "targets: '%s', not '%s'",
	     target_state(l->pid), want);
	WANT(l, has_folder(l->pid) == !!l->attached, "the folder");
	for (size_t i = 0; i < l->nr; i++)
		read_one(l, &l->handle[i]);
	walk(l, true);
}

/* The steps, by a letter; @n chooses the file, and the way where there are two. */
static void step(struct lives *l, char letter, unsigned int n)
{
	size_t len = strlen(l->said);
	unsigned int file = n / 2 % ARRAY_SIZE(process_texts);

	snprintf(l->said + len, sizeof(l->said) - len, "%c%u ", letter, n);
	switch (letter) {
	case 'a':
		attach(l, n % 2);
		break;
	case 'd':
		detach(l, n % 2);
		break;
	case 'f':
		open_one(l, true, file);
		break;
	case 't':
		open_one(l, false, file);
		break;
	case 'w':
		walk(l, false);
		break;
	case 'c':
		if (l->nr)
			close(l->handle[--l->nr].fd);
		break;
	case 'e':
		exec(l, n % 2 ? 'x' : 't');
		break;
	case 'k':
		end(l);
		break;
	case 'r':
		reap(l);
		break;
	case 'n':
		/* Another process gets the number. */
		reap(l);
		start(l, l->pid);
	}
	check(l);
}

FIXTURE(lives)
{
	struct lives l;
};

FIXTURE_SETUP(lives)
{
	self->l.device = device_open(O_RDWR);
	ASSERT_LE(0, self->l.device);
	/* A target that is not there is a result. */
	signal(SIGPIPE, SIG_IGN);
}

/* Lets go of everything, and begins anew. */
static void forget(struct lives *l)
{
	struct lives fresh = { .device = l->device };

	while (l->nr)
		close(l->handle[--l->nr].fd);
	if (l->pid > 0) {
		reap(l);
		lens_detach(l->pid);
	}
	*l = fresh;
}

FIXTURE_TEARDOWN(lives)
{
	forget(&self->l);
	close(self->l.device);
}

/* Puts permutation number @number of the letters into their place. */
static void permute(char *letters, unsigned int number)
{
	for (size_t left = strlen(letters); left > 1; left--) {
		size_t at = number % left;
		char letter = letters[at];

		memmove(letters + at, letters + at + 1, left - at - 1);
		letters[left - 1] = letter;
		number /= left;
	}
}

/* One thing that happens to the process, at each place among what is done to look at it. */
TEST_F_TIMEOUT(lives, every_order, 900)
{
	static const char events[] = "ekrn";
	const unsigned int orders = 720 * strlen(events);
	const bool all = effort(100) >= 100 && !kernel_is_slow();
	/* Odd: each event has its turn. */
	const unsigned int stride = all ? 1 : (orders / effort(200)) | 1;

	/* Others each time. */
	for (unsigned int i = time(NULL) % stride; i < orders; i += stride) {
		char letters[] = "aftwd?";

		letters[5] = events[i % strlen(events)];
		permute(letters, i / strlen(events));
		start(&self->l, 0);
		for (size_t at = 0; letters[at]; at++)
			step(&self->l, letters[at], i / 4 + at);
		ASSERT_FALSE(self->l.bad) TH_LOG("order %u: %s", i, self->l.said);
		forget(&self->l);
	}
}

/* Longer lives, in which things happen more than once. */
TEST_F_TIMEOUT(lives, long_ones, 900)
{
	static const char letters[] = "aaffffttttwwccddeekrnn";
	unsigned int seed = time(NULL), state = seed;

	for (unsigned long i = 3 + effort(kernel_is_slow() ? 30 : 60); i; i--) {
		start(&self->l, 0);
		for (int at = 0; at < 24; at++) {
			int which = rand_r(&state) >> 4;

			step(&self->l, letters[which % strlen(letters)], rand_r(&state) % 32);
		}
		ASSERT_FALSE(self->l.bad) TH_LOG("seed %u: %s", seed, self->l.said);
		forget(&self->l);
	}
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/*
 * Processes that are looked at while they begin, become another program, exit, are killed for
 * want of memory, or lose it all before they can exit; and lookers that are killed.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "kselftest_harness.h"
#include "lib/arena.h"
#include "lib/device.h"
#include "lib/knobs.h"
#include "lib/lens.h"
#include "lib/module.h"
#include "lib/proc.h"
#include "lib/quiet.h"
#include "lib/util.h"
#include "lib/walk.h"

#define SECONDS effort(4)
#define TIMEOUT 7200
#define GROUPS "/sys/fs/cgroup"
#define GROUP GROUPS "/mmlens-race"
#define SLOTS 4
/* How much longer than SECONDS a slow machine has until there was something to see. */
#define PATIENCE 120

/* Processes that there are, or were a moment ago. */
struct pids {
	_Atomic bool stop;
	_Atomic pid_t pid[SLOTS];
	_Atomic unsigned long rounds;
};

/* What became of the looks. */
struct seen {
	unsigned long looks;		/* that got at memory */
	unsigned long gone;		/* at who had exited, before or meanwhile */
	unsigned long exits, execs;	/* between two calls, or two files */
};

static struct places places;

FIXTURE(targets)
{
	struct pids *pids;
	int fd;
	pid_t other;
	long uses;
};

FIXTURE_SETUP(targets)
{
	self->uses = module_uses();
	self->pids = mmap(NULL, sizeof(*self->pids), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->pids);
	self->fd = device_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	places = places_now();
}

FIXTURE_TEARDOWN(targets)
{
	target_end(self->other);
	close(self->fd);
	knobs_restore();
	/* Nothing of the lens is left in use, once those are gone who have inherited it. */
	for (int i = 0; i < 1000 && module_uses() > self->uses; i++)
		usleep(10000);
	EXPECT_GE(self->uses, module_uses());
}

/* What a process may have become in the middle of a look; an exec only if one asks for it. */
static bool may_be(int error)
{
	return !error || error == -ESRCH || error == -ESTALE;
}

static __u64 buffer[1 << 13];

/* Each form, in many calls, for something to become of it between two; returns what is wrong. */
static const char *walk_all_forms(int fd, pid_t pid, struct seen *seen)
{
	static char message[160];
	uint64_t space = 0;

	for (unsigned int form = 0; form <= MMLENS_FORM_COUNTS; form++) {
		struct mmlens_walk walk = walk_of(pid, form);
		/* A table has to fit in. */
		size_t room = form == MMLENS_FORM_TABLES ? sizeof(buffer) / 3 : 1024;
		const struct mmlens_entry *e = (const void *)buffer;
		uint64_t last = 0;
		int ret;

		walk.space = space;
		do {
			uint64_t before = walk.start;

			ret = walk_call(fd, &walk, buffer, room);
			snprintf(message, sizeof(message), "form %u, from %lx on: %d", form, before,
				 ret);
			if (!may_be(ret) || (ret == -ESTALE && !space))
				return message;
			seen->gone += ret == -ESRCH;
			seen->exits += ret == -ESRCH && space;
			seen->execs += ret == -ESTALE;
			if (ret) {
				space = 0;
				break;
			}
			if ((space && space != walk.space) ||
			    (walk.start <= before && walk.start < walk.end))
				return message;
			space = walk.space;
			for (size_t i = 0; form == MMLENS_FORM_ENTRIES && i < walk.records; i++) {
				if (e[i].raw == POISON || e[i].address < last ||
				    e[i].flags & MMLENS_PT_BAD)
					return message;
				last = e[i].address + 1;
			}
			seen->looks++;
		} while (walk.start < walk.end);
	}
	return NULL;
}

/* The first line of entries or pagetable that cannot be; NULL if there is none. */
static const char *wrong_line(char *text)
{
	char *line;

	while ((line = strsep(&text, "\n")))
		if (*line != '#' && strncmp(line, "vma ", 4) && line_is_wrong(line, &places))
			return line;
	return NULL;
}

/* Its folder, and each file; returns what is wrong. */
static const char *read_all_files(pid_t pid, struct seen *seen)
{
	static const char *const files[] = { "mm", "vmas", "summary", "layout", "pagetable",
					     "entries" };
	static char message[160];
	int ret = lens_attach(pid);
	bool was_there = false;

	snprintf(message, sizeof(message), "attach: %s", strerror(-ret));
	if (ret)
		return ret == -ESRCH ? NULL : message;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		char *text = lens_read(pid, files[i], NULL);
		const char *line = NULL;

		snprintf(message, sizeof(message), "%s: %s", files[i], strerror(errno));
		if (!text && errno != ESRCH)
			return message;
		if (text && strstr(text, " aaaaaaaaaaaaaaaa "))
			return message;
		if (text && (!strcmp(files[i], "pagetable") || !strcmp(files[i], "entries")))
			line = wrong_line(text);
		if (line)
			return line;
		seen->exits += was_there && !text;
		was_there = text;
		seen->looks += was_there;
		free(text);
	}
	ret = lens_detach(pid);
	snprintf(message, sizeof(message), "detach: %s", strerror(-ret));
	return ret ? message : NULL;
}

/* As short as lives of processes can be, with memory, a child, and another program. */
static void live_and_die(struct pids *pids)
{
	struct arena arena = { };

	run_on(0);
	for (unsigned int round = 0; !pids->stop; round++) {
		pid_t pid = fork();

		if (!pid) {
			char *map = mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE,
					 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

			arena.page = page_size();
			arena_touch(&arena, map, 4 << 20, 7);
			if (round % 3 == 0)
				execlp("true", "true", NULL);
			if (round % 3 == 1)
				munmap(map, 2 << 20);
			_exit(0);
		}
		pids->pid[round % SLOTS] = pid;
		/* There are some at a time. */
		if (round >= SLOTS - 1)
			while (waitpid(-1, NULL, 0) < 0 && errno == EINTR)
				;
		pids->rounds++;
	}
	_exit(0);
}

TEST_F_TIMEOUT(targets, that_begin_and_exit, TIMEOUT)
{
	struct seen seen = { };
	const char *wrong;
	time_t end;

	self->other = child_fork();
	if (!self->other)
		live_and_die(self->pids);
	run_on(1);
	end = time(NULL) + SECONDS;
	while (time(NULL) < end ||
	       ((!seen.exits || !seen.execs) && time(NULL) < end + PATIENCE)) {
		pid_t pid = self->pids->pid[self->pids->rounds % SLOTS];
		unsigned long gone = seen.gone;
		pid_t other;

		/* The newest one, until it is gone: so it is looked at whenever that is. */
		while (pid && seen.gone == gone) {
			wrong = walk_all_forms(self->fd, pid, &seen);
			ASSERT_EQ(NULL, wrong) TH_LOG("%s", wrong);
			/* These take the longest. */
			other = self->pids->pid[seen.looks / 4 % SLOTS];
			wrong = seen.looks % 4 || !other ? NULL : read_all_files(other, &seen);
			ASSERT_EQ(NULL, wrong) TH_LOG("%s", wrong);
		}
	}
	TH_LOG("%lu looks, %lu processes; %lu exits and %lu execs under a look", seen.looks,
	       self->pids->rounds, seen.exits, seen.execs);
	EXPECT_LT(0, seen.looks);
	EXPECT_LT(0, seen.exits);
	EXPECT_LT(0, seen.execs);
}

/* Writes more than the group may have. */
static void want_more(void)
{
	size_t bytes = 256UL << 20;
	char *map;

	run_on(0);
	if (write_file(GROUP "/cgroup.procs", "0"))
		_exit(1);
	map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(map, bytes / 2, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < bytes; i += page_size())
		map[i] = 1;
	_exit(2);
}

TEST_F_TIMEOUT(targets, that_are_killed_for_want_of_memory, TIMEOUT)
{
	unsigned long killed = 0;
	struct seen seen = { };
	time_t end;

	if (write_file(GROUPS "/cgroup.subtree_control", "+memory") ||
	    (mkdir(GROUP, 0755) && errno != EEXIST))
		SKIP(return, "there is no memory controller in " GROUPS);
	ASSERT_EQ(0, write_file(GROUP "/memory.max", "24M"));
	write_file(GROUP "/memory.swap.max", "0");
	run_on(1);
	end = time(NULL) + SECONDS;
	while (time(NULL) < end || !killed || (!seen.exits && time(NULL) < end + PATIENCE)) {
		unsigned long gone;
		const char *wrong;
		int status;

		self->other = child_fork();
		if (!self->other)
			want_more();
		do {
			wrong = walk_all_forms(self->fd, self->other, &seen);
			if (!wrong && seen.looks % 3 == 0)
				wrong = read_all_files(self->other, &seen);
		} while (!wrong && waitpid(self->other, &status, WNOHANG) == 0);
		ASSERT_EQ(NULL, wrong) TH_LOG("%s", wrong);
		EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
			TH_LOG("status %x", status);
		/* Once more, now that it is reaped: each form says so. */
		gone = seen.gone;
		wrong = walk_all_forms(self->fd, self->other, &seen);
		ASSERT_EQ(NULL, wrong) TH_LOG("%s", wrong);
		EXPECT_EQ(gone + MMLENS_FORM_COUNTS + 1, seen.gone);
		self->other = 0;
		killed++;
	}
	TH_LOG("%lu looks, %lu killed; %lu exits under a look", seen.looks, killed, seen.exits);
	EXPECT_LT(0, seen.looks);
	EXPECT_LT(0, seen.exits);
	for (int i = 0; i < 100 && rmdir(GROUP); i++)
		usleep(10000);
}

/* Has some memory. */
static void have_memory(void *arg)
{
	const size_t bytes = 32 << 20;
	char *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)arg;
	run_on(0);
	madvise(map, bytes / 2, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < bytes; i += page_size())
		map[i] = 1;
}

/* And then next to no time, also not to exit: somebody else spins there. */
static void have_no_time(void *arg)
{
	const struct sched_param none = { };

	have_memory(arg);
	if (sched_setscheduler(0, SCHED_IDLE, &none))
		_exit(1);
}

/* What the OOM reaper does, at once: 0, or a negative errno. */
static int kill_and_reap(pid_t pid)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0), ret;

	if (pidfd < 0 || kill(pid, SIGKILL))
		return -errno;
	ret = syscall(SYS_process_mrelease, pidfd, 0) ? -errno : 0;
	close(pidfd);
	return ret;
}

TEST_F_TIMEOUT(targets, that_lose_their_memory_before_they_exit, TIMEOUT)
{
	unsigned long killed = 0, reaped = 0, without = 0;
	struct seen seen = { };
	pid_t hog;
	time_t end;

	hog = child_fork();
	if (!hog) {
		run_on(0);
		for (;;)
			;
	}
	run_on(1);
	end = time(NULL) + SECONDS;
	while (time(NULL) < end || ((!reaped || !seen.exits) && time(NULL) < end + PATIENCE)) {
		unsigned long until = seen.looks + 300;
		const char *wrong;
		pid_t reaper;
		int status;

		self->pids->stop = false;
		self->other = target_start(have_no_time, NULL);
		ASSERT_LT(0, self->other);
		kill(hog, SIGCONT);
		reaper = child_fork();
		if (!reaper) {
			int error = kill_and_reap(self->other);

			self->pids->stop = !error;
			_exit(-error);
		}
		do {
			bool has_lost_it = self->pids->stop;
			unsigned long before = seen.looks;

			wrong = walk_all_forms(self->fd, self->other, &seen);
			if (!wrong && seen.looks % 3 == 0)
				wrong = read_all_files(self->other, &seen);
			without += has_lost_it ? seen.looks - before : 0;
			/* It has had no memory for long enough: let it exit. */
			if (seen.looks > until)
				kill(hog, SIGSTOP);
		} while (!wrong && waitpid(self->other, &status, WNOHANG) == 0);
		ASSERT_EQ(NULL, wrong) TH_LOG("%s", wrong);
		EXPECT_EQ(SIGKILL, status);
		self->other = 0;
		ASSERT_EQ(reaper, waitpid(reaper, &status, 0));
		/* Or there was nothing left to take. */
		EXPECT_TRUE(!status || WEXITSTATUS(status) == ESRCH) TH_LOG("%x", status);
		reaped += !status;
		killed++;
	}
	target_end(hog);
	TH_LOG("%lu looks, %lu at memory that was taken; %lu killed, %lu of them reaped; %lu exits",
	       seen.looks, without, killed, reaped, seen.exits);
	EXPECT_LT(0, reaped);
	EXPECT_LT(0, seen.exits);
}

/* How many runs of anonymous pages WALK tells of, as far as there is room; a negative errno. */
static long anon_runs(int fd, pid_t pid)
{
	static struct mmlens_run runs[64];
	struct mmlens_walk walk = walk_of(pid, MMLENS_FORM_RUNS);
	int ret;

	walk.required = MMLENS_PT_PRESENT | MMLENS_PT_PAGE_ANON;
	ret = walk_call(fd, &walk, runs, sizeof(runs));
	return ret ? ret : (long)walk.records;
}

/* One that is held between the two, where it tells its tracer that it is about to exit. */
TEST_F_TIMEOUT(targets, that_have_lost_their_memory, 300)
{
	const int exits = SIGTRAP | PTRACE_EVENT_EXIT << 8;
	struct seen seen = { };
	int status;

	self->other = target_start(have_memory, NULL);
	ASSERT_LT(0, self->other);
	EXPECT_LT(0, proc_number(self->other, "status", "RssAnon"));
	EXPECT_LT(0, anon_runs(self->fd, self->other));
	ASSERT_EQ(0, ptrace(PTRACE_SEIZE, self->other, NULL, PTRACE_O_TRACEEXIT));
	ASSERT_EQ(0, kill_and_reap(self->other));
	do {
		ASSERT_EQ(self->other, waitpid(self->other, &status, 0));
	} while (WIFSTOPPED(status) && status >> 8 != exits);
	ASSERT_TRUE(WIFSTOPPED(status));
	EXPECT_EQ(0, proc_number(self->other, "status", "RssAnon"));
	EXPECT_EQ(0, anon_runs(self->fd, self->other));
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(NULL, walk_all_forms(self->fd, self->other, &seen));
		EXPECT_EQ(NULL, read_all_files(self->other, &seen));
	}
	EXPECT_LT(0, seen.looks);
	EXPECT_EQ(0, seen.exits);
	EXPECT_EQ(0, ptrace(PTRACE_CONT, self->other, NULL, NULL));
	EXPECT_EQ(self->other, waitpid(self->other, &status, 0));
	EXPECT_EQ(SIGKILL, status);
	self->other = 0;
}

/* One who does nothing but to look. */
static void look_for_ever(struct quiet *quiet, unsigned int first)
{
	run_on(1);
	for (unsigned int look = first;; look++) {
		int ret = quiet_look(quiet, look % NR_LOOKS);

		if (!ret)
			continue;
		fprintf(stderr, "# %s\n", ret < 0 ? strerror(-ret) : quiet_message);
		_exit(1);
	}
}

TEST_F_TIMEOUT(targets, whose_lookers_are_killed, TIMEOUT)
{
	struct arena *arena = arena_new(&torment_neighbours);
	unsigned int killed = 0;
	struct quiet quiet;
	time_t end;
	int status;

	self->other = target_start(arena_run, arena);
	ASSERT_LT(0, self->other);
	ASSERT_EQ(0, lens_attach(self->other));
	ASSERT_EQ(0, quiet_begin(&quiet, arena, self->other));
	ASSERT_EQ(0, kill(self->other, SIGCONT));
	for (end = time(NULL) + SECONDS; time(NULL) < end; killed++) {
		pid_t pid = child_fork();

		if (!pid)
			look_for_ever(&quiet, killed);
		usleep(1000 * (killed * 37 % 200));
		kill(pid, SIGKILL);
		/* If it is stuck, this is. */
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
	}
	atomic_store(&arena->stop, true);
	ASSERT_EQ(self->other, waitpid(self->other, &status, WUNTRACED));
	EXPECT_TRUE(WIFSTOPPED(status));
	TH_LOG("%u killed, %lu rounds", killed, arena->rounds);
	EXPECT_LT(0, killed);
	EXPECT_EQ(0, lens_detach(self->other));
	quiet_end(&quiet);
}

TEST_HARNESS_MAIN

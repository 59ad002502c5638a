// SPDX-License-Identifier: GPL-2.0
/* Random reads and writes of the files of the lens, also while what they show goes away. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "lib/fuzz_call.h"
#include "lib/fuzz_text.h"
#include "lib/lens.h"
#include "lib/module.h"
#include "lib/proc.h"
#include "lib/util.h"

/* Programs that have found something: add the MMLENS_SEED that a failure prints. */
static const uint64_t kept[] = { 1 };

/* What has to go well, from FUZZ_GOOD_OTHER on; the first are FUZZ_TEXTS. */
enum { GOOD_WRITTEN = FUZZ_GOOD_OTHER + 1, GOOD_ATTACH, GOOD_DETACH };

#define FILES 5
#define CALLS 120
#define CALLS_MEANWHILE 60

FIXTURE(fuzz_debugfs)
{
	long uses;
};

static const char *after(void *arg)
{
	if (!detach_all())
		return "a process stays attached";
	return module_uses() != *(long *)arg ? "the module is still used" : NULL;
}

FIXTURE_SETUP(fuzz_debugfs)
{
	ASSERT_EQ(0, module_load_anew("kernel_walk=1"));
	self->uses = module_uses();
}

FIXTURE_TEARDOWN(fuzz_debugfs)
{
	detach_all();
	EXPECT_EQ(0, module_load_anew(""));
}

/* Some memory, changed a little. */
static void change_memory(struct fuzz *f)
{
	static char *maps[8];
	size_t page = page_size(), pages = 24;
	char **map = &maps[fuzz_below(f, 8)];

	if (!*map)
		*map = mmap(NULL, pages * page, PROT_READ | PROT_WRITE,
			    (fuzz_chance(f, 50) ? MAP_PRIVATE : MAP_SHARED) | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 10; i++)
		(*map)[fuzz_below(f, pages) * page] = 1;
	if (fuzz_chance(f, 20))
		madvise(*map + page, page, MADV_DONTNEED);
	if (fuzz_chance(f, 30)) {
		munmap(*map, pages * page);
		*map = NULL;
	}
}

static void make_memory(void *arg)
{
	for (int i = 0; i < 30; i++)
		change_memory(arg);
}

static bool is_documented(int error)
{
	return error == EINVAL || error == ESRCH || error == EEXIST || error == ENOENT ||
	       error == EFAULT;
}

static void write_control(struct fuzz *f, pid_t pid)
{
	const char *name = fuzz_chance(f, 50) ? "attach" : "detach";
	char text[300], path[64];
	size_t len = fuzz_words(f, pid, false, text, sizeof(text) - 100);
	int fd, error;
	ssize_t got;

	snprintf(path, sizeof(path), LENS "/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	FUZZ_EXPECT(f, fd >= 0, "%d", errno);
	got = fuzz_chance(f, 95) ? write(fd, text, len) : write(fd, (void *)fuzz_address(f), len);
	fuzz_note("%s '%.*s': %zd %d", name, (int)len, text, got, got < 0 ? errno : 0);
	error = got < 0 ? errno : 0;
	if (got > 0)
		fuzz_good(*name == 'a' ? GOOD_ATTACH : GOOD_DETACH);
	FUZZ_EXPECT(f, error ? got == -1 && is_documented(error) : got == (ssize_t)len, "%zd: %d",
		    got, error);
	close(fd);
}

/* These bytes are at @pos of all that is read, or what is read changes. */
static bool is_piece(int fd, size_t pos, const char *bytes, size_t size)
{
	size_t len, len_again;
	char *all = fuzz_text_all(fd, &len), *again = NULL;
	bool is = all && (size ? pos + size <= len && !memcmp(all + pos, bytes, size) :
			  pos >= len);

	if (all && !is) {
		again = fuzz_text_all(fd, &len_again);
		is = again && (len != len_again || memcmp(all, again, len));
	}
	free(all);
	free(again);
	return is;
}

static void write_query(struct fuzz *f, struct fuzz_text *file, pid_t pid)
{
	char text[400];
	size_t len = fuzz_words(f, pid, true, text, sizeof(text) - 100);
	char begun[30], rest[200];
	ssize_t ended = pread(file->fd, begun, fuzz_from(f, 1, sizeof(begun)), 0);
	ssize_t got = write(file->fd, text, len);

	fuzz_note("query '%.*s': %zd", (int)len, text, got);
	FUZZ_EXPECT(f, got == (ssize_t)len || (got == -1 && errno == EINVAL), "%zd: %d", got,
		    errno);
	if (got <= 0)
		return;
	fuzz_good(GOOD_WRITTEN);
	/* Who goes on where a read of the last answer has ended gets a piece of this one. */
	got = pread(file->fd, rest, sizeof(rest), ended);
	/* To ask where it is makes a seq file begin anew. */
	FUZZ_EXPECT(f, !lseek(file->fd, 0, SEEK_CUR), "%s", text);
	/* Answers about this process change all the time. */
	if (file->goal != FUZZ_GOOD_QUERY)
		return;
	FUZZ_EXPECT(f, ended >= 0 && got >= 0 && is_piece(file->fd, ended, rest, got),
		    "%.*s: at %zd: '%.*s'", (int)len, text, ended, (int)got, rest);
}

/* Nobody else does anything, and the target is stopped. */
static void alone(struct fuzz *f, void *arg)
{
	struct fuzz_text files[FILES];
	pid_t pid = target_start(make_memory, f);

	(void)arg;
	for (int i = 0; i < FILES; i++)
		files[i].fd = -1;
	for (int i = 0; i < CALLS; i++) {
		struct fuzz_text *file = &files[fuzz_below(f, FILES)];

		if (fuzz_chance(f, 15)) {
			/* It may take the target away: then its files have to be opened again. */
			write_control(f, pid);
			if (lens_attach(pid) != -EEXIST)
				for (int j = 0; j < FILES; j++)
					if (files[j].fd >= 0)
						fuzz_text_close(&files[j]);
		}
		if (file->fd >= 0 && fuzz_chance(f, 10))
			fuzz_text_close(file);
		lens_attach(pid);
		if (file->fd < 0)
			FUZZ_EXPECT(f, fuzz_text_open(f, pid, file), "%s: %d", file->name, errno);
		fuzz_note("%s", file->name);
		if (strstr(file->name, "/query"))
			write_query(f, file, pid);
		fuzz_text_read(f, file, false);
	}
	target_end(pid);
	/* It is over, and no more than that. */
	for (int i = 0; i < FILES; i++) {
		char byte[100];

		if (files[i].fd >= 0 && files[i].stable)
			FUZZ_EXPECT(f, pread(files[i].fd, byte, 100, 0) >= 0, "%d", errno);
	}
}

TEST_F_TIMEOUT(fuzz_debugfs, of_what_stands_still, 1800)
{
	static const char *const goals[] = {
		FUZZ_TEXTS, "another file", [GOOD_WRITTEN] = "a question", "attach", "detach",
	};
	const struct fuzz_programs programs = {
		.run = alone, .after = after, .arg = &self->uses, .kept = kept,
		.nr_kept = ARRAY_SIZE(kept), .milliseconds = 15000, .goals = goals,
		.nr_goals = ARRAY_SIZE(goals),
	};

	EXPECT_TRUE(fuzz_run(&programs));
}

struct reader {
	struct fuzz fuzz;
	pid_t pid;
};

static void *read_away(void *arg)
{
	struct reader *me = arg;
	struct fuzz *f = &me->fuzz;
	struct fuzz_text file = { .fd = -1 };

	for (int i = 0; i < CALLS_MEANWHILE; i++) {
		if (file.fd >= 0 && fuzz_chance(f, 20))
			fuzz_text_close(&file);
		if (file.fd < 0 && !fuzz_text_open(f, me->pid, &file)) {
			FUZZ_EXPECT(f, errno == ENOENT || errno == ESRCH, "%s: %d", file.name,
				    errno);
			sched_yield();
			continue;
		}
		file.stable = false;
		fuzz_text_read(f, &file, true);
	}
	if (file.fd >= 0)
		fuzz_text_close(&file);
	return NULL;
}

/* Two threads read, while the target changes, is detached and attached again, and dies. */
static void meanwhile(struct fuzz *f, void *arg)
{
	struct reader readers[2];
	pthread_t threads[2];
	pid_t pid = child_fork();

	(void)arg;
	if (!pid) {
		for (;;)
			change_memory(f);
	}
	FUZZ_EXPECT(f, !lens_attach(pid), "%d", errno);
	for (int i = 0; i < 2; i++) {
		readers[i].fuzz = (struct fuzz) { .seed = f->seed, .state = fuzz_bits(f) };
		readers[i].pid = pid;
		FUZZ_EXPECT(f, !pthread_create(&threads[i], NULL, read_away, &readers[i]), "");
	}
	for (unsigned int left = fuzz_below(f, 12); left; left--) {
		int ret;

		usleep(fuzz_below(f, 10000));
		ret = lens_detach(pid);
		FUZZ_EXPECT(f, !ret, "%d", ret);
		ret = lens_attach(pid);
		FUZZ_EXPECT(f, !ret, "%d", ret);
	}
	kill(pid, SIGKILL);
	if (fuzz_chance(f, 50)) {
		target_end(pid);
		/* Its number is still its own. */
		FUZZ_EXPECT(f, lens_attach(pid) == -ESRCH && !lens_detach(pid), "%d", errno);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	target_end(pid);
}

TEST_F_TIMEOUT(fuzz_debugfs, of_what_goes_away, 1800)
{
	static const char *const goals[] = { FUZZ_TEXTS };
	const struct fuzz_programs programs = {
		.run = meanwhile, .after = after, .arg = &self->uses, .kept = kept,
		.nr_kept = ARRAY_SIZE(kept), .milliseconds = 10000, .goals = goals,
		/* Nobody asks anything. */
		.nr_goals = FUZZ_GOOD_QUERY,
	};

	EXPECT_TRUE(fuzz_run(&programs));
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/*
 * stress-ng, with the device as its victim, and with its processes as what is looked at. It
 * knows nothing of mmlens, and mmlens nothing of it.
 */
#include <fcntl.h>
#include <signal.h>
#include <time.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/fuzz_call.h"
#include "lib/module.h"
#include "lib/setups.h"
#include "lib/texts.h"
#include "lib/util.h"
#include "lib/walk.h"

/* Each has memory in ways of its own; what a version does not know is left out. */
static const char *const classes[] = {
	"mmap", "mmapaddr", "mmapcow", "mmapfiles", "mmapfixed", "mmapfork", "mmaphuge", "mmapmany",
	"mmaprandom", "mmaptorture", "mremap", "munmap", "mprotect", "msync", "madvise", "mlock",
	"mlockmany", "mincore", "mseal", "remap", "pagemove", "pageswap", "physpage", "physmmap",
	"userfaultfd", "fault", "vma", "vm", "vm-segv", "tlb-shootdown", "memfd", "shm", "numa",
	"fork", "vfork", "clone", "procfs",
};

/* What the device is meanwhile: the module parameter setup. */
static const char *const victims[] = {
	SETUP_DEFAULT, "vmap,pfnmap,eager,track", "sparse,around=8,track", "contig,pfnmap,remap",
	"vmap,mixed", "contig,huge",
};

FIXTURE(stress_ng)
{
	struct reference reference;
	size_t buffers;
	long uses;
	char *known;
};

FIXTURE_SETUP(stress_ng)
{
	FILE *file;
	size_t size = 0;

	file = popen("stress-ng --stressors 2>/dev/null", "r");
	if (!file || getline(&self->known, &size, file) <= 0 || pclose(file))
		SKIP(return, "there is no stress-ng");
	reference_make(&self->reference);
	self->buffers = fuzz_buffers();
	self->uses = module_uses();
}

FIXTURE_TEARDOWN(stress_ng)
{
	reference_end(&self->reference);
	write_file(SETUP_PARAMETER, SETUP_DEFAULT);
	free(self->known);
}

/* Whether a word is in the list of all. */
static bool knows(const char *known, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = known; (at = strstr(at, word)); at += len)
		if ((at == known || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\n'))
			return true;
	return false;
}

static pid_t start(const char *class, const char *more, unsigned int seconds)
{
	char option[64], text[32];
	pid_t pid;

	snprintf(option, sizeof(option), "--%s", class);
	snprintf(text, sizeof(text), "%u", seconds);
	pid = child_fork();
	if (!pid) {
		int null = open("/dev/null", O_RDWR);

		setpgid(0, 0);
		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
		if (chdir("/tmp"))
			_exit(100);
		execlp("stress-ng", "stress-ng", option, "1", "--timeout", text, "--oomable",
		       "--vm-bytes", "64M", "--temp-path", "/tmp", more ? "--dev-file" : NULL,
		       DEVICE, NULL);
		_exit(101);
	}
	return pid;
}

/* All that can be told of a process, or that it is gone. */
static const char *look_at(int fd, pid_t pid, unsigned int round)
{
	static char bytes[64 << 10];
	struct mmlens_walk walk = walk_of(pid, round % 5);
	unsigned int calls = 0;
	int text, ret;

	if (round % 5 == MMLENS_FORM_ENTRIES || round % 5 == MMLENS_FORM_RUNS)
		walk.flags = round / 5 % 2 * MMLENS_WALK_PAGES;
	do {
		ret = walk_call(fd, &walk, bytes, sizeof(bytes));
	} while (!ret && walk.start < walk.end && ++calls < 100);
	if (ret && ret != -ESRCH && ret != -ENODATA && ret != -ESTALE)
		return "WALK";
	text = text_open(fd, process_texts[round % 7].what, pid);
	if (text < 0)
		return text == -ESRCH ? NULL : "TEXT";
	for (calls = 0; (ret = read(text, bytes, sizeof(bytes))) > 0 && calls < 30; calls++)
		;
	close(text);
	return ret < 0 && errno != ESRCH ? "read" : NULL;
}

/* Until it ends by itself: looks at each process that there is. Its status. */
static int look_meanwhile(pid_t stressed, unsigned int seconds, const char **wrong)
{
	time_t end = time(NULL) + seconds + 180;
	int fd = device_open(O_RDWR), status = 0;
	unsigned int round = 0;

	while (waitpid(stressed, &status, WNOHANG) == 0) {
		size_t nr;
		pid_t *pids = proc_pids(&nr);

		for (size_t i = 0; i < nr && !*wrong; i++)
			if (pids[i] >= stressed)
				*wrong = look_at(fd, pids[i], round++);
		free(pids);
		if (time(NULL) > end) {
			*wrong = "it does not end";
			kill(-stressed, SIGKILL);
		}
		usleep(1000);
	}
	kill(-stressed, SIGKILL);
	close(fd);
	return status;
}

/* 0: well; 3, 4: no resources, or not for this machine. */
static bool is_fine(int status)
{
	return WIFEXITED(status) && (!WEXITSTATUS(status) || WEXITSTATUS(status) == 3 ||
				     WEXITSTATUS(status) == 4);
}

static void check_after(struct __test_metadata *_metadata, const FIXTURE_DATA(stress_ng) * self)
{
	struct fuzz f = { };
	struct desk desk = {
		.f = &f, .reference = &self->reference, .fd = device_open(O_RDWR),
	};

	reference_check(&desk);
	close(desk.fd);
	for (int i = 0; i < 200 && fuzz_buffers() != self->buffers; i++)
		usleep(50000);
	EXPECT_EQ(self->buffers, fuzz_buffers());
	EXPECT_EQ(self->uses, module_uses());
}

TEST_F_TIMEOUT(stress_ng, is_looked_at, 7200)
{
	unsigned int seconds = effort(3);

	for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
		const char *wrong = NULL;
		int status;

		if (!knows(self->known, classes[i])) {
			printf("# %s: not in this version\n", classes[i]);
			continue;
		}
		status = look_meanwhile(start(classes[i], NULL, seconds), seconds, &wrong);
		printf("# %s: %u s, status %#x\n", classes[i], seconds, status);
		fflush(stdout);
		EXPECT_TRUE(is_fine(status)) TH_LOG("%s: %#x", classes[i], status);
		EXPECT_EQ(NULL, wrong) TH_LOG("%s: %s: %s", classes[i], wrong, strerror(errno));
	}
	check_after(_metadata, self);
}

TEST_F_TIMEOUT(stress_ng, has_the_device, 7200)
{
	unsigned int seconds = effort(5);

	for (size_t i = 0; i < ARRAY_SIZE(victims); i++) {
		const char *wrong = NULL;
		int status;

		/* No kernel has all of them. */
		if (write_file(SETUP_PARAMETER, victims[i]))
			continue;
		status = look_meanwhile(start("dev", DEVICE, seconds), seconds, &wrong);
		printf("# dev of %s: %u s, status %#x\n", victims[i], seconds, status);
		fflush(stdout);
		EXPECT_TRUE(is_fine(status)) TH_LOG("%s: %#x", victims[i], status);
		EXPECT_EQ(NULL, wrong) TH_LOG("%s: %s", victims[i], wrong);
	}
	write_file(SETUP_PARAMETER, SETUP_DEFAULT);
	check_after(_metadata, self);
}

TEST_HARNESS_MAIN

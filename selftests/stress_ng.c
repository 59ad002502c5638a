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

/* What may say that it has no resources (3) or is not for this machine (4), and why. */
static const char *const may_be_refused[] = {
	"mmaphuge",	/* huge pages */
	"numa",		/* a second node */
	"physmmap",	/* /dev/mem that is not restricted */
	"mseal",	/* a system call of 64 bits, of 6.10 */
	"userfaultfd",	/* CONFIG_USERFAULTFD */
};

/* What the device is meanwhile: the module parameter setup. */
static const char *const victims[] = {
	SETUP_DEFAULT, "vmap,pfnmap,eager,track", "sparse,around=8,track", "contig,pfnmap,remap",
	"vmap,mixed", "contig,huge",
};

/* What was told of the processes, while something ran. */
struct looks {
	unsigned int records, texts;
	const char *wrong;
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

/* All that can be told of a process, or that it is gone: what is wrong. */
static const char *look_at(int fd, pid_t pid, unsigned int round, struct looks *looks)
{
	static char bytes[64 << 10];
	struct mmlens_walk walk = walk_of(pid, round % 5);
	unsigned int calls = 0;
	int text, ret;

	if (round % 5 == MMLENS_FORM_ENTRIES || round % 5 == MMLENS_FORM_RUNS)
		walk.flags = round / 5 % 2 * MMLENS_WALK_PAGES;
	do {
		ret = walk_call(fd, &walk, bytes, sizeof(bytes));
		looks->records += ret ? 0 : walk.records;
	} while (!ret && walk.start < walk.end && ++calls < 100);
	if (ret && ret != -ESRCH && ret != -ENODATA && ret != -ESTALE)
		return "WALK";
	text = text_open(fd, process_texts[round % 7].what, pid);
	if (text < 0)
		return text == -ESRCH ? NULL : "TEXT";
	for (calls = 0; (ret = read(text, bytes, sizeof(bytes))) > 0 && calls < 30; calls++)
		looks->texts += !calls;
	close(text);
	return ret < 0 && errno != ESRCH ? "read" : NULL;
}

/* Until it ends by itself: looks at each process that there is. Its status. */
static int look_meanwhile(pid_t stressed, unsigned int seconds, struct looks *looks)
{
	time_t end = time(NULL) + seconds + 180;
	int fd = device_open(O_RDWR), status = 0;
	unsigned int round = 0;

	while (waitpid(stressed, &status, WNOHANG) == 0) {
		size_t nr;
		pid_t *pids = proc_pids(&nr);

		for (size_t i = 0; i < nr && !looks->wrong; i++)
			if (pids[i] >= stressed)
				looks->wrong = look_at(fd, pids[i], round++, looks);
		free(pids);
		if (time(NULL) > end) {
			looks->wrong = "it does not end";
			kill(-stressed, SIGKILL);
		}
		usleep(1000);
	}
	kill(-stressed, SIGKILL);
	close(fd);
	return status;
}

static bool is_refused(int status)
{
	return WIFEXITED(status) && (WEXITSTATUS(status) == 3 || WEXITSTATUS(status) == 4);
}

static bool is_in(const char *word, const char *const *list, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (!strcmp(word, list[i]))
			return true;
	return false;
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
	unsigned int seconds = effort(3), ran = 0;

	for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
		struct looks looks = {};
		int status;

		if (!knows(self->known, classes[i])) {
			printf("# %s: not in this version\n", classes[i]);
			continue;
		}
		status = look_meanwhile(start(classes[i], NULL, seconds), seconds, &looks);
		printf("# %s: %u s, status %#x, %u records and %u texts\n", classes[i], seconds,
		       status, looks.records, looks.texts);
		fflush(stdout);
		EXPECT_EQ(NULL, looks.wrong)
			TH_LOG("%s: %s: %s", classes[i], looks.wrong, strerror(errno));
		if (is_refused(status)) {
			EXPECT_TRUE(is_in(classes[i], may_be_refused, ARRAY_SIZE(may_be_refused)))
				TH_LOG("%s: %#x", classes[i], status);
			continue;
		}
		EXPECT_EQ(0, status) TH_LOG("%s: %#x", classes[i], status);
		EXPECT_LT(0, looks.records) TH_LOG("%s", classes[i]);
		EXPECT_LT(0, looks.texts) TH_LOG("%s", classes[i]);
		ran++;
	}
	EXPECT_LT(ARRAY_SIZE(classes) / 2, ran);
	check_after(_metadata, self);
}

TEST_F_TIMEOUT(stress_ng, has_the_device, 7200)
{
	unsigned int seconds = effort(5);

	for (size_t i = 0; i < ARRAY_SIZE(victims); i++) {
		const char *words = victims[i];
		struct looks looks = {};
		int status;

		/* Every kernel has the others. */
		if (strstr(words, "huge") && !has_huge_pages()) {
			printf("# dev of %s: not on this kernel\n", words);
			continue;
		}
		ASSERT_EQ(0, write_file(SETUP_PARAMETER, words)) TH_LOG("%s", words);
		status = look_meanwhile(start("dev", DEVICE, seconds), seconds, &looks);
		printf("# dev of %s: %u s, status %#x, %u records and %u texts\n", words, seconds,
		       status, looks.records, looks.texts);
		fflush(stdout);
		EXPECT_EQ(0, status) TH_LOG("%s: %#x", words, status);
		EXPECT_EQ(NULL, looks.wrong) TH_LOG("%s: %s", words, looks.wrong);
		EXPECT_LT(0, looks.records) TH_LOG("%s", words);
		EXPECT_LT(0, looks.texts) TH_LOG("%s", words);
	}
	write_file(SETUP_PARAMETER, SETUP_DEFAULT);
	check_after(_metadata, self);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/* The file mm: the task, who shares its memory, and the program that it runs. */
#include <elf.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "lib/lens.h"
#include "lib/proc.h"
#include "lib/targets.h"
#include "lib/util.h"

#define RW (PROT_READ | PROT_WRITE)

/* What a target tells the test. */
struct report {
	pid_t pid;
};

FIXTURE(task)
{
	pid_t target;
	struct report *report;
};

FIXTURE_SETUP(task)
{
	self->report = mmap(NULL, sizeof(*self->report), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->report);
}

FIXTURE_TEARDOWN(task)
{
	if (self->report->pid)
		lens_detach(self->report->pid);
	if (!self->target)
		return;
	lens_detach(self->target);
	target_end(self->target);
}

#define start(make) do { \
	self->target = target_start(make, self->report); \
	ASSERT_LT(0, self->target); \
	ASSERT_EQ(0, lens_attach(self->target)); \
} while (0)

static void *wait_for_ever(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void start_threads(void *arg)
{
	pthread_t thread;

	(void)arg;
	for (int i = 0; i < 3; i++)
		pthread_create(&thread, NULL, wait_for_ever, NULL);
}

TEST_F(task, family_is_that_of_status)
{
	start(start_threads);
	EXPECT_EQ(getpid(), (pid_t)lens_mm_number(self->target, "ppid"));
	EXPECT_EQ(proc_number(self->target, "status", "PPid"),
		  (int64_t)lens_mm_number(self->target, "ppid"));
	EXPECT_EQ(4, lens_mm_number(self->target, "threads"));
	EXPECT_EQ(proc_number(self->target, "status", "Threads"),
		  (int64_t)lens_mm_number(self->target, "threads"));
}

/* The processes that the file mm says share the memory of @pid; -1 if one is none or unlike. */
static int sharers(pid_t pid, pid_t *found, int max)
{
	char *text = lens_read(pid, "mm", NULL), *next = text, *line;
	int nr = 0;

	while ((line = strsep(&next, "\n"))) {
		char comm[32];

		if (strncmp(line, "shared_with ", 12))
			continue;
		if (nr >= max ||
		    sscanf(line, "shared_with %d: user %31s", &found[nr++], comm) != 2 ||
		    strcmp(comm, "dump_mm_task")) {
			nr = -1;
			break;
		}
	}
	free(text);
	return nr;
}

static int share_memory(void *arg)
{
	(void)arg;
	raise(SIGSTOP);
	for (;;)
		pause();
	return 0;
}

static void clone_vm(void *arg)
{
	static char stack[65536] __attribute__((aligned(16)));
	struct report *report = arg;
	int status;

	report->pid = clone(share_memory, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL);
	waitpid(report->pid, &status, WUNTRACED);
	target_stop();
	kill(report->pid, SIGKILL);
	waitpid(report->pid, &status, 0);
}

TEST_F(task, processes_that_share_memory_are_named)
{
	static const char *const same[] = { "mm", "active_mm", "pgd", "owner" };
	char *mm, *own = lens_mm(0, "mm");
	pid_t found[4] = {};

	start(clone_vm);
	ASSERT_LT(0, self->report->pid);
	ASSERT_EQ(0, lens_attach(self->report->pid));

	EXPECT_EQ(1, sharers(self->target, found, ARRAY_SIZE(found)));
	EXPECT_EQ(self->report->pid, found[0]);
	EXPECT_EQ(1, sharers(self->report->pid, found, ARRAY_SIZE(found)));
	EXPECT_EQ(self->target, found[0]);
	EXPECT_TRUE(lens_mm_has(self->target, "flags", "MMF_MULTIPROCESS"));
	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		char *one = lens_mm(self->target, same[i]);
		char *two = lens_mm(self->report->pid, same[i]);

		ASSERT_NE(NULL, one);
		EXPECT_STREQ(one, two) TH_LOG("%s", same[i]);
		free(one);
		free(two);
	}
	/* Two processes, and the reader. */
	EXPECT_EQ(3, lens_mm_number(self->target, "mm_users"));
	mm = lens_mm(self->target, "mm");
	EXPECT_STRNE(mm, own);
	free(mm);
	free(own);

	ASSERT_EQ(0, target_continue(self->target));
	EXPECT_EQ(0, sharers(self->target, found, ARRAY_SIZE(found)));
	EXPECT_EQ(2, lens_mm_number(self->target, "mm_users"));
}

TEST_F(task, memory_of_its_own_is_shared_with_nobody)
{
	pid_t found[1];

	start(start_threads);
	/* Threads are the process itself. */
	EXPECT_EQ(0, sharers(self->target, found, 1));
	EXPECT_EQ(5, lens_mm_number(self->target, "mm_users"));
	EXPECT_FALSE(lens_mm_has(self->target, "flags", "MMF_MULTIPROCESS"));
}

/* vfork() ends as its child execs or exits: until then one runs in the memory of the other. */
static void vfork_child(void *arg)
{
	struct report *report = arg;
	pid_t parent = getpid();

	if (!vfork()) {
		report->pid = getpid();
		/* The parent waits in the kernel, and stops when we let it. */
		kill(parent, SIGSTOP);
		for (;;)
			pause();
	}
}

TEST_F(task, child_of_vfork_shares_memory)
{
	pid_t found[1], pid = child_fork();

	if (!pid) {
		vfork_child(self->report);
		_exit(0);
	}
	for (int i = 0; i < 1000 && !*(volatile pid_t *)&self->report->pid; i++)
		usleep(10000);
	self->target = pid;
	ASSERT_LT(0, self->report->pid);
	ASSERT_EQ(0, lens_attach(pid));
	EXPECT_EQ(1, sharers(pid, found, 1));
	EXPECT_EQ(self->report->pid, found[0]);
	kill(self->report->pid, SIGKILL);
}

TEST_F(task, owner_is_the_process)
{
	char *owner, want[64];

	start(nothing);
	owner = lens_mm(self->target, "owner");
	ASSERT_NE(NULL, owner);
	snprintf(want, sizeof(want), "%d dump_mm_task", self->target);
	if (strcmp(owner, "none") || !access("/sys/fs/cgroup/memory.stat", F_OK))
		EXPECT_STREQ(want, owner);
	free(owner);
}

TEST_F(task, kernel_threads_are_explained)
{
	char *value;

	lens_detach(2);
	ASSERT_EQ(0, lens_attach(2));
	EXPECT_EQ(0, lens_mm_check(2)) TH_LOG("%s", lens_error);
	EXPECT_EQ(0, lens_mm_number(2, "ppid"));
	value = lens_mm(2, "mm");
	EXPECT_STREQ("none: a kernel thread has no user memory", value);
	free(value);
	value = lens_mm(2, "mm_users");
	EXPECT_EQ(NULL, value);
	EXPECT_EQ(0, lens_detach(2));
}

static const struct { uint64_t type; const char *name; } auxv_names[] = {
	{ AT_EXECFD, "AT_EXECFD" }, { AT_PHDR, "AT_PHDR" }, { AT_PHENT, "AT_PHENT" },
	{ AT_PHNUM, "AT_PHNUM" }, { AT_PAGESZ, "AT_PAGESZ" }, { AT_BASE, "AT_BASE" },
	{ AT_FLAGS, "AT_FLAGS" }, { AT_ENTRY, "AT_ENTRY" }, { AT_UID, "AT_UID" },
	{ AT_EUID, "AT_EUID" }, { AT_GID, "AT_GID" }, { AT_EGID, "AT_EGID" },
	{ AT_PLATFORM, "AT_PLATFORM" }, { AT_HWCAP, "AT_HWCAP" }, { AT_CLKTCK, "AT_CLKTCK" },
	{ AT_SECURE, "AT_SECURE" }, { AT_BASE_PLATFORM, "AT_BASE_PLATFORM" },
	{ AT_RANDOM, "AT_RANDOM" }, { AT_HWCAP2, "AT_HWCAP2" },
	{ 27, "AT_RSEQ_FEATURE_SIZE" }, { 28, "AT_RSEQ_ALIGN" },
	{ 29, "AT_HWCAP3" }, { 30, "AT_HWCAP4" },
	{ AT_EXECFN, "AT_EXECFN" }, { AT_SYSINFO, "AT_SYSINFO" },
	{ AT_SYSINFO_EHDR, "AT_SYSINFO_EHDR" }, { AT_MINSIGSTKSZ, "AT_MINSIGSTKSZ" },
};

/* Compares with /proc/PID/auxv, whose elements have @size bytes. Returns how many there are. */
static int compare_auxv(pid_t pid, size_t size)
{
	char path[64], *auxv, *text, *next, *line;
	int nr = 0, lines = 0;
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/auxv", pid);
	auxv = read_file(path, &len);
	for (size_t at = 0; auxv && at + 2 * size <= len; at += 2 * size, nr++) {
		uint64_t type = 0, value = 0;
		char name[32];

		memcpy(&type, auxv + at, size);
		memcpy(&value, auxv + at + size, size);
		if (type == AT_NULL)
			break;
		snprintf(name, sizeof(name), "auxv %lu", type);
		for (size_t i = 0; i < ARRAY_SIZE(auxv_names); i++)
			if (auxv_names[i].type == type)
				snprintf(name, sizeof(name), "auxv %s", auxv_names[i].name);
		if (lens_mm_number(pid, name) != value) {
			printf("# %s is not %lx\n", name, value);
			nr = -1000;
		}
	}
	free(auxv);
	text = lens_read(pid, "mm", NULL);
	for (next = text; (line = strsep(&next, "\n"));)
		lines += !strncmp(line, "auxv ", 5);
	free(text);
	return nr == lines ? nr : -1;
}

TEST_F(task, auxiliary_vector_is_that_of_proc)
{
	start(nothing);
	EXPECT_LT(15, compare_auxv(self->target, 8));
}

static void compare_exe(struct __test_metadata *_metadata, pid_t pid)
{
	char path[64], exe[PATH_MAX] = "", *have = lens_mm(pid, "exe_file");

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	ASSERT_LT(0, readlink(path, exe, sizeof(exe) - 1));
	EXPECT_STREQ(exe, have);
	free(have);
}

TEST_F(task, program_is_that_of_proc)
{
	char *const argv[] = { "sleep", "1000", NULL };
	char *binfmt;

	self->target = target_exec(argv);
	ASSERT_LT(0, self->target);
	ASSERT_EQ(0, lens_attach(self->target));
	compare_exe(_metadata, self->target);
	EXPECT_LT(15, compare_auxv(self->target, 8));
	binfmt = lens_mm(self->target, "binfmt");
	EXPECT_STREQ("elf_format", binfmt);
	free(binfmt);
}

/* A 32-bit program that waits: an ELF header, a program header, and pause() over and over. */
struct small_program {
	Elf32_Ehdr head;
	Elf32_Phdr load;
	uint8_t code[16];
};

static const struct small_program program32 = {
	.head = {
		.e_ident = {
			ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32, ELFDATA2LSB, EV_CURRENT,
		},
		.e_type = ET_EXEC,
		.e_version = EV_CURRENT,
		.e_entry = 0x10000 + offsetof(struct small_program, code),
		.e_phoff = offsetof(struct small_program, load),
		.e_ehsize = sizeof(Elf32_Ehdr),
		.e_phentsize = sizeof(Elf32_Phdr),
		.e_phnum = 1,
#ifdef __x86_64__
		.e_machine = EM_386,
	},
	.code = {
		0xb8, 29, 0, 0, 0,	/* mov eax, __NR_pause */
		0xcd, 0x80,		/* int 0x80 */
		0xeb, 0xf7,		/* jmp to the begin */
	},
#else
		.e_machine = EM_ARM,
		.e_flags = 0x05000000,	/* EABI 5 */
	},
	.code = {
		29, 0x70, 0xa0, 0xe3,	/* mov r7, #__NR_pause */
		0, 0, 0, 0xef,		/* svc 0 */
		0xfc, 0xff, 0xff, 0xea,	/* b to the begin */
	},
#endif
	.load = {
		.p_type = PT_LOAD,
		.p_vaddr = 0x10000,
		.p_paddr = 0x10000,
		.p_filesz = sizeof(struct small_program),
		.p_memsz = sizeof(struct small_program),
		.p_flags = PF_R | PF_X,
		.p_align = 0x1000,
	},
};

TEST_F(task, program_with_32_bit_addresses)
{
	char name[] = "/tmp/mmlens-32-XXXXXX", *binfmt;
	char *const argv[] = { name, NULL };
	int fd = mkstemp(name);

	ASSERT_LE(0, fd);
	ASSERT_EQ(sizeof(program32), write(fd, &program32, sizeof(program32)));
	fchmod(fd, 0755);
	close(fd);
	self->target = target_exec(argv);
	unlink(name);
	if (self->target <= 0)
		SKIP(return, "the machine runs no such programs");
	ASSERT_EQ(0, lens_attach(self->target));
	EXPECT_GE(1UL << 32, lens_mm_number(self->target, "task_size"));
	EXPECT_GE(lens_mm_number(self->target, "task_size"),
		  lens_mm_number(self->target, "highest_vm_end"));
	EXPECT_LT(10, compare_auxv(self->target, 4));
	EXPECT_EQ(0, lens_mm_check(self->target)) TH_LOG("%s", lens_error);
	binfmt = lens_mm(self->target, "binfmt");
	EXPECT_STREQ("compat_elf_format", binfmt);
	free(binfmt);
}

TEST_HARNESS_MAIN

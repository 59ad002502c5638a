// SPDX-License-Identifier: GPL-2.0
/* The file vmas, against maps and smaps. */
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "lib/compare.h"
#include "lib/device.h"
#include "lib/util.h"

#define EXPECT_SAME_VMAS(pid) do { \
	EXPECT_EQ(0, compare_vmas(pid)) TH_LOG("%s", compare_message); \
} while (0)

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

FIXTURE(vmas)
{
	pid_t target;
	char folder[32];
};

FIXTURE_SETUP(vmas)
{
	strcpy(self->folder, "/tmp/mmlens-XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->folder));
	ASSERT_EQ(0, chdir(self->folder));
	self->target = 0;
}

FIXTURE_TEARDOWN(vmas)
{
	if (self->target) {
		lens_detach(self->target);
		target_end(self->target);
	}
	if (!chdir("/") && !fork())
		execlp("rm", "rm", "-rf", "--one-file-system", self->folder, NULL);
	wait(NULL);
}

/* Starts the target, and compares it. */
#define compare_target(make, arg) do { \
	self->target = target_start(make, arg); \
	ASSERT_LT(0, self->target); \
	ASSERT_EQ(0, lens_attach(self->target)); \
	EXPECT_SAME_VMAS(self->target); \
} while (0)

/* The VMA of the target at @addr; @list is to be freed. */
static const struct lens_vma *find(pid_t pid, void *addr, struct lens_vmas *list)
{
	if (lens_vmas(pid, list))
		return NULL;
	for (size_t i = 0; i < list->nr; i++)
		if (list->vma[i].start <= (uintptr_t)addr && (uintptr_t)addr < list->vma[i].end)
			return &list->vma[i];
	return NULL;
}

static void every_protection(void *arg)
{
	int fd = make_file("file", 4);

	(void)arg;
	for (int prot = 0; prot < 8; prot++) {
		map_alone(prot, ANON, -1, 3, 0);
		map_alone(prot, MAP_SHARED | MAP_ANONYMOUS, -1, 3, 0);
		map_alone(prot, MAP_PRIVATE, fd, 2, page_size());
		map_alone(prot, MAP_SHARED, fd, 2, 2 * page_size());
	}
}

TEST_F(vmas, of_every_protection)
{
	compare_target(every_protection, NULL);
}

static void every_flag(void *arg)
{
	static const int advice[] = {
		MADV_SEQUENTIAL, MADV_RANDOM, MADV_DONTFORK, MADV_WIPEONFORK, MADV_DONTDUMP,
		MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_MERGEABLE, MADV_GUARD_INSTALL,
	};

	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(advice); i++)
		madvise(map_alone(RW, ANON, -1, 4, 0), 4 * page_size(), advice[i]);
	mlock(map_alone(RW, ANON, -1, 2, 0), 2 * page_size());
	mlock2(map_alone(RW, ANON, -1, 2, 0), 2 * page_size(), MLOCK_ONFAULT);
	map_alone(RW, ANON | MAP_NORESERVE, -1, 2, 0);
	map_alone(RW, ANON | MAP_GROWSDOWN, -1, 2, 0);
	map_alone(RW, MAP_ANONYMOUS | 0x08 /* MAP_DROPPABLE, a type */, -1, 2, 0);
	syscall(462 /* mseal */, map_alone(RW, ANON, -1, 2, 0), 2 * page_size(), 0);
	map_alone(RW, MAP_SHARED, device_open(O_RDWR), 2, 0);
#ifdef __aarch64__
	map_alone(PROT_READ | PROT_EXEC | 0x10 /* PROT_BTI */, ANON, -1, 2, 0);
	mmap(NULL, 2 * page_size(), RW | 0x20 /* PROT_MTE, where there is MTE */, ANON, -1, 0);
#endif
}

TEST_F(vmas, of_every_flag)
{
	compare_target(every_flag, NULL);
}

static const char *const odd_names[] = {
	"with space", " leading", "trailing ", "new\nline", "tab\there", "back\\slash", "quote'\"",
	"\xc3\xa9", "\xff\x01", "(deleted)", "a - b rw-p", "#", "vma 0-1 r--p",
};

static void odd_files(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(odd_names); i++)
		map_alone(PROT_READ, MAP_PRIVATE, make_file(odd_names[i], 1), 1, 0);
	map_alone(PROT_READ, MAP_PRIVATE, make_file("gone", 1), 1, 0);
	unlink("gone");
	map_alone(PROT_READ, MAP_PRIVATE, make_file("line\n gone", 1), 1, 0);
	unlink("line\n gone");
	/* A name near the limit, in a deep folder. */
	for (int i = 0; i < 12; i++) {
		char name[201];

		memset(name, 'a' + i, 200);
		name[200] = '\0';
		mkdir(name, 0700);
		if (chdir(name))
			abort();
	}
	map_alone(PROT_READ, MAP_PRIVATE, make_file("deep", 1), 1, 0);
}

TEST_F(vmas, of_files_with_odd_names)
{
	compare_target(odd_files, NULL);
}

static void other_memory(void *arg)
{
	int shm = shmget(IPC_PRIVATE, 3 * page_size(), IPC_CREAT | 0600);

	(void)arg;
	shmat(shm, NULL, 0);
	shmctl(shm, IPC_RMID, NULL);
	ftruncate(memfd_create("a memfd", 0), page_size());
	map_alone(RW, MAP_SHARED, memfd_create("another [one]", 0), 1, 0);
	map_alone(PROT_READ, MAP_PRIVATE, open("/dev/zero", O_RDONLY), 2, 0);
	map_alone(PROT_READ, MAP_SHARED, open("/dev/zero", O_RDONLY), 2, 0);
	map_alone(RW, MAP_SHARED, device_open(O_RDWR), 2, 0);
	/* Shown as it is named, where the kernel can name memory. */
	prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, map_alone(RW, ANON, -1, 1, 0), page_size(),
	      "my name");
	prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME,
	      map_alone(RW, MAP_SHARED | MAP_ANONYMOUS, -1, 1, 0), page_size(), "my shared name");
	sbrk(5 * page_size());
}

TEST_F(vmas, of_memory_that_is_no_file)
{
	compare_target(other_memory, NULL);
}

static void overlaid(void *arg)
{
	*(int *)arg = 1;
	if (mount("tmp", ".", "tmpfs", 0, NULL) || chdir(get_current_dir_name()) ||
	    mkdir("lower", 0700) || mkdir("upper", 0700) || mkdir("work", 0700) ||
	    mkdir("all", 0700))
		return;
	make_file("lower/file", 2);
	if (mount("all", "all", "overlay", 0, "lowerdir=lower,upperdir=upper,workdir=work"))
		return;
	map_alone(PROT_READ, MAP_PRIVATE, open("all/file", O_RDONLY), 2, 0);
	map_alone(PROT_READ, MAP_PRIVATE, make_file("all/new", 1), 1, 0);
	*(int *)arg = 0;
}

TEST_F(vmas, of_files_of_an_overlay)
{
	int *failed = mmap(NULL, page_size(), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (system("modprobe -q overlay"))
		SKIP(return, "no overlay file system");
	compare_target(overlaid, failed);
	if (*failed)
		SKIP(return, "an overlay cannot be mounted");
	target_end(self->target);
	umount2("all", MNT_DETACH);
	umount2(self->folder, MNT_DETACH);
}

static void split(void *arg)
{
	char *map = map_alone(RW, ANON, -1, 20, 0);

	for (int i = 1; i < 20; i += 2)
		mprotect(map + i * page_size(), page_size(), PROT_READ);
	munmap(map + 7 * page_size(), 3 * page_size());
	*(void **)arg = mremap(map + 13 * page_size(), page_size(), page_size(),
			       MREMAP_MAYMOVE | MREMAP_FIXED, map + 8 * page_size());
}

TEST_F(vmas, that_were_split_and_moved)
{
	void **moved = mmap(NULL, page_size(), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const struct lens_vma *vma;
	struct lens_vmas list;

	compare_target(split, moved);
	vma = find(self->target, *moved, &list);
	ASSERT_NE(NULL, vma);
	/* Never touched: its offset went with its place. */
	EXPECT_EQ((uintptr_t)*moved / page_size(), vma->pgoff);
	EXPECT_FALSE(vma->anon);
	lens_vmas_free(&list);
}

static void anonymous(void *arg)
{
	char **maps = arg;

	maps[0] = map_alone(RW, ANON, -1, 2, 0);
	maps[1] = map_alone(RW, ANON, -1, 2, 0);
	maps[2] = map_alone(RW, MAP_PRIVATE, make_file("file", 2), 2, 0);
	*maps[1] = 1;
	*maps[2] = 1;
}

TEST_F(vmas, tell_what_maps_does_not)
{
	char **maps = mmap(NULL, page_size(), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	static const bool anon[] = { false, true, true };

	compare_target(anonymous, maps);
	for (int i = 0; i < 3; i++) {
		struct lens_vmas list;
		const struct lens_vma *vma = find(self->target, maps[i], &list);

		ASSERT_NE(NULL, vma);
		EXPECT_EQ(anon[i], vma->anon);
		EXPECT_EQ(i < 2 ? (uintptr_t)maps[i] / page_size() : 0, vma->pgoff);
		EXPECT_EQ(i < 2, !strcmp(vma->vm_ops, "-")) TH_LOG("%s", vma->vm_ops);
		/* An entry begins as the protection says. */
		EXPECT_NE(0, vma->prot);
		lens_vmas_free(&list);
	}
}

TEST_F(vmas, of_the_device_have_its_operations)
{
	char *map = device_map(device_open(O_RDWR), RW, MAP_SHARED, 2, 0);
	struct lens_vmas list;
	const struct lens_vma *vma = find(0, map, &list);
	size_t len;

	ASSERT_NE(NULL, vma);
	len = strlen(vma->vm_ops);
	EXPECT_TRUE(len > 8 && !strcmp(vma->vm_ops + len - 8, "[mmlens]"))
		TH_LOG("%s", vma->vm_ops);
	EXPECT_TRUE(lens_has_flag(vma, "DONTEXPAND"));
	EXPECT_TRUE(lens_has_flag(vma, "DONTDUMP"));
}

static void many(void *arg)
{
	/* Far more than one read gives out. */
	size_t pages = 2000 + effort(kernel_is_slow() ? 2000 : 38000);
	char *map = mmap(NULL, pages * page_size(), PROT_NONE, ANON, -1, 0);

	(void)arg;
	for (size_t i = 0; i < pages; i += 2)
		mprotect(map + i * page_size(), page_size(), PROT_READ);
}

TEST_F_TIMEOUT(vmas, many, 120)
{
	compare_target(many, NULL);
}

/* Without an allocation, which would change what is read. */
static bool read_into(const char *path, char *text, size_t room)
{
	int fd = open(path, O_RDONLY);
	ssize_t got;
	size_t have = 0;

	while ((got = read(fd, text + have, room - have - 1)) > 0)
		have += got;
	text[have] = '\0';
	close(fd);
	return !got;
}

TEST_F(vmas, of_oneself)
{
	static char maps[1 << 16], ours[1 << 16];
	struct lens_vmas list;
	char *line, *next = maps;
	size_t at = 0;

	ASSERT_TRUE(read_into("/proc/self/maps", maps, sizeof(maps)));
	ASSERT_TRUE(read_into(LENS "/self/vmas", ours, sizeof(ours)));
	ASSERT_EQ(0, lens_vmas_parse(strdup(ours), &list)) TH_LOG("%s", lens_error);
	while ((line = strsep(&next, "\n")) && *line) {
		uint64_t start = strtoul(line, NULL, 16);

		if (strstr(line, "[vsyscall]"))
			continue;
		ASSERT_GT(list.nr, at);
		EXPECT_EQ(start, list.vma[at++].start);
	}
	EXPECT_EQ(list.nr, at);
}

TEST_F(vmas, of_programs_and_the_whole_system)
{
	char *const programs[][5] = {
		{ "python3", "-c", "import json, socket, threading; threading.Event().wait()" },
		{ "bash", "-c", "sleep 1000; true" },
		{ "sleep", "1000" },
	};
	pid_t started[ARRAY_SIZE(programs)];
	unsigned int compared = 0;
	pid_t *pids;
	size_t nr;

	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		started[i] = target_exec(programs[i]);
	pids = proc_pids(&nr);
	for (size_t i = 0; i < nr; i++) {
		int ret = lens_attach(pids[i]);

		if (ret == -ESRCH)
			continue;
		ASSERT_EQ(0, ret);
		ret = compare_vmas(pids[i]);
		compared += !ret;
		/* It may have exited, or never hold still. */
		EXPECT_TRUE(ret <= 0 && (!ret || ret == -ESRCH || ret == -ENOENT || ret == -EAGAIN))
			TH_LOG("%d: %d %s", pids[i], ret, compare_message);
		EXPECT_EQ(0, lens_detach(pids[i]));
	}
	EXPECT_LT(10, compared);
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		target_end(started[i]);
	free(pids);
}

TEST_HARNESS_MAIN

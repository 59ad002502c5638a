// SPDX-License-Identifier: GPL-2.0
/*
 * Device memory: a region of a PCI function that is memory of the host too (ivshmem), so
 * that there is a witness outside of the guest. Loads the module again and again.
 */
#include <fcntl.h>
#include <glob.h>
#include <sys/ioctl.h>
#include <linux/capability.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/kinds.h"
#include "lib/look.h"
#include "lib/module.h"
#include "lib/setups.h"
#include "lib/shared.h"
#include "lib/util.h"

/* As scripts/guest/cells.py has them. */
#define WORDS_PAGE (64UL << 10)
#define HOST_WORDS "host-was-here"
#define ANSWER "mmlens-was-here and read "

#define PCI 1	/* struct mmlens_setup.region */

FIXTURE(io)
{
	char path[128];		/* of the function in sysfs */
	const char *name;	/* 0000:00:02.0 */
	unsigned long start, size;
	long enabled;		/* how often, while mmlens does not have it */
	int fd;
	char *map;
	size_t mapped;
	struct combo combo;
	struct proc_vmas vmas;
};

/* 0, a negative errno of loading, or 1 if the module is in use. */
static int reload(const char *format, ...)
{
	char parameters[128];
	va_list args;

	va_start(args, format);
	vsnprintf(parameters, sizeof(parameters), format, args);
	va_end(args);
	if (module_uses() >= 0 && module_unload())
		return 1;
	return module_load(parameters);
}

/* A file of a function, until the next call. */
static const char *file_of(const char *function, const char *name)
{
	static char path[160];

	snprintf(path, sizeof(path), "%s/%s", function, name);
	return path;
}

/* The size of a region of a function, and its start; 0 if it has no such one. */
static unsigned long region_of(const char *function, int bar, unsigned long *start)
{
	FILE *file = fopen(file_of(function, "resource"), "r");
	unsigned long last = 0;

	while (bar-- >= 0 && fscanf(file, "%lx %lx %*x", start, &last) == 2)
		;
	fclose(file);
	return last ? last + 1 - *start : 0;
}

FIXTURE_SETUP(io)
{
	self->fd = -1;
	if (!module_file() || !shared_function(self->path))
		SKIP(return, "there is no mmlens.ko, or no memory that is shared with a host");
	self->name = strrchr(self->path, '/') + 1;
	self->size = region_of(self->path, 2, &self->start);
	self->enabled = shared_times_enabled(self->path);
	ASSERT_EQ(0, reload("pci=%s/2", self->name));
	EXPECT_TRUE(shared_is_claimed(self->start, self->size));
}

FIXTURE_TEARDOWN(io)
{
	if (self->fd >= 0)
		close(self->fd);
	if (self->map)
		munmap(self->map, self->mapped);
	if (self->name) {
		EXPECT_EQ(0, reload(""));
		EXPECT_TRUE(shared_is_claimed(0, 0));
		EXPECT_EQ(self->enabled, shared_times_enabled(self->path));
	}
}

/* A buffer of the region; a negative errno. */
static int make(const char *words, size_t pages, unsigned int region)
{
	struct mmlens_setup setup = device_words(words, pages);
	int fd = device_open(O_RDWR), error;

	setup.region = region;
	if (!ioctl(fd, MMLENS_IOC_SETUP, &setup))
		return fd;
	error = errno;
	close(fd);
	return -error;
}

/* All of the region, of which so many bytes are mapped. */
#define MAKE(words, bytes) do { \
	self->fd = make(words, 0, PCI); \
	ASSERT_LE(0, self->fd) TH_LOG("%s: %s", words, strerror(-self->fd)); \
	self->mapped = (bytes); \
	self->map = mmap(NULL, self->mapped, RW, MAP_SHARED, self->fd, 0); \
	ASSERT_NE(MAP_FAILED, self->map) TH_LOG("%s: %s", words, strerror(errno)); \
} while (0)

#define DROP() do { \
	if (!__test_passed(_metadata)) \
		TH_LOG("with %s", self->combo.words); \
	munmap(self->map, self->mapped); \
	close(self->fd); \
	self->map = NULL; \
	self->fd = -1; \
} while (0)

/*
 * The next combination, with the words for device memory; false behind the last. It can
 * be what memory in blocks can, but for pages with a count, and for cache types: any.
 */
static bool next_combo(size_t *number, struct combo *combo)
{
	char words[64];

	while (combo_at((*number)++, combo)) {
		struct combo cached = *combo;

		cached.cache = MMLENS_CACHE_WB;
		if (combo->backing != MMLENS_BACKING_CONTIG || is_normal(combo) ||
		    combo_errno(&cached) || combo_takes_too_long(combo))
			continue;
		snprintf(words, sizeof(words), "ioremap%s", strchr(combo->words, ','));
		strcpy(combo->words, words);
		return true;
	}
	return false;
}

#define for_each_device_combo(nr) \
	for (size_t nr = 0; __test_passed(_metadata) && next_combo(&(nr), &self->combo);)

/*
 * What the lens calls a type. On x86_64 the kernel gives no more than the MTRRs of the
 * machine have there, and lists what it gave.
 */
static const char *type_of(unsigned int cache, unsigned long start, unsigned long size)
{
	char *text = read_file("/sys/kernel/debug/x86/pat_memtype_list", NULL), line[80];

	sprintf(line, "[mem 0x%016lx-0x%016lx] uncached-minus", start, start + size);
	if (cache == MMLENS_CACHE_WB && text && strstr(text, line))
		cache = MMLENS_CACHE_UC;
	free(text);
	/* Memory of an arm64 machine cannot be uncached; this can. */
	return strcmp(memory_type(cache), "none") ? memory_type(cache) : "nGnRE";
}

/* Not by what the C library does with vectors: they are registers. */
static void copy(volatile char *to, const volatile char *from, size_t len)
{
	while (len--)
		*to++ = *from++;
}

/* The memory type in kernel/own of our ioremap(), by its first leaf; "" without one. */
static const char *type_in_kernel(void)
{
	char *text = read_file(LENS "/kernel/own", NULL), *at = text;
	static char type[16];

	at = at ? strstr(at, " ioremap\n") : NULL;
	at = at ? strstr(at, " leaf ") : NULL;
	if (!at || sscanf(at, " leaf %*s %*s %*s %*s %15s", type) != 1)
		*type = '\0';
	free(text);
	return type;
}

/* Reads what a process has by fork, and writes by a mapping of its own. */
static bool child_copies(int fd, const char *from, size_t to)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		copy(device_map(fd, RW, MAP_SHARED, 1, to / page_size()) + 64, from, 64);
		_exit(0);
	}
	return waitpid(pid, &status, 0) == pid && !status;
}

/* Each combination is of that memory, which the host has too, whoever uses it. */
TEST_F_TIMEOUT(io, the_host_is_a_witness, 300)
{
	const size_t from = self->size - WORDS_PAGE, to = from - WORDS_PAGE;

	for_each_device_combo(nr) {
		bool pfnmap = self->combo.kind == MMLENS_PAGE_KIND_PFNMAP;
		bool huge = self->combo.strategy == MMLENS_STRATEGY_HUGE;
		char answer[64] = ANSWER, seen[128] = "", *map;
		const struct proc_vma *vma;
		struct mmlens_info info;
		struct look *look;
		__u64 dirty = 0;

		MAKE(self->combo.words, self->size);
		map = self->map + to;
		info = device_info(self->fd);
		EXPECT_EQ(self->size, info.bytes);
		EXPECT_EQ(self->start, info.phys);
		EXPECT_EQ(MMLENS_AREA_IOREMAP, info.area);
		EXPECT_EQ(self->combo.cache, info.area_cache);
		/* The answer of the one before is none. */
		EXPECT_EQ(sizeof(seen), pwrite(self->fd, seen, sizeof(seen), to));
		EXPECT_EQ(0, *(volatile char *)map);
		copy(answer + strlen(ANSWER), self->map + from, strlen(HOST_WORDS));
		EXPECT_STREQ(ANSWER HOST_WORDS, answer);
		copy(map, answer, sizeof(answer));
		EXPECT_TRUE(child_copies(self->fd, map, to));
		EXPECT_EQ(sizeof(seen), pread(self->fd, seen, sizeof(seen), to));
		EXPECT_STREQ(answer, seen);
		EXPECT_STREQ(answer, seen + 64);
		EXPECT_EQ(self->combo.track ? 0 : -EOPNOTSUPP,
			  device_dirty(self->fd, 0, self->size / page_size(), 0, NULL, &dirty));
		EXPECT_EQ(self->combo.track, dirty);
		*(volatile char *)map = *answer;
		EXPECT_STREQ(type_of(info.cache, self->start, self->size), type_in_kernel());
		look = look_at(map, 1);
		EXPECT_EQ((self->start + to) / page_size(), look->frame);
		EXPECT_STREQ(type_in_kernel(), look->memory);
		EXPECT_STREQ("device", look->page);
		EXPECT_STREQ("rw-", look->rwx);
		EXPECT_TRUE(look->special);
		EXPECT_EQ(huge, look->level >= LENS_PMD);
		EXPECT_EQ(huge, device_done(self->fd, MMLENS_OP_HUGE_FAULT) > 0);
		free(look);
		ASSERT_EQ(0, proc_vmas(0, true, &self->vmas));
		vma = proc_find(&self->vmas, (uintptr_t)map);
		EXPECT_EQ(pfnmap, proc_has_flag(vma, "pf"));
		EXPECT_EQ(pfnmap, proc_has_flag(vma, "io"));
		EXPECT_EQ(!pfnmap, proc_has_flag(vma, "mm"));
		proc_vmas_free(&self->vmas);
		DROP();
	}
}

/* Not where the words of the host are; each combination has its own, by its number. */
#define WORDS 400
#define WORD(map, nr) (*(volatile unsigned int *)((map) + (nr) * 3 * page_size() + 16))

/* The kernel's own way to map a region, while mmlens does not have it. */
TEST_F_TIMEOUT(io, sysfs_has_the_same, 300)
{
	int fd = open(file_of(self->path, "resource2"), O_RDWR | O_SYNC);
	/* All words, and no more: to map all of the region at once takes long. */
	const size_t words = ((WORDS * 3 * page_size() - 1) | (pmd_size() - 1)) + 1;
	const size_t size = words < self->size ? words : self->size;
	char *map;

	for_each_device_combo(nr) {
		ASSERT_GT(WORDS, nr);
		MAKE(self->combo.words, size);
		WORD(self->map, nr) = 4000 + nr;
		DROP();
	}
	ASSERT_EQ(0, module_unload());
	ASSERT_EQ(0, write_file(file_of(self->path, "enable"), "1"));
	map = mmap(NULL, self->size, RW, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map) TH_LOG("%s", strerror(errno));
	for_each_device_combo(nr) {
		EXPECT_EQ(4000 + nr, WORD(map, nr)) TH_LOG("%s", self->combo.words);
		WORD(map, nr) = 5000 + nr;
	}
	munmap(map, self->size);
	ASSERT_EQ(0, write_file(file_of(self->path, "enable"), "0"));
	ASSERT_EQ(0, reload("pci=%s/2", self->name));
	for_each_device_combo(nr) {
		MAKE(self->combo.words, size);
		EXPECT_EQ(5000 + nr, WORD(self->map, nr));
		DROP();
	}
}

TEST_F(io, debuggers_and_revocation_reach_it)
{
	int mem = open("/proc/self/mem", O_RDWR);
	unsigned int value = 77;

	MAKE("ioremap,pfnmap,lazy,uc", self->size);
	EXPECT_EQ(4, pwrite(mem, &value, 4, (uintptr_t)self->map + 8));
	value = 0;
	EXPECT_EQ(4, pread(mem, &value, 4, (uintptr_t)self->map + 8));
	EXPECT_EQ(77, value);
	EXPECT_EQ(77, ((volatile unsigned int *)self->map)[2]);
	EXPECT_EQ(0, device_revoke(self->fd, 0));
	EXPECT_EQ(SIGBUS, access_signal(self->map, false));
	EXPECT_EQ(-1, pread(mem, &value, 4, (uintptr_t)self->map + 8));
	EXPECT_EQ(0, device_restore(self->fd));
	EXPECT_EQ(77, ((volatile unsigned int *)self->map)[2]);
	/* In use: it stays. */
	EXPECT_EQ(-EWOULDBLOCK, module_unload());
}

TEST_F(io, its_size_is_that_of_the_region_or_less)
{
	size_t pages = self->size / page_size();
	int fd = make("ioremap,pfnmap", 3, PCI);

	ASSERT_LE(0, fd);
	EXPECT_EQ(3 * page_size(), device_info(fd).bytes);
	EXPECT_EQ(MAP_FAILED, device_map(fd, RW, MAP_SHARED, 1, 3));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, device_map(fd, RW, MAP_PRIVATE, 1, 0));
	EXPECT_EQ(EINVAL, errno);
	close(fd);
	EXPECT_EQ(-EINVAL, make("ioremap,pfnmap", pages + 1, PCI));
	EXPECT_EQ(-EINVAL, make("ioremap,pfnmap", 1UL << 40, PCI));
	EXPECT_EQ(-EOPNOTSUPP, make("ioremap,normal", 0, PCI));
	/* Regions that were not named; and a region of what has none. */
	EXPECT_EQ(-ENODEV, make("ioremap,pfnmap", 0, 0));
	EXPECT_EQ(-ENODEV, make("ioremap,pfnmap", 0, 2));
	EXPECT_EQ(-EINVAL, make("vmalloc", 1, PCI));
}

static void drop(unsigned int capability)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		abort();
	data[0].effective &= ~(1u << capability);
	if (syscall(SYS_capset, &header, data))
		abort();
}

TEST_F(io, wants_the_right_to_it)
{
	char data[8];
	int status;
	pid_t pid;

	MAKE("ioremap,pfnmap", self->size);
	pid = fork();
	if (!pid) {
		drop(CAP_SYS_RAWIO);
		/* What is mapped stays mapped; no more is. */
		(void)*(volatile char *)self->map;
		_exit(make("ioremap,pfnmap", 0, PCI) != -EPERM ||
		      device_map(self->fd, PROT_READ, MAP_SHARED, 1, 0) != MAP_FAILED ||
		      errno != EPERM || pread(self->fd, data, 8, 0) != -1 || errno != EPERM ||
		      pwrite(self->fd, data, 8, 0) != -1 || errno != EPERM);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* Who may use it need not see where it is. */
TEST_F(io, its_place_is_for_administrators)
{
	int status;
	pid_t pid;

	MAKE("ioremap,pfnmap", self->size);
	EXPECT_EQ(self->start, device_info(self->fd).phys);
	pid = fork();
	if (!pid) {
		drop(CAP_SYS_ADMIN);
		(void)*(volatile char *)self->map;
		_exit(device_info(self->fd).phys || device_info(self->fd).area_address ||
		      device_info(self->fd).bytes != self->size);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* Refused, with nothing left behind: the next one works. */
#define EXPECT_REFUSED(error, ...) do { \
	EXPECT_EQ(-(error), reload(__VA_ARGS__)) TH_LOG(__VA_ARGS__); \
	EXPECT_TRUE(shared_is_claimed(0, 0)); \
	EXPECT_EQ(self->enabled, shared_times_enabled(self->path)); \
	EXPECT_EQ(0, reload("pci=%s/2", self->name)); \
} while (0)

TEST_F_TIMEOUT(io, loading_refuses_what_is_not_its, 300)
{
	const size_t page = page_size();
	uint64_t ram;

	ASSERT_TRUE(proc_pagemap(proc_pagemap_open(0), (uintptr_t)self & -page, &ram, 1));
	EXPECT_REFUSED(EPERM, "io=0x%lx,%zu", (ram & PM_FRAME) * page, page);
	EXPECT_REFUSED(EINVAL, "io=0x%lx,%zu", self->start + 1, page);
	EXPECT_REFUSED(EINVAL, "io=0x%lx,%zu", self->start, page + 1);
	EXPECT_REFUSED(EINVAL, "io=0x%lx,0", self->start);
	EXPECT_REFUSED(EINVAL, "io=0x%lx", self->start);
	EXPECT_REFUSED(EINVAL, "io=0x%lx,0x%lx", -page, 2 * page);
	EXPECT_REFUSED(EINVAL, "io=there");
	EXPECT_REFUSED(EINVAL, "pci=%s", self->name);
	EXPECT_REFUSED(EINVAL, "pci=%s/6", self->name);
	EXPECT_REFUSED(EINVAL, "pci=%s/5", self->name);
	EXPECT_REFUSED(ENODEV, "pci=0000:ff:1f.7/0");
	/* What is good is given back if the other is not. */
	EXPECT_REFUSED(EBUSY, "io=0x%lx,%zu pci=%s/2", self->start, page, self->name);
	ASSERT_EQ(0, reload("io=0x%lx,%zu", self->start + WORDS_PAGE, 4 * page));
	EXPECT_TRUE(shared_is_claimed(self->start + WORDS_PAGE, 4 * page));
	self->fd = make("ioremap,pfnmap,eager", 0, 0);
	EXPECT_EQ(4 * page, device_info(self->fd).bytes);
	EXPECT_EQ(self->start + WORDS_PAGE, device_info(self->fd).phys);
}

/* A function that a driver has is none of ours, nor are the registers in its region 4. */
TEST_F_TIMEOUT(io, a_driver_has_precedence, 120)
{
	glob_t found;
	void *theirs;
	int fd;

	ASSERT_EQ(0, glob("/sys/bus/pci/drivers/virtio-pci/0000:*", 0, NULL, &found));
	/* One is as good as another where it takes seconds. */
	for (size_t i = 0; i < found.gl_pathc && !(i && kernel_is_slow()); i++) {
		const char *path = found.gl_pathv[i];
		unsigned long start = 0, size = region_of(path, 4, &start);
		long enabled = shared_times_enabled(path);

		EXPECT_REFUSED(EBUSY, "pci=%s/4", strrchr(path, '/') + 1);
		EXPECT_REFUSED(EBUSY, "io=0x%lx,0x%lx", start, size);
		EXPECT_EQ(enabled, shared_times_enabled(path));
		/* What is ours is as inaccessible as theirs (CONFIG_IO_STRICT_DEVMEM). */
		fd = open(file_of(path, "resource4"), O_RDWR);
		theirs = mmap(NULL, page_size(), RW, MAP_SHARED, fd, 0);
		fd = open(file_of(self->path, "resource2"), O_RDWR);
		EXPECT_EQ(theirs == MAP_FAILED,
			  mmap(NULL, page_size(), RW, MAP_SHARED, fd, 0) == MAP_FAILED);
	}
}

TEST_HARNESS_MAIN

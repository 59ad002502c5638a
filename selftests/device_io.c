// SPDX-License-Identifier: GPL-2.0
/*
 * Device memory: a region of a PCI function that is memory of the host too (ivshmem), so
 * that there is a witness outside of the guest. Loads the module again and again.
 */
#include <fcntl.h>
#include <glob.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <linux/capability.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/kinds.h"
#include "lib/lens.h"
#include "lib/module.h"
#include "lib/setups.h"
#include "lib/util.h"

/* As scripts/guest/cells.py has them. */
#define WORDS_PAGE (64UL << 10)
#define HOST_WORDS "host-was-here"
#define GUEST_WORDS "mmlens-was-here and read " HOST_WORDS

#define PCI 1	/* struct mmlens_setup.region */

FIXTURE(io)
{
	char path[128];		/* of the function in sysfs */
	char name[32];		/* 0000:00:02.0 */
	unsigned long start, size;
	int fd;
	char *map;
};

/* The function whose third region is shared memory. */
static bool find_function(char *path, size_t len)
{
	bool found = false;
	glob_t all;

	if (glob("/sys/bus/pci/devices/*", 0, NULL, &all))
		return false;
	for (size_t i = 0; i < all.gl_pathc && !found; i++) {
		char file[160], *vendor, *device;

		snprintf(file, sizeof(file), "%s/vendor", all.gl_pathv[i]);
		vendor = read_file(file, NULL);
		snprintf(file, sizeof(file), "%s/device", all.gl_pathv[i]);
		device = read_file(file, NULL);
		found = vendor && device && !strcmp(vendor, "0x1af4\n") &&
			!strcmp(device, "0x1110\n");
		if (found)
			snprintf(path, len, "%s", all.gl_pathv[i]);
		free(vendor);
		free(device);
	}
	globfree(&all);
	return found;
}

static int reload(const char *format, ...)
{
	char parameters[128];
	va_list args;

	va_start(args, format);
	vsnprintf(parameters, sizeof(parameters), format, args);
	va_end(args);
	if (module_uses() >= 0 && module_unload())
		return -EBUSY;
	return module_load(parameters);
}

static bool is_claimed(void)
{
	char *text = read_file("/proc/iomem", NULL);
	bool claimed = text && strstr(text, " : mmlens\n");

	free(text);
	return claimed;
}

FIXTURE_SETUP(io)
{
	char file[160], *text, *line, *next;

	self->fd = -1;
	if (!module_file())
		SKIP(return, "there is no mmlens.ko; say where by MMLENS_KO");
	if (!find_function(self->path, sizeof(self->path)))
		SKIP(return, "there is no memory that is shared with a host");
	snprintf(self->name, sizeof(self->name), "%s", strrchr(self->path, '/') + 1);
	snprintf(file, sizeof(file), "%s/resource", self->path);
	text = read_file(file, NULL);
	ASSERT_NE(NULL, text);
	next = text;
	for (int i = 0; i < 3; i++)
		line = strsep(&next, "\n");
	ASSERT_EQ(2, sscanf(line, "%lx %lx", &self->start, &self->size));
	self->size += 1 - self->start;
	free(text);
	ASSERT_EQ(0, reload("pci=%s/2", self->name));
	EXPECT_TRUE(is_claimed());
}

FIXTURE_TEARDOWN(io)
{
	if (self->fd >= 0)
		close(self->fd);
	if (self->map)
		munmap(self->map, self->size);
	if (self->name[0]) {
		EXPECT_EQ(0, reload(""));
		EXPECT_FALSE(is_claimed());
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

#define MAKE(words) do { \
	self->fd = make(words, 0, PCI); \
	ASSERT_LE(0, self->fd) TH_LOG("%s: %s", words, strerror(-self->fd)); \
	/* Where huge pages fit, if the kernel finds such a place. */ \
	self->map = mmap(NULL, self->size, RW, MAP_SHARED, self->fd, 0); \
	ASSERT_NE(MAP_FAILED, self->map) TH_LOG("%s: %s", words, strerror(errno)); \
} while (0)

#define DROP() do { \
	munmap(self->map, self->size); \
	close(self->fd); \
	self->map = NULL; \
	self->fd = -1; \
} while (0)

static const char *const all[] = {
	"ioremap,pfnmap,lazy,wb", "ioremap,pfnmap,around=8,wc", "ioremap,pfnmap,eager,uc",
	"ioremap,pfnmap,remap,wb", "ioremap,pfnmap,remap,uc", "ioremap,pfnmap,huge,wb",
	"ioremap,pfnmap,huge,wc", "ioremap,mixed,lazy,uc", "ioremap,mixed,around=4,wb",
	"ioremap,mixed,eager,wc", "ioremap,pfnmap,lazy,uc,track", "ioremap,pfnmap,eager,wb,track",
};

/*
 * What the lens calls them: by PAT, or by MAIR. On x86_64 the kernel gives no more than
 * the MTRRs of the machine have there, and lists what it gave.
 */
static const char *type_of(unsigned int cache, unsigned long address)
{
#ifdef __x86_64__
	static const char *const names[] = { "WB", "WC", "UC-" };
	char *text = read_file("/sys/kernel/debug/x86/pat_memtype_list", NULL), word[48];

	snprintf(word, sizeof(word), "[mem 0x%016lx-", address);
	if (!cache && text && strstr(text, word) &&
	    !strncmp(strchr(strstr(text, word), ']'), "] uncached-minus", 16))
		cache = MMLENS_CACHE_UC;
	free(text);
#else
	static const char *const names[] = { "WB", "NC", "nGnRE" };
#endif
	(void)address;
	return names[cache];
}

TEST_F_TIMEOUT(io, the_host_is_a_witness, 120)
{
	char words[32] = "";

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (strstr(all[i], "huge") && !has_huge_pages())
			continue;
		MAKE(all[i]);
		/* Not by what the C library does with vectors: they are registers. */
		for (size_t at = 0; at < strlen(HOST_WORDS); at++)
			words[at] = ((volatile char *)self->map)[self->size - WORDS_PAGE + at];
		EXPECT_STREQ(HOST_WORDS, words) TH_LOG("%s", all[i]);
		for (size_t at = 0; at < sizeof(GUEST_WORDS); at++)
			((volatile char *)self->map)[self->size - 2 * WORDS_PAGE + at] =
				GUEST_WORDS[at];
		DROP();
	}
}

TEST_F_TIMEOUT(io, is_what_was_asked_for, 120)
{
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		volatile unsigned int *word;
		const struct lens_entry *entry;
		struct lens_table table = {};
		struct mmlens_info info;
		unsigned int value;

		if (strstr(all[i], "huge") && !has_huge_pages())
			continue;
		MAKE(all[i]);
		info = device_info(self->fd);
		EXPECT_EQ(MMLENS_BACKING_IOREMAP, info.backing);
		EXPECT_EQ(self->size, info.bytes);
		EXPECT_EQ(self->start, info.phys);
		EXPECT_EQ(MMLENS_AREA_IOREMAP, info.area);
		EXPECT_EQ(info.cache, info.area_cache);
		/* The mapping, and the kernel's own. */
		word = (unsigned int *)(self->map + self->size / 2);
		*word = 1000 + i;
		EXPECT_EQ(sizeof(value), pread(self->fd, &value, sizeof(value), self->size / 2));
		EXPECT_EQ(1000 + i, value);
		value = 2000 + i;
		EXPECT_EQ(sizeof(value), pwrite(self->fd, &value, sizeof(value), self->size / 2));
		EXPECT_EQ(2000 + i, *word);

		ASSERT_EQ(0, lens_entries(0, &table)) TH_LOG("%s", lens_error);
		entry = lens_find(&table, (uintptr_t)word);
		ASSERT_NE(NULL, entry);
		EXPECT_EQ((self->start + self->size / 2) / page_size(),
			  entry->pfn + ((uintptr_t)word - entry->start) / page_size());
		EXPECT_STREQ(type_of(info.cache, self->start), entry->memory) TH_LOG("%s", all[i]);
		EXPECT_TRUE(lens_has_bit(entry, "special"));
		EXPECT_STREQ("device", entry->page);
		if (strstr(all[i], "huge")) {
			EXPECT_LE(LENS_PMD, entry->level);
			EXPECT_LT(0, device_done(self->fd, MMLENS_OP_HUGE_FAULT));
		}
		lens_table_free(&table);
		if (info.flags & MMLENS_SETUP_TRACK) {
			__u64 dirty = 0;

			EXPECT_EQ(0, device_dirty(self->fd, 0, self->size / page_size(), 0, NULL,
						  &dirty));
			EXPECT_EQ(1, dirty);
		}
		DROP();
	}
}

TEST_F(io, debuggers_and_revocation_reach_it)
{
	int mem = open("/proc/self/mem", O_RDWR);
	unsigned int value = 77;

	MAKE("ioremap,pfnmap,lazy,uc");
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
	close(mem);
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

static void drop_raw_io(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		abort();
	data[0].effective &= ~(1u << CAP_SYS_RAWIO);
	if (syscall(SYS_capset, &header, data))
		abort();
}

TEST_F(io, wants_the_right_to_it)
{
	int status;
	pid_t pid;

	MAKE("ioremap,pfnmap");
	pid = fork();
	if (!pid) {
		drop_raw_io();
		/* What is mapped stays mapped; no more is. */
		(void)*(volatile char *)self->map;
		if (make("ioremap,pfnmap", 0, PCI) != -EPERM)
			_exit(1);
		if (device_map(self->fd, PROT_READ, MAP_SHARED, 1, 0) != MAP_FAILED ||
		    errno != EPERM)
			_exit(2);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, WEXITSTATUS(status));
	EXPECT_TRUE(WIFEXITED(status));
}

/* The first RAM in /proc/iomem. */
static unsigned long ram(void)
{
	char *text = read_file("/proc/iomem", NULL), *at = strstr(text, " : System RAM");
	unsigned long start = 0;

	while (at > text && at[-1] != '\n')
		at--;
	start = strtoul(at, NULL, 16);
	free(text);
	return (start + page_size() - 1) & ~(page_size() - 1);
}

TEST_F(io, loading_refuses_what_is_not_its)
{
	const size_t page = page_size();

	EXPECT_EQ(-EPERM, reload("io=0x%lx,%zu", ram(), page));
	EXPECT_EQ(-EINVAL, reload("io=0x%lx,%zu", self->start + 1, page));
	EXPECT_EQ(-EINVAL, reload("io=0x%lx,%zu", self->start, page + 1));
	EXPECT_EQ(-EINVAL, reload("io=0x%lx,0", self->start));
	EXPECT_EQ(-EINVAL, reload("io=0x%lx", self->start));
	EXPECT_EQ(-EINVAL, reload("io=0x%lx,0x%lx", -page, 2 * page));
	EXPECT_EQ(-EINVAL, reload("io=there"));
	EXPECT_EQ(-EINVAL, reload("pci=%s", self->name));
	EXPECT_EQ(-EINVAL, reload("pci=%s/6", self->name));
	EXPECT_EQ(-EINVAL, reload("pci=%s/5", self->name));
	EXPECT_EQ(-ENODEV, reload("pci=0000:ff:1f.7/0"));
	/* The same in two ways: the first has it. */
	EXPECT_EQ(-EBUSY, reload("io=0x%lx,%zu pci=%s/2", self->start, page, self->name));
	/* And each time nothing was left behind. */
	EXPECT_FALSE(is_claimed());
	EXPECT_EQ(-1, module_uses());
	ASSERT_EQ(0, reload("io=0x%lx,%zu", self->start, 4 * page));
	EXPECT_TRUE(is_claimed());
	self->fd = make("ioremap,pfnmap,eager", 0, 0);
	ASSERT_LE(0, self->fd);
	EXPECT_EQ(4 * page, device_info(self->fd).bytes);
	EXPECT_EQ(self->start, device_info(self->fd).phys);
}

/* A function that a driver has is none of ours. */
TEST_F(io, a_driver_has_precedence)
{
	glob_t found;

	if (glob("/sys/bus/pci/drivers/virtio-pci/0000:*", 0, NULL, &found))
		SKIP(return, "no function has a driver");
	EXPECT_EQ(-EBUSY, reload("pci=%s/4", strrchr(found.gl_pathv[0], '/') + 1));
	globfree(&found);
	EXPECT_FALSE(is_claimed());
}

TEST_HARNESS_MAIN

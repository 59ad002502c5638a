// SPDX-License-Identifier: GPL-2.0
/* The ioctls: structs of any version, wrong numbers and wrong pointers. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/util.h"

#define LARGEST 512
#define NUMBERS 13

FIXTURE(device_ioctl)
{
	int fd;
	char *map;
};

/* @first: the size of the first version of the struct; @size: of this one. */
FIXTURE_VARIANT(device_ioctl)
{
	unsigned long command;
	unsigned int first, size;
};

#define IOCTL(number, type, first_size) \
	{ .command = number, .first = first_size, .size = sizeof(type) }

FIXTURE_VARIANT_ADD(device_ioctl, info) IOCTL(MMLENS_IOC_INFO, struct mmlens_info, 40);
FIXTURE_VARIANT_ADD(device_ioctl, stats) IOCTL(MMLENS_IOC_STATS, struct mmlens_stats, 344);
FIXTURE_VARIANT_ADD(device_ioctl, setup) IOCTL(MMLENS_IOC_SETUP, struct mmlens_setup, 48);
FIXTURE_VARIANT_ADD(device_ioctl, events) IOCTL(MMLENS_IOC_EVENTS, struct mmlens_events, 32);
FIXTURE_VARIANT_ADD(device_ioctl, dirty) IOCTL(MMLENS_IOC_DIRTY, struct mmlens_dirty, 48);
FIXTURE_VARIANT_ADD(device_ioctl, revoke) IOCTL(MMLENS_IOC_REVOKE, struct mmlens_revoke, 8);
FIXTURE_VARIANT_ADD(device_ioctl, restore) IOCTL(MMLENS_IOC_RESTORE, struct mmlens_revoke, 8);
FIXTURE_VARIANT_ADD(device_ioctl, query) IOCTL(MMLENS_IOC_QUERY, struct mmlens_query, 352);
FIXTURE_VARIANT_ADD(device_ioctl, machine) IOCTL(MMLENS_IOC_MACHINE, struct mmlens_machine, 88);

FIXTURE_SETUP(device_ioctl)
{
	self->fd = device_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	/* What has memory cannot be set up. */
	if (variant->command == MMLENS_IOC_SETUP)
		return;
	self->map = device_map(self->fd, PROT_READ, MAP_SHARED, 3, 0);
	ASSERT_NE(MAP_FAILED, self->map);
}

FIXTURE_TEARDOWN(device_ioctl)
{
}

/* The ioctl as a program with a struct of another size would do it. */
static int sized_ioctl(int fd, unsigned long command, unsigned int size, void *arg)
{
	return ioctl(fd, _IOC(_IOC_DIR(command), MMLENS_IOC_MAGIC, _IOC_NR(command), size), arg) ?
	       errno : 0;
}

/* A request that changes nothing, as far as that can be had; zeros behind it. */
static void request(unsigned long command, unsigned int size, void *arg)
{
	const struct mmlens_events events = { .record_size = sizeof(struct mmlens_event) };
	const struct mmlens_dirty dirty = { .flags = MMLENS_DIRTY_PEEK, .pages = 3 };

	memset(arg, 0, LARGEST);
	if (command == MMLENS_IOC_EVENTS)
		memcpy(arg, &events, sizeof(events));
	if (command == MMLENS_IOC_DIRTY)
		memcpy(arg, &dirty, sizeof(dirty));
	memcpy(arg, &size, sizeof(size));
}

/* Only once for each open file: another one for each time. */
static int fresh(int fd, unsigned long command)
{
	if (command != MMLENS_IOC_SETUP)
		return fd;
	close(fd);
	return device_open(O_RDWR);
}

TEST_F(device_ioctl, takes_its_own_size)
{
	unsigned char arg[LARGEST], zeros[LARGEST] = {};
	__u32 size;

	request(variant->command, variant->size, arg);
	EXPECT_EQ(0, sized_ioctl(self->fd, variant->command, variant->size, arg));
	memcpy(&size, arg, sizeof(size));
	EXPECT_EQ(variant->size, size);
	/* Not a byte behind the struct is written. */
	EXPECT_EQ(0, memcmp(arg + variant->size, zeros, LARGEST - variant->size));
}

TEST_F(device_ioctl, refuses_less_than_the_first_version)
{
	unsigned char arg[LARGEST];

	for (unsigned int size = 0; size < variant->first; size++) {
		request(variant->command, size, arg);
		EXPECT_EQ(EINVAL, sized_ioctl(self->fd, variant->command, size, arg))
			TH_LOG("size %u", size);
	}
	/* And changes nothing: it can still be had. */
	request(variant->command, variant->size, arg);
	EXPECT_EQ(0, sized_ioctl(self->fd, variant->command, variant->size, arg));
}

TEST_F(device_ioctl, takes_an_older_struct_and_fills_no_more)
{
	for (unsigned int size = variant->first; size < variant->size; size++) {
		unsigned char arg[LARGEST], before[LARGEST];

		request(variant->command, size, arg);
		memset(arg + size, 0x5a, LARGEST - size);
		memcpy(before, arg, LARGEST);
		self->fd = fresh(self->fd, variant->command);
		EXPECT_EQ(0, sized_ioctl(self->fd, variant->command, size, arg))
			TH_LOG("size %u", size);
		EXPECT_EQ(0, memcmp(arg, &size, sizeof(size)));
		EXPECT_EQ(0, memcmp(arg + size, before + size, LARGEST - size));
	}
}

TEST_F(device_ioctl, takes_a_larger_struct_that_ends_in_zeros)
{
	for (unsigned int size = variant->size + 1; size <= LARGEST; size++) {
		unsigned char arg[LARGEST], zeros[LARGEST] = {};

		request(variant->command, size, arg);
		self->fd = fresh(self->fd, variant->command);
		EXPECT_EQ(0, sized_ioctl(self->fd, variant->command, size, arg))
			TH_LOG("size %u", size);
		EXPECT_EQ(0, memcmp(arg, &size, sizeof(size)));
		EXPECT_EQ(0, memcmp(arg + variant->size, zeros, LARGEST - variant->size));
	}
}

TEST_F(device_ioctl, refuses_something_it_does_not_know)
{
	for (unsigned int at = variant->size; at < LARGEST; at++) {
		unsigned char arg[LARGEST];

		request(variant->command, LARGEST, arg);
		arg[at] = 0x80;
		EXPECT_EQ(E2BIG, sized_ioctl(self->fd, variant->command, LARGEST, arg));
	}
}

TEST_F(device_ioctl, refuses_a_size_that_is_not_in_the_number)
{
	const __u32 wrong[] = { 0, 1, variant->size - 1, variant->size + 1, LARGEST, ~0u };

	for (unsigned int i = 0; i < ARRAY_SIZE(wrong); i++) {
		unsigned char arg[LARGEST];

		request(variant->command, wrong[i], arg);
		EXPECT_EQ(EINVAL, sized_ioctl(self->fd, variant->command, variant->size, arg));
		EXPECT_EQ(0, memcmp(arg, &wrong[i], sizeof(__u32)));
	}
}

TEST_F(device_ioctl, is_recognised_with_any_direction)
{
	unsigned char arg[LARGEST];

	for (unsigned int dir = 0; dir < 4; dir++) {
		request(variant->command, variant->size, arg);
		self->fd = fresh(self->fd, variant->command);
		EXPECT_EQ(0, ioctl(self->fd, _IOC(dir, MMLENS_IOC_MAGIC, _IOC_NR(variant->command),
						  variant->size), arg)) TH_LOG("dir %u", dir);
	}
}

TEST_F(device_ioctl, refuses_other_numbers)
{
	unsigned char arg[LARGEST];

	request(variant->command, variant->size, arg);
	for (unsigned int nr = NUMBERS; nr < 256; nr++)
		EXPECT_EQ(ENOTTY, sized_ioctl(self->fd, _IO(MMLENS_IOC_MAGIC, nr), variant->size,
					      arg));
	for (unsigned int type = 0; type < 256; type++) {
		unsigned int other = (variant->command & ~(0xffu << _IOC_TYPESHIFT)) |
				     type << _IOC_TYPESHIFT;

		if (type != MMLENS_IOC_MAGIC && type != 'T' && type != 'f') {
			EXPECT_EQ(-1, ioctl(self->fd, other, arg));
			EXPECT_EQ(ENOTTY, errno) TH_LOG("type %#x", type);
		}
	}
}

TEST_F(device_ioctl, refuses_bad_pointers)
{
	unsigned char arg[LARGEST];
	char *pages = mmap(NULL, 2 * page_size(), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *last = pages + page_size() - variant->size;

	EXPECT_EQ(EFAULT, sized_ioctl(self->fd, variant->command, variant->size, NULL));
	EXPECT_EQ(EFAULT, sized_ioctl(self->fd, variant->command, variant->size, (void *)-1L));
	EXPECT_EQ(EFAULT, sized_ioctl(self->fd, variant->command, variant->size,
				      (void *)0xffff888000000000));
	ASSERT_EQ(0, munmap(pages + page_size(), page_size()));
	/* Half of the last page's struct, and half of what a larger one adds. */
	request(variant->command, variant->size, arg);
	memcpy(last + 4, arg, variant->size - 4);
	EXPECT_EQ(EFAULT, sized_ioctl(self->fd, variant->command, variant->size, last + 4));
	request(variant->command, variant->size + 8, arg);
	memcpy(last, arg, variant->size);
	EXPECT_EQ(EFAULT, sized_ioctl(self->fd, variant->command, variant->size + 8, last));
	/* None of that did anything: the struct at the end of the page is taken. */
	request(variant->command, variant->size, arg);
	memcpy(last, arg, variant->size);
	EXPECT_EQ(0, sized_ioctl(self->fd, variant->command, variant->size, last));
	/* It can be read; an answer cannot be written. */
	memcpy(last, arg, variant->size);
	ASSERT_EQ(0, mprotect(pages, page_size(), PROT_READ));
	self->fd = fresh(self->fd, variant->command);
	EXPECT_EQ(_IOC_DIR(variant->command) & _IOC_READ ? EFAULT : 0,
		  sized_ioctl(self->fd, variant->command, variant->size, last));
}

/* The copy to user space faults, and the fault is the device's. */
TEST_F(device_ioctl, reads_and_answers_in_its_own_mapping)
{
	int fd = device_open(O_RDWR);
	unsigned char *map = device_map(fd, PROT_READ | PROT_WRITE, MAP_SHARED, 1, 0);
	unsigned char arg[LARGEST];

	ASSERT_NE(MAP_FAILED, map);
	if (variant->command == MMLENS_IOC_SETUP) {
		request(variant->command, variant->size, map);
		EXPECT_EQ(EBUSY, sized_ioctl(fd, variant->command, variant->size, map));
		return;
	}
	/* Written by another mapping: this one is not in the tables yet. */
	request(variant->command, variant->size, arg);
	if (variant->command == MMLENS_IOC_DIRTY)
		((struct mmlens_dirty *)arg)->pages = 1;
	memcpy(device_map(fd, PROT_READ | PROT_WRITE, MAP_SHARED, 1, 0), arg, sizeof(arg));
	EXPECT_EQ(0, sized_ioctl(fd, variant->command, variant->size, map));
	if (variant->command == MMLENS_IOC_REVOKE)
		ASSERT_EQ(0, device_restore(fd));
	EXPECT_EQ(0, memcmp(map, &variant->size, sizeof(__u32)));
}

#define EXPECT_REFUSED(fd, command, type, ...) do { \
	type arg = { .size = sizeof(arg), __VA_ARGS__ }; \
	EXPECT_EQ(-1, ioctl(fd, command, &arg)); \
	EXPECT_EQ(EINVAL, errno); \
} while (0)

TEST(reserved_members_and_unknown_flags_are_refused)
{
	int fd = device_open(O_RDWR);

	EXPECT_REFUSED(fd, MMLENS_IOC_SETUP, struct mmlens_setup, .reserved = 1);
	for (int bit = 2; bit < 32; bit++)
		EXPECT_REFUSED(fd, MMLENS_IOC_SETUP, struct mmlens_setup, .flags = 1u << bit);
	ASSERT_NE(MAP_FAILED, device_map(fd, PROT_READ, MAP_SHARED, 3, 0));
	EXPECT_REFUSED(fd, MMLENS_IOC_INFO, struct mmlens_info, .reserved = 1);
	for (int bit = 1; bit < 32; bit++) {
		EXPECT_REFUSED(fd, MMLENS_IOC_DIRTY, struct mmlens_dirty, .pages = 3,
			       .flags = 1u << bit);
		EXPECT_REFUSED(fd, MMLENS_IOC_REVOKE, struct mmlens_revoke, .flags = 1u << bit);
	}
	for (int bit = 0; bit < 32; bit++)
		EXPECT_REFUSED(fd, MMLENS_IOC_RESTORE, struct mmlens_revoke, .flags = 1u << bit);
	/* Nothing was revoked by the way. */
	EXPECT_EQ(0, device_info(fd).revoked);
}

TEST(operations_have_numbers_without_gaps)
{
	int fd = device_open(O_RDWR);

	for (unsigned int op = 0; op < MMLENS_OP_COUNT; op++) {
		struct mmlens_stats stats = { .size = sizeof(stats), .op = op };

		EXPECT_EQ(0, ioctl(fd, MMLENS_IOC_STATS, &stats)) TH_LOG("op %u", op);
		EXPECT_EQ(op, stats.op);
	}
	for (unsigned int op = MMLENS_OP_COUNT; op; op <<= 1)
		EXPECT_REFUSED(fd, MMLENS_IOC_STATS, struct mmlens_stats, .op = op);
	EXPECT_REFUSED(fd, MMLENS_IOC_STATS, struct mmlens_stats, .op = ~0u);
}

TEST(programs_of_32_bits_have_the_same_structs)
{
	int fd = device_open(O_RDWR), fds[2], status;
	char text[64] = "";
	pid_t pid;

	for (int i = 0; i < 3; i++)
		ASSERT_NE(MAP_FAILED, device_map(fd, PROT_READ, MAP_SHARED, 1, 0));
	ASSERT_EQ(0, pipe(fds));
	pid = fork();
	if (!pid) {
		int output = dup2(fds[1], 101);

		/* Out of the way first: dup2() onto itself would keep O_CLOEXEC. */
		dup2(dup2(fd, 100), 3);
		dup2(output, STDOUT_FILENO);
		execl("./ioctl32", "ioctl32", NULL);
		_exit(200 + (errno != ENOENT && errno != ENOEXEC));
	}
	close(fds[1]);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	if (WEXITSTATUS(status) == 200)
		SKIP(return, "cannot run a 32-bit program");
	/* EINVAL without a size; SETUP is EBUSY, the last one ENOTTY. */
	EXPECT_EQ(41, read(fds[0], text, sizeof(text) - 1));
	EXPECT_STREQ("0022002216220022002200220022002200222525\n", text);
	EXPECT_EQ(3, WEXITSTATUS(status));
}

TEST(structs_have_no_padding_that_differs)
{
	/* What programs of 32 bits have, and programs of other compilers. */
	EXPECT_EQ(112, sizeof(struct mmlens_info));
	EXPECT_EQ(344, sizeof(struct mmlens_stats));
	EXPECT_EQ(48, sizeof(struct mmlens_setup));
	EXPECT_EQ(48, sizeof(struct mmlens_event));
	EXPECT_EQ(32, sizeof(struct mmlens_events));
	EXPECT_EQ(48, sizeof(struct mmlens_dirty));
	EXPECT_EQ(8, sizeof(struct mmlens_revoke));
	EXPECT_EQ(72, sizeof(struct mmlens_vma));
	EXPECT_EQ(24, sizeof(struct mmlens_step));
	EXPECT_EQ(352, sizeof(struct mmlens_query));
	EXPECT_EQ(16, sizeof(struct mmlens_text));
	EXPECT_EQ(8, sizeof(struct mmlens_attach));
	EXPECT_EQ(88, sizeof(struct mmlens_machine));
}

TEST(info_tells_what_the_buffer_is)
{
	int fd = device_open(O_RDWR);
	struct mmlens_info info = device_info(fd);

	EXPECT_EQ(sizeof(info), info.size);
	EXPECT_EQ(MMLENS_BACKING_NONE, info.backing);
	EXPECT_EQ(0, info.bytes);
	EXPECT_EQ(0, info.mappings);
	EXPECT_EQ(page_size(), info.page_size);
	EXPECT_EQ(0, info.reserved);
	EXPECT_EQ(0, info.revoked);
	EXPECT_EQ(0, info.area_address);
	EXPECT_NE(device_info(device_open(O_RDWR)).id, info.id);
	ASSERT_NE(MAP_FAILED, device_map(fd, PROT_READ, MAP_SHARED, 3, 0));
	ASSERT_NE(MAP_FAILED, device_map(fd, PROT_READ, MAP_PRIVATE, 1, 2));
	info = device_info(fd);
	EXPECT_EQ(MMLENS_BACKING_VMALLOC, info.backing);
	EXPECT_EQ(3 * page_size(), info.bytes);
	EXPECT_EQ(2, info.mappings);
	EXPECT_EQ(MMLENS_STRATEGY_LAZY, info.strategy);
	EXPECT_EQ(MMLENS_PAGE_KIND_NORMAL, info.page_kind);
	EXPECT_EQ(MMLENS_CACHE_WB, info.cache);
	EXPECT_EQ(MMLENS_SETUP_TRACK, info.flags);
	EXPECT_EQ(MMLENS_AREA_ALLOC, info.area);
	EXPECT_NE(0, info.area_address);
	EXPECT_EQ(0, info.phys);
	EXPECT_EQ(3, info.allocated_pages);
	EXPECT_EQ(0, info.dirty_pages);
}

TEST(kernel_addresses_are_for_administrators)
{
	int fd = device_open(O_RDWR), status;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, device_map(fd, PROT_READ, MAP_SHARED, 3, 0));
	EXPECT_NE(0, device_info(fd).area_address);
	/* Who was passed the descriptor, and has no rights. */
	pid = fork();
	if (!pid) {
		if (setresuid(65534, 65534, 65534))
			_exit(2);
		_exit(device_info(fd).area_address || device_info(fd).phys ||
		      device_info(fd).area != MMLENS_AREA_ALLOC);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

TEST(fdinfo_says_the_same)
{
	int fd = device_open(O_RDWR);
	char *map = device_map(fd, PROT_READ | PROT_WRITE, MAP_SHARED, 3, 0);
	char path[64], want[256], *text;

	ASSERT_NE(MAP_FAILED, map);
	fill_pages(map, 2, 1);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	text = read_file(path, NULL);
	ASSERT_NE(NULL, text);
	snprintf(want, sizeof(want), "\nmmlens-id:\t%llu\nmmlens-bytes:\t%zu\n"
		 "mmlens-mappings:\t1\nmmlens-setup:\tvmalloc,normal,lazy,wb,track\n"
		 "mmlens-faults:\t2\nmmlens-page-mkwrites:\t2\nmmlens-dirty:\t2\n"
		 "mmlens-revoked:\t0\n", device_info(fd).id, (size_t)(3 * page_size()));
	EXPECT_NE(NULL, strstr(text, want)) TH_LOG("%s", text);
	free(text);
}

TEST(the_node_is_root_s)
{
	struct stat st;

	ASSERT_EQ(0, stat(DEVICE, &st));
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_EQ(0600, st.st_mode & 07777);
	EXPECT_EQ(0, st.st_uid);
}

TEST_HARNESS_MAIN

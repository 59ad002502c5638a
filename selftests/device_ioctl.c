// SPDX-License-Identifier: GPL-2.0
/* The ioctls: structs of any version, wrong numbers and wrong pointers. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/util.h"

#define LARGEST 256

FIXTURE(device_ioctl)
{
	int fd;
	char *map;
};

FIXTURE_VARIANT(device_ioctl)
{
	unsigned int nr, size;
};

FIXTURE_VARIANT_ADD(device_ioctl, info)
{
	.nr = _IOC_NR(MMLENS_IOC_INFO),
	.size = sizeof(struct mmlens_info),
};

FIXTURE_VARIANT_ADD(device_ioctl, stats)
{
	.nr = _IOC_NR(MMLENS_IOC_STATS),
	.size = sizeof(struct mmlens_stats),
};

FIXTURE_SETUP(device_ioctl)
{
	self->fd = device_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	self->map = device_map(self->fd, PROT_READ, MAP_SHARED, 3, 0);
	ASSERT_NE(MAP_FAILED, self->map);
}

FIXTURE_TEARDOWN(device_ioctl)
{
}

/* The ioctl as a program with a struct of another size would do it. */
static int sized_ioctl(int fd, unsigned int nr, unsigned int size, void *arg)
{
	return ioctl(fd, _IOC(_IOC_READ | _IOC_WRITE, MMLENS_IOC_MAGIC, nr, size), arg) ? errno : 0;
}

TEST_F(device_ioctl, takes_its_own_size)
{
	__u32 arg[LARGEST / 4] = { variant->size };

	EXPECT_EQ(0, sized_ioctl(self->fd, variant->nr, variant->size, arg));
	EXPECT_EQ(variant->size, arg[0]);
	/* Not a byte behind the struct is written. */
	for (unsigned int i = variant->size / 4; i < ARRAY_SIZE(arg); i++)
		EXPECT_EQ(0, arg[i]);
}

TEST_F(device_ioctl, refuses_less_than_the_first_version)
{
	for (unsigned int size = 0; size < variant->size; size++) {
		__u32 arg[LARGEST / 4] = { size };

		EXPECT_EQ(EINVAL, sized_ioctl(self->fd, variant->nr, size, arg))
			TH_LOG("size %u", size);
	}
}

TEST_F(device_ioctl, takes_a_larger_struct_that_ends_in_zeros)
{
	for (unsigned int size = variant->size + 1; size <= LARGEST; size++) {
		unsigned char arg[LARGEST + 1] = {};

		memcpy(arg, &size, sizeof(size));
		EXPECT_EQ(0, sized_ioctl(self->fd, variant->nr, size, arg)) TH_LOG("size %u", size);
		EXPECT_EQ(0, memcmp(arg, &size, sizeof(size)));
		for (unsigned int i = variant->size; i <= LARGEST; i++)
			EXPECT_EQ(0, arg[i]);
	}
}

TEST_F(device_ioctl, refuses_something_it_does_not_know)
{
	for (unsigned int at = variant->size; at < LARGEST; at++) {
		unsigned char arg[LARGEST] = {};
		unsigned int size = LARGEST;

		memcpy(arg, &size, sizeof(size));
		arg[at] = 0x80;
		EXPECT_EQ(E2BIG, sized_ioctl(self->fd, variant->nr, size, arg));
	}
}

TEST_F(device_ioctl, refuses_a_size_that_is_not_in_the_number)
{
	const __u32 wrong[] = { 0, 1, variant->size - 1, variant->size + 1, LARGEST, ~0u };

	for (unsigned int i = 0; i < ARRAY_SIZE(wrong); i++) {
		__u32 arg[LARGEST / 4] = { wrong[i] };

		EXPECT_EQ(EINVAL, sized_ioctl(self->fd, variant->nr, variant->size, arg));
		EXPECT_EQ(wrong[i], arg[0]);
	}
}

TEST_F(device_ioctl, refuses_a_reserved_member)
{
	struct mmlens_info info = { .size = sizeof(info), .reserved = 1 };
	struct mmlens_stats stats = { .size = sizeof(stats), .reserved = 1 };
	void *arg = variant->nr == _IOC_NR(MMLENS_IOC_INFO) ? (void *)&info : (void *)&stats;

	EXPECT_EQ(EINVAL, sized_ioctl(self->fd, variant->nr, variant->size, arg));
}

TEST_F(device_ioctl, refuses_other_numbers)
{
	__u32 arg[LARGEST / 4] = { variant->size };
	unsigned int good = _IOC(_IOC_READ | _IOC_WRITE, MMLENS_IOC_MAGIC, variant->nr,
				 variant->size);

	for (unsigned int nr = 2; nr < 256; nr++)
		EXPECT_EQ(ENOTTY, sized_ioctl(self->fd, nr, variant->size, arg));
	for (unsigned int type = 0; type < 256; type++) {
		unsigned int other = (good & ~(0xffu << _IOC_TYPESHIFT)) | type << _IOC_TYPESHIFT;

		if (type != MMLENS_IOC_MAGIC && type != 'T' && type != 'f') {
			EXPECT_EQ(-1, ioctl(self->fd, other, arg));
			EXPECT_EQ(ENOTTY, errno) TH_LOG("type %#x", type);
		}
	}
}

TEST_F(device_ioctl, refuses_bad_pointers)
{
	char *pages = mmap(NULL, 2 * page_size(), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	__u32 *last = (__u32 *)(pages + page_size() - variant->size);

	EXPECT_EQ(EFAULT, sized_ioctl(self->fd, variant->nr, variant->size, NULL));
	EXPECT_EQ(EFAULT, sized_ioctl(self->fd, variant->nr, variant->size, (void *)-1L));
	EXPECT_EQ(EFAULT, sized_ioctl(self->fd, variant->nr, variant->size,
				      (void *)0xffff888000000000));
	/* The struct is at the end of the last page that is there. */
	ASSERT_EQ(0, munmap(pages + page_size(), page_size()));
	*last = variant->size;
	EXPECT_EQ(0, sized_ioctl(self->fd, variant->nr, variant->size, last));
	/* Half of it, and half of what a larger one adds. */
	EXPECT_EQ(EFAULT, sized_ioctl(self->fd, variant->nr, variant->size, last + 2));
	*last = variant->size + 8;
	EXPECT_EQ(EFAULT, sized_ioctl(self->fd, variant->nr, variant->size + 8, last));
	/* It can be read, the answer cannot be written. */
	*last = variant->size;
	ASSERT_EQ(0, mprotect(pages, page_size(), PROT_READ));
	EXPECT_EQ(EFAULT, sized_ioctl(self->fd, variant->nr, variant->size, last));
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
	ASSERT_NE(MAP_FAILED, device_map(fd, PROT_READ, MAP_SHARED, 3, 0));
	ASSERT_NE(MAP_FAILED, device_map(fd, PROT_READ, MAP_PRIVATE, 1, 2));
	info = device_info(fd);
	EXPECT_EQ(MMLENS_BACKING_VMALLOC, info.backing);
	EXPECT_EQ(3 * page_size(), info.bytes);
	EXPECT_EQ(2, info.mappings);
}

TEST(fdinfo_says_the_same)
{
	int fd = device_open(O_RDWR);
	char *map = device_map(fd, PROT_READ | PROT_WRITE, MAP_SHARED, 3, 0);
	char path[64], want[160], *text;

	ASSERT_NE(MAP_FAILED, map);
	fill_pages(map, 2, 1);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	text = read_file(path, NULL);
	ASSERT_NE(NULL, text);
	snprintf(want, sizeof(want), "\nmmlens-bytes:\t%zu\nmmlens-mappings:\t1\n"
		 "mmlens-faults:\t2\nmmlens-page-mkwrites:\t2\n", (size_t)(3 * page_size()));
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

TEST(reads_writes_and_seeks_are_refused)
{
	int fd = device_open(O_RDWR);
	char byte = 0;

	EXPECT_EQ(-1, read(fd, &byte, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, write(fd, &byte, 1));
	EXPECT_EQ(EINVAL, errno);
}

TEST_HARNESS_MAIN

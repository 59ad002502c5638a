// SPDX-License-Identifier: GPL-2.0
/* What mmap() and its relatives do to a buffer. */
#include <fcntl.h>
#include <linux/mman.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/util.h"

#define PAGES 8
#define RW (PROT_READ | PROT_WRITE)

FIXTURE(device_mmap)
{
	int fd;
	size_t page;
	char *map;	/* PAGES shared and writable pages: the whole buffer */
};

FIXTURE_SETUP(device_mmap)
{
	self->page = page_size();
	self->fd = device_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	self->map = device_map(self->fd, RW, MAP_SHARED, PAGES, 0);
	ASSERT_NE(MAP_FAILED, self->map);
}

FIXTURE_TEARDOWN(device_mmap)
{
}

TEST_F(device_mmap, is_zeroed)
{
	EXPECT_TRUE(pages_are_zero(self->map, PAGES));
}

TEST_F(device_mmap, zeroed_again_after_another_buffer_was_freed)
{
	memset(self->map, 0x5a, PAGES * self->page);
	munmap(self->map, PAGES * self->page);
	close(self->fd);
	for (int i = 0; i < 16; i++) {
		int fd = device_open(O_RDWR);
		char *map = device_map(fd, RW, MAP_SHARED, PAGES, 0);

		ASSERT_NE(MAP_FAILED, map);
		EXPECT_TRUE(pages_are_zero(map, PAGES));
		memset(map, 0x5a, PAGES * self->page);
		munmap(map, PAGES * self->page);
		close(fd);
	}
}

TEST_F(device_mmap, first_mapping_decides_the_size)
{
	int fd = device_open(O_RDWR);

	EXPECT_EQ(0, device_info(fd).bytes);
	EXPECT_EQ(MMLENS_BACKING_NONE, device_info(fd).backing);
	EXPECT_EQ(PAGES * self->page, device_info(self->fd).bytes);
	EXPECT_EQ(MMLENS_BACKING_VMALLOC, device_info(self->fd).backing);

	/* A part of a page is a page. */
	ASSERT_NE(MAP_FAILED, mmap(NULL, 2 * self->page + 1, PROT_READ, MAP_SHARED, fd, 0));
	EXPECT_EQ(3 * self->page, device_info(fd).bytes);
}

TEST_F(device_mmap, first_mapping_must_begin_at_0)
{
	int fd = device_open(O_RDWR);

	EXPECT_EQ(MAP_FAILED, device_map(fd, RW, MAP_SHARED, 1, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, device_info(fd).bytes);
	EXPECT_EQ(0, device_done(fd, MMLENS_OP_MMAP));
}

TEST_F(device_mmap, every_part_of_the_buffer_can_be_mapped)
{
	fill_pages(self->map, PAGES, 1);
	for (size_t at = 0; at < PAGES; at++) {
		for (size_t nr = 1; nr <= PAGES - at; nr++) {
			char *map = device_map(self->fd, PROT_READ, MAP_SHARED, nr, at);

			ASSERT_NE(MAP_FAILED, map);
			EXPECT_TRUE(pages_have(map, nr, 1 + at));
			munmap(map, nr * self->page);
		}
	}
}

TEST_F(device_mmap, nothing_outside_of_the_buffer_can_be_mapped)
{
	/* One more than the last page that an offset can name. */
	const size_t end = SIZE_MAX / self->page + 1;
	const struct { size_t pages, at; } wrong[] = {
		{ 1, PAGES },			/* the off-by-one */
		{ PAGES + 1, 0 },
		{ 2, PAGES - 1 },
		{ PAGES, 1 },
		{ 1, PAGES + 1 },
		{ 1, 1UL << 40 },
		{ 1, end / 2 - 1 },
		{ 1, end - 2 },			/* the last one that the core lets through */
		{ 2, end - 3 },
	};
	__u64 mmaps = device_done(self->fd, MMLENS_OP_MMAP);

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		for (int flags = MAP_SHARED; flags <= MAP_PRIVATE; flags++) {
			EXPECT_EQ(MAP_FAILED, device_map(self->fd, PROT_READ, flags, wrong[i].pages,
							 wrong[i].at));
			EXPECT_EQ(EINVAL, errno)
				TH_LOG("pages %zu at %zu", wrong[i].pages, wrong[i].at);
		}
	}
	/* The end of the offset wraps: the core's own check. */
	EXPECT_EQ(MAP_FAILED, device_map(self->fd, PROT_READ, MAP_SHARED, 1, end - 1));
	EXPECT_EQ(EOVERFLOW, errno);
	EXPECT_EQ(mmaps, device_done(self->fd, MMLENS_OP_MMAP));
	EXPECT_EQ(1, device_info(self->fd).mappings);
}

TEST_F(device_mmap, buffers_have_a_largest_size)
{
	int fd = device_open(O_RDWR);
	__u64 max = device_info(fd).max_bytes;

	EXPECT_EQ(read_number("/sys/module/mmlens/parameters/max_buffer_mib") < 0 ? 256 :
		  read_number("/sys/module/mmlens/parameters/max_buffer_mib"), (long)(max >> 20));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, max + 1, RW, MAP_SHARED, fd, 0));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 1UL << 40, RW, MAP_SHARED, fd, 0));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(0, device_info(fd).bytes);
	/* And the file can still be used. */
	EXPECT_NE(MAP_FAILED, device_map(fd, RW, MAP_SHARED, 1, 0));
}

TEST_F(device_mmap, read_only_file_gives_no_shared_writable_mapping)
{
	int fd = device_open(O_RDONLY);
	char *map;

	EXPECT_EQ(MAP_FAILED, device_map(fd, RW, MAP_SHARED, 2, 0));
	EXPECT_EQ(EACCES, errno);
	map = device_map(fd, PROT_READ, MAP_SHARED, 2, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-1, mprotect(map, self->page, RW));
	EXPECT_EQ(EACCES, errno);
	/* A private one is the process' own affair. */
	map = device_map(fd, RW, MAP_PRIVATE, 2, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(0, access_signal(map, true));
}

TEST_F(device_mmap, write_only_file_cannot_be_mapped)
{
	int fd = device_open(O_WRONLY);

	EXPECT_EQ(MAP_FAILED, device_map(fd, RW, MAP_SHARED, 1, 0));
	EXPECT_EQ(EACCES, errno);
}

TEST_F(device_mmap, private_writes_do_not_reach_the_buffer)
{
	char *map = device_map(self->fd, RW, MAP_PRIVATE, PAGES, 0);

	ASSERT_NE(MAP_FAILED, map);
	fill_pages(self->map, PAGES, 1);
	EXPECT_TRUE(pages_have(map, PAGES, 1));
	fill_pages(map, PAGES, 2);
	EXPECT_TRUE(pages_have(map, PAGES, 2));
	EXPECT_TRUE(pages_have(self->map, PAGES, 1));
	/* Nor do later ones of the buffer change the copies. */
	fill_pages(self->map, PAGES, 3);
	EXPECT_TRUE(pages_have(map, PAGES, 2));
	/* Given up, the copies are the buffer again. */
	ASSERT_EQ(0, madvise(map, PAGES * self->page, MADV_DONTNEED));
	EXPECT_TRUE(pages_have(map, PAGES, 3));
}

TEST_F(device_mmap, two_opens_are_two_buffers)
{
	int fd = device_open(O_RDWR);
	char *map = device_map(fd, RW, MAP_SHARED, PAGES, 0);

	ASSERT_NE(MAP_FAILED, map);
	fill_pages(map, PAGES, 1);
	EXPECT_TRUE(pages_are_zero(self->map, PAGES));
	EXPECT_EQ(1, device_done(self->fd, MMLENS_OP_MMAP));
}

TEST_F(device_mmap, shared_with_a_child_and_a_second_mapping)
{
	char *second = device_map(self->fd, RW, MAP_SHARED, PAGES, 0);
	int status;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, second);
	fill_pages(self->map, PAGES, 1);
	pid = fork();
	if (!pid) {
		bool good = pages_have(self->map, PAGES, 1) && pages_have(second, PAGES, 1);

		fill_pages(second, PAGES, 2);
		_exit(!good);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_TRUE(pages_have(self->map, PAGES, 2));
	EXPECT_TRUE(pages_have(second, PAGES, 2));
}

TEST_F(device_mmap, shared_by_a_descriptor_in_a_message)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control = {};
	char byte = 0;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	int sockets[2], received;
	char *map;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &self->fd, sizeof(int));
	ASSERT_EQ(1, sendmsg(sockets[0], &message, 0));
	/* While it is under way, nobody else has it. */
	munmap(self->map, PAGES * self->page);
	close(self->fd);
	ASSERT_EQ(1, recvmsg(sockets[1], &message, 0));
	memcpy(&received, CMSG_DATA(&control.header), sizeof(int));
	EXPECT_EQ(PAGES * self->page, device_info(received).bytes);
	map = device_map(received, RW, MAP_SHARED, PAGES, 0);
	ASSERT_NE(MAP_FAILED, map);
	fill_pages(map, PAGES, 1);
	EXPECT_TRUE(pages_have(map, PAGES, 1));
}

TEST_F(device_mmap, memory_outlives_the_descriptor)
{
	fill_pages(self->map, PAGES / 2, 1);
	close(self->fd);
	EXPECT_TRUE(pages_have(self->map, PAGES / 2, 1));
	/* Pages that were never touched too. */
	fill_pages(self->map, PAGES, 2);
	EXPECT_TRUE(pages_have(self->map, PAGES, 2));
}

TEST_F(device_mmap, unmapping_a_part_leaves_the_rest)
{
	const struct { size_t at, pages; } cuts[] = { { 0, 1 }, { PAGES - 1, 1 }, { 3, 2 } };
	char *second = device_map(self->fd, RW, MAP_SHARED, PAGES, 0);

	fill_pages(self->map, PAGES, 1);
	for (size_t i = 0; i < ARRAY_SIZE(cuts); i++)
		ASSERT_EQ(0, munmap(self->map + cuts[i].at * self->page,
				    cuts[i].pages * self->page));
	for (size_t at = 0; at < PAGES; at++) {
		bool gone = at == 0 || at == PAGES - 1 || at == 3 || at == 4;
		char *p = self->map + at * self->page;

		EXPECT_EQ(gone ? SIGSEGV : 0, access_signal(p, false)) TH_LOG("page %zu", at);
		if (!gone)
			EXPECT_TRUE(pages_have(p, 1, 1 + at));
	}
	EXPECT_TRUE(pages_have(second, PAGES, 1));
}

TEST_F(device_mmap, protection_of_a_part)
{
	char *middle = self->map + 3 * self->page;

	fill_pages(self->map, PAGES, 1);
	ASSERT_EQ(0, mprotect(middle, 2 * self->page, PROT_READ));
	EXPECT_EQ(SIGSEGV, access_signal(middle, true));
	EXPECT_EQ(0, access_signal(middle, false));
	EXPECT_EQ(0, access_signal(middle - self->page, true));
	EXPECT_EQ(0, access_signal(middle + 2 * self->page, true));
	ASSERT_EQ(0, mprotect(middle, 2 * self->page, PROT_NONE));
	EXPECT_EQ(SIGSEGV, access_signal(middle, false));
	ASSERT_EQ(0, mprotect(middle, 2 * self->page, RW));
	EXPECT_TRUE(pages_have(self->map, PAGES, 1));
	EXPECT_EQ(0, access_signal(middle, true));
}

TEST_F(device_mmap, mremap_moves_and_shrinks)
{
	char *target = mmap(NULL, 2 * PAGES * self->page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
	char *moved;

	fill_pages(self->map, PAGES / 2, 1);
	moved = mremap(self->map, PAGES * self->page, PAGES * self->page,
		       MREMAP_MAYMOVE | MREMAP_FIXED, target);
	ASSERT_EQ(target, moved);
	EXPECT_EQ(SIGSEGV, access_signal(self->map, false));
	EXPECT_TRUE(pages_have(moved, PAGES / 2, 1));
	EXPECT_EQ(0, access_signal(moved + (PAGES - 1) * self->page, true));

	ASSERT_EQ(moved, mremap(moved, PAGES * self->page, 2 * self->page, 0));
	EXPECT_TRUE(pages_have(moved, 2, 1));
	EXPECT_EQ(SIGSEGV, access_signal(moved + 2 * self->page, false));
	EXPECT_EQ(PAGES * self->page, device_info(self->fd).bytes);

	/* A part of a mapping, from its middle. */
	fill_pages(moved, 2, 5);
	ASSERT_EQ(target + PAGES * self->page,
		  mremap(moved + self->page, self->page, self->page, MREMAP_MAYMOVE | MREMAP_FIXED,
			 target + PAGES * self->page));
	EXPECT_TRUE(pages_have(target + PAGES * self->page, 1, 6));
	EXPECT_TRUE(pages_have(moved, 1, 5));
}

TEST_F(device_mmap, mremap_cannot_grow)
{
	char *part = device_map(self->fd, RW, MAP_SHARED, 2, 0);
	struct mmlens_stats faults;

	EXPECT_EQ(MAP_FAILED, mremap(self->map, PAGES * self->page, (PAGES + 1) * self->page,
				     MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);
	/* Not even where the buffer goes on. */
	EXPECT_EQ(MAP_FAILED, mremap(part, 2 * self->page, 3 * self->page, MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);
	/* An old length of 0 makes a second mapping, of any length. */
	EXPECT_EQ(MAP_FAILED, mremap(part, 0, 2 * PAGES * self->page, MREMAP_MAYMOVE));
	EXPECT_EQ(MAP_FAILED, mremap(self->map, PAGES * self->page, PAGES * self->page,
				     MREMAP_MAYMOVE | MREMAP_DONTUNMAP));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, access_signal(self->map + (PAGES - 1) * self->page, true));
	faults = device_op(self->fd, MMLENS_OP_FAULT);
	EXPECT_EQ(1, faults.outcome[MMLENS_OUTCOME_DONE]);
	EXPECT_EQ(0, faults.outcome[MMLENS_OUTCOME_SIGBUS]);
}

TEST_F(device_mmap, remap_file_pages_stays_inside)
{
	fill_pages(self->map, PAGES, 1);
	/* Page 5 of the buffer, where page 2 is. */
	ASSERT_EQ(0, syscall(__NR_remap_file_pages, self->map + 2 * self->page, self->page, 0, 5,
			     0));
	EXPECT_TRUE(pages_have(self->map + 2 * self->page, 1, 6));
	EXPECT_TRUE(pages_have(self->map + 5 * self->page, 1, 6));
	/* Past the end. What was mapped there may be gone: a fixed mapping failed. */
	EXPECT_EQ(-1, syscall(__NR_remap_file_pages, self->map, self->page, 0, PAGES, 0));
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(device_mmap, is_not_dumped_and_does_not_expand)
{
	struct proc_vmas vmas;
	const struct proc_vma *vma;

	ASSERT_EQ(0, proc_vmas(getpid(), true, &vmas));
	vma = proc_find(&vmas, (uintptr_t)self->map);
	ASSERT_NE(NULL, vma);
	EXPECT_TRUE(proc_has_flag(vma, "de"));
	EXPECT_TRUE(proc_has_flag(vma, "dd"));
	/* Normal pages: others may get at them. */
	EXPECT_FALSE(proc_has_flag(vma, "pf"));
	EXPECT_FALSE(proc_has_flag(vma, "io"));
	EXPECT_STREQ(DEVICE, vma->name);
	proc_vmas_free(&vmas);
}

TEST_F(device_mmap, advice_to_drop_pages_loses_nothing)
{
	fill_pages(self->map, PAGES, 1);
	ASSERT_EQ(0, madvise(self->map, PAGES * self->page, MADV_DONTNEED));
	EXPECT_TRUE(pages_have(self->map, PAGES, 1));
	EXPECT_EQ(2 * PAGES, device_done(self->fd, MMLENS_OP_FAULT));
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/* A buffer that is taken away: nobody reaches it, until it is given back with what it had. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "lib/device.h"
#include "lib/kinds.h"
#include "lib/race.h"
#include "lib/setups.h"
#include "lib/util.h"

FIXTURE(revoke)
{
	size_t page, pages, size;
	int fd, mem;
	char *map;
	/* A process that has the mapping by fork, and answers: see serve(). */
	pid_t child;
	int socket;
};

FIXTURE_VARIANT(revoke)
{
	const char *words;
};

FIXTURE_VARIANT_ADD(revoke, lazy) { .words = "vmalloc,normal,lazy,track" };
FIXTURE_VARIANT_ADD(revoke, around) { .words = "vmap,normal,around=8" };
FIXTURE_VARIANT_ADD(revoke, eager) { .words = "contig,normal,eager,track" };
FIXTURE_VARIANT_ADD(revoke, remap) { .words = "vmalloc,normal,remap" };
FIXTURE_VARIANT_ADD(revoke, sparse) { .words = "sparse,normal,around=4,track" };
FIXTURE_VARIANT_ADD(revoke, huge) { .words = "contig,normal,huge" };
FIXTURE_VARIANT_ADD(revoke, frames) { .words = "vmalloc,pfnmap,lazy" };
FIXTURE_VARIANT_ADD(revoke, frames_around) { .words = "vmap,pfnmap,around=16,track" };
FIXTURE_VARIANT_ADD(revoke, frames_eager) { .words = "vmap,pfnmap,eager,track" };
FIXTURE_VARIANT_ADD(revoke, frames_remap) { .words = "contig,pfnmap,remap" };
FIXTURE_VARIANT_ADD(revoke, frames_huge) { .words = "contig,pfnmap,huge" };
FIXTURE_VARIANT_ADD(revoke, mixed) { .words = "vmalloc,mixed,around=8" };
FIXTURE_VARIANT_ADD(revoke, mixed_eager) { .words = "vmap,mixed,eager" };

#define SMALL 24

static bool has_word(const char *words, const char *word)
{
	return strstr(words, word);
}

static void serve(int socket, char *map, size_t pages);

FIXTURE_SETUP(revoke)
{
	bool huge = has_word(variant->words, "huge");
	int sockets[2];

	if (huge && !has_huge_pages())
		SKIP(return, "this kernel has no transparent huge pages");
	self->page = page_size();
	self->size = huge ? 2 * pmd_size() : SMALL * self->page;
	self->pages = self->size / self->page;
	self->mem = open("/proc/self/mem", O_RDWR);
	self->fd = device_make(variant->words, self->pages);
	if (huge && self->fd == -ENOMEM)
		SKIP(return, "there are no huge pages left");
	ASSERT_LE(0, self->fd) TH_LOG("%s: %s", variant->words, strerror(-self->fd));
	/* Aligned, so that huge pages fit. */
	self->map = map_aligned(PROT_NONE, MAP_PRIVATE, self->size, pmd_size());
	ASSERT_EQ(self->map, mmap(self->map, self->size, RW, MAP_SHARED | MAP_FIXED, self->fd, 0));
	fill_pages(self->map, self->pages, 1);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	self->socket = sockets[0];
	self->child = child_fork();
	if (!self->child) {
		serve(sockets[1], self->map, self->pages);
	}
}

FIXTURE_TEARDOWN(revoke)
{
	target_end(self->child);
}

static int receive_fd(int socket, char *byte)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control = {};
	struct iovec iov = { .iov_base = byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	int fd = -1;

	if (recvmsg(socket, &message, 0) == 1 && message.msg_controllen)
		memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	return fd;
}

static bool send_fd(int socket, int fd)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control = {};
	struct iovec iov = { .iov_base = "d", .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	return sendmsg(socket, &message, 0) == 1;
}

/*
 * Whether all pages give this signal / none, by reads and writes that change nothing. Of thousands,
 * which are parts of huge pages, some and the last do.
 */
static bool all_give(char *map, size_t pages, int signal)
{
	size_t step = pages > SMALL ? 31 : 1;

	for (size_t i = (pages - 1) % step; i < pages; i += step)
		if (access_signal(map + i * page_size(), i & 1) != signal ||
		    access_signal(map + i * page_size(), !(i & 1)) != signal)
			return false;
	return true;
}

/* The child: answers whether what it was asked for is so. Its own descriptor comes first. */
static void serve(int socket, char *map, size_t pages)
{
	char request, answer;
	int fd = receive_fd(socket, &request);
	char *second = device_map(fd, RW, MAP_SHARED, pages, 0);

	answer = second != MAP_FAILED && pages_have(map, pages, 1) && pages_have(second, pages, 1);
	while (write(socket, &answer, 1) == 1 && read(socket, &request, 1) == 1) {
		if (request == 'b')
			answer = all_give(map, pages, SIGBUS) && all_give(second, pages, SIGBUS) &&
				 pread(fd, &request, 1, 0) == -1 && errno == EIO &&
				 device_map(fd, RW, MAP_SHARED, 1, 0) == MAP_FAILED &&
				 errno == EIO;
		else
			answer = pages_have(map, pages, 1) && pages_have(second, pages, 1) &&
				 all_give(map, pages, 0) && all_give(second, pages, 0);
	}
	_exit(0);
}

static bool child_agrees(int socket, char request)
{
	char answer = 0;

	return write(socket, &request, 1) == 1 && read(socket, &answer, 1) == 1 && answer;
}

#define EXPECT_ERROR(error, call) do { \
	EXPECT_EQ(-1, (long)(call)); \
	EXPECT_EQ(error, errno); \
} while (0)

TEST_F(revoke, nobody_reaches_it_until_it_is_restored)
{
	char *second = device_map(self->fd, RW, MAP_SHARED, self->pages, 0), bytes[8] = {};
	struct iovec local = { .iov_base = bytes, .iov_len = 8 };
	struct iovec remote = { .iov_base = self->map + 8, .iov_len = 8 };
	char answer = 0;

	ASSERT_NE(MAP_FAILED, second);
	ASSERT_TRUE(send_fd(self->socket, self->fd));
	ASSERT_EQ(1, read(self->socket, &answer, 1));
	EXPECT_EQ(1, answer);
	EXPECT_TRUE(pages_have(second, self->pages, 1));
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, device_revoke(self->fd, i ? MMLENS_REVOKE_COWS : 0));
		EXPECT_TRUE(all_give(self->map, self->pages, SIGBUS));
		EXPECT_TRUE(all_give(second, self->pages, SIGBUS));
		EXPECT_TRUE(child_agrees(self->socket, 'b'));
		EXPECT_ERROR(EIO, pread(self->fd, bytes, 1, 0));
		EXPECT_ERROR(EIO, pwrite(self->fd, bytes, 1, self->size - 1));
		EXPECT_ERROR(EIO, device_map(self->fd, PROT_READ, MAP_SHARED, 1, 0));
		EXPECT_EQ(-1, pread(self->mem, bytes, 8, (uintptr_t)self->map + 8));
		EXPECT_EQ(-1, pwrite(self->mem, bytes, 8, (uintptr_t)self->map + 8));
		EXPECT_ERROR(EFAULT, process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
		/* A mapping can still be moved about and go; that brings nothing back. */
		ASSERT_EQ(0, mprotect(second, self->page, PROT_READ));
		ASSERT_EQ(0, mprotect(second, self->page, RW));
		EXPECT_TRUE(all_give(second, 1, SIGBUS));
		ASSERT_EQ(0, device_restore(self->fd));
		EXPECT_TRUE(pages_have(self->map, self->pages, 1));
		EXPECT_TRUE(pages_have(second, self->pages, 1));
		EXPECT_TRUE(child_agrees(self->socket, 'r'));
		EXPECT_TRUE(all_give(self->map, self->pages, 0));
		EXPECT_EQ(8, pread(self->mem, bytes, 8, (uintptr_t)self->map + 8));
		EXPECT_EQ(0, memcmp(bytes, self->map + 8, 8));
		EXPECT_EQ(8, pread(self->fd, bytes, 8, 0));
	}
}

TEST_F(revoke, private_copies_stay_unless_they_are_asked_for)
{
	char *private = device_map(self->fd, RW, MAP_PRIVATE, self->pages, 0);

	if (has_word(variant->words, "pfnmap") || has_word(variant->words, "mixed")) {
		ASSERT_EQ(MAP_FAILED, private);
		return;
	}
	ASSERT_NE(MAP_FAILED, private);
	/* The first half is copied, and of the second only the last page is mapped. */
	fill_pages(private, self->pages / 2, 2);
	EXPECT_EQ(0, access_signal(private + self->size - 1, false));
	ASSERT_EQ(0, device_revoke(self->fd, 0));
	EXPECT_TRUE(pages_have(private, self->pages / 2, 2));
	EXPECT_TRUE(all_give(private, self->pages / 2, 0));
	EXPECT_TRUE(all_give(private + self->size / 2, self->pages / 2, SIGBUS));
	ASSERT_EQ(0, device_restore(self->fd));
	EXPECT_TRUE(pages_have(private, self->pages / 2, 2));
	EXPECT_TRUE(pages_have(private + self->size / 2, self->pages / 2, 1 + self->pages / 2));
	ASSERT_EQ(0, device_revoke(self->fd, MMLENS_REVOKE_COWS));
	EXPECT_TRUE(all_give(private, self->pages, SIGBUS));
	ASSERT_EQ(0, device_restore(self->fd));
	/* They are gone for good. */
	EXPECT_TRUE(pages_have(private, self->pages, 1));
}

TEST_F(revoke, copies_go_also_if_it_is_revoked_already)
{
	char *private = device_map(self->fd, RW, MAP_PRIVATE, self->pages, 0);

	if (private == MAP_FAILED)
		SKIP(return, "there are no private mappings");
	private[8] = 1;
	ASSERT_EQ(0, device_revoke(self->fd, 0));
	EXPECT_EQ(0, access_signal(private, false));
	ASSERT_EQ(0, device_revoke(self->fd, MMLENS_REVOKE_COWS));
	EXPECT_EQ(SIGBUS, access_signal(private, false));
}

static bool fdinfo_says(int fd, const char *line)
{
	char path[64], *text;
	bool says;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	text = read_file(path, NULL);
	says = text && strstr(text, line);
	free(text);
	return says;
}

TEST_F(revoke, is_told_everywhere_and_may_be_repeated)
{
	int other = device_make(has_word(variant->words, "huge") ? "contig" : variant->words, 4);
	char *theirs = device_map(other, RW, MAP_SHARED, 4, 0);
	struct pollfd polled = { .fd = self->fd };
	int status;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, theirs);
	fill_pages(theirs, 4, 9);
	for (unsigned int bit = 1; bit < 32; bit++)
		EXPECT_EQ(-EINVAL, device_revoke(self->fd, 1u << bit));
	EXPECT_EQ(0, poll(&polled, 1, 0));
	EXPECT_EQ(0, device_info(self->fd).revoked);
	EXPECT_TRUE(fdinfo_says(self->fd, "mmlens-revoked:\t0\n"));
	/* Whoever polls is woken. */
	pid = poll_in_child(self->fd, POLLERR);
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, device_revoke(self->fd, 0));
		EXPECT_EQ(1, device_info(self->fd).revoked);
		EXPECT_TRUE(fdinfo_says(self->fd, "mmlens-revoked:\t1\n"));
		EXPECT_EQ(1, poll(&polled, 1, 0));
		EXPECT_EQ(POLLERR, polled.revents);
		EXPECT_TRUE(all_give(self->map, self->pages, SIGBUS));
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	/* Nobody else is concerned. */
	EXPECT_EQ(0, device_info(other).revoked);
	EXPECT_TRUE(pages_have(theirs, 4, 9));
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, device_restore(self->fd));
		EXPECT_EQ(0, device_info(self->fd).revoked);
		EXPECT_TRUE(fdinfo_says(self->fd, "mmlens-revoked:\t0\n"));
		EXPECT_EQ(0, poll(&polled, 1, 0));
		EXPECT_TRUE(pages_have(self->map, self->pages, 1));
	}
}

TEST_F(revoke, what_is_in_a_pipe_is_its_readers)
{
	struct iovec iov = { .iov_base = self->map + self->page, .iov_len = self->page };
	bool normal = has_word(variant->words, "normal");
	char *copy = malloc(self->page);
	int pipes[2];

	ASSERT_EQ(0, pipe(pipes));
	EXPECT_EQ(normal ? (ssize_t)self->page : -1, vmsplice(pipes[1], &iov, 1, 0));
	ASSERT_EQ(0, device_revoke(self->fd, MMLENS_REVOKE_COWS));
	EXPECT_EQ(-1, vmsplice(pipes[1], &iov, 1, 0));
	if (normal) {
		ASSERT_EQ((ssize_t)self->page, read(pipes[0], copy, self->page));
		EXPECT_TRUE(pages_have(copy, 1, 2));
	}
	free(copy);
}

/* Every so many rounds a process dies: an odd number, so that it is in each half of a round. */
#define KILL 3

/*
 * The number is odd only while REVOKE has returned and RESTORE is not called: who sees the
 * same odd number before and after an access that succeeded has found a hole.
 */
TEST_F_TIMEOUT(revoke, nothing_is_reached_in_a_race, 120)
{
	static const struct race_way ways[] = {
		{ race_load, false }, { race_store, false }, { race_drop, false },
		{ race_map, false }, { race_pread, false }, { race_pwrite, false },
		{ race_vm_readv, false },
		{ race_move, true }, { race_map, true }, { race_store, true },
	};
	const size_t threads = 7, nr = ARRAY_SIZE(ways);
	/*
	 * Each of the processes is killed once at least while nothing can be had, and once
	 * while it can. Whether a hole is found is then a matter of how many rounds there are.
	 */
	const int rounds = 6 * KILL + effort(kernel_is_slow() ? 12 : 82);
	struct racer *racers;
	struct race *race;

	target_end(self->child);
	self->child = 0;
	racers = race_start(ways, nr, self->fd, self->map);
	race = racers->race;
	for (int round = 0; round < rounds || race->reached == race->begun || !race->refused;
	     round++) {
		struct racer *victim = &racers[threads + round / KILL % (nr - threads)];

		ASSERT_EQ(0, device_revoke(self->fd, round & 1 ? MMLENS_REVOKE_COWS : 0));
		atomic_fetch_add(&race->sequence, 1);
		usleep(200 * (round % 5));
		/* In the middle of what it does: half of them while nothing can be had. */
		if (round % KILL == KILL - 1 && round & 1)
			race_kill(victim);
		atomic_fetch_add(&race->sequence, 1);
		ASSERT_EQ(0, device_restore(self->fd));
		usleep(200 * (round % 7));
		if (round % KILL != KILL - 1)
			continue;
		if (!(round & 1))
			race_kill(victim);
		race_again(victim);
	}
	EXPECT_TRUE(race_end(racers, nr));
	EXPECT_EQ(0, race->holes);
	EXPECT_EQ(1, device_info(self->fd).mappings);
	fill_pages(self->map, self->pages, 5);
	EXPECT_TRUE(pages_have(self->map, self->pages, 5));
}

TEST_HARNESS_MAIN

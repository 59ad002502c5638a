// SPDX-License-Identifier: GPL-2.0
/* Random accesses: by instructions, by the file, and from outside of the process. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz_ops.h"
#include "util.h"

#define LARGEST (4UL << 10)

void op_load(struct shadow *s)
{
	size_t place = fuzz_below(s->f, s->places), size = fuzz_from(s->f, 1, 64);

	fuzz_note("load(%zu)", place);
	shadow_load(s, place, any_offset(s, size), size);
}

void op_store(struct shadow *s)
{
	size_t place = fuzz_below(s->f, s->places), size = fuzz_from(s->f, 1, 64);

	if (fuzz_chance(s->f, 60))
		any_place_of(s, &place);
	fuzz_note("store(%zu)", place);
	shadow_store(s, place, any_offset(s, size), size);
}

/* A part of the file; if others write there too, of one page. */
static size_t any_pos(struct shadow *s, size_t *size)
{
	*size = fuzz_from(s->f, 1, s->loose ? 64 : LARGEST);
	if (s->loose)
		return fuzz_below(s->f, s->pages) * s->page + any_offset(s, *size);
	return fuzz_below(s->f, (s->pages + 1) * s->page);
}

/* How much of that there is. */
static size_t there(const struct shadow *s, size_t pos, size_t size)
{
	size_t all = s->pages * s->page;

	return pos >= all ? 0 : size < all - pos ? size : all - pos;
}

void op_pread(struct shadow *s)
{
	unsigned char bytes[LARGEST + 8];
	size_t size, pos = any_pos(s, &size), want = there(s, pos, size);
	ssize_t got;

	memset(bytes + size, 0xa5, 8);
	fuzz_note("pread(%zu, %zu)", pos, size);
	got = pread(s->fd, bytes, size, pos);
	SHADOW_EXPECT(s, got == (s->revoked && want ? -1 : (ssize_t)want), "%zd: %d", got, errno);
	SHADOW_EXPECT(s, got >= 0 || errno == EIO, "%d", errno);
	SHADOW_EXPECT(s, bytes[size] == 0xa5 && bytes[size + 7] == 0xa5, "behind");
	if (got > 0)
		shadow_file_read(s, pos, bytes, got);
}

void op_pwrite(struct shadow *s)
{
	unsigned char bytes[LARGEST];
	size_t size, pos = any_pos(s, &size), want = there(s, pos, size);
	ssize_t got;

	fuzz_fill(s->f, bytes, size < 64 ? size : 64);
	memset(bytes + 64, bytes[0], sizeof(bytes) - 64);
	fuzz_note("pwrite(%zu, %zu)", pos, size);
	got = pwrite(s->fd, bytes, size, pos);
	if (s->revoked || !want)
		SHADOW_EXPECT(s, got == -1 && errno == (want ? EIO : ENOSPC), "%zd: %d", got,
			      errno);
	else
		SHADOW_EXPECT(s, got == (ssize_t)want, "%zd: %d", got, errno);
	if (got > 0)
		shadow_file_written(s, pos, bytes, got);
}

/* By a pipe, in either direction. */
void op_splice(struct shadow *s)
{
	unsigned char bytes[LARGEST];
	size_t size, pos = any_pos(s, &size);
	loff_t at = pos;
	int fds[2];
	ssize_t got;

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK))
		return;
	if (fuzz_chance(s->f, 50)) {
		fuzz_note("splice from %zu + %zu", pos, size);
		got = splice(s->fd, &at, fds[1], NULL, size, SPLICE_F_NONBLOCK);
		if (got > 0 && read(fds[0], bytes, got) == got)
			shadow_file_read(s, pos, bytes, got);
	} else {
		fuzz_note("splice to %zu + %zu", pos, size);
		fuzz_fill(s->f, bytes, size);
		got = write(fds[1], bytes, size);
		got = got < 0 ? got : splice(fds[0], NULL, s->fd, &at, got, SPLICE_F_NONBLOCK);
		if (got > 0)
			shadow_file_written(s, pos, bytes, got);
	}
	SHADOW_EXPECT(s, got <= (ssize_t)there(s, pos, size), "%zd", got);
	close(fds[0]);
	close(fds[1]);
}

/* A range of the arena; if others write there too, of one page. */
static char *any_range(struct shadow *s, size_t *size)
{
	size_t place = fuzz_below(s->f, s->places);

	if (fuzz_chance(s->f, 80))
		any_place_of(s, &place);
	*size = fuzz_from(s->f, 1, s->loose ? 64 : LARGEST);
	if (s->loose || place == s->places - 1) {
		*size = *size < 64 ? *size : 64;
		return shadow_address(s, place, any_offset(s, *size));
	}
	return shadow_address(s, place, fuzz_below(s->f, s->page));
}

/* Whether all of it is mapped so that anybody may do that to it. */
static bool is_open(struct shadow *s, const char *at, size_t size, int prot)
{
	size_t first = (at - s->arena) / s->page, last = (at + size - 1 - s->arena) / s->page;

	for (size_t i = first; i <= last; i++)
		if (s->revoked || !s->place[i].vma || (s->place[i].prot & prot) != prot)
			return false;
	return true;
}

static void was_copied(struct shadow *s, char *at, const void *bytes, size_t size, ssize_t got,
		       bool write)
{
	SHADOW_EXPECT(s, got <= (ssize_t)size, "%zd of %zu", got, size);
	if (write) {
		if (got > 0)
			shadow_was_written(s, at, bytes, got);
		if (got < (ssize_t)size)
			shadow_was_tried(s, at, size);
	} else if (got > 0) {
		shadow_was_read(s, at, bytes, got);
	}
}

/* /proc/PID/mem reaches whatever there is, whatever its protection. */
void op_mem(struct shadow *s)
{
	bool write = fuzz_chance(s->f, 50), is_good;
	unsigned char bytes[LARGEST];
	size_t size;
	char *at = any_range(s, &size);
	ssize_t got;

	fuzz_note("%s mem(%zu + %zu, %zu)", write ? "write" : "read", (at - s->arena) / s->page,
		  (at - s->arena) % s->page, size);
	shadow_settle(s, at, size);
	is_good = is_open(s, at, size, write ? PROT_WRITE : PROT_READ);
	if (write)
		fuzz_fill(s->f, bytes, size);
	got = write ? pwrite(s->mem, bytes, size, (uintptr_t)at) :
		      pread(s->mem, bytes, size, (uintptr_t)at);
	SHADOW_EXPECT(s, !is_good || got == (ssize_t)size, "%zd of %zu: %d", got, size, errno);
	was_copied(s, at, bytes, size, got, write);
}

/* By get_user_pages(), which finds no frames that are mapped by their number. */
void op_vm(struct shadow *s)
{
	bool write = fuzz_chance(s->f, 50), is_good;
	unsigned char bytes[LARGEST];
	struct iovec local = { .iov_base = bytes }, remote;
	size_t size;
	char *at = any_range(s, &size);
	ssize_t got;

	fuzz_note("process_vm_%s(%zu + %zu, %zu)", write ? "writev" : "readv",
		  (at - s->arena) / s->page, (at - s->arena) % s->page, size);
	shadow_settle(s, at, size);
	is_good = is_normal(&s->combo) &&
		  is_open(s, at, size, write ? PROT_WRITE : PROT_READ);
	if (write)
		fuzz_fill(s->f, bytes, size);
	local.iov_len = size;
	remote = (struct iovec) { .iov_base = at, .iov_len = size };
	got = write ? process_vm_writev(getpid(), &local, 1, &remote, 1, 0) :
		      process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
	SHADOW_EXPECT(s, !is_good || got == (ssize_t)size, "%zd of %zu: %d", got, size, errno);
	was_copied(s, at, bytes, size, got, write);
}

/* A child has the same, and what it writes to shared memory is there for its parent. */
void op_fork(struct shadow *s)
{
	unsigned int accesses = fuzz_from(s->f, 1, 12);
	int status = 0;
	pid_t pid;

	fuzz_note("fork");
	pid = child_fork();
	if (!pid) {
		/* Of its own; and it may have been told not to have some of it. */
		shadow_look_at_self(s);
		shadow_sync(s);
		while (accesses--)
			(fuzz_chance(s->f, 50) ? op_load : fuzz_chance(s->f, 60) ? op_store :
			 op_mem)(s);
		if (fuzz_chance(s->f, 50))
			op_unmap(s);
		_exit(0);
	}
	if (pid < 0)
		return;
	if (s->loose && fuzz_chance(s->f, 30))
		kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	SHADOW_EXPECT(s, !status, "status %#x", status);
}

/* A debugger of a child: words of it. */
void op_trace(struct shadow *s)
{
	size_t place = fuzz_below(s->f, s->places), offset = any_offset(s, 8) & -8UL;
	char *at = shadow_address(s, place, offset);
	long word, value = fuzz_bits(s->f);
	pid_t pid;

	fuzz_note("ptrace(%zu + %zu)", place, offset);
	pid = child_fork();
	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		_exit(0);
	}
	if (pid < 0)
		return;
	waitpid(pid, NULL, 0);
	errno = 0;
	word = ptrace(PTRACE_PEEKDATA, pid, at, 0);
	if (!errno && s->place[place].vma)
		shadow_was_read(s, at, &word, sizeof(word));
	if (!ptrace(PTRACE_POKEDATA, pid, at, value) && s->place[place].shared &&
	    s->place[place].vma)
		shadow_was_written(s, at, &value, sizeof(value));
	else
		shadow_was_tried(s, at, sizeof(value));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

// SPDX-License-Identifier: GPL-2.0
/* What a process does to its mappings and tables. */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena.h"
#include "device.h"
#include "kinds.h"
#include "proc.h"
#include "util.h"

/* Unmapped, and mapped again: beside the quiet pages, and tables as a whole. */
static void neighbours(struct arena *a)
{
	size_t pages = 1 + arena_random(a, a->above_bytes / a->page);
	char *table = a->low + arena_random(a, a->low_bytes / a->table) * a->table;

	munmap(a->below, a->below_bytes);
	munmap(a->above, pages * a->page);
	munmap(table, a->table);
	/* The whole of the table below, the quiet one is left out. */
	munmap(a->low + a->low_bytes - a->table, a->table);
	arena_map(a, a->below, a->below_bytes);
	arena_map(a, a->above, pages * a->page);
	arena_map(a, table, a->table);
	arena_map(a, a->low + a->low_bytes - a->table, a->table);
	arena_touch(a, a->below, a->below_bytes, 5);
	a->below[a->below_bytes - 1] = 1;
	arena_touch(a, a->above, pages * a->page, 7);
	arena_touch(a, table, a->table, 61);
	arena_touch(a, a->low + a->low_bytes - a->table, a->table, 61);
	a->effects++;
}

const struct torment torment_neighbours = { .name = "neighbours", .round = neighbours };

/* A table that has become empty is freed, under the lock of the VMA only (PT_RECLAIM). */
static void dontneed(struct arena *a)
{
	size_t tables = a->high_bytes / a->table;
	bool is_counted = a->extra[0]++ % 8 == 0;
	int64_t before = 0;

	for (size_t i = 0; i < tables; i++)
		arena_touch(a, a->high + i * a->table, a->table, 101);
	if (is_counted)
		before = proc_number(getpid(), "status", "VmPTE");
	if (arena_random(a, 2)) {
		madvise(a->high, a->high_bytes, MADV_DONTNEED);
	} else {
		for (size_t i = 0; i < tables; i++)
			madvise(a->high + i * a->table, a->table, MADV_DONTNEED);
	}
	if (is_counted)
		a->effects += before > proc_number(getpid(), "status", "VmPTE");
}

const struct torment torment_dontneed = { .name = "dontneed", .round = dontneed };

/* Whole tables are moved as such, others page by page. */
static void move(struct arena *a)
{
	/* There and back, so that the next round finds them. */
	char *from = arena_table(a), *to = a->low + a->table;
	size_t bytes = arena_random(a, 2) ? a->table : (1 + arena_random(a, 99)) * a->page;

	arena_touch(a, from, bytes, 9);
	if (mremap(from, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, to) != to)
		return;
	if (mremap(to, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, from) == from)
		a->effects++;
	arena_map(a, to, a->table);
	if (arena_random(a, 8) == 0)
		arena_map(a, from, a->table);
}

const struct torment torment_mremap = { .name = "mremap", .round = move };

/* VMAs are split and merged, and entries changed. */
static void protect(struct arena *a)
{
	static const int prots[] = { PROT_READ, PROT_NONE, RW, RW | PROT_EXEC };
	size_t pages = a->below_bytes / a->page;

	for (int i = 0; i < 16; i++) {
		size_t first = arena_random(a, pages), nr = 1 + arena_random(a, pages - first);
		char *at = arena_random(a, 2) ? a->below : arena_table(a);

		arena_touch(a, at + first * a->page, a->page, 1);
		a->effects += !mprotect(at + first * a->page, nr * a->page,
					prots[arena_random(a, 4)]);
		/* All of it is one VMA again. */
		mprotect(at, a->below_bytes, RW);
	}
	mprotect(a->above, a->above_bytes, a->extra[0]++ & 1 ? RW : PROT_READ);
}

const struct torment torment_mprotect = { .name = "mprotect", .round = protect };

/* Tables are copied and all that is private write-protected; copies are made. */
static void fork_and_exit(struct arena *a)
{
	pid_t child;

	arena_touch(a, a->high, a->high_bytes, 37);
	child = fork();
	if (!child) {
		arena_touch(a, a->high, a->high_bytes / 2, 11);
		munmap(a->low, a->low_bytes);
		_exit(0);
	}
	arena_touch(a, a->high, a->high_bytes, 37);
	if (child > 0 && waitpid(child, NULL, 0) == child)
		a->effects++;
}

const struct torment torment_fork = { .name = "fork", .round = fork_and_exit };

static void begin_guard(struct arena *a)
{
	if (madvise(a->high, a->page, MADV_GUARD_INSTALL))
		arena_cannot(a, "MADV_GUARD_INSTALL");
}

/* Markers come and go. */
static void guard(struct arena *a)
{
	for (int i = 0; i < 8; i++) {
		char *at = arena_table(a) + arena_random(a, 400) * a->page;
		size_t bytes = (1 + arena_random(a, 100)) * a->page;

		a->effects += !madvise(at, bytes, MADV_GUARD_INSTALL);
		madvise(at, bytes, MADV_GUARD_REMOVE);
		arena_touch(a, at, bytes, 2);
	}
	madvise(a->high, a->high_bytes, MADV_DONTNEED);
}

const struct torment torment_guard = { .name = "guard", .begin = begin_guard, .round = guard };

static void begin_uffd(struct arena *a)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_WP_UNPOPULATED };

	a->file = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	if (a->file < 0 || ioctl(a->file, UFFDIO_API, &api))
		arena_cannot(a, "userfaultfd");
}

/* Write protection that a userfaultfd has, with markers where no page is. */
static void uffd(struct arena *a)
{
	char *at = arena_table(a);
	struct uffdio_register range = {
		.range = { .start = (uintptr_t)at, .len = a->table },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};
	struct uffdio_writeprotect protect = {
		.range = range.range, .mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};

	arena_touch(a, at, a->table, 3);
	if (ioctl(a->file, UFFDIO_REGISTER, &range))
		return;
	a->effects += !ioctl(a->file, UFFDIO_WRITEPROTECT, &protect);
	protect.mode = 0;
	ioctl(a->file, UFFDIO_WRITEPROTECT, &protect);
	protect.mode = UFFDIO_WRITEPROTECT_MODE_WP;
	ioctl(a->file, UFFDIO_WRITEPROTECT, &protect);
	ioctl(a->file, UFFDIO_UNREGISTER, &range.range);
	if (arena_random(a, 2))
		madvise(at, a->table, MADV_DONTNEED);
}

const struct torment torment_uffd = { .name = "uffd", .begin = begin_uffd, .round = uffd };

#define DEVICE_PAGES 128

/* Buffers of the device are mapped, faulted, forked, unmapped. */
static void device(struct arena *a)
{
	static const char *const words[] = {
		"vmalloc,track", "vmap,pfnmap,eager", "contig,huge", "sparse,around=16,track",
		"contig,mixed,around=8", "vmap,pfnmap,track,around=16", "contig,remap",
	};
	bool is_huge = a->extra[0] % 7 == 2;
	size_t bytes = is_huge ? a->table : DEVICE_PAGES * a->page;
	int fd = device_make(words[a->extra[0]++ % 7], bytes / a->page);
	char *at = is_huge ? arena_table(a) : a->below;
	pid_t child;

	/* There may be no memory that is contiguous enough. */
	if (fd < 0)
		return;
	if (mmap(at, bytes, RW, MAP_SHARED | MAP_FIXED, fd, 0) == at) {
		arena_touch(a, at, bytes, 2);
		madvise(at, bytes / 2, MADV_DONTNEED);
		arena_touch(a, at, bytes, 3);
		child = a->extra[0] % 4 ? -1 : fork();
		if (!child) {
			arena_touch(a, at, bytes, 1);
			_exit(0);
		}
		if (child > 0)
			waitpid(child, NULL, 0);
		a->effects++;
	}
	close(fd);
	arena_map(a, at, bytes);
}

const struct torment torment_device = { .name = "device", .round = device };

static void begin_revoke(struct arena *a)
{
	a->file = device_make("vmap,track,around=8", DEVICE_PAGES);
	if (a->file < 0 ||
	    mmap(a->above, DEVICE_PAGES * a->page, RW, MAP_SHARED | MAP_FIXED, a->file, 0) ==
	    MAP_FAILED)
		arena_cannot(a, DEVICE);
}

/* A buffer is taken away and given back, and its writes are harvested. */
static void take_and_give(struct arena *a)
{
	__u64 dirty;

	arena_touch(a, a->above, DEVICE_PAGES * a->page, 1 + arena_random(a, 4));
	a->effects += !device_dirty(a->file, 0, DEVICE_PAGES, 0, NULL, &dirty) && dirty;
	arena_touch(a, a->above, DEVICE_PAGES * a->page, 5);
	if (device_revoke(a->file, 0) || access_signal(a->above, true) != SIGBUS ||
	    device_restore(a->file))
		abort();
}

const struct torment torment_revoke = {
	.name = "revoke", .begin = begin_revoke, .round = take_and_give,
};

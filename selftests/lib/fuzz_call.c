// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device.h"
#include "fuzz_call.h"
#include "fuzz_request.h"
#include "lens.h"
#include "util.h"

#define ROOM (64UL << 10)
#define REFERENCE_PAGES 64

static void make_target(void *arg)
{
	struct reference *reference = arg;
	size_t page = page_size();
	char *map = map_alone(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			      REFERENCE_PAGES, 0);

	madvise(map, REFERENCE_PAGES * page, MADV_NOHUGEPAGE);
	for (int i = 0; i < REFERENCE_PAGES; i += 1 + i % 3)
		map[i * page] = 1;
	mprotect(map + 10 * page, 7 * page, PROT_READ);
	madvise(map + 30 * page, 5 * page, MADV_GUARD_INSTALL);
	mlock(map, 9 * page);
	reference->start = (uintptr_t)map;
	reference->end = reference->start + REFERENCE_PAGES * page;
}

static uint64_t hash_walk(int fd, const struct reference *reference)
{
	struct mmlens_entry entries[REFERENCE_PAGES + 1];
	struct mmlens_walk walk = {
		.size = sizeof(walk), .pid = reference->target, .start = reference->start,
		.end = reference->end, .buffer = (uintptr_t)entries, .bytes = sizeof(entries),
		.flags = MMLENS_WALK_PAGES,
	};
	uint64_t hash = 0;

	if (ioctl(fd, MMLENS_IOC_WALK, &walk) || walk.start != walk.end)
		return 0;
	for (uint64_t i = 0; i < walk.records; i++) {
		hash = hash * 31 + entries[i].address;
		hash = hash * 31 + (entries[i].flags & ~MMLENS_PT_ACCESSED);
	}
	return hash | 1;
}

void reference_make(struct reference *reference)
{
	struct reference *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd = device_open(0);

	*reference = (struct reference) { };
	reference->dead = fork();
	if (!reference->dead)
		_exit(0);
	target_end(reference->dead);
	reference->target = target_start(make_target, shared);
	reference->start = shared->start;
	reference->end = shared->end;
	munmap(shared, sizeof(*shared));
	reference->machine.size = sizeof(reference->machine);
	if (ioctl(fd, MMLENS_IOC_MACHINE, &reference->machine))
		abort();
	reference->hash = hash_walk(fd, reference);
	close(fd);
}

void reference_end(struct reference *reference)
{
	target_end(reference->target);
}

void reference_check(struct desk *desk)
{
	struct mmlens_machine machine = { .size = sizeof(machine) };
	struct mmlens_info info = { .size = sizeof(info) };
	uint64_t hash = 0;

	FUZZ_EXPECT(desk->f, !ioctl(desk->fd, MMLENS_IOC_MACHINE, &machine), "%d", errno);
	FUZZ_EXPECT(desk->f, !memcmp(&machine, &desk->reference->machine, sizeof(machine)),
		    "MACHINE");
	/* A page of it may be on its way to another frame for a moment. */
	for (int i = 0; i < 50 && hash != desk->reference->hash; i++) {
		hash = hash_walk(desk->fd, desk->reference);
		if (hash != desk->reference->hash)
			usleep(20000);
	}
	FUZZ_EXPECT(desk->f, hash == desk->reference->hash, "WALK %#llx",
		    (unsigned long long)hash);
	FUZZ_EXPECT(desk->f, !ioctl(desk->fd, MMLENS_IOC_INFO, &info), "%d", errno);
	FUZZ_EXPECT(desk->f, info.page_size == page_size() && !info.reserved &&
		    info.bytes % info.page_size == 0 && info.revoked <= 1, "INFO");
	FUZZ_EXPECT(desk->f, info.allocated_pages <= info.bytes / info.page_size &&
		    info.dirty_pages <= info.bytes / info.page_size, "INFO");
}

void desk_make(struct desk *desk, struct fuzz *f, const struct reference *reference, int fd)
{
	const int anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
	size_t room = ROOM / page_size();

	*desk = (struct desk) { .f = f, .reference = reference, .fd = fd };
	desk->room = map_alone(PROT_READ | PROT_WRITE, anonymous, -1, room, 0);
	desk->copy = map_alone(PROT_READ | PROT_WRITE, anonymous, -1, room, 0);
	desk->edge = map_alone(PROT_READ | PROT_WRITE, anonymous, -1, 1, 0);
	desk->read_only = map_alone(PROT_READ, anonymous, -1, 4, 0);
	desk->none = map_alone(PROT_NONE, anonymous, -1, 4, 0);
	desk->device = map_alone(PROT_NONE, anonymous, -1, 1, 0);
	/* Not of each buffer; and one that has no memory yet is made by it. */
	if (fuzz_chance(f, 60))
		mmap(desk->device, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		     fd, 0);
	memset(desk->room, 0xa5, ROOM);
}

/* Somewhere for so many bytes. Only what is in the room is known to be good. */
static unsigned char *place(struct desk *desk, size_t size, size_t align)
{
	struct fuzz *f = desk->f;
	size_t page = page_size(), in_page = size < page ? size : page;

	size = size < ROOM - 64 ? size : ROOM - 64;
	switch (fuzz_below(f, 20)) {
	case 0:		/* up to the very end */
		return desk->edge + page - (in_page & -align);
	case 1:		/* and beyond it; what is before it may be of others */
		return desk->edge + page - align * fuzz_below(f, 1 + in_page / align);
	case 2:
		return desk->read_only + align * fuzz_below(f, page / align);
	case 3:
		return desk->none;
	case 4:
		return desk->device + align * fuzz_below(f, page / align);
	case 5:
		return (void *)fuzz_address(f);
	default:
		return desk->room + align * fuzz_below(f, 1 + (ROOM - size) / align);
	}
}

/* The part of the room that these bytes are. */
struct part {
	size_t first, end;
};

static struct part part_of(const struct desk *desk, uint64_t at, uint64_t size)
{
	uint64_t room = (uintptr_t)desk->room;

	if (at < room || at >= room + ROOM)
		return (struct part) { ROOM, ROOM };
	at -= room;
	return (struct part) { at, size > ROOM - at ? ROOM : at + size };
}

static bool same(const struct desk *desk, size_t first, size_t end)
{
	return first >= end || !memcmp(desk->room + first, desk->copy + first, end - first);
}

/* All of the room is as it was, but for these two. */
static bool same_but_for(const struct desk *desk, struct part a, struct part b)
{
	if (a.first > b.first) {
		struct part first = b;

		b = a;
		a = first;
	}
	return same(desk, 0, a.first) && same(desk, a.end, b.first) &&
	       same(desk, a.end > b.end ? a.end : b.end, ROOM);
}

void desk_call(struct desk *desk)
{
	const struct part nothing = { ROOM, ROOM };
	struct fuzz *f = desk->f;
	struct request request;
	struct part own, out;
	unsigned char *arg;
	bool is_known;
	int ret;

	request_make(&request, desk, place);
	arg = place(desk, request.size, 1);
	request.at = (uintptr_t)arg;
	own = part_of(desk, (uintptr_t)arg, request.size);
	is_known = own.end - own.first == request.size;
	memcpy(desk->copy, desk->room, ROOM);
	if (is_known) {
		memcpy(arg, request.bytes, request.size);
		memcpy(desk->copy + own.first, request.bytes, request.size);
	} else if (arg >= desk->edge && arg < desk->edge + page_size()) {
		size_t there = desk->edge + page_size() - arg;

		memcpy(arg, request.bytes, request.size < there ? request.size : there);
	} else if (desk->alone && arg >= desk->device && arg < desk->device + page_size()) {
		size_t at = arg - desk->device, there = page_size() - at;

		/* By the file, since the mapping may be revoked. */
		if (pwrite(desk->fd, request.bytes, request.size < there ? request.size : there,
			   at) < 0)
			is_known = false;
	}
	if (desk->alone)
		fuzz_note("ioctl(%#lx %s size %u/%u, arg %p %s)", request.command,
			  request_name(&request), request.size, *(__u32 *)request.bytes, arg,
			  is_known ? request_text(&request) : "elsewhere");
	errno = 0;
	ret = ioctl(desk->fd, request.command, arg);
	ret = ret < 0 ? -errno : ret;
	FUZZ_EXPECT(f, request_may_end(&request, ret, is_known), "%s: %d",
		    request_name(&request), ret);
	out = nothing;
	if (request.out_bytes)
		out = part_of(desk, request.out, request.out_bytes);
	/* Nothing was written but what was asked for. */
	FUZZ_EXPECT(f, same_but_for(desk, own, out), "%s: %d", request_name(&request), ret);
	if (is_known && request_leaves_all(ret))
		FUZZ_EXPECT(f, same_but_for(desk, nothing, nothing), "%s: %d",
			    request_name(&request), ret);
	if (is_known && ret >= 0) {
		request_check(&request, desk, ret, out.end - out.first == request.out_bytes);
		fuzz_good(request.nr);
	} else if (ret >= 0 && request_is_text(&request)) {
		close(ret);
	}
}

bool detach_all(void)
{
	char *text = read_file(LENS "/targets", NULL), *rest = text, *line;
	bool is_clean;

	strsep(&rest, "\n");
	while ((line = strsep(&rest, "\n")) && *line)
		lens_detach(atoi(line));
	free(text);
	text = read_file(LENS "/targets", NULL);
	is_clean = text && !strchr(strchr(text, '\n') + 1, '\n');
	free(text);
	return is_clean;
}

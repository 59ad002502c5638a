// SPDX-License-Identifier: GPL-2.0
/* Random changes of mappings. */
#include <errno.h>
#include <fcntl.h>
#include <linux/mman.h>
#include <linux/userfaultfd.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fuzz_ops.h"
#include "util.h"

bool any_place_of(struct shadow *s, size_t *place)
{
	size_t start = fuzz_below(s->f, s->places);

	for (size_t i = 0; i < s->places; i++) {
		*place = (start + i) % s->places;
		if (s->place[*place].vma)
			return true;
	}
	return false;
}

bool any_run(struct shadow *s, bool one_vma, size_t *first, size_t *end)
{
	size_t most = fuzz_chance(s->f, 30) ? s->places : fuzz_from(s->f, 1, 9);

	if (!any_place_of(s, first))
		return false;
	for (*end = *first + 1; *end < s->places && *end - *first < most; (*end)++)
		if (!s->place[*end].vma ||
		    (one_vma && s->place[*end].vma != s->place[*first].vma))
			break;
	return true;
}

size_t any_offset(struct shadow *s, size_t size)
{
	size_t least = s->loose ? 64 : 0;

	return least + fuzz_below(s->f, s->page - size - least + 1);
}

static int any_prot(struct fuzz *f)
{
	static const int prots[] = {
		PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ,
		PROT_NONE, PROT_READ | PROT_EXEC, PROT_READ | PROT_WRITE | PROT_EXEC, PROT_WRITE,
	};

	return prots[fuzz_below(f, sizeof(prots) / sizeof(*prots))];
}

void op_map(struct shadow *s)
{
	static const int more[] = {
		0, 0, 0, MAP_POPULATE, MAP_LOCKED, MAP_NORESERVE, MAP_POPULATE | MAP_NONBLOCK,
	};
	struct fuzz *f = s->f;
	size_t first = fuzz_below(f, s->places), pages = 1 + fuzz_below(f, s->places - first);
	size_t at = fuzz_below(f, s->pages);
	bool shared = fuzz_chance(f, 65), fits;
	int prot = any_prot(f), flags = more[fuzz_below(f, 7)] | MAP_FIXED;
	char *to;

	/* Most of them inside, some past the end, and some far from it. */
	if (fuzz_chance(f, 90) && pages > s->pages - at)
		pages = s->pages - at;
	if (fuzz_chance(f, 3))
		at = fuzz_number(f) >> 13;
	/* What is huge wants to be aligned. */
	if (s->combo.strategy == MMLENS_STRATEGY_HUGE && fuzz_chance(f, 70) &&
	    s->places >= s->pages)
		first = 0, at = 0, pages = s->pages;
	flags |= shared ? MAP_SHARED : MAP_PRIVATE;
	fits = at < s->pages && pages <= s->pages - at && (shared || can_be_private(&s->combo));
	fuzz_note("mmap(%zu, %zu, prot %d, flags %#x, at %zu)", first, pages, prot, flags, at);
	to = mmap(shadow_address(s, first, 0), pages * s->page, prot, flags, s->fd,
		  (off_t)(at * s->page));
	if (to == MAP_FAILED) {
		int error = errno;

		SHADOW_EXPECT(s, (error == EIO && s->revoked) || (error == EINVAL && !fits) ||
			      (error == EINVAL && s->nosplit) ||
			      (error == EOVERFLOW && at > s->pages), "mmap: %d", error);
		shadow_sync(s);
		return;
	}
	SHADOW_EXPECT(s, fits && !s->revoked, "mmap");
	shadow_drop(s, first, first + pages);
	shadow_sync(s);
	if (flags & (MAP_POPULATE | MAP_LOCKED))
		shadow_perhaps(s, first, first + pages);
}

void op_unmap(struct shadow *s)
{
	size_t first, end;
	int ret;

	if (!any_run(s, false, &first, &end))
		return;
	fuzz_note("munmap(%zu, %zu)", first, end - first);
	ret = munmap(shadow_address(s, first, 0), (end - first) * s->page);
	SHADOW_EXPECT(s, !ret || (s->nosplit && errno == EINVAL), "%d", errno);
	if (!ret)
		shadow_drop(s, first, end);
	shadow_sync(s);
}

void op_protect(struct shadow *s)
{
	int prot = any_prot(s->f), ret;
	size_t first, end;

	if (!any_run(s, false, &first, &end))
		return;
	fuzz_note("mprotect(%zu, %zu, %d)", first, end - first, prot);
	ret = mprotect(shadow_address(s, first, 0), (end - first) * s->page, prot);
	SHADOW_EXPECT(s, !ret || (s->nosplit && errno == EINVAL), "%d", errno);
	shadow_sync(s);
}

void op_advise(struct shadow *s)
{
	struct fuzz *f = s->f;
	int advice = fuzz_below(f, 30), ret, error;
	size_t first, end;

	if (fuzz_chance(f, 5))
		advice = 102 + fuzz_below(f, 3);
	else if (fuzz_chance(f, 40))
		advice = MADV_DONTNEED;
	if (!any_run(s, true, &first, &end))
		return;
	shadow_settle(s, shadow_address(s, first, 0), (end - first) * s->page);
	ret = madvise(shadow_address(s, first, 0), (end - first) * s->page, advice);
	error = ret ? errno : 0;
	fuzz_note("madvise(%zu, %zu, %d): %d", first, end - first, advice, error);
	if (advice == MADV_DONTNEED && s->combo.kind == MMLENS_PAGE_KIND_PFNMAP)
		SHADOW_EXPECT(s, error == EINVAL, "%d", error);
	if (!ret && (advice == MADV_DONTNEED || advice == MADV_DONTNEED_LOCKED))
		shadow_forget_copies(s, first, end);
	if (advice == MADV_POPULATE_WRITE) {
		shadow_was_tried(s, shadow_address(s, first, 0), (end - first) * s->page);
		SHADOW_EXPECT(s, !s->revoked || error || !s->place[first].shared, "populated");
	}
	/* May have split it, also if that is all that it did. */
	shadow_sync(s);
}

void op_lock(struct shadow *s)
{
	size_t first, end;
	unsigned int how = fuzz_below(s->f, 3);
	char *at;

	if (!any_run(s, false, &first, &end))
		return;
	fuzz_note("mlock(%zu, %zu), way %u", first, end - first, how);
	at = shadow_address(s, first, 0);
	/* They cannot be marked as locked: ONFAULT does not keep it from populating them. */
	shadow_settle(s, at, (end - first) * s->page);
	if (how == 2)
		munlock(at, (end - first) * s->page);
	else
		mlock2(at, (end - first) * s->page, how ? MLOCK_ONFAULT : 0);
	shadow_perhaps(s, first, end);
	shadow_sync(s);
}

void op_move(struct shadow *s)
{
	int flags = MREMAP_MAYMOVE | MREMAP_FIXED;
	struct shadow_place *moved;
	size_t first, end, to;
	char *from, *there;

	if (!any_run(s, true, &first, &end))
		return;
	to = fuzz_below(s->f, s->places - (end - first) + 1);
	if (to < end && first < to + (end - first))
		return;
	if (fuzz_chance(s->f, 5))
		flags |= MREMAP_DONTUNMAP;
	fuzz_note("mremap(%zu, %zu, %#x, %zu)", first, end - first, flags, to);
	from = shadow_address(s, first, 0);
	there = mremap(from, (end - first) * s->page, (end - first) * s->page, flags,
		       shadow_address(s, to, 0));
	if (there == MAP_FAILED) {
		SHADOW_EXPECT(s, (errno == EINVAL && (flags & MREMAP_DONTUNMAP)) ||
			      (errno == EINVAL && s->nosplit), "%d", errno);
		/* What was at the other place may be gone all the same: then it is not mapped. */
		shadow_sync(s);
		return;
	}
	SHADOW_EXPECT(s, there == shadow_address(s, to, 0) && !(flags & MREMAP_DONTUNMAP), "%p",
		      there);
	shadow_forget_copies(s, to, to + (end - first));
	for (size_t i = 0; i < end - first; i++) {
		moved = &s->place[first + i];
		s->place[to + i].copy = moved->copy;
		s->place[to + i].own = moved->own;
		moved->copy = NO_COPY;
		moved->own = NULL;
	}
	shadow_sync(s);
}

void op_resize(struct shadow *s)
{
	size_t first, end, pages;
	char *ret;

	if (!any_run(s, true, &first, &end))
		return;
	pages = fuzz_below(s->f, 2 * (end - first)) + 1;
	fuzz_note("mremap(%zu, %zu to %zu)", first, end - first, pages);
	ret = mremap(shadow_address(s, first, 0), (end - first) * s->page, pages * s->page,
		     fuzz_chance(s->f, 50) ? MREMAP_MAYMOVE : 0);
	if (pages > end - first)
		SHADOW_EXPECT(s, ret == MAP_FAILED && (errno == EFAULT || errno == EINVAL),
			      "it has grown: %p %d", ret, errno);
	else
		SHADOW_EXPECT(s, ret == shadow_address(s, first, 0) || s->nosplit, "%d", errno);
	if (ret != MAP_FAILED)
		shadow_drop(s, first + pages, end);
	shadow_sync(s);
}

void op_remap(struct shadow *s)
{
	size_t first, end, at = fuzz_below(s->f, s->pages + 2);
	long ret;

	if (!any_run(s, true, &first, &end))
		return;
	ret = syscall(__NR_remap_file_pages, shadow_address(s, first, 0), (end - first) * s->page,
		      0, at, 0);
	fuzz_note("remap_file_pages(%zu, %zu, %zu): %d", first, end - first, at, ret ? errno : 0);
	SHADOW_EXPECT(s, ret || (s->place[first].shared && at + (end - first) <= s->pages),
		      "remapped");
	shadow_sync(s);
}

void op_sync(struct shadow *s)
{
	static const int flags[] = { MS_SYNC, MS_ASYNC, MS_SYNC | MS_INVALIDATE };
	unsigned char *there = malloc(s->places);
	size_t first, end, size;
	char *at;

	if (there && any_run(s, false, &first, &end)) {
		at = shadow_address(s, first, 0);
		size = (end - first) * s->page;
		fuzz_note("msync, mincore(%zu, %zu)", first, end - first);
		/* Locked VMAs cannot be invalidated, but none of these is ever locked. */
		SHADOW_EXPECT(s, !msync(at, size, flags[fuzz_below(s->f, 3)]), "%d", errno);
		SHADOW_EXPECT(s, !mincore(at, size, there), "%d", errno);
	}
	free(there);
}

void op_uffd(struct shadow *s)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = fuzz_chance(s->f, 50) ? UFFD_FEATURE_WP_ASYNC : 0,
	};
	int uffd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	size_t first, end;

	if (uffd >= 0 && !ioctl(uffd, UFFDIO_API, &api) && any_run(s, false, &first, &end)) {
		struct uffdio_register area = {
			.range = {
				.start = (uintptr_t)shadow_address(s, first, 0),
				.len = (end - first) * s->page,
			},
			.mode = fuzz_from(s->f, 1, 7),
		};

		fuzz_note("UFFDIO_REGISTER(%zu, %zu, %llx)", first, end - first, area.mode);
		SHADOW_EXPECT(s, ioctl(uffd, UFFDIO_REGISTER, &area) && errno == EINVAL, "%d",
			      errno);
	}
	close(uffd);
}

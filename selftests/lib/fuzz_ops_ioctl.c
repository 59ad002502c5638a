// SPDX-License-Identifier: GPL-2.0
/* Random ioctls between random accesses: what they say has to be what was done. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "device.h"
#include "fuzz_ops.h"
#include "walk.h"

static size_t dirty_pages(const struct shadow *s, bool may)
{
	size_t nr = 0;

	for (size_t i = 0; i < s->pages; i++)
		nr += s->dirty[i].must || (may && s->dirty[i].may);
	return nr;
}

void op_info(struct shadow *s)
{
	struct pollfd polled = { .fd = s->fd, .events = POLLPRI };
	struct mmlens_info info = device_info(s->fd);
	uint64_t mappings;

	fuzz_note("INFO");
	SHADOW_EXPECT(s, info.bytes == s->pages * s->page, "%llu", info.bytes);
	SHADOW_EXPECT(s, info.mappings == s->vmas, "%llu, not %u", info.mappings, s->vmas);
	SHADOW_EXPECT(s, info.revoked == s->revoked, "revoked %u", info.revoked);
	mappings = device_done(s->fd, MMLENS_OP_MMAP) + device_done(s->fd, MMLENS_OP_OPEN) -
		   device_done(s->fd, MMLENS_OP_CLOSE);
	SHADOW_EXPECT(s, mappings == s->vmas, "%llu by STATS", (unsigned long long)mappings);
	if (s->combo.track)
		SHADOW_EXPECT(s, info.dirty_pages >= dirty_pages(s, false) &&
			      info.dirty_pages <= dirty_pages(s, true), "%llu dirty",
			      info.dirty_pages);
	poll(&polled, 1, 0);
	SHADOW_EXPECT(s, !(polled.revents & POLLPRI) == !info.dirty_pages, "poll: %#x",
		      polled.revents);
	SHADOW_EXPECT(s, !(polled.revents & POLLERR) == !s->revoked, "poll: %#x", polled.revents);
}

void op_harvest(struct shadow *s)
{
	size_t first = fuzz_below(s->f, s->pages), pages = fuzz_below(s->f, s->pages - first + 1);
	unsigned int flags = fuzz_chance(s->f, 30) ? MMLENS_DIRTY_PEEK : 0;
	__u64 *bitmap = calloc(s->pages / 64 + 1, sizeof(*bitmap)), dirty = 0, bits = 0;
	int ret = device_dirty(s->fd, first, pages, flags, bitmap, &dirty);

	fuzz_note("DIRTY(%zu, %zu, %u): %d", first, pages, flags, ret);
	SHADOW_EXPECT(s, ret == (s->combo.track ? 0 : -EOPNOTSUPP), "%d", ret);
	for (size_t i = 0; !ret && i < pages; i++) {
		struct shadow_dirty *page = &s->dirty[first + i];
		bool told = bitmap[i / 64] >> i % 64 & 1;

		bits += told;
		SHADOW_EXPECT(s, told || !page->must, "page %zu was written", first + i);
		SHADOW_EXPECT(s, !told || page->must || page->may, "nobody wrote page %zu",
			      first + i);
		if (told && !flags)
			*page = (struct shadow_dirty) { };
	}
	SHADOW_EXPECT(s, bits == dirty, "%llu bits, %llu dirty", bits, dirty);
	free(bitmap);
}

void op_revoke(struct shadow *s)
{
	/* Rather given back than taken. */
	if (fuzz_chance(s->f, s->revoked || s->loose ? 70 : 20)) {
		fuzz_note("RESTORE");
		SHADOW_EXPECT(s, !device_restore(s->fd), "%d", errno);
		s->revoked = false;
	} else {
		unsigned int flags = fuzz_chance(s->f, 30) ? MMLENS_REVOKE_COWS : 0;

		fuzz_note("REVOKE(%u)", flags);
		SHADOW_EXPECT(s, !device_revoke(s->fd, flags), "%d", errno);
		s->revoked = true;
		if (flags)
			shadow_forget_copies(s, 0, s->places);
	}
}

void op_events(struct shadow *s)
{
	static __thread struct mmlens_event events[300];
	int nr = device_events(s->fd, events, fuzz_below(s->f, 300), NULL);

	fuzz_note("EVENTS: %d", nr);
	SHADOW_EXPECT(s, nr >= 0, "%d", nr);
	for (int i = 0; i < nr; i++)
		/* An mmap() that was refused tells of the page that was asked for. */
		SHADOW_EXPECT(s, events[i].op < MMLENS_OP_COUNT &&
			      (events[i].pgoff < s->pages || events[i].outcome),
			      "op %u, page %llu", events[i].op, events[i].pgoff);
}

/* No entry is there where nothing is mapped, or more than its VMA allows. */
void op_look(struct shadow *s)
{
	struct mmlens_walk walk = walk_of(0, MMLENS_FORM_RUNS);
	const struct mmlens_run *runs;
	struct records records;
	int ret;

	fuzz_note("WALK");
	walk.start = (uintptr_t)s->arena;
	walk.end = walk.start + s->places * s->page;
	walk.required = MMLENS_PT_PRESENT;
	ret = walk_all(s->fd, &walk, 16 << 10, &records);
	SHADOW_EXPECT(s, !ret, "%d", ret);
	runs = (void *)records.bytes;
	for (uint64_t n = 0; n < records.nr && !s->loose; n++) {
		const struct mmlens_run *run = &runs[n];
		size_t first = (run->start - walk.start) / s->page;
		size_t end = (run->end - walk.start) / s->page;
		bool writable = run->flags & MMLENS_PT_WRITE;

		for (size_t i = first; i < end; i++) {
			struct shadow_place *place = &s->place[i];

			SHADOW_EXPECT(s, place->vma, "place %zu is mapped", i);
			SHADOW_EXPECT(s, !writable || place->prot & PROT_WRITE,
				      "place %zu is writable", i);
			SHADOW_EXPECT(s, !s->revoked || !place->shared, "place %zu is revoked",
				      i);
			/* What was written and not harvested only may be written again. */
			SHADOW_EXPECT(s, !writable || !s->combo.track || !place->shared ||
				      s->dirty[place->at].must || s->dirty[place->at].may,
				      "page %zu is not watched", place->at);
		}
	}
	walk_free(&records);
}

// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <linux/kernel-page-flags.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device.h"
#include "kinds.h"
#include "proc.h"
#include "scan.h"
#include "shadow.h"
#include "util.h"

static __thread sigjmp_buf after_access;

static void on_signal(int signal)
{
	siglongjmp(after_access, signal);
}

/* The file itself may be shared by several processes. */
static void *shared_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		abort();
	return memory;
}

static bool make_buffer(struct shadow *s)
{
	struct fuzz *f = s->f;
	size_t huge = 1;
	char words[96];

	do {
		combo_at(fuzz_below(f, 4 * 5 * 3 * 3 * 2), &s->combo);
	} while (combo_errno(&s->combo));
	if (s->combo.strategy == MMLENS_STRATEGY_HUGE) {
		/* It is a great deal of memory, above all with large pages. */
		if (fuzz_chance(f, 60) || pmd_size() > 2 << 20)
			return false;
		huge = pmd_size() / s->page;
		s->pages = huge + fuzz_below(f, huge);
	} else {
		s->pages = fuzz_from(f, 1, 40);
	}
	s->nosplit = fuzz_chance(f, 8);
	snprintf(words, sizeof(words), "%s%s", s->combo.words, s->nosplit ? ",nosplit" : "");
	s->fd = device_make(words, s->pages);
	if (s->fd < 0)
		return false;
	fuzz_note("%s: %zu pages", words, s->pages);
	s->places = 2 * s->pages + 8;
	s->arena = map_aligned(PROT_NONE, MAP_PRIVATE | MAP_NORESERVE, s->places * s->page,
			       huge * s->page);
	return true;
}

void shadow_look_at_self(struct shadow *s)
{
	s->mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	s->pagemap = proc_pagemap_open(getpid());
}

void shadow_make(struct shadow *s, struct fuzz *f)
{
	struct sigaction action = { .sa_handler = on_signal };

	*s = (struct shadow) { .f = f, .page = page_size() };
	while (!make_buffer(s))
		;
	s->content = shared_memory(s->pages * s->page);
	s->dirty = shared_memory(s->pages * sizeof(*s->dirty));
	s->place = calloc(s->places, sizeof(*s->place));
	shadow_look_at_self(s);
	if (!s->place || s->mem < 0 || sigaction(SIGSEGV, &action, NULL) ||
	    sigaction(SIGBUS, &action, NULL))
		abort();
	shadow_sync(s);
}

void shadow_twin(struct shadow *twin, const struct shadow *s, struct fuzz *f,
		 unsigned int number)
{
	*twin = *s;
	twin->f = f;
	twin->loose = true;
	twin->number = number;
	twin->content = shared_memory(s->pages * s->page);
	twin->dirty = shared_memory(s->pages * sizeof(*s->dirty));
	twin->place = calloc(s->places, sizeof(*s->place));
	twin->words = calloc(s->pages, sizeof(*twin->words));
	if (!twin->place || !twin->words)
		abort();
	shadow_sync(twin);
}

void shadow_forget_copies(struct shadow *s, size_t first, size_t end)
{
	for (size_t i = first; i < end; i++) {
		free(s->place[i].own);
		s->place[i].own = NULL;
		s->place[i].copy = NO_COPY;
	}
}

void shadow_drop(struct shadow *s, size_t first, size_t end)
{
	shadow_forget_copies(s, first, end);
	for (size_t i = first; i < end; i++)
		s->place[i].vma = 0;
}

static void take_copy(struct shadow *s, struct shadow_place *place, enum shadow_copy copy)
{
	if (!place->own)
		place->own = malloc(s->page);
	memcpy(place->own, s->content + place->at * s->page, s->page);
	place->copy = copy;
}

void shadow_perhaps(struct shadow *s, size_t first, size_t end)
{
	for (size_t i = first; i < end; i++)
		if (s->place[i].vma && !s->place[i].shared && s->place[i].copy == NO_COPY)
			take_copy(s, &s->place[i], PERHAPS);
}

/* Without stdio, whose locks a child of many threads may find taken. */
static size_t read_maps(char *text, size_t room)
{
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	size_t have = 0;
	ssize_t got;

	while ((got = read(fd, text + have, room - 1 - have)) > 0)
		have += got;
	close(fd);
	text[have] = '\0';
	return have;
}

/* A place whose mapping is not what it was has no copy any more. */
static void set_place(struct shadow *s, size_t i, const struct shadow_place *now)
{
	struct shadow_place *place = &s->place[i];

	if (!now->vma || now->shared)
		shadow_forget_copies(s, i, i + 1);
	place->vma = now->vma;
	place->shared = now->shared;
	place->prot = now->prot;
	place->at = now->at;
}

static void reserve(uint64_t start, uint64_t end)
{
	/* Others may be as fast. */
	if (start < end)
		mmap((void *)start, end - start, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |
		     MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
}

void shadow_sync(struct shadow *s)
{
	static __thread char text[256 << 10];
	uint64_t base = (uintptr_t)s->arena, top = base + s->places * s->page, reached = base;
	const struct shadow_place nothing = { };
	char *rest = text, *line;
	size_t next = 0;

	read_maps(text, sizeof(text));
	s->vmas = 0;
	while ((line = strsep(&rest, "\n")) && *line) {
		unsigned long start, end, offset;
		struct shadow_place now = { };
		char perm[5];

		if (sscanf(line, "%lx-%lx %4s %lx", &start, &end, perm, &offset) != 4 ||
		    end <= base || start >= top)
			continue;
		reserve(reached, start);
		reached = end;
		if (!strstr(line, DEVICE))
			continue;
		now.vma = ++s->vmas;
		now.shared = perm[3] == 's';
		now.prot = (perm[0] == 'r' ? PROT_READ : 0) | (perm[1] == 'w' ? PROT_WRITE : 0) |
			   (perm[2] == 'x' ? PROT_EXEC : 0);
		for (; next < (start - base) / s->page; next++)
			set_place(s, next, &nothing);
		for (; next < (end - base) / s->page && next < s->places; next++) {
			now.at = (offset + base + next * s->page - start) / s->page;
			FUZZ_EXPECT(s->f, now.at < s->pages, "%s", line);
			set_place(s, next, &now);
		}
	}
	for (; next < s->places; next++)
		set_place(s, next, &nothing);
	reserve(reached, top);
}

/* Whether there is a copy, where nobody knows: whether the frame is that of anonymous memory. */
static void settle(struct shadow *s, struct shadow_place *place)
{
	uint64_t entry = 0, flags = 0;
	size_t i = place - s->place;

	if (place->copy != PERHAPS)
		return;
	if (!proc_pagemap(s->pagemap, (uintptr_t)shadow_address(s, i, 0), &entry, 1))
		abort();
	if (entry & PM_PRESENT)
		scan_frame_flags(entry & PM_FRAME, &flags);
	if (entry & PM_SWAP || flags & BIT_OF(KPF_ANON))
		place->copy = COPY;
	else
		shadow_forget_copies(s, i, i + 1);
}

static unsigned char *bytes_of(struct shadow *s, struct shadow_place *place)
{
	settle(s, place);
	return place->copy == NO_COPY ? s->content + place->at * s->page : place->own;
}

/* What an access raises: a signal, 0, or -1 if that is the processor's affair. */
static int wanted_signal(struct shadow *s, struct shadow_place *place, bool write)
{
	if (!place->vma || !place->prot || (write && !(place->prot & PROT_WRITE)))
		return SIGSEGV;
	if (!write && !(place->prot & PROT_READ))
		return -1;
	settle(s, place);
	return s->revoked && place->copy == NO_COPY ? SIGBUS : 0;
}

static int copy_bytes(volatile char *to, const volatile char *from, size_t size)
{
	int signal = sigsetjmp(after_access, 1);

	if (!signal)
		for (size_t i = 0; i < size; i++)
			to[i] = from[i];
	return signal;
}

void shadow_load(struct shadow *s, size_t place, size_t offset, size_t size)
{
	int want = s->loose ? -1 : wanted_signal(s, &s->place[place], false), signal;
	char *from = shadow_address(s, place, offset), bytes[64];

	signal = copy_bytes(bytes, from, size);
	SHADOW_EXPECT(s, want < 0 || signal == want, "load of place %zu: signal %d, not %d", place,
		      signal, want);
	if (!signal)
		shadow_was_read(s, from, bytes, size);
}

void shadow_store(struct shadow *s, size_t place, size_t offset, size_t size)
{
	int want = s->loose ? -1 : wanted_signal(s, &s->place[place], true), signal;
	char *to = shadow_address(s, place, offset), bytes[64];

	fuzz_fill(s->f, bytes, size);
	signal = copy_bytes(to, bytes, size);
	SHADOW_EXPECT(s, want < 0 || signal == want, "store to place %zu: signal %d, not %d", place,
		      signal, want);
	if (!signal)
		shadow_was_written(s, to, bytes, size);
}

/* The next part of a range that is in one page. */
static size_t part(struct shadow *s, const char *address, size_t size, size_t *place,
		   size_t *offset)
{
	*place = (address - s->arena) / s->page;
	*offset = (address - s->arena) % s->page;
	return size < s->page - *offset ? size : s->page - *offset;
}

void shadow_was_read(struct shadow *s, const char *address, const void *bytes, size_t size)
{
	size_t place, offset, len;

	for (; !s->loose && size; size -= len, address += len, bytes += len) {
		len = part(s, address, size, &place, &offset);
		SHADOW_EXPECT(s, s->place[place].vma, "place %zu", place);
		SHADOW_EXPECT(s, !memcmp(bytes_of(s, &s->place[place]) + offset, bytes, len),
			      "place %zu + %zu: wrong bytes of page %zu", place, offset,
			      s->place[place].at);
	}
}

void shadow_was_written(struct shadow *s, const char *address, const void *bytes, size_t size)
{
	size_t i, offset, len;

	for (; !s->loose && size; size -= len, address += len, bytes += len) {
		struct shadow_place *place;

		len = part(s, address, size, &i, &offset);
		place = &s->place[i];
		SHADOW_EXPECT(s, place->vma, "place %zu", i);
		if (place->shared) {
			shadow_file_written(s, place->at * s->page + offset, bytes, len);
			continue;
		}
		/* It was settled: if it may be a copy, it was like the page. */
		if (place->copy == NO_COPY)
			take_copy(s, place, COPY);
		place->copy = COPY;
		memcpy(place->own + offset, bytes, len);
	}
}

void shadow_settle(struct shadow *s, const char *address, size_t size)
{
	size_t i, offset, len;

	for (; !s->loose && size; size -= len, address += len) {
		len = part(s, address, size, &i, &offset);
		settle(s, &s->place[i]);
	}
}

void shadow_was_tried(struct shadow *s, const char *address, size_t size)
{
	size_t i, offset, len;

	for (; !s->loose && size; size -= len, address += len) {
		len = part(s, address, size, &i, &offset);
		if (s->place[i].vma && s->place[i].shared)
			s->dirty[s->place[i].at].may = true;
		shadow_perhaps(s, i, i + 1);
	}
}

void shadow_file_read(struct shadow *s, size_t pos, const void *bytes, size_t size)
{
	SHADOW_EXPECT(s, pos + size <= s->pages * s->page, "%zu + %zu", pos, size);
	SHADOW_EXPECT(s, !memcmp(s->content + pos, bytes, size), "wrong bytes at %zu + %zu", pos,
		      size);
}

void shadow_file_written(struct shadow *s, size_t pos, const void *bytes, size_t size)
{
	if (s->loose || !size)
		return;
	memcpy(s->content + pos, bytes, size);
	for (size_t i = pos / s->page; i <= (pos + size - 1) / s->page; i++)
		s->dirty[i].must = true;
}

void shadow_check(struct shadow *s)
{
	size_t size = s->pages * s->page;
	unsigned char *all = malloc(size);
	ssize_t got = pread(s->fd, all, size, 0);

	SHADOW_EXPECT(s, got == (s->revoked ? -1 : (ssize_t)size), "%zd", got);
	if (got > 0)
		shadow_file_read(s, 0, all, got);
	free(all);
	for (size_t i = 0; i < s->places; i += 1 + s->places / 300)
		shadow_load(s, i, fuzz_below(s->f, s->page - 8), 8);
}

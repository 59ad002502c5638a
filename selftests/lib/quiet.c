// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "device.h"
#include "proc.h"
#include "quiet.h"
#include "util.h"

#define LEVELS 0x1fULL
#define KINDS (0x1fULL << 5)
#define NOTES (0x1fULL << 32)	/* what an entry that is not present may be */
/* What the stack and the heap may yet become. */
#define SLACK (1UL << 20)

char quiet_message[512];

static __u64 buffer[1 << 15];

int quiet_wrong(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(quiet_message, sizeof(quiet_message), format, arguments);
	va_end(arguments);
	return 1;
}

bool quiet_has(const struct quiet *q, uint64_t address)
{
	const struct arena *a = q->arena;
	uint64_t pages = (uintptr_t)a->quiet, huge = (uintptr_t)a->huge;

	return (address >= pages && address < pages + QUIET_PAGES * a->page) ||
	       (address >= huge && address < huge + a->table);
}

bool quiet_knows(struct quiet *q, uint64_t address)
{
	/* Addresses grow: it is this one or one of the next. */
	for (size_t i = 0; i <= q->nr_known; i++, q->last_known++) {
		if (q->last_known >= q->nr_known)
			q->last_known = 0;
		if (address >= q->known[q->last_known].start &&
		    address < q->known[q->last_known].end)
			return true;
	}
	return false;
}

void quiet_add(struct quiet *q, const void *bytes, size_t size)
{
	struct found *now = &q->now;

	if (now->size + size > now->room) {
		now->room = 2 * (now->size + size);
		now->bytes = realloc(now->bytes, now->room);
		if (!now->bytes)
			abort();
	}
	memcpy(now->bytes + now->size, bytes, size);
	now->size += size;
}

static int check_flags(uint64_t address, uint64_t flags, uint64_t raw)
{
	if (raw == POISON)
		return quiet_wrong("%lx: the entry was read from a page that is free", address);
	if (__builtin_popcountll(flags & LEVELS) != 1 || __builtin_popcountll(flags & KINDS) != 1)
		return quiet_wrong("%lx: flags %lx", address, flags);
	if (flags & (MMLENS_PT_BAD | MMLENS_PT_TABLE))
		return quiet_wrong("%lx: a bad entry %lx, flags %lx", address, raw, flags);
	if (flags & MMLENS_PT_NONPRESENT && !(flags & NOTES))
		return quiet_wrong("%lx: an entry %lx of no kind, flags %lx", address, raw, flags);
	return 0;
}

static int look_at_entries(struct quiet *q, const struct mmlens_walk *walk, uint64_t *last)
{
	const struct mmlens_entry *e = (const void *)buffer;

	for (size_t i = 0; i < walk->records; i++, e++) {
		if (check_flags(e->address, e->flags, e->raw))
			return 1;
		if (e->address < *last)
			return quiet_wrong("entries: %llx after %lx", e->address, *last - 1);
		if (!quiet_knows(q, e->address))
			return quiet_wrong("entries: %llx was never mapped", e->address);
		*last = e->address + 1;
		if (quiet_has(q, e->address))
			quiet_add(q, e, sizeof(*e));
	}
	return 0;
}

static int look_at_runs(struct quiet *q, const struct mmlens_walk *walk, uint64_t *last)
{
	const struct mmlens_run *run = (const void *)buffer;

	for (size_t i = 0; i < walk->records; i++, run++) {
		if (check_flags(run->start, run->flags, run->raw))
			return 1;
		if (run->start < *last || run->end <= run->start)
			return quiet_wrong("runs: %llx-%llx after %lx", run->start, run->end,
					   *last);
		if (!quiet_knows(q, run->start) || !quiet_knows(q, run->end - 1))
			return quiet_wrong("runs: %llx-%llx was never mapped", run->start,
					   run->end);
		if (run->flags & MMLENS_PT_PRESENT && !(run->flags & MMLENS_PT_SPECIAL) &&
		    run->place > q->last_frame)
			return quiet_wrong("runs: %llx: no memory has frame %llx, entry %llx",
					   run->start, run->place, run->raw);
		*last = run->end;
		if (quiet_has(q, run->start))
			quiet_add(q, run, sizeof(*run));
	}
	return 0;
}

static int look_at_tables(struct quiet *q, const struct mmlens_walk *walk, uint64_t *last)
{
	int level = __builtin_ctzll(walk->required);
	uint64_t bytes = 1ULL << q->machine.shift[level];
	const char *at = (const char *)buffer;

	for (size_t i = 0; i < walk->records; i++) {
		const struct mmlens_table *table = (const void *)at;
		const __u64 *raw = (const void *)(table + 1);

		if ((int)table->level != level || table->start < *last)
			return quiet_wrong("tables: %llx of level %u after %lx", table->start,
					   table->level, *last);
		*last = table->start + 1;
		for (size_t j = 0; j < table->entries; j++) {
			uint64_t address = table->start + j * bytes;

			if (raw[j] == POISON)
				return quiet_wrong("tables: %lx, at %llx: a page that is free",
						   address, table->at);
			/* Of upper tables what translates only quiet addresses. */
			if (!quiet_has(q, address) || !quiet_has(q, address + bytes - 1))
				continue;
			quiet_add(q, &table->at, sizeof(table->at));
			quiet_add(q, &raw[j], sizeof(raw[j]));
		}
		at += sizeof(*table) + table->entries * sizeof(*raw);
	}
	return 0;
}

static int look_at_vmas(struct quiet *q, const struct mmlens_walk *walk, uint64_t *last)
{
	const char *at = (const char *)buffer;

	for (size_t i = 0; i < walk->records; i++) {
		const struct mmlens_vma *vma = (const void *)at;

		/* One that has grown down, or merged with the last one, is told as a whole. */
		if (vma->end <= *last || vma->end <= vma->start)
			return quiet_wrong("VMAs: %llx-%llx after %lx", vma->start, vma->end,
					   *last);
		if (!quiet_knows(q, vma->start) || !quiet_knows(q, vma->end - 1))
			return quiet_wrong("VMAs: %llx-%llx was never mapped", vma->start,
					   vma->end);
		*last = vma->end;
		if (quiet_has(q, vma->start) || quiet_has(q, vma->end - 1))
			quiet_add(q, vma, vma->record_size);
		at += vma->record_size;
	}
	return 0;
}

static int look_at_counts(struct quiet *q, const struct mmlens_walk *walk)
{
	const struct mmlens_counts *counts = (const void *)buffer;
	uint64_t bytes = 0;

	for (int bit = 5; bit < 10; bit++)
		bytes += counts->bytes_with[bit];
	if (bytes != counts->bytes)
		return quiet_wrong("counts: %llx bytes, of which %lx are of a kind", counts->bytes,
				   bytes);
	if (counts->bytes_with[9])
		return quiet_wrong("counts: bad entries");
	if (walk->end <= (uintptr_t)q->arena->above)
		quiet_add(q, counts, sizeof(*counts));
	return 0;
}

static int look_at_records(struct quiet *q, struct mmlens_walk *walk)
{
	uint64_t last = 0, before;
	int ret;

	do {
		before = walk->start;
		ret = walk_call(q->fd, walk, buffer, sizeof(buffer));
		if (ret)
			return ret;
		if (walk->start <= before && walk->start < walk->end)
			return quiet_wrong("form %u: no progress from %lx on", walk->form, before);
		switch (walk->form) {
		case MMLENS_FORM_ENTRIES:
			ret = look_at_entries(q, walk, &last);
			break;
		case MMLENS_FORM_RUNS:
			ret = look_at_runs(q, walk, &last);
			break;
		case MMLENS_FORM_TABLES:
			ret = look_at_tables(q, walk, &last);
			break;
		case MMLENS_FORM_VMAS:
			ret = look_at_vmas(q, walk, &last);
			break;
		default:
			ret = look_at_counts(q, walk);
		}
	} while (!ret && walk->start < walk->end);
	return ret;
}

static int walk_for(struct quiet *q, enum quiet_look look)
{
	static const unsigned int forms[] = {
		[LOOK_ENTRIES] = MMLENS_FORM_ENTRIES, [LOOK_ENTRIES_PAGES] = MMLENS_FORM_ENTRIES,
		[LOOK_RUNS] = MMLENS_FORM_RUNS, [LOOK_RUNS_PAGES] = MMLENS_FORM_RUNS,
		[LOOK_TABLES] = MMLENS_FORM_TABLES, [LOOK_UPPER_TABLES] = MMLENS_FORM_TABLES,
		[LOOK_VMAS] = MMLENS_FORM_VMAS, [LOOK_NAMES] = MMLENS_FORM_VMAS,
		[LOOK_COUNTS] = MMLENS_FORM_COUNTS,
	};
	struct mmlens_walk walk = walk_of(q->pid, forms[look]);
	int ret;

	if (look == LOOK_ENTRIES_PAGES || look == LOOK_RUNS_PAGES)
		walk.flags = MMLENS_WALK_PAGES;
	if (look == LOOK_NAMES)
		walk.flags = MMLENS_WALK_NAMES;
	if (look == LOOK_COUNTS) {
		walk.start = (uintptr_t)q->arena->quiet;
		walk.end = (uintptr_t)q->arena->above;
		ret = look_at_records(q, &walk);
		walk = walk_of(q->pid, MMLENS_FORM_COUNTS);
		return ret ?: look_at_records(q, &walk);
	}
	if (walk.form != MMLENS_FORM_TABLES)
		return look_at_records(q, &walk);
	/* Level by level. */
	for (int level = 0; level < MMLENS_LEVELS; level++) {
		bool is_wanted = level ? look == LOOK_UPPER_TABLES : look == LOOK_TABLES;

		if (q->machine.folded >> level & 1 || !is_wanted)
			continue;
		walk = walk_of(q->pid, MMLENS_FORM_TABLES);
		walk.required = 1ULL << level;
		ret = look_at_records(q, &walk);
		if (ret)
			return ret;
	}
	return 0;
}

int quiet_look(struct quiet *q, enum quiet_look look)
{
	struct found *first = &q->first[look];
	size_t at = 0;
	int ret;

	q->now.size = 0;
	if (look < LOOK_QUERY)
		ret = walk_for(q, look);
	else if (look == LOOK_QUERY)
		ret = look_at_query(q);
	else if (look == LOOK_RMAP)
		ret = look_at_rmap(q);
	else
		ret = look_at_text(q, look);
	q->looks++;
	if (ret)
		return ret;
	if (!first->bytes) {
		quiet_add(q, "", 1);
		*first = q->now;
		q->now = (struct found) { };
		first->size--;
		return 0;
	}
	while (at < first->size && at < q->now.size && first->bytes[at] == q->now.bytes[at])
		at++;
	if (at == first->size && at == q->now.size)
		return 0;
	quiet_add(q, "", 1);
	if (look >= LOOK_RMAP)
		return quiet_wrong("look %d: in the quiet range, at %zu of %zu:\n%.200s\nwas\n%.200s",
				   look, at, first->size, q->now.bytes + (at > 80 ? at - 80 : 0),
				   first->bytes + (at > 80 ? at - 80 : 0));
	at &= -8UL;
	return quiet_wrong("look %d: in the quiet range, at %zu of %zu: %lx, not %lx; %zu before",
			   look, at, q->now.size - 1, *(uint64_t *)(q->now.bytes + at),
			   *(uint64_t *)(first->bytes + at), first->size);
}

int quiet_begin(struct quiet *q, const struct arena *a, pid_t pid)
{
	struct proc_vmas vmas;
	int ret;

	*q = (struct quiet) {
		.arena = a, .pid = pid, .random = 1,
		.last_frame = last_frame("System RAM"), .places = places_now(),
		.fd = device_open(O_RDWR), .machine.size = sizeof(q->machine),
	};
	if (q->fd < 0 || ioctl(q->fd, MMLENS_IOC_MACHINE, &q->machine))
		return -errno;
	ret = proc_vmas(pid, false, &vmas);
	for (size_t i = 0; i < vmas.nr && !ret; i++) {
		const struct proc_vma *vma = &vmas.vma[i];
		bool is_stack = !strcmp(vma->name, "[stack]"), is_heap = !strcmp(vma->name, "[heap]");

		/* Two more for the arena, of which parts may be unmapped. */
		if (q->nr_known + 2 == sizeof(q->known) / sizeof(*q->known))
			ret = -E2BIG;
		q->known[q->nr_known].start = vma->start - (is_stack ? SLACK : 0);
		q->known[q->nr_known++].end = vma->end + (is_heap ? SLACK : 0);
	}
	proc_vmas_free(&vmas);
	q->known[q->nr_known].start = (uintptr_t)a->start;
	q->known[q->nr_known++].end = (uintptr_t)a->start + a->bytes;
	q->known[q->nr_known].start = (uintptr_t)a->more;
	q->known[q->nr_known++].end = (uintptr_t)a->more + a->more_bytes;
	return ret;
}

void quiet_end(struct quiet *q)
{
	for (int i = 0; i < NR_LOOKS; i++)
		free(q->first[i].bytes);
	free(q->now.bytes);
	close(q->fd);
}

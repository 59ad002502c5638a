// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compare.h"
#include "util.h"

char compare_message[1024];
uint64_t compare_present, compare_nonpresent;

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define TRIES 10

/* Codes of smaps, and our names. */
static const struct { const char *code, *name; } flags[] = {
	{ "rd", "READ" }, { "wr", "WRITE" }, { "ex", "EXEC" }, { "sh", "SHARED" },
	{ "mr", "MAYREAD" }, { "mw", "MAYWRITE" }, { "me", "MAYEXEC" }, { "ms", "MAYSHARE" },
	{ "gd", "GROWSDOWN" }, { "pf", "PFNMAP" }, { "gu", "MAYBE_GUARD" }, { "lo", "LOCKED" },
	{ "io", "IO" }, { "sr", "SEQ_READ" }, { "rr", "RAND_READ" }, { "dc", "DONTCOPY" },
	{ "de", "DONTEXPAND" }, { "lf", "LOCKONFAULT" }, { "ac", "ACCOUNT" },
	{ "nr", "NORESERVE" }, { "ht", "HUGETLB" }, { "sf", "SYNC" }, { "wf", "WIPEONFORK" },
	{ "dd", "DONTDUMP" }, { "mm", "MIXEDMAP" }, { "hg", "HUGEPAGE" }, { "nh", "NOHUGEPAGE" },
	{ "mg", "MERGEABLE" }, { "um", "UFFD_MISSING" }, { "uw", "UFFD_WP" },
	{ "ui", "UFFD_MINOR" }, { "dp", "DROPPABLE" }, { "sl", "SEALED" }, { "ur", "UFFD_RWP" },
	{ "ss", "SHADOW_STACK" },
#ifdef __x86_64__
	{ "sd", "SOFTDIRTY" }, { "ar", "ARCH_1" },
#else
	{ "bt", "ARM64_BTI" }, { "mt", "MTE" },
#endif
	/* Of these smaps says nothing, or something else. */
	{ "", "PKEY_BIT0" }, { "", "PKEY_BIT1" }, { "", "PKEY_BIT2" },
#ifdef __x86_64__
	{ "", "PKEY_BIT3" },
#else
	{ "", "MTE_ALLOWED" },
#endif
	{ "", "ALLOW_ANY_UNCACHED" },
};

/* Whether our flags are nothing but names, of which smaps leaves out few. */
static bool are_known_flags(const char *s)
{
	if (!strcmp(s, "0"))
		return true;
	for (;; s++) {
		size_t len = strcspn(s, "|"), i;

		for (i = 0; i < ARRAY_SIZE(flags); i++)
			if (strlen(flags[i].name) == len && !strncmp(flags[i].name, s, len))
				break;
		if (i == ARRAY_SIZE(flags))
			return false;
		s += len;
		if (!*s)
			return true;
	}
}

static int compare_flags(const struct proc_vma *want, const struct lens_vma *have)
{
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (*flags[i].code &&
		    proc_has_flag(want, flags[i].code) != lens_has_flag(have, flags[i].name))
			return differ("%lx: VmFlags:%s, but flags %s", want->start, want->vm_flags,
				      have->flags);
	if (!are_known_flags(have->flags))
		return differ("%lx: flags %s", want->start, have->flags);
	if (want->pkey != lens_word_number(have, "pkey"))
		return differ("%lx: ProtectionKey %lu, but %lu", want->start, want->pkey,
			      lens_word_number(have, "pkey"));
	return 0;
}

static int compare_vma(const struct proc_vma *want, const struct lens_vma *have)
{
	uint64_t pages = (want->end - want->start) / page_size();
	/* Anonymous memory has an offset too, which maps does not tell. */
	bool is_offset = !want->ino || have->pgoff * page_size() == want->offset;

	if (want->start == have->start && want->end == have->end && pages == have->pages &&
	    !strcmp(want->perm, have->perm) && is_offset && want->ino == have->ino &&
	    want->major == have->major && want->minor == have->minor &&
	    !strcmp(want->name, have->name))
		return want->vm_flags ? compare_flags(want, have) : 0;
	return differ("maps has %lx-%lx %s %lx %02x:%02x %lu '%s', vmas has %lx-%lx %s %lx %02x:%02x %lu '%s'",
		      want->start, want->end, want->perm, want->offset, want->major, want->minor,
		      want->ino, want->name, have->start, have->end, have->perm,
		      have->pgoff * page_size(), have->major, have->minor, have->ino, have->name);
}

/* Like the lines of one of our dumps. */
static bool same_vmas(const struct proc_vmas *a, const struct proc_vmas *b)
{
	if (a->nr != b->nr)
		return false;
	for (size_t i = 0; i < a->nr; i++)
		if (a->vma[i].start != b->vma[i].start || a->vma[i].end != b->vma[i].end ||
		    strcmp(a->vma[i].perm, b->vma[i].perm) ||
		    strcmp(a->vma[i].name, b->vma[i].name) ||
		    (a->vma[i].vm_flags && strcmp(a->vma[i].vm_flags, b->vma[i].vm_flags)))
			return false;
	return true;
}

static int try_vmas(pid_t pid)
{
	struct proc_vmas before = {}, after = {};
	struct lens_vmas vmas = {};
	int ret = proc_vmas(pid, true, &before);

	if (!ret)
		ret = lens_vmas(pid, &vmas);
	if (!ret)
		ret = proc_vmas(pid, true, &after);
	if (!ret && !same_vmas(&before, &after))
		ret = -EAGAIN;
	for (size_t i = 0; !ret && i < before.nr && i < vmas.nr; i++) {
		/* The gate page is not a VMA of the process. */
		if (strcmp(before.vma[i].name, "[vsyscall]"))
			ret = compare_vma(&before.vma[i], &vmas.vma[i]);
	}
	if (!ret) {
		size_t gates = before.nr && !strcmp(before.vma[before.nr - 1].name, "[vsyscall]");

		if (vmas.nr != before.nr - gates)
			ret = differ("%zu lines of maps, %zu of vmas", before.nr - gates, vmas.nr);
	}
	proc_vmas_free(&before);
	proc_vmas_free(&after);
	lens_vmas_free(&vmas);
	return ret;
}

static int try_again(int (*compare)(pid_t pid), pid_t pid)
{
	int ret = -EAGAIN;

	for (int i = 0; i < TRIES && ret == -EAGAIN; i++)
		ret = compare(pid);
	if (ret == -EBADMSG)
		return differ("cannot read: %s", lens_error);
	return ret;
}

int compare_vmas(pid_t pid)
{
	return try_again(try_vmas, pid);
}

/* What a leaf lets user space do must be what the VMA does, or less. */
static int compare_rights(const struct proc_vma *vma, const struct lens_entry *e)
{
	bool readable = strpbrk(vma->perm, "rwx"); /* no hardware has write without read */

	/* Nothing that the kernel does takes rights away in a table of user space. */
	if (strcmp(e->rwx, e->effective))
		return differ("%lx: leaf %s, effective %s", e->start, e->rwx, e->effective);

	if ((e->rwx[0] == 'r' && !readable) || (e->rwx[1] == 'w' && vma->perm[1] != 'w') ||
	    (e->rwx[2] == 'x' && vma->perm[2] != 'x'))
		return differ("%lx: leaf %s in a VMA %s", e->start, e->rwx, vma->perm);
	return 0;
}

/* One page: @e is what serves it, or NULL. */
static int compare_page(const struct proc_vma *vma, uint64_t addr, uint64_t pm,
			const struct lens_table *table, const struct lens_entry *e)
{
	bool is_hugetlb = proc_has_flag(vma, "ht");
	uint64_t into = e ? (addr & (table->size[e->level] - 1)) / page_size() : 0;

	if (pm & PM_PRESENT) {
		compare_present++;
		if (!e || e->kind != LENS_LEAF)
			return differ("%lx: pagemap has frame %#lx, entries none", addr,
				      pm & PM_FRAME);
		if (e->pfn + into != (pm & PM_FRAME))
			return differ("%lx: pagemap has frame %#lx, entries %#lx", addr,
				      (uint64_t)(pm & PM_FRAME), e->pfn + into);
	} else if (pm & PM_SWAP) {
		compare_nonpresent++;
		if (!e || !lens_is_nonpresent(e))
			return differ("%lx: pagemap has swap type %lu, entries none", addr,
				      PM_SWAP_TYPE(pm));
		/* Of what is not in swap, the number of the kind, which entries says in words. */
		if (e->kind == LENS_SWAP &&
		    (e->type != PM_SWAP_TYPE(pm) || e->offset + into != PM_SWAP_OFFSET(pm)))
			return differ("%lx: pagemap has swap %lu:%#lx, entries %lu:%#lx", addr,
				      PM_SWAP_TYPE(pm), PM_SWAP_OFFSET(pm), e->type,
				      e->offset + into);
		if (e->has_pfn && e->pfn + into != PM_SWAP_OFFSET(pm))
			return differ("%lx: pagemap has frame %#lx, entries %#lx", addr,
				      PM_SWAP_OFFSET(pm), e->pfn + into);
	} else if (e && !(is_hugetlb && lens_is_nonpresent(e))) {
		/* Of hugetlb pages that are not present, pagemap tells nothing. */
		return differ("%lx: entries has %016lx, pagemap nothing", addr, e->raw);
	}
	if (!e)
		return 0;
	if (lens_has_bit(e, "guard") != !!(pm & PM_GUARD))
		return differ("%lx: entries has '%s', pagemap guard region %d", addr, e->bits,
			      !!(pm & PM_GUARD));
	if (lens_has_bit(e, "uffd-wp") != !!(pm & PM_UFFD_WP))
		return differ("%lx: entries has '%s', pagemap uffd-wp %d", addr, e->bits,
			      !!(pm & PM_UFFD_WP));
	/* Pagemap adds the flag of the VMA, and does not look at hugetlb entries. */
	if (!is_hugetlb && !proc_has_flag(vma, "sd") &&
	    lens_has_bit(e, "soft-dirty") != !!(pm & PM_SOFT_DIRTY))
		return differ("%lx: entries has '%s', pagemap soft-dirty %d", addr, e->bits,
			      !!(pm & PM_SOFT_DIRTY));
	return e->kind == LENS_LEAF ? compare_rights(vma, e) : 0;
}

/* The entries of one VMA that are no tables, one after the other by address. */
struct cursor {
	const struct lens_entry **entry;
	size_t nr, at;
};

static int by_address(const void *a, const void *b)
{
	const struct lens_entry *const *x = a, *const *y = b;

	return (*x)->start < (*y)->start ? -1 : (*x)->start > (*y)->start;
}

static int make_cursor(const struct lens_table *table, const struct lens_table_vma *vma,
		       struct cursor *cursor)
{
	cursor->entry = calloc(vma->nr + 1, sizeof(*cursor->entry));
	cursor->nr = 0;
	cursor->at = 0;
	for (size_t i = vma->first; i < vma->first + vma->nr; i++) {
		const struct lens_entry *e = &table->entry[i];

		if (e->start < vma->start || e->end > vma->end)
			return differ("%lx-%lx: not in the VMA %lx-%lx", e->start, e->end,
				      vma->start, vma->end);
		if (e->kind == LENS_BAD)
			return differ("%lx: bad entry %016lx", e->start, e->raw);
		if (e->kind != LENS_TABLE)
			cursor->entry[cursor->nr++] = e;
	}
	qsort(cursor->entry, cursor->nr, sizeof(*cursor->entry), by_address);
	for (size_t i = 1; i < cursor->nr; i++)
		if (cursor->entry[i]->start < cursor->entry[i - 1]->end)
			return differ("%lx: two entries", cursor->entry[i]->start);
	return 0;
}

static const struct lens_entry *entry_at(struct cursor *cursor, uint64_t addr)
{
	while (cursor->at < cursor->nr && cursor->entry[cursor->at]->end <= addr)
		cursor->at++;
	if (cursor->at < cursor->nr && cursor->entry[cursor->at]->start <= addr)
		return cursor->entry[cursor->at];
	return NULL;
}

#define WINDOW 512

/*
 * Every page of one VMA. Huge holes are skipped where both sides say that there is
 * nothing; -EAGAIN if pagemap changes before our eyes.
 */
static int compare_pages(int pagemap, const struct proc_vma *vma, const struct lens_table *table,
			 const struct lens_table_vma *ours)
{
	static uint64_t want[WINDOW], again[WINDOW];
	struct cursor cursor;
	int ret = make_cursor(table, ours, &cursor);

	for (uint64_t addr = vma->start; !ret && addr < vma->end;) {
		uint64_t next = proc_pagemap_next(pagemap, addr, vma->end);
		const struct lens_entry *e = entry_at(&cursor, addr);
		size_t nr;

		if (cursor.at < cursor.nr && cursor.entry[cursor.at]->start < next)
			next = e ? addr : cursor.entry[cursor.at]->start;
		addr = next;
		nr = (vma->end - addr) / page_size();
		if (nr > WINDOW)
			nr = WINDOW;
		if (nr && (!proc_pagemap(pagemap, addr, want, nr) ||
			   !proc_pagemap(pagemap, addr, again, nr)))
			ret = -ESRCH;
		for (size_t i = 0; !ret && i < nr; i++, addr += page_size()) {
			ret = compare_page(vma, addr, want[i], table, entry_at(&cursor, addr));
			if (ret && want[i] != again[i])
				ret = -EAGAIN;
		}
	}
	free(cursor.entry);
	return ret;
}

static int try_entries(pid_t pid)
{
	struct proc_vmas vmas = {};
	struct lens_table table = {};
	int pagemap = proc_pagemap_open(pid), ret = pagemap < 0 ? -errno : 0;

	compare_present = 0;
	compare_nonpresent = 0;
	if (!ret)
		ret = proc_vmas(pid, true, &vmas);
	if (!ret)
		ret = lens_entries(pid, &table);
	for (size_t i = 0; !ret && i < table.nr_vmas; i++) {
		const struct lens_table_vma *ours = &table.vma[i];
		const struct proc_vma *vma = &vmas.vma[i];

		if (i >= vmas.nr || vma->start != ours->start || vma->end != ours->end ||
		    strcmp(vma->perm, ours->perm) || strcmp(vma->name, ours->name))
			ret = differ("%lx-%lx %s %s is not in maps", ours->start, ours->end,
				     ours->perm, ours->name);
		/* Pagemap takes memory without struct pages for holes. */
		else if (!proc_has_flag(vma, "pf"))
			ret = compare_pages(pagemap, vma, &table, ours);
	}
	if (!ret)
		ret = compare_places(&table);
	if (!ret)
		ret = compare_page_kinds(&table);
	proc_vmas_free(&vmas);
	lens_table_free(&table);
	close(pagemap);
	return ret;
}

int compare_entries(pid_t pid)
{
	return try_again(try_entries, pid);
}

/* Whether @e, an entry, goes on where the run from @first to @last ended. */
static bool joins(const struct lens_entry *first, const struct lens_entry *last,
		  const struct lens_entry *e)
{
	return e->vma == first->vma && e->level == first->level && e->kind == first->kind &&
	       e->start == last->end && e->type == first->type && !strcmp(e->rwx, first->rwx) &&
	       !strcmp(e->effective, first->effective) && !strcmp(e->memory, first->memory) &&
	       !strcmp(e->page, first->page) && !strcmp(e->bits, first->bits);
}

static int compare_run(const struct lens_entry *run, const struct lens_entry *first, size_t nr)
{
	const struct lens_entry *last = &first[nr - 1];
	bool contiguous = true;

	for (size_t i = 1; i < nr; i++) {
		uint64_t step = first->kind == LENS_TABLE ? i :
				(first[i].start - first->start) / page_size();

		contiguous &= (!first->has_pfn || first[i].pfn == first->pfn + step) &&
			      (!first->has_offset || first[i].offset == first->offset + step);
	}
	if (run->start == first->start && run->end == last->end && run->level == first->level &&
	    run->kind == first->kind && run->count == nr && !strcmp(run->rwx, first->rwx) &&
	    !strcmp(run->effective, first->effective) && !strcmp(run->memory, first->memory) &&
	    !strcmp(run->page, first->page) && !strcmp(run->bits, first->bits) &&
	    run->type == first->type && run->scattered == (first->has_pfn && !contiguous) &&
	    run->has_pfn == (first->has_pfn && contiguous) &&
	    (!run->has_pfn || run->pfn == first->pfn) &&
	    run->has_offset == (first->has_offset && contiguous) &&
	    (!run->has_offset || run->offset == first->offset))
		return 0;
	return differ("pagetable has %lx-%lx level %d %lu pfn %#lx %s %s%s, "
		      "entries make %lx-%lx level %d %zu pfn %#lx %s %s%s",
		      run->start, run->end, run->level, run->count, run->pfn, run->rwx, run->page,
		      run->bits, first->start, last->end, first->level, nr, first->pfn, first->rwx,
		      first->page, first->bits);
}

/* Holes, and what is no table, make up the VMA; what is empty has its line once. */
static int compare_holes(const struct lens_table *runs)
{
	for (size_t i = 0; i < runs->nr_vmas; i++) {
		const struct lens_table_vma *vma = &runs->vma[i];
		uint64_t covered = 0;

		for (size_t j = vma->first; j < vma->first + vma->nr; j++)
			if (runs->entry[j].kind != LENS_TABLE)
				covered += runs->entry[j].end - runs->entry[j].start;
		if (covered != vma->end - vma->start)
			return differ("%lx-%lx: leaves, notes and holes are %#lx bytes",
				      vma->start, vma->end, covered);
	}
	return 0;
}

int compare_runs(const struct lens_table *runs, const struct lens_table *entries)
{
	size_t at = 0;

	if (runs->nr_vmas != entries->nr_vmas)
		return differ("%zu VMAs in pagetable, %zu in entries", runs->nr_vmas,
			      entries->nr_vmas);
	for (size_t i = 0; i < runs->nr_vmas; i++)
		if (runs->vma[i].start != entries->vma[i].start ||
		    runs->vma[i].end != entries->vma[i].end ||
		    strcmp(runs->vma[i].perm, entries->vma[i].perm) ||
		    strcmp(runs->vma[i].name, entries->vma[i].name))
			return differ("%lx: another VMA in entries", runs->vma[i].start);
	if (compare_holes(runs))
		return 1;
	for (size_t i = 0; i < runs->nr; i++) {
		const struct lens_entry *first = &entries->entry[at];
		size_t nr = 1;

		if (runs->entry[i].kind == LENS_HOLE)
			continue;
		if (at >= entries->nr)
			return differ("%lx: a run of no entries", runs->entry[i].start);
		while (at + nr < entries->nr && joins(first, &first[nr - 1], &first[nr]))
			nr++;
		if (runs->entry[i].vma != first->vma || compare_run(&runs->entry[i], first, nr))
			return 1;
		at += nr;
	}
	return at == entries->nr ? 0 : differ("%lx: in no run", entries->entry[at].start);
}

static int try_pagetable(pid_t pid)
{
	char *before = lens_read(pid, "entries", NULL), *after = NULL;
	struct lens_table runs = {}, entries = {};
	int ret = before ? lens_pagetable(pid, &runs) : -errno;

	if (!ret) {
		after = lens_read(pid, "entries", NULL);
		ret = !after ? -errno : strcmp(before, after) ? -EAGAIN : 0;
	}
	if (!ret) {
		ret = lens_table_parse(after, false, &entries);
		after = NULL;
	}
	if (!ret) {
		lens_gather(&entries);
		lens_gather(&runs);
		ret = compare_runs(&runs, &entries);
	}
	lens_table_free(&entries);
	lens_table_free(&runs);
	free(before);
	free(after);
	return ret;
}

int compare_pagetable(pid_t pid)
{
	return try_again(try_pagetable, pid);
}

static int by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

uint64_t count_tables(const struct lens_table *entries, uint64_t *huge)
{
	uint64_t *pfns = calloc(entries->nr + 1, sizeof(*pfns)), nr = 0, distinct = 0;

	*huge = 0;
	for (size_t i = 0; i < entries->nr; i++) {
		const struct lens_entry *e = &entries->entry[i];
		/* The kernel does not count tables of the level called p4d in VmPTE. */
		bool to_p4d = e->level == LENS_PGD && entries->size[LENS_P4D];

		if (e->kind == LENS_TABLE && !to_p4d)
			pfns[nr++] = e->pfn;
		if (e->kind != LENS_TABLE && e->level == LENS_PMD)
			++*huge;
	}
	qsort(pfns, nr, sizeof(*pfns), by_number);
	for (uint64_t i = 0; i < nr; i++)
		distinct += !i || pfns[i] != pfns[i - 1];
	free(pfns);
	return distinct;
}

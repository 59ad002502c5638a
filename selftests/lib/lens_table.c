// SPDX-License-Identifier: GPL-2.0
/* The files pagetable and entries. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lens.h"
#include "lens_parse.h"

static const char *const level_names[LENS_LEVELS] = {
	[LENS_PTE] = "pte", [LENS_PMD] = "pmd", [LENS_PUD] = "pud",
	[LENS_P4D] = "p4d", [LENS_PGD] = "pgd",
};

static const char *const kind_names[] = {
	[LENS_TABLE] = "table", [LENS_LEAF] = "leaf", [LENS_HOLE] = "hole",
	[LENS_SWAP] = "swap", [LENS_MIGRATION] = "migration", [LENS_HWPOISON] = "hwpoison",
	[LENS_DEVICE] = "device", [LENS_MARKER] = "marker", [LENS_NONPRESENT] = "nonpresent",
	[LENS_BAD] = "bad",
};

static const char *const memory_names[] = {
#ifdef __x86_64__
	"UC", "WC", "WT", "WP", "WB", "UC-",
#else
	"nGnRnE", "nGnRE", "nGRE", "GRE", "NC", "WT", "Tagged", "WB",
#endif
};

static const char *const page_names[] = {
	"device", "zero", "anon", "ksm", "file", "shmem", "hugetlb", "kernel", "ram",
};

/* Names that end with = have a value. */
static const char *const bit_names[] = {
#ifdef __x86_64__
	"P", "RW", "US", "PWT", "PCD", "A", "D", "PAT", "PSE", "G", "NX",
	"special", "uffd-wp", "soft-dirty", "saved-dirty", "pkey=", "exclusive", "other=",
	"PROTNONE", "encrypted", "shadow-stack", "kernel-4k",
#else
	"VALID", "PAGE", "TABLE", "NS", "USER", "RDONLY", "AF", "nG", "GP", "DBM", "CONT",
	"PXN", "UXN", "AttrIndx=", "SH=", "POIndex=", "dirty", "special", "uffd-wp",
	"PXNTable", "UXNTable", "APTable=", "NSTable", "exclusive", "other=",
	"PRESENT_INVALID",
#endif
	/* What the bits mean, with the VMA in view. */
	"numa-hint", "uffd-rwp", "W+X",
	/* Of holes. */
	"empty", "no-table", "no-access", "uffd-missing", "never-written",
	/* Of entries that are not present. */
	"type=", "offset=", "read", "read-exclusive", "write", "young", "dirty", "private-read",
	"private-write", "poisoned", "guard", "flags=",
};

static int find_name(const char *word, const char *const *names, int nr)
{
	for (int i = 0; word && i < nr; i++)
		if (!strcmp(word, names[i]))
			return i;
	return -1;
}

bool lens_has_bit(const struct lens_entry *entry, const char *name)
{
	return has_name(entry->bits, name, ' ');
}

/* "pgd=512G": a level and how much its entries map. */
static bool parse_levels(char *s, struct lens_table *table)
{
	static const char units[] = "KMGTP";
	char *word;

	while ((word = next_word(&s))) {
		char *name = strsep(&word, "="), *unit = word ? word + strcspn(word, units) : NULL;
		int level = find_name(name, level_names, LENS_LEVELS);
		int shift;

		if (level < 0 || !unit || !*unit || unit[1])
			return false;
		shift = 10 * (strchr(units, *unit) - units + 1);
		*unit = '\0';
		if (!parse_number(word, 10, &table->size[level]))
			return false;
		table->size[level] <<= shift;
	}
	return table->size[LENS_PTE] && table->size[LENS_PGD];
}

static bool parse_table_vma(char *s, struct lens_table_vma *vma)
{
	if (!parse_range(next_word(&s), &vma->start, &vma->end) ||
	    !parse_perm(next_word(&s), vma->perm))
		return false;
	vma->name = s;
	return true;
}

static bool parse_bits(const char *s)
{
	while (*(s += strspn(s, " "))) {
		size_t len = strcspn(s, " "), i;

		for (i = 0; i < ARRAY_SIZE(bit_names); i++) {
			size_t name;
			bool has_value;

			/* There are many names, and this is the most that a test does. */
			if (*s != *bit_names[i])
				continue;
			name = strlen(bit_names[i]);
			has_value = bit_names[i][name - 1] == '=';
			if (!strncmp(s, bit_names[i], name) &&
			    (has_value ? len > name : len == name))
				break;
		}
		if (i == ARRAY_SIZE(bit_names))
			return false;
		s += len;
	}
	return true;
}

static bool parse_rights(const char *word, char *rights)
{
	if (!word || strlen(word) != 3 || !strchr("r-", word[0]) || !strchr("w-", word[1]) ||
	    !strchr("x-", word[2]))
		return false;
	strcpy(rights, word);
	return true;
}

static bool names_a_frame(enum lens_kind kind)
{
	return kind == LENS_TABLE || kind == LENS_LEAF || kind == LENS_MIGRATION ||
	       kind == LENS_HWPOISON || kind == LENS_DEVICE;
}

/* "type=1 offset=0x20": what swapped pages begin their bits with. */
static bool parse_swap(struct lens_entry *e)
{
	char word[32];

	if (sscanf(e->bits, " type=%lu offset=%31s", &e->type, word) != 2)
		return false;
	e->has_offset = parse_0x(word, &e->offset);
	e->bits = strstr(e->bits, "offset=") + strlen("offset=") + strlen(word);
	return e->has_offset || (e->count > 1 && !strcmp(word, "scattered"));
}

/* The columns that both files end with: from pfn on. */
static bool parse_tail(char *s, struct lens_entry *e)
{
	char *word = next_word(&s);

	if (!word)
		return false;
	e->scattered = !strcmp(word, "scattered");
	e->has_pfn = parse_0x(word, &e->pfn);
	if (!e->has_pfn && !e->scattered && strcmp(word, "-"))
		return false;
	if ((e->has_pfn || e->scattered) != names_a_frame(e->kind))
		return false;

	if (!parse_rights(next_word(&s), e->rwx) || !parse_rights(next_word(&s), e->effective))
		return false;
	for (int i = 0; i < 3; i++)
		if (e->effective[i] != '-' && e->effective[i] != e->rwx[i])
			return false;
	if (e->kind != LENS_LEAF && e->kind != LENS_TABLE && strcmp(e->rwx, "---"))
		return false;

	e->memory = next_word(&s);
	e->page = next_word(&s);
	if (!e->memory || !e->page)
		return false;
	if (e->kind == LENS_LEAF) {
		if (find_name(e->memory, memory_names, ARRAY_SIZE(memory_names)) < 0)
			return false;
		if (find_name(e->page, page_names, ARRAY_SIZE(page_names)) < 0 &&
		    strcmp(e->page, "-"))
			return false;
	} else if (strcmp(e->memory, "-") || strcmp(e->page, "-")) {
		return false;
	}
	e->bits = s;
	if ((e->kind == LENS_SWAP || e->kind == LENS_NONPRESENT) && !parse_swap(e))
		return false;
	return parse_bits(e->bits);
}

static bool parse_entry(char *s, const struct lens_table *table, struct lens_entry *e)
{
	const struct lens_table_vma *vma = &table->vma[table->nr_vmas - 1];
	uint64_t size;
	int level, kind;

	if (!parse_address(next_word(&s), &e->start))
		return false;
	level = find_name(next_word(&s), level_names, LENS_LEVELS);
	if (level < 0 || !parse_address(next_word(&s), &e->at) ||
	    !parse_address(next_word(&s), &e->raw))
		return false;
	kind = find_name(next_word(&s), kind_names, ARRAY_SIZE(kind_names));
	size = table->size[level];
	if (kind < 0 || kind == LENS_HOLE || !size || e->at % sizeof(e->raw))
		return false;
	e->level = level;
	e->kind = kind;
	e->count = 1;
	e->end = e->start - e->start % size + size;
	if (e->end > vma->end)
		e->end = vma->end;
	return parse_tail(s, e);
}

/* "12K": must be the size of the range. */
static bool is_size(const char *word, uint64_t size)
{
	static const char units[] = "BKMGTP";
	const char *unit = word ? strpbrk(word, units) : NULL;

	return unit && !unit[1] &&
	       strtoull(word, NULL, 10) << 10 * (strchr(units, *unit) - units) == size;
}

static bool parse_run(char *s, const struct lens_table *table, struct lens_entry *e)
{
	int level, kind;

	if (!parse_range(next_word(&s), &e->start, &e->end) ||
	    !is_size(next_word(&s), e->end - e->start))
		return false;
	level = find_name(next_word(&s), level_names, LENS_LEVELS);
	kind = find_name(next_word(&s), kind_names, ARRAY_SIZE(kind_names));
	if (level < 0 || kind < 0 || !table->size[level] ||
	    !parse_number(next_word(&s), 10, &e->count))
		return false;
	e->level = level;
	e->kind = kind;
	return parse_tail(s, e);
}

static bool parse_table_line(char *line, bool runs, struct lens_table *table)
{
	struct lens_table_vma *vma;
	struct lens_entry *e;

	if (!strncmp(line, "vma ", 4)) {
		table->vma = grow(table->vma, table->nr_vmas, sizeof(*table->vma));
		vma = &table->vma[table->nr_vmas++];
		memset(vma, 0, sizeof(*vma));
		vma->first = table->nr;
		return parse_table_vma(line + 4, vma);
	}
	if (!table->nr_vmas)
		return false;
	vma = &table->vma[table->nr_vmas - 1];
	table->entry = grow(table->entry, table->nr, sizeof(*table->entry));
	e = &table->entry[table->nr++];
	memset(e, 0, sizeof(*e));
	e->vma = table->nr_vmas - 1;
	vma->nr++;
	return (runs ? parse_run(line, table, e) : parse_entry(line, table, e)) &&
	       e->start < e->end;
}

int lens_table_parse(char *text, bool runs, struct lens_table *table)
{
	static const char heading[] = "# levels:";

	memset(table, 0, sizeof(*table));
	table->text = text;
	for (bool first = true; text && *text; first = false) {
		char *line = strsep(&text, "\n");
		bool good = text;

		snprintf(lens_error, sizeof(lens_error), "%s: %s",
			 runs ? "pagetable" : "entries", line);
		if (first)
			good = good && !strncmp(line, heading, strlen(heading)) &&
			       parse_levels(line + strlen(heading), table);
		else if (*line != '#')
			good = good && parse_table_line(line, runs, table);
		if (!good)
			return -EBADMSG;
	}
	return 0;
}

int lens_entries(pid_t pid, struct lens_table *table)
{
	char *text = lens_read(pid, "entries", NULL);

	memset(table, 0, sizeof(*table));
	return text ? lens_table_parse(text, false, table) : -errno;
}

int lens_pagetable(pid_t pid, struct lens_table *table)
{
	char *text = lens_read(pid, "pagetable", NULL);

	memset(table, 0, sizeof(*table));
	return text ? lens_table_parse(text, true, table) : -errno;
}

/* Whether the kernel takes the page for dirty: DBM, and not RDONLY. */
static bool is_dirty(const struct lens_entry *e)
{
	return lens_has_bit(e, "dirty") ||
	       (lens_has_bit(e, "DBM") && !lens_has_bit(e, "RDONLY"));
}

static bool same_block(const struct lens_table *table, const struct lens_entry *a,
		       const struct lens_entry *b)
{
	uint64_t page = table->size[LENS_PTE];
	uint64_t pages = page == 4096 ? 16 : page == 16384 && a->level == LENS_PTE ? 128 : 32;
	uint64_t block = pages * table->size[a->level];

	return a->level == b->level && b->kind == LENS_LEAF && lens_has_bit(b, "CONT") &&
	       a->start / block == b->start / block;
}

static char *gather(const struct lens_table *table, size_t i)
{
	const struct lens_entry *e = &table->entry[i];
	char *old = strdup(e->bits), *new = malloc(strlen(old) + 32), *word, *s = old;
	size_t first = i, last = i;
	bool young = false, dirty = false;

	while (first && same_block(table, e, &table->entry[first - 1]))
		first--;
	while (last + 1 < table->nr && same_block(table, e, &table->entry[last + 1]))
		last++;
	for (; first <= last; first++) {
		young |= lens_has_bit(&table->entry[first], "AF");
		dirty |= is_dirty(&table->entry[first]);
	}
	*new = '\0';
	while ((word = next_word(&s)))
		if (strcmp(word, "AF") && strcmp(word, "dirty") && strcmp(word, "RDONLY"))
			strcat(strcat(new, " "), word);
	strcat(new, young ? " AF" : "");
	strcat(new, dirty ? " dirty" : "");
	free(old);
	return new;
}

void lens_gather(struct lens_table *table)
{
	for (size_t i = 0; i < table->nr; i++) {
		struct lens_entry *e = &table->entry[i];

		if (e->kind == LENS_LEAF && lens_has_bit(e, "CONT"))
			e->gathered = gather(table, i);
	}
	for (size_t i = 0; i < table->nr; i++)
		if (table->entry[i].gathered)
			table->entry[i].bits = table->entry[i].gathered;
}

void lens_table_free(struct lens_table *table)
{
	for (size_t i = 0; i < table->nr; i++)
		free(table->entry[i].gathered);
	free(table->entry);
	free(table->vma);
	free(table->text);
	memset(table, 0, sizeof(*table));
}

const struct lens_entry *lens_find(const struct lens_table *table, uint64_t addr)
{
	for (size_t i = 0; i < table->nr; i++) {
		const struct lens_entry *e = &table->entry[i];

		if (e->kind != LENS_TABLE && e->kind != LENS_HOLE && e->start <= addr &&
		    addr < e->end)
			return e;
	}
	return NULL;
}

// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lens.h"
#include "util.h"

char lens_error[512];

static const char *const level_names[LENS_LEVELS] = {
	[LENS_PTE] = "pte", [LENS_PMD] = "pmd", [LENS_PUD] = "pud",
	[LENS_P4D] = "p4d", [LENS_PGD] = "pgd",
};

static const char *const kind_names[] = {
	[LENS_TABLE] = "table", [LENS_LEAF] = "leaf",
	[LENS_NONPRESENT] = "nonpresent", [LENS_BAD] = "bad",
};

/* Names that end with = have a value. */
static const char *const bit_names[] = {
#ifdef __x86_64__
	"P", "RW", "US", "PWT", "PCD", "A", "D", "PAT", "PSE", "G", "NX",
	"special", "uffd-wp", "soft-dirty", "saved-dirty", "pkey=", "exclusive", "other=",
#else
	"VALID", "PAGE", "TABLE", "NS", "USER", "RDONLY", "AF", "nG", "GP", "DBM", "CONT",
	"PXN", "UXN", "AttrIndx=", "SH=", "POIndex=", "dirty", "special", "uffd-wp",
	"PXNTable", "UXNTable", "APTable=", "NSTable", "exclusive", "other=",
#endif
};

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

int lens_attach(pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d\n", pid);
	return write_file(LENS "/attach", text);
}

int lens_detach(pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d\n", pid);
	return write_file(LENS "/detach", text);
}

int lens_open(pid_t pid, const char *file)
{
	char path[96];
	int fd;

	if (pid)
		snprintf(path, sizeof(path), LENS "/%d/%s", pid, file);
	else
		snprintf(path, sizeof(path), LENS "/self/%s", file);
	fd = open(path, O_RDONLY);
	return fd < 0 ? -errno : fd;
}

char *lens_read(pid_t pid, const char *file, size_t *len)
{
	int fd = lens_open(pid, file), error;
	char *text;

	if (fd < 0) {
		errno = -fd;
		return NULL;
	}
	text = read_fd(fd, len);
	error = errno;
	close(fd);
	errno = error;
	return text;
}

static int find_name(const char *word, const char *const *names, int nr)
{
	for (int i = 0; word && i < nr; i++)
		if (!strcmp(word, names[i]))
			return i;
	return -1;
}

/* An address has 16 digits. */
static bool parse_address(const char *word, uint64_t *value)
{
	return word && strlen(word) == 16 && parse_number(word, 16, value);
}

static bool parse_range(char *word, uint64_t *start, uint64_t *end)
{
	char *dash = word ? strchr(word, '-') : NULL;

	if (!dash)
		return false;
	*dash = '\0';
	return parse_address(word, start) && parse_address(dash + 1, end) && *start < *end;
}

static bool parse_perm(const char *word, char *perm)
{
	if (!word || strlen(word) != 4 || !strchr("r-", word[0]) || !strchr("w-", word[1]) ||
	    !strchr("x-", word[2]) || !strchr("sp", word[3]))
		return false;
	strcpy(perm, word);
	return true;
}

static bool parse_0x(const char *word, uint64_t *value)
{
	return word && !strncmp(word, "0x", 2) && parse_number(word + 2, 16, value);
}

/* Makes room for another element of an array. */
static void *grow(void *array, size_t nr, size_t size)
{
	if (nr & (nr - 1))
		return array;
	array = realloc(array, (nr ? nr * 2 : 1) * size);
	if (!array)
		abort();
	return array;
}

static bool parse_vma(char *s, struct lens_vma *vma)
{
	char *word, *device[3];
	uint64_t major, minor;

	if (!parse_range(next_word(&s), &vma->start, &vma->end) ||
	    !parse_perm(next_word(&s), vma->perm) ||
	    !parse_number(next_word(&s), 10, &vma->pages) ||
	    !parse_number(next_word(&s), 16, &vma->pgoff))
		return false;
	word = next_word(&s);
	for (int i = 0; i < 3; i++)
		device[i] = strsep(&word, ":");
	if (word || !parse_number(device[0], 16, &major) || !parse_number(device[1], 16, &minor) ||
	    !parse_number(device[2], 10, &vma->ino))
		return false;
	vma->major = major;
	vma->minor = minor;
	word = next_word(&s);
	if (!word || (strcmp(word, "anon") && strcmp(word, "-")))
		return false;
	vma->anon = word[0] == 'a';
	if (!parse_address(next_word(&s), &vma->prot))
		return false;
	vma->vm_ops = next_word(&s);
	vma->flags = next_word(&s);
	vma->name = s;
	return vma->flags;
}

int lens_vmas_parse(char *text, struct lens_vmas *vmas)
{
	memset(vmas, 0, sizeof(*vmas));
	vmas->text = text;
	while (text && *text) {
		char *line = strsep(&text, "\n");

		if (*line == '#')
			continue;
		vmas->vma = grow(vmas->vma, vmas->nr, sizeof(*vmas->vma));
		snprintf(lens_error, sizeof(lens_error), "vmas: %s", line);
		if (!text || !parse_vma(line, &vmas->vma[vmas->nr++]))
			return -EBADMSG;
	}
	return 0;
}

int lens_vmas(pid_t pid, struct lens_vmas *vmas)
{
	char *text = lens_read(pid, "vmas", NULL);

	memset(vmas, 0, sizeof(*vmas));
	return text ? lens_vmas_parse(text, vmas) : -errno;
}

void lens_vmas_free(struct lens_vmas *vmas)
{
	free(vmas->vma);
	free(vmas->text);
	memset(vmas, 0, sizeof(*vmas));
}

static bool has_name(const char *list, const char *name, char separator)
{
	size_t len = strlen(name);

	for (const char *s = list; s; s = strchr(s, separator)) {
		s += *s == separator;
		if (!strncmp(s, name, len) && (s[len] == separator || !s[len]))
			return true;
	}
	return false;
}

bool lens_has_flag(const struct lens_vma *vma, const char *name)
{
	return has_name(vma->flags, name, '|');
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
			size_t name = strlen(bit_names[i]);
			bool has_value = bit_names[i][name - 1] == '=';

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

/* The columns that both files end with: from pfn on. */
static bool parse_tail(char *s, struct lens_entry *e)
{
	char *word = next_word(&s);
	const char *rwx;

	if (!word)
		return false;
	e->scattered = !strcmp(word, "scattered");
	e->has_pfn = parse_0x(word, &e->pfn);
	if (!e->has_pfn && !e->scattered && strcmp(word, "-"))
		return false;
	if ((e->has_pfn || e->scattered) != (e->kind == LENS_TABLE || e->kind == LENS_LEAF))
		return false;

	rwx = next_word(&s);
	if (!rwx)
		return false;
	if (e->kind == LENS_LEAF || e->kind == LENS_NONPRESENT) {
		if (strlen(rwx) != 3 || !strchr("r-", rwx[0]) || !strchr("w-", rwx[1]) ||
		    !strchr("x-", rwx[2]))
			return false;
		strcpy(e->rwx, rwx);
	} else if (strcmp(rwx, "-")) {
		return false;
	}
	if (e->kind == LENS_NONPRESENT) {
		word = next_word(&s);
		if (strcmp(rwx, "---") || !word || strncmp(word, "type=", 5) ||
		    !parse_number(word + 5, 10, &e->type))
			return false;
		s += strspn(s, " ");
		e->has_offset = !strncmp(s, "offset=", 7);
		if (e->has_offset && !parse_0x(next_word(&s) + 7, &e->offset))
			return false;
		if (e->count == 1 && !e->has_offset)
			return false;
	}
	e->bits = s;
	return parse_bits(s);
}

static bool parse_entry(char *s, const struct lens_table *table, struct lens_entry *e)
{
	const struct lens_table_vma *vma = &table->vma[table->nr_vmas - 1];
	uint64_t size;
	int level, kind;

	if (!parse_address(next_word(&s), &e->start))
		return false;
	level = find_name(next_word(&s), level_names, LENS_LEVELS);
	if (level < 0 || !parse_address(next_word(&s), &e->raw))
		return false;
	kind = find_name(next_word(&s), kind_names, ARRAY_SIZE(kind_names));
	size = table->size[level];
	if (kind < 0 || !size)
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

void lens_table_free(struct lens_table *table)
{
	free(table->entry);
	free(table->vma);
	free(table->text);
	memset(table, 0, sizeof(*table));
}

const struct lens_entry *lens_find(const struct lens_table *table, uint64_t addr)
{
	for (size_t i = 0; i < table->nr; i++) {
		const struct lens_entry *e = &table->entry[i];

		if (e->kind != LENS_TABLE && e->start <= addr && addr < e->end)
			return e;
	}
	return NULL;
}

char *lens_mm(pid_t pid, const char *name)
{
	char *text = lens_read(pid, "mm", NULL), *next = text, *value = NULL;
	size_t len = strlen(name);

	while (next && *next && !value) {
		char *line = strsep(&next, "\n");

		if (!strncmp(line, name, len) && line[len] == ':')
			value = strdup(line + len + 1 + strspn(line + len + 1, " "));
	}
	free(text);
	return value;
}

uint64_t lens_mm_number(pid_t pid, const char *name)
{
	char *value = lens_mm(pid, name);
	uint64_t number = value ? strtoull(value, NULL, 0) : UINT64_MAX;

	free(value);
	return number;
}

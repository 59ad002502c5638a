/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The text files of mmlens, read as Documentation/debugfs.rst describes them and in
 * no other way: a line of any other shape is an error.
 */
#ifndef MMLENS_SELFTESTS_LENS_H
#define MMLENS_SELFTESTS_LENS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define LENS "/sys/kernel/debug/mmlens"

/* Each of these returns 0, or a negative errno; EBADMSG with lens_error if the text is wrong. */
extern char lens_error[512];

int lens_attach(pid_t pid);
int lens_detach(pid_t pid);
/* A file of the folder of @pid, or of self if @pid is 0: a descriptor or a negative errno. */
int lens_open(pid_t pid, const char *file);
/* Its text; NULL and errno. */
char *lens_read(pid_t pid, const char *file, size_t *len);

#define LENS_WORDS 32

struct lens_vma {
	uint64_t start, end, pages, pgoff, ino, prot;
	unsigned int major, minor;
	char perm[5];
	bool anon;
	const char *vm_ops, *flags, *name;
	const char *words[LENS_WORDS];	/* key=value */
	size_t nr_words;
};

struct lens_vmas {
	char *text;
	struct lens_vma *vma;
	size_t nr;
};

int lens_vmas(pid_t pid, struct lens_vmas *vmas);
int lens_vmas_parse(char *text, struct lens_vmas *vmas);
void lens_vmas_free(struct lens_vmas *vmas);
/* Whether the column of flags has this name. */
bool lens_has_flag(const struct lens_vma *vma, const char *name);
/* The value of a word key=value, NULL without it; and as a number, 0 without it. */
const char *lens_word(const struct lens_vma *vma, const char *key);
uint64_t lens_word_number(const struct lens_vma *vma, const char *key);
/* Takes the words off the line: what is left is the name. Unknown keys are errors. */
bool lens_parse_words(char **line, struct lens_vma *vma);

enum lens_level { LENS_PTE, LENS_PMD, LENS_PUD, LENS_P4D, LENS_PGD, LENS_LEVELS };
enum lens_kind {
	LENS_TABLE, LENS_LEAF, LENS_HOLE, LENS_BAD,
	/* Not present. */
	LENS_SWAP, LENS_MIGRATION, LENS_HWPOISON, LENS_DEVICE, LENS_MARKER, LENS_NONPRESENT,
};

/* A line of entries (count 1) or of pagetable (raw and at 0). */
struct lens_entry {
	uint64_t start, end, at, raw, count, pfn, type, offset;
	enum lens_level level;
	enum lens_kind kind;
	bool has_pfn, scattered, has_offset;
	char rwx[4], effective[4];
	const char *memory, *page;	/* "-" of what is no leaf */
	const char *bits;
	char *gathered;			/* what lens_gather() made of the bits */
	size_t vma;
};

struct lens_table_vma {
	uint64_t start, end;
	char perm[5];
	const char *name;
	size_t first, nr;
};

struct lens_table {
	char *text;
	uint64_t size[LENS_LEVELS];	/* what an entry maps; 0: there is no such level */
	struct lens_table_vma *vma;
	size_t nr_vmas;
	struct lens_entry *entry;
	size_t nr;
};

int lens_entries(pid_t pid, struct lens_table *table);
int lens_pagetable(pid_t pid, struct lens_table *table);
/* Takes the text of either file, and frees it with the table. */
int lens_table_parse(char *text, bool runs, struct lens_table *table);
void lens_table_free(struct lens_table *table);
bool lens_has_bit(const struct lens_entry *entry, const char *name);
/*
 * Of a contiguous range of arm64 the kernel takes what one entry says of accesses for
 * what all of them say, and so does pagetable: gives the bits of each entry those words,
 * at the end, in an order of their own.
 */
void lens_gather(struct lens_table *table);

static inline bool lens_is_nonpresent(const struct lens_entry *entry)
{
	return entry->kind >= LENS_SWAP;
}

/* The leaf or non-present entry that serves @addr, NULL if there is none. */
const struct lens_entry *lens_find(const struct lens_table *table, uint64_t addr);

/* A value of the file mm, NULL if there is no such line; and the number that it begins with. */
char *lens_mm(pid_t pid, const char *name);
uint64_t lens_mm_number(pid_t pid, const char *name);
/* Whether a value that is a list of names has this one. */
bool lens_mm_has(pid_t pid, const char *name, const char *flag);
/*
 * Looks at each line of the file mm: a heading, or "name: value" with a name that no other
 * line has. 0 or EBADMSG.
 */
int lens_mm_check(pid_t pid);

#endif

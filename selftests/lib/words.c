// SPDX-License-Identifier: GPL-2.0
/* The words key=value of a line of vmas. */
#include <stdlib.h>
#include <string.h>

#include "lens.h"
#include "util.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static const char *const keys[] = {
	"prot", "memory", "pkey", "anon_vma", "policy", "uffd", "private", "lock_seq", "lock_readers",
	"present", "contiguous", "accessed", "dirty", "writable", "protnone", "special",
	"swap", "migration", "device", "hwpoison", "marker", "nonpresent", "bad",
	"pgd", "p4d", "pud", "pmd", "tables",
};

static bool is_key(const char *word, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (strlen(keys[i]) == len && !memcmp(keys[i], word, len))
			return true;
	return false;
}

bool lens_parse_words(char **line, struct lens_vma *vma)
{
	vma->nr_words = 0;
	for (;;) {
		size_t len = strspn(*line, "abcdefghijklmnopqrstuvwxyz_");
		const char *word;

		if (!len || (*line)[len] != '=')
			return true;
		if (!is_key(*line, len) || vma->nr_words == LENS_WORDS)
			return false;
		word = next_word(line);
		if (!word[len + 1])
			return false;
		for (size_t i = 0; i < vma->nr_words; i++)
			if (!strncmp(vma->words[i], word, len + 1))
				return false;
		vma->words[vma->nr_words++] = word;
	}
}

const char *lens_word(const struct lens_vma *vma, const char *key)
{
	size_t len = strlen(key);

	for (size_t i = 0; i < vma->nr_words; i++)
		if (!strncmp(vma->words[i], key, len) && vma->words[i][len] == '=')
			return vma->words[i] + len + 1;
	return NULL;
}

uint64_t lens_word_number(const struct lens_vma *vma, const char *key)
{
	const char *value = lens_word(vma, key);

	return value ? strtoull(value, NULL, 10) : 0;
}

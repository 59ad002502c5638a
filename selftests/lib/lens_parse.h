/* SPDX-License-Identifier: GPL-2.0 */
/* Words of the text files: what lens.c and lens_table.c share. */
#ifndef MMLENS_SELFTESTS_LENS_PARSE_H
#define MMLENS_SELFTESTS_LENS_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* An address has 16 digits. */
static inline bool parse_address(const char *word, uint64_t *value)
{
	return word && strlen(word) == 16 && parse_number(word, 16, value);
}

static inline bool parse_range(char *word, uint64_t *start, uint64_t *end)
{
	char *dash = word ? strchr(word, '-') : NULL;

	if (!dash)
		return false;
	*dash = '\0';
	return parse_address(word, start) && parse_address(dash + 1, end) && *start < *end;
}

static inline bool parse_perm(const char *word, char *perm)
{
	if (!word || strlen(word) != 4 || !strchr("r-", word[0]) || !strchr("w-", word[1]) ||
	    !strchr("x-", word[2]) || !strchr("sp", word[3]))
		return false;
	strcpy(perm, word);
	return true;
}

static inline bool parse_0x(const char *word, uint64_t *value)
{
	return word && !strncmp(word, "0x", 2) && parse_number(word + 2, 16, value);
}

/* Makes room for another element of an array. */
static inline void *grow(void *array, size_t nr, size_t size)
{
	if (nr & (nr - 1))
		return array;
	array = realloc(array, (nr ? nr * 2 : 1) * size);
	if (!array)
		abort();
	return array;
}

/* Whether a list with separators has this name. */
static inline bool has_name(const char *list, const char *name, char separator)
{
	size_t len = strlen(name);

	for (const char *s = list; s; s = strchr(s, separator)) {
		s += *s == separator;
		if (!strncmp(s, name, len) && (s[len] == separator || !s[len]))
			return true;
	}
	return false;
}

#endif

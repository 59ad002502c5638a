/* SPDX-License-Identifier: GPL-2.0 */
/* Random reads of the text files, against what they are when they are read in one go. */
#ifndef MMLENS_SELFTESTS_FUZZ_TEXT_H
#define MMLENS_SELFTESTS_FUZZ_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "fuzz.h"

/*
 * What goes well, for fuzz_good(): bytes of a process' file, by its place in this list, of an
 * answer where a question was asked (query, the last), or of any other file.
 */
#define FUZZ_TEXTS "mm", "vmas", "summary", "layout", "pagetable", "entries", "user_pgd", "query"
enum { FUZZ_GOOD_QUERY = 7, FUZZ_GOOD_OTHER };

struct fuzz_text {
	int fd;
	char name[96];
	unsigned int goal;	/* of its bytes */
	bool stable;		/* of a process that is stopped */
	char *text;		/* in one go; NULL as long as it is not stable */
	size_t len;
};

/* Opens any file: of that folder, of self, or of no process. False and errno if it cannot be. */
bool fuzz_text_open(struct fuzz *f, pid_t pid, struct fuzz_text *file);
void fuzz_text_close(struct fuzz_text *file);
/* All of it in one go, from the beginning on, to be freed; NULL and errno. */
char *fuzz_text_all(int fd, size_t *len);
/*
 * One random call. If nobody takes the file away nothing fails, but for what is wrong in
 * itself, and a stable text is the same whatever the size of the pieces.
 */
void fuzz_text_read(struct fuzz *f, struct fuzz_text *file, bool is_taken);
/* What may be written to attach, detach or query: half of it nonsense. Returns the length. */
size_t fuzz_words(struct fuzz *f, pid_t pid, bool query, char *text, size_t room);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A buffer, an arena of addresses where parts of it are mapped, and what must be seen there:
 * a shadow of each page, and of each private copy. What is mapped where is read from
 * /proc/self/maps; what is in it is known from what was written.
 */
#ifndef MMLENS_SELFTESTS_SHADOW_H
#define MMLENS_SELFTESTS_SHADOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fuzz.h"
#include "setups.h"

enum shadow_copy {
	NO_COPY,
	PERHAPS,	/* somebody may have asked for one when the page was like @own */
	COPY,
};

struct shadow_place {
	unsigned int vma;	/* numbered from 1 on, 0: nothing of the buffer */
	bool shared;
	int prot;
	size_t at;		/* page of the buffer */
	enum shadow_copy copy;
	unsigned char *own;	/* the private copy */
};

/* Which pages were written, and which may have been. */
struct shadow_dirty {
	bool must, may;
};

struct shadow {
	struct fuzz *f;
	struct combo combo;
	int fd, mem, pagemap;		/* the buffer; /proc/self/mem, pagemap */
	size_t page, pages, places;
	bool nosplit, revoked;
	bool loose;			/* others do the same meanwhile: nothing is known */
	unsigned char *content;		/* these two are shared with children */
	struct shadow_dirty *dirty;
	char *arena;
	struct shadow_place *place;
	unsigned int vmas;
	uint32_t *words, number;	/* if loose: what this one has written to each page */
};

/* A buffer of any kind that there is memory for. */
void shadow_make(struct shadow *s, struct fuzz *f);
/* The same for another thread, which does whatever it likes. */
void shadow_twin(struct shadow *twin, const struct shadow *s, struct fuzz *f,
		 unsigned int number);

/* After a fork, those files of /proc are of somebody else. */
void shadow_look_at_self(struct shadow *s);
/* Looks again what is mapped, and reserves what is not. */
void shadow_sync(struct shadow *s);
/* What was mapped there is gone, with its copies. */
void shadow_drop(struct shadow *s, size_t first, size_t end);
/* Private pages, which were settled before, may have been copied without a write. */
void shadow_perhaps(struct shadow *s, size_t first, size_t end);
void shadow_forget_copies(struct shadow *s, size_t first, size_t end);

/* A byte of the arena, and what is at it. */
static inline char *shadow_address(const struct shadow *s, size_t place, size_t offset)
{
	return s->arena + place * s->page + offset;
}

/* By an instruction: the signal, which must be the right one, and the bytes. */
void shadow_load(struct shadow *s, size_t place, size_t offset, size_t size);
void shadow_store(struct shadow *s, size_t place, size_t offset, size_t size);
/* Before anything that may copy what is private. */
void shadow_settle(struct shadow *s, const char *address, size_t size);
/* Somebody has read these bytes there / has written them. */
void shadow_was_read(struct shadow *s, const char *address, const void *bytes, size_t size);
void shadow_was_written(struct shadow *s, const char *address, const void *bytes, size_t size);
/* Somebody tried to write, and failed: what is shared may be dirty, what is private a copy. */
void shadow_was_tried(struct shadow *s, const char *address, size_t size);
/* The same of the file. */
void shadow_file_read(struct shadow *s, size_t pos, const void *bytes, size_t size);
void shadow_file_written(struct shadow *s, size_t pos, const void *bytes, size_t size);

/* All of it. */
void shadow_check(struct shadow *s);

#define SHADOW_EXPECT(s, condition, format, ...) do { \
	if (!(s)->loose) \
		FUZZ_EXPECT((s)->f, condition, format, ##__VA_ARGS__); \
} while (0)

#endif

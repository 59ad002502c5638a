/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Looks at an arena in every way that mmlens has, again and again. What is seen of the quiet
 * range has to be the same each time, and all of it in order, inside of what is mapped, and
 * nothing that was ever read from a page that was free.
 */
#ifndef MMLENS_SELFTESTS_QUIET_H
#define MMLENS_SELFTESTS_QUIET_H

#include "arena.h"
#include "poison.h"
#include "walk.h"

enum quiet_look {
	LOOK_ENTRIES, LOOK_ENTRIES_PAGES, LOOK_RUNS, LOOK_RUNS_PAGES, LOOK_TABLES,
	LOOK_UPPER_TABLES, LOOK_VMAS, LOOK_NAMES, LOOK_COUNTS, LOOK_QUERY,
	/* These take the debugfs folder of the target. */
	LOOK_RMAP, LOOK_PAGETABLE, LOOK_FILE_ENTRIES, LOOK_FILE_VMAS, LOOK_SUMMARY,
	NR_LOOKS
};

/* What was seen of the quiet range. */
struct found {
	char *bytes;
	size_t size, room;
};

struct quiet {
	const struct arena *arena;
	pid_t pid;
	int fd;
	struct mmlens_machine machine;
	struct { uint64_t start, end; } known[128];	/* nothing may be outside of these */
	size_t nr_known, last_known;
	uint64_t last_frame;				/* of memory, that this machine has */
	struct places places;
	struct found first[NR_LOOKS], now;
	unsigned int random;
	unsigned long looks;
};

/* What is wrong, if one of these returns anything but 0. */
extern char quiet_message[512];

/* Of a target that is stopped, and attached. 0 or a negative errno. */
int quiet_begin(struct quiet *q, const struct arena *a, pid_t pid);
/* One look: 0; 1 if something is wrong; a negative errno. */
int quiet_look(struct quiet *q, enum quiet_look look);
void quiet_end(struct quiet *q);

/* For those who look. */
bool quiet_has(const struct quiet *q, uint64_t address);
bool quiet_knows(struct quiet *q, uint64_t address);
void quiet_add(struct quiet *q, const void *bytes, size_t size);
int quiet_wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

int look_at_text(struct quiet *q, enum quiet_look look);
int look_at_query(struct quiet *q);
int look_at_rmap(struct quiet *q);

#endif

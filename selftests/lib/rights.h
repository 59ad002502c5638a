/* SPDX-License-Identifier: GPL-2.0 */
/* Who may see what: the table of Documentation/rights.rst, and what each can be tried with. */
#ifndef MMLENS_SELFTESTS_RIGHTS_H
#define MMLENS_SELFTESTS_RIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The columns. What belongs to each is in rights_try.c. */
enum rights_column {
	RIGHTS_NODE, RIGHTS_BUFFER, RIGHTS_MEMORY, RIGHTS_LOOK, RIGHTS_KERNEL, RIGHTS_FILES,
	RIGHTS_WRITTEN, RIGHTS_KERNEL_FILES, RIGHTS_GIVEN, RIGHTS_ADMIN, RIGHTS_COLUMNS
};

/* The rows: somebody, and what he gets of each column. */
struct rights_row {
	const char *who;
	/*
	 * "yes", the name of an error, "-": he has nothing to try it with; or the values of
	 * kptr_restrict, such as "0,1", with which he gets it: with others EPERM.
	 */
	const char *cell[RIGHTS_COLUMNS];
};

extern const struct rights_row rights_rows[];
extern const size_t nr_rights_rows;

/* What was opened by somebody who may: -1 what is not there. */
struct rights_given {
	int device;		/* a descriptor of the device */
	int memory;		/* another one: device memory, if there is any */
	int texts[8];		/* of the target, as process_texts */
	int files[8];		/* the same in debugfs */
};

/* One try of one thing, by one of the rows. */
struct rights_try {
	char name[40];
	enum rights_column column;
	pid_t target;
	int result;		/* 0 or a negative errno */
	size_t at, len;		/* of what it gave, in the arena */
};

#define RIGHTS_TRIES 1024
#define RIGHTS_ARENA (32UL << 20)
/* Somebody who is nobody in particular. */
#define RIGHTS_USER 12345

/* What somebody did: in memory that is shared with the one who judges it. */
struct rights_report {
	/* Before. */
	uint64_t secret;	/* to be put into memory, and seen nowhere */
	bool kernel_walk;	/* the module was told to show the kernel's tables */
	pid_t targets[8];
	size_t nr_targets;
	/* By the one who tries. */
	struct rights_given given;
	void *map;		/* RIGHTS_PAGES pages of the device, if he has any */
	int failed;		/* errno of a step that makes him what he is */
	char wrong[80];		/* what he got on the way there, and nobody may */
	pid_t tried_by;		/* who has the mapping, if not the child that became him */
	size_t nr, used;
	struct rights_try tries[RIGHTS_TRIES];
	char arena[RIGHTS_ARENA];
};

/* Pages that each target and each who tries has full of the secret. */
#define RIGHTS_PAGES 8
void *rights_plant(uint64_t secret);

/* All that a process could be given: opened by the caller. */
void rights_open(pid_t target, struct rights_given *given);
void rights_close(struct rights_given *given);

/*
 * In a child: becomes the one of this name, tries all, and notes in the report what came
 * of it. What he is to be given was opened.
 */
void rights_be(const char *who, struct rights_report *report);
/* The last part of it, for a program that became somebody by being run. */
void rights_try_all(struct rights_report *report);

/* Where a program that is run as somebody finds the report: an open file. */
#define RIGHTS_REPORT 103

/*
 * Loads the module with all that there can be rights to: the kernel's tables, if they can be had,
 * and device memory, if this machine has some. 0 or a negative errno.
 */
int rights_load(void);
/* Whether there is device memory. */
bool rights_have_memory(void);

#define KPTR_RESTRICT "/proc/sys/kernel/kptr_restrict"

/* Makes what rights are tried with: targets of all sorts, and a report. KPTR_RESTRICT is 0 then. */
void rights_begin(void);
void rights_end(void);

/*
 * Lets the one of the row try all, with what was opened for him, and compares with the
 * row; and looks through all that he got for what nobody may see there. What was wrong,
 * NULL if nothing was, or a word that begins with "skip" if he cannot be made.
 */
const char *rights_check(const struct rights_row *row, int kptr_restrict,
			 const struct rights_given *given);
const struct rights_row *rights_row(const char *who);

#endif
